/* SPDX-License-Identifier: Apache-2.0 */
/* spawn_await_bench.c - ns to spawn a task that does nothing and to await it at once */
#include "bench/micro/micro.h"

static intptr_t echo_argument(void *arg)
{
    return (intptr_t)arg;
}

static double work(const struct bench_options *o, struct bench_values *out)
{
    uint64_t count = bench_size(o, 2000000, 20000), start = bench_now_ns();
    uint64_t sum = 0;
    double elapsed;

    for (uint64_t i = 0; i < count; i++)
        sum += (uint64_t)micro_await(micro_spawn(echo_argument, (void *)(uintptr_t)i));
    elapsed = (double)(bench_now_ns() - start);
    if (sum != count * (count - 1) / 2)
        bench_fail("spawn_await", 0);
    bench_hash(out, sum);
    return elapsed / (double)count;
}

static int run(const struct bench_options *o, struct bench_values *out)
{
    return micro_run(o, out, "spawn_await", "ns/task", work);
}

int main(int argc, char **argv)
{
    struct bench_options o = {.name = "spawn_await"};

    bench_parse(&o, argc, argv);
    return bench_run(&o, run);
}
