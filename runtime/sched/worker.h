/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.h - the worker and the runtime: structures shared by the files of this folder
 *
 * A worker is one thread with a run queue, an event driver, a timer wheel and caches. Its thread's
 * own stack is the *loop fiber*: there the worker polls, searches and sleeps. Everything else runs
 * on task fibers, which switch straight to each other (switch.c).
 *
 * Lock ranks, outermost first: cancel lock -> scope lock -> wheel lock; channel locks are leaves;
 * slab, global queue and stack depot locks are leaves. No lock is held over a suspension except one
 * that the after-switch action releases.
 */
#ifndef WF_WORKER_H
#define WF_WORKER_H

#include <pthread.h>
#include <weft/task.h>

#include "runtime/fiber/fiber.h"
#include "runtime/fiber/overflow.h"
#include "runtime/sched/deque.h"
#include "runtime/sched/global.h"
#include "runtime/sched/idle.h"
#include "runtime/sched/inbox.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/task_slab.h"
#include "runtime/trace/trace.h"

#define WF_FAIR_EVERY 64u    /* resumes between looks at the ring and the global queue */
#define WF_NEXT_STREAK 64u   /* run-next hand-overs in a row while others wait */
#define WF_BUDGET 256        /* operations that complete at once between yields */
#define WF_STEAL_MAX (WF_DEQUE_CAP / 2)
#define WF_PLACE_ROOM (24u * 1024) /* stack that an in-place run must find */

struct wf_worker {
    struct wf_deque deque;
    _Alignas(128) WF_ATOMIC(uint64_t) next; /* any: run-next entry; the owner's, stolen last */
    WF_ATOMIC(uint64_t) fresh;              /* any: newest spawned task; the owner's, stolen last */
    WF_ATOMIC(uint32_t) sleeping;           /* any: see idle.h */
    WF_ATOMIC(uint32_t) seen_tick;          /* any: what a searcher saw at its last look: loop.c */
    WF_ATOMIC(uint64_t) seen_next, seen_fresh;
    WF_ATOMIC(int64_t) seen_at;             /* any: when that was first seen */
    struct wf_inbox inbox;                  /* any */
    struct wf_spin wheel_lock;
    _Alignas(128) struct wf_fiber *fiber;   /* owner: fiber on the CPU */
    struct wf_task *task;                   /* owner: innermost task of it, NULL in the loop */
    void (*after)(struct wf_worker *w, void *arg); /* owner: action after the present switch */
    void *after_arg;
    bool spawn_quietly;                     /* owner: awaits follow their spawns at once: ready.c */
    unsigned spawns;                        /* owner: for the samples of that */
    struct wf_task *sample;                 /* owner: a spawned task whose await is timed */
    uint64_t sample_tsc;                    /* owner: when it was spawned */
    struct wf_task *start;                  /* owner: claimed task that a new fiber is to run */
    struct wf_fiber *start_fiber;           /* owner: that fiber */
    int budget;
    WF_ATOMIC(uint32_t) tick;               /* owner writes: switches; any: does it stand still */
    unsigned streak;
    struct wf_trace_ring trace;
    struct wf_task_cache tasks;
    struct wf_runtime *rt;
    struct wf_driver *driver;
    const struct wf_driver_ops *ops;
    struct wf_stack_cache *stacks;          /* const: &stack_cache */
    unsigned index;
    uint32_t rng;
    int64_t now;                            /* clock of this turn */
    int64_t trimmed;                        /* worker 0: when idle stacks were trimmed last */
    int64_t spin_ns, spin_max_ns;           /* present (adaptive) and longest spin */
    unsigned load;                          /* moving average of completions per reap, eighths */
    bool searching;                         /* counted as a searcher */
    struct wf_fiber *pinned_head, *pinned_tail; /* owner: runnable pinned fibers and tasks */
    WF_ATOMIC(uint64_t) spawned, ended;     /* owner writes */
    struct wf_fiber loop_fiber;
    struct wf_wheel wheel;                  /* lock wheel_lock */
    struct wf_stack_cache stack_cache;
    struct wf_overflow_thread overflow;
    pthread_t thread;
    int start_error;
};

struct wf_runtime {
    struct wf_global global;
    _Alignas(128) struct wf_idle idle;
    _Alignas(128) struct wf_task_slab slab;
    struct wf_area area;
    struct weft_options options;
    struct wf_worker **worker;     /* const */
    unsigned workers;              /* const */
    const struct wf_driver_ops *ops;
    uint8_t stack_class;           /* const: of tasks without a stack size of their own */
    WF_ATOMIC(uint32_t) no_spawn;  /* closing, or in the hard phase of a shutdown */
    WF_ATOMIC(uint32_t) closing;   /* main has returned: end everything */
    WF_ATOMIC(uint32_t) stop;      /* workers leave their loops */
    WF_ATOMIC(uint32_t) phase;     /* of the shutdown: 0, 1 soft, 2 hard */
    WF_ATOMIC(uint32_t) asked;     /* weft_shutdown calls so far */
    WF_ATOMIC(uint32_t) posted;    /* shutdown_post is in an inbox */
    struct wf_post shutdown_post;
    struct wf_shutdown_hook hooks; /* lock hooks_lock: list head */
    struct wf_spin hooks_lock;
    struct wf_spin cancel_lock;
    struct wf_stack_pool stacks;
    pthread_barrier_t start;
    bool start_failed;             /* written between the two waits on `start` */
    char reason[256];              /* of the driver */
    weft_fn main_fn;
    void *main_arg;
    intptr_t main_result;
    pid_t pid;
};

extern struct wf_runtime *wf_rt;

/* switch.c: moving between fibers */

/* wf_switch - the switch site: leave `from` for `to`; returns the worker that resumed `from` */
struct wf_worker *wf_switch(struct wf_worker *w, struct wf_fiber *from, struct wf_fiber *to);

/* wf_requeue - the after-switch action of a yield; its argument is the fiber that left */
void wf_requeue(struct wf_worker *w, void *arg);

/* wf_target - the fiber to go to for an entry, skipping stale ones; the loop fiber: none */
struct wf_fiber *wf_target(struct wf_worker *w, uint64_t entry);

/* wf_run_entry - called by the loop: run an entry; returns when the worker has nothing at hand */
void wf_run_entry(struct wf_worker *w, uint64_t entry);

/* wf_task_end - finish the task that has just returned `result`; t may be gone afterwards */
void wf_task_end(struct wf_worker *w, struct wf_task *t, intptr_t result);

/* wf_task_end_in_place - the same for a task that ran in place of its await; frees it */
void wf_task_end_in_place(struct wf_worker *w, struct wf_task *t, intptr_t result);

/* wf_task_call - run a claimed task on the present stack and return its result */
intptr_t wf_task_call(struct wf_worker *w, struct wf_task *t, unsigned how);

void wf_task_free(struct wf_worker *w, struct wf_task *t);

/* spawn.c of runtime/task: the first task of the run, queued on the calling worker */
weft_task *wf_spawn_first(struct wf_worker *w, weft_fn fn, void *arg);

/* ready.c: the slow paths of runq.h */

void wf_ready(struct wf_task *t, bool soon);
void wf_push_slow(struct wf_worker *w, uint64_t entry);

/* wf_take_pinned - owner: the oldest runnable pinned fiber; there is one */
struct wf_fiber *wf_take_pinned(struct wf_worker *w);
uint64_t wf_next_slow(struct wf_worker *w);
void wf_prefetch_entries(struct wf_worker *w, uint64_t one, uint64_t two);
uint64_t wf_take_next(struct wf_worker *w, uint64_t entry);
bool wf_tick(struct wf_worker *w, uint32_t tick);
void wf_wake_some(struct wf_runtime *rt, struct wf_worker *from);
void wf_push_fresh(struct wf_worker *w, struct wf_task *t, uint64_t entry);
void wf_unpush_fresh(struct wf_worker *w, struct wf_task *t, uint64_t entry);
int wf_suspend_check_slow(struct wf_worker **w);

/* loop.c */
void wf_run_inbox(struct wf_worker *w); /* handles the messages that have come */
void wf_worker_loop(struct wf_worker *w);

/* park.c */
intptr_t wf_park_on(struct wf_worker *w, struct wf_park *park); /* wf_park; w: the caller's */
void wf_timers_run(struct wf_worker *w);

/*
 * Hooks of runtime/task, which is above this folder and sets them once.
 *
 * wf_scope_child_ended: finish (wf_ts_finish) a child under its scope's lock, count it, report its
 * failure; @in_place: the awaiter ran it and consumes it. Returns the state word before the finish.
 * wf_gather_child_ended: one task of a gather has ended.
 */
extern uint64_t (*wf_scope_child_ended)(struct wf_task *t, intptr_t result, bool in_place);
extern void (*wf_gather_child_ended)(struct wf_task *t, uint64_t joiner, intptr_t result);

/*
 * The joiner word of a task: a ticket of the awaiter's present park, or a gather's address with
 * WF_JOINER_GATHER; then WF_JOINER_ENDED, stored by the finisher, which touches the task no more.
 * order: joiner - the exchange hands the result and the block to the joiner.
 */
#define WF_JOINER_GATHER (UINT64_C(1) << 63)
#define WF_JOINER_ENDED UINT64_C(1)

/* Codes of the scheduler's own wakers in wf_park, outside of the range of results. */
#define WF_CODE_TIMER INTPTR_MIN
#define WF_CODE_CANCEL (INTPTR_MIN + 1)

/* cancel.c */

/* wf_cancel_task - mark a live task as cancelled; the caller holds something that keeps it alive */
void wf_cancel_task(struct wf_task *t, const char *reason);

/* The same in pieces, for many tasks at once: begin, any number of the middle ones, end. */
struct wf_frame;
void wf_cancel_begin(void);
void wf_cancel_task_locked(struct wf_task *t, const char *reason);
void wf_cancel_frame_locked(struct wf_frame *f, const char *reason); /* an open block of any task */
void wf_cancel_end(void);

/* wf_frame_cancel_own - the same by the task itself */
void wf_frame_cancel_own(struct wf_task *t, struct wf_frame *f, const char *reason);

/* wf_cancel_all - every task of the runtime but those marked SYSTEM */
void wf_cancel_all(struct wf_runtime *rt, const char *reason);

/* wf_task_cancelled - is some source of cancellation set? Clears a stale CANCEL hint */
bool wf_task_cancelled(struct wf_task *t);

/* wf_cancel_op_here - ask for the end of the operation of a task parked on it on this worker */
void wf_cancel_op_here(struct wf_worker *w, struct wf_task *t);

/* solo.c: begin and end of a run; wf_solo_leave is in sched.h */
void wf_solo_enter(struct wf_runtime *rt);
void wf_solo_end(struct wf_worker *w);

/* shutdown.c */
void wf_shutdown_init(struct wf_runtime *rt);

/* worker.c: one worker's life. open: on its own thread, before its loop; 0 or -errno */
int wf_worker_open(struct wf_worker *w);
void wf_worker_close(struct wf_worker *w);
void wf_worker_bind(struct wf_worker *w); /* makes it the calling thread's; NULL: none */

static inline void wf_count(uint64_t *counter)
{
    *counter += 1;
}

#endif
