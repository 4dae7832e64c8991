/* SPDX-License-Identifier: Apache-2.0 */
/* model_runtime.c - a small runtime for model tests */
#include "tests/model/shims/model_runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/assert.h"

struct wf_runtime model_rt;
struct wf_worker model_workers[WM_THREADS];
struct wm_sem model_driver_sem[WM_THREADS];

struct wf_runtime *wf_rt = &model_rt;
char *wf_task_base;

static struct wf_worker *worker_table[WM_THREADS];
static struct wf_worker_block blocks[WM_THREADS];
static struct wf_fiber fibers[MODEL_TASKS + 1];
static char task_memory[(MODEL_TASKS + 1) * WF_TASK_SIZE] __attribute__((aligned(256)));
static WF_ATOMIC(int32_t) trace_level;
static struct wf_driver drivers[WM_THREADS]; /* never touched: their addresses tell them apart */

/* ---- the driver: nothing is ever submitted, it only sleeps and is woken ---- */

static unsigned driver_index(const struct wf_driver *d)
{
    return (unsigned)(d - drivers);
}

static bool driver_ready(struct wf_driver *d)
{
    (void)d;
    return false;
}

static unsigned driver_nothing(struct wf_driver *d)
{
    (void)d;
    return 0;
}

static unsigned driver_sleep(struct wf_driver *d, int64_t deadline)
{
    (void)deadline;
    wm_wait(&model_driver_sem[driver_index(d)]);
    return 0;
}

static void driver_wake(struct wf_driver *d, struct wf_driver *from)
{
    (void)from;
    wm_post(&model_driver_sem[driver_index(d)]);
}

static const struct wf_driver_ops driver_ops = {
    .name = "model",
    .ready = driver_ready,
    .poll = driver_nothing,
    .queued = driver_nothing,
    .inflight = driver_nothing,
    .sleep = driver_sleep,
    .wake = driver_wake,
};

/* ---- set-up ---- */

void model_runtime_setup(unsigned workers)
{
    wf_global_fini(&model_rt.global); /* of an execution that was cut short */
    memset(&model_rt, 0, sizeof model_rt);
    memset(model_workers, 0, workers * sizeof model_workers[0]);
    memset(task_memory, 0, sizeof task_memory);
    memset(fibers, 0, sizeof fibers);
    memset(blocks, 0, sizeof blocks);
    wf_task_base = task_memory;
    model_rt.workers = workers;
    model_rt.idle.workers = workers;
    model_rt.worker = worker_table;
    model_rt.ops = &driver_ops;
    for (unsigned i = 0; i < workers; i++) {
        struct wf_worker *w = &model_workers[i];

        worker_table[i] = w;
        wf_deque_init(&w->deque, workers > 1);
        w->rt = &model_rt;
        w->ops = &driver_ops;
        w->driver = &drivers[i];
        w->index = i;
        w->rng = i;
        w->trace.block = &blocks[i];
        w->trace.level = &trace_level;
    }
    for (unsigned i = 1; i <= MODEL_TASKS; i++) {
        model_task(i)->desc.fiber = &fibers[i];
        model_task(i)->desc.index = i;
        fibers[i].task = model_task(i);
    }
}

void model_runtime_check(void)
{
    wf_global_fini(&model_rt.global);
}

struct wf_task *model_task(unsigned i)
{
    return wf_task_at(i);
}

uint64_t model_entry(unsigned i)
{
    return (uint64_t)(uintptr_t)&fibers[i];
}

unsigned model_task_of(uint64_t entry)
{
    unsigned i = (unsigned)((struct wf_fiber *)(uintptr_t)entry - fibers);

    wm_assert(i >= 1 && i <= MODEL_TASKS && model_entry(i) == entry);
    return i;
}

/* ---- what the real code calls ---- */

struct wf_worker *wf_worker(void)
{
    int self = wm_self();

    return self >= 0 && (unsigned)self < model_rt.workers ? &model_workers[self] : NULL;
}

void wf_assert_failed(const char *file, int line, const char *function, const char *what)
{
    wm_fail("%s:%d: %s: assertion failed: %s", file, line, function, what);
}

/* Memory of idle stacks is no part of the model. */
void wf_stack_pool_trim(struct wf_stack_pool *pool)
{
    (void)pool;
}
