/* SPDX-License-Identifier: Apache-2.0 */
/* core_run.h - cases inside a run with 1, 2 and 4 workers, and helpers to meet tasks in a state */
#ifndef WF_TEST_CORE_RUN_H
#define WF_TEST_CORE_RUN_H

#include <pthread.h>
#include <weft/weft.h>

#include "runtime/sched/worker.h"
#include "tests/support/test.h"

/*
 * CORE_TEST(name) { ...; return 0; } - the body is the main task of a run: with one, with two and
 * with four workers. After each run no thread and no descriptor may be left.
 */
#define CORE_TEST(name)                     \
    static intptr_t name##_body(void *arg); \
    TEST(name)                              \
    {                                       \
        core_run(1, name##_body);           \
        core_run(2, name##_body);           \
        core_run(4, name##_body);           \
    }                                       \
    static intptr_t name##_body(__attribute__((unused)) void *arg)

/* For loops: an assertion of the framework writes to a file each time, this one on failure. */
#define CORE_CHECK(condition)                             \
    do {                                                  \
        if (!(condition))                                 \
            ck_abort_msg("%s does not hold", #condition); \
    } while (0)

/* Runs body to the result 0 with so many workers. */
void core_run(unsigned workers, weft_fn body);

/* The same with options; returns the result. */
intptr_t core_run_with(const struct weft_options *options, weft_fn body, void *arg);

/* Threads of this process. */
unsigned core_threads(void);

/* How many fibers a case may hold at once: `full`, or less where each costs a lot. */
size_t core_fibers(size_t full);

typedef WF_ATOMIC(uint32_t) core_flag;

/* Yields until the flag is at least `value`. From a task. */
void core_await_flag(core_flag *flag, uint32_t value);

/* Yields until the task has suspended in something that a waker or a cancel must end. */
void core_await_parked(weft_task *task);

/* Yields until the task has ended. The handle must not have been consumed. */
void core_await_done(weft_task *task);

/* Calls fn(arg) on a plain thread and yields until it is back. */
intptr_t core_on_thread(weft_fn fn, void *arg);

/* Uses the CPU for so long without suspending. */
void core_burn(weft_ns duration);

/* ---- bodies ---- */

intptr_t core_return(void *arg);        /* ends at once with the value of arg */
intptr_t core_sleep_forever(void *arg); /* the result of a sleep that only a cancel ends */

/* Waits on a channel that nobody serves; then ends with `then`, or with what the wait gave if 0. */
struct core_stuck {
    weft_chan *chan;
    intptr_t then;
    core_flag started;
    weft_task *self; /* valid once started is set */
};
void core_stuck_init(struct core_stuck *stuck, intptr_t then);
void core_stuck_fini(struct core_stuck *stuck);
intptr_t core_stuck_body(void *arg);

#endif
