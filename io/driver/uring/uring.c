/* SPDX-License-Identifier: Apache-2.0 */
/* uring.c - the io_uring driver's table, and what it tells from memory alone */
#include "io/driver/uring/uring.h"

static bool ready(struct wf_driver *d)
{
    const struct wf_uring *u = wf_uring_of(d);
    return wf_load_rlx(u->k_cq_tail) != u->cq_head || wf_uring_queued(u) != 0 ||
           (wf_load_rlx(u->k_flags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) ||
           u->stash.head != u->stash.tail;
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
