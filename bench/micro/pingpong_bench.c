/* SPDX-License-Identifier: Apache-2.0 */
/* pingpong_bench.c - ns for a word sent and sent back over two unbuffered channels */
#include "bench/micro/micro.h"

struct table {
    weft_chan *ping;
    weft_chan *pong;
};

/* Sends each word back, plus one, until the channel is closed. */
static intptr_t answer(void *arg)
{
    struct table *t = arg;
    uint64_t word;

    while (weft_chan_recv(t->ping, &word) == 0) {
        word++;
        if (weft_chan_send(t->pong, &word) != 0)
            break;
    }
    return 0;
}

static double work(const struct bench_options *o, struct bench_values *out)
{
    uint64_t count = bench_size(o, 2000000, 10000), word = 0, start;
    struct table t;
    weft_task *partner;
    double elapsed;

    if (weft_chan_new(&t.ping, sizeof(word), 0) != 0 ||
        weft_chan_new(&t.pong, sizeof(word), 0) != 0)
        bench_fail("weft_chan_new", 0);
    partner = micro_spawn(answer, &t);
    start = bench_now_ns();
    for (uint64_t i = 0; i < count; i++) {
        int rc = weft_chan_send(t.ping, &word);

        if (rc == 0)
            rc = weft_chan_recv(t.pong, &word);
        if (rc != 0)
            bench_fail("pingpong", rc);
    }
    elapsed = (double)(bench_now_ns() - start);
    weft_chan_close(t.ping);
    micro_await(partner);
    weft_chan_unref(t.ping);
    weft_chan_unref(t.pong);
    if (word != count)
        bench_fail("pingpong", 0);
    bench_hash(out, word);
    return elapsed / (double)count;
}

static int run(const struct bench_options *o, struct bench_values *out)
{
    return micro_run(o, out, "pingpong", "ns/round trip", work);
}

int main(int argc, char **argv)
{
    struct bench_options o = {.name = "pingpong"};

    bench_parse(&o, argc, argv);
    return bench_run(&o, run);
}
