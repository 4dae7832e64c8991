/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timeline.c - what the events mean: who ran when and where, and who made whom run
 *
 * Time. A record has the low 48 bits of the cycle counter as its worker had last read it. Going
 * back from the newest record, each is put next to its successor, which is right as long as two
 * neighbours are less than 16 hours apart. Records between two clock readings carry the same
 * stamp; they are spread evenly up to the next reading, except over a sleep, so that tasks which
 * ran for a few hundred nanoseconds are seen one beside the other. Order within a worker is
 * exact, order between workers is as good as their clock readings are fresh.
 *
 * Running. There is a record when a task leaves the CPU, none when it gets it: it was on since
 * the worker's last record that ended something (its boundary). Each worker is a stack of tasks:
 * one that awaits another in place stays under it, and RESUME tells of that. SUSPEND and YIELD
 * clear the stack, EXIT takes off one task. A task that is back comes with those it stands upon.
 *
 * Wakes. Of one task, a wake and the run that it caused alternate, so they are paired in order; a
 * run may carry an older stamp than its wake by what the readings were stale.
 */
#include "tools/weft/timeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/trace/events.h"

#define DEPTH_MAX   64
#define STALE_NS    20000   /* how much older than its wake a resume may look */
#define SPREAD_NS   2000000 /* stamps further apart are not spread: the task did run so long */
#define LOOP_POLL   0       /* the aux of LOOP */
#define LOOP_BEFORE 1
#define LOOP_AFTER  2
#define LOOP_IDLE   3
#define TSC_BITS    48

/* The events of one worker with their times. */
struct stream {
    const struct wf_record *record;
    int64_t *time;
    size_t count;
    uint16_t worker;
};

/* A SPAWN or WAKE of a task, or its coming on a CPU (type RESUME). */
struct step {
    int64_t time;
    uint32_t slot;
    uint16_t worker;
    uint8_t type;
};

struct steps {
    struct step *at;
    size_t count;
};

struct running {
    uint32_t task;
    int64_t start;
};

struct walk {
    struct timeline *t;
    struct steps *steps;
    uint16_t worker;
    int64_t boundary; /* where the last span ended */
    struct running stack[DEPTH_MAX];
    unsigned depth;
    bool searching; /* since the boundary */
};

static void *grow(void *table, size_t *count, size_t size)
{
    size_t n = *count;
    if ((n & (n - 1)) == 0) {
        table = realloc(table, (n == 0 ? 1 : 2 * n) * size);
        if (table == NULL) {
            fprintf(stderr, "weft: out of memory\n");
            exit(2);
        }
    }
    memset((char *)table + n * size, 0, size);
    *count = n + 1;
    return table;
}

#define ADD(table, count) \
    ((table) = grow((table), &(count), sizeof((table)[0])), &(table)[(count)-1])

/* ---- time ---- */

static int64_t sign_extend_48(uint64_t v)
{
    return (int64_t)(v << (64 - TSC_BITS)) >> (64 - TSC_BITS);
}

static void set_times(struct stream *st, const struct snap *s, const struct wf_snap_events *info)
{
    uint64_t tsc = info->tsc;
    for (size_t i = st->count; i-- > 0;) {
        uint64_t low = wf_record_tsc48(&st->record[i]);
        tsc += (uint64_t)sign_extend_48(low - tsc);
        st->time[i] = (int64_t)snap_ns(s, (int64_t)(tsc - s->control->tsc0));
    }
    for (size_t i = 1; i < st->count; i++) {
        if (st->time[i] < st->time[i - 1])
            st->time[i] = st->time[i - 1];
    }
}

/* The time before a sleep was spent searching, and the time up to its end in it. */
static bool is_sleep(const struct wf_record *r)
{
    unsigned aux = wf_record_aux(r);
    return wf_record_type(r) == WF_EV_LOOP && (aux == LOOP_BEFORE || aux == LOOP_AFTER);
}

static void spread(struct stream *st)
{
    size_t i = 0;
    while (i < st->count) {
        size_t j = i + 1;
        while (j < st->count && st->time[j] == st->time[i])
            j++;
        int64_t gap = j < st->count ? st->time[j] - st->time[i] : 0;
        if (gap > 0 && gap < SPREAD_NS && !is_sleep(&st->record[j])) {
            int64_t from = st->time[i];
            for (size_t k = i; k < j; k++)
                st->time[k] = from + (int64_t)((double)gap * (double)(k - i) / (double)(j - i));
        }
        i = j;
    }
}

/* ---- lives ---- */

static int by_slot_and_time(const void *a, const void *b)
{
    const struct life *x = a, *y = b;
    if (x->slot != y->slot)
        return x->slot < y->slot ? -1 : 1;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return (int)y->spawn - (int)x->spawn;
}

static void find_lives(struct timeline *t, const struct snap *s, const struct stream *st)
{
    for (size_t i = 0; i < st->count; i++) {
        const struct wf_record *r = &st->record[i];
        struct life life = {.time = st->time[i]};
        if (wf_record_type(r) == WF_EV_SPAWN) {
            life.slot = wf_record_spawned(r);
            life.fn = snap_code(s, wf_record_body(r), WF_SPAWN_FN_BITS);
            life.spawn = true;
        } else if (wf_record_type(r) == WF_EV_RESUME) {
            life.slot = wf_record_task(r);
            life.outer = wf_record_arg(r);
        } else {
            continue;
        }
        *ADD(t->lives, t->life_count) = life;
    }
}

/* Index behind the last entry of a slot that is not later than `time`. */
static size_t life_after(const struct timeline *t, uint32_t slot, int64_t time)
{
    size_t lo = 0, hi = t->life_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct life *l = &t->lives[mid];
        if (l->slot < slot || (l->slot == slot && l->time <= time))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The last SPAWN of a slot before an index; SIZE_MAX: none. There is at most one RESUME a life, so
 * this is a step or two. */
static size_t spawn_before(const struct timeline *t, uint32_t slot, size_t index)
{
    while (index-- > 0 && t->lives[index].slot == slot) {
        if (t->lives[index].spawn)
            return index;
    }
    return SIZE_MAX;
}

const struct life *timeline_life(const struct timeline *t, uint32_t slot, int64_t time,
                                 bool *newest)
{
    size_t mine = spawn_before(t, slot, life_after(t, slot, time));
    size_t last = spawn_before(t, slot, life_after(t, slot, INT64_MAX));
    *newest = mine == last;
    return mine == SIZE_MAX ? NULL : &t->lives[mine];
}

/* The task that this one stands upon: told since its spawn, or never. */
static uint32_t outer_of(const struct timeline *t, uint32_t slot, int64_t time)
{
    size_t i = life_after(t, slot, time);
    return i > 0 && t->lives[i - 1].slot == slot ? t->lives[i - 1].outer : 0;
}

/* ---- spans ---- */

static struct span *add_span(struct walk *w, enum span_kind kind, int64_t start, int64_t end)
{
    struct span *span = ADD(w->t->spans, w->t->span_count);
    span->start = start;
    span->end = end;
    span->worker = w->worker;
    span->kind = (uint8_t)kind;
    w->boundary = end;
    return span;
}

static void end_top(struct walk *w, int64_t now, const struct wf_record *r)
{
    struct running *top = &w->stack[--w->depth];
    struct span *span = add_span(w, SPAN_TASK, top->start, now);
    span->task = top->task;
    /* Those below a task that leaves the CPU await it in place. */
    if (r != NULL && wf_record_task(r) == top->task) {
        span->ended_by = (uint8_t)wf_record_type(r);
        span->aux = (uint8_t)wf_record_aux(r);
        span->arg = wf_record_arg(r);
    } else if (r != NULL) {
        span->ended_by = WF_EV_SUSPEND;
        span->aux = WF_WAIT_JOIN;
    }
}

static void end_all(struct walk *w, int64_t now, const struct wf_record *r)
{
    while (w->depth > 0)
        end_top(w, now, r);
}

static void push(struct walk *w, uint32_t task, int64_t start)
{
    if (w->depth < DEPTH_MAX)
        w->stack[w->depth++] = (struct running){task, start};
}

static bool is_on(const struct walk *w, uint32_t task)
{
    for (unsigned i = 0; i < w->depth; i++) {
        if (w->stack[i].task == task)
            return true;
    }
    return false;
}

static void add_step(struct steps *steps, unsigned type, uint32_t slot, uint16_t worker,
                     int64_t time)
{
    struct step *step = ADD(steps->at, steps->count);
    *step = (struct step){.time = time, .slot = slot, .worker = worker, .type = (uint8_t)type};
}

/* The task is on the CPU, and was since the boundary if it is not known to be. */
static void assume_on(struct walk *w, uint32_t task)
{
    uint32_t below[DEPTH_MAX];
    unsigned n = 0;
    if (is_on(w, task))
        return;
    end_all(w, w->boundary, NULL);
    for (uint32_t outer = outer_of(w->t, task, w->boundary); outer != 0 && n < DEPTH_MAX / 2;
         outer = outer_of(w->t, outer, w->boundary))
        below[n++] = outer;
    while (n > 0)
        push(w, below[--n], w->boundary);
    push(w, task, w->boundary);
    add_step(w->steps, WF_EV_RESUME, task, w->worker, w->boundary);
}

/* Ends what stands upon a task. */
static void uncover(struct walk *w, uint32_t task, int64_t now)
{
    while (w->stack[w->depth - 1].task != task)
        end_top(w, now, NULL);
}

/* Somebody awaits a queued task and runs it in place. */
static void take_resume(struct walk *w, const struct wf_record *r, int64_t now)
{
    uint32_t outer = wf_record_arg(r), task = wf_record_task(r);
    if (outer != 0) {
        assume_on(w, outer);
        uncover(w, outer, now);
    }
    push(w, task, now);
    add_step(w->steps, WF_EV_RESUME, task, w->worker, now);
    w->boundary = now;
}

static void take_exit(struct walk *w, const struct wf_record *r, int64_t now)
{
    uint32_t task = wf_record_task(r);
    assume_on(w, task);
    uncover(w, task, now);
    end_top(w, now, r);
}

static void take_loop(struct walk *w, const struct wf_record *r, int64_t now)
{
    unsigned aux = wf_record_aux(r);
    enum span_kind kind = aux == LOOP_POLL     ? SPAN_POLL
                          : aux == LOOP_BEFORE ? SPAN_SEARCH
                          : aux == LOOP_AFTER  ? SPAN_SLEEP
                                               : SPAN_POLL;
    int64_t start = w->boundary < now ? w->boundary : now;
    end_all(w, start, NULL);
    if (aux != LOOP_IDLE || start < now)
        add_span(w, kind, start, now)->arg = wf_record_arg(r);
    w->boundary = now;
    w->searching = aux == LOOP_IDLE;
}

/* A search that found something ends at the first sign of it. */
static void end_search(struct walk *w, const struct wf_record *r, int64_t now)
{
    unsigned type = wf_record_type(r);
    if (!w->searching || type == WF_EV_STEAL || type == WF_EV_LOOP)
        return;
    w->searching = false;
    if (w->boundary < now)
        add_span(w, SPAN_SEARCH, w->boundary, now);
}

static void add_point(struct walk *w, const struct stream *st, size_t i)
{
    const struct wf_record *r = &st->record[i];
    struct point *p = ADD(w->t->points, w->t->point_count);
    p->time = st->time[i];
    p->task = wf_record_task(r);
    p->arg = wf_record_arg(r);
    p->worker = w->worker;
    p->type = (uint8_t)wf_record_type(r);
    p->aux = (uint8_t)wf_record_aux(r);
    if (p->type == WF_EV_MARK && i + 1 < st->count && wf_record_type(r + 1) == WF_EV_CONT)
        p->name = r[1].w1;
}

static void take_event(struct walk *w, const struct stream *st, size_t i)
{
    const struct wf_record *r = &st->record[i];
    int64_t now = st->time[i];
    end_search(w, r, now);
    switch (wf_record_type(r)) {
    case WF_EV_NONE:
    case WF_EV_SYNC:
    case WF_EV_SPAWN:
    case WF_EV_WAKE:
    case WF_EV_CONT:
        break;
    case WF_EV_RESUME:
        take_resume(w, r, now);
        break;
    case WF_EV_SUSPEND:
    case WF_EV_YIELD:
        assume_on(w, wf_record_task(r));
        end_all(w, now, r);
        break;
    case WF_EV_EXIT:
        take_exit(w, r, now);
        break;
    case WF_EV_LOOP:
        take_loop(w, r, now);
        break;
    case WF_EV_MARK:
        assume_on(w, wf_record_task(r));
        add_point(w, st, i);
        break;
    default:
        add_point(w, st, i);
    }
}

/* @on: the task that is on the CPU as the recording ends, 0: none */
static void find_spans(struct timeline *t, struct steps *steps, const struct stream *st,
                       uint32_t on)
{
    struct walk w = {.t = t, .steps = steps, .worker = st->worker};
    if (st->count == 0)
        return;
    w.boundary = st->time[0];
    for (size_t i = 0; i < st->count; i++)
        take_event(&w, st, i);
    if (on != 0 && !w.searching)
        assume_on(&w, on);
    end_all(&w, t->last > w.boundary ? t->last : w.boundary, NULL);
}

/* ---- flows ---- */

static void find_causes(struct steps *steps, const struct stream *st)
{
    for (size_t i = 0; i < st->count; i++) {
        const struct wf_record *r = &st->record[i];
        if (wf_record_type(r) == WF_EV_SPAWN)
            add_step(steps, WF_EV_SPAWN, wf_record_spawned(r), st->worker, st->time[i]);
        else if (wf_record_type(r) == WF_EV_WAKE)
            add_step(steps, WF_EV_WAKE, wf_record_arg(r), st->worker, st->time[i]);
    }
}

static int by_slot_then_time(const void *a, const void *b)
{
    const struct step *x = a, *y = b;
    if (x->slot != y->slot)
        return x->slot < y->slot ? -1 : 1;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return (x->type == WF_EV_RESUME) - (y->type == WF_EV_RESUME);
}

/* Pairs the causes and resumes of one slot, both in order. */
static void pair_steps(struct timeline *t, const struct step *at, size_t count)
{
    size_t resume = 0;
    for (size_t cause = 0; cause < count; cause++) {
        if (at[cause].type == WF_EV_RESUME)
            continue;
        while (resume < count &&
               (at[resume].type != WF_EV_RESUME || at[resume].time < at[cause].time - STALE_NS))
            resume++;
        if (resume == count)
            return;
        struct flow *flow = ADD(t->flows, t->flow_count);
        flow->time_to = at[resume].time;
        flow->time_from = at[cause].time < flow->time_to ? at[cause].time : flow->time_to;
        flow->worker_from = at[cause].worker;
        flow->worker_to = at[resume].worker;
        flow->spawn = at[cause].type == WF_EV_SPAWN;
        resume++;
    }
}

static void find_flows(struct timeline *t, struct steps *steps)
{
    if (steps->count > 0)
        qsort(steps->at, steps->count, sizeof(steps->at[0]), by_slot_then_time);
    for (size_t i = 0; i < steps->count;) {
        size_t j = i;
        while (j < steps->count && steps->at[j].slot == steps->at[i].slot)
            j++;
        pair_steps(t, steps->at + i, j - i);
        i = j;
    }
}

/* ---- all ---- */

static bool open_stream(struct stream *st, const struct snap *s, unsigned worker)
{
    const struct snap_ring *ring = &s->ring[worker];
    if (ring->info == NULL || ring->info->count == 0)
        return false;
    *st = (struct stream){
        .record = ring->records, .count = (size_t)ring->info->count, .worker = (uint16_t)worker};
    st->time = calloc(st->count, sizeof(st->time[0]));
    if (st->time == NULL) {
        fprintf(stderr, "weft: out of memory\n");
        exit(2);
    }
    set_times(st, s, ring->info);
    spread(st);
    return true;
}

void timeline_build(struct timeline *t, const struct snap *s)
{
    struct stream *streams = calloc(WF_AREA_WORKERS_MAX, sizeof(streams[0]));
    struct steps steps = {0};
    memset(t, 0, sizeof(*t));
    t->first = INT64_MAX;
    for (unsigned i = 0; streams != NULL && i < WF_AREA_WORKERS_MAX; i++) {
        struct stream *st = &streams[i];
        if (!open_stream(st, s, i))
            continue;
        t->lost[i] = s->ring[i].info->lost;
        t->begin[i] = st->time[0];
        if (st->time[0] < t->first)
            t->first = st->time[0];
        if (st->time[st->count - 1] > t->last)
            t->last = st->time[st->count - 1];
        find_lives(t, s, st);
        find_causes(&steps, st);
    }
    if (t->life_count > 0)
        qsort(t->lives, t->life_count, sizeof(t->lives[0]), by_slot_and_time);
    for (unsigned i = 0; streams != NULL && i < WF_AREA_WORKERS_MAX; i++) {
        uint32_t on = i < s->workers ? wf_load_rlx(&s->blocks[i].task) : 0;
        find_spans(t, &steps, &streams[i], on);
        free(streams[i].time);
    }
    find_flows(t, &steps);
    free(steps.at);
    free(streams);
}

void timeline_free(struct timeline *t)
{
    free(t->spans);
    free(t->points);
    free(t->flows);
    free(t->lives);
    memset(t, 0, sizeof(*t));
}
