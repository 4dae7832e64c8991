/* SPDX-License-Identifier: Apache-2.0 */
/* await_test.c - waiting for a task in each of its states, cancelled or not */
#include "tests/api/core_run.h"

static intptr_t await_it(void *arg)
{
    return weft_await(arg);
}

CORE_TEST(bad_awaits_are_told_apart)
{
    ck_assert_int_eq(weft_await(NULL), -ENOMEM);
    ck_assert_int_eq(weft_await(weft_self()), -EDEADLK);
    weft_task *t = weft_spawn(core_return, (void *)9);
    ck_assert_int_eq(core_on_thread(await_it, t), -EPERM);
    ck_assert_int_eq(weft_await(t), 9);
    return 0;
}

static intptr_t my_fiber(void *arg)
{
    (void)arg;
    return (intptr_t)wf_worker()->fiber;
}

static intptr_t await_fresh(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_await(weft_spawn(my_fiber, NULL)), (intptr_t)wf_worker()->fiber);
    return 0;
}

TEST(a_queued_task_runs_on_the_stack_of_its_awaiter)
{
    core_run(1, await_fresh);
}

CORE_TEST(a_task_that_has_ended_gives_its_result_at_once)
{
    weft_task *t = weft_spawn(core_return, (void *)7);
    core_await_done(t);
    ck_assert_int_eq(weft_await(t), 7);
    return 0;
}

CORE_TEST(an_await_blocks_until_the_task_ends)
{
    struct core_stuck s;
    core_stuck_init(&s, 0);
    weft_task *t = weft_spawn(core_stuck_body, &s);
    core_await_parked(t);
    weft_task *waiter = weft_spawn(await_it, t);
    core_await_parked(waiter);
    ck_assert_int_eq(weft_chan_send(s.chan, NULL), 0);
    ck_assert_int_eq(weft_await(waiter), 0);
    core_stuck_fini(&s);
    return 0;
}

/* ---- cancelled awaiters ---- */

static intptr_t must_not_run(void *arg)
{
    (void)arg;
    ck_abort_msg("a task that was cancelled before its start has run");
    return 0;
}

static intptr_t await_fresh_when_cancelled(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_cancel(weft_self(), "self"), 0);
    weft_task *t = weft_spawn(must_not_run, NULL);
    intptr_t rc = weft_await(t);
    ck_assert_int_eq(weft_yield(), -ECANCELED);
    return rc;
}

static intptr_t one_worker_cancelled_before(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_await(weft_spawn(await_fresh_when_cancelled, NULL)), -ECANCELED);
    return 0;
}

TEST(an_await_cancelled_before_keeps_a_queued_task_from_running)
{
    core_run(1, one_worker_cancelled_before);
}

static intptr_t await_stuck_when_cancelled(void *arg)
{
    weft_task *t = weft_spawn(core_stuck_body, arg);
    core_await_parked(t);
    ck_assert_int_eq(weft_cancel(weft_self(), "self"), 0);
    return weft_await(t);
}

CORE_TEST(an_await_cancelled_before_joins_a_parked_task)
{
    struct core_stuck s;
    core_stuck_init(&s, 0);
    ck_assert_int_eq(weft_await(weft_spawn(await_stuck_when_cancelled, &s)), -ECANCELED);
    s.then = 12; /* a value wins */
    ck_assert_int_eq(weft_await(weft_spawn(await_stuck_when_cancelled, &s)), 12);
    core_stuck_fini(&s);
    return 0;
}

/* The child parks first, then the awaiter joins it: the cancel goes from fiber to fiber. */
static intptr_t await_parked_child(void *arg)
{
    weft_task *t = weft_spawn(core_stuck_body, arg);
    core_await_parked(t);
    return weft_await(t);
}

/* The child runs on the stack of its awaiter if the awaiter is fast enough. */
static intptr_t await_child_in_place(void *arg)
{
    return weft_await(weft_spawn(core_stuck_body, arg));
}

static void cancel_awaiter(weft_fn awaiter, intptr_t then, intptr_t expected)
{
    struct core_stuck s;
    core_stuck_init(&s, then);
    weft_task *t = weft_spawn(awaiter, &s);
    core_await_flag(&s.started, 1);
    core_await_parked(s.self);
    ck_assert_int_eq(weft_cancel(t, "test"), 0);
    ck_assert_int_eq(weft_await(t), expected);
    core_stuck_fini(&s);
}

CORE_TEST(the_cancel_of_an_awaiter_is_handed_on_to_a_parked_task)
{
    for (int i = 0; i < 50; i++)
        cancel_awaiter(await_parked_child, 0, -ECANCELED);
    return 0;
}

CORE_TEST(the_cancel_of_an_awaiter_is_handed_on_to_a_task_that_runs_in_place)
{
    for (int i = 0; i < 50; i++)
        cancel_awaiter(await_child_in_place, 0, -ECANCELED);
    return 0;
}

CORE_TEST(a_value_of_the_awaited_task_wins_over_the_cancel)
{
    for (int i = 0; i < 50; i++) {
        cancel_awaiter(await_parked_child, 31, 31);
        cancel_awaiter(await_child_in_place, 32, 32);
    }
    return 0;
}

struct chain {
    struct core_stuck stuck;
    int depth;
};

static intptr_t chain_link(void *arg)
{
    struct chain *c = arg;
    if (c->depth-- == 0)
        return core_stuck_body(&c->stuck);
    intptr_t rc = weft_await(weft_spawn(chain_link, c));
    ck_assert_int_eq(weft_yield(), -ECANCELED); /* each of them is cancelled, and stays so */
    return rc;
}

CORE_TEST(a_cancel_goes_down_a_long_chain_of_awaits)
{
    for (int i = 0; i < 10; i++) {
        struct chain c = {.depth = 0};
        core_stuck_init(&c.stuck, 0);
        c.depth = 20;
        weft_task *t = weft_spawn(chain_link, &c);
        core_await_flag(&c.stuck.started, 1);
        core_await_parked(c.stuck.self);
        ck_assert_int_eq(weft_cancel(t, "chain"), 0);
        ck_assert_int_eq(weft_await(t), -ECANCELED);
        core_stuck_fini(&c.stuck);
    }
    return 0;
}

static intptr_t burn_and_set(void *arg)
{
    core_flag *flag = arg;
    wf_store_rel(flag, 1);
    core_burn(WEFT_MSEC(3));
    return weft_yield() == -ECANCELED ? 77 : 78;
}

static intptr_t await_burning(void *arg)
{
    core_flag *flag = arg;
    weft_task *t = weft_spawn(burn_and_set, flag);
    core_await_flag(flag, 1);
    return weft_await(t);
}

/* With one worker the child has always passed its yield when the cancel comes. */
static intptr_t cancel_while_child_runs(void *arg)
{
    core_flag flag = 0;
    (void)arg;
    weft_task *t = weft_spawn(await_burning, &flag);
    core_await_flag(&flag, 1);
    ck_assert_int_eq(weft_cancel(t, "test"), 0);
    intptr_t rc = weft_await(t);
    ck_assert(rc == 77 || rc == 78);
    return 0;
}

TEST(the_cancel_reaches_a_task_that_runs_on_another_worker)
{
    for (int i = 0; i < 10; i++) {
        core_run(1, cancel_while_child_runs);
        core_run(2, cancel_while_child_runs);
        core_run(4, cancel_while_child_runs);
    }
}

/* ---- block deadlines ---- */

CORE_TEST(a_block_deadline_cancels_the_awaited_task_and_joins_it)
{
    struct core_stuck s;
    int rc;
    core_stuck_init(&s, 0);
    weft_task *t = weft_spawn(core_stuck_body, &s);
    core_await_parked(t);
    WEFT_TIMEOUT(rc, WEFT_MSEC(5))
        ck_assert_int_eq(weft_await(t), -ECANCELED);
    ck_assert_int_eq(rc, -ETIMEDOUT);
    WEFT_TIMEOUT(rc, WEFT_MSEC(5))
        ck_assert_int_eq(weft_await(weft_spawn(core_stuck_body, &s)), -ECANCELED);
    ck_assert_int_eq(rc, -ETIMEDOUT);
    s.then = 5;
    WEFT_TIMEOUT(rc, WEFT_MSEC(5)) {
        ck_assert_int_eq(weft_await(weft_spawn(core_stuck_body, &s)), 5);
        ck_assert_int_eq(weft_yield(), -ECANCELED);
    }
    ck_assert_int_eq(rc, -ETIMEDOUT);
    ck_assert_int_eq(weft_yield(), 0);
    core_stuck_fini(&s);
    return 0;
}

/* ---- depth ---- */

static intptr_t down(void *arg)
{
    intptr_t depth = (intptr_t)arg;
    if (depth == 0)
        return 0;
    intptr_t below = weft_await(weft_spawn(down, (void *)(depth - 1)));
    return below < 0 ? below : below + 1;
}

CORE_TEST(deep_recursion_of_awaits_goes_on_on_further_stacks)
{
    intptr_t depth = (intptr_t)core_fibers(20000);
    ck_assert_int_eq(weft_await(weft_spawn(down, (void *)depth)), depth);
    return 0;
}

static intptr_t fibonacci(void *arg)
{
    intptr_t n = (intptr_t)arg;
    if (n < 2)
        return n;
    weft_task *a = weft_spawn(fibonacci, (void *)(n - 1));
    intptr_t b = fibonacci((void *)(n - 2));
    return weft_await(a) + b;
}

CORE_TEST(fork_and_join_count_right)
{
    bool small = !wf_test_can_measure();
    ck_assert_int_eq(fibonacci(small ? (void *)12 : (void *)20), small ? 144 : 6765);
    return 0;
}
