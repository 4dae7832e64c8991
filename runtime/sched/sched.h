/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sched.h - what the layers above call: current task, park, wake, operations, timers
 *
 * A *ticket* names one park of one task: slot index and generation of the task and the epoch of the
 * park. Whoever wants to end a park (a sender on a channel, a timer, a completion, a cancel) calls
 * wf_wake(ticket, code); exactly one of them wins, the others get false and must look for another
 * waiter. A ticket stays harmless for ever: tasks live in memory that is never given back while the
 * runtime runs, and a stale generation or epoch does not match.
 */
#ifndef WF_SCHED_H
#define WF_SCHED_H

#include <stdbool.h>
#include <stdint.h>

#include <weft/base.h>

#include "runtime/sched/driver.h"
#include "runtime/trace/events.h"

struct wf_task;
struct wf_worker;
struct wf_runtime;
struct wf_spin;

/*
 * wf_self - the task that runs on this thread, NULL outside the runtime.
 * wf_worker - the worker of this thread, NULL outside. The result is stale after every suspension:
 * ask again.
 */
struct wf_task *wf_self(void);
struct wf_worker *wf_worker(void);

struct wf_driver *wf_worker_driver(struct wf_worker *w);
unsigned wf_worker_index(const struct wf_worker *w);
unsigned wf_runtime_workers(void);                      /* number of workers, 0: no runtime */
struct wf_worker *wf_runtime_worker(unsigned index);

/*
 * wf_post - run fn(arg) on a worker's thread, inside its loop, not in a task; must not suspend.
 * Never fails: the caller supplies the node, which is free again when fn is called. Any thread.
 */
struct wf_post {
    struct wf_post *next;
    void (*fn)(struct wf_post *post);
};
void wf_post(struct wf_worker *to, struct wf_post *post);

/* How a cancel reaches a parked task. */
enum wf_park_mode {
    WF_PARK_DIRECT, /* the cancel ends the park itself */
    WF_PARK_IO,     /* the cancel asks the driver to end the operation; that ends the park */
    WF_PARK_FIRM,   /* not cancellable: ends only by its waker */
};

/* What a park returned with. Wakers may pass any other value >= 0 or -errno. */
#define WF_WOKEN 0

/*
 * wf_suspend_check - first line of every suspending call
 * Returns 0, -EPERM outside a task, -ECANCELED when the task is cancelled. Charges the budget:
 * every so many calls that complete at once, the task yields here.
 */
int wf_suspend_check(void);

/*
 * struct wf_park - one suspension of the calling task, in its frame
 *
 * Use: fill kind, mode, obj, deadline; wf_park_ticket() gives the ticket to leave with the waker;
 * wf_park() suspends. When the task has left its stack and can be woken, `unlock` is released, then
 * `after` runs (hand-over to another thread); it must not suspend, and from its first effect on the
 * frame of the task may be gone: it gets the ticket by value. If the task is cancelled or its
 * deadline has passed before it could suspend, wf_park still runs `after` and returns.
 */
struct wf_park {
    enum wf_wait_kind kind;
    enum wf_park_mode mode;
    void *obj;                  /* shown in dumps */
    weft_deadline deadline;     /* the call's own or WEFT_NEVER; wf_park adds those of blocks */
    struct wf_spin *unlock;     /* released when the task can be woken, or NULL */
    void (*after)(void *arg, uint64_t ticket); /* or NULL */
    void *arg;
    struct wf_op *op;           /* WF_PARK_IO: what a cancel must end */

    struct wf_post post;        /* the scheduler's */
    struct wf_task *task;
    struct wf_worker *worker;   /* where it was submitted */
    bool completed;             /* WF_PARK_IO, owner: worker; done while a cancel was on its way */
    bool expired;               /* WF_PARK_IO, owner: worker; its deadline has passed */
};

uint64_t wf_park_ticket(void);

/*
 * wf_park - suspend the calling task until wf_wake on its ticket
 * Returns the waker's code; -ECANCELED (cancelled, or an enclosing block deadline passed);
 * -ETIMEDOUT (park->deadline passed). For WF_PARK_IO always the waker's code: the caller looks at
 * op->res, and wf_park_cause() tells whether a cancel or a deadline was behind it.
 */
intptr_t wf_park(struct wf_park *park);

/*
 * wf_park_cause - why the last wf_park of the calling task was cut short
 * Returns 0, -ECANCELED or -ETIMEDOUT.
 */
int wf_park_cause(void);

/*
 * wf_wake - end the park that a ticket names
 * @code: what wf_park returns there
 * Returns true when this call ended it. Any thread. Wakes from tasks of the same worker put the
 * task into the run-next slot when `soon`, else behind the queue.
 */
bool wf_wake(uint64_t ticket, intptr_t code);
bool wf_wake_soon(uint64_t ticket, intptr_t code);

/*
 * The same in two steps: begin ends the park and returns the task (NULL: somebody else has), which
 * the caller then owns and must give to wf_wake_end; in between it may write to the task's frames.
 */
struct wf_task *wf_wake_begin(uint64_t ticket);
void wf_wake_end(struct wf_task *t, intptr_t code, bool soon);

/*
 * wf_op_run - submit an operation on the calling worker's driver and suspend until its completion
 * @op: in the caller's frame; done and ticket are set here
 * @kind: shown in dumps
 * @deadline: WEFT_NEVER or the call's own
 *
 * Returns op->res: the result if the operation did anything; when it was cut short -ETIMEDOUT (own
 * deadline) or -ECANCELED. Returns only after the last completion.
 */
int wf_op_run(struct wf_op *op, enum wf_wait_kind kind, weft_deadline deadline);

/*
 * wf_op_run_pair - submit `first` and, once it moved all its bytes, `second`; suspend until both
 * are done. The result of each is in its res (-ECANCELED for one that did not start).
 */
void wf_op_run_pair(struct wf_op *first, struct wf_op *second, enum wf_wait_kind kind,
                    weft_deadline deadline);

/*
 * wf_op_submit - submit an operation that no task waits for (a multishot accept); op->done is set
 * and is called on this worker. wf_op_cancel - ask for its end: only on the worker that submitted
 * it (in a wf_post function, or a task that has not suspended since), and before its last
 * completion; -EPERM elsewhere. Both from tasks and wf_post functions.
 */
void wf_op_submit(struct wf_op *op);
int wf_op_cancel(struct wf_op *op);

/*
 * Shutdown. wf_shutdown_phase: 0 running, 1 soft, 2 hard. A listener registers to be told, on some
 * worker's loop, when the phase changes (register: -ESHUTDOWN when it is already >= 1).
 */
struct wf_shutdown_hook {
    struct wf_shutdown_hook *next, *prev;
    void (*fn)(struct wf_shutdown_hook *hook, int phase);
};
int wf_shutdown_phase(void);
int wf_shutdown_subscribe(struct wf_shutdown_hook *hook);
void wf_shutdown_unsubscribe(struct wf_shutdown_hook *hook);

/*
 * wf_solo_leave - a plain thread is about to use the runtime (base/solo.h); first call of every
 * function that plain threads may call, when they have no worker. May block until worker 0 has
 * taken note. Not for signal handlers.
 */
void wf_solo_leave(void);

/* wf_runtime_options - the effective options of the run (defaults filled in) */
struct weft_options;
const struct weft_options *wf_runtime_options(void);

/* wf_clock_now - the runtime's monotonic clock, ns; wf_worker_now - cached once per loop turn */
int64_t wf_clock_now(void);

#endif
