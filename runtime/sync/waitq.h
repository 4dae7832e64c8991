/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waitq.h - queue of suspended tasks and blocked threads; wake, cancel and timeout meet here
 *
 * A waiter stands in the frame of whoever waits, linked in a queue that the object's lock guards.
 * The waker takes waiters off under the lock until it finds one whose park it wins; one whose park
 * was ended by a cancel or a timer is passed over: it finds itself unlinked, or unlinks itself, under
 * the lock, when it resumes. So a won waiter gets exactly one hand-over, a lost one leaves no trace.
 * A plain thread waits on a futex word instead of a park and cannot be cancelled.
 *
 * Use:  lock; wf_waitq_push(q, &me); wf_waitq_wait(q, lock, &me, kind, obj, deadline) - it returns
 * with the lock not held: 0 when it was served (me.result is the waker's), else -ECANCELED or
 * -ETIMEDOUT and it is no longer in the queue.
 */
#ifndef WF_WAITQ_H
#define WF_WAITQ_H

#include "runtime/base/spin.h"
#include "runtime/sched/sched.h"

struct wf_waiter {
    struct wf_waiter *next, *prev; /* lock: object's */
    uint64_t ticket;               /* const: 0 for a thread */
    struct wf_task *task;          /* between take and serve: the won task */
    WF_ATOMIC(uint32_t) word;      /* thread: 0 waits, 1 served */
    bool linked;                   /* lock: object's */
    bool served;                   /* lock: object's */
    int result;                    /* written by the waker before it serves */
    void *item;                    /* the object's */
};

struct wf_waitq {
    struct wf_waiter *head, *tail; /* lock: object's */
};

static inline bool wf_waitq_empty(const struct wf_waitq *q)
{
    return q->head == NULL;
}

/* wf_waiter_init - the calling task or thread, before the park */
void wf_waiter_init(struct wf_waiter *me);

/* wf_waitq_push - lock held: append */
void wf_waitq_push(struct wf_waitq *q, struct wf_waiter *me);

/*
 * wf_waitq_take - lock held: take the oldest waiter that can still be served, NULL: none
 * The caller may write to what its frame offers, must then call wf_waitq_serve, after the unlock.
 */
struct wf_waiter *wf_waitq_take(struct wf_waitq *q);

/* wf_waitq_serve - end the wait of a taken waiter, which is gone afterwards */
void wf_waitq_serve(struct wf_waiter *waiter);

int wf_waitq_wait(struct wf_waitq *q, struct wf_spin *lock, struct wf_waiter *me,
                  enum wf_wait_kind kind, void *obj, weft_deadline deadline);

#endif
