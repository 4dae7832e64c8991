/* SPDX-License-Identifier: Apache-2.0 */
/* spawn_many_bench.c - ns a task to spawn a million tasks and then await them all; peak memory */
#include <stdlib.h>

#include "bench/micro/micro.h"

static intptr_t echo_argument(void *arg)
{
    return (intptr_t)arg;
}

static double work(const struct bench_options *o, struct bench_values *out)
{
    uint64_t count = bench_size(o, 1000000, 20000), start, sum = 0;
    weft_task **tasks = malloc(count * sizeof(weft_task *));
    double elapsed;

    if (tasks == NULL)
        bench_fail("malloc", 0);
    start = bench_now_ns();
    for (uint64_t i = 0; i < count; i++)
        tasks[i] = micro_spawn(echo_argument, (void *)(uintptr_t)i);
    for (uint64_t i = 0; i < count; i++)
        sum += (uint64_t)micro_await(tasks[i]);
    elapsed = (double)(bench_now_ns() - start);
    free(tasks);
    if (sum != count * (count - 1) / 2)
        bench_fail("spawn_many", 0);
    bench_hash(out, sum);
    return elapsed / (double)count;
}

static int run(const struct bench_options *o, struct bench_values *out)
{
    int rc = micro_run(o, out, "spawn_many", "ns/task", work);

    bench_put(out, "peak_memory", "MB", bench_peak_mb());
    return rc;
}

int main(int argc, char **argv)
{
    struct bench_options o = {.name = "spawn_many", .warm_mb = 400};

    bench_parse(&o, argc, argv);
    return bench_run(&o, run);
}
