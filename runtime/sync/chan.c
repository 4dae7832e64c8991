/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chan.c - bounded and unbuffered channels, many senders and receivers
 *
 * One spin lock guards the ring of items and two queues of waiters. Invariants under the lock:
 *   (1) receivers wait only while the ring is empty, senders only while it is full;
 *   (2) both queues are not occupied at once; (3) closed: nobody waits.
 * A sender that finds a receiver copies its item straight into the receiver's frame, between
 * winning its park and making it runnable; a receiver that takes from a full ring moves the oldest
 * waiting sender's item into it. So an item is in exactly one place, and a cancelled waiter never
 * has one.
 *
 * What decides the cost is the lock line: its two uncontended operations are 2.6 ns here. Rejected:
 * a lock-free ring (one swap per operation costs as much as this lock, and the hand-over to a
 * waiter needs a second one).
 */
#include <stdlib.h>
#include <string.h>
#include <weft/chan.h>

#include "runtime/base/assert.h"
#include "runtime/sync/waitq.h"

enum { ITEM_SIZE_MAX = 65536 };

struct weft_chan {
    struct wf_spin lock;
    bool closed;                  /* lock */
    uint32_t item_size;           /* const */
    size_t capacity;              /* const */
    size_t count, first;          /* lock: items in the ring, index of the oldest */
    struct wf_waitq receivers, senders; /* lock */
    WF_ATOMIC(uint32_t) refs;
    char *ring;                   /* const: capacity * item_size bytes */
};

int weft_chan_new(weft_chan **out, size_t item_size, size_t capacity)
{
    if (out == NULL || item_size > ITEM_SIZE_MAX)
        return -EINVAL;
    if (item_size > 0 && capacity > (SIZE_MAX / 2 - sizeof(weft_chan)) / item_size)
        return -ENOMEM;
    weft_chan *c = calloc(1, sizeof *c + item_size * capacity);
    if (c == NULL)
        return -ENOMEM;
    c->item_size = (uint32_t)item_size;
    c->capacity = capacity;
    c->ring = (char *)(c + 1);
    wf_store_rlx(&c->refs, 1);
    *out = c;
    return 0;
}

static inline void copy_item(void *to, const void *from, size_t size)
{
    if (size == 8)
        memcpy(to, from, 8);
    else if (size != 0)
        memcpy(to, from, size);
}

static inline char *ring_slot(weft_chan *c, size_t i)
{
    size_t at = c->first + i;
    if (at >= c->capacity)
        at -= c->capacity;
    return c->ring + at * c->item_size;
}

/* Tries to send with the lock held; unlocks and returns 0 or -EPIPE when that settles it. */
static inline int send_locked(struct wf_worker *w, weft_chan *c, const void *item)
{
    if (__builtin_expect(c->closed, 0)) {
        wf_spin_unlock(&c->lock);
        return -EPIPE;
    }
    if (!wf_waitq_empty(&c->receivers)) {
        struct wf_waiter *r = wf_waitq_take(&c->receivers);
        if (r != NULL) {
            copy_item(r->item, item, c->item_size);
            r->result = 0;
            wf_spin_unlock(&c->lock);
            wf_waitq_serve(w, r);
            return 0;
        }
    }
    if (c->count < c->capacity) {
        copy_item(ring_slot(c, c->count), item, c->item_size);
        c->count++;
        wf_spin_unlock(&c->lock);
        return 0;
    }
    return -EAGAIN;
}

static inline int recv_locked(struct wf_worker *w, weft_chan *c, void *item)
{
    struct wf_waiter *s = NULL;
    if (c->count > 0) {
        copy_item(item, ring_slot(c, 0), c->item_size);
        if (++c->first == c->capacity)
            c->first = 0;
        c->count--;
        if (!wf_waitq_empty(&c->senders) && (s = wf_waitq_take(&c->senders)) != NULL) {
            copy_item(ring_slot(c, c->count), s->item, c->item_size);
            c->count++;
        }
    } else if (!wf_waitq_empty(&c->senders) && (s = wf_waitq_take(&c->senders)) != NULL) {
        copy_item(item, s->item, c->item_size);
    } else if (c->closed) {
        wf_spin_unlock(&c->lock);
        return -EPIPE;
    } else {
        return -EAGAIN;
    }
    if (s != NULL)
        s->result = 0;
    wf_spin_unlock(&c->lock);
    if (s != NULL)
        wf_waitq_serve(w, s);
    return 0;
}

/* Suspends with the lock held. */
static __attribute__((noinline)) int wait_locked(struct wf_worker *w, weft_chan *c,
                                                 struct wf_waitq *q, void *item,
                                                 enum wf_wait_kind kind)
{
    struct wf_waiter me;
    me.item = item;
    int rc = wf_waitq_wait(w, q, &c->lock, &me, kind, c, WEFT_NEVER);
    return rc == 0 ? me.result : rc;
}

/* A plain thread, or a worker outside of tasks, is welcome. */
static __attribute__((noinline)) struct wf_worker *enter(struct wf_worker *w)
{
    if (w == NULL)
        wf_solo_leave();
    return w;
}

int weft_chan_send(weft_chan *c, const void *item)
{
    if (c == NULL || (item == NULL && c->item_size > 0))
        return -EINVAL;
    struct wf_worker *w = wf_worker();
    int rc = wf_suspend_check_on(&w);
    if (__builtin_expect(rc != 0, 0)) {
        if (rc == -ECANCELED)
            return rc;
        enter(w);
    }
    wf_spin_lock(&c->lock);
    rc = send_locked(w, c, item);
    if (rc == -EAGAIN)
        rc = wait_locked(w, c, &c->senders, (void *)(uintptr_t)item, WF_WAIT_CHAN_SEND);
    return rc;
}

int weft_chan_recv(weft_chan *c, void *item)
{
    if (c == NULL || (item == NULL && c->item_size > 0))
        return -EINVAL;
    struct wf_worker *w = wf_worker();
    int rc = wf_suspend_check_on(&w);
    if (__builtin_expect(rc != 0, 0)) {
        if (rc == -ECANCELED)
            return rc;
        enter(w);
    }
    wf_spin_lock(&c->lock);
    rc = recv_locked(w, c, item);
    if (rc == -EAGAIN)
        rc = wait_locked(w, c, &c->receivers, item, WF_WAIT_CHAN_RECV);
    return rc;
}

int weft_chan_try_send(weft_chan *c, const void *item)
{
    if (c == NULL || (item == NULL && c->item_size > 0))
        return -EINVAL;
    struct wf_worker *w = enter(wf_worker());
    wf_spin_lock(&c->lock);
    int rc = send_locked(w, c, item);
    if (rc == -EAGAIN)
        wf_spin_unlock(&c->lock);
    return rc;
}

int weft_chan_try_recv(weft_chan *c, void *item)
{
    if (c == NULL || (item == NULL && c->item_size > 0))
        return -EINVAL;
    struct wf_worker *w = enter(wf_worker());
    wf_spin_lock(&c->lock);
    int rc = recv_locked(w, c, item);
    if (rc == -EAGAIN)
        wf_spin_unlock(&c->lock);
    return rc;
}

int weft_chan_close(weft_chan *c)
{
    if (c == NULL)
        return -EINVAL;
    struct wf_waiter *gone = NULL, *w;
    (void)enter(wf_worker());
    wf_spin_lock(&c->lock);
    c->closed = true;
    while ((w = wf_waitq_take(&c->receivers)) != NULL ||
           (w = wf_waitq_take(&c->senders)) != NULL) {
        w->result = -EPIPE;
        w->next = gone;
        gone = w;
    }
    wf_spin_unlock(&c->lock);
    while ((w = gone) != NULL) {
        gone = w->next;
        wf_waitq_serve(wf_worker(), w);
    }
    return 0;
}

weft_chan *weft_chan_ref(weft_chan *c)
{
    wf_add_rlx(&c->refs, 1);
    return c;
}

void weft_chan_unref(weft_chan *c)
{
    if (c == NULL || wf_sub_acqrel(&c->refs, 1) != 1) /* order: refs, the last one sees all uses */
        return;
    WF_CHECK(wf_waitq_empty(&c->receivers) && wf_waitq_empty(&c->senders));
    free(c);
}
