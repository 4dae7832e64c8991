/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack.h - the pool of fiber stacks: reservations, guards, a cache per worker, a shared depot
 *
 * A stack is a slot of a size class, named by its index. The slots of a class stand side by side in
 * one reservation of address space; memory is taken page by page as a fiber touches it.
 *
 *   low address                                                          high address
 *   | guard 64 KiB, no access | usable: grows down <------------------- | struct wf_fiber, colour |
 *   slot start                lo                                         hi                slot end
 *
 * The path of a stack: reserved -> fresh (bump index, guard installed) -> a worker's cache -> in
 * use -> cache (last in, first out, still warm) -> depot, warm -> depot, cold (memory given back)
 * -> a cache again. Caches belong to one worker and take no lock; caches and depot exchange
 * batches.
 */
#ifndef WF_STACK_H
#define WF_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/assert.h"
#include "runtime/base/atomic.h"
#include "runtime/base/sanitize.h"
#include "runtime/base/lock.h"

/* Size classes: address space of a slot, guard included. Sanitizers widen frames, so the default
 * class is twice as large with them. */
enum wf_stack_class_id {
    WF_STACK_DEFAULT, /* 128 KiB */
    WF_STACK_256K,
    WF_STACK_1M,
    WF_STACK_8M,
    WF_STACK_CLASSES,
};

#define WF_STACK_GUARD     ((size_t)64 << 10)
#define WF_STACK_CACHE_MAX 256 /* stacks of one class in one worker's cache */

enum wf_stack_guard {
    WF_STACK_GUARD_AUTO,     /* the best that works here */
    WF_STACK_GUARD_MADVISE,  /* MADV_GUARD_INSTALL: no limit on the number of stacks */
    WF_STACK_GUARD_MPROTECT, /* two mappings a stack: up to mprotect_max, then canaries */
    WF_STACK_GUARD_CANARY,   /* no guard; the area below each stack is looked at on release */
};

/* All zero is the default. */
struct wf_stack_pool_config {
    uint64_t reserve_size;     /* address space of the default class, bytes; 0: 256 GiB. Halved
                                * until the kernel grants it; larger classes get a quarter */
    uint64_t depot_warm_size;  /* bytes of memory that idle stacks of a class may keep; 0: 64 MiB */
    uint64_t trim_after_ns;    /* a stack idle for so long is cold; 0: one second */
    uint32_t mprotect_max;     /* stacks guarded by mprotect; 0: 20,000 */
    enum wf_stack_guard guard; /* for tests; AUTO in production */
    bool poison_idle;          /* idle stacks are PROT_NONE: finds late writes, also the kernel's */
};

struct wf_stack_class {
    WF_ATOMIC(uintptr_t) base; /* const: once set; 0 until the class is first used */
    WF_ATOMIC(uint32_t) fresh; /* lock pool: written; any: read. Slots below were handed out */
    WF_ATOMIC(uint32_t) canary_from; /* slots from here on have no guard; UINT32_MAX: none */
    uint32_t slots;                  /* const: size of the reservation */
    uint32_t shift;                  /* const: log2 of the slot's size */
    uint32_t open;                   /* lock pool: slots below are readable and writable */
    uint32_t warm_first;             /* lock pool: of the ring warm[]: the one idle for longest */
    uint32_t warm_count;             /* lock pool: the newest are taken first */
    uint32_t warm_low;               /* lock pool: least warm_count since trim_at was moved */
    uint32_t warm_pages;             /* lock pool: resident pages of a warm stack, average * 8 */
    uint32_t cold_count;             /* lock pool: of cold[] */
    uint32_t trim_left;              /* lock pool: how many more to trim in this interval */
    uint64_t trim_at;                /* lock pool: end of the interval, CLOCK_MONOTONIC_COARSE */
    bool trimming;                   /* lock pool: somebody uses trim[] */
    uint32_t *warm, *cold, *trim;    /* room for `slots` each, one mapping */
};

struct wf_stack_pool {
    struct wf_lock lock;                /* lock pool: leaf, taken once per batch */
    WF_ATOMIC(uint32_t) mprotected;     /* any: guards made by mprotect */
    enum wf_stack_guard guard;          /* const */
    bool on_valgrind;                   /* const */
    struct wf_stack_pool_config config; /* const */
    struct wf_stack_class classes[WF_STACK_CLASSES];
};

/* owner: one worker. Stacks at the end of slots[] were released last. */
struct wf_stack_shelf {
    uintptr_t base; /* of the class; 0 until this cache first meets it */
    uint32_t shift;
    uint32_t count;
    uint32_t count_max; /* 0 as long as base is */
    uint32_t batch;     /* next batch of fresh stacks; grows while they keep being asked for */
    uint32_t slots[WF_STACK_CACHE_MAX];
};

struct wf_stack_cache {
    struct wf_stack_pool *pool;
    bool slow; /* pool wants a look at each stack: poisoning or canaries */
    struct wf_stack_shelf shelves[WF_STACK_CLASSES];
};

struct wf_stack_stats {
    size_t stride;             /* address space of a slot */
    uint32_t slots;            /* reserved; 0: class not used yet */
    uint32_t fresh;            /* ever handed out */
    uint32_t warm, cold;       /* in the depot */
    enum wf_stack_guard guard; /* of the newest stack */
    uint64_t warm_bytes;       /* estimate of the memory in `warm` */
};

/*
 * wf_stack_pool_init - decide on guards; reserves nothing yet
 * @config: copied; NULL is all defaults
 */
void wf_stack_pool_init(struct wf_stack_pool *pool, const struct wf_stack_pool_config *config);

/* Unmaps all stacks. No stack may be in use; caches need not be emptied. */
void wf_stack_pool_fini(struct wf_stack_pool *pool);

/* An empty cache of `pool`. Any thread; then owned by one. */
void wf_stack_cache_init(struct wf_stack_cache *cache, struct wf_stack_pool *pool);

/* Hands all cached stacks to the depot. */
void wf_stack_cache_fini(struct wf_stack_cache *cache);

/* The smallest class with `usable` bytes of stack, or -EINVAL if none is large enough. */
int wf_stack_class_for(size_t usable);

/* Usable bytes of a class: a lower bound, colour and fiber block taken off. */
size_t wf_stack_usable(unsigned size_class);

/*
 * wf_stack_pool_trim - give the memory of cold stacks back, all that are due
 *
 * Releases of stacks do this too, a little each time; this call is for the monitor thread, about
 * once a second, so that a process that has gone quiet shrinks. Any thread.
 */
void wf_stack_pool_trim(struct wf_stack_pool *pool);

/* Figures of one class. Any thread. */
void wf_stack_pool_stats(struct wf_stack_pool *pool, unsigned size_class,
                         struct wf_stack_stats *out);

/* The slot that `address` is in. Any thread, signal handlers. False: not in a used slot. */
bool wf_stack_find(const struct wf_stack_pool *pool, uintptr_t address, unsigned *size_class,
                   uint32_t *index);

/*
 * wf_stack_high_water - bytes of [lo, hi) that were ever touched, by pages, counted down from hi
 *
 * One mincore call for 1 MiB: for tools, not for a hot path. Pages that were swapped out count as
 * untouched unless they are still in the swap cache. Return: bytes; 0: the range is not mapped.
 */
size_t wf_stack_high_water(const void *lo, const void *hi);

/* Cold halves of wf_stack_take and wf_stack_give. */
int wf_stack_refill(struct wf_stack_cache *cache, unsigned size_class);
void wf_stack_make_room(struct wf_stack_cache *cache, unsigned size_class);
void wf_stack_poison(struct wf_stack_cache *cache, unsigned size_class, uint32_t index, bool idle);

/* False if a stack without a guard was left through its low end. */
bool wf_stack_canary_intact(const struct wf_stack_pool *pool, unsigned size_class, uint32_t index);

/*
 * wf_stack_take - a stack for one fiber, the warmest there is
 *
 * Return: 0, or -ENOMEM: reservation used up or no memory for page tables. Context: the owner of
 * the cache. About a nanosecond when the cache has one.
 */
static inline int wf_stack_take(struct wf_stack_cache *cache, unsigned size_class, uint32_t *index)
{
    struct wf_stack_shelf *shelf = &cache->shelves[size_class];

    if (WF_UNLIKELY(shelf->count == 0)) {
        int rc = wf_stack_refill(cache, size_class);
        if (rc < 0)
            return rc;
    }
    *index = shelf->slots[--shelf->count];
    if (WF_UNLIKELY(cache->slow))
        wf_stack_poison(cache, size_class, *index, false);
    return 0;
}

/* Give a stack back. The fiber is off it, and nothing points into it any more. */
static inline void wf_stack_give(struct wf_stack_cache *cache, unsigned size_class, uint32_t index)
{
    struct wf_stack_shelf *shelf = &cache->shelves[size_class];

    if (WF_UNLIKELY(shelf->count == shelf->count_max))
        wf_stack_make_room(cache, size_class);
    if (WF_UNLIKELY(cache->slow))
        wf_stack_poison(cache, size_class, index, true);
    shelf->slots[shelf->count++] = index;
}

/* Low end of the usable part of a slot in the cache's classes; the class has been used. */
static inline uintptr_t wf_stack_lo(const struct wf_stack_shelf *shelf, uint32_t index)
{
    return shelf->base + ((uintptr_t)index << shelf->shift) + WF_STACK_GUARD;
}

/* First byte above a slot. */
static inline uintptr_t wf_stack_end(const struct wf_stack_shelf *shelf, uint32_t index)
{
    return shelf->base + ((uintptr_t)(index + 1) << shelf->shift);
}

#endif
