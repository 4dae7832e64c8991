/* SPDX-License-Identifier: Apache-2.0 */
/* deque.c - stealing from a run queue, and shedding its older half */
#include "runtime/sched/deque.h"

static void copy(struct wf_deque *d, uint64_t head, uint64_t *out, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        out[i] = wf_load_rlx(&d->slot[(head + i) & WF_DEQUE_MASK]);
}

unsigned wf_deque_steal(struct wf_deque *d, uint64_t *out, unsigned max)
{
    uint64_t h = wf_load_acq(&d->head); /* order: deque-reuse */
    uint64_t t = wf_load_acq(&d->tail); /* order: deque-publish */
    if (t <= h || t - h > WF_DEQUE_CAP)
        return 0; /* empty, or head moved on between the two loads */
    unsigned n = (unsigned)(t - h) - (unsigned)(t - h) / 2;
    if (n > max)
        n = max;
    copy(d, h, out, n);
    return wf_cas_acqrel(&d->head, &h, h + n) ? n : 0; /* order: deque-reuse */
}

unsigned wf_deque_shed(struct wf_deque *d, uint64_t out[WF_DEQUE_CAP / 2])
{
    uint64_t t = wf_load_rlx(&d->tail);
    uint64_t h = wf_load_acq(&d->head);
    while (t - h >= WF_DEQUE_CAP / 2) {
        copy(d, h, out, WF_DEQUE_CAP / 2);
        if (wf_cas_acqrel(&d->head, &h, h + WF_DEQUE_CAP / 2)) /* order: deque-reuse */
            return WF_DEQUE_CAP / 2;
    }
    return 0;
}
