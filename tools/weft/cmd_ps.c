/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_ps.c - `weft ps`: workers and tasks, what each waits for and since when, with stacks
 *
 * A task that awaits another one in place stands on the same stack below it. Its own descriptor
 * says "on a CPU" all the while; whether that is so is known by the innermost task of that stack.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/trace/events.h"
#include "tools/weft/commands.h"

#define LIVE_QUEUED  1
#define LIVE_STARTED 2
#define LIVE_ENDED   3

#define PS_STACK_BYTES       (64u * 1024)
#define PS_STACK_BYTES_TOTAL (UINT64_C(1) << 30)

struct ps {
    struct snap s;
    struct symbols *y;
    bool stacks, json;
    size_t printed;
    /* for each task that another stands upon: {outer's address, inner task} sorted by address */
    struct inner {
        uint64_t outer;
        const struct wf_snap_task *task;
    } * inner;
    size_t inner_count;
};

static int by_outer(const void *a, const void *b)
{
    uint64_t x = ((const struct inner *)a)->outer;
    uint64_t y = ((const struct inner *)b)->outer;
    return x < y ? -1 : x > y;
}

static void find_inner(struct ps *ps)
{
    ps->inner = calloc(ps->s.task_count + 1, sizeof(ps->inner[0]));
    for (size_t i = 0; ps->inner != NULL && i < ps->s.task_count; i++) {
        const struct wf_snap_task *task = &ps->s.tasks[i];
        if (task->desc.live != LIVE_STARTED || task->desc.outer == NULL)
            continue;
        ps->inner[ps->inner_count++] = (struct inner){(uint64_t)(uintptr_t)task->desc.outer, task};
    }
    if (ps->inner_count > 0)
        qsort(ps->inner, ps->inner_count, sizeof(ps->inner[0]), by_outer);
}

/* The task that runs in place of an await of this one, on the same stack. */
static const struct wf_snap_task *inner_of(const struct ps *ps, const struct wf_snap_task *task)
{
    struct inner key = {.outer = task->addr};
    const struct inner *found = NULL;
    if (ps->inner_count > 0)
        found = bsearch(&key, ps->inner, ps->inner_count, sizeof(key), by_outer);
    if (found == NULL || found->task->desc.fiber != task->desc.fiber)
        return NULL;
    return found->task;
}

static const char *state_of(const struct ps *ps, const struct wf_snap_task *task)
{
    switch (task->desc.live) {
    case LIVE_QUEUED:
        return "queued";
    case LIVE_STARTED:
        if (inner_of(ps, task) != NULL)
            return wait_text(WF_WAIT_JOIN);
        return snap_task_running(task) ? "running" : wait_text(task->desc.wait_kind);
    case LIVE_ENDED:
        return "ended";
    default:
        return "?";
    }
}

/* What it waits for: another task, else an address. Empty when nothing. */
static void print_object(struct ps *ps, const struct wf_snap_task *task, char *buf, size_t size)
{
    const struct wf_snap_task *other = inner_of(ps, task);
    uint64_t obj = (uint64_t)(uintptr_t)task->desc.wait_obj;
    char label[32];
    buf[0] = '\0';
    if (task->desc.live != LIVE_STARTED)
        return;
    if (other == NULL && !snap_task_running(task) && task->desc.wait_kind == WF_WAIT_JOIN)
        other = snap_task_at(&ps->s, obj);
    if (other != NULL)
        snprintf(buf, size, "task %u %s", other->desc.index,
                 task_label(ps->y, &ps->s, other, label, sizeof(label)));
    else if (!snap_task_running(task) && obj != 0)
        snprintf(buf, size, "%#llx", (unsigned long long)obj);
}

/* How long it has been waiting; `since` is the time of the last park. */
static double age_ms(const struct ps *ps, const struct wf_snap_task *task)
{
    const struct wf_desc *d = &task->desc;
    bool parked = d->live == LIVE_STARTED && !snap_task_running(task) &&
                  d->wait_kind != WF_WAIT_YIELD && inner_of(ps, task) == NULL;
    int64_t ticks = (int64_t)(ps->s.header->tsc - d->since);
    return parked && d->since != 0 && ticks > 0 ? snap_ns(&ps->s, ticks) / 1e6 : 0;
}

static void print_stack(struct ps *ps, const struct wf_snap_task *task)
{
    const struct snap_stack *stack = snap_stack_of(&ps->s, task);
    struct stack_frame frames[SYMBOLS_FRAMES_MAX];
    bool whole = true;
    char text[512];
    size_t count = 0;
    if (stack != NULL && inner_of(ps, task) == NULL)
        count = symbols_unwind(ps->y, stack, frames, &whole);
    if (ps->json)
        printf(",\"stack\":[");
    for (size_t i = 0; i < count; i++) {
        symbols_describe(ps->y, frames[i], text, sizeof(text));
        if (!ps->json) {
            printf("           #%-2zu %s\n", i, text);
            continue;
        }
        printf(i == 0 ? "" : ",");
        print_json_string(stdout, text);
    }
    if (ps->json)
        printf("],\"stack_whole\":%s", whole ? "true" : "false");
    else if (!whole)
        printf("           ... (the rest of the stack was not collected)\n");
}

static void print_task_json(struct ps *ps, const struct wf_snap_task *task)
{
    const struct wf_desc *d = &task->desc;
    char buf[512];
    const char *reason = snap_string(&ps->s, (uint64_t)(uintptr_t)d->cancel_reason);
    printf("%s{\"task\":%u,\"gen\":%u,\"name\":", ps->printed == 0 ? "" : ",\n", d->index, d->gen);
    print_json_string(stdout, task_label(ps->y, &ps->s, task, buf, sizeof(buf)));
    printf(",\"state\":");
    print_json_string(stdout, state_of(ps, task));
    print_object(ps, task, buf, sizeof(buf));
    printf(",\"on\":");
    print_json_string(stdout, buf);
    printf(",\"worker\":%u,\"switches\":%u,\"for_ms\":%.3f,\"body\":", d->worker, d->switches,
           age_ms(ps, task));
    struct stack_frame body = {.pc = (uint64_t)(uintptr_t)d->fn};
    print_json_string(stdout, symbols_describe(ps->y, body, buf, sizeof(buf)));
    printf(",\"spawned_at\":");
    struct stack_frame site = {.pc = (uint64_t)(uintptr_t)d->spawn_pc, .call = true};
    print_json_string(stdout, symbols_describe(ps->y, site, buf, sizeof(buf)));
    printf(",\"cancel\":");
    print_json_string(stdout, reason == NULL ? "" : reason);
    if (ps->stacks)
        print_stack(ps, task);
    printf("}");
}

static void print_task(struct ps *ps, const struct wf_snap_task *task)
{
    const struct wf_desc *d = &task->desc;
    char label[32], object[256], site[512];
    struct stack_frame frame = {.pc = (uint64_t)(uintptr_t)d->spawn_pc, .call = true};
    print_object(ps, task, object, sizeof(object));
    printf("%8u  %-20s %-12s %10.1f %9u %3u  %-24s %s%s\n", d->index,
           task_label(ps->y, &ps->s, task, label, sizeof(label)), state_of(ps, task),
           age_ms(ps, task), d->switches, d->worker, object,
           d->spawn_pc == NULL ? "" : symbols_describe(ps->y, frame, site, sizeof(site)),
           d->cancel_reason == NULL ? "" : "  (cancelled)");
    if (ps->stacks)
        print_stack(ps, task);
}

static const char *worker_text(unsigned state)
{
    static const char *const texts[] = {"starting",  "running",  "polling",
                                        "searching", "sleeping", "stopped"};
    return state < sizeof(texts) / sizeof(texts[0]) ? texts[state] : "?";
}

static void print_workers(const struct ps *ps)
{
    const struct snap *s = &ps->s;
    if (ps->json)
        printf("{\"pid\":%u,\"workers\":[", s->header->pid);
    else
        printf("%8s  %-10s %8s %7s %9s %12s %10s %10s %10s\n", "WORKER", "STATE", "TASK", "QUEUED",
               "IN FLIGHT", "SWITCHES", "POLLS", "SLEEPS", "STEALS");
    for (unsigned i = 0; i < s->workers; i++) {
        const struct wf_worker_block *b = &s->blocks[i];
        unsigned task = wf_load_rlx(&b->task);
        const char *state = worker_text(task != 0 ? WF_WORKER_RUNNING : wf_load_rlx(&b->state));
        if (ps->json)
            printf("%s{\"tid\":%u,\"state\":\"%s\",\"task\":%u,\"queued\":%u,\"inflight\":%u,"
                   "\"switches\":%llu,\"polls\":%llu,\"sleeps\":%llu,\"steals\":%llu}",
                   i == 0 ? "" : ",", b->tid, state, task, b->queued, b->inflight,
                   (unsigned long long)b->switches, (unsigned long long)b->polls,
                   (unsigned long long)b->sleeps, (unsigned long long)b->steals);
        else
            printf("%8u  %-10s %8u %7u %9u %12llu %10llu %10llu %10llu\n", i, state, task,
                   b->queued, b->inflight, (unsigned long long)b->switches,
                   (unsigned long long)b->polls, (unsigned long long)b->sleeps,
                   (unsigned long long)b->steals);
    }
}

static void print_all(struct ps *ps)
{
    find_inner(ps);
    print_workers(ps);
    if (ps->json)
        printf("],\"tasks\":[\n");
    else
        printf("\n%8s  %-20s %-12s %10s %9s %3s  %-24s %s\n", "TASK", "NAME", "STATE", "FOR ms",
               "SWITCHES", "W", "WAITS FOR", "SPAWNED AT");
    for (size_t i = 0; i < ps->s.task_count; i++) {
        if (ps->json)
            print_task_json(ps, &ps->s.tasks[i]);
        else
            print_task(ps, &ps->s.tasks[i]);
        ps->printed++;
    }
    if (ps->json)
        printf("]}\n");
    free(ps->inner);
}

int cmd_ps(int argc, char **argv)
{
    static const struct wf_snapshot_options with_stacks = {
        .stack_bytes = PS_STACK_BYTES,
        .stack_bytes_total = PS_STACK_BYTES_TOTAL,
        .no_events = true,
    };
    static const struct wf_snapshot_options without = {.no_events = true};
    struct ps ps = {0};
    const char *source = NULL;
    bool bad = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--stacks") == 0)
            ps.stacks = true;
        else if (strcmp(argv[i], "--json") == 0)
            ps.json = true;
        else if (argv[i][0] == '-' || source != NULL)
            bad = true;
        else
            source = argv[i];
    }
    if (bad || source == NULL) {
        fprintf(stderr, "usage: weft ps PID|FILE.weft [--stacks] [--json]\n");
        return EXIT_USAGE;
    }
    int rc = snap_open(&ps.s, source, ps.stacks ? &with_stacks : &without);
    if (rc != 0)
        return exit_of(rc);
    ps.y = symbols_open(&ps.s);
    print_all(&ps);
    symbols_close(ps.y);
    snap_close(&ps.s);
    return EXIT_OK;
}
