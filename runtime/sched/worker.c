/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.c - one worker's life, and how a thread finds its worker
 *
 * The current worker is thread-local. A compiler may keep the address of a thread-local over a
 * call, also over one that comes back on another thread, so there is one accessor, which is not
 * inlined and launders the pointer; its result is good until the next suspension.
 */
#include "runtime/sched/worker.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/time/clock.h"

static __thread struct wf_worker *current;

__attribute__((noinline)) struct wf_worker *wf_worker(void)
{
    struct wf_worker **p = &current;
    __asm__ volatile("" : "+r"(p) : : "memory");
    return *p;
}

__attribute__((noinline)) void wf_worker_bind(struct wf_worker *w)
{
    struct wf_worker **p = &current;
    __asm__ volatile("" : "+r"(p) : : "memory");
    *p = w;
}

struct wf_driver *wf_worker_driver(struct wf_worker *w)
{
    return w->driver;
}

unsigned wf_worker_index(const struct wf_worker *w)
{
    return w->index;
}

static void init_trace(struct wf_worker *w)
{
    struct wf_area *area = &w->rt->area;
    struct wf_worker_block *b = &area->worker_blocks[w->index];
    w->trace.base = (char *)area->header + b->ring_offset;
    w->trace.mask = b->ring_size - 1;
    w->trace.head = 0;
    w->trace.block = b;
    w->trace.level = &area->header->level;
    w->trace.tsc = wf_cycles();
    b->tid = (uint32_t)syscall(SYS_gettid);
    b->index = w->index;
}

int wf_worker_open(struct wf_worker *w)
{
    struct wf_runtime *rt = w->rt;
    const struct weft_options *o = &rt->options;
    struct wf_driver_config config = {
        .entries = o->ring_entries, .worker_index = w->index, .workers = rt->workers};
    wf_worker_bind(w);
    init_trace(w);
    wf_deque_init(&w->deque, rt->workers > 1);
    w->now = wf_clock_read();
    wf_wheel_init(&w->wheel, w->now);
    w->rng = (uint32_t)w->now ^ w->index * 2654435761u;
    w->spin_max_ns = o->spin_us < 0 ? 0 : o->spin_us * (int64_t)1000;
    w->spin_ns = w->spin_max_ns;
    w->stacks = &w->stack_cache;
    wf_stack_cache_init(w->stacks, &rt->stacks);
    wf_fiber_init_thread(&w->loop_fiber);
    w->fiber = &w->loop_fiber;
    int rc = wf_overflow_thread_init(&w->overflow);
    if (rc < 0)
        return rc;
    char reason[sizeof rt->reason] = "";
    w->ops = rt->ops;
    rc = rt->ops->open(&w->driver, &config, reason, sizeof reason);
    if (w->index == 0)
        memcpy(rt->reason, reason, sizeof reason);
    if (rc < 0)
        wf_overflow_thread_fini(&w->overflow);
    return rc;
}

void wf_worker_close(struct wf_worker *w)
{
    wf_inbox_take(&w->inbox);
    w->ops->close(w->driver);
    wf_overflow_thread_fini(&w->overflow);
    wf_fiber_fini_thread(&w->loop_fiber);
    wf_stack_cache_fini(w->stacks);
    wf_worker_bind(NULL);
}
