/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mock_driver.c - a driver whose completions come from the test
 *
 * lock: one mutex for everything; done() is called without it, on the owner's thread.
 *
 * Two lists: `ops`, submitted and waiting for the test, and `events`, completions waiting for the
 * owner's poll(). An operation leaves `ops` with its last completion, and is idle when that was
 * delivered. Both grow without a limit but the test's own.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft/base.h>

#include "io/driver/mock/mock_driver.h"
#include "runtime/base/assert.h"

enum { WAITS = 1 }; /* wf_op.state: second of a pair whose first has not ended */

struct event {
    struct wf_op *op;
    int32_t res;
    bool more;
};

struct mock {
    struct wf_driver base;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct wf_op **ops;
    unsigned op_count, op_cap;
    struct event *events;
    unsigned event_head, event_count, event_cap;
    unsigned inflight;
    bool woken, sleeping, hold_cancels;
    struct wf_mock_counts counts;
};

static struct mock *mock_of(struct wf_driver *d)
{
    WF_ASSERT(d != NULL && d->ops == &wf_mock_driver);
    return (struct mock *)d;
}

/* Room for one more of `size` bytes. */
static void *grown(void *list, unsigned count, unsigned *cap, size_t size)
{
    if (count < *cap)
        return list;
    *cap = *cap ? 2 * *cap : 64;
    void *more = realloc(list, *cap * size);
    WF_CHECK(more != NULL);
    return more;
}

static int mock_open(struct wf_driver **out, const struct wf_driver_config *config, char *reason,
                     size_t size)
{
    struct mock *m = calloc(1, sizeof *m);
    pthread_condattr_t attr;
    if (m == NULL) {
        snprintf(reason, size, "mock: out of memory");
        return -ENOMEM;
    }
    m->base.ops = &wf_mock_driver;
    pthread_mutex_init(&m->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&m->changed, &attr);
    pthread_condattr_destroy(&attr);
    snprintf(reason, size, "mock: worker %u, completions come from the test", config->worker_index);
    *out = &m->base;
    return 0;
}

static void mock_close(struct wf_driver *d)
{
    struct mock *m = mock_of(d);
    WF_CHECK(m->inflight == 0);
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->lock);
    free(m->ops);
    free(m->events);
    free(m);
}

static void add_locked(struct mock *m, struct wf_op *op, uint32_t state)
{
    op->driver = &m->base;
    op->pair = NULL;
    op->state = state;
    op->more = op->cancel_requested = 0;
    m->ops = grown(m->ops, m->op_count, &m->op_cap, sizeof *m->ops);
    m->ops[m->op_count++] = op;
    m->inflight++;
    m->counts.submits++;
}

static void mock_submit(struct wf_driver *d, struct wf_op *op)
{
    struct mock *m = mock_of(d);
    pthread_mutex_lock(&m->lock);
    add_locked(m, op, 0);
    pthread_mutex_unlock(&m->lock);
}

static void mock_submit_pair(struct wf_driver *d, struct wf_op *first, struct wf_op *second)
{
    struct mock *m = mock_of(d);
    pthread_mutex_lock(&m->lock);
    add_locked(m, first, 0);
    add_locked(m, second, WAITS);
    first->pair = second;
    m->counts.pairs++;
    pthread_mutex_unlock(&m->lock);
}

static void complete_locked(struct mock *m, struct wf_op *op, int32_t res, bool more)
{
    unsigned i = 0;
    while (i < m->op_count && m->ops[i] != op)
        i++;
    WF_CHECK(i < m->op_count);
    if (!more) {
        m->op_count--;
        memmove(&m->ops[i], &m->ops[i + 1], (m->op_count - i) * sizeof *m->ops);
    }
    m->events = grown(m->events, m->event_count, &m->event_cap, sizeof *m->events);
    m->events[m->event_count++] = (struct event){op, res, more};
    if (!more && op->pair != NULL && (op->pair->state & WAITS)) {
        op->pair->state = 0;
        if (res < 0 || (uint32_t)res != op->len)
            complete_locked(m, op->pair, -ECANCELED, false);
    }
    pthread_cond_broadcast(&m->changed);
}

void wf_mock_complete(struct wf_op *op, int32_t res, bool more)
{
    struct mock *m = mock_of(op->driver);
    pthread_mutex_lock(&m->lock);
    WF_CHECK(!(op->state & WAITS));
    complete_locked(m, op, res, more);
    pthread_mutex_unlock(&m->lock);
}

static void mock_cancel(struct wf_driver *d, struct wf_op *op)
{
    struct mock *m = mock_of(d);
    if (op->driver == NULL || op->cancel_requested)
        return;
    WF_ASSERT(op->driver == d);
    pthread_mutex_lock(&m->lock);
    op->cancel_requested = 1;
    m->counts.cancels++;
    for (unsigned i = 0; i < m->op_count && !m->hold_cancels; i++) {
        if (m->ops[i] == op) {
            complete_locked(m, op, -ECANCELED, false);
            break;
        }
    }
    pthread_mutex_unlock(&m->lock);
}

/* Runs what was completed so far; completions that done() causes are for the next turn. */
static unsigned run_events(struct mock *m)
{
    pthread_mutex_lock(&m->lock);
    unsigned n = m->event_count - m->event_head;
    for (unsigned i = 0; i < n; i++) {
        struct event e = m->events[m->event_head++];
        e.op->res = e.res;
        e.op->more = e.more;
        e.op->sock_nonempty = 0;
        if (!e.more) {
            e.op->driver = NULL;
            m->inflight--;
        }
        m->counts.dones++;
        pthread_mutex_unlock(&m->lock);
        e.op->done(e.op);
        pthread_mutex_lock(&m->lock);
    }
    if (m->event_head == m->event_count)
        m->event_head = m->event_count = 0;
    pthread_mutex_unlock(&m->lock);
    return n;
}

static unsigned mock_poll(struct wf_driver *d)
{
    struct mock *m = mock_of(d);
    pthread_mutex_lock(&m->lock);
    m->counts.polls++;
    pthread_mutex_unlock(&m->lock);
    return run_events(m);
}

static unsigned mock_sleep(struct wf_driver *d, int64_t deadline)
{
    struct mock *m = mock_of(d);
    if (deadline < 0)
        deadline = 0;
    struct timespec until = {.tv_sec = deadline / 1000000000, .tv_nsec = deadline % 1000000000};
    int ret = 0;
    pthread_mutex_lock(&m->lock);
    m->counts.sleeps++;
    m->sleeping = true;
    while (m->event_head == m->event_count && !m->woken && ret != ETIMEDOUT)
        ret = deadline == WEFT_NEVER ? pthread_cond_wait(&m->changed, &m->lock)
                                     : pthread_cond_timedwait(&m->changed, &m->lock, &until);
    m->sleeping = m->woken = false;
    pthread_mutex_unlock(&m->lock);
    return run_events(m);
}

static bool mock_ready(struct wf_driver *d)
{
    struct mock *m = mock_of(d);
    pthread_mutex_lock(&m->lock);
    bool ready = m->event_head != m->event_count || m->woken;
    pthread_mutex_unlock(&m->lock);
    return ready;
}

/* Nothing is ever handed to anyone. */
static unsigned mock_queued(struct wf_driver *d)
{
    (void)d;
    return 0;
}

static unsigned mock_inflight(struct wf_driver *d)
{
    struct mock *m = mock_of(d);
    pthread_mutex_lock(&m->lock);
    unsigned n = m->inflight;
    pthread_mutex_unlock(&m->lock);
    return n;
}

static void mock_wake(struct wf_driver *d, struct wf_driver *from)
{
    struct mock *m = mock_of(d);
    (void)from;
    pthread_mutex_lock(&m->lock);
    m->woken = true;
    m->counts.wakes++;
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
}

struct wf_op *wf_mock_find(struct wf_driver *d, enum wf_op_kind kind, int fd)
{
    struct mock *m = mock_of(d);
    struct wf_op *found = NULL;
    pthread_mutex_lock(&m->lock);
    for (unsigned i = 0; i < m->op_count && found == NULL; i++)
        if (m->ops[i]->kind == kind && (fd == -1 || m->ops[i]->fd == fd))
            found = m->ops[i];
    pthread_mutex_unlock(&m->lock);
    return found;
}

unsigned wf_mock_waiting(struct wf_driver *d)
{
    struct mock *m = mock_of(d);
    pthread_mutex_lock(&m->lock);
    unsigned n = m->op_count;
    pthread_mutex_unlock(&m->lock);
    return n;
}

void wf_mock_hold_cancels(struct wf_driver *d, bool hold)
{
    struct mock *m = mock_of(d);
    pthread_mutex_lock(&m->lock);
    m->hold_cancels = hold;
    pthread_mutex_unlock(&m->lock);
}

bool wf_mock_sleeping(struct wf_driver *d)
{
    struct mock *m = mock_of(d);
    pthread_mutex_lock(&m->lock);
    bool sleeping = m->sleeping;
    pthread_mutex_unlock(&m->lock);
    return sleeping;
}

struct wf_mock_counts wf_mock_counts(struct wf_driver *d)
{
    struct mock *m = mock_of(d);
    pthread_mutex_lock(&m->lock);
    struct wf_mock_counts counts = m->counts;
    pthread_mutex_unlock(&m->lock);
    return counts;
}

const struct wf_driver_ops wf_mock_driver = {
    .name = "mock",
    .open = mock_open,
    .close = mock_close,
    .submit = mock_submit,
    .submit_pair = mock_submit_pair,
    .cancel = mock_cancel,
    .poll = mock_poll,
    .sleep = mock_sleep,
    .ready = mock_ready,
    .queued = mock_queued,
    .inflight = mock_inflight,
    .wake = mock_wake,
};
