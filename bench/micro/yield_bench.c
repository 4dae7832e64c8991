/* SPDX-License-Identifier: Apache-2.0 */
/* yield_bench.c - ns a switch of two tasks that yield to each other, beside the bare switch */
#include "bench/micro/micro.h"
#include "bench/micro/raw_ring.h"

enum { TASKS = 2 };

static intptr_t yielder(void *arg)
{
    const uint64_t *count = arg;

    for (uint64_t i = 0; i < *count; i++) {
        int rc = weft_yield();

        if (rc != 0)
            return rc;
    }
    return (intptr_t)*count;
}

static double work(const struct bench_options *o, struct bench_values *out)
{
    uint64_t count = bench_size(o, 10000000, 50000), start = bench_now_ns(), sum = 0;
    weft_task *tasks[TASKS];
    double elapsed;

    for (unsigned i = 0; i < TASKS; i++)
        tasks[i] = micro_spawn(yielder, &count);
    for (unsigned i = 0; i < TASKS; i++)
        sum += (uint64_t)micro_await(tasks[i]);
    elapsed = (double)(bench_now_ns() - start);
    bench_hash(out, sum);
    return elapsed / (double)sum;
}

/* The bare switch is measured on both sides of the runtime's, in the same process; both in CPU
 * time, so that their ratio holds on a busy machine too. */
static int run(const struct bench_options *o, struct bench_values *out)
{
    uint64_t switches = bench_size(o, 10000000, 50000);
    double before = raw_ring_ns(TASKS, switches), after;
    int rc = micro_run(o, out, "yield", "ns/switch", work);

    after = raw_ring_ns(TASKS, switches);
    if (rc != 0 || before < 0 || after < 0)
        return rc != 0 ? rc : -1;
    if (o->pairs == 0) {
        bench_put(out, "raw_switch", "ns/switch", (before + after) / 2);
        bench_put(out, "yield_to_raw", "ratio",
                  bench_get(out, "in_cpu_time") * 2 / (before + after));
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct bench_options o = {.name = "yield"};

    bench_parse(&o, argc, argv);
    return bench_run(&o, run);
}
