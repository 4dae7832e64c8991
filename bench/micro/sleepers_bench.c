/* SPDX-License-Identifier: Apache-2.0 */
/* sleepers_bench.c - a million tasks that sleep ten seconds: wall time, CPU time, peak memory */
#include <stdlib.h>

#include "bench/micro/micro.h"

static weft_ns duration;

static intptr_t sleeper(void *arg)
{
    int rc = weft_sleep(duration);

    return rc < 0 ? rc : (intptr_t)arg;
}

/* In pairs the CPU time is compared: of the wall time most is slept. */
static double work(const struct bench_options *o, struct bench_values *out)
{
    struct bench_usage before = bench_usage_self(), after;
    uint64_t count = bench_size(o, 1000000, 20000), start, sum = 0;
    weft_task **tasks = malloc(count * sizeof(weft_task *));
    double elapsed;

    if (tasks == NULL)
        bench_fail("malloc", 0);
    duration = o->small ? WEFT_MSEC(200) : WEFT_SEC(10);
    start = bench_now_ns();
    for (uint64_t i = 0; i < count; i++)
        tasks[i] = micro_spawn(sleeper, (void *)(uintptr_t)i);
    for (uint64_t i = 0; i < count; i++)
        sum += (uint64_t)micro_await(tasks[i]);
    elapsed = (double)(bench_now_ns() - start);
    free(tasks);
    if (sum != count * (count - 1) / 2 || elapsed < (double)duration)
        bench_fail("sleepers", 0);
    bench_hash(out, sum);
    after = bench_usage_self();
    return o->pairs == 0 ? elapsed / 1e9
                         : after.user_s + after.sys_s - before.user_s - before.sys_s;
}

static int run(const struct bench_options *o, struct bench_values *out)
{
    struct bench_usage before = bench_usage_self(), after;
    int rc = micro_run(o, out, "wall", "s", work);

    after = bench_usage_self();
    bench_put(out, "cpu", "s", after.user_s + after.sys_s - before.user_s - before.sys_s);
    bench_put(out, "cpu_user", "s", after.user_s - before.user_s);
    bench_put(out, "peak_memory", "MB", bench_peak_mb());
    return rc;
}

int main(int argc, char **argv)
{
    struct bench_options o = {.name = "sleepers", .warm_mb = 4800, .workers = 2, .runs = 1};

    bench_parse(&o, argc, argv);
    return bench_run(&o, run);
}
