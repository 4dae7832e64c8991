/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cancel.c - how a cancel reaches a task, wherever it is
 *
 * Sources of cancellation: the task itself (`cancel`), and each open block of it (`cancelled` of a
 * frame). The CANCEL bit of the state word says "look at the sources". A source is stored first,
 * then the bit is set; the owner clears the bit first, then looks again: so a source is never
 * overlooked. order: cancel-source - the source's release store before the swap that sets the bit,
 * whose acquire side is the owner's read of the bit.
 *
 * A parked task is handled by the same swap that sets the bit: a plain park ends there; an
 * operation is cancelled by a message to the worker whose driver has it, which pins the park frame
 * (POSTED) until the message was handled; a firm park ends by itself.
 *
 * A task that runs in place of an await of another one hangs on that one's `inner`. The cancel is
 * handed on along that chain under the cancel lock. The awaiter stores `inner` (seq_cst) and then
 * reads its own CANCEL bit, at the begin to cancel the inner task itself, at the end to pass the
 * cancel lock before it frees the inner block: whoever follows `inner` under the lock finds a task.
 * order: cancel-inner.
 */
#include "runtime/base/assert.h"
#include "runtime/sched/frame_stack.h"
#include "runtime/sched/runq.h"

void wf_cancel_op_here(struct wf_worker *w, struct wf_task *t)
{
    struct wf_op *op = t->park->op;
    for (; op != NULL; op = op->pair)
        if (!op->cancel_requested && op->driver != NULL)
            w->ops->cancel(w->driver, op);
}

static void post_arrived(struct wf_post *post)
{
    struct wf_park *park =
        (struct wf_park *)(void *)((char *)post - offsetof(struct wf_park, post));
    struct wf_task *t = park->task;
    wf_ts_unpost(&t->state);
    if (park->completed)
        (void)wf_wake(wf_ticket(t, wf_ts_epoch(wf_load_rlx(&t->state))), WF_WOKEN);
    else
        wf_cancel_op_here(park->worker, t);
}

/* Sets the bit on one task and acts on its park. */
static void notice(struct wf_task *t)
{
    switch (wf_ts_cancel(&t->state)) {
    case WF_TS_CANCEL_WOKE:
        t->result = WF_CODE_CANCEL;
        wf_ready(t, false);
        break;
    case WF_TS_CANCEL_POST:
        t->park->post.fn = post_arrived;
        if (t->park->worker == wf_worker())
            post_arrived(&t->park->post);
        else
            wf_post(t->park->worker, &t->park->post);
        break;
    case WF_TS_CANCEL_NOTED:
    case WF_TS_CANCEL_LATE:
        break;
    }
}

void wf_cancel_begin(void)
{
    wf_spin_lock(&wf_rt->cancel_lock);
}

void wf_cancel_end(void)
{
    wf_spin_unlock(&wf_rt->cancel_lock);
}

void wf_cancel_task_locked(struct wf_task *t, const char *reason)
{
    struct wf_worker *w = wf_worker();
    for (; t != NULL; t = wf_load_sc(&t->inner)) { /* order: cancel-inner */
        const char *none = NULL;
        (void)wf_cas_rel(&t->desc.cancel_reason, &none, reason);
        wf_store_rel(&t->cancel, WF_CANCEL_SELF); /* order: cancel-source */
        if (w != NULL) {
            w->trace.block->cancels++;
            wf_trace(&w->trace, WF_EV_CANCEL, 0, w->task != NULL ? w->task->desc.index : 0,
                     wf_task_index(t));
        }
        notice(t);
    }
}

void wf_cancel_frame_locked(struct wf_frame *f, const char *reason)
{
    if (wf_load_rlx(&f->cancelled) != 0)
        return;
    f->reason = reason;
    wf_store_rel(&f->cancelled, 1); /* order: cancel-source */
    notice(f->task);
    wf_cancel_task_locked(wf_load_sc(&f->task->inner), reason);
}

void wf_cancel_task(struct wf_task *t, const char *reason)
{
    wf_cancel_begin();
    wf_cancel_task_locked(t, reason);
    wf_cancel_end();
}

void wf_frame_cancel_own(struct wf_task *t, struct wf_frame *f, const char *reason)
{
    if (wf_load_rlx(&f->cancelled) != 0)
        return;
    f->reason = reason;
    wf_store_rel(&f->cancelled, 1);    /* order: cancel-source */
    wf_or_sc(&t->state, WF_TS_CANCEL); /* order: cancel-source */
}

void wf_cancel_all(struct wf_runtime *rt, const char *reason)
{
    uint64_t used = wf_load_acq(&rt->slab.used);
    for (uint64_t i = 1; i < used; i++) {
        struct wf_task *t = wf_task_at(i);
        uint64_t s = wf_load_acq(&t->state), phase = s & WF_TS_PHASE;
        if ((phase == WF_TS_QUEUED || phase == WF_TS_LIVE) && wf_load_acq(&t->cancel) == 0 &&
            (wf_load_rlx(&t->flags) & WF_TASK_SYSTEM) == 0)
            wf_cancel_task(t, reason);
    }
}

static bool look(struct wf_task *t, const char **reason)
{
    if (wf_load_acq(&t->cancel) != 0) {
        *reason = wf_load_acq(&t->desc.cancel_reason);
        return true;
    }
    for (struct wf_frame *f = t->frames; f != NULL; f = f->outer) {
        if (wf_load_acq(&f->cancelled) != 0) {
            *reason = f->reason;
            return true;
        }
    }
    return false;
}

bool wf_task_cancelled(struct wf_task *t)
{
    const char *reason;
    if (look(t, &reason))
        return true;
    wf_and_sc(&t->state, ~WF_TS_CANCEL); /* order: cancel-source */
    if (!look(t, &reason))
        return false;
    wf_or_sc(&t->state, WF_TS_CANCEL);
    return true;
}

int weft_cancelled(const char **reason)
{
    struct wf_task *t = wf_self();
    const char *why = NULL;
    bool yes = t != NULL && (wf_load_acq(&t->state) & WF_TS_CANCEL) != 0 && look(t, &why);
    /* A deadline that has passed counts although nothing was cut short yet. */
    if (t != NULL && !yes && wf_task_deadline(t) <= wf_clock_now()) {
        yes = true;
        why = "deadline";
    }
    if (reason != NULL)
        *reason = yes ? why : NULL;
    return yes;
}
