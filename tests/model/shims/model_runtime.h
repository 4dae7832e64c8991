/* SPDX-License-Identifier: Apache-2.0 */
/* model_runtime.h - a small runtime for model tests: workers without threads, drivers that sleep on
 * a semaphore, tasks that are addresses of fibers
 *
 * Each model thread is one worker. Real code is compiled above it: which files, CMakeLists.txt
 * says; what they call and is not compiled in is in model_runtime.c or in the test.
 */
#ifndef WF_MODEL_RUNTIME_H
#define WF_MODEL_RUNTIME_H

#include "runtime/sched/worker.h"
#include "tests/model/engine.h"

#define MODEL_TASKS 8

extern struct wf_runtime model_rt;
extern struct wf_worker model_workers[WM_THREADS];
extern struct wm_sem model_driver_sem[WM_THREADS]; /* posted by wake(), waited for by sleep() */

/* Zeroes everything; the first `workers` threads are workers, the others are foreign threads. */
void model_runtime_setup(unsigned workers);

/* After the threads have ended. */
void model_runtime_check(void);

/* Tasks stand at fixed indexes 1 .. MODEL_TASKS of the block reservation; each has a fiber of its
 * own, so that a run queue entry says which task it is. */
struct wf_task *model_task(unsigned i);
unsigned model_task_of(uint64_t entry);
uint64_t model_entry(unsigned i);

#endif /* WF_MODEL_RUNTIME_H */
