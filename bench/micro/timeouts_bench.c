/* SPDX-License-Identifier: Apache-2.0 */
/* timeouts_bench.c - ns of a wait_for whose limit never comes: body ready, body yields once */
#include "bench/micro/micro.h"

static intptr_t ready(void *arg)
{
    return (intptr_t)arg;
}

static intptr_t yielding(void *arg)
{
    int rc = weft_yield();

    return rc < 0 ? rc : (intptr_t)arg;
}

static double repeat(const struct bench_options *o, struct bench_values *out, weft_fn fn)
{
    uint64_t count = bench_size(o, 1000000, 10000), start = bench_now_ns();
    uint64_t sum = 0;
    double elapsed;

    for (uint64_t i = 0; i < count; i++) {
        intptr_t result = weft_wait_for(fn, (void *)(uintptr_t)i, WEFT_SEC(60));

        if (WEFT_FAILED(result))
            bench_fail("weft_wait_for", result);
        sum += (uint64_t)result;
    }
    elapsed = (double)(bench_now_ns() - start);
    if (sum != count * (count - 1) / 2)
        bench_fail("timeouts", 0);
    bench_hash(out, sum);
    return elapsed / (double)count;
}

static double work_ready(const struct bench_options *o, struct bench_values *out)
{
    return repeat(o, out, ready);
}

static double work_yielding(const struct bench_options *o, struct bench_values *out)
{
    return repeat(o, out, yielding);
}

static int run_ready(const struct bench_options *o, struct bench_values *out)
{
    return micro_run(o, out, "timeout_ready", "ns/call", work_ready);
}

static int run_yielding(const struct bench_options *o, struct bench_values *out)
{
    return micro_run(o, out, "timeout_yields", "ns/call", work_yielding);
}

int main(int argc, char **argv)
{
    struct bench_options o = {.name = "timeouts"};
    int rc;

    bench_parse(&o, argc, argv);
    rc = bench_run(&o, run_ready);
    return rc != 0 ? rc : bench_run(&o, run_yielding);
}
