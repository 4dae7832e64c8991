/* SPDX-License-Identifier: Apache-2.0 */
/* uring_cancel_test.c - every cancel gets through, and no byte is lost when it comes late */
#include <poll.h>
#include <sys/eventfd.h>

#include "runtime/base/rng.h"
#include "tests/unit/uring_rig.h"

TEST(receive_is_cancelled_while_it_waits)
{
    FOR_EACH_MODE(mode)
    {
        struct wf_driver *d = rig_open(64);
        int fds[2];
        char byte;
        rig_pair(fds);
        struct rig_op r = rig_make(WF_OP_RECV, fds[1], &byte, 1);
        rig_submit(d, &r);
        rig_turns(d, 1);
        d->ops->cancel(d, &r.op);
        d->ops->cancel(d, &r.op);
        ck_assert_uint_eq(d->ops->queued(d), 1);
        ck_assert_int_eq(rig_wait(d, &r), -ECANCELED);
        ck_assert_ptr_null(r.op.driver);
        d->ops->cancel(d, &r.op);
        ck_assert_uint_eq(d->ops->queued(d), 0);
        rig_close_fds(fds);
        rig_close(d);
    }
}

TEST(operation_that_is_only_queued_can_be_cancelled)
{
    struct wf_driver *d = rig_open(64);
    int fds[2];
    char byte;
    rig_pair(fds);
    struct rig_op r = rig_make(WF_OP_RECV, fds[1], &byte, 1);
    rig_submit(d, &r);
    d->ops->cancel(d, &r.op);
    ck_assert_int_eq(rig_wait(d, &r), -ECANCELED);
    rig_close_fds(fds);
    rig_close(d);
}

TEST(every_kind_that_waits_can_be_cancelled)
{
    static char big[4 << 20];
    FOR_EACH_MODE(mode)
    {
        struct wf_driver *d = rig_open(64);
        int fds[2], pipes[2];
        char byte;
        rig_pair(fds);
        ck_assert_int_eq(pipe(pipes), 0);
        struct rig_op r = rig_make(WF_OP_RECV, fds[0], &byte, 1);
        r.op.arg = 1;
        struct rig_op s = rig_make(WF_OP_SEND, fds[0], big, sizeof big);
        s.op.msg_flags = MSG_WAITALL;
        struct rig_op p = rig_make(WF_OP_POLL, fds[0], NULL, 0);
        p.op.arg = POLLIN;
        struct rig_op f = rig_make(WF_OP_READ, pipes[0], &byte, 1);
        f.op.offset = UINT64_MAX;
        struct rig_op *all[] = {&r, &s, &p, &f};
        for (unsigned i = 0; i < 4; i++)
            rig_submit(d, all[i]);
        rig_turns(d, 2);
        for (unsigned i = 0; i < 4; i++) {
            ck_assert(!all[i]->ended);
            d->ops->cancel(d, &all[i]->op);
        }
        for (unsigned i = 0; i < 4; i++)
            rig_wait(d, all[i]);
        ck_assert_int_eq(r.op.res, -ECANCELED);
        ck_assert_int_gt(s.op.res, 0); /* what went out is told */
        ck_assert_int_lt(s.op.res, (int)sizeof big);
        ck_assert_int_eq(p.op.res, -ECANCELED);
        ck_assert(f.op.res == -ECANCELED || f.op.res == -EINTR);
        rig_close_fds(fds);
        rig_close_fds(pipes);
        rig_close(d);
    }
}

/* Data came before the cancel: it is either the result or still in the socket. */
TEST(no_byte_is_lost_when_cancel_and_data_race)
{
    uint64_t rounds = wf_test_scale(2000);
    struct wf_rng rng;
    wf_rng_seed(&rng, wf_test_seed());
    FOR_EACH_MODE(mode)
    {
        struct wf_driver *d = rig_open(64);
        int fds[2];
        rig_pair(fds);
        for (uint64_t i = 0; i < rounds; i++) {
            char buf[8];
            struct rig_op r = rig_make(WF_OP_RECV, fds[1], buf, sizeof buf);
            r.op.arg = (uint32_t)wf_rng_below(&rng, 2);
            rig_submit(d, &r);
            rig_turns(d, (unsigned)wf_rng_below(&rng, 2));
            bool data_first = wf_rng_below(&rng, 2);
            if (data_first)
                ck_assert_int_eq(write(fds[0], "abcd", 4), 4);
            d->ops->cancel(d, &r.op);
            if (!data_first)
                ck_assert_int_eq(write(fds[0], "abcd", 4), 4);
            int res = rig_wait(d, &r);
            ck_assert_uint_eq(r.dones, 1);
            if (res == -ECANCELED)
                res = (int)recv(fds[1], buf, sizeof buf, MSG_DONTWAIT);
            ck_assert_int_eq(res, 4);
            ck_assert_mem_eq(buf, "abcd", 4);
        }
        rig_close_fds(fds);
        rig_close(d);
    }
}

TEST(ten_thousand_polls_cancelled_at_once_all_end)
{
    enum { COUNT = 10000 };
    static struct rig_op ops[COUNT];
    static const unsigned sizes[] = {64, 1024};
    FOR_EACH_MODE(mode)
    {
        for (unsigned k = 0; k < 2; k++) {
            struct wf_driver *d = rig_open(sizes[k]);
            int fd = eventfd(0, EFD_CLOEXEC);
            for (unsigned i = 0; i < COUNT; i++) {
                ops[i] = rig_make(WF_OP_POLL, fd, NULL, 0);
                ops[i].op.arg = POLLIN;
                rig_submit(d, &ops[i]);
            }
            rig_turns(d, 1);
            ck_assert_uint_eq(d->ops->inflight(d), COUNT);
            for (unsigned i = 0; i < COUNT; i++)
                d->ops->cancel(d, &ops[i].op);
            for (unsigned i = 0; i < COUNT; i++) {
                ck_assert_int_eq(rig_wait(d, &ops[i]), -ECANCELED);
                ck_assert_uint_eq(ops[i].dones, 1);
            }
            close(fd);
            rig_close(d);
        }
    }
}

/* ---- pairs ---- */

static void cancel_both(struct wf_driver *d, struct rig_op *first, struct rig_op *second)
{
    d->ops->cancel(d, &first->op);
    d->ops->cancel(d, &second->op);
    rig_wait(d, first);
    rig_wait(d, second);
}

TEST(pair_is_cancelled_while_its_first_waits)
{
    static char big[4 << 20];
    FOR_EACH_MODE(mode)
    {
        struct wf_driver *d = rig_open(64);
        int fds[2];
        char byte;
        rig_pair(fds);
        struct rig_op first = rig_make(WF_OP_SEND, fds[0], big, sizeof big);
        struct rig_op second = rig_make(WF_OP_RECV, fds[0], &byte, 1);
        d->ops->submit_pair(d, &first.op, &second.op);
        rig_turns(d, 2);
        cancel_both(d, &first, &second);
        ck_assert_int_lt(first.op.res, (int)sizeof big);
        ck_assert_int_eq(second.op.res, -ECANCELED);
        rig_close_fds(fds);
        rig_close(d);
    }
}

TEST(second_of_a_pair_can_be_cancelled_alone_while_the_first_waits)
{
    static char big[1 << 20], sink[1 << 16];
    FOR_EACH_MODE(mode)
    {
        struct wf_driver *d = rig_open(64);
        int fds[2];
        char byte;
        rig_pair(fds);
        struct rig_op first = rig_make(WF_OP_SEND, fds[0], big, sizeof big);
        struct rig_op second = rig_make(WF_OP_RECV, fds[0], &byte, 1);
        d->ops->submit_pair(d, &first.op, &second.op);
        rig_turns(d, 2);
        d->ops->cancel(d, &second.op);
        rig_turns(d, 2);
        ck_assert(!first.ended && !second.ended);
        while (!first.ended) {
            while (recv(fds[1], sink, sizeof sink, MSG_DONTWAIT) > 0) {}
            d->ops->poll(d);
        }
        ck_assert_int_eq(first.op.res, (int)sizeof big);
        ck_assert_int_eq(rig_wait(d, &second), -ECANCELED);
        rig_close_fds(fds);
        rig_close(d);
    }
}

TEST(pair_cancelled_at_any_moment_ends)
{
    enum { WIDTH = 50 };
    uint64_t rounds = wf_test_scale(100);
    struct wf_rng rng;
    wf_rng_seed(&rng, wf_test_seed());
    static struct rig_op first[WIDTH], second[WIDTH];
    static char bytes[WIDTH], sink[1 << 16];
    FOR_EACH_MODE(mode)
    {
        struct wf_driver *d = rig_open(64);
        int fds[WIDTH][2];
        for (unsigned i = 0; i < WIDTH; i++)
            rig_pair(fds[i]);
        for (uint64_t round = 0; round < rounds; round++) {
            for (unsigned i = 0; i < WIDTH; i++) {
                first[i] = rig_make(WF_OP_SEND, fds[i][0], sink, 1 + wf_rng_below(&rng, 20000));
                second[i] = rig_make(WF_OP_RECV, fds[i][0], &bytes[i], 1);
                second[i].op.arg = (uint32_t)wf_rng_below(&rng, 2);
                d->ops->submit_pair(d, &first[i].op, &second[i].op);
            }
            rig_turns(d, (unsigned)wf_rng_below(&rng, 3));
            for (unsigned i = 0; i < WIDTH; i++) {
                if (wf_rng_below(&rng, 2))
                    d->ops->cancel(d, &first[i].op);
                d->ops->cancel(d, &second[i].op);
                if (wf_rng_below(&rng, 8) == 0)
                    rig_turns(d, 1);
            }
            for (unsigned i = 0; i < WIDTH; i++) {
                while (!first[i].ended || !second[i].ended) {
                    while (recv(fds[i][1], sink, sizeof sink, MSG_DONTWAIT) > 0) {}
                    d->ops->sleep(d, wf_clock_now() + 1000000);
                }
                ck_assert_int_eq(second[i].op.res, -ECANCELED);
                while (recv(fds[i][1], sink, sizeof sink, MSG_DONTWAIT) > 0) {}
            }
        }
        for (unsigned i = 0; i < WIDTH; i++)
            rig_close_fds(fds[i]);
        rig_close(d);
    }
}
