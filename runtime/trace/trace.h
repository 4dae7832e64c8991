/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace.h - writing records: the recorder of one worker
 *
 * One writer (the worker), overwrite-oldest, any number of readers in other processes. A record is
 * two plain stores and a release store of the head (order: trace-head), which readers load with
 * acquire; a reader re-reads the head after the copy and drops what may have been overwritten.
 *
 * The time stamp is the worker's cached cycle counter: reading it costs 11 ns here, more than a
 * switch, so it is read once per loop turn, once per switch that follows a wait for the kernel or a
 * timer, and on every 16th other switch (WF_TRACE_CLOCK_EVERY).
 */
#ifndef WF_TRACE_H
#define WF_TRACE_H

#include "runtime/arch/cpu.h"
#include "runtime/trace/area.h"
#include "runtime/trace/events.h"

#define WF_TRACE_CLOCK_EVERY 16

/* The build option WEFT_TRACE=OFF leaves no code behind. */
#if defined(WEFT_TRACE) && !WEFT_TRACE
#define WF_TRACE_ON 0
#else
#define WF_TRACE_ON 1
#endif

struct wf_trace_ring {
    char *base;                    /* const: the event ring */
    uint64_t mask;                 /* const: ring bytes - 1 */
    uint64_t head;                 /* owner: worker; bytes ever written */
    uint64_t tsc;                  /* owner: worker; cached cycle counter */
    struct wf_worker_block *block; /* const */
    WF_ATOMIC(int32_t) * level;    /* any: the area's level */
};

static inline void wf_trace_put(struct wf_trace_ring *r, uint64_t w0, uint64_t w1)
{
    uint64_t *slot = (uint64_t *)(void *)(r->base + (r->head & r->mask));
    slot[0] = w0;
    slot[1] = w1;
    r->head += 16;
    wf_store_rel(&r->block->head, r->head); /* order: trace-head */
}

static inline uint64_t wf_trace_w0(const struct wf_trace_ring *r, enum wf_event type, unsigned aux)
{
    return r->tsc << 16 | (uint64_t)type << 8 | (aux & 0xff);
}

/* wf_trace - record one event of level 1 with the cached time */
static inline void wf_trace(struct wf_trace_ring *r, enum wf_event type, unsigned aux,
                            uint32_t task, uint32_t arg)
{
    if (WF_TRACE_ON && __builtin_expect(wf_load_rlx(r->level) > 0, 1))
        wf_trace_put(r, wf_trace_w0(r, type, aux), (uint64_t)task << 32 | arg);
}

/* wf_trace_spawn - record a new task with its body: the name that its runs have in a timeline, also
 * when it has long ended. Both fit: there are at most 2^24 tasks, and the modules of the process
 * tell the rest of the address. */
static inline void wf_trace_spawn(struct wf_trace_ring *r, uint32_t task, intptr_t (*fn)(void *))
{
    if (WF_TRACE_ON && __builtin_expect(wf_load_rlx(r->level) > 0, 1))
        wf_trace_put(r, wf_trace_w0(r, WF_EV_SPAWN, 0),
                     (uint64_t)task << WF_SPAWN_FN_BITS |
                         ((uint64_t)(uintptr_t)fn & WF_SPAWN_FN_MASK));
}

/* wf_trace_detail - record one event of a higher level */
static inline void wf_trace_detail(struct wf_trace_ring *r, int level, enum wf_event type,
                                   unsigned aux, uint32_t task, uint32_t arg)
{
    if (WF_TRACE_ON && __builtin_expect(wf_load_rlx(r->level) >= level, 0))
        wf_trace_put(r, wf_trace_w0(r, type, aux), (uint64_t)task << 32 | arg);
}

#endif
