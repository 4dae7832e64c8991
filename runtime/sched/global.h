/* SPDX-License-Identifier: Apache-2.0 */
/*
 * global.h - the run queue that all workers share: overflow, wakes from other threads
 *
 * A list of chunks of entries under a spin lock; `count` may be read without it to skip an empty
 * queue. First in, first out. A worker takes up to half a chunk at a time, so the lock is taken
 * once per many entries; an overflowing deque hands half of itself over at once, without stale
 * entries.
 *
 * order: idle-dekker - `count` is stored and loaded seq_cst: see idle.h.
 */
#ifndef WF_GLOBAL_H
#define WF_GLOBAL_H

#include "runtime/base/spin.h"

#define WF_CHUNK_CAP 125u

struct wf_chunk {
    struct wf_chunk *next;
    uint32_t first, end; /* entries [first, end) are valid */
    uint64_t entry[WF_CHUNK_CAP];
};

struct wf_global {
    struct wf_spin lock;
    WF_ATOMIC(uint64_t) count;           /* lock for writing: entries */
    struct wf_chunk *head, *tail, *spare; /* lock */
    unsigned spares;                     /* lock */
};

void wf_global_init(struct wf_global *g);
void wf_global_fini(struct wf_global *g);

/* wf_global_push - append n entries. Memory for chunks running out ends the process */
void wf_global_push(struct wf_global *g, const uint64_t *entries, unsigned n);

/* wf_global_take - move up to max of the oldest entries to out; returns how many */
unsigned wf_global_take(struct wf_global *g, uint64_t *out, unsigned max);

static inline bool wf_global_empty(struct wf_global *g)
{
    return wf_load_sc(&g->count) == 0; /* order: idle-dekker */
}

#endif
