/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gather.c - waiting for several tasks at once
 *
 * The gather registers itself as the joiner of every task, runs those that are still queued in
 * place one after the other, and parks until the count of open ones is zero. Each task's finisher
 * counts off under the gather's lock; a failure makes it cancel the others at once, also while the
 * gatherer is busy running one of them in place. The finisher's unlock is its last touch of the
 * gather, and the gatherer takes the lock before it returns.
 * Lock order: cancel lock -> gather lock.
 */
#include "runtime/base/assert.h"
#include "runtime/task/task.h"

struct gather {
    _Alignas(16) struct wf_spin lock;
    bool settle;             /* const: failures cancel nobody */
    bool cancelled;          /* lock: the tasks have been cancelled */
    size_t open;             /* lock: registered and not ended */
    size_t n;                /* const */
    weft_task *const *tasks; /* const */
    uint64_t ticket;         /* lock: of the gatherer's park */
    int first_error;         /* lock */
    size_t failures;         /* lock */
};

/* Cancels all tasks of the gather that have not ended; blocks are freed only by the gatherer. */
static void cancel_all(struct gather *g, const char *reason)
{
    wf_cancel_begin();
    for (size_t i = 0; i < g->n; i++)
        if (g->tasks[i] != NULL)
            wf_cancel_task_locked(wf_task_of(g->tasks[i]), reason);
    wf_cancel_end();
}

/* Counts a result; true: the caller must cancel the others, then call count_off. */
static bool note(struct gather *g, intptr_t result)
{
    if (!WEFT_FAILED(result))
        return false;
    g->failures++;
    if (g->first_error == 0)
        g->first_error = (int)result;
    bool cancel = !g->settle && !g->cancelled;
    if (cancel)
        g->cancelled = true;
    return cancel;
}

static void child_ended(struct wf_task *t, uint64_t joiner, intptr_t result)
{
    struct gather *g = (struct gather *)(uintptr_t)(joiner & ~WF_JOINER_GATHER);
    (void)t;
    wf_spin_lock(&g->lock);
    if (note(g, result)) {
        wf_spin_unlock(&g->lock);
        cancel_all(g, "another task of the gather failed");
        wf_spin_lock(&g->lock);
    }
    uint64_t ticket = --g->open == 0 ? g->ticket : 0;
    wf_spin_unlock(&g->lock); /* the last touch */
    if (ticket != 0)
        (void)wf_wake_soon(ticket, WF_WOKEN);
}

/* Registers with every task; those that have ended already are counted at once. */
static bool join_all(struct gather *g)
{
    bool cancel = false;
    for (size_t i = 0; i < g->n; i++) {
        struct wf_task *t = wf_task_of(g->tasks[i]);
        if (t != NULL) {
            wf_spin_lock(&g->lock);
            g->open++;
            wf_spin_unlock(&g->lock);
            wf_store_rlx(&t->joiner, (uint64_t)(uintptr_t)g | WF_JOINER_GATHER);
            if (wf_ts_join(&t->state))
                continue;
            (void)wf_ts_drop_handle(&t->state);
        }
        wf_spin_lock(&g->lock);
        cancel |= note(g, t != NULL ? t->result : -ENOMEM);
        if (t != NULL)
            g->open--;
        wf_spin_unlock(&g->lock);
    }
    return cancel;
}

/* Waits until nothing is open; -ECANCELED when the gatherer was cancelled meanwhile. */
static int wait_all(struct gather *g, bool firm)
{
    int rc = 0;
    struct wf_park park = {.kind = WF_WAIT_GATHER,
                           .mode = firm ? WF_PARK_FIRM : WF_PARK_DIRECT,
                           .obj = g,
                           .deadline = WEFT_NEVER,
                           .unlock = &g->lock};
    for (;;) {
        wf_spin_lock(&g->lock);
        if (g->open == 0)
            break;
        g->ticket = wf_park_ticket();
        intptr_t code = wf_park(&park);
        if (code < 0 && park.mode == WF_PARK_DIRECT) {
            rc = -ECANCELED;
            park.mode = WF_PARK_FIRM;
            cancel_all(g, "gatherer cancelled");
        }
    }
    wf_spin_unlock(&g->lock);
    return rc;
}

static int gather(struct gather *g, intptr_t results[])
{
    int rc = wf_suspend_check();
    if (rc == -EPERM || (g->n > 0 && g->tasks == NULL))
        return rc < 0 ? rc : -EINVAL;
    if (join_all(g))
        cancel_all(g, "another task of the gather failed");
    if (rc < 0)
        cancel_all(g, "gatherer cancelled");
    for (size_t i = 0; i < g->n; i++) {
        intptr_t result;
        if (g->tasks[i] != NULL)
            (void)wf_run_in_place(wf_worker(), wf_task_of(g->tasks[i]), true, &result);
    }
    int cut = wait_all(g, rc < 0);
    for (size_t i = 0; i < g->n; i++) {
        struct wf_task *t = wf_task_of(g->tasks[i]);
        intptr_t result = t != NULL ? wf_task_consume(t) : -ENOMEM;
        if (results != NULL)
            results[i] = result;
    }
    return rc < 0 ? rc : cut;
}

int weft_gather(weft_task *const tasks[], size_t n, intptr_t results[])
{
    struct gather g = {.n = n, .tasks = tasks};
    int rc = gather(&g, results);
    return g.first_error != 0 ? g.first_error : rc == -ECANCELED ? 0 : rc; /* values win */
}

int weft_gather_settled(weft_task *const tasks[], size_t n, intptr_t results[])
{
    struct gather g = {.n = n, .tasks = tasks, .settle = true};
    int rc = gather(&g, results);
    return rc < 0 ? rc : (int)g.failures;
}

__attribute__((constructor)) static void set_hook(void)
{
    wf_gather_child_ended = child_ended;
}
