/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task_block.h - the 256 bytes of a task: descriptor for tools, then control block
 *
 * Blocks stand in one reservation that lives as long as the runtime and is never unmapped in parts,
 * so a pointer or an index stays safe to read for ever; whether it still means the same task is
 * said by the epoch in `state` (tickets, queue entries) or by `desc.gen` (one life).
 *
 * Fields, and who may touch them:
 *   state     any: see task_state.h
 *   others    owner: the spawner until the entry is queued, then whoever runs the task, then
 *   whoever
 *             frees it. While the task is parked, `wake_code` belongs to the winner of the park.
 */
#ifndef WF_TASK_BLOCK_H
#define WF_TASK_BLOCK_H

#include <weft/task.h>

#include "runtime/sched/task_state.h"
#include "runtime/time/wheel.h"
#include "runtime/trace/area.h"

struct wf_park;
struct wf_frame;
struct wf_scope;

enum wf_task_flag {
    WF_TASK_PINNED = 1u << 0,
    WF_TASK_SOFT_STOP = 1u << 1,
    WF_TASK_ARG_COPY = 1u << 2,    /* arg is heap memory of the task */
    WF_TASK_STARTED = 1u << 3,     /* pinned: home is set */
    WF_TASK_EXPIRED = 1u << 4,     /* the inherited deadline cut a suspension short */
    WF_TASK_SYSTEM = 1u << 5,      /* of the runtime itself */
    WF_TASK_LISTED = 1u << 6,      /* in its scope's list; lock: scope */
};

/* Sources of cancellation of the task itself. */
enum wf_cancel_source {
    WF_CANCEL_SELF = 1u << 0, /* weft_cancel, scope, shutdown */
};

struct wf_task {
    struct wf_desc desc;
    wf_task_word state;
    intptr_t result;              /* DONE: the result; parked: the waker's code (wake_code) */
    WF_ATOMIC(uint64_t) joiner;   /* any: see worker.h, WF_JOINER_ENDED */
    struct wf_task *next, *prev;  /* in the scope's list (lock: scope) or the free list */
    struct wf_frame *frames;      /* open blocks (timeouts, scopes), innermost first */
    weft_deadline inherited;      /* deadline that an in-place run got from its awaiter */
    struct wf_timer timer;        /* of the present park; lock: the wheel's */
    WF_ATOMIC(struct wf_task *) inner; /* task that runs in place of an await of this one */
    struct wf_park *park;         /* the present park, in the frame of the task */
    WF_ATOMIC(uint8_t) cancel;    /* enum wf_cancel_source */
    uint8_t stack_class;
    int16_t park_cause;           /* of the last park: 0, -ECANCELED, -ETIMEDOUT */
    WF_ATOMIC(uint16_t) flags;    /* enum wf_task_flag; owner writes */
    uint16_t home;                /* pinned: worker */
};
_Static_assert(sizeof(struct wf_task) <= 256, "a task block is 256 bytes at most");
#define WF_TASK_SIZE 256u

/* Base of the reservation; set while a runtime exists. */
extern char *wf_task_base;

static inline uint32_t wf_task_index(const struct wf_task *t)
{
    return (uint32_t)(((const char *)t - wf_task_base) / WF_TASK_SIZE);
}

static inline struct wf_task *wf_task_at(uint64_t index)
{
    return (struct wf_task *)(void *)(wf_task_base + index * WF_TASK_SIZE);
}

/* Tickets and queue entries: index and epoch in one word. */
#define WF_TASK_EPOCH_BITS 38
#define WF_TASKS_MAX (UINT64_C(1) << 24)

static inline uint64_t wf_ticket(const struct wf_task *t, uint64_t epoch)
{
    return (uint64_t)wf_task_index(t) << WF_TASK_EPOCH_BITS | epoch;
}

/* The ticket of the next park of a task: for the task itself, and for the action that parks it. */
static inline uint64_t wf_ticket_next(const struct wf_task *t)
{
    return (uint64_t)t->desc.index << WF_TASK_EPOCH_BITS |
           (wf_ts_epoch(wf_load_rlx(&t->state)) + 1);
}

static inline struct wf_task *wf_ticket_task(uint64_t ticket)
{
    return wf_task_at(ticket >> WF_TASK_EPOCH_BITS);
}

static inline uint64_t wf_ticket_epoch(uint64_t ticket)
{
    return ticket & ((UINT64_C(1) << WF_TASK_EPOCH_BITS) - 1);
}

/* Run queue entries: fresh task = ticket << 1 | 1, parked fiber = its address (aligned). */
static inline uint64_t wf_entry_fresh(uint64_t ticket)
{
    return ticket << 1 | 1;
}

static inline bool wf_entry_is_fresh(uint64_t entry)
{
    return (entry & 1) != 0;
}

/* wf_entry_stale - a fresh entry whose task has been claimed by an awaiter */
static inline bool wf_entry_stale(uint64_t entry)
{
    if (!wf_entry_is_fresh(entry))
        return false;
    uint64_t s = wf_load_rlx(&wf_ticket_task(entry >> 1)->state);
    return (s & WF_TS_PHASE) != WF_TS_QUEUED || wf_ts_epoch(s) != wf_ticket_epoch(entry >> 1);
}

#endif
