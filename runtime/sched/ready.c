/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ready.c - making things runnable: wakes, the run queue's tail, waking sleepers, choosing the next
 *
 * A wake is two steps so that the waker can hand something over in between: wf_wake_begin wins the
 * park, wf_wake_end queues the task. Wakes from a worker go to its own queue: the run-next slot
 * when `soon` (message passing: the woken task runs next, on the warm core), else the tail of the
 * deque. Wakes from other threads go to the global queue. Pinned tasks go home through the inbox.
 */
#include "runtime/base/assert.h"
#include "runtime/sched/runq.h"

enum {
    SAMPLE_EVERY = 16,
    QUIET_CYCLES = 10000 /* a few microseconds: a fifth of what waking a worker takes */
};

void wf_push_slow(struct wf_worker *w, uint64_t entry)
{
    uint64_t old[WF_DEQUE_CAP / 2];
    unsigned n = wf_deque_shed(&w->deque, old), live = 0;
    for (unsigned i = 0; i < n; i++)
        if (!wf_entry_stale(old[i]))
            old[live++] = old[i];
    if (live > 0) {
        wf_global_push(&w->rt->global, old, live);
        w->trace.block->overflows++;
        wf_trace(&w->trace, WF_EV_OVERFLOW, 0, 0, live);
    }
    bool pushed = wf_deque_push(&w->deque, entry);
    WF_CHECK(pushed);
}

static void wake_worker(struct wf_worker *from, struct wf_worker *w)
{
    if (from != NULL) {
        from->trace.block->wakes_sent++;
        wf_trace(&from->trace, WF_EV_WORKER_WAKE, w->index, 0, 0);
    }
    w->ops->wake(w->driver, from != NULL ? from->driver : NULL);
}

/* Wakes one sleeping worker, if there is any; `from` is NULL on a foreign thread. */
void wf_wake_some(struct wf_runtime *rt, struct wf_worker *from)
{
    unsigned start = from != NULL ? from->index + 1 : 0;
    for (unsigned i = 0; i < rt->workers; i++) {
        struct wf_worker *w = rt->worker[(start + i) % rt->workers];
        if (w != from && wf_idle_pick(&rt->idle, &w->sleeping)) {
            wake_worker(from, w);
            return;
        }
    }
}

void wf_post(struct wf_worker *to, struct wf_post *post)
{
    wf_inbox_push(&to->inbox, post);
    if (wf_idle_pick(&to->rt->idle, &to->sleeping))
        wake_worker(wf_worker(), to);
}

static void push_pinned(struct wf_worker *w, struct wf_fiber *f)
{
    f->link = NULL;
    if (w->pinned_tail != NULL)
        w->pinned_tail->link = f;
    else
        w->pinned_head = f;
    w->pinned_tail = f;
}

struct wf_fiber *wf_take_pinned(struct wf_worker *w)
{
    struct wf_fiber *f = w->pinned_head;
    w->pinned_head = f->link;
    if (w->pinned_head == NULL)
        w->pinned_tail = NULL;
    return f;
}

/* The message that brings a pinned task home; stands in its park frame. */
static void arrive_home(struct wf_post *post)
{
    struct wf_park *park =
        (struct wf_park *)(void *)((char *)post - offsetof(struct wf_park, post));
    push_pinned(wf_worker(), park->task->desc.fiber);
}

static void ready_pinned(struct wf_task *t)
{
    struct wf_worker *w = wf_worker();
    if (w != NULL && w->index == t->home) {
        push_pinned(w, t->desc.fiber);
        return;
    }
    t->park->post.fn = arrive_home;
    wf_post(wf_rt->worker[t->home], &t->park->post);
}

void wf_ready(struct wf_task *t, bool soon)
{
    if (__builtin_expect((wf_load_rlx(&t->flags) & WF_TASK_PINNED) != 0, 0)) {
        ready_pinned(t);
        return;
    }
    struct wf_worker *w = wf_worker();
    uint64_t entry = (uint64_t)(uintptr_t)t->desc.fiber;
    if (__builtin_expect(w == NULL, 0)) {
        wf_global_push(&wf_rt->global, &entry, 1);
        wf_notify(wf_rt, NULL);
    } else if (soon) {
        wf_push_soon(w, entry);
    } else {
        wf_push(w, entry);
        wf_notify(w->rt, w);
    }
}

struct wf_task *wf_wake_begin(uint64_t ticket)
{
    return wf_wake_begin_on(ticket);
}

void wf_wake_end(struct wf_task *t, intptr_t code, bool soon)
{
    wf_wake_end_on(wf_worker(), t, code, soon);
}

bool wf_wake(uint64_t ticket, intptr_t code)
{
    struct wf_task *t = wf_wake_begin(ticket);
    if (t != NULL)
        wf_wake_end(t, code, false);
    return t != NULL;
}

bool wf_wake_soon(uint64_t ticket, intptr_t code)
{
    struct wf_task *t = wf_wake_begin(ticket);
    if (t != NULL)
        wf_wake_end(t, code, true);
    return t != NULL;
}

static uint64_t take_global(struct wf_worker *w)
{
    uint64_t entry[WF_STEAL_MAX];
    unsigned max = w->rt->workers > 1 ? WF_STEAL_MAX / 4 : WF_STEAL_MAX;
    unsigned n = wf_global_take(&w->rt->global, entry, max);
    for (unsigned i = 1; i < n; i++)
        wf_push(w, entry[i]);
    return n > 0 ? entry[0] : 0;
}

/*
 * Every WF_TRACE_CLOCK_EVERY switches; true: the loop is to look at the ring, the global queue and
 * the pinned tasks. The newest spawn gets a place in the queue then: where others yield all the
 * time the slot would never come up.
 */
bool wf_tick(struct wf_worker *w, uint32_t tick)
{
    w->trace.tsc = wf_cycles();
    if (tick % WF_FAIR_EVERY != 0)
        return false;
    uint64_t entry = wf_load_rlx(&w->fresh);
    if (entry != 0) {
        wf_store_rlx(&w->fresh, 0);
        wf_push(w, entry);
    }
    return true;
}

uint64_t wf_take_next(struct wf_worker *w, uint64_t entry)
{
    if (++w->streak >= WF_NEXT_STREAK && wf_deque_len(&w->deque) > 0) {
        w->streak = 0;
        entry = wf_deque_take(&w->deque); /* those who wait first, this time */
        if (entry != 0)
            return entry;
    }
    return wf_next_swap(w, 0); /* 0: a thief was faster */
}

void wf_prefetch_entries(struct wf_worker *w, uint64_t one, uint64_t two)
{
    if (!wf_entry_is_fresh(two))
        wf_prefetch((const void *)(uintptr_t)two);
    if (!wf_entry_is_fresh(one) && !w->deque.shared) { /* else a thief may have it */
        const struct wf_fiber *f = (const struct wf_fiber *)(uintptr_t)one;
        wf_prefetch(f->sp);
        wf_prefetch(f->task);
    }
}

uint64_t wf_next_slow(struct wf_worker *w)
{
    w->streak = 0;
    if (__builtin_expect(w->pinned_head != NULL, 0))
        return (uint64_t)(uintptr_t)wf_take_pinned(w);
    uint64_t entry;
    if ((entry = wf_load_rlx(&w->fresh)) != 0) {
        wf_store_rlx(&w->fresh, 0);
        return entry;
    }
    if (wf_load_rlx(&w->rt->global.count) != 0)
        return take_global(w);
    return 0;
}

/*
 * Spawns are announced to sleepers unless their awaits follow at once: then waking another worker
 * for each costs far more than it brings. Every 16th spawn is a sample; its await tells.
 */
void wf_push_fresh(struct wf_worker *w, struct wf_task *t, uint64_t entry)
{
    if (w->rt->workers > 1 && ++w->spawns % SAMPLE_EVERY == 0) {
        w->sample = t;
        w->sample_tsc = wf_cycles();
    }
    uint64_t old = wf_load_rlx(&w->fresh);
    wf_store_rel(&w->fresh, entry); /* order: run-fresh */
    if (old != 0) {
        wf_push(w, old);
        wf_notify(w->rt, w);
    } else if (!w->spawn_quietly) {
        wf_notify(w->rt, w);
    }
}

/* The task is claimed by its awaiter; takes its entry out of the slot when it is still there. */
void wf_unpush_fresh(struct wf_worker *w, struct wf_task *t, uint64_t entry)
{
    if (wf_load_rlx(&w->fresh) == entry)
        wf_store_rlx(&w->fresh, 0);
    if (__builtin_expect(w->sample == t, 0)) {
        w->spawn_quietly = wf_cycles() - w->sample_tsc < QUIET_CYCLES;
        w->sample = NULL;
    }
}
