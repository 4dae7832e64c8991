/* SPDX-License-Identifier: Apache-2.0 */
/* cancel_test.c - cancelling tasks before, while and after they wait */
#include "tests/api/core_run.h"

static intptr_t cancel_it(void *arg)
{
    return weft_cancel(arg, "from a thread");
}

static intptr_t must_not_run(void *arg)
{
    (void)arg;
    ck_abort_msg("a task that was cancelled before its start has run");
    return 0;
}

TEST(cancelled_is_false_outside_a_task)
{
    const char *reason = "left over";
    ck_assert_int_eq(weft_cancelled(&reason), 0);
    ck_assert_ptr_null(reason);
    ck_assert_int_eq(weft_cancelled(NULL), 0);
    ck_assert_int_eq(weft_cancel(NULL, "x"), -EINVAL);
}

static intptr_t cancel_before_start(void *arg)
{
    (void)arg;
    weft_task *t = weft_spawn(must_not_run, NULL);
    ck_assert_int_eq(weft_cancel(t, "test"), 0);
    ck_assert_int_eq(weft_await(t), -ECANCELED);
    t = weft_spawn(must_not_run, NULL);
    ck_assert_int_eq(weft_cancel(t, NULL), 0);
    core_await_done(t);
    ck_assert_int_eq(weft_await(t), -ECANCELED);
    return 0;
}

TEST(a_task_cancelled_before_its_start_does_not_run)
{
    core_run(1, cancel_before_start);
}

CORE_TEST(the_cancel_of_a_task_that_has_ended_changes_nothing)
{
    weft_task *t = weft_spawn(core_return, (void *)4);
    core_await_done(t);
    ck_assert_int_eq(weft_cancel(t, "late"), 0);
    ck_assert_int_eq(weft_await(t), 4);
    return 0;
}

CORE_TEST(a_cancel_ends_the_wait_of_a_task)
{
    for (int i = 0; i < 100; i++) {
        struct core_stuck s;
        core_stuck_init(&s, 0);
        weft_task *t = weft_spawn(core_stuck_body, &s);
        if (i % 2 == 0)
            core_await_parked(t);
        else
            core_await_flag(&s.started, 1);
        ck_assert_int_eq(weft_cancel(t, "test"), 0);
        ck_assert_int_eq(weft_await(t), -ECANCELED);
        core_stuck_fini(&s);
    }
    return 0;
}

CORE_TEST(a_plain_thread_may_cancel)
{
    weft_task *t = weft_spawn(core_sleep_forever, NULL);
    core_await_parked(t);
    ck_assert_int_eq(core_on_thread(cancel_it, t), 0);
    ck_assert_int_eq(weft_await(t), -ECANCELED);
    t = weft_spawn(core_sleep_forever, NULL);
    ck_assert_int_eq(core_on_thread(cancel_it, t), 0); /* queued, running or parked */
    ck_assert_int_eq(weft_await(t), -ECANCELED);
    return 0;
}

static intptr_t every_call_fails(void *arg)
{
    struct core_stuck *s = arg;
    ck_assert_int_eq(core_stuck_body(s), -ECANCELED);
    for (int i = 0; i < 3; i++) {
        weft_task *t = weft_spawn(core_sleep_forever, NULL);
        weft_task *two[2] = {weft_spawn(core_sleep_forever, NULL),
                             weft_spawn(core_sleep_forever, NULL)};
        ck_assert_int_eq(weft_yield(), -ECANCELED);
        ck_assert_int_eq(weft_sleep(0), -ECANCELED);
        ck_assert_int_eq(weft_sleep(WEFT_SEC(100)), -ECANCELED);
        ck_assert_int_eq(weft_sleep_until(weft_now() + WEFT_SEC(100)), -ECANCELED);
        ck_assert_int_eq(weft_sleep_until(1), -ECANCELED);
        ck_assert_int_eq(weft_chan_recv(s->chan, NULL), -ECANCELED);
        ck_assert_int_eq(weft_chan_send(s->chan, NULL), -ECANCELED);
        ck_assert_int_eq(weft_await(t), -ECANCELED);
        ck_assert_int_eq(weft_gather(two, 2, NULL), -ECANCELED);
        ck_assert_int_eq(weft_wait_for(core_sleep_forever, NULL, WEFT_SEC(100)), -ECANCELED);
        ck_assert_int_eq(weft_chan_try_recv(s->chan, NULL), -EAGAIN); /* suspends never */
    }
    return 0;
}

CORE_TEST(each_call_of_a_cancelled_task_fails_again)
{
    struct core_stuck s;
    core_stuck_init(&s, 0);
    weft_task *t = weft_spawn(every_call_fails, &s);
    core_await_flag(&s.started, 1);
    core_await_parked(t);
    ck_assert_int_eq(weft_cancel(t, "test"), 0);
    ck_assert_int_eq(weft_await(t), 0); /* a value wins */
    core_stuck_fini(&s);
    return 0;
}

static intptr_t tell_reason(void *arg)
{
    const char *reason = "none";
    struct core_stuck *s = arg;
    ck_assert_int_eq(weft_cancelled(&reason), 0);
    ck_assert_ptr_null(reason);
    ck_assert_int_eq(core_stuck_body(s), -ECANCELED);
    ck_assert_int_eq(weft_cancelled(NULL), 1);
    ck_assert_int_eq(weft_cancelled(&reason), 1);
    return (intptr_t)reason;
}

CORE_TEST(the_reason_of_the_first_cancel_can_be_read)
{
    static const char first[] = "first", second[] = "second";
    struct core_stuck s;
    core_stuck_init(&s, 0);
    weft_task *t = weft_spawn(tell_reason, &s);
    core_await_flag(&s.started, 1);
    core_await_parked(t);
    ck_assert_int_eq(weft_cancel(t, first), 0);
    ck_assert_int_eq(weft_cancel(t, second), 0);
    ck_assert_ptr_eq((void *)weft_await(t), first);
    core_stuck_fini(&s);
    return 0;
}

CORE_TEST(cancelled_tells_what_the_next_suspension_would_say)
{
    int rc;
    WEFT_TIMEOUT(rc, WEFT_MSEC(1)) {
        ck_assert_int_eq(weft_cancelled(NULL), 0);
        core_burn(WEFT_MSEC(2));
        ck_assert_int_eq(weft_cancelled(NULL), 1);
        ck_assert_int_eq(weft_sleep(WEFT_MSEC(1)), -ECANCELED);
        ck_assert_int_eq(weft_cancelled(NULL), 1);
    }
    ck_assert_int_eq(rc, -ETIMEDOUT);
    ck_assert_int_eq(weft_cancelled(NULL), 0);
    return 0;
}

static intptr_t yield_until_cancelled(void *arg)
{
    intptr_t turns = 0;
    wf_add_rel((core_flag *)arg, 1);
    while (weft_yield() == 0)
        turns++;
    return turns;
}

CORE_TEST(tasks_that_only_yield_can_be_cancelled)
{
    enum { N = 16 };
    core_flag started = 0;
    weft_task *t[N];
    for (int i = 0; i < N; i++)
        t[i] = weft_spawn(yield_until_cancelled, &started);
    core_await_flag(&started, N);
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(weft_cancel(t[i], "test"), 0);
    ck_assert_int_eq(weft_gather(t, N, NULL), 0);
    return 0;
}

struct race {
    weft_chan *chan;
    core_flag received, sent;
};

static intptr_t race_receive(void *arg)
{
    struct race *r = arg;
    int item = 0, rc;
    while ((rc = weft_chan_recv(r->chan, &item)) == 0) {
        ck_assert_int_eq(item, 99);
        wf_add_rlx(&r->received, 1);
    }
    return rc;
}

/* A receiver has the item or the cancel, never both: what was taken over was received. */
CORE_TEST(a_cancel_that_races_with_a_send_loses_no_item)
{
    struct race r = {NULL, 0, 0};
    int item = 99;
    ck_assert_int_eq(weft_chan_new(&r.chan, sizeof(int), 0), 0);
    for (unsigned i = 0; i < wf_test_scale(1000); i++) {
        weft_task *t = weft_spawn(race_receive, &r);
        core_await_parked(t);
        if (i % 2 == 0)
            ck_assert_int_eq(weft_cancel(t, "race"), 0);
        if (weft_chan_try_send(r.chan, &item) == 0)
            wf_add_rlx(&r.sent, 1);
        ck_assert_int_eq(weft_cancel(t, "race"), 0);
        ck_assert_int_eq(weft_await(t), -ECANCELED);
        ck_assert_uint_eq(wf_load_acq(&r.sent), wf_load_acq(&r.received));
    }
    weft_chan_unref(r.chan);
    return 0;
}
