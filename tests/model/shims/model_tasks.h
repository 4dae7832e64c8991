/* SPDX-License-Identifier: Apache-2.0 */
/* model_tasks.h - each model thread is a worker that runs one task, so suspending calls work
 *
 * Thread i is worker i, and its task is task i + 1. A task that parks blocks its model thread until
 * some thread took its entry from a run queue; a woken task goes on in its own thread at once, as
 * if an idle worker had stolen it. Threads run what stands in their queues whenever they park, and
 * when they call model_tasks_run.
 */
#ifndef WF_MODEL_TASKS_H
#define WF_MODEL_TASKS_H

#include "tests/model/shims/model_runtime.h"

/* model_runtime_setup, and a live task for each thread that is running on it. */
void model_tasks_setup(unsigned threads);

struct wf_task *model_task_of_thread(int thread);

/* Makes every task go on whose entry stands in a queue of the calling thread's worker. Must follow
 * each call of the code under test that may have woken somebody. */
void model_tasks_run(void);

/* After the threads: nobody is parked, no entry was lost. */
void model_tasks_check(void);

/* What the clock says; the wheels of all workers start at 0. */
extern int64_t model_now;

#endif /* WF_MODEL_TASKS_H */
