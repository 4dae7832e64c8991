/* SPDX-License-Identifier: Apache-2.0 */
/* steal_stress.c - storms of yields and spawns while all workers steal
 *
 * Each task counts its own turns in plain memory: a task that ran on two workers at once, or a turn
 * that was lost, shows in the sum (and in a race report of the thread sanitizer).
 */
#include <stdlib.h>

#include "tests/api/core_run.h"

enum { CROWD_MAX = 400 };

struct runner {
    uint64_t turns, want;
    unsigned moves;
    core_flag inside;
};

static intptr_t yield_storm(void *arg)
{
    struct runner *r = arg;
    unsigned last = wf_worker_index(wf_worker());
    while (r->turns < r->want) {
        CORE_CHECK(wf_add_acq(&r->inside, 1) == 0); /* nobody else is on this stack */
        r->turns++;
        CORE_CHECK(wf_sub_rel(&r->inside, 1) == 1);
        CORE_CHECK(weft_yield() == 0);
        unsigned here = wf_worker_index(wf_worker());
        r->moves += here != last;
        last = here;
    }
    return (intptr_t)r->turns;
}

static size_t crowd;
static uint64_t turns;

static intptr_t storm(void *arg)
{
    static struct runner r[CROWD_MAX];
    weft_task *t[CROWD_MAX];
    (void)arg;
    for (size_t i = 0; i < crowd; i++) {
        r[i] = (struct runner){.want = turns};
        t[i] = weft_spawn(yield_storm, &r[i]);
    }
    for (size_t i = 0; i < crowd; i++)
        ck_assert_int_eq(weft_await(t[i]), (intptr_t)turns);
    return 0;
}

static uint64_t stress_factor(void)
{
    const char *factor = getenv("WEFT_STRESS");
    wf_test_timeout(600);
    return factor != NULL ? strtoull(factor, NULL, 0) : 1;
}

TEST(no_turn_is_lost_in_a_storm_of_yields)
{
    crowd = core_fibers(CROWD_MAX);
    turns = wf_test_scale(5000) * stress_factor();
    for (unsigned workers = 1; workers <= 4; workers++)
        core_run(workers, storm);
}

/* ---- spawns that overflow the deque while thieves take from it ---- */

static WF_ATOMIC(uint64_t) runs;

static intptr_t count_run(void *arg)
{
    wf_add_rlx(&runs, 1);
    return (intptr_t)arg;
}

static intptr_t burst(void *arg)
{
    enum { BURST = 700 };
    weft_task *t[BURST];
    size_t first = (size_t)(intptr_t)arg;
    for (size_t i = 0; i < BURST; i++)
        t[i] = weft_spawn(count_run, (void *)i);
    if (first % 2 == 0)
        (void)weft_yield();
    for (size_t i = 0; i < BURST; i++) { /* forwards or backwards: the awaiter meets the thieves */
        size_t at = first % 3 == 0 ? BURST - 1 - i : i;
        CORE_CHECK(weft_await(t[at]) == (intptr_t)at);
    }
    return BURST;
}

static intptr_t bursts(void *arg)
{
    uint64_t rounds = wf_test_scale(300) * stress_factor();
    uint64_t expected = 0;
    (void)arg;
    wf_store_sc(&runs, 0);
    for (uint64_t i = 0; i < rounds; i++) {
        weft_task *t[3];
        intptr_t r[3];
        for (int k = 0; k < 3; k++)
            t[k] = weft_spawn(burst, (void *)(intptr_t)(i + (uint64_t)k));
        ck_assert_int_eq(weft_gather(t, 3, r), 0);
        for (int k = 0; k < 3; k++)
            expected += (uint64_t)r[k];
    }
    ck_assert_uint_eq(wf_load_sc(&runs), expected);
    return 0;
}

TEST(each_task_of_a_burst_runs_once)
{
    for (unsigned workers = 1; workers <= 4; workers++)
        core_run(workers, bursts);
}

/* ---- a chain of wakes that goes round through all workers ---- */

static intptr_t pass_on(void *arg)
{
    weft_chan **chan = arg;
    uint64_t token;
    int rc;
    while ((rc = weft_chan_recv(chan[0], &token)) == 0) {
        if (token == 0)
            break;
        token--;
        CORE_CHECK(weft_chan_send(chan[1], &token) == 0);
    }
    (void)weft_chan_close(chan[1]);
    return token == 0 || rc == -EPIPE ? 0 : rc;
}

static intptr_t ring(void *arg)
{
    enum { RING = 30 };
    weft_chan *chan[RING + 1];
    weft_task *t[RING];
    uint64_t token = wf_test_scale(100000) * stress_factor();
    (void)arg;
    for (int i = 0; i < RING; i++)
        ck_assert_int_eq(weft_chan_new(&chan[i], sizeof(token), i % 2 ? 0 : 1), 0);
    chan[RING] = chan[0];
    for (int i = 0; i < RING; i++)
        t[i] = weft_spawn(pass_on, &chan[i]);
    ck_assert_int_eq(weft_chan_send(chan[0], &token), 0);
    ck_assert_int_eq(weft_gather(t, RING, NULL), 0);
    for (int i = 0; i < RING; i++)
        weft_chan_unref(chan[i]);
    return 0;
}

TEST(a_token_goes_round_a_ring_of_tasks)
{
    for (unsigned workers = 1; workers <= 4; workers++)
        core_run(workers, ring);
}
