/* SPDX-License-Identifier: Apache-2.0 */
/* raw_ring.c - fibers that hand the processor around in a ring without any scheduler */
#include "bench/micro/raw_ring.h"

#include <stddef.h>
#include <sys/mman.h>

#include "bench/support/bench.h"
#include "runtime/arch/frame.h"

enum {
    STACK_SIZE = 16384,
    COLOUR_STEP = 64, /* stacks must not start on the same cache set */
    COLOURS = 16,
};

struct raw_fiber {
    void *sp;
    struct raw_fiber *next;
};

static struct raw_fiber ring[RAW_RING_MAX];
static struct raw_fiber outside; /* the thread that started the ring */
static struct raw_fiber *running;
static uint64_t left;

/* The chain of calls under which a fiber parks; the barrier keeps them from becoming jumps. */
#define LINK(name, callee)                                             \
    __attribute__((noinline)) static void name(struct raw_fiber *next) \
    {                                                                  \
        callee(next);                                                  \
        __asm__ volatile("" ::: "memory");                             \
    }

__attribute__((noinline)) static void switch_to(struct raw_fiber *next)
{
    struct raw_fiber *self = running;

    running = next;
    wf_arch_switch(&self->sp, next->sp, NULL);
}

LINK(park, switch_to)
LINK(yield, park)
LINK(step, yield)

static void body(void *pass)
{
    (void)pass;
    for (;;) {
        struct raw_fiber *next = running->next;

        step(left-- > 0 ? next : &outside);
    }
}

double raw_ring_ns(unsigned fibers, uint64_t switches)
{
    size_t size = (size_t)fibers * STACK_SIZE;
    uint64_t start;
    double elapsed;
    char *stacks;

    if (fibers < 2 || fibers > RAW_RING_MAX)
        return -1;
    stacks = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stacks == MAP_FAILED)
        return -1;
    for (unsigned i = 0; i < fibers; i++) {
        char *top = stacks + (size_t)(i + 1) * STACK_SIZE - (size_t)(i % COLOURS) * COLOUR_STEP;

        ring[i].sp = wf_arch_frame_init(top, body);
        ring[i].next = &ring[(i + 1) % fibers];
    }
    left = switches;
    running = &outside;
    start = bench_thread_ns();
    step(&ring[0]);
    elapsed = (double)(bench_thread_ns() - start);
    munmap(stacks, size);
    return elapsed / (double)switches;
}
