/* SPDX-License-Identifier: Apache-2.0 */
/* waitq.c - queue of suspended tasks and blocked threads */
#include "runtime/sync/waitq.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

void wf_waiter_init(struct wf_waiter *me)
{
    me->ticket = wf_self() != NULL ? wf_park_ticket() : 0;
    wf_store_rlx(&me->word, 0);
    me->linked = me->served = false;
    me->task = NULL;
}

void wf_waitq_push(struct wf_waitq *q, struct wf_waiter *me)
{
    me->next = NULL;
    me->prev = q->tail;
    if (q->tail != NULL)
        q->tail->next = me;
    else
        q->head = me;
    q->tail = me;
    me->linked = true;
}

static void unlink_waiter(struct wf_waitq *q, struct wf_waiter *w)
{
    if (w->prev != NULL)
        w->prev->next = w->next;
    else
        q->head = w->next;
    if (w->next != NULL)
        w->next->prev = w->prev;
    else
        q->tail = w->prev;
    w->linked = false;
}

struct wf_waiter *wf_waitq_take(struct wf_waitq *q)
{
    struct wf_waiter *w;
    while ((w = q->head) != NULL) {
        unlink_waiter(q, w);
        if (w->ticket == 0)
            break;
        w->task = wf_wake_begin(w->ticket);
        if (w->task != NULL)
            break;
    }
    if (w != NULL)
        w->served = true;
    return w;
}

void wf_waitq_serve(struct wf_waiter *w)
{
    if (w->ticket != 0) {
        wf_wake_end(w->task, WF_WOKEN, true);
        return;
    }
    WF_ATOMIC(uint32_t) *word = &w->word;
    wf_store_rel(word, 1); /* order: waitq-thread */
    /* The waiter may be gone now; waking a word nobody waits on is harmless. */
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void unlock_after(void *arg, uint64_t ticket)
{
    (void)ticket;
    wf_spin_unlock(arg);
}

/* A plain thread: nothing but a waker ends its wait. */
static int wait_thread(struct wf_spin *lock, struct wf_waiter *me)
{
    wf_spin_unlock(lock);
    while (wf_load_acq(&me->word) == 0) /* order: waitq-thread */
        (void)syscall(SYS_futex, &me->word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    return 0;
}

int wf_waitq_wait(struct wf_waitq *q, struct wf_spin *lock, struct wf_waiter *me,
                  enum wf_wait_kind kind, void *obj, weft_deadline deadline)
{
    if (me->ticket == 0)
        return wait_thread(lock, me);
    struct wf_park park = {.kind = kind,
                           .mode = WF_PARK_DIRECT,
                           .obj = obj,
                           .deadline = deadline,
                           .after = unlock_after,
                           .arg = lock};
    int rc = (int)wf_park(&park);
    if (rc == WF_WOKEN)
        return 0;
    wf_spin_lock(lock); /* a waker may be passing over this waiter */
    if (me->linked)
        unlink_waiter(q, me);
    wf_spin_unlock(lock);
    return rc;
}
