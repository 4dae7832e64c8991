/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame_stack.h - the open blocks (timeouts, scopes) of a task
 *
 * Blocks stand in the frames of the task and are linked innermost first. Only the task itself
 * pushes and pops; `cancelled` may be set by any thread (a scope being cancelled), followed by the
 * CANCEL bit of the task's state word.
 */
#ifndef WF_FRAME_STACK_H
#define WF_FRAME_STACK_H

#include "runtime/sched/task_block.h"

enum wf_frame_kind { WF_FRAME_TIMEOUT = 1, WF_FRAME_SCOPE = 2 };

struct wf_frame {
    struct wf_frame *outer;
    struct wf_task *task;              /* const: whose */
    weft_deadline deadline;            /* its own; WEFT_NEVER */
    weft_deadline earliest;            /* of this and all outer ones */
    WF_ATOMIC(uint32_t) cancelled;     /* any */
    uint32_t kind;
    const char *reason;                /* constant string; written before `cancelled` */
};

void wf_frame_push(struct wf_task *t, struct wf_frame *f, uint32_t kind, weft_deadline deadline);

/* wf_frame_pop - the innermost frame goes; takes the CANCEL hint back when nothing else holds it */
void wf_frame_pop(struct wf_task *t, struct wf_frame *f);

/* wf_frames_expire - mark what is due at `now`; true when any block (or the inherited one) was */
bool wf_frames_expire(struct wf_task *t, int64_t now);

static inline weft_deadline wf_task_deadline(const struct wf_task *t)
{
    weft_deadline d = t->frames != NULL ? t->frames->earliest : WEFT_NEVER;
    return d < t->inherited ? d : t->inherited;
}

#endif
