/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime.c - weft_run: starting the workers, the main task, ending everything
 *
 * Start: memory and area, worker 0 on the calling thread (its driver first: the usual reason for a
 * failure), then the other threads; only when all have opened does the main task get queued.
 * End: the main task returns -> `closing` -> every task is cancelled again and again by idle
 * workers until the sums of spawned and ended tasks agree -> `stop` -> threads are joined. Reading
 * all `ended` before all `spawned` makes equal sums mean that no task lived at the first reading.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/assert.h"
#include "runtime/base/log.h"
#include "runtime/fiber/overflow.h"
#include "runtime/sched/cpus.h"
#include "runtime/sched/worker.h"
#include "runtime/time/clock.h"

struct wf_runtime *wf_rt;
static WF_ATOMIC(uint32_t) running;
static char last_reason[256] = "no runtime has been started";

const char *weft_driver_reason(void)
{
    return last_reason;
}

unsigned wf_runtime_workers(void)
{
    return wf_rt != NULL ? wf_rt->workers : 0;
}

struct wf_worker *wf_runtime_worker(unsigned index)
{
    return wf_rt->worker[index];
}

const struct weft_options *wf_runtime_options(void)
{
    return &wf_rt->options;
}

const struct wf_area *wf_runtime_area(void)
{
    return wf_rt != NULL ? &wf_rt->area : NULL;
}

static int read_options(struct weft_options *o, const struct weft_options *given)
{
    memset(o, 0, sizeof *o);
    if (given != NULL) {
        if (given->size < sizeof(size_t) || given->size > sizeof *o)
            return -EINVAL;
        memcpy(o, given, given->size);
    }
    o->size = sizeof *o;
    unsigned usable = wf_usable_cpus();
    if (o->workers == 0)
        o->workers = usable;
    if (o->workers > WF_AREA_WORKERS_MAX)
        return -EINVAL;
    if (o->stack_size != 0 && wf_stack_class_for(o->stack_size) < 0)
        return -EINVAL;
    if (o->ring_entries == 0)
        o->ring_entries = 1024;
    if (o->ring_entries > 32768)
        return -EINVAL;
    if (o->buffer_size == 0)
        o->buffer_size = 16 * 1024;
    if (o->buffers == 0)
        o->buffers = 1024;
    if (o->trace_ring_size == 0)
        o->trace_ring_size = 1024 * 1024;
    if ((o->trace_ring_size & (o->trace_ring_size - 1)) != 0 || o->trace_ring_size < 4096 ||
        o->trace_ring_size > ((size_t)1 << 32))
        return -EINVAL;
    if (o->trace_level == 0) {
        const char *env = getenv("WEFT_TRACE");
        o->trace_level = env != NULL && *env != '\0' ? atoi(env) : 1;
        if (o->trace_level == 0)
            o->trace_level = -1;
    }
    if (o->trace_level < -1 || o->trace_level > 3)
        return -EINVAL;
    if (o->spin_us == 0)
        o->spin_us = usable > 1 ? 50 : -1;
    if (o->spin_us > 1000000)
        return -EINVAL;
    if (o->shutdown_grace == 0)
        o->shutdown_grace = WEFT_SEC(10);
    return 0;
}

/* WEFT_CHECK=1: idle stacks are inaccessible, so that late writes, also the kernel's, are found. */
static bool check_mode(void)
{
    const char *env = getenv("WEFT_CHECK");
    return env != NULL && *env != '\0' && *env != '0';
}

/* For the stack overflow message; runs in a signal handler. */
static int describe_task(const struct wf_fiber *fiber, char *buf, size_t size)
{
    const struct wf_task *t = fiber->task;
    if (t == NULL)
        return 0;
    return snprintf(buf, size, "task %s (spawned at %p)",
                    t->desc.name != NULL ? t->desc.name : "without a name", t->desc.spawn_pc);
}

/* The first task: its end begins the end of the run. */
static intptr_t first_task(void *arg)
{
    struct wf_runtime *rt = arg;
    struct wf_task *self = wf_self();
    /* From here on a shutdown may cancel it; before, its end would have been lost. */
    wf_and_sc(&self->flags, (uint16_t)~WF_TASK_SYSTEM);
    if (wf_load_sc(&rt->phase) == 2)
        wf_cancel_task(self, "shutdown");
    rt->main_result = rt->main_fn(rt->main_arg);
    wf_store_sc(&rt->no_spawn, 1);
    wf_store_sc(&rt->closing, 1);
    wf_cancel_all(rt, "run ended");
    return 0;
}

static void *worker_thread(void *arg)
{
    struct wf_worker *w = arg;
    struct wf_runtime *rt = w->rt;
    if (rt->options.pin_workers)
        wf_pin_to_cpu(w->index);
    w->start_error = wf_worker_open(w);
    pthread_barrier_wait(&rt->start);
    pthread_barrier_wait(&rt->start); /* worker 0 has seen all errors */
    if (w->start_error == 0 && !rt->start_failed)
        wf_worker_loop(w);
    pthread_barrier_wait(&rt->start); /* nobody wakes anybody any more */
    if (w->start_error == 0)
        wf_worker_close(w);
    return NULL;
}

static int start_threads(struct wf_runtime *rt)
{
    unsigned started = 1;
    int rc = 0;
    for (; started < rt->workers; started++) {
        rc = -pthread_create(&rt->worker[started]->thread, NULL, worker_thread,
                             rt->worker[started]);
        if (rc < 0)
            break;
    }
    return rc < 0 ? rc : 0;
}

static void join_threads(struct wf_runtime *rt)
{
    for (unsigned i = 1; i < rt->workers; i++)
        pthread_join(rt->worker[i]->thread, NULL);
}

static int alloc_workers(struct wf_runtime *rt)
{
    rt->worker = calloc(rt->workers, sizeof *rt->worker);
    if (rt->worker == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < rt->workers; i++) {
        struct wf_worker *w = aligned_alloc(128, (sizeof *w + 127) / 128 * 128);
        if (w == NULL)
            return -ENOMEM;
        memset(w, 0, sizeof *w);
        w->rt = rt;
        w->index = i;
        rt->worker[i] = w;
    }
    return 0;
}

static void free_runtime(struct wf_runtime *rt)
{
    for (unsigned i = 0; rt->worker != NULL && i < rt->workers; i++)
        free(rt->worker[i]);
    free(rt->worker);
    wf_global_fini(&rt->global);
    free(rt);
}

/* Runs what is started until the end. */
static int run_workers(struct wf_runtime *rt)
{
    struct wf_worker *w = rt->worker[0];
    pthread_barrier_init(&rt->start, NULL, rt->workers);
    if (rt->options.pin_workers)
        wf_pin_to_cpu(0);
    int rc = wf_worker_open(w);
    if (rc < 0)
        return rc;
    rc = start_threads(rt);
    WF_CHECK(rc == 0 || rt->workers > 1);
    if (rc < 0) { /* a process that cannot start its threads: nothing sane to unwind to */
        wf_log(WF_LOG_ERROR, "cannot start worker threads: %s", weft_strerror(rc));
        abort();
    }
    pthread_barrier_wait(&rt->start);
    for (unsigned i = 1; i < rt->workers; i++)
        if (rt->worker[i]->start_error < 0)
            rc = rt->worker[i]->start_error;
    memcpy(last_reason, rt->reason, sizeof last_reason); /* tasks may ask for it */
    rt->start_failed = rc < 0;
    wf_solo_enter(rt);
    pthread_barrier_wait(&rt->start);
    if (rc == 0 && !rt->options.quiet)
        wf_log(WF_LOG_INFO, "%s, %u worker%s, %s", weft_version(), rt->workers,
               rt->workers == 1 ? "" : "s", rt->reason);
    if (rc == 0) {
        weft_task *t = wf_spawn_first(w, first_task, rt);
        if (t == NULL) {
            rc = -ENOMEM;
            wf_store_sc(&rt->stop, 1);
        }
        wf_worker_loop(w);
    }
    pthread_barrier_wait(&rt->start);
    wf_solo_end(w);
    join_threads(rt);
    wf_worker_close(w);
    pthread_barrier_destroy(&rt->start);
    return rc;
}

/* Blocks whose handles nobody consumed. */
static void report_leaks(struct wf_runtime *rt)
{
    uint64_t used = wf_load_acq(&rt->slab.used), leaked = 0;
    for (uint64_t i = 1; i < used; i++) {
        struct wf_task *t = wf_task_at(i);
        if ((wf_load_acq(&t->state) & WF_TS_PHASE) != WF_TS_DONE)
            continue;
        leaked++;
        if (wf_load_rlx(&t->flags) & WF_TASK_ARG_COPY)
            free(t->desc.arg);
        if (WEFT_FAILED(t->result) && t->result != -ECANCELED && !rt->options.quiet)
            wf_log(WF_LOG_WARN, "task %s (spawned at %p) failed: %s; nobody awaited it",
                   t->desc.name != NULL ? t->desc.name : "without a name", t->desc.spawn_pc,
                   weft_strerror((int)t->result));
    }
    if (leaked > 0)
        wf_log(WF_LOG_INFO, "%llu task handles were neither awaited nor detached",
               (unsigned long long)leaked);
}

static int run(struct wf_runtime *rt, weft_fn fn, void *arg)
{
    rt->workers = rt->options.workers;
    if (rt->options.stack_size != 0)
        rt->stack_class = (uint8_t)wf_stack_class_for(rt->options.stack_size);
    rt->ops = wf_driver_choose(rt->options.driver);
    if (rt->ops == NULL)
        return -EINVAL;
    int rc = alloc_workers(rt);
    if (rc < 0)
        return rc;
    rc = wf_slab_open(&rt->slab);
    if (rc < 0)
        return rc;
    rc = wf_area_open(&rt->area, rt->workers, rt->options.trace_ring_size, rt->options.trace_level);
    if (rc == 0) {
        int region = wf_area_add_region(&rt->area, rt->slab.base, rt->slab.size);
        rt->slab.published = &rt->area.header->region[region].used;
        struct wf_area_header *header = rt->area.header;
        header->slot_size = WF_TASK_SIZE;
        header->fiber_sp_offset = offsetof(struct wf_fiber, sp);
        header->fiber_stack_lo_offset = offsetof(struct wf_fiber, stack_lo);
        header->fiber_stack_hi_offset = offsetof(struct wf_fiber, stack_hi);
        struct wf_stack_pool_config config = {.poison_idle = check_mode()};
        wf_stack_pool_init(&rt->stacks, &config);
        wf_overflow_install(&rt->stacks, describe_task);
        rt->idle.workers = rt->workers;
        rt->main_fn = fn;
        rt->main_arg = arg;
        rt->pid = getpid();
        wf_shutdown_init(rt);
        wf_rt = rt;
        rc = run_workers(rt);
        memcpy(last_reason, rt->reason, sizeof last_reason);
        if (rc == 0)
            report_leaks(rt);
        wf_rt = NULL;
        wf_overflow_uninstall();
        wf_stack_pool_fini(&rt->stacks);
        wf_area_close(&rt->area);
    }
    wf_slab_close(&rt->slab);
    return rc;
}

intptr_t weft_run(weft_fn fn, void *arg, const struct weft_options *options)
{
    struct weft_options o;
    if (fn == NULL)
        return -EINVAL;
    int rc = read_options(&o, options);
    if (rc < 0)
        return rc;
    if (wf_worker() != NULL || wf_xchg_acqrel(&running, 1) != 0)
        return -EBUSY;
    rc = -ENOMEM;
    intptr_t result = 0;
    struct wf_runtime *rt = aligned_alloc(128, (sizeof *rt + 127) / 128 * 128);
    if (rt != NULL) {
        memset(rt, 0, sizeof *rt);
        rt->options = o;
        wf_global_init(&rt->global);
        rc = run(rt, fn, arg);
        if (rc < 0 && !o.quiet)
            wf_log(WF_LOG_ERROR, "cannot start: %s",
                   rt->reason[0] != '\0' ? rt->reason : weft_strerror(rc));
        result = rt->main_result;
        free_runtime(rt);
    }
    wf_store_rel(&running, 0);
    return rc < 0 ? rc : result;
}
