/* SPDX-License-Identifier: Apache-2.0 */
/* sleep_test.c - sleeping, yielding, the clock */
#include "tests/api/core_run.h"

TEST(outside_a_task_nobody_sleeps)
{
    ck_assert_int_eq(weft_sleep(WEFT_SEC(1)), -EPERM);
    ck_assert_int_eq(weft_sleep(0), -EPERM);
    ck_assert_int_eq(weft_sleep_until(weft_now() + WEFT_SEC(1)), -EPERM);
    ck_assert_int_eq(weft_yield(), -EPERM);
}

TEST(the_clock_runs_forwards_and_is_never_zero)
{
    weft_deadline last = weft_now();
    ck_assert_int_gt(last, 0);
    for (int i = 0; i < 1000; i++) {
        weft_deadline now = weft_now();
        ck_assert_int_ge(now, last);
        last = now;
    }
}

CORE_TEST(a_sleep_is_never_short)
{
    static const weft_ns span[] = {1,      1000,    65535,   65536,   65537,
                                   200000, 1000000, 4200000, 20000000};
    for (unsigned i = 0; i < sizeof(span) / sizeof(*span); i++) {
        weft_deadline begin = weft_now();
        ck_assert_int_eq(weft_sleep(span[i]), 0);
        weft_ns took = weft_now() - begin;
        ck_assert_int_ge(took, span[i]);
        if (wf_test_can_measure())
            ck_assert_int_lt(took, span[i] + WEFT_MSEC(200));
        begin = weft_now();
        ck_assert_int_eq(weft_sleep_until(begin + span[i]), 0);
        ck_assert_int_ge(weft_now(), begin + span[i]);
    }
    return 0;
}

struct order {
    core_flag ready, turn;
};

static intptr_t wait_for_turn(void *arg)
{
    struct order *o = arg;
    wf_store_rel(&o->ready, 1);
    core_await_flag(&o->turn, 1);
    return 0;
}

CORE_TEST(sleeps_that_are_over_already_let_others_run)
{
    for (int kind = 0; kind < 4; kind++) {
        struct order o = {0, 0};
        weft_task *t = weft_spawn(wait_for_turn, &o);
        while (wf_load_acq(&o.ready) == 0) {
            int rc = kind == 0   ? weft_yield()
                     : kind == 1 ? weft_sleep(0)
                     : kind == 2 ? weft_sleep(INT64_MIN)
                                 : weft_sleep_until(1);
            ck_assert_int_eq(rc, 0);
        }
        wf_store_rel(&o.turn, 1);
        ck_assert_int_eq(weft_await(t), 0);
    }
    return 0;
}

static intptr_t cancelled_sleep(void *arg)
{
    weft_deadline when = arg == NULL ? WEFT_NEVER : weft_now() + WEFT_SEC(3600);
    return weft_sleep_until(when);
}

CORE_TEST(a_cancel_ends_a_sleep)
{
    for (int i = 0; i < 40; i++) {
        weft_task *t = weft_spawn(cancelled_sleep, i % 2 == 0 ? NULL : &t);
        core_await_parked(t);
        weft_deadline begin = weft_now();
        ck_assert_int_eq(weft_cancel(t, "test"), 0);
        ck_assert_int_eq(weft_await(t), -ECANCELED);
        if (wf_test_can_measure())
            ck_assert_int_lt(weft_now() - begin, WEFT_SEC(1));
    }
    return 0;
}

static intptr_t sleep_then_note(void *arg)
{
    int rc = weft_sleep(WEFT_MSEC(10));
    wf_add_rlx((core_flag *)arg, 1);
    return rc;
}

CORE_TEST(a_thousand_sleepers_all_wake)
{
    enum { MOST = 1000 };
    static weft_task *t[MOST];
    core_flag count = 0;
    size_t n = core_fibers(MOST);
    for (size_t i = 0; i < n; i++)
        t[i] = weft_spawn(sleep_then_note, &count);
    ck_assert_int_eq(weft_gather(t, n, NULL), 0);
    ck_assert_uint_eq(wf_load_acq(&count), n);
    return 0;
}
