/* SPDX-License-Identifier: Apache-2.0 */
/* uring.c - the io_uring driver's table, and what it tells from memory alone */
#include "io/driver/uring/uring.h"

/*
 * The kernel may set TASKRUN after the work it announces was done already (the sender of a ring
 * message sets it late); the flag then stays until other work comes. So a flag that brought nothing
 * is believed only once in IDLE_LOOKS looks, until something comes or a sleep has looked for itself.
 */
enum { IDLE_LOOKS = 32 };

static bool ready(struct wf_driver *d)
{
    struct wf_uring *u = wf_uring_of(d);
    if (wf_load_rlx(u->k_cq_tail) != u->cq_head || wf_uring_queued(u) != 0 ||
        u->stash.head != u->stash.tail)
        return true;
    if ((wf_load_rlx(u->k_flags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) == 0)
        return false;
    return !u->idle_flag || ++u->idle_looks % IDLE_LOOKS == 0;
}

static unsigned queued(struct wf_driver *d)
{
    return wf_uring_queued(wf_uring_of(d));
}

static unsigned inflight(struct wf_driver *d)
{
    return wf_uring_of(d)->inflight;
}

const struct wf_driver_ops wf_uring_driver = {
    .name = "uring",
    .open = wf_uring_open,
    .close = wf_uring_close,
    .submit = wf_uring_submit,
    .submit_pair = wf_uring_submit_pair,
    .cancel = wf_uring_cancel,
    .poll = wf_uring_poll,
    .sleep = wf_uring_sleep,
    .ready = ready,
    .queued = queued,
    .inflight = inflight,
    .wake = wf_uring_wake,
};
