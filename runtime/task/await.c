/* SPDX-License-Identifier: Apache-2.0 */
/*
 * await.c - waiting for the end of a task and taking its result
 *
 * Three ways: the task has ended: take the result. It is still queued: claim it and run it here, as
 * a call, while `inner` of the awaiter says so (cancel.c). Else register as its joiner and park.
 * A cancelled awaiter hands the cancel on and then waits firmly: an await never leaves its task.
 *
 * Joiner word (task_block.h, worker.h): the awaiter stores its ticket before it sets JOINER; when
 * it parks a second time (after a cancel) it swaps the old ticket for the new one, and finds ENDED
 * there if the finisher was faster.
 */
#include "runtime/base/assert.h"
#include "runtime/task/task.h"

intptr_t wf_task_consume(struct wf_task *t)
{
    intptr_t result = t->result;
    struct wf_worker *w = wf_worker();
    if (t->desc.scope != NULL && (wf_load_acq(&t->flags) & WF_TASK_LISTED) != 0)
        wf_scope_remove(t->desc.scope, t);
    wf_task_free(w, t);
    return result;
}

static inline void set_inner(struct wf_task *self, struct wf_task *inner)
{
    if (wf_solo())
        wf_store_rlx(&self->inner, inner);
    else
        wf_store_sc(&self->inner, inner); /* order: cancel-inner */
}

bool wf_run_in_place(struct wf_worker *w, struct wf_task *t, bool joined, intptr_t *result)
{
    struct wf_task *self = w->task;
    struct wf_fiber *f = w->fiber;
    uint64_t s = wf_load_rlx(&t->state);
    if ((s & WF_TS_PHASE) != WF_TS_QUEUED || wf_stack_room(f) < WF_PLACE_ROOM ||
        t->stack_class > f->size_class)
        return false;
    /* What runs in place may move the fiber to another worker, so neither of the two is pinned. */
    if (((wf_load_rlx(&t->flags) | wf_load_rlx(&self->flags)) & WF_TASK_PINNED) != 0)
        return false;
    if (!wf_ts_claim(&t->state, wf_ts_epoch(s)))
        return false;
    wf_unpush_fresh(w, t, wf_entry_fresh(wf_ticket(t, wf_ts_epoch(s))));
    t->desc.outer = &self->desc;
    t->inherited = wf_task_deadline(self);
    set_inner(self, t);
    if (__builtin_expect((wf_load_sc(&self->state) & WF_TS_CANCEL) != 0, 0) &&
        wf_task_cancelled(self)) /* order: cancel-inner */
        wf_cancel_task(t, "awaiter cancelled");
    intptr_t r = wf_task_call(w, t, 2);
    w = wf_worker();
    w->task = self;
    f->task = self;
    wf_store_rlx(&w->trace.block->task, self->desc.index);
    set_inner(self, NULL);
    if (__builtin_expect((wf_load_sc(&self->state) & WF_TS_CANCEL) != 0, 0)) {
        wf_spin_lock(&w->rt->cancel_lock); /* whoever follows `inner` is done now */
        wf_spin_unlock(&w->rt->cancel_lock);
    }
    if (__builtin_expect((wf_load_rlx(&t->flags) & WF_TASK_EXPIRED) != 0, 0))
        (void)wf_frames_expire(self, wf_clock_now());
    if (joined)
        wf_task_end(w, t, r);
    else
        wf_task_end_in_place(w, t, r);
    /* Charged afterwards: a yield before it would let the task be started elsewhere. */
    if (__builtin_expect(--w->budget < 0, 0))
        (void)wf_suspend_check_slow(&w);
    *result = r;
    return true;
}

/* After-switch action: the end may have come between the registration and the park. */
static void recheck(void *arg, uint64_t ticket)
{
    struct wf_task *t = arg;
    /* Not a load: an earlier value would do no harm only if the finisher then saw the park. Of two
     * swaps of one word the later one sees what came before the earlier one. */
    if (wf_add_acqrel(&t->joiner, 0) == WF_JOINER_ENDED) /* order: joiner */
        (void)wf_wake(ticket, WF_WOKEN);
}

/* Waits for a task that runs on another fiber. */
static intptr_t join(struct wf_task *t, bool cancelled)
{
    struct wf_park park = {.kind = WF_WAIT_JOIN,
                           .mode = cancelled ? WF_PARK_FIRM : WF_PARK_DIRECT,
                           .obj = t,
                           .deadline = WEFT_NEVER,
                           .after = recheck,
                           .arg = t};
    uint64_t ticket = wf_park_ticket();
    wf_store_rlx(&t->joiner, ticket); /* order: joiner, released by the swap in wf_ts_join */
    if (!wf_ts_join(&t->state)) {
        (void)wf_ts_drop_handle(&t->state);
        return wf_task_consume(t);
    }
    for (;;) {
        wf_park(&park);
        if (wf_load_acq(&t->joiner) == WF_JOINER_ENDED) /* order: joiner */
            return wf_task_consume(t);
        if (park.mode == WF_PARK_DIRECT)
            wf_cancel_task(t, "awaiter cancelled");
        park.mode = WF_PARK_FIRM;
        uint64_t old = ticket;
        ticket = wf_park_ticket();
        if (!wf_cas_acqrel(&t->joiner, &old, ticket)) /* order: joiner */
            return wf_task_consume(t);
    }
}

intptr_t weft_await(weft_task *task)
{
    struct wf_task *t = wf_task_of(task);
    struct wf_worker *w = wf_worker();
    if (__builtin_expect(t == NULL, 0))
        return -ENOMEM;
    if (__builtin_expect(w == NULL || w->task == NULL, 0))
        return -EPERM;
    if (__builtin_expect(t == w->task, 0))
        return -EDEADLK;
    bool cancelled = (wf_load_rlx(&w->task->state) & WF_TS_CANCEL) != 0 &&
                     wf_task_cancelled(w->task);
    if (__builtin_expect(cancelled, 0))
        wf_cancel_task(t, "awaiter cancelled");
    intptr_t result;
    if (wf_run_in_place(w, t, false, &result))
        return result;
    if (wf_suspend_check_on(&w) < 0 && !cancelled) {
        cancelled = true;
        wf_cancel_task(t, "awaiter cancelled");
    }
    return join(t, cancelled);
}

int weft_detach(weft_task *task)
{
    struct wf_task *t = wf_task_of(task);
    if (t == NULL)
        return -EINVAL;
    if (wf_worker() == NULL)
        wf_solo_leave();
    uint64_t before = wf_ts_drop_handle(&t->state);
    if ((before & WF_TS_PHASE) != WF_TS_DONE)
        return 0;
    /* It has ended already; a thread of no worker leaves the block to the end of the run. */
    if (wf_worker() != NULL)
        (void)wf_task_consume(t);
    return 0;
}

int weft_cancel(weft_task *task, const char *reason)
{
    if (task == NULL)
        return -EINVAL;
    if (wf_worker() == NULL)
        wf_solo_leave();
    wf_cancel_task(wf_task_of(task), reason != NULL ? reason : "cancelled");
    return 0;
}
