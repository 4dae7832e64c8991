/* SPDX-License-Identifier: Apache-2.0 */
/* micro.c - runs work inside the runtime: once, or in pairs with the recorder on and off */
#include "bench/micro/micro.h"

#include <stdio.h>

enum { LEVEL_OFF = -1, LEVEL_ON = 1 };

struct job {
    const struct bench_options *o;
    struct bench_values *out;
    const char *metric;
    const char *unit;
    micro_fn work;
};

weft_task *micro_spawn(weft_fn fn, void *arg)
{
    weft_task *task = weft_spawn(fn, arg);

    if (task == NULL)
        bench_fail("weft_spawn", weft_await(NULL));
    return task;
}

intptr_t micro_await(weft_task *task)
{
    intptr_t result = weft_await(task);

    if (WEFT_FAILED(result))
        bench_fail("weft_await", result);
    return result;
}

/* The work once; *share: processor time it had per second. */
static double measure(const struct job *job, struct bench_values *out, double *share)
{
    struct bench_usage before = bench_usage_self(), after;
    uint64_t start = bench_now_ns();
    double value = job->work(job->o, out), wall = (double)(bench_now_ns() - start) / 1e9;

    after = bench_usage_self();
    *share = (after.user_s + after.sys_s - before.user_s - before.sys_s) / wall;
    return value;
}

/* With one worker in CPU time, which other programs on the machine do not change. */
static double measure_at(const struct job *job, int level)
{
    int rc = weft_trace_level(level);
    double share, value;

    if (rc < -1)
        bench_fail("weft_trace_level", rc);
    value = measure(job, NULL, &share);
    return job->o->workers == 1 ? value * share : value;
}

static void compare_levels(const struct job *job)
{
    static double ratios[BENCH_RUNS_MAX], off_values[BENCH_RUNS_MAX];
    unsigned pairs = job->o->pairs < BENCH_RUNS_MAX ? job->o->pairs : BENCH_RUNS_MAX;

    measure_at(job, LEVEL_ON); /* first touches belong to neither side */
    for (unsigned i = 0; i < pairs; i++) {
        int first = i % 2 == 0 ? LEVEL_ON : LEVEL_OFF; /* drift hits both sides alike */
        int second = first == LEVEL_ON ? LEVEL_OFF : LEVEL_ON;
        double a = measure_at(job, first), b = measure_at(job, second);

        ratios[i] = first == LEVEL_ON ? a / b : b / a;
        off_values[i] = first == LEVEL_ON ? b : a;
    }
    bench_put(job->out, "recorder_cost", "%", (bench_median(ratios, pairs) - 1) * 100);
    bench_put(job->out, "recorder_off", job->unit, bench_median(off_values, pairs));
}

/*
 * Beside the metric: the share of a processor that the run had, and the metric in CPU time. With
 * one worker, which never sleeps in these benches, the latter is what the metric would be on an
 * idle machine.
 */
static void measure_once(const struct job *job)
{
    double share, value = measure(job, job->out, &share);

    bench_put(job->out, job->metric, job->unit, value);
    bench_put(job->out, "processors", "busy", share);
    bench_put(job->out, "in_cpu_time", job->unit, value * share);
}

static intptr_t body(void *arg)
{
    const struct job *job = arg;

    if (job->o->pairs > 0)
        compare_levels(job);
    else
        measure_once(job);
    return 0;
}

int micro_run(const struct bench_options *o, struct bench_values *out, const char *metric,
              const char *unit, micro_fn work)
{
    struct job job = {.o = o, .out = out, .metric = metric, .unit = unit, .work = work};
    struct weft_options options = {.size = sizeof(options), .workers = o->workers, .quiet = 1};
    intptr_t rc = weft_run(body, &job, &options);

    if (WEFT_FAILED(rc)) {
        fprintf(stderr, "weft_run: %s (%s)\n", weft_strerror((int)rc), weft_driver_reason());
        return (int)rc;
    }
    return 0;
}
