/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uring_reap.c - completions: poll and sleep
 *
 * poll: at most one submitting system call, then all that came, at most WF_URING_BATCH of it. A
 * ring that defers its task work runs only some 20 pieces of it per call and sets SQ_TASKRUN if
 * there is more, hence the loop.
 *
 * order: cq - the acquire load of the completion tail is paired with the kernel's release store
 * after it wrote the entry; the release store of the head gives the entries back.
 */
#include <errno.h>
#include <string.h>

#include <weft/base.h>

#include "runtime/time/clock.h"
#include "io/driver/uring/uring.h"

/* The last completion of an operation. */
static inline void finish(struct wf_uring *u, struct wf_op *op)
{
    op->more = 0;
    op->driver = NULL;
    u->inflight--;
    op->done(op);
}

/* Can an operation of this kind run outside the ring's thread? Then "not found" says nothing. */
static bool runs_elsewhere(const struct wf_op *op)
{
    return op->kind == WF_OP_READ || op->kind == WF_OP_WRITE || op->kind == WF_OP_CLOSE;
}

static unsigned cancel_answered(struct wf_uring *u, struct wf_op *op, int32_t res)
{
    WF_ASSERT(op->driver == &u->base && (op->state & WF_STATE_CANCEL));
    op->state &= ~(uint32_t)WF_STATE_CANCEL;
    if (op->state & WF_STATE_HELD) {
        finish(u, op);
        return 1;
    }
    if (res == -ENOENT && !runs_elsewhere(op))
        wf_uring_put_cancel(u, op);
    return 0;
}

/* The first of a pair has ended: from now on the second is an operation like any other. */
static void release_second(struct wf_uring *u, struct wf_op *second)
{
    if (second->driver != &u->base || !(second->state & WF_STATE_WAITS))
        return; /* it came before the first */
    bool wanted = second->state & WF_STATE_WANTED;
    second->state &= ~(uint32_t)(WF_STATE_WAITS | WF_STATE_WANTED);
    if (wanted)
        wf_uring_put_cancel(u, second);
}

/* A completion that the short way in handle() is not for. */
__attribute__((noinline)) static unsigned op_came(struct wf_uring *u, struct wf_op *op, bool more)
{
    WF_ASSERT(op->driver == &u->base);
    if (more) {
        op->more = 1;
        op->done(op);
        return 1;
    }
    if ((op->state & WF_STATE_REARM) && op->res >= 0 && !op->cancel_requested) {
        wf_uring_put(u, op, 0, 1); /* first, so that a cancel from done() comes behind it */
        op->more = 1;
        op->done(op);
        return 1;
    }
    if (op->state & WF_STATE_LEADS)
        release_second(u, op->pair);
    if (op->state & WF_STATE_CANCEL) {
        op->state |= WF_STATE_HELD;
        return 0;
    }
    finish(u, op);
    return 1;
}

static __attribute__((noinline)) unsigned internal_came(struct wf_uring *u, uint64_t data,
                                                        int32_t res)
{
    switch ((enum wf_uring_tag)(data & WF_TAG_MASK)) {
    case WF_TAG_CANCEL:
        return cancel_answered(u, (struct wf_op *)(uintptr_t)(data & ~(uint64_t)WF_TAG_MASK), res);
    case WF_TAG_EVENT:
        u->event_armed = false;
        if (!u->closing)
            wf_uring_arm_event(u);
        return 0;
    case WF_TAG_WAKE:
    case WF_TAG_SENT:
    case WF_TAG_TRIAL:
        return 0;
    case WF_TAG_OP:
    case WF_TAG_MASK:
    default:
        WF_UNREACHABLE();
    }
}

/* One completion; returns the calls of done(). */
static inline unsigned handle(struct wf_uring *u, uint64_t data, int32_t res, uint32_t flags)
{
    if (WF_UNLIKELY(data & WF_TAG_MASK))
        return internal_came(u, data, res);
    struct wf_op *op = (struct wf_op *)(uintptr_t)data;
    op->res = res;
    op->sock_nonempty = (flags & IORING_CQE_F_SOCK_NONEMPTY) != 0;
    if (WF_UNLIKELY(op->state != 0 || (flags & IORING_CQE_F_MORE)))
        return op_came(u, op, flags & IORING_CQE_F_MORE);
    finish(u, op);
    return 1;
}

static inline void prefetch_op(uint64_t data)
{
    __builtin_prefetch((void *)(uintptr_t)data, 1);
}

/* The operation's line was asked for one step earlier; now what its done() will look at. An
 * operation that a completion names is in flight, so reading it is safe. */
static inline void prefetch_user(uint64_t data)
{
    if ((data & WF_TAG_MASK) == 0)
        __builtin_prefetch(((struct wf_op *)(uintptr_t)data)->user);
}

static unsigned reap_stash(struct wf_uring *u, unsigned limit)
{
    unsigned n = 0;
    while (u->stash.head != u->stash.tail && n < limit) {
        struct io_uring_cqe cqe = u->stash.cqes[u->stash.head++];
        n += handle(u, cqe.user_data, cqe.res, cqe.flags);
    }
    return n;
}

/* Runs up to about `limit` completions. `cq_head` is in memory, not in a register: done() may
 * submit, and a full queue may move completions to the stash. */
static unsigned reap(struct wf_uring *u, unsigned limit)
{
    unsigned n = 0;
    if (WF_UNLIKELY(u->stash.head != u->stash.tail))
        n = reap_stash(u, limit);
    unsigned tail = wf_load_acq(u->k_cq_tail); /* order: cq */
    unsigned start = u->cq_head, mask = u->cq_mask;
    while (n < limit && (int)(tail - u->cq_head) > 0) {
        unsigned head = u->cq_head++;
        const struct io_uring_cqe *c = &u->cqes[head & mask];
        uint64_t data = c->user_data;
        int32_t res = c->res;
        uint32_t flags = c->flags;
        if (WF_LIKELY(tail - head > 2))
            prefetch_op(u->cqes[(head + 2) & mask].user_data);
        if (WF_LIKELY(tail - head > 1))
            prefetch_user(u->cqes[(head + 1) & mask].user_data);
        n += handle(u, data, res, flags);
        if (WF_UNLIKELY(u->stash.head != u->stash.tail))
            break;
    }
    if (u->cq_head != start)
        wf_store_rel(u->k_cq_head, u->cq_head); /* order: cq */
    return n;
}

static inline bool work_in_kernel(const struct wf_uring *u)
{
    return wf_load_rlx(u->k_flags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

static inline bool completions(const struct wf_uring *u)
{
    return wf_load_acq(u->k_cq_tail) != u->cq_head || u->stash.head != u->stash.tail;
}

/*
 * TASKRUN is set and entering brought nothing: the sender of a ring message sets the flag after it
 * has queued its work, which may be done by then, and the kernel only clears the flag when it finds
 * work. So it is cleared here, and the kernel entered once more: work queued before the clearing is
 * found by that call, work queued after it sets the flag again.
 */
static __attribute__((noinline)) void clear_taskrun(struct wf_uring *u)
{
    wf_and_rlx(u->k_flags, ~(unsigned)IORING_SQ_TASKRUN);
    (void)wf_uring_enter(u, 0, IORING_ENTER_GETEVENTS, NULL, 0);
}

/* Runs what has come and what the kernel holds back; does not go to the kernel only to submit. */
static unsigned drain(struct wf_uring *u)
{
    unsigned n = 0;
    for (;;) {
        n += reap(u, WF_URING_BATCH - n);
        if (n >= WF_URING_BATCH)
            break;
        if (completions(u))
            continue;
        if (!work_in_kernel(u))
            break;
        (void)wf_uring_enter(u, 0, IORING_ENTER_GETEVENTS, NULL, 0);
        if (completions(u) || !work_in_kernel(u))
            continue;
        clear_taskrun(u);
        if (!completions(u))
            break;
    }
    return n;
}

static inline void begin(struct wf_uring *u)
{
    WF_ASSERT(!u->reaping);
    u->reaping = true;
}

unsigned wf_uring_poll(struct wf_driver *d)
{
    struct wf_uring *u = wf_uring_of(d);
    begin(u);
    /* EINTR, EAGAIN, EBUSY: entries stay queued, the next turn tries again. */
    if (wf_uring_queued(u) != 0)
        (void)wf_uring_enter(u, 0, IORING_ENTER_GETEVENTS, NULL, 0);
    unsigned n = drain(u);
    u->reaping = false;
    return n;
}

/* Submits and blocks until something has come or the deadline has passed. */
static void wait_events(struct wf_uring *u, int64_t deadline)
{
    struct __kernel_timespec ts;
    struct io_uring_getevents_arg arg = {.sigmask_sz = _NSIG / 8};
    if (deadline != WEFT_NEVER) {
        int64_t left = deadline - wf_clock_now();
        if (left < 0)
            left = 0;
        ts.tv_sec = left / 1000000000;
        ts.tv_nsec = left % 1000000000;
        arg.ts = (uint64_t)(uintptr_t)&ts;
    }
    (void)wf_uring_enter(u, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg, sizeof arg);
}

unsigned wf_uring_sleep(struct wf_driver *d, int64_t deadline)
{
    struct wf_uring *u = wf_uring_of(d);
    begin(u);
    if (completions(u)) {
        if (wf_uring_queued(u) != 0)
            (void)wf_uring_enter(u, 0, IORING_ENTER_GETEVENTS, NULL, 0);
    } else {
        wait_events(u, deadline);
    }
    unsigned n = drain(u);
    u->reaping = false;
    return n;
}
