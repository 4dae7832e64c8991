/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uring_submit.c - entries: operations, pairs, cancels, messages, and the system call
 *
 * Entries are written in place and handed over in batches. The kernel reads an entry during the
 * system call only, so writing it needs no order but the release store of the tail.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/log.h"
#include "io/driver/uring/uring.h"

int wf_uring_enter(struct wf_uring *u, unsigned wait, unsigned flags, const void *arg, size_t size)
{
    unsigned n = wf_uring_queued(u);
    if (n != 0)
        wf_store_rel(u->k_sq_tail, u->sq_tail);
    int ret = io_uring_enter2((unsigned)u->enter_fd, n, wait, flags | u->enter_flags,
                              (sigset_t *)(uintptr_t)arg, size);
    /* The head, not the result, tells what was taken: a wait that was cut short hides the count. */
    u->sq_head = wf_load_acq(u->k_sq_head);
    return ret;
}

/* Without memory for it neither the promise to run every completion nor the one to end every cancel
 * could be kept, hence the check. */
void wf_uring_set_aside(struct wf_uring *u)
{
    struct wf_uring_stash *s = &u->stash;
    unsigned tail = wf_load_acq(u->k_cq_tail);
    if (s->head == s->tail)
        s->head = s->tail = 0;
    while (u->cq_head != tail) {
        if (s->tail == s->cap) {
            unsigned cap = s->cap ? 2 * s->cap : 1024;
            struct io_uring_cqe *more = realloc(s->cqes, cap * sizeof *more);
            WF_CHECK(more != NULL);
            s->cqes = more;
            s->cap = cap;
        }
        s->cqes[s->tail++] = u->cqes[u->cq_head++ & u->cq_mask];
    }
    wf_store_rel(u->k_cq_head, u->cq_head);
}

void wf_uring_flush(struct wf_uring *u)
{
    static struct wf_log_limit limit = WF_LOG_LIMIT_INIT(1, 1000000000u);
    while (wf_uring_queued(u) != 0) {
        int ret = wf_uring_enter(u, 0, 0, NULL, 0);
        if (ret >= 0 || ret == -EINTR)
            continue;
        /* EBUSY: completions must be taken first. EAGAIN: no memory for requests, which completions
         * give back. GETEVENTS moves completions that wait in the kernel into the ring. */
        WF_CHECK(ret == -EBUSY || ret == -EAGAIN);
        wf_uring_set_aside(u);
        (void)io_uring_enter2((unsigned)u->enter_fd, 0, 0, IORING_ENTER_GETEVENTS | u->enter_flags,
                              NULL, 0);
        wf_uring_set_aside(u);
        if (ret == -EAGAIN) {
            struct timespec now, pause = {.tv_nsec = 100000};
            uint64_t suppressed;
            clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
            if (wf_log_allowed(&limit, (uint64_t)now.tv_sec * 1000000000u, &suppressed))
                wf_log(WF_LOG_WARN, "uring: the kernel has no memory for requests, trying again");
            nanosleep(&pause, NULL);
        }
    }
}

void wf_uring_put(struct wf_uring *u, struct wf_op *op, uint8_t entry_flags, unsigned room)
{
    struct io_uring_sqe *e = wf_uring_entry(u, room);
    uint64_t data = (uint64_t)(uintptr_t)op, addr = (uint64_t)(uintptr_t)op->buf;
    uint16_t ioprio = 0;
    switch ((enum wf_op_kind)op->kind) {
    case WF_OP_RECV:
        wf_uring_fill(e, IORING_OP_RECV, op->fd, 0, addr, op->len, op->msg_flags, data);
        ioprio = op->arg != 0 && u->has_poll_first ? IORING_RECVSEND_POLL_FIRST : 0;
        break;
    case WF_OP_SEND:
        wf_uring_fill(e, IORING_OP_SEND, op->fd, 0, addr, op->len, op->msg_flags, data);
        break;
    case WF_OP_SENDMSG:
        wf_uring_fill(e, IORING_OP_SENDMSG, op->fd, 0, addr, 1, op->msg_flags, data);
        break;
    case WF_OP_ACCEPT:
        wf_uring_fill(e, IORING_OP_ACCEPT, op->fd, 0, 0, 0, SOCK_CLOEXEC, data);
        break;
    case WF_OP_ACCEPT_MULTI:
        wf_uring_fill(e, IORING_OP_ACCEPT, op->fd, 0, 0, 0, SOCK_CLOEXEC, data);
        if (u->has_accept_multi)
            ioprio = IORING_ACCEPT_MULTISHOT;
        else
            op->state |= WF_STATE_REARM;
        break;
    case WF_OP_CONNECT:
        wf_uring_fill(e, IORING_OP_CONNECT, op->fd, op->len, addr, 0, 0, data);
        break;
    case WF_OP_POLL:
        wf_uring_fill(
            e, IORING_OP_POLL_ADD, op->fd, 0, 0, 0,
            __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? op->arg << 16 | op->arg >> 16 : op->arg, data);
        break;
    case WF_OP_READ:
        wf_uring_fill(e, IORING_OP_READ, op->fd, op->offset, addr, op->len, 0, data);
        break;
    case WF_OP_WRITE:
        wf_uring_fill(e, IORING_OP_WRITE, op->fd, op->offset, addr, op->len, 0, data);
        break;
    case WF_OP_CLOSE:
        wf_uring_fill(e, IORING_OP_CLOSE, op->fd, 0, 0, 0, 0, data);
        break;
    case WF_OP_NOP:
        wf_uring_fill(e, IORING_OP_NOP, -1, 0, 0, 0, 0, data);
        break;
    case WF_OP_COUNT:
    default:
        WF_UNREACHABLE();
    }
    e->ioprio = ioprio;
    e->flags = entry_flags;
}

static inline void own(struct wf_uring *u, struct wf_op *op, uint32_t state)
{
    op->driver = &u->base;
    op->state = state;
    op->more = 0;
    op->cancel_requested = 0;
    u->inflight++;
}

void wf_uring_submit(struct wf_driver *d, struct wf_op *op)
{
    struct wf_uring *u = wf_uring_of(d);
    own(u, op, 0);
    op->pair = NULL;
    wf_uring_put(u, op, 0, 1);
}

/*
 * Both entries go to the kernel in one call, linked: the second starts when the first has
 * succeeded. For a send that is when all bytes went out, which takes MSG_WAITALL. The first's own
 * completion is always asked for: leaving it out on success saves too little to make two operations
 * share one.
 */
void wf_uring_submit_pair(struct wf_driver *d, struct wf_op *first, struct wf_op *second)
{
    struct wf_uring *u = wf_uring_of(d);
    own(u, first, WF_STATE_LEADS);
    own(u, second, WF_STATE_WAITS);
    first->pair = second;
    second->pair = NULL;
    if (first->kind == WF_OP_SEND || first->kind == WF_OP_SENDMSG || first->kind == WF_OP_RECV)
        first->msg_flags |= MSG_WAITALL;
    wf_uring_put(u, first, IOSQE_IO_LINK, 2);
    wf_uring_put(u, second, 0, 1);
}

void wf_uring_put_cancel(struct wf_uring *u, struct wf_op *op)
{
    uint64_t data = (uint64_t)(uintptr_t)op;
    op->state |= WF_STATE_CANCEL;
    wf_uring_fill(wf_uring_entry(u, 1), IORING_OP_ASYNC_CANCEL, -1, 0, data, 0, 0,
                  data | WF_TAG_CANCEL);
}

void wf_uring_cancel(struct wf_driver *d, struct wf_op *op)
{
    struct wf_uring *u = wf_uring_of(d);
    if (op->driver == NULL)
        return;
    WF_ASSERT(op->driver == d);
    op->cancel_requested = 1;
    if (op->state & (WF_STATE_CANCEL | WF_STATE_HELD | WF_STATE_WANTED))
        return;
    if (op->state & WF_STATE_WAITS)
        op->state |= WF_STATE_WANTED;
    else
        wf_uring_put_cancel(u, op);
}

void wf_uring_arm_event(struct wf_uring *u)
{
    u->event_armed = true;
    wf_uring_fill(wf_uring_entry(u, 1), IORING_OP_READ, u->wake_fd, 0,
                  (uint64_t)(uintptr_t)&u->event_value, sizeof u->event_value, 0, WF_TAG_EVENT);
}

static void write_event(int fd)
{
    uint64_t one = 1;
    while (write(fd, &one, sizeof one) < 0 && errno == EINTR) {}
}

/*
 * A message from ring to ring has no completion here when it arrived. One that failed is found at
 * once, among the completions that came during the call: the target is only known to live now.
 */
static bool message(struct wf_uring *from, const struct wf_uring *to)
{
    struct io_uring_sqe *e = wf_uring_entry(from, 1);
    wf_uring_fill(e, IORING_OP_MSG_RING, to->ring_fd, WF_TAG_WAKE, IORING_MSG_DATA, 0, 0,
                  WF_TAG_SENT);
    e->flags = IOSQE_CQE_SKIP_SUCCESS;
    unsigned before = wf_load_rlx(from->k_cq_tail), stashed = from->stash.tail;
    wf_uring_flush(from);
    if (from->stash.tail != stashed)
        return false; /* cannot tell; a second wake does no harm */
    for (unsigned tail = wf_load_acq(from->k_cq_tail); before != tail; before++)
        if (from->cqes[before & from->cq_mask].user_data == WF_TAG_SENT)
            return false;
    return true;
}

void wf_uring_wake(struct wf_driver *d, struct wf_driver *from)
{
    struct wf_uring *u = wf_uring_of(d);
    if (from != NULL && from != d && from->ops == d->ops && wf_uring_of(from)->has_msg_ring &&
        message(wf_uring_of(from), u))
        return;
    int saved = errno;
    write_event(u->wake_fd);
    errno = saved;
}
