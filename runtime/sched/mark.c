/* SPDX-License-Identifier: Apache-2.0 */
/* mark.c - the recorder's public calls: level and marks */
#include <errno.h>

#include <weft/trace.h>

#include "runtime/sched/worker.h"

enum { LEVEL_OFF = -1, LEVEL_MAX = 3 };

/* The level in force as the caller knows it: whatever is off is 0, since -1 is -EPERM. */
int weft_trace_level(int level)
{
    const struct wf_area *area = wf_runtime_area();
    if (level < LEVEL_OFF || level > LEVEL_MAX)
        return -EINVAL;
    if (area == NULL || area->header == NULL)
        return -EPERM;
    int before = wf_xchg_rlx(&area->header->level, level);
    return before < 0 ? 0 : before;
}

/* A mark is there to be timed: it reads the clock, and what follows on this worker has that
 * time. */
void weft_mark(const char *name, uint32_t value)
{
    struct wf_worker *w = wf_worker();
    if (!WF_TRACE_ON || w == NULL || w->task == NULL || wf_load_rlx(w->trace.level) <= 0)
        return;
    struct wf_trace_ring *r = &w->trace;
    r->tsc = wf_cycles();
    wf_trace_put(r, wf_trace_w0(r, WF_EV_MARK, 0), (uint64_t)w->task->desc.index << 32 | value);
    wf_trace_put(r, wf_trace_w0(r, WF_EV_CONT, 0), (uint64_t)(uintptr_t)name);
}
