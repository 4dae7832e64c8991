/* SPDX-License-Identifier: Apache-2.0 */
/* mpmc_bench.c - ns an item through one channel of 128 items, four senders and four receivers */
#include "bench/micro/micro.h"

enum { SENDERS = 4, RECEIVERS = 4, CAPACITY = 128 };

struct lane {
    weft_chan *chan;
    uint64_t first; /* senders: the words first, first + 1, ... */
    uint64_t count;
};

static intptr_t sender(void *arg)
{
    struct lane *l = arg;

    for (uint64_t i = 0; i < l->count; i++) {
        uint64_t word = l->first + i;
        int rc = weft_chan_send(l->chan, &word);

        if (rc != 0)
            return rc;
    }
    return 0;
}

static intptr_t receiver(void *arg)
{
    struct lane *l = arg;
    uint64_t sum = 0, word;

    while (weft_chan_recv(l->chan, &word) == 0) {
        sum += word;
        l->count++;
    }
    return (intptr_t)sum;
}

static double work(const struct bench_options *o, struct bench_values *out)
{
    uint64_t each = bench_size(o, 4000000, 20000) / SENDERS, total = each * SENDERS;
    struct lane senders[SENDERS], receivers[RECEIVERS];
    weft_task *sending[SENDERS], *receiving[RECEIVERS];
    uint64_t start, sum = 0, taken = 0;
    weft_chan *chan;
    double elapsed;

    if (weft_chan_new(&chan, sizeof(uint64_t), CAPACITY) != 0)
        bench_fail("weft_chan_new", 0);
    start = bench_now_ns();
    for (unsigned i = 0; i < RECEIVERS; i++) {
        receivers[i] = (struct lane){.chan = chan};
        receiving[i] = micro_spawn(receiver, &receivers[i]);
    }
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (struct lane){.chan = chan, .first = i * each, .count = each};
        sending[i] = micro_spawn(sender, &senders[i]);
    }
    for (unsigned i = 0; i < SENDERS; i++)
        micro_await(sending[i]);
    weft_chan_close(chan);
    for (unsigned i = 0; i < RECEIVERS; i++)
        sum += (uint64_t)micro_await(receiving[i]);
    elapsed = (double)(bench_now_ns() - start);
    for (unsigned i = 0; i < RECEIVERS; i++)
        taken += receivers[i].count;
    weft_chan_unref(chan);
    if (taken != total || sum != total * (total - 1) / 2)
        bench_fail("mpmc", 0);
    bench_hash(out, sum);
    return elapsed / (double)total;
}

static int run(const struct bench_options *o, struct bench_values *out)
{
    return micro_run(o, out, "mpmc", "ns/item", work);
}

int main(int argc, char **argv)
{
    struct bench_options o = {.name = "mpmc"};

    bench_parse(&o, argc, argv);
    return bench_run(&o, run);
}
