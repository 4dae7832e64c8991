/* SPDX-License-Identifier: Apache-2.0 */
/* timeline.h - what the events mean: who ran when and where, and who made whom run */
#ifndef WF_TIMELINE_H
#define WF_TIMELINE_H

#include "tools/weft/snap_load.h"

enum span_kind {
    SPAN_TASK,
    SPAN_POLL,   /* the worker's loop and its driver */
    SPAN_SLEEP,  /* blocked in the driver */
    SPAN_SEARCH, /* looked for work before a sleep */
};

/* Times are ns since the area was opened. Spans of a worker are strictly nested. */
struct span {
    int64_t start, end;
    uint32_t task; /* SPAN_TASK: slot */
    uint32_t arg;  /* SPAN_POLL: completions; SPAN_TASK: low half of wait object or result */
    uint16_t worker;
    uint8_t kind;
    uint8_t ended_by; /* SPAN_TASK: enum wf_event: SUSPEND, EXIT, YIELD; NONE: still on */
    uint8_t aux;      /* SPAN_TASK: of that event */
};

struct point {
    int64_t time;
    uint64_t name; /* MARK: address of the text */
    uint32_t task, arg;
    uint16_t worker;
    uint8_t type, aux;
};

/* Worker `from` made a task run on worker `to`. */
struct flow {
    int64_t time_from, time_to;
    uint16_t worker_from, worker_to;
    bool spawn; /* else a wake */
};

/* A slot is used by one task after the other. */
struct life {
    int64_t time;
    uint64_t fn; /* body, 0: not recorded */
    uint32_t slot;
    uint32_t outer; /* slot of the task that awaited it in place, 0: none or not known */
    bool spawn;     /* from its SPAWN, else from its RESUME in place */
};

struct timeline {
    struct span *spans;
    size_t span_count;
    struct point *points;
    size_t point_count;
    struct flow *flows;
    size_t flow_count;
    struct life *lives; /* sorted by slot and time */
    size_t life_count;
    int64_t first, last; /* over all events */
    uint64_t lost[WF_AREA_WORKERS_MAX];
    int64_t begin[WF_AREA_WORKERS_MAX]; /* of the events of a worker */
};

void timeline_build(struct timeline *t, const struct snap *s);
void timeline_free(struct timeline *t);

/*
 * timeline_life - the spawn of the task that used a slot at a time
 * @newest: set to whether no later task used the slot in this recording
 * Returns NULL if it was spawned before the recording begins.
 */
const struct life *timeline_life(const struct timeline *t, uint32_t slot, int64_t time,
                                 bool *newest);

#endif
