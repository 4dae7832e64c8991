/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switch.c - moving between fibers, running tasks on them
 *
 * One switch site: wf_switch(). The side that leaves names an action (w->after) which the side that
 * arrives runs first, when the other fiber is off its stack: publish it as parked, queue it,
 * recycle it. Actions run on the same thread, so they may use the worker that they are given.
 *
 * A fiber's life: trampoline() runs claimed tasks one after the other as plain calls; a task that
 * never suspends costs no switch and no stack. When the next entry is a parked fiber, the
 * trampoline switches to it for good and its own stack goes back to the cache.
 */
#include <stdlib.h>

#include "runtime/base/assert.h"
#include "runtime/base/log.h"
#include "runtime/sched/frame_stack.h"
#include "runtime/sched/runq.h"

uint64_t (*wf_scope_child_ended)(struct wf_task *, intptr_t, bool);
void (*wf_gather_child_ended)(struct wf_task *, uint64_t, intptr_t);

static void trampoline(void *pass);

/*
 * Runs the action of the side that left, on the fiber `self`. That of a yield is inline: the fiber
 * goes to the queue, and is announced to sleepers unless the loop, here, takes it again at once.
 */
static inline void run_after(struct wf_worker *w, const struct wf_fiber *self)
{
    void (*after)(struct wf_worker *, void *) = w->after;
    if (after == wf_requeue) {
        struct wf_fiber *left = w->after_arg;
        struct wf_task *t = left->task;
        w->after = NULL;
        wf_store_rel(&t->desc.seq, wf_load_rlx(&t->desc.seq) + 1);
        if (__builtin_expect((wf_load_rlx(&t->flags) & WF_TASK_PINNED) != 0, 0)) {
            wf_ready(t, false);
            return;
        }
        wf_push(w, (uint64_t)(uintptr_t)left);
        if (w->deque.shared && self != &w->loop_fiber)
            wf_notify(w->rt, w);
    } else if (after != NULL) {
        w->after = NULL;
        after(w, w->after_arg);
    }
}

/* The name of that action; run_after does its work. */
void wf_requeue(struct wf_worker *w, void *arg)
{
    (void)w, (void)arg;
    WF_CHECK(false);
}

static inline void resumed(struct wf_worker *w, struct wf_fiber *f)
{
    struct wf_task *t = f->task;
    w->fiber = f;
    w->task = t;
    w->budget = WF_BUDGET;
    if (t != NULL) {
        struct wf_desc *d = &t->desc;
        wf_store_rlx(&d->seq, wf_load_rlx(&d->seq) + 1); /* odd again */
        d->wait_kind = WF_WAIT_NONE;
        d->worker = (uint16_t)w->index;
        d->switches++;
        wf_store_rlx(&w->trace.block->task, d->index);
        /* No record: the one with which it leaves the CPU says that it was on since the last
         * one. */
    }
}

/* The one place where stacks change. Returns the worker of the resuming side. */
__attribute__((noinline)) struct wf_worker *wf_switch(struct wf_worker *w, struct wf_fiber *from,
                                                      struct wf_fiber *to)
{
    w = wf_fiber_switch(from, to, w);
    run_after(w, from);
    resumed(w, from);
    return w;
}

static void recycle(struct wf_worker *w, void *arg)
{
    wf_fiber_free(w->stacks, arg);
}

static struct wf_fiber *fresh_fiber(struct wf_worker *w, struct wf_task *t)
{
    struct wf_fiber *f = wf_fiber_new(w->stacks, t->stack_class, trampoline);
    if (f == NULL)
        return NULL;
    w->start = t;
    w->start_fiber = f;
    return f;
}

/* Claims the task of a fresh entry; NULL: an awaiter was faster. */
static struct wf_task *claim(uint64_t entry)
{
    struct wf_task *t = wf_ticket_task(entry >> 1);
    return wf_ts_claim(&t->state, wf_ticket_epoch(entry >> 1)) ? t : NULL;
}

/* An entry that can run: claims fresh ones, skips stale ones. 0: nothing at hand. */
static uint64_t next_runnable(struct wf_worker *w, uint64_t entry, struct wf_task **fresh)
{
    *fresh = NULL;
    while (entry != 0) {
        if (!wf_entry_is_fresh(entry))
            return entry;
        if ((*fresh = claim(entry)) != NULL)
            return entry;
        entry = wf_next(w);
    }
    return 0;
}

struct wf_fiber *wf_target(struct wf_worker *w, uint64_t entry)
{
    for (;;) {
        struct wf_task *fresh;
        entry = next_runnable(w, entry, &fresh);
        if (entry == 0)
            return &w->loop_fiber;
        if (fresh == NULL)
            return (struct wf_fiber *)(uintptr_t)entry;
        struct wf_fiber *f = fresh_fiber(w, fresh);
        if (f != NULL)
            return f;
        wf_task_end(w, fresh, -ENOMEM); /* no stack: its awaiter sees why */
        entry = wf_next(w);
    }
}

void wf_run_entry(struct wf_worker *w, uint64_t entry)
{
    WF_ASSERT(w->fiber == &w->loop_fiber);
    struct wf_fiber *to = wf_target(w, entry);
    if (to != &w->loop_fiber)
        wf_switch(w, &w->loop_fiber, to);
}

/* Runs claimed tasks one after the other on this stack, then leaves it for good. */
static void trampoline(void *pass)
{
    struct wf_worker *w = pass;
    struct wf_fiber *self = w->start_fiber;
    struct wf_task *t = w->start;
    unsigned stack_class = t->stack_class;
    run_after(w, self);
    w->fiber = self;
    w->budget = WF_BUDGET;
    for (;;) {
        intptr_t result = wf_task_call(w, t, 0);
        w = wf_worker();
        wf_task_end(w, t, result);
        self->task = w->task = NULL;
        uint64_t entry = next_runnable(w, wf_next(w), &t);
        struct wf_fiber *to;
        if (t != NULL) {
            if (t->stack_class == stack_class)
                continue;
            to = fresh_fiber(w, t);
            if (to == NULL) {
                wf_task_end(w, t, -ENOMEM);
                to = &w->loop_fiber;
            }
        } else {
            to = entry != 0 ? (struct wf_fiber *)(uintptr_t)entry : &w->loop_fiber;
        }
        w->after = recycle;
        w->after_arg = self;
        wf_fiber_switch_final(self, to, w);
    }
}

intptr_t wf_task_call(struct wf_worker *w, struct wf_task *t, unsigned how)
{
    struct wf_desc *d = &t->desc;
    struct wf_fiber *f = w->fiber;
    f->task = t;
    w->task = t;
    d->fiber = f;
    d->live = 2;
    d->worker = (uint16_t)w->index;
    if (wf_load_rlx(&t->flags) & WF_TASK_PINNED)
        t->home = (uint16_t)w->index;
    wf_store_rlx(&d->seq, wf_load_rlx(&d->seq) | 1);
    wf_store_rlx(&w->trace.block->task, d->index);
    if (how != 0)
        wf_trace(&w->trace, WF_EV_RESUME, how, d->index, d->outer->index);
    if (__builtin_expect((wf_load_rlx(&t->state) & WF_TS_CANCEL) != 0, 0) && wf_task_cancelled(t))
        return -ECANCELED;
    return d->fn(d->arg);
}

/* What is the same for every end; afterwards the block may be reused. */
static void forget(struct wf_worker *w, struct wf_task *t)
{
    struct wf_desc *d = &t->desc;
    if (__builtin_expect((wf_load_rlx(&t->flags) & WF_TASK_ARG_COPY) != 0, 0))
        free(d->arg);
    d->live = 0;
    d->gen++;
    wf_store_rel(&d->seq, (wf_load_rlx(&d->seq) | 1) + 1);
    wf_ts_free(&t->state);
    wf_slab_give(&w->rt->slab, &w->tasks, t);
}

void wf_task_free(struct wf_worker *w, struct wf_task *t)
{
    forget(w, t);
}

static void log_unobserved(const struct wf_task *t, intptr_t result)
{
    static struct wf_log_limit limit = WF_LOG_LIMIT_INIT(20, 60000000000);
    uint64_t swallowed;
    if (wf_rt->options.quiet || !wf_log_allowed(&limit, (uint64_t)wf_clock_now(), &swallowed))
        return;
    wf_log(WF_LOG_WARN, "task %s (spawned at %p, body %p) failed: %s; nobody awaited it",
           t->desc.name != NULL ? t->desc.name : "without a name", t->desc.spawn_pc,
           (void *)(uintptr_t)t->desc.fn, weft_strerror((int)result));
}

void wf_task_end(struct wf_worker *w, struct wf_task *t, intptr_t result)
{
    WF_ASSERT(t->frames == NULL);
    wf_trace(&w->trace, WF_EV_EXIT, WEFT_FAILED(result), t->desc.index, (uint32_t)result);
    wf_store_rlx(&w->ended, wf_load_rlx(&w->ended) + 1);
    t->result = result;
    t->desc.live = 3;
    uint64_t before;
    if (t->desc.scope != NULL)
        before = wf_scope_child_ended(t, result, false);
    else
        before = wf_ts_finish(&t->state);
    if (before & WF_TS_JOINER) {
        uint64_t joiner = wf_load_rlx(&t->joiner);
        if (wf_solo())
            wf_store_rlx(&t->joiner, WF_JOINER_ENDED);
        else
            joiner = wf_xchg_acqrel(&t->joiner, WF_JOINER_ENDED); /* order: joiner */
        if (joiner & WF_JOINER_GATHER)
            wf_gather_child_ended(t, joiner, result);
        else
            (void)wf_wake_soon(joiner, WF_WOKEN);
    } else if ((before & WF_TS_HANDLE) == 0) {
        if (WEFT_FAILED(result) && result != -ECANCELED && t->desc.scope == NULL)
            log_unobserved(t, result);
        forget(w, t);
    }
}

void wf_task_end_in_place(struct wf_worker *w, struct wf_task *t, intptr_t result)
{
    WF_ASSERT(t->frames == NULL);
    wf_trace(&w->trace, WF_EV_EXIT, WEFT_FAILED(result), t->desc.index, (uint32_t)result);
    wf_store_rlx(&w->ended, wf_load_rlx(&w->ended) + 1);
    if (t->desc.scope != NULL)
        (void)wf_scope_child_ended(t, result, true);
    forget(w, t);
}
