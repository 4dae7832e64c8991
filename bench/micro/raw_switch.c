/* SPDX-License-Identifier: Apache-2.0 */
/* raw_switch.c - ns of a bare context switch in rings of 2, 32 and 1000 fibers */
#include "bench/micro/raw_ring.h"
#include "bench/support/bench.h"

static const struct {
    unsigned fibers;
    const char *metric;
} rings[] = {{2, "raw_switch_2"}, {32, "raw_switch_32"}, {1000, "raw_switch_1000"}};

static int run(const struct bench_options *o, struct bench_values *out)
{
    uint64_t switches = bench_size(o, 20000000, 100000);

    for (unsigned i = 0; i < sizeof(rings) / sizeof(rings[0]); i++) {
        double ns = raw_ring_ns(rings[i].fibers, switches);

        if (ns < 0)
            return -1;
        bench_put(out, rings[i].metric, "ns/switch", ns);
        bench_hash(out, rings[i].fibers * switches);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct bench_options o = {.name = "raw_switch"};

    bench_parse(&o, argc, argv);
    return bench_run(&o, run);
}
