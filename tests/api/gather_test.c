/* SPDX-License-Identifier: Apache-2.0 */
/* gather_test.c - waiting for several tasks: order, failures, cancels */
#include "tests/api/core_run.h"

static void stuck_tasks(struct core_stuck *s, weft_task *t[], int n)
{
    for (int i = 0; i < n; i++) {
        core_stuck_init(&s[i], 0);
        t[i] = weft_spawn(core_stuck_body, &s[i]);
        core_await_parked(t[i]);
    }
}

static void stuck_fini(struct core_stuck *s, int n)
{
    for (int i = 0; i < n; i++)
        core_stuck_fini(&s[i]);
}

struct gather_call {
    weft_task *t[4];
    intptr_t results[4];
    bool settled;
};

static intptr_t gather_it(void *arg)
{
    struct gather_call *c = arg;
    return c->settled ? weft_gather_settled(c->t, 4, c->results) : weft_gather(c->t, 4, c->results);
}

CORE_TEST(outside_a_task_nothing_is_gathered)
{
    struct gather_call c = {.settled = false};
    for (int i = 0; i < 4; i++)
        c.t[i] = weft_spawn(core_return, (void *)(intptr_t)i);
    ck_assert_int_eq(core_on_thread(gather_it, &c), -EPERM);
    c.settled = true;
    ck_assert_int_eq(core_on_thread(gather_it, &c), -EPERM);
    ck_assert_int_eq(weft_gather(c.t, 4, NULL), 0);
    return 0;
}

CORE_TEST(results_come_in_the_order_of_the_tasks)
{
    for (int round = 0; round < 20; round++) {
        weft_task *t[100];
        intptr_t r[100];
        for (intptr_t i = 0; i < 100; i++)
            t[i] = weft_spawn(core_return, (void *)(i * i));
        if (round % 2 == 0)
            core_await_done(t[50]); /* some have ended before */
        ck_assert_int_eq(weft_gather(t, 100, r), 0);
        for (intptr_t i = 0; i < 100; i++)
            ck_assert_int_eq(r[i], i * i);
    }
    return 0;
}

CORE_TEST(nothing_to_gather_is_a_success)
{
    ck_assert_int_eq(weft_gather(NULL, 0, NULL), 0);
    ck_assert_int_eq(weft_gather_settled(NULL, 0, NULL), 0);
    return 0;
}

static intptr_t sleep_and_return(void *arg)
{
    int rc = weft_sleep(WEFT_MSEC(30));
    return rc < 0 ? rc : (intptr_t)arg;
}

CORE_TEST(tasks_of_a_gather_wait_at_the_same_time)
{
    weft_task *t[10];
    intptr_t r[10];
    weft_deadline begin = weft_now();
    for (intptr_t i = 0; i < 10; i++)
        t[i] = weft_spawn(sleep_and_return, (void *)i);
    ck_assert_int_eq(weft_gather(t, 10, r), 0);
    weft_ns took = weft_now() - begin;
    for (intptr_t i = 0; i < 10; i++)
        ck_assert_int_eq(r[i], i);
    ck_assert_int_ge(took, WEFT_MSEC(30));
    if (wf_test_can_measure())
        ck_assert_int_lt(took, WEFT_MSEC(250));
    return 0;
}

/* ---- failures ---- */

CORE_TEST(a_missing_task_counts_as_out_of_memory_and_cancels_the_rest)
{
    struct core_stuck s[3];
    weft_task *t[4];
    intptr_t r[4];
    stuck_tasks(s, t, 3);
    t[3] = NULL;
    ck_assert_int_eq(weft_gather(t, 4, r), -ENOMEM);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(r[i], -ECANCELED);
    ck_assert_int_eq(r[3], -ENOMEM);
    t[0] = NULL;
    t[1] = weft_spawn(core_return, (void *)1);
    ck_assert_int_eq(weft_gather_settled(t, 2, r), 1);
    ck_assert_int_eq(r[0], -ENOMEM);
    ck_assert_int_eq(r[1], 1);
    stuck_fini(s, 3);
    return 0;
}

CORE_TEST(the_first_failure_cancels_tasks_that_wait)
{
    struct core_stuck s[3];
    weft_task *t[4];
    intptr_t r[4];
    stuck_tasks(s, t, 3);
    s[1].then = 17; /* a value wins over the cancel */
    t[3] = weft_spawn(core_return, (void *)(intptr_t)-EIO);
    ck_assert_int_eq(weft_gather(t, 4, r), -EIO);
    ck_assert_int_eq(r[0], -ECANCELED);
    ck_assert_int_eq(r[1], 17);
    ck_assert_int_eq(r[2], -ECANCELED);
    ck_assert_int_eq(r[3], -EIO);
    ck_assert_int_eq(weft_yield(), 0); /* the gatherer itself is not cancelled */
    stuck_fini(s, 3);
    return 0;
}

static intptr_t fail_when_started(void *arg)
{
    core_await_flag(arg, 1);
    return -EBADF;
}

/* Task 0 is queued, so the gatherer may run it in place; it waits until task 1 has failed. */
CORE_TEST(a_failure_cancels_the_task_that_the_gatherer_runs_in_place)
{
    for (int i = 0; i < 50; i++) {
        struct core_stuck s;
        weft_task *t[3];
        intptr_t r[3];
        core_stuck_init(&s, 0);
        t[0] = weft_spawn(core_stuck_body, &s);
        t[1] = weft_spawn(fail_when_started, &s.started);
        t[2] = weft_spawn(core_sleep_forever, NULL);
        ck_assert_int_eq(weft_gather(t, 3, r), -EBADF);
        ck_assert_int_eq(r[0], -ECANCELED);
        ck_assert_int_eq(r[1], -EBADF);
        ck_assert_int_eq(r[2], -ECANCELED);
        core_stuck_fini(&s);
    }
    return 0;
}

static intptr_t fail_second(void *arg)
{
    core_await_flag(arg, 1);
    for (int i = 0; i < 5; i++)
        (void)weft_yield();
    return -ERANGE;
}

static intptr_t fail_first(void *arg)
{
    wf_store_rel((core_flag *)arg, 1);
    return -EDOM;
}

CORE_TEST(the_first_failure_in_time_is_the_result)
{
    core_flag flag = 0;
    weft_task *t[2] = {weft_spawn(fail_second, &flag), weft_spawn(fail_first, &flag)};
    weft_task *parked = weft_spawn(core_sleep_forever, NULL);
    core_await_done(t[1]);
    core_await_done(t[0]);
    weft_task *all[3] = {t[1], parked, t[0]};
    ck_assert_int_eq(weft_gather(all, 3, NULL), -EDOM);
    return 0;
}

CORE_TEST(settled_counts_failures_and_cancels_nobody)
{
    weft_task *t[6];
    intptr_t r[6];
    for (intptr_t i = 0; i < 6; i++)
        t[i] = weft_spawn(i % 2 == 0 ? sleep_and_return : core_return,
                          (void *)(i % 2 == 0 ? i : -EIO));
    ck_assert_int_eq(weft_gather_settled(t, 6, r), 3);
    for (intptr_t i = 0; i < 6; i++)
        ck_assert_int_eq(r[i], i % 2 == 0 ? i : -EIO);
    return 0;
}

/* ---- cancelled gatherers ---- */

static void cancel_gatherer(bool settled)
{
    struct core_stuck s[4];
    struct gather_call c = {.settled = settled};
    stuck_tasks(s, c.t, 4);
    weft_task *g = weft_spawn(gather_it, &c);
    core_await_parked(g);
    ck_assert_int_eq(weft_cancel(g, "test"), 0);
    ck_assert_int_eq(weft_await(g), -ECANCELED);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(c.results[i], -ECANCELED);
    stuck_fini(s, 4);
}

CORE_TEST(the_cancel_of_a_gatherer_is_handed_on_to_all_tasks)
{
    for (int i = 0; i < 20; i++) {
        cancel_gatherer(false);
        cancel_gatherer(true);
    }
    return 0;
}

static intptr_t gather_when_cancelled(void *arg)
{
    struct gather_call *c = arg;
    for (int i = 0; i < 4; i++)
        c->t[i] = weft_spawn(core_sleep_forever, NULL);
    ck_assert_int_eq(weft_cancel(weft_self(), "self"), 0);
    return gather_it(c);
}

CORE_TEST(a_gather_cancelled_before_joins_its_tasks)
{
    for (int settled = 0; settled < 2; settled++) {
        struct gather_call c = {.settled = settled};
        ck_assert_int_eq(weft_await(weft_spawn(gather_when_cancelled, &c)), -ECANCELED);
        for (int i = 0; i < 4; i++)
            ck_assert_int_eq(c.results[i], -ECANCELED);
    }
    return 0;
}

static intptr_t gather_ended_when_cancelled(void *arg)
{
    struct gather_call *c = arg;
    for (intptr_t i = 0; i < 4; i++) {
        c->t[i] = weft_spawn(core_return, (void *)i);
        core_await_done(c->t[i]);
    }
    ck_assert_int_eq(weft_cancel(weft_self(), "self"), 0);
    return gather_it(c);
}

CORE_TEST(values_win_over_the_cancel_of_the_gatherer)
{
    struct gather_call c = {.settled = false};
    ck_assert_int_eq(weft_await(weft_spawn(gather_ended_when_cancelled, &c)), 0);
    ck_assert_int_eq(c.results[3], 3);
    c.settled = true;
    ck_assert_int_eq(weft_await(weft_spawn(gather_ended_when_cancelled, &c)), -ECANCELED);
    ck_assert_int_eq(c.results[3], 3);
    return 0;
}

CORE_TEST(a_block_deadline_ends_a_gather)
{
    struct core_stuck s[3];
    struct gather_call c = {.settled = false};
    int rc;
    stuck_tasks(s, c.t, 3);
    c.t[3] = weft_spawn(core_sleep_forever, NULL); /* may run in place */
    WEFT_TIMEOUT(rc, WEFT_MSEC(5))
        ck_assert_int_eq(gather_it(&c), -ECANCELED);
    ck_assert_int_eq(rc, -ETIMEDOUT);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(c.results[i], -ECANCELED);
    stuck_fini(s, 3);
    return 0;
}

CORE_TEST(many_failures_at_once_end_the_gather_once)
{
    for (int round = 0; round < 50; round++) {
        core_flag flag = 0;
        weft_task *t[8];
        for (int i = 0; i < 8; i++)
            t[i] = weft_spawn(fail_when_started, &flag);
        wf_store_rel(&flag, 1);
        ck_assert_int_eq(weft_gather(t, 8, NULL), -EBADF);
    }
    return 0;
}
