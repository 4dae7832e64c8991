/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_trace2json.c - `weft trace2json`: a snapshot as Chrome trace events
 *
 * Process 1 has a track per worker: complete slices ("X"), strictly nested. With --tasks, process 2
 * has a track per task slot with its running and waiting times. Arrows ("s", "f") go from a spawn
 * or wake to the run that it caused. Times are microseconds since the runtime started.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/trace/events.h"
#include "tools/weft/commands.h"
#include "tools/weft/timeline.h"

#define PID_WORKERS    1
#define PID_TASKS      2
#define MAX_MB_DEFAULT 200

struct json {
    FILE *out;
    struct snap s;
    struct symbols *y;
    struct timeline t;
    bool tasks;
    bool first;
    bool cut;
    long long max_bytes;
    const struct wf_snap_task **by_slot; /* descriptor of each slot, by index */
    size_t slots;
    int64_t *exited; /* last EXIT of each slot, INT64_MIN: none */
};

/* ---- names ---- */

static void index_slots(struct json *j)
{
    for (size_t i = 0; i < j->s.task_count; i++) {
        if (j->s.tasks[i].desc.index >= j->slots)
            j->slots = j->s.tasks[i].desc.index + (size_t)1;
    }
    j->by_slot = calloc(j->slots + 1, sizeof(j->by_slot[0]));
    j->exited = malloc((j->slots + 1) * sizeof(j->exited[0]));
    if (j->by_slot == NULL || j->exited == NULL) {
        fprintf(stderr, "weft: out of memory\n");
        exit(EXIT_USAGE);
    }
    for (size_t i = 0; i < j->slots; i++)
        j->exited[i] = INT64_MIN;
    for (size_t i = 0; i < j->s.task_count; i++)
        j->by_slot[j->s.tasks[i].desc.index] = &j->s.tasks[i];
    for (size_t i = 0; i < j->t.span_count; i++) {
        const struct span *span = &j->t.spans[i];
        if (span->kind == SPAN_TASK && span->ended_by == WF_EV_EXIT && span->task < j->slots &&
            span->end > j->exited[span->task])
            j->exited[span->task] = span->end;
    }
}

/*
 * A slot's descriptor tells of its present task only. It is the one of a span if the slot was not
 * spawned again and the task did not end since; older ones are known by what their SPAWN said.
 */
static const char *label_of(struct json *j, const struct span *span, char *buf, size_t size)
{
    bool newest;
    const struct life *life = timeline_life(&j->t, span->task, span->start, &newest);
    const struct wf_snap_task *task = span->task < j->slots ? j->by_slot[span->task] : NULL;
    if (task != NULL && newest && (task->desc.live == 3 || j->exited[span->task] < span->start))
        return task_label(j->y, &j->s, task, buf, size);
    const char *body = life == NULL ? NULL : symbols_function(j->y, life->fn, NULL);
    if (body != NULL)
        return body;
    snprintf(buf, size, "task %u", span->task);
    return buf;
}

static const char *event_text(unsigned type)
{
    static const char *const texts[] = {
#define EVENT_TEXT(name, level, text, aux, arg) text,
        WF_EVENTS(EVENT_TEXT)
#undef EVENT_TEXT
    };
    return type < WF_EV_COUNT ? texts[type] : "?";
}

/* ---- events ---- */

/* Opens one event up to its name; the caller adds what is left and closes it. False: no more
 * room. */
static bool begin_event(struct json *j, const char *phase, int pid, unsigned tid, int64_t ns,
                        const char *name)
{
    if (j->cut)
        return false;
    if ((long long)ftello(j->out) > j->max_bytes) {
        j->cut = true;
        return false;
    }
    fprintf(j->out,
            "%s{\"ph\":\"%s\",\"pid\":%d,\"tid\":%u,\"ts\":%.3f,\"name\":", j->first ? "" : ",\n",
            phase, pid, tid, (double)ns / 1e3);
    j->first = false;
    print_json_string(j->out, name);
    return true;
}

__attribute__((format(printf, 2, 3))) static void end_event(struct json *j, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(j->out, format, arguments);
    va_end(arguments);
    putc('}', j->out);
}

static void put_name(struct json *j, int pid, unsigned tid, const char *what, const char *name)
{
    if (!begin_event(j, "M", pid, tid, 0, what))
        return;
    fprintf(j->out, ",\"args\":{\"name\":");
    print_json_string(j->out, name);
    end_event(j, "}");
}

static unsigned track_of(uint16_t worker)
{
    return worker + 1u; /* viewers take 0 for "no thread" */
}

static void put_metadata(struct json *j)
{
    char text[128];
    snprintf(text, sizeof(text), "weft %.*s, pid %u", (int)sizeof(j->s.control->lib_version),
             j->s.control->lib_version, j->s.header->pid);
    put_name(j, PID_WORKERS, 0, "process_name", text);
    for (unsigned i = 0; i < j->s.workers; i++) {
        snprintf(text, sizeof(text), "worker %u (tid %u)", i, j->s.blocks[i].tid);
        put_name(j, PID_WORKERS, track_of((uint16_t)i), "thread_name", text);
        if (begin_event(j, "M", PID_WORKERS, track_of((uint16_t)i), 0, "thread_sort_index"))
            end_event(j, ",\"args\":{\"sort_index\":%u}", i);
        if (j->t.lost[i] > 0 &&
            begin_event(j, "i", PID_WORKERS, track_of((uint16_t)i), j->t.begin[i], "LOST"))
            end_event(j, ",\"s\":\"t\",\"cat\":\"lost\",\"args\":{\"records before this\":%llu}",
                      (unsigned long long)j->t.lost[i]);
    }
}

static void put_span(struct json *j, const struct span *span)
{
    static const char *const names[] = {"", "poll", "sleep", "search"};
    char buf[64];
    bool task = span->kind == SPAN_TASK;
    const char *name = task ? label_of(j, span, buf, sizeof(buf)) : names[span->kind];
    if (!begin_event(j, "X", PID_WORKERS, track_of(span->worker), span->start, name))
        return;
    fprintf(j->out, ",\"dur\":%.3f", (double)(span->end - span->start) / 1e3);
    if (!task)
        end_event(j, ",\"cat\":\"loop\",\"args\":{\"completions\":%u}", span->arg);
    else if (span->ended_by == WF_EV_SUSPEND)
        end_event(j, ",\"cat\":\"task\",\"args\":{\"task\":%u,\"then\":\"wait\",\"for\":\"%s\"}",
                  span->task, wait_text(span->aux));
    else
        end_event(j, ",\"cat\":\"task\",\"args\":{\"task\":%u,\"then\":\"%s\"}", span->task,
                  span->ended_by == WF_EV_NONE ? "" : event_text(span->ended_by));
}

static void put_point(struct json *j, const struct point *p)
{
    const char *name = p->type == WF_EV_MARK ? snap_string(&j->s, p->name) : NULL;
    bool mark = name != NULL;
    if (!mark)
        name = event_text(p->type);
    if (begin_event(j, "i", PID_WORKERS, track_of(p->worker), p->time, name))
        end_event(j, ",\"s\":\"t\",\"cat\":\"%s\",\"args\":{\"task\":%u,\"%s\":%u,\"aux\":%u}",
                  mark ? "mark" : "event", p->task, mark ? "value" : "arg", p->arg, p->aux);
}

static void put_flow(struct json *j, const struct flow *f, size_t id)
{
    const char *name = f->spawn ? "spawn" : "wake";
    if (begin_event(j, "s", PID_WORKERS, track_of(f->worker_from), f->time_from, name))
        end_event(j, ",\"cat\":\"flow\",\"id\":%zu", id);
    if (begin_event(j, "f", PID_WORKERS, track_of(f->worker_to), f->time_to, name))
        end_event(j, ",\"cat\":\"flow\",\"id\":%zu,\"bp\":\"e\"", id);
}

/* ---- tracks of tasks ---- */

static int by_task_and_start(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    if (x->task != y->task)
        return x->task < y->task ? -1 : 1;
    return x->start < y->start ? -1 : x->start > y->start;
}

static void put_task_span(struct json *j, const struct span *span, int64_t start, const char *label)
{
    if (!begin_event(j, "X", PID_TASKS, span->task, start, label))
        return;
    int64_t length = span->end > start ? span->end - start : 0;
    end_event(j, ",\"dur\":%.3f,\"cat\":\"run\",\"args\":{\"worker\":%u}", (double)length / 1e3,
              span->worker);
}

/* Spans of one task come from several workers, whose clocks were read at different moments: they
 * are clipped so that the track stays in order. What follows a span up to the next is the wait. */
static void put_task_tracks(struct json *j)
{
    struct span *spans = j->t.spans;
    size_t n = j->t.span_count;
    char buf[64];
    if (n > 0)
        qsort(spans, n, sizeof(spans[0]), by_task_and_start);
    put_name(j, PID_TASKS, 0, "process_name", "tasks");
    int64_t clock = 0;
    for (size_t i = 0; i < n; i++) {
        struct span *span = &spans[i];
        if (span->kind != SPAN_TASK)
            continue;
        if (i == 0 || spans[i - 1].task != span->task) {
            snprintf(buf, sizeof(buf), "slot %u", span->task);
            put_name(j, PID_TASKS, span->task, "thread_name", buf);
            clock = INT64_MIN;
        }
        int64_t start = span->start > clock ? span->start : clock;
        put_task_span(j, span, start, label_of(j, span, buf, sizeof(buf)));
        clock = span->end > start ? span->end : start;
        bool waits = span->ended_by == WF_EV_SUSPEND && i + 1 < n &&
                     spans[i + 1].task == span->task && spans[i + 1].start > clock;
        if (!waits || !begin_event(j, "X", PID_TASKS, span->task, clock, wait_text(span->aux)))
            continue;
        end_event(j, ",\"dur\":%.3f,\"cat\":\"wait\"", (double)(spans[i + 1].start - clock) / 1e3);
    }
}

/* ---- all ---- */

static void put_all(struct json *j)
{
    timeline_build(&j->t, &j->s);
    index_slots(j);
    fprintf(j->out, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n");
    j->first = true;
    put_metadata(j);
    for (size_t i = 0; i < j->t.span_count; i++)
        put_span(j, &j->t.spans[i]);
    for (size_t i = 0; i < j->t.point_count; i++)
        put_point(j, &j->t.points[i]);
    for (size_t i = 0; i < j->t.flow_count; i++)
        put_flow(j, &j->t.flows[i], i + 1);
    if (j->tasks)
        put_task_tracks(j);
    uint64_t lost = 0;
    for (unsigned i = 0; i < WF_AREA_WORKERS_MAX; i++)
        lost += j->t.lost[i];
    fprintf(j->out,
            "\n],\"otherData\":{\"pid\":%u,\"tsc_hz\":%llu,\"monotonic_ns_at_0\":%llu,"
            "\"lost_records\":%llu,\"cut\":%s,"
            "\"note\":\"records between two clock readings are spread evenly\"}}\n",
            j->s.header->pid, (unsigned long long)j->s.tsc_hz,
            (unsigned long long)j->s.control->mono0, (unsigned long long)lost,
            j->cut ? "true" : "false");
    free(j->by_slot);
    free(j->exited);
    timeline_free(&j->t);
}

static int convert(struct json *j, const char *source, const char *to)
{
    static const struct wf_snapshot_options options = {0};
    int rc = snap_open(&j->s, source, &options);
    if (rc != 0)
        return exit_of(rc);
    j->out = to == NULL ? stdout : fopen(to, "we");
    if (j->out == NULL) {
        fprintf(stderr, "weft: %s: %s\n", to, strerror(errno));
        snap_close(&j->s);
        return EXIT_USAGE;
    }
    j->y = symbols_open(&j->s);
    put_all(j);
    symbols_close(j->y);
    snap_close(&j->s);
    int code = EXIT_OK;
    if (fflush(j->out) != 0 || ferror(j->out)) {
        fprintf(stderr, "weft: %s: %s\n", to == NULL ? "output" : to, strerror(errno));
        code = EXIT_USAGE;
    } else if (j->cut) {
        fprintf(stderr, "weft: cut off at %lld MB, see --max-mb\n", j->max_bytes >> 20);
        code = EXIT_FOUND;
    }
    if (to != NULL)
        fclose(j->out);
    return code;
}

int cmd_trace2json(int argc, char **argv)
{
    struct json j = {.max_bytes = (long long)MAX_MB_DEFAULT << 20};
    const char *source = NULL, *to = NULL;
    bool bad = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--tasks") == 0)
            j.tasks = true;
        else if (strcmp(argv[i], "-o") == 0 && i + 1 < argc)
            to = argv[++i];
        else if (strcmp(argv[i], "--max-mb") == 0 && i + 1 < argc)
            j.max_bytes = strtoll(argv[++i], NULL, 10) << 20;
        else if (argv[i][0] == '-' || source != NULL)
            bad = true;
        else
            source = argv[i];
    }
    if (bad || source == NULL || j.max_bytes <= 0) {
        fprintf(stderr, "usage: weft trace2json FILE.weft|PID [-o FILE] [--tasks] [--max-mb N]\n");
        return EXIT_USAGE;
    }
    return convert(&j, source, to);
}
