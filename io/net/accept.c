/* SPDX-License-Identifier: Apache-2.0 */
/*
 * accept.c - accept operations, the queue behind them, and when to pause
 *
 * Each acceptor belongs to one worker; only that worker's thread submits and cancels its operation.
 * Anyone who changes what should be (start, room again, retry time reached, closing) *kicks* the
 * acceptors: a message to each worker, which compares what should be with what is (settle). So
 * there is one place that decides:
 *
 *   wanted = started, not closing, no fatal error, not before retry_at, room > 0
 *   not wanted and armed   -> cancel; its last completion settles again
 *   wanted and not armed   -> submit: a multishot accept, or one accept at a time while there is
 *                             little room, because a multishot may take the whole backlog at once
 *
 * Room is max - pending - live. Pending connections are never dropped: a burst may exceed the room
 * by what one multishot took before its cancel.
 *
 * Running out of descriptors or memory ends an accept. Then nothing is armed before retry_at (10
 * ms, doubling to 100), or the end of a connection of the service; a task in wf_listener_take holds
 * the timer. Nothing spins: one accept fails per period and socket.
 *
 * Each listener has a task of its own, the keeper, that belongs to no scope. It only waits: a
 * listener that is still open when the run ends has its operations ended by the cancel of its
 * keeper, and the run does not end before them.
 *
 * A connection is handed straight to a waiting task if there is one, of the same worker by
 * preference. Lock order: listener -> the wake-up's own.
 */
#include "io/net/accept.h"

#include <errno.h>

#include "io/net/conn.h"
#include "io/net/sock_sys.h"
#include "runtime/base/assert.h"
#include "runtime/base/log.h"
#include "runtime/sched/worker.h"

#define BACKOFF_MIN  WEFT_MSEC(10)
#define BACKOFF_MAX  WEFT_MSEC(100)
#define KEEPER_LOOKS WEFT_MSEC(1)

enum {
    PENDING_MAX = 128,      /* per acceptor, while no service sets a limit */
    ROOM_MULTI = 64,        /* per acceptor: below that, one accept at a time */
    FAILURES_IN_A_ROW = 16, /* then even a passing error is waited out */
};

struct waiter {
    struct wf_list link;
    uint64_t ticket;
    weft_conn *conn; /* handed over */
    unsigned near;
    bool serving;
};

void wf_accept_init(weft_listener *l)
{
    wf_list_init(&l->pending);
    wf_list_init(&l->waiters);
    l->backoff = BACKOFF_MIN;
}

static void unlock(void *arg, uint64_t ticket)
{
    (void)ticket;
    wf_spin_unlock(arg);
}

/* ---- room and hand-over; all with the lock held ---- */

static unsigned limit_locked(const weft_listener *l)
{
    return l->serving ? l->max : PENDING_MAX * l->count;
}

static unsigned room_locked(const weft_listener *l)
{
    unsigned used = l->pending_count + l->live, max = limit_locked(l);
    return used < max ? max - used : 0;
}

/* After a pause, accepting resumes only when this much room is back. */
static bool resumes_locked(const weft_listener *l)
{
    unsigned max = limit_locked(l), slack = max / 8 < ROOM_MULTI ? max / 8 : ROOM_MULTI;
    return l->paused && room_locked(l) > slack;
}

static bool blocked_locked(const weft_listener *l)
{
    return l->retry_at != 0;
}

static bool wanted_locked(const weft_listener *l)
{
    return l->started && !l->closing && !l->stopping && l->fatal == 0 && !blocked_locked(l) &&
           !l->paused;
}

static struct waiter *pick_locked(weft_listener *l, unsigned near)
{
    wf_list_for_each (link, &l->waiters) {
        struct waiter *w = wf_list_entry(link, struct waiter, link);
        if (w->near == near)
            return w;
    }
    struct wf_list *first = wf_list_first(&l->waiters);
    return first != NULL ? wf_list_entry(first, struct waiter, link) : NULL;
}

/* Gives the oldest pending connection to a waiting task; the caller wakes it after the unlock. */
static struct wf_task *hand_over_locked(weft_listener *l, unsigned near)
{
    while (l->pending_count > 0 && (!l->serving || l->live < l->max)) {
        struct waiter *w = pick_locked(l, near);
        if (w == NULL)
            return NULL;
        wf_list_remove(&w->link);
        struct wf_task *t = wf_wake_begin(w->ticket);
        if (t == NULL)
            continue;
        w->conn = wf_list_entry(wf_list_pop_front(&l->pending), weft_conn, link);
        l->pending_count--;
        l->live += w->serving;
        return t;
    }
    return NULL;
}

/* The ticket of a close for which there is nothing left to wait. */
static uint64_t closer_locked(weft_listener *l)
{
    uint64_t closer = l->closer;
    if (!l->closing || l->left > 0 || l->users > 0)
        return 0;
    l->closer = 0;
    return closer;
}

/* Wakes one task, or all, without a connection. */
static void wake_waiters(weft_listener *l, intptr_t code, bool all)
{
    struct wf_task *t;
    do {
        t = NULL;
        wf_spin_lock(&l->lock);
        struct wf_list *link;
        while (t == NULL && (link = wf_list_pop_front(&l->waiters)) != NULL)
            t = wf_wake_begin(wf_list_entry(link, struct waiter, link)->ticket);
        wf_spin_unlock(&l->lock);
        if (t != NULL)
            wf_wake_end(t, code, false);
    } while (all && t != NULL);
}

/* ---- the operation; on the acceptor's worker ---- */

static void accept_done(struct wf_op *op);
static void settle(struct wf_acceptor *a);

static void settle_post(struct wf_post *post)
{
    struct wf_acceptor *a = WF_CONTAINER_OF(post, struct wf_acceptor, post);
    weft_listener *l = a->listener;
    wf_spin_lock(&l->lock);
    a->posted = false;
    wf_spin_unlock(&l->lock);
    settle(a);
}

/*
 * The acceptors to send a message to, marked as posted: from now until their message was handled
 * they keep the listener. Nobody but the closer, in the same critical section, begins that while it
 * is closing.
 */
static struct wf_acceptor *kick_locked(weft_listener *l)
{
    struct wf_acceptor *first = NULL;
    for (unsigned i = l->count; i-- > 0;) {
        struct wf_acceptor *a = &l->acceptor[i];
        if (a->posted)
            continue;
        a->posted = true;
        a->next = first;
        first = a;
    }
    return first;
}

/* Sends the messages; the listener may be gone when this returns. */
static void kick(struct wf_acceptor *a)
{
    while (a != NULL) {
        struct wf_acceptor *next = a->next;
        a->post.fn = settle_post;
        wf_post(wf_runtime_worker(a->worker), &a->post);
        a = next;
    }
}

static void arm(struct wf_acceptor *a, bool multi)
{
    a->armed = true;
    a->op = (struct wf_op){.kind = multi ? WF_OP_ACCEPT_MULTI : WF_OP_ACCEPT,
                           .fd = a->fd,
                           .done = accept_done,
                           .user = a};
    wf_op_submit(&a->op);
}

static void settle(struct wf_acceptor *a)
{
    weft_listener *l = a->listener;
    uint64_t closer = 0;
    wf_spin_lock(&l->lock);
    bool wanted = wanted_locked(l);
    unsigned room = room_locked(l);
    if (wanted && room == 0) {
        l->paused = true;
        l->stats.pauses++;
        wanted = false;
    }
    bool begin = wanted && !a->armed, end = !wanted && a->armed;
    bool multi = room >= ROOM_MULTI * l->count;
    if (l->closing && !a->armed && !a->retired && !a->posted) {
        a->retired = true;
        l->left--;
        closer = closer_locked(l);
    }
    wf_spin_unlock(&l->lock); /* a retired acceptor's listener may be gone now */
    if (closer != 0)
        (void)wf_wake(closer, WF_WOKEN);
    else if (begin)
        arm(a, multi);
    else if (end)
        (void)wf_op_cancel(&a->op);
}

/* Errors of the peer or the network: the next accept may well succeed. */
static bool passes(int error)
{
    switch (-error) {
    case ECANCELED:
    case ECONNABORTED:
    case EINTR:
    case EAGAIN:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

static bool exhausted(int error)
{
    return error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -ENOBUFS;
}

static void log_exhausted(int error)
{
    static struct wf_log_limit limit = WF_LOG_LIMIT_INIT(1, 1000000000);
    uint64_t swallowed;
    if (wf_log_allowed(&limit, (uint64_t)wf_clock_now(), &swallowed))
        wf_log(WF_LOG_WARN, "accepting pauses: %s", weft_strerror(error));
}

static void accept_failed(weft_listener *l, int error)
{
    bool all = false;
    wf_spin_lock(&l->lock);
    if (passes(error) && (error == -ECANCELED || ++l->failures_in_a_row < FAILURES_IN_A_ROW)) {
        wf_spin_unlock(&l->lock);
        return;
    }
    if (exhausted(error) || passes(error)) {
        l->stats.failures++;
        if (l->retry_at == 0) {
            l->retry_at = wf_clock_now() + l->backoff;
            l->backoff = l->backoff * 2 < BACKOFF_MAX ? l->backoff * 2 : BACKOFF_MAX;
        }
        l->error = error;
    } else {
        l->fatal = error;
        all = true;
    }
    wf_spin_unlock(&l->lock);
    if (!all)
        log_exhausted(error);
    wake_waiters(l, WF_WOKEN, all); /* one holds the timer, or reports it */
}

static void accepted(struct wf_acceptor *a, int fd)
{
    weft_listener *l = a->listener;
    weft_conn *conn = wf_conn_new(fd);
    if (conn == NULL) {
        (void)wf_sys_close(fd);
        accept_failed(l, -ENOMEM);
        return;
    }
    struct wf_acceptor *tell = NULL;
    wf_spin_lock(&l->lock);
    l->stats.accepted++;
    l->backoff = BACKOFF_MIN;
    l->failures_in_a_row = 0;
    wf_list_push_back(&l->pending, &conn->link);
    l->pending_count++;
    struct wf_task *t = hand_over_locked(l, a->worker);
    if (room_locked(l) == 0 && !l->paused) {
        l->paused = true;
        l->stats.pauses++;
        tell = l->closing ? NULL : kick_locked(l);
    }
    wf_spin_unlock(&l->lock);
    if (t != NULL)
        wf_wake_end(t, WF_WOKEN, false);
    kick(tell);
}

static void accept_done(struct wf_op *op)
{
    struct wf_acceptor *a = op->user;
    weft_listener *l = a->listener;
    if (op->res >= 0)
        accepted(a, op->res);
    if (!op->more) {
        a->armed = false;
        if (op->res < 0)
            accept_failed(l, op->res);
        settle(a);
        return;
    }
    wf_spin_lock(&l->lock);
    bool wanted = wanted_locked(l);
    wf_spin_unlock(&l->lock);
    if (!wanted)
        (void)wf_op_cancel(op);
}

/* ---- tasks ---- */

/* Waits for a hand-over. Called with the lock held, returns with it. */
static int wait_locked(weft_listener *l, struct waiter *me)
{
    struct wf_park park = {.kind = WF_WAIT_IO_ACCEPT,
                           .mode = WF_PARK_DIRECT,
                           .obj = l,
                           .deadline = blocked_locked(l) ? l->retry_at : WEFT_NEVER,
                           .after = unlock,
                           .arg = &l->lock};
    me->conn = NULL;
    me->ticket = wf_park_ticket();
    wf_list_push_back(&l->waiters, &me->link);
    int rc = (int)wf_park(&park);
    wf_spin_lock(&l->lock);
    wf_list_remove(&me->link);
    return me->conn != NULL ? 0 : rc;
}

/* Something to return at once? 1: no, wait. */
static int look_locked(weft_listener *l, bool serving, weft_conn **out)
{
    if (l->closing)
        return -EBADF;
    if (l->stopping && serving)
        return -ESHUTDOWN;
    if (l->serving && !serving)
        return -EBUSY;
    if (l->pending_count > 0 && (!serving || l->live < l->max)) {
        *out = wf_list_entry(wf_list_pop_front(&l->pending), weft_conn, link);
        l->pending_count--;
        l->live += serving;
        return 0;
    }
    if (l->fatal != 0)
        return l->fatal;
    if (l->error != 0 && !serving) {
        int error = l->error;
        l->error = 0;
        return error;
    }
    return 1;
}

/* Must the acceptors be told of something before this task waits? */
static bool kick_due_locked(weft_listener *l)
{
    bool due = false;
    if (!l->started) {
        l->started = due = true;
    }
    if (l->retry_at != 0 && l->retry_at <= wf_clock_now()) {
        l->retry_at = 0;
        due = true;
    }
    if (resumes_locked(l)) {
        l->paused = false;
        due = true;
    }
    return due;
}

int wf_listener_take(weft_listener *l, unsigned near, bool serving, weft_conn **out)
{
    int rc = wf_suspend_check();
    if (rc < 0)
        return rc;
    struct waiter me = {.near = near, .serving = serving};
    wf_list_init(&me.link);
    wf_spin_lock(&l->lock);
    l->users++;
    while ((rc = look_locked(l, serving, out)) == 1) {
        if (kick_due_locked(l)) {
            struct wf_acceptor *tell = kick_locked(l);
            wf_spin_unlock(&l->lock);
            kick(tell);
            wf_spin_lock(&l->lock);
            continue;
        }
        rc = wait_locked(l, &me);
        if (me.conn != NULL) {
            *out = me.conn;
            break;
        }
        if (rc == -ECANCELED)
            break;
    }
    struct wf_acceptor *tell = NULL;
    if (resumes_locked(l) && !l->closing) {
        l->paused = false;
        tell = kick_locked(l);
    }
    l->users--;
    uint64_t closer = closer_locked(l);
    wf_spin_unlock(&l->lock);
    if (closer != 0)
        (void)wf_wake(closer, WF_WOKEN);
    kick(tell);
    return rc;
}

int weft_accept(weft_listener *listener, weft_conn **out)
{
    if (listener == NULL || out == NULL)
        return -EINVAL;
    *out = NULL;
    if (wf_self() == NULL)
        return -EPERM;
    return wf_listener_take(listener, wf_worker_index(wf_worker()), false, out);
}

void wf_listener_ended(weft_listener *l)
{
    wf_spin_lock(&l->lock);
    WF_ASSERT(l->live > 0);
    l->live--;
    struct wf_task *t = hand_over_locked(l, wf_worker_index(wf_worker()));
    struct wf_acceptor *tell = NULL;
    bool resumes = resumes_locked(l);
    if (resumes || l->retry_at != 0) {
        l->paused = l->paused && !resumes;
        l->retry_at = 0; /* a descriptor is free again */
        tell = kick_locked(l);
    }
    wf_spin_unlock(&l->lock);
    if (t != NULL)
        wf_wake_end(t, WF_WOKEN, false);
    kick(tell);
}

int wf_listener_serve_start(weft_listener *l, unsigned max)
{
    int rc = -EBUSY;
    wf_spin_lock(&l->lock);
    if (l->closing) {
        rc = -EBADF;
    } else if (!l->serving) {
        l->serving = true;
        l->stopping = false;
        l->max = max;
        rc = 0;
    }
    wf_spin_unlock(&l->lock);
    return rc;
}

static void drop_pending(weft_listener *l)
{
    struct wf_list drop;
    wf_list_init(&drop);
    wf_spin_lock(&l->lock);
    wf_list_append(&drop, &l->pending);
    l->pending_count = 0;
    wf_spin_unlock(&l->lock);
    struct wf_list *link;
    while ((link = wf_list_pop_front(&drop)) != NULL)
        wf_conn_drop(wf_list_entry(link, weft_conn, link));
}

void wf_listener_serve_stop(weft_listener *l)
{
    wf_spin_lock(&l->lock);
    l->stopping = true;
    struct wf_acceptor *tell = kick_locked(l);
    wf_spin_unlock(&l->lock);
    kick(tell);
    wake_waiters(l, WF_WOKEN, true);
    drop_pending(l);
}

void wf_listener_serve_end(weft_listener *l)
{
    drop_pending(l);
    wf_spin_lock(&l->lock);
    WF_ASSERT(l->live == 0);
    l->serving = l->stopping = l->started = l->paused = false;
    l->retry_at = 0;
    l->error = 0;
    struct wf_acceptor *tell = kick_locked(l);
    wf_spin_unlock(&l->lock);
    kick(tell);
}

/* Ends the accepts and their waiters, once. Called with the lock held, returns without it. */
static void begin_close(weft_listener *l)
{
    uint64_t keeper = l->keeper;
    l->keeper = 0;
    struct wf_acceptor *tell = NULL;
    if (!l->closing) {
        l->closing = true;
        l->left = l->count;
        tell = kick_locked(l);
    }
    wf_spin_unlock(&l->lock);
    kick(tell);
    wake_waiters(l, WF_WOKEN, true);
    if (keeper != 0)
        (void)wf_wake(keeper, WF_WOKEN);
}

/* Parks with the lock held, comes back with it. */
static int park_locked(weft_listener *l, enum wf_park_mode mode, weft_deadline deadline)
{
    struct wf_park park = {.kind = WF_WAIT_IO_CLOSE,
                           .mode = mode,
                           .obj = l,
                           .deadline = deadline,
                           .after = unlock,
                           .arg = &l->lock};
    int rc = (int)wf_park(&park);
    wf_spin_lock(&l->lock);
    return rc;
}

intptr_t wf_accept_keep(void *arg)
{
    weft_listener *l = arg;
    struct wf_task *self = wf_self();
    bool forgotten = false;
    self->desc.name = "listener";
    wf_and_rlx(&self->flags, (uint32_t)~WF_TASK_SYSTEM); /* the end of the run cancels it */
    wf_spin_lock(&l->lock);
    while (!l->closing && !forgotten) {
        l->keeper = wf_park_ticket();
        forgotten = park_locked(l, WF_PARK_DIRECT, WEFT_NEVER) == -ECANCELED;
        l->keeper = 0;
    }
    if (!l->closing) {
        begin_close(l);
        wf_spin_lock(&l->lock);
    }
    while (l->left > 0)
        (void)park_locked(l, WF_PARK_FIRM, wf_clock_now() + KEEPER_LOOKS);
    l->users--;
    uint64_t closer = closer_locked(l);
    wf_spin_unlock(&l->lock);
    if (closer != 0)
        (void)wf_wake(closer, WF_WOKEN);
    return 0;
}

void wf_accept_close(weft_listener *l)
{
    wf_spin_lock(&l->lock);
    begin_close(l);
    wf_spin_lock(&l->lock);
    while (l->left > 0 || l->users > 0) {
        l->closer = wf_park_ticket();
        (void)park_locked(l, WF_PARK_FIRM, WEFT_NEVER);
    }
    wf_spin_unlock(&l->lock);
    drop_pending(l);
}
