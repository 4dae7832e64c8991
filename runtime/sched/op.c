/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op.c - running one driver operation, or a linked pair, as a suspension of the calling task
 *
 * The operation is submitted by the after-switch action, so its completion finds the task parked.
 * Completions run on the submitting worker's thread, as do the timer of the park and the messages
 * of
 * cancels: those three never race with each other.
 */
#include "runtime/base/assert.h"
#include "runtime/sched/worker.h"

static void wake_owner(struct wf_op *op)
{
    if (!wf_wake(op->ticket, WF_WOKEN))
        wf_ticket_task(op->ticket)->park->completed = true; /* a cancel post is on its way */
}

static void one_done(struct wf_op *op)
{
    if (!op->more)
        wake_owner(op);
}

/* The pair is over when both are; `user` of the first counts. */
static void pair_done(struct wf_op *op)
{
    unsigned *left = op->user;
    if (!op->more && --*left == 0)
        wake_owner(op);
}

static void submit_one(void *arg, uint64_t ticket)
{
    (void)ticket;
    struct wf_op *op = arg;
    struct wf_worker *w = wf_worker();
    wf_trace_detail(&w->trace, 3, WF_EV_SUBMIT, op->kind, 0, (uint32_t)op->fd);
    w->ops->submit(w->driver, op);
}

static void submit_both(void *arg, uint64_t ticket)
{
    (void)ticket;
    struct wf_op *first = arg;
    struct wf_worker *w = wf_worker();
    w->ops->submit_pair(w->driver, first, first->pair);
}

static void prepare(struct wf_op *op, void (*done)(struct wf_op *))
{
    op->done = done;
    op->ticket = wf_park_ticket();
    op->res = -ECANCELED;
    op->more = op->sock_nonempty = op->cancel_requested = 0;
    op->driver = NULL;
}

int wf_op_run(struct wf_op *op, enum wf_wait_kind kind, weft_deadline deadline)
{
    struct wf_park park = {.kind = kind,
                           .mode = WF_PARK_IO,
                           .obj = op,
                           .deadline = deadline,
                           .after = submit_one,
                           .arg = op,
                           .op = op};
    prepare(op, one_done);
    op->pair = NULL;
    wf_park(&park);
    if (op->res == -ECANCELED && wf_park_cause() != 0)
        op->res = wf_park_cause();
    return op->res;
}

void wf_op_run_pair(struct wf_op *first, struct wf_op *second, enum wf_wait_kind kind,
                    weft_deadline deadline)
{
    unsigned left = 2;
    struct wf_park park = {.kind = kind,
                           .mode = WF_PARK_IO,
                           .obj = first,
                           .deadline = deadline,
                           .after = submit_both,
                           .arg = first,
                           .op = first};
    prepare(first, pair_done);
    prepare(second, pair_done);
    first->user = second->user = &left;
    first->pair = second;
    second->pair = NULL;
    wf_park(&park);
    for (struct wf_op *op = first; op != NULL; op = op->pair)
        if (op->res == -ECANCELED && wf_park_cause() != 0)
            op->res = wf_park_cause();
}

int wf_op_cancel(struct wf_op *op)
{
    struct wf_worker *w = wf_worker();
    if (w == NULL || op->driver != w->driver)
        return -EPERM;
    if (!op->cancel_requested)
        w->ops->cancel(w->driver, op);
    return 0;
}

void wf_op_submit(struct wf_op *op)
{
    struct wf_worker *w = wf_worker();
    op->more = op->sock_nonempty = op->cancel_requested = 0;
    op->pair = NULL;
    w->ops->submit(w->driver, op);
}
