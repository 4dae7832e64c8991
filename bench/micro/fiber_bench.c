/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fiber_bench.c - the fiber layer alone, below any scheduler
 *
 * switch_N: ns a symmetric switch in a ring of N fibers, each parked three calls deep, through one
 * switch site. new_free: a fiber on a recycled stack. fresh_*: the first use of a stack: its share
 * of installing guards, then the first touch of its top page by making the fiber. release: many
 * stacks given back at once; again: made anew on those; unmap: a stack's share of ending the pool.
 */
#include <stdlib.h>

#include "bench/support/bench.h"
#include "runtime/fiber/fiber.h"

#define RING_MAX 1000

static struct wf_stack_pool pool;
static struct wf_stack_cache cache;
static struct wf_fiber thread, *ring[RING_MAX];
static unsigned ring_size, current;
static uint64_t switches_left;

static __attribute__((noinline)) void switch_site(void)
{
    unsigned from = current;

    current = from + 1 == ring_size ? 0 : from + 1;
    if (--switches_left > 0)
        wf_fiber_switch(ring[from], ring[current], NULL);
    else
        wf_fiber_switch(ring[from], &thread, NULL);
}

static __attribute__((noinline)) void call_deeper(void)
{
    switch_site();
    __asm__ volatile("" ::: "memory");
}

static __attribute__((noinline)) void call_deep(void)
{
    call_deeper();
    __asm__ volatile("" ::: "memory");
}

static void ring_member(void *pass)
{
    (void)pass;
    for (;;)
        call_deep();
}

static void measure_ring(struct bench_values *out, unsigned size, uint64_t switches,
                         const char *metric)
{
    ring_size = size;
    for (unsigned i = 0; i < size; i++) {
        ring[i] = wf_fiber_new(&cache, WF_STACK_DEFAULT, ring_member);
        if (ring[i] == NULL)
            bench_fail("wf_fiber_new", 0);
    }
    for (unsigned round = 0; round < 2; round++) { /* the first one warms up */
        current = 0;
        switches_left = switches;
        uint64_t start = bench_now_ns();
        wf_fiber_switch(&thread, ring[0], NULL);
        if (round == 1)
            bench_put(out, metric, "ns/switch",
                      (double)(bench_now_ns() - start) / (double)switches);
    }
    for (unsigned i = 0; i < size; i++)
        wf_fiber_free(&cache, ring[i]);
}

static void measure_recycling(struct bench_values *out, uint64_t count)
{
    uint64_t start = bench_now_ns();

    for (uint64_t i = 0; i < count; i++)
        wf_fiber_free(&cache, wf_fiber_new(&cache, WF_STACK_DEFAULT, ring_member));
    bench_put(out, "new_free", "ns", (double)(bench_now_ns() - start) / (double)count);
}

static void measure_stacks(struct bench_values *out, uint32_t count)
{
    struct wf_fiber **fibers = calloc(count, sizeof *fibers);
    uint32_t *index = calloc(count, sizeof *index);
    uint64_t t[6];

    if (fibers == NULL || index == NULL)
        bench_fail("calloc", 0);
    for (uint32_t i = 0; i < count; i++) {
        fibers[i] = (void *)1; /* the arrays' own pages are not to be counted */
        index[i] = 1;
    }
    t[0] = bench_now_ns();
    for (uint32_t i = 0; i < count; i++) {
        if (wf_stack_take(&cache, WF_STACK_DEFAULT, &index[i]) < 0)
            bench_fail("wf_stack_take", 0);
    }
    t[1] = bench_now_ns();
    for (uint32_t i = 0; i < count; i++)
        wf_stack_give(&cache, WF_STACK_DEFAULT, index[i]);
    t[2] = bench_now_ns();
    for (uint32_t i = 0; i < count; i++)
        fibers[i] = wf_fiber_new(&cache, WF_STACK_DEFAULT, ring_member);
    t[3] = bench_now_ns();
    for (uint32_t i = 0; i < count; i++)
        wf_fiber_free(&cache, fibers[i]);
    t[4] = bench_now_ns();
    for (uint32_t i = 0; i < count; i++)
        fibers[i] = wf_fiber_new(&cache, WF_STACK_DEFAULT, ring_member);
    t[5] = bench_now_ns();
    bench_put(out, "fresh_guard", "ns", (double)(t[1] - t[0]) / count);
    bench_put(out, "fresh_touch", "ns", (double)(t[3] - t[2]) / count);
    bench_put(out, "release", "ns", (double)(t[4] - t[3]) / count);
    bench_put(out, "again", "ns", (double)(t[5] - t[4]) / count);
    free(index);
    free(fibers);
    uint64_t start = bench_now_ns();
    wf_stack_pool_fini(&pool);
    bench_put(out, "unmap", "ns", (double)(bench_now_ns() - start) / count);
}

static int run(const struct bench_options *o, struct bench_values *out)
{
    uint64_t switches = bench_size(o, 5000000, 50000);

    wf_fiber_init_thread(&thread);
    wf_stack_pool_init(&pool, NULL);
    wf_stack_cache_init(&cache, &pool);
    measure_ring(out, 2, switches, "switch_2");
    measure_ring(out, 32, switches, "switch_32");
    measure_ring(out, 1000, switches, "switch_1000");
    measure_recycling(out, switches);
    wf_stack_cache_fini(&cache);
    wf_stack_pool_fini(&pool);

    wf_stack_pool_init(&pool, NULL);
    wf_stack_cache_init(&cache, &pool);
    measure_stacks(out, (uint32_t)(o->small ? 2000 : 200000));
    bench_hash(out, switches);
    return 0;
}

int main(int argc, char **argv)
{
    struct bench_options o = {.name = "fiber"};

    bench_parse(&o, argc, argv);
    return bench_run(&o, run);
}
