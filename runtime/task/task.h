/* SPDX-License-Identifier: Apache-2.0 */
/* task.h - what the files of this folder share: spawning, scopes, ends of tasks */
#ifndef WF_TASK_H
#define WF_TASK_H

#include <weft/scope.h>

#include "runtime/sched/frame_stack.h"
#include "runtime/sched/runq.h"

static inline struct wf_task *wf_task_of(weft_task *handle)
{
    return (struct wf_task *)handle;
}

/* A scope: a frame of its owner's, and the list of its children. */
struct wf_scope {
    struct wf_frame frame;
    struct wf_spin lock;
    uint32_t live;            /* lock: children that have not ended */
    struct wf_task *children; /* lock: live ones, and ended ones whose handle is not consumed */
    uint64_t joiner;          /* lock: ticket of the owner that waits for live == 0 */
    struct wf_scope_wait *waiting; /* lock: spawners that wait for room, oldest first */
    const char *name;
    int *result_out;
    int first_error;          /* lock */
    uint32_t limit;
    uint8_t keep_siblings;
    uint8_t stopped;          /* lock: ended from inside or outside by weft_scope_stop */
    uint8_t closed;           /* owner */
    uint8_t open;             /* owner */
};
_Static_assert(sizeof(struct wf_scope) <= sizeof(struct weft_scope_block), "public storage");

/* The innermost open scope that a task spawns into; NULL: the run. */
struct wf_scope *wf_scope_of(const struct wf_task *t);

/* wf_scope_add - enter a new task; waits for room. 0; -ECANCELED; then the task is in the list */
int wf_scope_add(struct wf_scope *scope, struct wf_task *t);

/* wf_scope_remove - an ended child's handle is consumed */
void wf_scope_remove(struct wf_scope *scope, struct wf_task *t);

/*
 * wf_run_in_place - try to claim a fresh task and run it here, on the stack of the worker's task
 * @joined: a joiner is registered, it will consume the task; else it is consumed here
 * True: it ran, *result is its result.
 */
bool wf_run_in_place(struct wf_worker *w, struct wf_task *t, bool joined, intptr_t *result);

/* wf_task_consume - take the result of an ended task whose HANDLE the caller cleared, and free
 * it */
intptr_t wf_task_consume(struct wf_task *t);

#endif
