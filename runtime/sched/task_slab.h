/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task_slab.h - memory of task blocks: one reservation, a free list per worker, a shared depot
 *
 * A worker takes from and gives to its own list (last in, first out: warm); an empty list is filled
 * by a chain from the depot, else by fresh blocks; a long one gives half to the depot. The depot is
 * a stack of chains under a spin lock. Blocks are huge-page backed: touching 4 KiB pages one by one
 * costs 2.2 us per 16 tasks here, huge pages a fifth of it.
 */
#ifndef WF_TASK_SLAB_H
#define WF_TASK_SLAB_H

#include "runtime/base/spin.h"
#include "runtime/sched/task_block.h"

#define WF_SLAB_BATCH 128u

struct wf_task_slab {
    char *base;                    /* const */
    size_t size;                   /* const: bytes reserved */
    size_t dump_end;               /* lock: bytes from base that a core shows; doubles */
    struct wf_spin lock;
    struct wf_task *depot;         /* lock: chains of WF_SLAB_BATCH, linked through prev */
    WF_ATOMIC(uint64_t) used;      /* lock for writing: blocks ever handed out */
    WF_ATOMIC(uint64_t) *published; /* where tools see `used` */
};

struct wf_task_cache {
    struct wf_task *free; /* owner: worker; linked through next */
    unsigned count;
};

/* wf_slab_open - reserve memory and set wf_task_base; 0 or -ENOMEM */
int wf_slab_open(struct wf_task_slab *slab);
void wf_slab_close(struct wf_task_slab *slab);

/* wf_slab_refill - put a batch into an empty cache; false: no memory */
bool wf_slab_refill(struct wf_task_slab *slab, struct wf_task_cache *cache);

/* wf_slab_spill - give a batch of a full cache to the depot */
void wf_slab_spill(struct wf_task_slab *slab, struct wf_task_cache *cache);

static inline struct wf_task *wf_slab_take(struct wf_task_slab *slab, struct wf_task_cache *cache)
{
    if (__builtin_expect(cache->free == NULL, 0) && !wf_slab_refill(slab, cache))
        return NULL;
    struct wf_task *t = cache->free;
    cache->free = t->next;
    cache->count--;
    return t;
}

static inline void wf_slab_give(struct wf_task_slab *slab, struct wf_task_cache *cache,
                                struct wf_task *t)
{
    t->next = cache->free;
    cache->free = t;
    if (__builtin_expect(++cache->count > 4 * WF_SLAB_BATCH, 0))
        wf_slab_spill(slab, cache);
}

#endif
