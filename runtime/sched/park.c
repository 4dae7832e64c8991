/* SPDX-License-Identifier: Apache-2.0 */
/*
 * park.c - suspending the calling task: park, yield, timers of parks, block deadlines
 *
 * Order of a park: (1) the task fills its descriptor and arms its timer; (2) it leaves its stack;
 * (3) the after-switch action publishes WAITING with the next epoch, then runs the caller's
 * `after`. Everything that may wake it holds a ticket with that epoch, so nothing can happen before
 * (3), and after (3) the frame may vanish at any moment: the action works on copies.
 * A plain park that finds CANCEL set in (3) is not published; the task is queued with -ECANCELED.
 */
#include <weft/time.h>

#include "runtime/base/assert.h"
#include "runtime/sched/frame_stack.h"
#include "runtime/sched/runq.h"
#include "runtime/time/clock.h"

struct wf_task *wf_self(void)
{
    struct wf_worker *w = wf_worker();
    return w != NULL ? w->task : NULL;
}

weft_task *weft_self(void)
{
    return (weft_task *)wf_self();
}

uint64_t wf_park_ticket(void)
{
    struct wf_task *t = wf_self();
    return wf_ticket_next(t);
}

int wf_park_cause(void)
{
    return wf_self()->park_cause;
}

/* ---- timers ---- */

static void arm(struct wf_worker *w, struct wf_task *t, weft_deadline deadline)
{
    wf_spin_lock(&w->wheel_lock);
    t->timer.owner = (uint16_t)w->index;
    wf_wheel_add(&w->wheel, &t->timer, deadline);
    wf_spin_unlock(&w->wheel_lock);
}

static void disarm(struct wf_task *t)
{
    struct wf_worker *w = wf_rt->worker[t->timer.owner];
    wf_spin_lock(&w->wheel_lock);
    wf_wheel_remove(&w->wheel, &t->timer);
    wf_spin_unlock(&w->wheel_lock);
}

/* An operation's deadline: ask its driver, which is this worker's, to end it. */
static void expire_op(struct wf_worker *w, struct wf_task *t, uint64_t epoch)
{
    uint64_t s = wf_load_acq(&t->state);
    if ((s & WF_TS_WAITING) == 0 || wf_ts_epoch(s) != epoch)
        return;
    t->park->expired = true;
    wf_cancel_op_here(w, t);
}

enum { EXPIRE_BATCH = 64 };

void wf_timers_run(struct wf_worker *w)
{
    for (;;) {
        struct wf_timer *due[EXPIRE_BATCH];
        uint64_t ticket[EXPIRE_BATCH];
        bool io[EXPIRE_BATCH];
        wf_spin_lock(&w->wheel_lock);
        size_t n = wf_wheel_expire(&w->wheel, w->now, due, EXPIRE_BATCH);
        for (size_t i = 0; i < n; i++) {
            struct wf_task *t = (struct wf_task *)(void *)((char *)due[i] -
                                                           offsetof(struct wf_task, timer));
            /* Until it has disarmed (under this lock) the task cannot park again. */
            uint64_t s = wf_load_acq(&t->state);
            ticket[i] = wf_ticket(t, wf_ts_epoch(s));
            io[i] = (s & WF_TS_IO) != 0;
        }
        wf_spin_unlock(&w->wheel_lock);
        if (n == 0)
            return;
        w->trace.block->timers += n;
        wf_trace(&w->trace, WF_EV_TIMER, 0, 0, (uint32_t)n);
        for (size_t i = 0; i < n; i++) {
            if (io[i])
                expire_op(w, wf_ticket_task(ticket[i]), wf_ticket_epoch(ticket[i]));
            else
                (void)wf_wake(ticket[i], WF_CODE_TIMER);
        }
    }
}

/* ---- block deadlines ---- */

void wf_frame_push(struct wf_task *t, struct wf_frame *f, uint32_t kind, weft_deadline deadline)
{
    weft_deadline outer = t->frames != NULL ? t->frames->earliest : WEFT_NEVER;
    f->outer = t->frames;
    f->task = t;
    f->deadline = deadline;
    f->earliest = deadline < outer ? deadline : outer;
    wf_store_rlx(&f->cancelled, 0);
    f->kind = kind;
    f->reason = NULL;
    t->frames = f;
}

void wf_frame_pop(struct wf_task *t, struct wf_frame *f)
{
    WF_CHECK(t->frames == f);
    t->frames = f->outer;
    if (__builtin_expect((wf_load_acq(&t->state) & WF_TS_CANCEL) != 0, 0))
        (void)wf_task_cancelled(t);
}

bool wf_frames_expire(struct wf_task *t, int64_t now)
{
    bool any = false;
    if (t->inherited <= now) {
        wf_or_rlx(&t->flags, WF_TASK_EXPIRED);
        wf_store_rlx(&t->desc.cancel_reason, "deadline");
        wf_store_rel(&t->cancel, WF_CANCEL_SELF); /* order: cancel-source */
        wf_or_sc(&t->state, WF_TS_CANCEL);        /* order: cancel-source */
        any = true;
    }
    for (struct wf_frame *f = t->frames; f != NULL; f = f->outer) {
        if (f->deadline <= now && wf_load_rlx(&f->cancelled) == 0)
            wf_frame_cancel_own(t, f, "deadline");
        any |= f->deadline <= now;
    }
    return any;
}

/* ---- park ---- */

/* After-switch action of wf_park. */
static void publish(struct wf_worker *w, void *arg)
{
    struct wf_park *park = arg;
    struct wf_task *t = park->task;
    void (*after)(void *, uint64_t) = park->after;
    struct wf_spin *unlock = park->unlock;
    void *after_arg = park->arg;
    bool io = park->mode == WF_PARK_IO;
    uint64_t mode = io ? WF_TS_IO : park->mode == WF_PARK_FIRM ? WF_TS_FIRM : 0;
    struct wf_desc *d = &t->desc;
    uint64_t ticket = wf_ticket_next(t);
    wf_store_rel(&d->seq, wf_load_rlx(&d->seq) + 1); /* even: readable */
    if (__builtin_expect(!wf_ts_park(&t->state, mode), 0)) {
        t->result = WF_CODE_CANCEL;
        wf_ready(t, false);
    }
    if (unlock != NULL)
        wf_spin_unlock(unlock);
    if (after != NULL)
        after(after_arg, ticket);
    if (io && __builtin_expect((wf_load_rlx(&t->state) & WF_TS_CANCEL) != 0, 0) &&
        wf_task_cancelled(t))
        wf_cancel_op_here(w, t);
}

static int cut_short(struct wf_task *t, const struct wf_park *park, bool timer)
{
    if (timer) {
        int64_t now = wf_clock_now();
        if (wf_frames_expire(t, now))
            return -ECANCELED;
        return park->deadline <= now ? -ETIMEDOUT : 0;
    }
    return -ECANCELED;
}

intptr_t wf_park_on(struct wf_worker *w, struct wf_park *park)
{
    struct wf_task *t = w->task;
    struct wf_desc *d = &t->desc;
    weft_deadline deadline = park->deadline;
    if (park->mode != WF_PARK_FIRM) {
        weft_deadline block = wf_task_deadline(t);
        if (block < deadline)
            deadline = block;
    }
    park->task = t;
    park->worker = w;
    park->completed = park->expired = false;
    t->park = park;
    d->wait_kind = (uint8_t)park->kind;
    d->wait_obj = park->obj;
    d->since = w->trace.tsc;
    if (__builtin_expect(deadline != WEFT_NEVER, 0))
        arm(w, t, deadline);
    wf_trace(&w->trace, WF_EV_SUSPEND, park->kind, d->index, (uint32_t)(uintptr_t)park->obj);
    wf_leave(w, wf_next(w), publish, park);
    if (__builtin_expect(deadline != WEFT_NEVER, 0))
        disarm(t);
    intptr_t code = t->result;
    t->park_cause = 0;
    if (park->mode == WF_PARK_IO) {
        if (park->expired)
            t->park_cause = (int16_t)cut_short(t, park, true);
        else if (wf_load_rlx(&t->state) & WF_TS_CANCEL)
            t->park_cause = wf_task_cancelled(t) ? -ECANCELED : 0;
    } else if (__builtin_expect(code <= WF_CODE_CANCEL, 0)) {
        code = t->park_cause = (int16_t)cut_short(t, park, code == WF_CODE_TIMER);
    }
    return code;
}

intptr_t wf_park(struct wf_park *park)
{
    return wf_park_on(wf_worker(), park);
}

static inline void yield_now(struct wf_worker *w, struct wf_task *t)
{
    struct wf_fiber *from = w->fiber;
    struct wf_fiber *to = wf_entry_fiber(w, wf_next(w));
    t->desc.wait_kind = WF_WAIT_YIELD;
    wf_trace(&w->trace, WF_EV_YIELD, 0, t->desc.index, 0);
    w->after = wf_requeue;
    w->after_arg = from;
    wf_switch(w, from, to);
}

/* After a yield, which no timer watches: is the task cancelled, or its block's time over? */
static inline int yielded(struct wf_task *t)
{
    if (__builtin_expect(t->frames != NULL || t->inherited != WEFT_NEVER, 0) &&
        wf_task_deadline(t) != WEFT_NEVER)
        (void)wf_frames_expire(t, wf_clock_now());
    if (__builtin_expect((wf_load_rlx(&t->state) & WF_TS_CANCEL) != 0, 0) && wf_task_cancelled(t))
        return -ECANCELED;
    return 0;
}

int wf_suspend_check_slow(struct wf_worker **w)
{
    struct wf_task *t = (*w)->task;
    if ((*w)->budget < 0) {
        yield_now(*w, t);
        *w = wf_worker();
        return yielded(t);
    }
    return wf_task_cancelled(t) ? -ECANCELED : 0;
}

int wf_suspend_check(void)
{
    struct wf_worker *w = wf_worker();
    return wf_suspend_check_on(&w);
}

int weft_yield(void)
{
    struct wf_worker *w = wf_worker();
    if (__builtin_expect(w == NULL || w->task == NULL, 0))
        return -EPERM;
    struct wf_task *t = w->task;
    yield_now(w, t);
    return yielded(t);
}

int weft_sleep_until(weft_deadline when)
{
    int rc = wf_suspend_check();
    if (rc < 0)
        return rc;
    if (when <= wf_clock_now())
        return weft_yield();
    struct wf_park park = {
        .kind = WF_WAIT_SLEEP, .mode = WF_PARK_DIRECT, .deadline = when};
    rc = (int)wf_park(&park);
    return rc == -ETIMEDOUT ? 0 : rc;
}

int weft_sleep(weft_ns duration)
{
    if (duration <= 0)
        return weft_yield();
    int64_t now = wf_clock_now();
    return weft_sleep_until(duration > INT64_MAX - 1 - now ? WEFT_NEVER - 1 : now + duration);
}
