/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runq.h - the worker's run queue: what every switch and wake goes through, inline
 *
 * Three places, all stealable. `next`: the task just woken by message passing, runs next while its
 * streak lasts. The deque: first in, first out. `fresh`: the newest spawned task; a second spawn
 * moves the first into the deque. An await takes its task out of `fresh` again, so spawn and await
 * touch no queue; thieves take from `next` and `fresh` only what has stood there for a while.
 *
 * order: run-next - the owner alone fills the slot (release store or exchange), everybody empties
 * it by an exchange; the entry is published with it. order: run-fresh - the owner stores, thieves
 * swap; both may get the same entry: it is claimed once (task_state.h), the other copy is stale.
 */
#ifndef WF_RUNQ_H
#define WF_RUNQ_H

#include "runtime/sched/worker.h"

/* wf_push - owner: append an entry to the run queue, shedding to the global queue when full */
static inline void wf_push(struct wf_worker *w, uint64_t entry)
{
    if (__builtin_expect(!wf_deque_push(&w->deque, entry), 0))
        wf_push_slow(w, entry);
}

/* wf_notify - after a push: wake a sleeper if nobody searches */
static inline void wf_notify(struct wf_runtime *rt, struct wf_worker *from)
{
    if ((rt->workers > 1 || from == NULL) && wf_idle_wanted(&rt->idle))
        wf_wake_some(rt, from);
}

/*
 * After an entry was taken: fetch what the next one will touch (its task and the top of its saved
 * stack) and the block of the one after it, when there is a crowd; two tasks are warm anyway.
 */
static inline void wf_prefetch_ahead(struct wf_worker *w)
{
#if !WF_TSAN /* reads a hint that another thread may be changing: harmless, but reported */
    struct wf_deque *d = &w->deque;
    uint64_t h = wf_load_rlx(&d->head);
    if (__builtin_expect(wf_load_rlx(&d->tail) - h >= 3, 0))
        wf_prefetch_entries(w, wf_load_rlx(&d->slot[h & WF_DEQUE_MASK]),
                            wf_load_rlx(&d->slot[(h + 1) & WF_DEQUE_MASK]));
#else
    (void)w;
#endif
}

/* wf_next - the next run queue entry without touching the driver; 0: back to the loop */
static inline __attribute__((always_inline)) uint64_t wf_next(struct wf_worker *w)
{
    uint32_t tick = wf_load_rlx(&w->tick) + 1;
    wf_store_rlx(&w->tick, tick);
    if (__builtin_expect(tick % WF_TRACE_CLOCK_EVERY == 0, 0) && wf_tick(w, tick))
        return 0;
    uint64_t entry = wf_load_rlx(&w->next);
    if (entry != 0 && (entry = wf_take_next(w, entry)) != 0)
        return entry;
    entry = wf_deque_take(&w->deque);
    if (__builtin_expect(entry != 0, 1)) {
        wf_prefetch_ahead(w);
        return entry;
    }
    return wf_next_slow(w);
}

/* wf_next_swap - owner: put an entry (0: none) into `next`, get what stood there */
static inline uint64_t wf_next_swap(struct wf_worker *w, uint64_t entry)
{
    if (w->deque.shared)
        return wf_xchg_acqrel(&w->next, entry); /* order: run-next */
    uint64_t old = wf_load_rlx(&w->next);
    wf_store_rlx(&w->next, entry);
    return old;
}

/* wf_push_soon - owner: run this next; what stood there goes behind the queue */
static inline void wf_push_soon(struct wf_worker *w, uint64_t entry)
{
    if (__builtin_expect(wf_load_rlx(&w->next) == 0, 1)) {
        wf_store_rel(&w->next, entry); /* order: run-next */
        return;
    }
    uint64_t old = wf_next_swap(w, entry);
    if (old != 0) {
        wf_push(w, old);
        wf_notify(w->rt, w);
    }
}

/* wf_entry_fiber - the fiber to go to for what wf_next returned */
static inline struct wf_fiber *wf_entry_fiber(struct wf_worker *w, uint64_t entry)
{
    return __builtin_expect(entry != 0 && !wf_entry_is_fresh(entry), 1)
               ? (struct wf_fiber *)(uintptr_t)entry
               : wf_target(w, entry);
}

/*
 * wf_leave - run `entry` (0: the loop) instead of the present fiber
 * @after: runs on the other side once this fiber is off its stack; on return here, the fiber was
 * resumed. Returns the worker it was resumed on.
 */
static inline struct wf_worker *wf_leave(struct wf_worker *w, uint64_t entry,
                                         void (*after)(struct wf_worker *w, void *arg), void *arg)
{
    struct wf_fiber *to = wf_entry_fiber(w, entry);
    w->after = after;
    w->after_arg = arg;
    return wf_switch(w, w->fiber, to);
}

/* The two steps of a wake (sched.h) for callers that know their worker; w may be NULL. */
static inline struct wf_task *wf_wake_begin_on(uint64_t ticket)
{
    struct wf_task *t = wf_ticket_task(ticket);
    return wf_ts_wake(&t->state, wf_ticket_epoch(ticket)) ? t : NULL;
}

static inline void wf_wake_end_on(struct wf_worker *w, struct wf_task *t, intptr_t code, bool soon)
{
    t->result = code;
    if (__builtin_expect(w == NULL || (wf_load_rlx(&t->flags) & WF_TASK_PINNED) != 0, 0)) {
        wf_ready(t, soon);
        return;
    }
    wf_trace(&w->trace, WF_EV_WAKE, (unsigned)code, w->task != NULL ? w->task->desc.index : 0,
             t->desc.index);
    uint64_t entry = (uint64_t)(uintptr_t)t->desc.fiber;
    if (soon) {
        wf_push_soon(w, entry);
    } else {
        wf_push(w, entry);
        wf_notify(w->rt, w);
    }
}

/*
 * wf_suspend_check_on - wf_suspend_check for callers that know their worker (NULL: none); *w is the
 * present one afterwards, the check may have yielded
 */
static inline int wf_suspend_check_on(struct wf_worker **w)
{
    struct wf_worker *here = *w;
    if (__builtin_expect(here == NULL || here->task == NULL, 0))
        return -EPERM;
    if (__builtin_expect(--here->budget < 0 ||
                             (wf_load_rlx(&here->task->state) & WF_TS_CANCEL) != 0, 0))
        return wf_suspend_check_slow(w);
    return 0;
}

#endif
