/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uring.h - the io_uring driver: its state, shared by the files of this folder
 *
 * One ring per worker, made and used by that worker's thread. Everything here is owner: that
 * thread, except what is marked const: (other threads read it to wake the owner) and the words
 * shared with the kernel.
 *
 * The user_data of an entry is the address of its operation, with a tag in the low three bits.
 *
 * Life of an operation here (wf_op.driver and wf_op.state):
 *   idle       driver == NULL
 *   in flight  driver == this; counted in `inflight`, from submit() to its last done()
 *   state bits, all zero for nearly every operation:
 *     CANCEL      a cancel entry for it is with the kernel. Its last completion is then held (HELD)
 *                 until the cancel's own completion came, so that no entry names an idle operation.
 *     HELD        the last completion came, res is set, the cancel's completion is missing
 *     WAITS       second of a pair whose first is still in flight
 *     WANTED      a cancel was asked for while WAITS: sent when the first ends
 *     LEADS       first of a pair
 *     REARM       accept-many on a kernel without it: one accept after the other
 *
 * 1. Each entry given to the kernel has exactly one last completion, and is accounted for.
 * 2. A cancel's own result is a hint. It is used for one thing: "not found" for an operation that
 * is
 *    still in flight, and that never runs outside the ring's thread, means that it was between two
 *    states (about to start behind the first of its pair): the cancel is sent again.
 * 3. done() is only called from poll() and sleep(). Entries always find room: a full queue is
 * handed
 *    to the kernel, and where the kernel wants completions taken first, they are put aside (stash).
 */
#ifndef WF_URING_H
#define WF_URING_H

#include <stddef.h>

#include "runtime/base/assert.h"
#include "runtime/base/atomic.h"
#include "runtime/sched/driver.h"
#include "io/driver/uring/uring_compat.h"

enum wf_uring_tag {
    WF_TAG_OP = 0,     /* completion of the operation */
    WF_TAG_CANCEL = 1, /* completion of a cancel for the operation */
    WF_TAG_WAKE = 2,   /* a message from another ring */
    WF_TAG_SENT = 3,   /* a message to another ring failed */
    WF_TAG_EVENT = 4,  /* the read of the eventfd */
    WF_TAG_TRIAL = 5,  /* a trial at open */
    WF_TAG_MASK = 7
};

enum wf_uring_state {
    WF_STATE_CANCEL = 1,
    WF_STATE_HELD = 2,
    WF_STATE_WAITS = 4,
    WF_STATE_WANTED = 8,
    WF_STATE_LEADS = 16,
    WF_STATE_REARM = 32
};

/* Completions run by one poll(), so that the fibers they woke get their turn. */
#define WF_URING_BATCH 256

#define WF_URING_ENTRIES_DEFAULT 1024
#define WF_URING_ENTRIES_MIN     64
#define WF_URING_ENTRIES_MAX     32768

enum wf_uring_mode { WF_URING_DEFER, WF_URING_COOP, WF_URING_NONE };

/* Completions put aside, oldest first. */
struct wf_uring_stash {
    struct io_uring_cqe *cqes;
    unsigned head, tail, cap;
};

struct wf_uring {
    struct wf_driver base;

    /* submission: [sq_head, sq_tail) is queued */
    struct io_uring_sqe *sqes;
    unsigned sq_tail;
    unsigned sq_head; /* the kernel's, as of the last enter */
    unsigned sq_mask, sq_entries;
    wf_uring_word *k_sq_tail, *k_sq_head, *k_flags;

    /* completion */
    struct io_uring_cqe *cqes;
    wf_uring_word *k_cq_head, *k_cq_tail;
    unsigned cq_head; /* next to handle; published to the kernel after a batch */
    unsigned cq_mask;
    unsigned inflight;
    bool reaping;
    bool event_armed;
    bool closing;

    /* const: */
    bool has_poll_first, has_accept_multi, has_msg_ring;
    enum wf_uring_mode mode;
    unsigned enter_flags; /* IORING_ENTER_REGISTERED_RING or 0 */
    int enter_fd;
    int ring_fd; /* any: the ring, also from other threads */
    int wake_fd; /* any: eventfd */

    uint64_t event_value; /* the kernel's while event_armed */
    struct wf_uring_stash stash;
    struct io_uring ring;
};

static inline struct wf_uring *wf_uring_of(struct wf_driver *d)
{
    return (struct wf_uring *)d;
}

static inline unsigned wf_uring_queued(const struct wf_uring *u)
{
    return u->sq_tail - u->sq_head;
}

/* Hands all queued entries to the kernel; returns when there is room. Never calls done(). */
void wf_uring_flush(struct wf_uring *u);

/* Moves what is in the completion ring to the stash. */
void wf_uring_set_aside(struct wf_uring *u);

/* The next free entry; room for `n` is made first, so that a chain is never split. */
static inline struct io_uring_sqe *wf_uring_entry(struct wf_uring *u, unsigned n)
{
    if (WF_UNLIKELY(wf_uring_queued(u) + n > u->sq_entries))
        wf_uring_flush(u);
    return &u->sqes[u->sq_tail++ & u->sq_mask];
}

/* All fields of an entry in one go: entries are reused and must leave nothing behind. */
static inline void wf_uring_fill(struct io_uring_sqe *e, unsigned opcode, int fd, uint64_t off,
                                 uint64_t addr, uint32_t len, uint32_t op_flags, uint64_t user_data)
{
    e->opcode = (uint8_t)opcode;
    e->flags = 0;
    e->ioprio = 0;
    e->fd = fd;
    e->off = off;
    e->addr = addr;
    e->len = len;
    e->msg_flags = op_flags;
    e->user_data = user_data;
    e->buf_index = 0;
    e->personality = 0;
    e->splice_fd_in = 0;
    e->addr3 = 0;
    e->__pad2[0] = 0;
}

/* The operation's own entry (no accounting). */
void wf_uring_put(struct wf_uring *u, struct wf_op *op, uint8_t entry_flags, unsigned room);
void wf_uring_put_cancel(struct wf_uring *u, struct wf_op *op);
void wf_uring_arm_event(struct wf_uring *u);

/* The system call. Returns its result or -errno; sq_head is up to date afterwards. */
int wf_uring_enter(struct wf_uring *u, unsigned wait, unsigned flags, const void *arg, size_t size);

/* wf_uring_driver's table */
void wf_uring_submit(struct wf_driver *d, struct wf_op *op);
void wf_uring_submit_pair(struct wf_driver *d, struct wf_op *first, struct wf_op *second);
void wf_uring_cancel(struct wf_driver *d, struct wf_op *op);
void wf_uring_wake(struct wf_driver *d, struct wf_driver *from);
unsigned wf_uring_poll(struct wf_driver *d);
unsigned wf_uring_sleep(struct wf_driver *d, int64_t deadline);
int wf_uring_open(struct wf_driver **out, const struct wf_driver_config *config, char *reason,
                  size_t size);
void wf_uring_close(struct wf_driver *d);

/* Why a ring could not be made, and what to do: one line of text. `error` is -errno of the
 * set-up. */
void wf_uring_why(char *reason, size_t size, int error, unsigned entries);

#endif
