/* SPDX-License-Identifier: Apache-2.0 */
/* waitq.c - queue of suspended tasks and blocked threads */
#include "runtime/sync/waitq.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

void wf_waitq_serve_thread(struct wf_waiter *waiter)
{
    WF_ATOMIC(uint32_t) *word = &waiter->word;
    wf_store_rel(word, 1); /* order: waitq-thread */
    /* The waiter may be gone now; waking a word nobody waits on is harmless. */
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* A plain thread: nothing but a waker ends its wait. */
static int wait_thread(struct wf_spin *lock, struct wf_waiter *me)
{
    wf_spin_unlock(lock);
    while (wf_load_acq(&me->word) == 0) /* order: waitq-thread */
        (void)syscall(SYS_futex, &me->word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    return 0;
}

int wf_waitq_wait(struct wf_worker *w, struct wf_waitq *q, struct wf_spin *lock,
                  struct wf_waiter *me, enum wf_wait_kind kind, void *obj, weft_deadline deadline)
{
    bool thread = w == NULL || w->task == NULL;
    me->ticket = thread ? 0 : wf_ticket_next(w->task);
    me->next = NULL;
    me->prev = q->tail;
    if (q->tail != NULL)
        q->tail->next = me;
    else
        q->head = me;
    q->tail = me;
    me->linked = true;
    if (__builtin_expect(thread, 0)) {
        wf_store_rlx(&me->word, 0);
        return wait_thread(lock, me);
    }
    struct wf_park park;
    park.kind = kind;
    park.mode = WF_PARK_DIRECT;
    park.obj = obj;
    park.deadline = deadline;
    park.unlock = lock;
    park.after = NULL;
    park.op = NULL;
    int rc = (int)wf_park_on(w, &park);
    if (__builtin_expect(rc == WF_WOKEN, 1))
        return 0;
    wf_spin_lock(lock); /* a waker may be passing over this waiter */
    if (me->linked)
        wf_waitq_unlink(q, me);
    wf_spin_unlock(lock);
    return rc;
}
