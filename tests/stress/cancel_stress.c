/* SPDX-License-Identifier: Apache-2.0 */
/* cancel_stress.c - crowds of tasks cancelled in the same instant, from tasks and from threads
 *
 * The victims sleep, wait on a channel, await, gather or yield. Each must end, once, and the
 * run must end: a lost cancel is a hang that the watchdog reports.
 */
#include <stdlib.h>

#include "runtime/base/rng.h"
#include "tests/api/core_run.h"

enum { CROWD_MAX = 10000 };

static weft_chan *chan;
static core_flag ends;
static weft_task *task[CROWD_MAX];
static size_t crowd;

static intptr_t victim(void *arg)
{
    intptr_t rc;
    switch ((uintptr_t)arg % 5) {
    case 0:
        rc = weft_sleep(WEFT_NEVER);
        break;
    case 1:
        rc = weft_chan_recv(chan, NULL);
        break;
    case 2:
        rc = weft_await(weft_spawn(core_sleep_forever, NULL));
        break;
    case 3: {
        weft_task *two[2] = {weft_spawn(core_sleep_forever, NULL),
                             weft_spawn(core_sleep_forever, NULL)};
        rc = weft_gather(two, 2, NULL);
        break;
    }
    default:
        while ((rc = weft_sleep(WEFT_MSEC(5))) == 0)
            ;
        break;
    }
    wf_add_rlx(&ends, 1);
    return rc;
}

static void gather_the_crowd(uint64_t seed)
{
    struct wf_rng rng;
    wf_rng_seed(&rng, seed);
    wf_store_sc(&ends, 0);
    for (size_t i = 0; i < crowd; i++)
        CORE_CHECK((task[i] = weft_spawn(victim, (void *)(wf_rng_next(&rng) >> 1))) != NULL);
}

static void count_ends(void)
{
    uint32_t begun = 0;
    for (size_t i = 0; i < crowd; i++)
        begun += weft_await(task[i]) == -ECANCELED;
    ck_assert_uint_eq(begun, crowd);
    ck_assert_uint_le(wf_load_acq(&ends), crowd); /* some had not begun */
}

static intptr_t cancel_all(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < crowd; i++)
        CORE_CHECK(weft_cancel(task[i], "stress") == 0);
    return 0;
}

/* One by one from the main task, and from a plain thread and a task at the same time. */
static intptr_t cancel_one_by_one(void *arg)
{
    gather_the_crowd(*(uint64_t *)arg);
    for (int i = 0; i < 100; i++)
        (void)weft_yield();
    (void)cancel_all(NULL);
    count_ends();
    gather_the_crowd(*(uint64_t *)arg + 1);
    weft_task *t = weft_spawn(cancel_all, NULL);
    ck_assert_int_eq(core_on_thread(cancel_all, NULL), 0);
    ck_assert_int_eq(weft_await(t), 0);
    count_ends();
    return 0;
}

static intptr_t stop_the_scope(void *arg)
{
    int result = 1;
    size_t parked = 0;
    WEFT_SCOPE(s, .result = &result) {
        gather_the_crowd(*(uint64_t *)arg);
        for (int i = 0; i < 200; i++)
            (void)weft_yield();
        for (size_t i = 0; i < crowd; i++)
            parked += (wf_load_acq(&((struct wf_task *)task[i])->state) & WF_TS_WAITING) != 0;
        ck_assert_int_eq(weft_scope_stop(s), 0);
    }
    ck_assert_int_eq(result, 0);
    ck_assert_uint_ge(wf_load_acq(&ends), parked);
    return 0;
}

static intptr_t expire_together(void *arg)
{
    int rc, result = 1;
    WEFT_TIMEOUT(rc, WEFT_MSEC(30)) {
        WEFT_SCOPE(s, .result = &result)
            gather_the_crowd(*(uint64_t *)arg);
    }
    ck_assert_int_eq(rc, -ETIMEDOUT);
    ck_assert_int_eq(result, -ECANCELED);
    return 0;
}

/* Every task has a deadline of its own, the same for all. */
static intptr_t own_deadline(void *arg)
{
    int rc;
    WEFT_TIMEOUT(rc, *(weft_deadline *)arg - weft_now())
        CORE_CHECK(weft_sleep(WEFT_NEVER) == -ECANCELED);
    CORE_CHECK(rc == -ETIMEDOUT);
    CORE_CHECK(weft_now() >= *(weft_deadline *)arg);
    wf_add_rlx(&ends, 1);
    return 0;
}

static intptr_t expire_one_by_one(void *arg)
{
    weft_deadline when = weft_now() + WEFT_MSEC(50);
    (void)arg;
    wf_store_sc(&ends, 0);
    for (size_t i = 0; i < crowd; i++)
        CORE_CHECK((task[i] = weft_spawn(own_deadline, &when)) != NULL);
    ck_assert_int_eq(weft_gather(task, crowd, NULL), 0);
    ck_assert_uint_eq(wf_load_acq(&ends), crowd);
    return 0;
}

static void with_all_workers(weft_fn body, size_t fibers_each)
{
    uint64_t seed = wf_test_seed();
    const char *factor = getenv("WEFT_STRESS");
    size_t rounds = factor != NULL ? strtoull(factor, NULL, 0) : 1;
    crowd = core_fibers(CROWD_MAX) / fibers_each;
    wf_test_timeout(600);
    ck_assert_int_eq(weft_chan_new(&chan, 0, 0), 0);
    for (size_t round = 0; round < rounds; round++) {
        for (unsigned workers = 1; workers <= 4; workers++) {
            struct weft_options o = {.size = sizeof(o), .workers = workers, .quiet = 1};
            ck_assert_int_eq(core_run_with(&o, body, &seed), 0);
            seed += 2;
        }
    }
    weft_chan_unref(chan);
}

TEST(a_crowd_cancelled_one_by_one_ends)
{
    with_all_workers(cancel_one_by_one, 2);
}

TEST(a_crowd_in_a_scope_that_is_stopped_ends)
{
    with_all_workers(stop_the_scope, 2);
}

TEST(a_crowd_under_one_deadline_ends)
{
    with_all_workers(expire_together, 2);
}

TEST(ten_thousand_deadlines_in_the_same_instant_all_expire)
{
    with_all_workers(expire_one_by_one, 1);
}
