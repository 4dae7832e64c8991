/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waitq.h - queue of suspended tasks and blocked threads; wake, cancel and timeout meet here
 *
 * A waiter stands in the frame of whoever waits, linked in a queue that the object's lock guards.
 * The waker takes waiters off under the lock until it finds one whose park it wins; one whose park
 * was ended by a cancel or a timer is passed over: it finds itself unlinked, or unlinks itself,
 * under the lock, when it resumes. So a won waiter gets exactly one hand-over, a lost one leaves no
 * trace. A plain thread waits on a futex word instead of a park and cannot be cancelled.
 *
 * Use: lock; wf_waitq_wait(w, q, lock, &me, ...), which returns with the lock not held: 0 when it
 * was served (me.result is the waker's), else -ECANCELED or -ETIMEDOUT and no longer in the queue.
 * `w` is the calling worker, NULL on a plain thread.
 */
#ifndef WF_WAITQ_H
#define WF_WAITQ_H

#include "runtime/sched/runq.h"

struct wf_waiter {
    struct wf_waiter *next, *prev; /* lock: object's */
    uint64_t ticket;               /* const: 0 for a thread */
    struct wf_task *task;          /* between take and serve: the won task */
    WF_ATOMIC(uint32_t) word;      /* thread: 0 waits, 1 served */
    bool linked;                   /* lock: object's */
    int result;                    /* written by the waker before it serves */
    void *item;                    /* the object's; set before the wait */
};

struct wf_waitq {
    struct wf_waiter *head, *tail; /* lock: object's */
};

static inline bool wf_waitq_empty(const struct wf_waitq *q)
{
    return q->head == NULL;
}

static inline void wf_waitq_unlink(struct wf_waitq *q, struct wf_waiter *waiter)
{
    if (waiter->prev != NULL)
        waiter->prev->next = waiter->next;
    else
        q->head = waiter->next;
    if (waiter->next != NULL)
        waiter->next->prev = waiter->prev;
    else
        q->tail = waiter->prev;
    waiter->linked = false;
}

/*
 * wf_waitq_take - lock held: take the oldest waiter that can still be served, NULL: none
 * The caller may write to what its frame offers, must then call wf_waitq_serve, after the unlock.
 */
static inline struct wf_waiter *wf_waitq_take(struct wf_waitq *q)
{
    struct wf_waiter *waiter;
    while ((waiter = q->head) != NULL) {
        wf_waitq_unlink(q, waiter);
        if (waiter->ticket == 0 || (waiter->task = wf_wake_begin_on(waiter->ticket)) != NULL)
            break;
    }
    return waiter;
}

/* wf_waitq_serve_thread - the same for a plain thread that waits */
void wf_waitq_serve_thread(struct wf_waiter *waiter);

/* wf_waitq_serve - end the wait of a taken waiter, which is gone afterwards */
static inline void wf_waitq_serve(struct wf_worker *w, struct wf_waiter *waiter)
{
    if (__builtin_expect(waiter->ticket != 0, 1))
        wf_wake_end_on(w, waiter->task, WF_WOKEN, true);
    else
        wf_waitq_serve_thread(waiter);
}

int wf_waitq_wait(struct wf_worker *w, struct wf_waitq *q, struct wf_spin *lock,
                  struct wf_waiter *me, enum wf_wait_kind kind, void *obj, weft_deadline deadline);

#endif
