/* SPDX-License-Identifier: Apache-2.0 */
/* skynet_bench.c - a tree of tasks, ten children each, a million leaves that are summed up */
#include "bench/micro/micro.h"

enum { CHILDREN = 10 };

struct range {
    uint64_t first;
    uint64_t size; /* leaves below */
};

static intptr_t node(void *arg)
{
    const struct range *r = arg;
    struct range parts[CHILDREN];
    weft_task *tasks[CHILDREN];
    uint64_t sum = 0;

    if (r->size == 1)
        return (intptr_t)r->first;
    for (unsigned i = 0; i < CHILDREN; i++) {
        parts[i].size = r->size / CHILDREN;
        parts[i].first = r->first + i * parts[i].size;
        tasks[i] = micro_spawn(node, &parts[i]);
    }
    for (unsigned i = 0; i < CHILDREN; i++)
        sum += (uint64_t)micro_await(tasks[i]);
    return (intptr_t)sum;
}

static double work(const struct bench_options *o, struct bench_values *out)
{
    struct range all = {.size = bench_size(o, 1000000, 10000)};
    uint64_t start = bench_now_ns();
    uint64_t sum = (uint64_t)micro_await(micro_spawn(node, &all));
    double elapsed = (double)(bench_now_ns() - start);

    if (sum != all.size * (all.size - 1) / 2)
        bench_fail("skynet", 0);
    bench_hash(out, sum);
    return elapsed / 1e6;
}

static int run(const struct bench_options *o, struct bench_values *out)
{
    int rc = micro_run(o, out, "skynet", "ms", work);

    bench_put(out, "peak_memory", "MB", bench_peak_mb());
    return rc;
}

int main(int argc, char **argv)
{
    struct bench_options o = {.name = "skynet", .warm_mb = 100};

    bench_parse(&o, argc, argv);
    return bench_run(&o, run);
}
