/* SPDX-License-Identifier: Apache-2.0 */
/* mockdriver_test.c - the driver for tests keeps the contract of driver.h */
#include <errno.h>
#include <pthread.h>

#include <weft/base.h>

#include "io/driver/mock/mock_driver.h"
#include "runtime/time/clock.h"
#include "tests/support/test.h"

struct counted {
    struct wf_op op;
    unsigned dones;
};

static void count(struct wf_op *op)
{
    ((struct counted *)op)->dones++;
}

static struct counted make(enum wf_op_kind kind, int fd, uint32_t len)
{
    return (struct counted){.op = {.done = count, .kind = (uint8_t)kind, .fd = fd, .len = len}};
}

static struct wf_driver *mock_new(void)
{
    char reason[128];
    struct wf_driver *d = NULL;
    struct wf_driver_config config = {.entries = 64};
    ck_assert_int_eq(wf_mock_driver.open(&d, &config, reason, sizeof reason), 0);
    return d;
}

TEST(operations_complete_in_the_order_the_test_wants)
{
    struct wf_driver *d = mock_new();
    struct counted ops[100];
    for (int i = 0; i < 100; i++) {
        ops[i] = make(WF_OP_RECV, i, 10);
        d->ops->submit(d, &ops[i].op);
    }
    ck_assert_uint_eq(d->ops->inflight(d), 100);
    ck_assert(!d->ops->ready(d));
    ck_assert_uint_eq(d->ops->poll(d), 0);
    for (int i = 99; i >= 0; i--) {
        ck_assert_ptr_eq(wf_mock_find(d, WF_OP_RECV, i), &ops[i].op);
        wf_mock_complete(&ops[i].op, i, false);
        ck_assert(d->ops->ready(d));
        ck_assert_uint_eq(d->ops->poll(d), 1);
        ck_assert_int_eq(ops[i].op.res, i);
        ck_assert_uint_eq(ops[i].dones, 1);
        ck_assert_ptr_null(ops[i].op.driver);
    }
    ck_assert_uint_eq(wf_mock_counts(d).submits, 100);
    ck_assert_uint_eq(wf_mock_counts(d).dones, 100);
    d->ops->close(d);
}

TEST(an_operation_may_have_many_completions)
{
    struct wf_driver *d = mock_new();
    struct counted a = make(WF_OP_ACCEPT_MULTI, 3, 0);
    d->ops->submit(d, &a.op);
    for (int i = 0; i < 5; i++)
        wf_mock_complete(&a.op, 100 + i, true);
    ck_assert_uint_eq(d->ops->poll(d), 5);
    ck_assert(a.op.more && a.op.res == 104);
    ck_assert_uint_eq(d->ops->inflight(d), 1);
    d->ops->cancel(d, &a.op);
    ck_assert_uint_eq(d->ops->poll(d), 1);
    ck_assert(!a.op.more && a.op.res == -ECANCELED);
    d->ops->close(d);
}

TEST(short_first_of_a_pair_ends_the_second)
{
    struct wf_driver *d = mock_new();
    struct counted first = make(WF_OP_SEND, 3, 10), second = make(WF_OP_RECV, 3, 10);
    d->ops->submit_pair(d, &first.op, &second.op);
    wf_mock_complete(&first.op, 10, false);
    ck_assert_uint_eq(d->ops->poll(d), 1);
    wf_mock_complete(&second.op, 4, false);
    ck_assert_uint_eq(d->ops->poll(d), 1);
    ck_assert_int_eq(second.op.res, 4);
    d->ops->submit_pair(d, &first.op, &second.op);
    wf_mock_complete(&first.op, 9, false);
    ck_assert_uint_eq(d->ops->poll(d), 2);
    ck_assert_int_eq(second.op.res, -ECANCELED);
    ck_assert_uint_eq(wf_mock_counts(d).pairs, 2);
    d->ops->close(d);
}

TEST(held_cancel_leaves_the_result_to_the_test)
{
    struct wf_driver *d = mock_new();
    struct counted r = make(WF_OP_RECV, 3, 10);
    wf_mock_hold_cancels(d, true);
    d->ops->submit(d, &r.op);
    d->ops->cancel(d, &r.op);
    d->ops->cancel(d, &r.op);
    ck_assert_uint_eq(wf_mock_counts(d).cancels, 1);
    ck_assert_uint_eq(d->ops->poll(d), 0);
    wf_mock_complete(&r.op, 7, false);
    ck_assert_uint_eq(d->ops->poll(d), 1);
    ck_assert_int_eq(r.op.res, 7);
    d->ops->cancel(d, &r.op);
    ck_assert_uint_eq(d->ops->poll(d), 0);
    d->ops->close(d);
}

TEST(sleep_of_the_mock_is_never_short)
{
    struct wf_driver *d = mock_new();
    for (int i = 0; i < 5; i++) {
        int64_t deadline = wf_clock_now() + 500000;
        ck_assert_uint_eq(d->ops->sleep(d, deadline), 0);
        ck_assert_int_ge(wf_clock_now(), deadline);
    }
    ck_assert_uint_eq(d->ops->sleep(d, -5), 0);
    d->ops->wake(d, NULL);
    ck_assert_uint_eq(d->ops->sleep(d, WEFT_NEVER), 0);
    d->ops->close(d);
}

static bool asleep(void *arg)
{
    return wf_mock_sleeping(arg);
}

static bool asleep_again(void *arg)
{
    return wf_mock_sleeping(arg) && wf_mock_counts(arg).sleeps == 2;
}

static void *complete_one(void *arg)
{
    struct wf_driver *d = arg;
    wf_test_wait_for(asleep, d, 10000);
    wf_mock_complete(wf_mock_find(d, WF_OP_RECV, -1), 1, false);
    wf_test_wait_for(asleep_again, d, 10000);
    d->ops->wake(d, NULL);
    return NULL;
}

TEST(another_thread_completes_and_wakes)
{
    struct wf_driver *d = mock_new();
    struct counted r = make(WF_OP_RECV, 3, 10);
    pthread_t thread;
    d->ops->submit(d, &r.op);
    ck_assert_int_eq(pthread_create(&thread, NULL, complete_one, d), 0);
    ck_assert_uint_eq(d->ops->sleep(d, WEFT_NEVER), 1);
    ck_assert_uint_eq(d->ops->sleep(d, WEFT_NEVER), 0);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(wf_mock_waiting(d), 0);
    d->ops->close(d);
}
