/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.c - the worker's loop on its own stack: poll, run, search, spin, sleep
 *
 * One turn: handle messages, poll the driver if it has something (or the turn is a fair one), let
 * due timers fire, take one entry and run until the task fibers have nothing at hand. When there is
 * no entry: search other queues as one of at most half of the workers, spin for a while on memory
 * only, publish that this worker sleeps, look at everything once more, sleep in the driver.
 *
 * The spin is adaptive: what a spin found in time keeps it, failures halve it, and a sleep that was
 * over after less than two of the longest spins brings it back. It pays where one answer waits for
 * the next request; a worker that reaps many completions at a time loses nothing by sleeping, so it
 * does not spin (w->load: moving average of completions per reap, in eighths).
 */
#include "runtime/base/assert.h"
#include "runtime/sched/runq.h"
#include "runtime/time/clock.h"

enum {
    SPIN_MIN_NS = 2000,
    STEAL_PAUSE = 32,           /* spins between looks at other workers' queues */
    SPIN_LOAD_MAX = 3 * 8,      /* completions per reap, in eighths, above which nobody spins */
    TRIM_EVERY_NS = 1000000000,
    LOOK_NS = 10000000,         /* a sleeper looks again while others are awake */
    LOOK_SOON_NS = 1000000,     /* the same when there may be something to steal */
    STEAL_NEXT_AFTER_NS = 20000 /* run-next entries are stolen from a worker that stands still */
};

static void set_state(struct wf_worker *w, enum wf_worker_state state)
{
    struct wf_worker_block *b = w->trace.block;
    wf_store_rlx(&b->state, state);
    wf_store_rlx(&b->task, 0);
    b->since = w->trace.tsc;
}

static void turn_clock(struct wf_worker *w)
{
    w->now = wf_clock_read();
    w->trace.tsc = wf_cycles();
}

/* What tools see of this worker, once per turn. */
static void publish_counters(struct wf_worker *w)
{
    struct wf_worker_block *b = w->trace.block;
    wf_store_rlx(&b->turns, wf_load_rlx(&b->turns) + 1);
    b->queued = wf_deque_len(&w->deque);
    b->inflight = w->ops->inflight(w->driver);
    b->spawned = wf_load_rlx(&w->spawned);
    b->ended = wf_load_rlx(&w->ended);
    b->switches += (uint32_t)(wf_load_rlx(&w->tick) - (uint32_t)b->switches);
}

static void note_load(struct wf_worker *w, unsigned n)
{
    if (n > 0)
        w->load += n - w->load / 8;
}

void wf_run_inbox(struct wf_worker *w)
{
    struct wf_post *post = wf_inbox_take(&w->inbox);
    while (post != NULL) {
        struct wf_post *next = post->next;
        post->fn(post);
        post = next;
    }
}

static uint64_t steal_from(struct wf_worker *w, struct wf_worker *victim)
{
    uint64_t entry[WF_STEAL_MAX];
    unsigned taken = wf_deque_steal(&victim->deque, entry, WF_STEAL_MAX), n = 0;
    for (unsigned i = 0; i < taken; i++)
        if (!wf_entry_stale(entry[i]))
            entry[n++] = entry[i];
    if (n == 0)
        return 0;
    w->trace.block->steals++;
    w->trace.block->stolen += n;
    wf_trace(&w->trace, WF_EV_STEAL, victim->index, 0, n);
    for (unsigned i = 1; i < n; i++)
        wf_push(w, entry[i]);
    return entry[0];
}

static uint64_t steal(struct wf_worker *w)
{
    struct wf_runtime *rt = w->rt;
    w->rng = w->rng * 1664525u + 1013904223u;
    unsigned start = w->rng >> 16;
    for (unsigned i = 0; i < rt->workers; i++) {
        struct wf_worker *victim = rt->worker[(start + i) % rt->workers];
        uint64_t entry = victim != w ? steal_from(w, victim) : 0;
        if (entry != 0)
            return entry;
    }
    return 0;
}

static uint64_t take_slot(WF_ATOMIC(uint64_t) *slot, uint64_t entry)
{
    if (entry == 0 || !wf_cas_acqrel(slot, &entry, 0)) /* order: run-next, run-fresh */
        return 0;
    return wf_entry_stale(entry) ? 0 : entry;
}

/* The run-next or newest entry of a worker that has stood still since the last look at it. */
static uint64_t steal_slots(struct wf_worker *w)
{
    struct wf_runtime *rt = w->rt;
    for (unsigned i = 0; i < rt->workers; i++) {
        struct wf_worker *v = rt->worker[i];
        uint64_t next = wf_load_rlx(&v->next), fresh = wf_load_rlx(&v->fresh), entry;
        if (v == w || (next == 0 && fresh == 0))
            continue;
        uint32_t tick = wf_load_rlx(&v->tick);
        bool same = tick == wf_load_rlx(&v->seen_tick) && next == wf_load_rlx(&v->seen_next) &&
                    fresh == wf_load_rlx(&v->seen_fresh);
        bool still = same && w->now - wf_load_rlx(&v->seen_at) >= STEAL_NEXT_AFTER_NS;
        if (still && ((entry = take_slot(&v->next, next)) != 0 ||
                      (entry = take_slot(&v->fresh, fresh)) != 0)) {
            wf_trace(&w->trace, WF_EV_STEAL, v->index, 0, 1);
            return entry;
        }
        if (!same) {
            wf_store_rlx(&v->seen_tick, tick);
            wf_store_rlx(&v->seen_next, next);
            wf_store_rlx(&v->seen_fresh, fresh);
            wf_store_rlx(&v->seen_at, w->now);
        }
    }
    return 0;
}

/*
 * When a sleeper looks again although nobody woke it: entries in the slots of a worker that does
 * not switch are not announced. While all sleep there is nothing to look for.
 */
static weft_deadline next_look(struct wf_worker *w)
{
    struct wf_runtime *rt = w->rt;
    if (wf_idle_sleeping(wf_load_rlx(&rt->idle.counts)) >= rt->workers)
        return WEFT_NEVER;
    for (unsigned i = 0; i < rt->workers; i++) {
        struct wf_worker *v = rt->worker[i];
        if (v != w && (wf_load_rlx(&v->next) != 0 || wf_load_rlx(&v->fresh) != 0))
            return w->now + LOOK_SOON_NS;
    }
    return w->now + LOOK_NS;
}

static bool has_work(struct wf_worker *w)
{
    struct wf_runtime *rt = w->rt;
    if (!wf_inbox_empty(&w->inbox) || !wf_global_empty(&rt->global) || w->ops->ready(w->driver))
        return true;
    for (unsigned i = 0; i < rt->workers; i++)
        if (wf_deque_len(&rt->worker[i]->deque) > 0)
            return true;
    return wf_load_sc(&rt->stop) != 0 || w->pinned_head != NULL;
}

static uint64_t local_entry(struct wf_worker *w)
{
    uint64_t entry = 0;
    bool pinned = w->pinned_head != NULL; /* it and the global queue take turns */
    if (pinned && (wf_load_rlx(&w->trace.block->turns) & 1) != 0)
        return (uint64_t)(uintptr_t)wf_take_pinned(w);
    if (!wf_global_empty(&w->rt->global))
        (void)wf_global_take(&w->rt->global, &entry, 1);
    return entry != 0 ? entry : wf_next(w);
}

static unsigned poll_driver(struct wf_worker *w)
{
    if (!w->ops->ready(w->driver))
        return 0;
    unsigned n = w->ops->poll(w->driver);
    w->trace.block->polls++;
    w->trace.block->completions += n;
    note_load(w, n);
    if (n > 0) {
        w->trace.tsc = wf_cycles(); /* the kernel's part of the turn ends here */
        wf_trace(&w->trace, WF_EV_LOOP, 0, 0, n);
    }
    return n;
}

static weft_deadline next_timer(struct wf_worker *w)
{
    wf_spin_lock(&w->wheel_lock);
    weft_deadline at = wf_wheel_next(&w->wheel);
    wf_spin_unlock(&w->wheel_lock);
    return at;
}

/*
 * Searches and spins until there is something to do, the next timer is due or the time is over.
 * Returns an entry, or 0: look at your own queues again (*again) or go to sleep.
 */
static uint64_t search(struct wf_worker *w, weft_deadline timer, bool *again)
{
    struct wf_runtime *rt = w->rt;
    uint64_t entry = 0;
    bool searching = w->searching || wf_idle_search_begin(&rt->idle);
    int64_t end = w->now + w->spin_ns;
    *again = false;
    set_state(w, WF_WORKER_SEARCHING);
    for (unsigned spins = 0;; spins++) {
        if (searching && spins % STEAL_PAUSE == 0 &&
            ((entry = steal(w)) != 0 || (entry = steal_slots(w)) != 0))
            break;
        if (!wf_inbox_empty(&w->inbox) || w->ops->ready(w->driver) ||
            wf_load_rlx(&rt->global.count) != 0 || wf_load_rlx(&rt->stop) != 0) {
            *again = true;
            break;
        }
        if (spins % STEAL_PAUSE == STEAL_PAUSE - 1) {
            w->now = wf_clock_read();
            if (w->now >= end || w->now >= timer)
                break;
        }
        if (w->spin_ns == 0)
            break;
        wf_cpu_relax();
    }
    if (searching) {
        w->searching = false;
        bool last = wf_idle_search_end(&rt->idle);
        if (last && (entry != 0 || *again))
            wf_notify(rt, w);
    }
    return entry;
}

static void adapt_spin(struct wf_worker *w, bool found, int64_t slept_ns)
{
    if (w->load >= SPIN_LOAD_MAX)
        w->spin_ns = 0;
    else if (found || (slept_ns >= 0 && slept_ns < 2 * w->spin_max_ns))
        w->spin_ns = w->spin_max_ns;
    else if (w->spin_ns > SPIN_MIN_NS)
        w->spin_ns /= 2;
}

/* Worker 0 gives memory of stacks that have been idle for long back, once a second at most. */
static void trim_stacks(struct wf_worker *w)
{
    if (w->index != 0 || w->now - w->trimmed < TRIM_EVERY_NS)
        return;
    w->trimmed = w->now;
    wf_stack_pool_trim(&w->rt->stacks);
}

/* Publishes the sleep, rechecks, sleeps. */
static void sleep_now(struct wf_worker *w)
{
    struct wf_runtime *rt = w->rt;
    wf_idle_sleep_begin(&rt->idle, &w->sleeping);
    if (has_work(w)) {
        w->searching = wf_idle_sleep_end(&rt->idle, &w->sleeping);
        return;
    }
    turn_clock(w);
    trim_stacks(w);
    weft_deadline timer = next_timer(w), look = next_look(w);
    if (look < timer)
        timer = look;
    set_state(w, WF_WORKER_SLEEPING);
    wf_trace(&w->trace, WF_EV_LOOP, 1, 0, 0);
    int64_t before = w->now;
    unsigned n = 0;
    w->trace.block->sleeps++;
    n = w->ops->sleep(w->driver, timer);
    w->trace.block->completions += n;
    note_load(w, n);
    w->searching = wf_idle_sleep_end(&rt->idle, &w->sleeping);
    turn_clock(w);
    wf_trace(&w->trace, WF_EV_LOOP, 2, 0, n);
    set_state(w, WF_WORKER_POLLING);
    adapt_spin(w, false, n > 0 ? w->now - before : -1);
}

/* The run is closing: has every task ended? Order of the loads: see wf_runtime_close. */
static void check_closed(struct wf_worker *w)
{
    struct wf_runtime *rt = w->rt;
    if (wf_load_acq(&rt->closing) == 0 || wf_load_acq(&rt->stop) != 0)
        return;
    uint64_t ended = 0, spawned = 0;
    for (unsigned i = 0; i < rt->workers; i++)
        ended += wf_load_acq(&rt->worker[i]->ended);
    for (unsigned i = 0; i < rt->workers; i++)
        spawned += wf_load_acq(&rt->worker[i]->spawned);
    if (spawned == ended) {
        wf_store_sc(&rt->stop, 1);
        for (unsigned i = 0; i < rt->workers; i++)
            if (rt->worker[i] != w)
                w->ops->wake(rt->worker[i]->driver, w->driver);
    } else {
        wf_cancel_all(rt, "run ended");
    }
}

static void idle(struct wf_worker *w)
{
    bool again;
    wf_trace(&w->trace, WF_EV_LOOP, 3, 0, 0);
    uint64_t entry = search(w, next_timer(w), &again);
    adapt_spin(w, entry != 0 || again, -1);
    if (entry != 0) {
        w->trace.tsc = wf_cycles();
        set_state(w, WF_WORKER_RUNNING);
        wf_run_entry(w, entry);
    } else if (!again && next_timer(w) > w->now)
        sleep_now(w);
}

static void turn(struct wf_worker *w)
{
    turn_clock(w);
    publish_counters(w);
    wf_run_inbox(w);
    set_state(w, WF_WORKER_POLLING);
    poll_driver(w);
    wf_timers_run(w);
    uint64_t entry = local_entry(w);
    if (entry == 0) {
        check_closed(w);
        idle(w);
        return;
    }
    if (w->searching) {
        w->searching = false;
        if (wf_idle_search_end(&w->rt->idle))
            wf_notify(w->rt, w);
    }
    set_state(w, WF_WORKER_RUNNING);
    wf_run_entry(w, entry);
}

void wf_worker_loop(struct wf_worker *w)
{
    while (wf_load_rlx(&w->rt->stop) == 0)
        turn(w);
    set_state(w, WF_WORKER_STOPPED);
}
