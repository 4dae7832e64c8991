/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lease.c - receive buffers that are lent out, one bounded pool per worker
 *
 * weft_recv_lease waits with a poll operation and takes a buffer only when there is something to
 * receive. A buffer belongs for ever to the pool (worker) where it was taken; a return from
 * anywhere goes to that pool, so no pool drains into another and the bound (options.buffers a pool)
 * is exact. At the bound the task waits in the pool's queue, first come first served, and a
 * returned buffer is handed over: back-pressure reaches the sender through the socket's buffer.
 * Only a task that holds all of the pool's buffers itself gets -ENOBUFS, because it would wait for
 * itself.
 *
 * One short lock per pool; the pools' own workers take it nearly always. All fields: lock.
 *
 * order: lease-trim - buffers are kept for the next lease only while connections exist: the last
 * connection trims the pools, and a return that sees no connection frees the buffer.
 */
#include "io/net/lease.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "io/net/conn.h"
#include "io/net/sock_sys.h"
#include "runtime/base/assert.h"
#include "runtime/sched/task_block.h"

enum {
    POOLS = 64,    /* workers beyond that share */
    KEEP_IDLE = 64 /* buffers of a pool that stay allocated without use */
};

struct buffer {
    struct wf_list link; /* lent list; free: only `next` is used */
    struct buffer *next;
    void *data;
    size_t size;
    uint64_t holder; /* one life of a task */
    unsigned pool;   /* const: */
};

struct waiter {
    struct wf_list link;
    const weft_conn *conn;
    uint64_t ticket;
    struct buffer *buffer; /* handed over */
};

static struct pool {
    _Alignas(128) struct wf_spin lock;
    unsigned lent_count, idle_count;
    struct wf_list lent, waiting; /* zero-filled until the first use */
    struct buffer *idle;
} pools[POOLS];

static struct pool *lock_pool(unsigned index)
{
    struct pool *p = &pools[index];
    wf_spin_lock(&p->lock);
    if (WF_UNLIKELY(p->lent.next == NULL)) {
        wf_list_init(&p->lent);
        wf_list_init(&p->waiting);
    }
    return p;
}

static void free_buffer(struct buffer *b)
{
    free(b->data);
    free(b);
}

static struct buffer *new_buffer(unsigned pool, size_t size)
{
    struct buffer *b = malloc(sizeof(*b));
    if (b == NULL)
        return NULL;
    b->data = malloc(size);
    if (b->data == NULL) {
        free(b);
        return NULL;
    }
    b->size = size;
    b->pool = pool;
    return b;
}

static uint64_t life_of(const struct wf_task *t)
{
    return (uint64_t)t->desc.index << 32 | t->desc.gen;
}

static void lend_locked(struct pool *p, struct buffer *b, uint64_t holder)
{
    b->holder = holder;
    wf_list_push_back(&p->lent, &b->link);
}

/* A buffer within the bound; its place is counted, so a new one may be allocated after the
 * unlock. */
static struct buffer *take_idle_locked(struct pool *p, size_t size)
{
    struct buffer *b = p->idle;
    p->lent_count++;
    if (b == NULL || b->size != size)
        return NULL;
    p->idle = b->next;
    p->idle_count--;
    return b;
}

static bool holds_all_locked(const struct pool *p, uint64_t self)
{
    wf_list_for_each (link, &p->lent) {
        if (wf_list_entry(link, struct buffer, link)->holder != self)
            return false;
    }
    return true;
}

static void unlock(void *arg, uint64_t ticket)
{
    (void)ticket;
    wf_spin_unlock(arg);
}

/* Called with the lock held, returns without it. 0 with a buffer, or why not. */
static int wait_for_buffer(struct pool *p, weft_conn *conn, struct buffer **out)
{
    struct waiter me = {.conn = conn, .ticket = wf_park_ticket()};
    struct wf_park park = {.kind = WF_WAIT_LEASE,
                           .mode = WF_PARK_DIRECT,
                           .obj = p,
                           .deadline = conn->read_deadline,
                           .after = unlock,
                           .arg = &p->lock};
    wf_list_push_back(&p->waiting, &me.link);
    int rc = (int)wf_park(&park);
    wf_spin_lock(&p->lock);
    wf_list_remove(&me.link);
    wf_spin_unlock(&p->lock);
    *out = me.buffer;
    return me.buffer != NULL ? 0 : rc;
}

static int take(weft_conn *conn, struct buffer **out)
{
    const struct weft_options *o = wf_runtime_options();
    unsigned index = wf_worker_index(wf_worker()) % POOLS;
    uint64_t self = life_of(wf_self());
    struct pool *p = lock_pool(index);
    if (p->lent_count >= o->buffers) {
        if (holds_all_locked(p, self)) {
            wf_spin_unlock(&p->lock);
            return -ENOBUFS;
        }
        return wait_for_buffer(p, conn, out);
    }
    struct buffer *b = take_idle_locked(p, o->buffer_size);
    if (b != NULL)
        lend_locked(p, b, self);
    wf_spin_unlock(&p->lock);
    if (b == NULL) {
        b = new_buffer(index, o->buffer_size);
        p = lock_pool(index);
        if (b != NULL)
            lend_locked(p, b, self);
        else
            p->lent_count--;
        wf_spin_unlock(&p->lock);
    }
    *out = b;
    return b != NULL ? 0 : -ENOMEM;
}

/* Hands the buffer to the first task that still waits. Called with the lock held. */
static struct wf_task *hand_over_locked(struct pool *p, struct buffer *b)
{
    struct wf_list *link;
    while ((link = wf_list_pop_front(&p->waiting)) != NULL) {
        struct waiter *waiter = wf_list_entry(link, struct waiter, link);
        struct wf_task *t = wf_wake_begin(waiter->ticket);
        if (t == NULL)
            continue;
        waiter->buffer = b;
        lend_locked(p, b, life_of(t));
        return t;
    }
    return NULL;
}

static void give(struct buffer *b)
{
    struct pool *p = lock_pool(b->pool);
    wf_list_remove(&b->link);
    struct wf_task *t = hand_over_locked(p, b);
    bool keep = t == NULL && p->idle_count < KEEP_IDLE &&
                wf_conn_count() > 0; /* order: lease-trim */
    if (t == NULL)
        p->lent_count--;
    if (keep) {
        b->next = p->idle;
        p->idle = b;
        p->idle_count++;
    }
    wf_spin_unlock(&p->lock);
    if (t != NULL)
        wf_wake_end(t, WF_WOKEN, false);
    else if (!keep)
        free_buffer(b);
}

void wf_lease_forget(const weft_conn *conn)
{
    for (unsigned i = 0; i < POOLS; i++) {
        struct wf_task *t = NULL;
        struct pool *p = lock_pool(i);
        wf_list_for_each_safe (link, after, &p->waiting) {
            struct waiter *waiter = wf_list_entry(link, struct waiter, link);
            if (waiter->conn != conn)
                continue;
            wf_list_remove(link);
            t = wf_wake_begin(waiter->ticket);
            break; /* a connection has one reader */
        }
        wf_spin_unlock(&p->lock);
        if (t != NULL)
            wf_wake_end(t, -EBADF, false);
    }
}

void wf_lease_trim(void)
{
    for (unsigned i = 0; i < POOLS; i++) {
        struct pool *p = lock_pool(i);
        struct buffer *b = p->idle;
        p->idle = NULL;
        p->idle_count = 0;
        wf_spin_unlock(&p->lock);
        while (b != NULL) {
            struct buffer *next = b->next;
            free_buffer(b);
            b = next;
        }
    }
}

unsigned wf_lease_lent(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < POOLS; i++) {
        n += lock_pool(i)->lent_count;
        wf_spin_unlock(&pools[i].lock);
    }
    return n;
}

unsigned wf_lease_idle(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < POOLS; i++) {
        n += lock_pool(i)->idle_count;
        wf_spin_unlock(&pools[i].lock);
    }
    return n;
}

/* ---- receiving into a lease ---- */

/* Receives without waiting into a buffer taken for that; -EAGAIN: there was nothing. */
static ssize_t recv_now(weft_conn *conn, struct weft_lease *lease)
{
    struct buffer *b;
    int rc = take(conn, &b);
    if (rc < 0)
        return rc;
    ssize_t r = wf_sys_recv(conn->fd, b->data, b->size);
    conn->maybe_readable = r == (ssize_t)b->size;
    if (r <= 0) {
        give(b);
        return r;
    }
    conn->fresh = 0;
    lease->data = b->data;
    lease->len = (size_t)r;
    lease->owner = b;
    return r;
}

/* An idle wait was ended by a stop: bytes that came in the same moment are delivered all the
 * same. */
static ssize_t recv_at_stop(weft_conn *conn, struct weft_lease *lease)
{
    ssize_t r = recv_now(conn, lease);
    return r == -EAGAIN ? -ESHUTDOWN : r;
}

static ssize_t recv_lease(weft_conn *conn, struct weft_lease *lease)
{
    bool idle = wf_conn_idles(conn, true);
    if (WF_UNLIKELY(idle && wf_conn_stopping(conn)))
        return recv_at_stop(conn, lease);
    if (conn->maybe_readable) {
        ssize_t r = recv_now(conn, lease);
        if (r != -EAGAIN)
            return r;
    }
    for (;;) {
        struct wf_op op = {.kind = WF_OP_POLL, .fd = conn->fd, .arg = POLLIN};
        int rc = wf_conn_op_run(conn, &op, WF_WAIT_IO_POLL, idle);
        if (rc < 0)
            return rc == -ESHUTDOWN ? recv_at_stop(conn, lease) : rc;
        int cause = wf_park_cause();
        ssize_t r = recv_now(conn, lease);
        if (r != -EAGAIN)
            return r;
        if (cause != 0)
            return cause;
    }
}

ssize_t weft_recv_lease(weft_conn *conn, struct weft_lease *lease)
{
    if (WF_UNLIKELY(conn == NULL || lease == NULL))
        return -EINVAL;
    lease->data = lease->owner = NULL;
    lease->len = 0;
    int rc = wf_suspend_check();
    if (rc == 0)
        rc = wf_conn_enter(conn, WF_CONN_READING);
    if (rc < 0)
        return rc;
    return wf_conn_leave(conn, WF_CONN_READING, recv_lease(conn, lease));
}

void weft_lease_return(struct weft_lease *lease)
{
    if (lease == NULL || lease->owner == NULL)
        return;
    struct buffer *b = lease->owner;
    lease->data = lease->owner = NULL;
    lease->len = 0;
    give(b);
}
