/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve.c - a task per connection, until stopped
 *
 * The caller of weft_serve opens a scope and spawns into it one accepting task per listening
 * socket; these spawn a handler task per connection into the same scope. A connection is in the
 * service's list from before its spawn to its close, so that one whose task was cancelled before it
 * ran is closed all the same.
 *
 * Phases, moved by the caller's task alone (events arrive by wake):
 *   RUNNING -> DRAINING   shutdown (soft), cancel of the caller, a listener that broke
 *   DRAINING -> done      no connection left
 *   DRAINING -> HARD      grace over, second signal: the scope is cancelled; then its join
 * While draining, a message goes to every worker each SWEEP and ends the idle waits it finds in the
 * operations of that worker (wf_conn_stop). Sweeps repeat because a wait may begin after one.
 * Draining waits cannot be cancelled: the caller's cancel has already been answered by it.
 *
 * Locks: serve -> connection. order: none of its own; everything is under the service's lock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <weft/scope.h>

#include "io/net/conn.h"
#include "io/net/listener.h"
#include "io/net/serve_signal.h"
#include "runtime/base/assert.h"
#include "runtime/base/log.h"

#define SWEEP       WEFT_MSEC(10)
#define SPAWN_RETRY WEFT_MSEC(10)

enum {
    CONNECTIONS_MAX = 10000,
    SPARE_DESCRIPTORS = 64, /* for rings, listeners, files of the program */
};

struct serve;

struct sweep {
    struct wf_post post;
    struct serve *serve;
    bool posted; /* lock: */
};

struct serve {
    struct wf_shutdown_hook hook; /* first: the hook is the service */
    struct wf_spin lock;
    struct wf_list conns; /* lock: connections that are served */
    unsigned live;        /* lock: their number */
    unsigned accepting;   /* lock: accepting tasks */
    unsigned sweeping;    /* lock: messages on their way */
    int phase;            /* lock: of the shutdown, 0 to 2 */
    bool cut;             /* lock: the hard phase found connections */
    int broken;           /* lock: why accepting ended by itself */
    uint64_t ticket;      /* lock: the caller's present wait, 0: none */
    weft_listener *listener;
    int (*handler)(weft_conn *, void *);
    void *arg;
    weft_scope *scope;
    struct weft_serve_options options;
    struct sweep *sweep; /* one per worker */
};

/* The argument of a handler task. */
struct served {
    struct serve *serve;
    weft_conn *conn;
};

static void unlock(void *arg, uint64_t ticket)
{
    (void)ticket;
    wf_spin_unlock(arg);
}

/* Something changed that the caller of weft_serve may wait for. Called with the lock held. */
static void notify_unlock(struct serve *s)
{
    uint64_t ticket = s->ticket;
    s->ticket = 0;
    wf_spin_unlock(&s->lock);
    if (ticket != 0)
        (void)wf_wake(ticket, WF_WOKEN);
}

/* On a worker's loop, under the lock of the hooks. */
static void phase_changed(struct wf_shutdown_hook *hook, int phase)
{
    struct serve *s = (struct serve *)(void *)hook;
    wf_spin_lock(&s->lock);
    s->phase = phase;
    s->cut = s->cut || (phase >= 2 && s->live > 0); /* from now on the run cancels them */
    notify_unlock(s);
}

/* ---- connections ---- */

static void log_failure(const struct serve *s, int error)
{
    static struct wf_log_limit limit = WF_LOG_LIMIT_INIT(10, 1000000000);
    uint64_t swallowed;
    if (wf_runtime_options()->quiet ||
        !wf_log_allowed(&limit, (uint64_t)wf_clock_now(), &swallowed))
        return;
    wf_log(WF_LOG_WARN, "%s: connection failed: %s (%llu more not shown)", s->options.name,
           weft_strerror(error), (unsigned long long)swallowed);
}

static bool worth_a_line(int result)
{
    return result < 0 && result != -ECANCELED && result != -ECONNRESET && result != -EPIPE &&
           result != -ESHUTDOWN;
}

static void link_conn(struct serve *s, weft_conn *conn)
{
    wf_spin_lock(&s->lock);
    wf_list_push_back(&s->conns, &conn->link);
    s->live++;
    wf_spin_unlock(&s->lock);
}

/* Takes the connection out and closes it. */
static void end_conn(struct serve *s, weft_conn *conn)
{
    wf_spin_lock(&s->lock);
    wf_list_remove(&conn->link);
    wf_spin_unlock(&s->lock);
    (void)weft_close(conn);
    wf_listener_ended(s->listener);
    wf_spin_lock(&s->lock);
    s->live--;
    if (s->live == 0)
        notify_unlock(s);
    else
        wf_spin_unlock(&s->lock);
}

static intptr_t handle(void *arg)
{
    struct served served = *(struct served *)arg;
    struct serve *s = served.serve;
    int result = s->handler(served.conn, s->arg);
    if (worth_a_line(result))
        log_failure(s, result);
    end_conn(s, served.conn);
    return 0;
}

/* Starts the handler; waits while there is no memory for it. */
static int start_handler(struct serve *s, weft_conn *conn)
{
    struct served served = {.serve = s, .conn = conn};
    struct weft_spawn_options o = {.size = sizeof(o),
                                   .name = s->options.name,
                                   .scope = s->scope,
                                   .copy_size = sizeof(served),
                                   .detached = 1};
    link_conn(s, conn);
    if (weft_spawn_with(&o, handle, &served) != NULL)
        return 0;
    end_conn(s, conn);
    struct wf_park park = {
        .kind = WF_WAIT_SLEEP, .mode = WF_PARK_DIRECT, .deadline = wf_clock_now() + SPAWN_RETRY};
    int rc = (int)wf_park(&park);
    return rc == -ETIMEDOUT ? 0 : rc;
}

struct accepting {
    struct serve *serve;
    unsigned near;
};

static intptr_t accept_connections(void *arg)
{
    struct accepting accepting = *(struct accepting *)arg;
    struct serve *s = accepting.serve;
    int rc;
    do {
        weft_conn *conn;
        rc = wf_listener_take(s->listener, accepting.near, true, &conn);
        if (rc == 0)
            rc = start_handler(s, conn);
    } while (rc == 0);
    wf_spin_lock(&s->lock);
    s->accepting--;
    if (rc != -ESHUTDOWN && rc != -ECANCELED && s->broken == 0)
        s->broken = rc;
    notify_unlock(s);
    return 0;
}

/* ---- stopping ---- */

/* On each worker's loop. */
static void sweep_arrived(struct wf_post *post)
{
    struct sweep *sweep = WF_CONTAINER_OF(post, struct sweep, post);
    struct serve *s = sweep->serve;
    wf_spin_lock(&s->lock);
    wf_list_for_each (link, &s->conns) {
        wf_conn_stop(wf_list_entry(link, weft_conn, link));
    }
    sweep->posted = false;
    s->sweeping--;
    notify_unlock(s);
}

static void sweep_all(struct serve *s)
{
    for (unsigned i = 0; i < wf_runtime_workers(); i++) {
        struct sweep *sweep = &s->sweep[i];
        wf_spin_lock(&s->lock);
        bool post = !sweep->posted;
        sweep->posted = true;
        s->sweeping += post;
        wf_spin_unlock(&s->lock);
        if (post) {
            sweep->post.fn = sweep_arrived;
            wf_post(wf_runtime_worker(i), &sweep->post);
        }
    }
}

/* Waits for an event. Called with the lock held, returns without it. */
static int wait_event(struct serve *s, enum wf_park_mode mode, weft_deadline deadline)
{
    struct wf_park park = {.kind = WF_WAIT_CONNECTIONS,
                           .mode = mode,
                           .obj = s->listener,
                           .deadline = deadline,
                           .after = unlock,
                           .arg = &s->lock};
    s->ticket = wf_park_ticket();
    int rc = (int)wf_park(&park);
    wf_spin_lock(&s->lock);
    s->ticket = 0;
    wf_spin_unlock(&s->lock);
    return rc;
}

/* 0: stopped by a shutdown; -ECANCELED; or why accepting broke. */
static int run(struct serve *s)
{
    for (;;) {
        wf_spin_lock(&s->lock);
        if (s->phase != 0 || s->broken != 0) {
            int rc = s->phase != 0 ? 0 : s->broken;
            wf_spin_unlock(&s->lock);
            return rc;
        }
        int rc = wait_event(s, WF_PARK_DIRECT, WEFT_NEVER);
        if (rc == -ECANCELED)
            return rc;
    }
}

/* Lets the handlers finish. True when none is left, false when time is up. */
static bool drain(struct serve *s)
{
    weft_deadline end = wf_clock_now() + s->options.grace;
    for (;;) {
        int64_t now = wf_clock_now();
        wf_spin_lock(&s->lock);
        bool done = s->live == 0 && s->accepting == 0;
        bool hard = s->phase >= 2 || now >= end, cut = s->cut;
        wf_spin_unlock(&s->lock);
        if (done || hard)
            return done && !cut;
        sweep_all(s);
        weft_deadline next = now + SWEEP < end ? now + SWEEP : end;
        wf_spin_lock(&s->lock);
        if (s->live == 0 && s->accepting == 0) {
            wf_spin_unlock(&s->lock);
            continue;
        }
        (void)wait_event(s, WF_PARK_FIRM, next);
    }
}

/* After the last task: connections whose task never ran, and messages on their way. */
static void clean_up(struct serve *s)
{
    struct wf_list *link;
    while ((link = wf_list_first(&s->conns)) != NULL)
        end_conn(s, wf_list_entry(link, weft_conn, link));
    wf_spin_lock(&s->lock);
    while (s->sweeping > 0) {
        (void)wait_event(s, WF_PARK_FIRM, WEFT_NEVER);
        wf_spin_lock(&s->lock);
    }
    wf_spin_unlock(&s->lock);
}

static void spawn_accepting(struct serve *s)
{
    struct weft_spawn_options o = {.size = sizeof(o),
                                   .name = "accept",
                                   .scope = s->scope,
                                   .copy_size = sizeof(struct accepting),
                                   .detached = 1};
    for (unsigned i = 0; i < s->listener->count; i++) {
        struct accepting accepting = {.serve = s, .near = i};
        wf_spin_lock(&s->lock);
        s->accepting++;
        wf_spin_unlock(&s->lock);
        if (weft_spawn_with(&o, accept_connections, &accepting) != NULL)
            continue;
        wf_spin_lock(&s->lock);
        s->accepting--;
        if (s->accepting == 0)
            s->broken = -ENOMEM;
        wf_spin_unlock(&s->lock);
    }
}

static int serve_in_scope(struct serve *s)
{
    struct weft_scope_block block;
    struct weft_scope_options o = {
        .size = sizeof(o), .name = "connections", .on_error = WEFT_KEEP_SIBLINGS};
    s->scope = weft_scope_open(&block, &o);
    if (s->scope == NULL)
        return -ENOMEM;
    spawn_accepting(s);
    int rc = run(s);
    wf_listener_serve_stop(s->listener);
    bool all = drain(s);
    if (!all)
        (void)weft_scope_stop(s->scope);
    (void)weft_scope_close(&block);
    clean_up(s);
    return rc == 0 && !all ? -ETIMEDOUT : rc;
}

/* ---- starting ---- */

static unsigned connections_max(unsigned asked)
{
    struct rlimit limit;
    unsigned max = asked != 0 ? asked : CONNECTIONS_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        unsigned room = limit.rlim_cur > 2 * SPARE_DESCRIPTORS
                            ? (unsigned)limit.rlim_cur - SPARE_DESCRIPTORS
                            : (unsigned)limit.rlim_cur / 2;
        max = max < room ? max : room;
    }
    return max > 0 ? max : 1;
}

static int read_options(struct weft_serve_options *o, const struct weft_serve_options *given)
{
    memset(o, 0, sizeof(*o));
    if (given != NULL) {
        if (given->size < sizeof(size_t) || given->size > sizeof(*o))
            return -EINVAL;
        memcpy(o, given, given->size);
    }
    if (o->grace < 0)
        return -EINVAL;
    if (o->grace == 0)
        o->grace = wf_runtime_options()->shutdown_grace;
    if (o->name == NULL)
        o->name = "connection";
    return 0;
}

static int serve_with_signals(struct serve *s)
{
    bool signals = !s->options.no_signals;
    int rc = signals ? wf_serve_signals_begin() : 0;
    if (rc < 0)
        return rc;
    rc = wf_shutdown_subscribe(&s->hook);
    if (rc == 0) {
        rc = serve_in_scope(s);
        wf_shutdown_unsubscribe(&s->hook);
    } else {
        rc = 0; /* a stop has begun already */
    }
    if (signals)
        wf_serve_signals_end();
    return rc;
}

int weft_serve(weft_listener *listener, int (*handler)(weft_conn *conn, void *arg), void *arg,
               const struct weft_serve_options *options)
{
    struct serve s = {.listener = listener, .handler = handler, .arg = arg};
    if (listener == NULL || handler == NULL)
        return -EINVAL;
    int rc = wf_suspend_check();
    if (rc < 0)
        return rc;
    if (read_options(&s.options, options) < 0)
        return -EINVAL;
    s.hook.fn = phase_changed;
    wf_list_init(&s.conns);
    s.sweep = calloc(wf_runtime_workers(), sizeof(*s.sweep));
    if (s.sweep == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < wf_runtime_workers(); i++)
        s.sweep[i].serve = &s;
    rc = wf_listener_serve_start(listener, connections_max(s.options.max_connections));
    if (rc == 0) {
        rc = serve_with_signals(&s);
        wf_listener_serve_end(listener);
    }
    free(s.sweep);
    return rc;
}
