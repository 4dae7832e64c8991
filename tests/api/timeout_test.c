/* SPDX-License-Identifier: Apache-2.0 */
/* timeout_test.c - blocks with a deadline, functions with a time limit */
#include "tests/api/core_run.h"

TEST(outside_a_task_no_block_opens)
{
    int rc = 1;
    struct weft_timeout block;
    ck_assert_int_eq(weft_timeout_open(&block, WEFT_SEC(1), NULL), -EPERM);
    ck_assert_int_eq(weft_timeout_close(&block), 0);
    WEFT_TIMEOUT(rc, WEFT_SEC(1))
        ck_abort_msg("the body of a block ran outside a task");
    ck_assert_int_eq(rc, -EPERM);
    ck_assert_int_eq(weft_wait_for(core_return, NULL, WEFT_SEC(1)), -EPERM);
}

CORE_TEST(a_block_that_ends_in_time_gives_success)
{
    int rc = 1;
    WEFT_TIMEOUT(rc, WEFT_SEC(100)) {
        ck_assert_int_eq(weft_sleep(WEFT_USEC(100)), 0);
        ck_assert_int_eq(weft_yield(), 0);
    }
    ck_assert_int_eq(rc, 0);
    rc = 1;
    WEFT_TIMEOUT(rc, WEFT_NEVER)
        ck_assert_int_eq(weft_sleep(WEFT_USEC(100)), 0);
    ck_assert_int_eq(rc, 0);
    return 0;
}

CORE_TEST(the_deadline_cancels_the_wait_and_what_follows_in_the_block)
{
    int rc = 1;
    const char *reason;
    weft_deadline begin = weft_now();
    WEFT_TIMEOUT(rc, WEFT_MSEC(5)) {
        ck_assert_int_eq(weft_sleep(WEFT_NEVER), -ECANCELED);
        ck_assert_int_ge(weft_now() - begin, WEFT_MSEC(5));
        ck_assert_int_eq(weft_cancelled(&reason), 1);
        ck_assert_str_eq(reason, "deadline");
        ck_assert_int_eq(weft_yield(), -ECANCELED);
        ck_assert_int_eq(weft_sleep(1), -ECANCELED);
    }
    ck_assert_int_eq(rc, -ETIMEDOUT);
    ck_assert_int_eq(weft_cancelled(NULL), 0);
    ck_assert_int_eq(weft_sleep(1), 0);
    return 0;
}

CORE_TEST(a_deadline_that_cut_nothing_short_is_no_timeout)
{
    int rc = 1;
    WEFT_TIMEOUT(rc, WEFT_MSEC(1))
        core_burn(WEFT_MSEC(2));
    ck_assert_int_eq(rc, 0);
    WEFT_TIMEOUT(rc, 0)
        ;
    ck_assert_int_eq(rc, 0);
    return 0;
}

CORE_TEST(a_limit_of_zero_or_less_expires_at_the_first_suspension)
{
    static const weft_ns limit[] = {0, -1, INT64_MIN};
    for (int i = 0; i < 3; i++) {
        int rc = 1;
        WEFT_TIMEOUT(rc, limit[i])
            ck_assert_int_eq(weft_sleep(WEFT_SEC(100)), -ECANCELED);
        ck_assert_int_eq(rc, -ETIMEDOUT);
        ck_assert_int_eq(weft_wait_for(core_sleep_forever, NULL, limit[i]), -ETIMEDOUT);
        ck_assert_int_eq(weft_wait_for(core_return, (void *)3, limit[i]), 3);
    }
    return 0;
}

CORE_TEST(the_earliest_of_nested_deadlines_counts)
{
    int outer = 1, inner = 1;
    WEFT_TIMEOUT(outer, WEFT_SEC(100)) {
        WEFT_TIMEOUT(inner, WEFT_MSEC(3))
            ck_assert_int_eq(weft_sleep(WEFT_NEVER), -ECANCELED);
        ck_assert_int_eq(inner, -ETIMEDOUT);
        ck_assert_int_eq(weft_sleep(WEFT_USEC(10)), 0); /* the outer block goes on */
    }
    ck_assert_int_eq(outer, 0);
    WEFT_TIMEOUT(outer, WEFT_MSEC(3)) {
        WEFT_TIMEOUT(inner, WEFT_SEC(100))
            ck_assert_int_eq(weft_sleep(WEFT_NEVER), -ECANCELED);
        ck_assert_int_eq(inner, 0); /* it was not this block's deadline */
        ck_assert_int_eq(weft_yield(), -ECANCELED);
    }
    ck_assert_int_eq(outer, -ETIMEDOUT);
    WEFT_TIMEOUT(outer, WEFT_MSEC(1)) {
        WEFT_TIMEOUT(inner, WEFT_MSEC(1)) {
            core_burn(WEFT_MSEC(2));
            ck_assert_int_eq(weft_sleep(WEFT_NEVER), -ECANCELED);
        }
        ck_assert_int_eq(inner, -ETIMEDOUT);
    }
    ck_assert_int_eq(outer, -ETIMEDOUT);
    ck_assert_int_eq(weft_yield(), 0);
    return 0;
}

static int leave_by_return(int *rc, weft_ns limit)
{
    WEFT_TIMEOUT(*rc, limit) {
        if (weft_sleep(WEFT_MSEC(2)) < 0)
            return 1;
        return 2;
    }
    return 3;
}

CORE_TEST(break_continue_and_return_end_the_block)
{
    int rc = 1;
    WEFT_TIMEOUT(rc, WEFT_MSEC(1)) {
        if (weft_sleep(WEFT_NEVER) < 0)
            break;
        ck_abort_msg("break went on");
    }
    ck_assert_int_eq(rc, -ETIMEDOUT);
    ck_assert_int_eq(weft_yield(), 0);
    WEFT_TIMEOUT(rc, WEFT_MSEC(1)) {
        if (weft_sleep(WEFT_NEVER) < 0)
            continue;
        ck_abort_msg("continue went on");
    }
    ck_assert_int_eq(rc, -ETIMEDOUT);
    ck_assert_int_eq(weft_yield(), 0);
    ck_assert_int_eq(leave_by_return(&rc, WEFT_MSEC(1)), 1);
    ck_assert_int_eq(rc, -ETIMEDOUT);
    ck_assert_int_eq(leave_by_return(&rc, WEFT_SEC(100)), 2);
    ck_assert_int_eq(rc, 0);
    ck_assert_int_eq(weft_yield(), 0);
    return 0;
}

CORE_TEST(a_block_can_be_closed_by_hand_once_or_twice)
{
    struct weft_timeout block;
    int rc = 1;
    ck_assert_int_eq(weft_timeout_open(&block, WEFT_MSEC(1), &rc), 0);
    ck_assert_int_eq(rc, 0);
    ck_assert_int_eq(weft_sleep(WEFT_NEVER), -ECANCELED);
    ck_assert_int_eq(weft_timeout_close(&block), -ETIMEDOUT);
    ck_assert_int_eq(rc, -ETIMEDOUT);
    ck_assert_int_eq(weft_timeout_close(&block), 0);
    return 0;
}

/* ---- what waits in the block ---- */

CORE_TEST(a_loop_of_yields_ends_with_its_block)
{
    int rc = 1;
    WEFT_TIMEOUT(rc, WEFT_MSEC(2))
        while (weft_yield() == 0)
            ;
    ck_assert_int_eq(rc, -ETIMEDOUT);
    return 0;
}

CORE_TEST(a_loop_of_calls_that_complete_at_once_ends_with_its_block)
{
    weft_chan *chan;
    int rc = 1;
    ck_assert_int_eq(weft_chan_new(&chan, 0, 1), 0);
    WEFT_TIMEOUT(rc, WEFT_MSEC(2))
        while (weft_chan_send(chan, NULL) == 0 && weft_chan_recv(chan, NULL) == 0)
            ;
    ck_assert_int_eq(rc, -ETIMEDOUT);
    weft_chan_unref(chan);
    return 0;
}

CORE_TEST(waits_on_channels_end_with_their_block)
{
    weft_chan *chan;
    int rc = 1;
    ck_assert_int_eq(weft_chan_new(&chan, 0, 0), 0);
    WEFT_TIMEOUT(rc, WEFT_MSEC(1))
        ck_assert_int_eq(weft_chan_recv(chan, NULL), -ECANCELED);
    ck_assert_int_eq(rc, -ETIMEDOUT);
    WEFT_TIMEOUT(rc, WEFT_MSEC(1))
        ck_assert_int_eq(weft_chan_send(chan, NULL), -ECANCELED);
    ck_assert_int_eq(rc, -ETIMEDOUT);
    ck_assert_int_eq(weft_chan_try_recv(chan, NULL), -EAGAIN); /* nothing was left behind */
    ck_assert_int_eq(weft_chan_try_send(chan, NULL), -EAGAIN);
    weft_chan_unref(chan);
    return 0;
}

static intptr_t block_in_cancelled_task(void *arg)
{
    int rc = 1;
    wf_store_rel((core_flag *)arg, 1);
    WEFT_TIMEOUT(rc, WEFT_SEC(100))
        ck_assert_int_eq(weft_sleep(WEFT_NEVER), -ECANCELED);
    ck_assert_int_eq(rc, 0);
    ck_assert_int_eq(weft_yield(), -ECANCELED); /* the task itself is cancelled */
    return 6;
}

CORE_TEST(a_cancel_is_no_timeout_and_outlives_the_block)
{
    core_flag started = 0;
    weft_task *t = weft_spawn(block_in_cancelled_task, &started);
    core_await_flag(&started, 1);
    ck_assert_int_eq(weft_cancel(t, "test"), 0);
    intptr_t rc = weft_await(t);
    ck_assert(rc == 6);
    return 0;
}

static intptr_t sleep_in_block(void *arg)
{
    int rc = 1;
    WEFT_TIMEOUT(rc, (weft_ns)(intptr_t)arg)
        (void)weft_sleep(WEFT_NEVER);
    return rc;
}

/* A deadline in the awaited task is its own matter, one around the await is not. */
CORE_TEST(deadlines_of_awaiter_and_awaited_are_told_apart)
{
    int rc = 1;
    WEFT_TIMEOUT(rc, WEFT_SEC(100))
        ck_assert_int_eq(weft_await(weft_spawn(sleep_in_block, (void *)WEFT_MSEC(2))), -ETIMEDOUT);
    ck_assert_int_eq(rc, 0);
    WEFT_TIMEOUT(rc, WEFT_MSEC(2))
        ck_assert_int_eq(weft_await(weft_spawn(sleep_in_block, (void *)WEFT_SEC(100))), 0);
    ck_assert_int_eq(rc, -ETIMEDOUT);
    ck_assert_int_eq(weft_yield(), 0);
    return 0;
}

/* ---- weft_wait_for ---- */

static intptr_t value_in_spite_of_the_cancel(void *arg)
{
    return weft_sleep(WEFT_NEVER) == -ECANCELED ? (intptr_t)arg : -EPROTO;
}

static intptr_t fail_of_its_own(void *arg)
{
    (void)weft_yield();
    return (intptr_t)arg;
}

CORE_TEST(wait_for_gives_the_result_or_a_timeout)
{
    ck_assert_int_eq(weft_wait_for(core_return, (void *)8, WEFT_SEC(100)), 8);
    ck_assert_int_eq(weft_wait_for(fail_of_its_own, (void *)(intptr_t)-EIO, WEFT_SEC(100)), -EIO);
    ck_assert_int_eq(weft_wait_for(core_sleep_forever, NULL, WEFT_MSEC(2)), -ETIMEDOUT);
    ck_assert_int_eq(weft_wait_for(value_in_spite_of_the_cancel, (void *)9, WEFT_MSEC(2)), 9);
    ck_assert_int_eq(weft_yield(), 0);
    return 0;
}

static intptr_t wait_for_ever(void *arg)
{
    wf_store_rel((core_flag *)arg, 1);
    return weft_wait_for(core_sleep_forever, NULL, WEFT_SEC(100));
}

CORE_TEST(a_cancelled_wait_for_ends_its_function)
{
    core_flag started = 0;
    weft_task *t = weft_spawn(wait_for_ever, &started);
    core_await_flag(&started, 1);
    core_await_parked(t);
    ck_assert_int_eq(weft_cancel(t, "test"), 0);
    ck_assert_int_eq(weft_await(t), -ECANCELED);
    return 0;
}
