/* SPDX-License-Identifier: Apache-2.0 */
/* deadline.c - blocks with a deadline, and functions with one */
#include <weft/time.h>

#include "runtime/base/assert.h"
#include "runtime/task/task.h"

struct timeout {
    struct wf_frame frame;
    int *result;
    uint32_t open;
};
_Static_assert(sizeof(struct timeout) <= sizeof(struct weft_timeout), "public storage");

static weft_deadline after(weft_ns span)
{
    int64_t now = wf_clock_now();
    if (span <= 0)
        return now;
    return span > WEFT_NEVER - 1 - now ? WEFT_NEVER - 1 : now + span;
}

int weft_timeout_open(struct weft_timeout *block, weft_ns timeout, int *result)
{
    struct timeout *b = (struct timeout *)(void *)block;
    struct wf_task *t = wf_self();
    b->open = 0;
    b->result = result;
    int rc = t != NULL ? 0 : -EPERM;
    if (result != NULL)
        *result = rc;
    if (rc < 0)
        return rc;
    wf_frame_push(t, &b->frame, WF_FRAME_TIMEOUT, after(timeout));
    b->open = 1;
    return 0;
}

int weft_timeout_close(struct weft_timeout *block)
{
    struct timeout *b = (struct timeout *)(void *)block;
    struct wf_task *t = wf_self();
    if (!b->open)
        return 0;
    WF_CHECK(b->frame.task == t);
    b->open = 0;
    int rc = wf_load_rlx(&b->frame.cancelled) != 0 ? -ETIMEDOUT : 0;
    wf_frame_pop(t, &b->frame);
    if (b->result != NULL)
        *b->result = rc;
    return rc;
}

void weft_timeout_leave_(struct weft_timeout *block)
{
    (void)weft_timeout_close(block);
}

intptr_t weft_wait_for(weft_fn fn, void *arg, weft_ns timeout)
{
    struct weft_timeout block;
    if (fn == NULL)
        return -EINVAL;
    int rc = weft_timeout_open(&block, timeout, NULL);
    if (rc < 0)
        return rc;
    intptr_t result = fn(arg);
    rc = weft_timeout_close(&block);
    return rc < 0 && WEFT_FAILED(result) ? rc : result;
}
