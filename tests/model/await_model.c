/* SPDX-License-Identifier: Apache-2.0 */
/* await_model.c - awaiting a task: it runs once, its result arrives, its block is freed once
 *
 * Real are task/await, the calling and ending of tasks in sched/switch, sched/park, sched/cancel.
 * Thread 0 awaits the child; thread 1 is a worker that has the child's queue entry, or is just
 * running it; thread 2 cancels the awaiter.
 */
#include <string.h>

#include "runtime/sched/frame_stack.h"
#include "runtime/task/task.h"
#include "tests/model/shims/model_tasks.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CHILD  6
#define RESULT 77

static struct wm_data input, output;
static WF_ATOMIC(uint32_t) runs; /* of the child's body */
static uint64_t entry_epoch;

/* ---- what the real code calls of a file that is not compiled in ---- */

void wf_scope_remove(struct wf_scope *scope, struct wf_task *t)
{
    (void)scope;
    (void)t;
    wm_assert(!"a child of no scope");
}

/* ---- the child ---- */

static struct wf_task *child(void)
{
    return model_task(CHILD);
}

static intptr_t body(void *arg)
{
    (void)arg;
    wm_assert(wf_add_rlx(&runs, 1) == 0);
    wm_assert(wm_data_read(&input) == 5);
    wm_data_write(&output, 6);
    return RESULT;
}

static void setup(unsigned threads)
{
    struct wf_task *c;

    model_tasks_setup(threads);
    c = child();
    runs = 0;
    wm_data_write(&input, 5);
    wm_data_write(&output, 0);
    c->inherited = WEFT_NEVER;
    c->desc.fn = body;
    c->desc.fiber = NULL;
    entry_epoch = wf_ts_spawn(&c->state, WF_TS_HANDLE);
}

static void setup_queued(void)
{
    setup(2);
}

static void setup_queued_cancel(void)
{
    setup(3);
}

static void setup_running(void)
{
    setup(2);
    wm_assert(wf_ts_claim(&child()->state, entry_epoch));
    child()->desc.fiber = model_workers[1].fiber;
}

static void setup_running_cancel(void)
{
    setup(3);
    wm_assert(wf_ts_claim(&child()->state, entry_epoch));
    child()->desc.fiber = model_workers[1].fiber;
}

static void await_child(void)
{
    intptr_t result = weft_await((weft_task *)child());

    /* A child that was cancelled before it began does not run. */
    wm_assert(result == (wf_load_rlx(&runs) == 1 ? RESULT : -ECANCELED));
    wm_assert(wm_data_read(&output) == (result == RESULT ? 6 : 0));
    model_tasks_run();
}

/* As the trampoline does. */
static void end_child(struct wf_worker *w, intptr_t result)
{
    wf_task_end(w, child(), result);
    w->task = w->fiber->task = model_task_of_thread(wm_self());
    model_tasks_run();
}

static void run_entry(void)
{
    struct wf_worker *w = wf_worker();

    if (wf_ts_claim(&child()->state, entry_epoch))
        end_child(w, wf_task_call(w, child(), 0));
}

static void freed_once(void)
{
    unsigned freed = 0;

    for (unsigned i = 0; i < model_rt.workers; i++)
        freed += model_workers[i].tasks.count;
    wm_assert(freed == 1);
    wm_assert((child()->state & WF_TS_PHASE) == WF_TS_FREE);
    wm_assert(runs == 1 || model_rt.workers == 3);
    model_tasks_check();
}

static void cancel_awaiter(void)
{
    wf_cancel_task(model_task_of_thread(0), "test");
    model_tasks_run();
}

/* ---- cases ---- */

static void await_of_a_queued_task(int t)
{
    if (t == 0)
        await_child();
    else if (t == 1)
        run_entry();
    else
        cancel_awaiter();
}

static void await_of_a_running_task(int t)
{
    struct wf_worker *w = wf_worker();

    if (t == 0)
        await_child();
    else if (t == 1)
        end_child(w, wf_task_call(w, child(), 0));
    else
        cancel_awaiter();
}

static void detach_of_a_running_task(int t)
{
    struct wf_worker *w = wf_worker();

    if (t == 0) {
        wm_assert(weft_detach((weft_task *)child()) == 0);
        model_tasks_run();
    } else {
        end_child(w, wf_task_call(w, child(), 0));
    }
}

/* The child's block is used for a new task at once: a cancel that still follows the awaiter's
 * `inner` must not reach that one. */
static void cancel_follows_inner(int t)
{
    if (t == 0) {
        await_child();
        wf_store_rlx(&child()->cancel, 0);
        (void)wf_ts_spawn(&child()->state, 0);
    } else {
        cancel_awaiter();
    }
}

static void new_task_is_not_cancelled(void)
{
    wm_assert(child()->cancel == 0);
    wm_assert((child()->state & WF_TS_CANCEL) == 0);
    wm_assert((child()->state & WF_TS_PHASE) == WF_TS_QUEUED);
    model_tasks_check();
}

#define CASE(n, t, s, f, c)                                       \
    {                                                             \
        .name = n, .threads = t, .setup = s, .run = f, .check = c \
    }

static const struct wm_case cases[] = {
    CASE("await_of_a_queued_task", 2, setup_queued, await_of_a_queued_task, freed_once),
    CASE("await_of_a_running_task", 2, setup_running, await_of_a_running_task, freed_once),
    CASE("detach_of_a_running_task", 2, setup_running, detach_of_a_running_task, freed_once),
    CASE("cancel_follows_inner", 2, setup_queued, cancel_follows_inner, new_task_is_not_cancelled),
    CASE("cancelled_await_of_a_queued_task", 3, setup_queued_cancel, await_of_a_queued_task,
         freed_once),
    CASE("cancelled_await_of_a_running_task", 3, setup_running_cancel, await_of_a_running_task,
         freed_once),
};

int main(int argc, char **argv)
{
    return wm_main(argc, argv, cases, LEN(cases));
}
