/* SPDX-License-Identifier: Apache-2.0 */
/* lease_test.c - receive buffers lent by the runtime: waiting without one, bounds, returns */
#include <string.h>

#include "io/net/lease.h"
#include "tests/api/net_run.h"

struct lease_call {
    weft_conn *conn;
    struct weft_lease lease;
};

static intptr_t lease_task(void *arg)
{
    struct lease_call *call = arg;
    return weft_recv_lease(call->conn, &call->lease);
}

/* As above, and gives the buffer back. */
static intptr_t lease_and_return_task(void *arg)
{
    struct lease_call *call = arg;
    ssize_t n = weft_recv_lease(call->conn, &call->lease);
    weft_lease_return(&call->lease);
    return n;
}

NET_TEST(a_lease_brings_the_bytes)
{
    struct net_pair p = net_pair_open();
    struct weft_lease lease;
    ck_assert_int_eq(weft_write(p.a, "hello", 5), 5);
    ck_assert_int_eq(weft_recv_lease(p.b, &lease), 5);
    ck_assert_uint_eq(lease.len, 5);
    ck_assert_mem_eq(lease.data, "hello", 5);
    ck_assert_uint_eq(wf_lease_lent(), 1);
    weft_lease_return(&lease);
    ck_assert_ptr_null(lease.data);
    weft_lease_return(&lease); /* an empty one is harmless */
    weft_lease_return(NULL);
    ck_assert_uint_eq(wf_lease_lent(), 0);
    ck_assert_int_eq(weft_recv_lease(NULL, &lease), -EINVAL);
    ck_assert_int_eq(weft_recv_lease(p.b, NULL), -EINVAL);
    net_pair_close(&p);
    return 0;
}

NET_TEST(no_buffer_is_held_while_waiting)
{
    struct net_pair p = net_pair_open();
    struct lease_call call = {.conn = p.b};
    weft_task *task = weft_spawn(lease_task, &call);
    net_wait_role(p.b, WF_CONN_READING);
    ck_assert_uint_eq(wf_lease_lent(), 0);
    ck_assert_int_eq(weft_write(p.a, "x", 1), 1);
    ck_assert_int_eq(weft_await(task), 1);
    ck_assert_uint_eq(wf_lease_lent(), 1);
    weft_lease_return(&call.lease);
    net_pair_close(&p);
    return 0;
}

NET_TEST(a_wait_for_a_lease_ends_in_every_documented_way)
{
    struct net_pair p = net_pair_open();
    struct lease_call call = {.conn = p.b};
    ck_assert_int_eq(weft_conn_set_deadline(p.b, weft_now() + WEFT_MSEC(5), WEFT_NEVER), 0);
    ck_assert_int_eq(weft_recv_lease(p.b, &call.lease), -ETIMEDOUT);
    ck_assert_int_eq(weft_conn_set_deadline(p.b, WEFT_NEVER, WEFT_NEVER), 0);
    weft_task *task = weft_spawn(lease_task, &call);
    net_wait_role(p.b, WF_CONN_READING);
    char byte;
    ck_assert_int_eq(weft_read(p.b, &byte, 1), -EBUSY);
    ck_assert_int_eq(weft_cancel(task, "test"), 0);
    ck_assert_int_eq(weft_await(task), -ECANCELED);
    task = weft_spawn(lease_task, &call);
    net_wait_role(p.b, WF_CONN_READING);
    ck_assert_int_eq(weft_close(p.b), 0);
    ck_assert_int_eq(weft_await(task), -EBADF);
    ck_assert_int_eq(weft_close(p.a), 0);

    for (int reset = 0; reset < 2; reset++) {
        p = net_pair_open();
        call.conn = p.b;
        task = weft_spawn(lease_task, &call);
        net_wait_role(p.b, WF_CONN_READING);
        if (reset)
            net_reset(p.a);
        else
            ck_assert_int_eq(weft_close(p.a), 0);
        ck_assert_int_eq(weft_await(task), reset ? -ECONNRESET : 0);
        ck_assert_ptr_null(call.lease.owner);
        ck_assert_int_eq(weft_close(p.b), 0);
    }
    return 0;
}

NET_TEST(a_stream_longer_than_a_buffer_arrives_whole)
{
    enum { SIZE = 200000 };
    static char data[SIZE];
    struct net_pair p = net_pair_open();
    struct weft_lease lease;
    size_t got = 0;
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (char)(i % 251);
    ck_assert_int_eq(weft_write(p.a, data, SIZE), SIZE);
    while (got < SIZE) {
        ck_assert_int_gt(weft_recv_lease(p.b, &lease), 0);
        ck_assert_int_eq(memcmp(lease.data, data + got, lease.len), 0);
        got += lease.len;
        weft_lease_return(&lease);
    }
    net_pair_close(&p);
    return 0;
}

/* ---- the bound ---- */

static void run_bounded(weft_fn body)
{
    struct weft_options options = {
        .size = sizeof(options), .workers = 1, .quiet = 1, .buffers = 2, .buffer_size = 100};
    net_run_with(&options, body);
}

static intptr_t holds_all_body(void *arg)
{
    struct net_pair p = net_pair_open();
    struct weft_lease lease[3];
    char data[300] = {0};
    (void)arg;
    ck_assert_int_eq(weft_write(p.a, data, sizeof(data)), sizeof(data));
    ck_assert_int_eq(weft_recv_lease(p.b, &lease[0]), 100);
    ck_assert_int_eq(weft_recv_lease(p.b, &lease[1]), 100);
    ck_assert_int_eq(weft_recv_lease(p.b, &lease[2]), -ENOBUFS);
    weft_lease_return(&lease[0]);
    ck_assert_int_eq(weft_recv_lease(p.b, &lease[2]), 100); /* nothing was lost */
    weft_lease_return(&lease[1]);
    weft_lease_return(&lease[2]);
    net_pair_close(&p);
    return 0;
}

TEST(a_task_that_holds_all_buffers_is_told_so)
{
    run_bounded(holds_all_body);
}

/* Fills the pool from two tasks, so that a third one waits instead of failing. */
struct full_pool {
    struct net_pair p[3];
    struct lease_call call[3];
};

static void fill_pool(struct full_pool *f)
{
    for (int i = 0; i < 3; i++) {
        f->p[i] = net_pair_open();
        f->call[i].conn = f->p[i].b;
        ck_assert_int_eq(weft_write(f->p[i].a, "data", 4), 4);
    }
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(weft_await(weft_spawn(lease_task, &f->call[i])), 4);
    ck_assert_uint_eq(wf_lease_lent(), 2);
}

static void empty_pool(struct full_pool *f)
{
    for (int i = 0; i < 3; i++) {
        weft_lease_return(&f->call[i].lease);
        net_pair_close(&f->p[i]);
    }
}

static intptr_t waits_body(void *arg)
{
    struct full_pool f = {0};
    (void)arg;
    fill_pool(&f);
    weft_task *task = weft_spawn(lease_task, &f.call[2]);
    for (int i = 0; i < 50; i++)
        (void)weft_yield();
    ck_assert_uint_eq(wf_lease_lent(), 2);
    weft_lease_return(&f.call[0].lease);
    ck_assert_int_eq(weft_await(task), 4);
    ck_assert_mem_eq(f.call[2].lease.data, "data", 4);
    empty_pool(&f);
    return 0;
}

TEST(at_the_bound_a_task_waits_for_a_return)
{
    run_bounded(waits_body);
}

static intptr_t waits_cut_body(void *arg)
{
    struct full_pool f = {0};
    (void)arg;
    fill_pool(&f);
    ck_assert_int_eq(weft_conn_set_deadline(f.call[2].conn, weft_now() + WEFT_MSEC(5), WEFT_NEVER),
                     0);
    ck_assert_int_eq(weft_await(weft_spawn(lease_task, &f.call[2])), -ETIMEDOUT);
    ck_assert_int_eq(weft_conn_set_deadline(f.call[2].conn, WEFT_NEVER, WEFT_NEVER), 0);
    weft_task *task = weft_spawn(lease_task, &f.call[2]);
    for (int i = 0; i < 50; i++)
        (void)weft_yield();
    ck_assert_int_eq(weft_cancel(task, "test"), 0);
    ck_assert_int_eq(weft_await(task), -ECANCELED);
    task = weft_spawn(lease_task, &f.call[2]);
    for (int i = 0; i < 50; i++)
        (void)weft_yield();
    ck_assert_int_eq(weft_close(f.p[2].b), 0);
    ck_assert_int_eq(weft_await(task), -EBADF);
    f.p[2].b = NULL;
    empty_pool(&f);
    return 0;
}

TEST(a_wait_for_a_buffer_can_be_cut)
{
    run_bounded(waits_cut_body);
}

/* Many connections share two buffers: each gets its bytes in the end. */
static intptr_t crowd_body(void *arg)
{
    enum { N = 40 };
    struct net_pair p[N];
    struct lease_call call[N];
    weft_task *task[N];
    (void)arg;
    for (int i = 0; i < N; i++) {
        p[i] = net_pair_open();
        call[i].conn = p[i].b;
        task[i] = weft_spawn(lease_and_return_task, &call[i]);
    }
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(weft_write(p[i].a, "data", 4), 4);
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(weft_await(task[i]), 4);
        net_pair_close(&p[i]);
    }
    return 0;
}

TEST(many_connections_share_few_buffers)
{
    run_bounded(crowd_body);
    struct weft_options two = {
        .size = sizeof(two), .workers = 2, .quiet = 1, .buffers = 1, .buffer_size = 100};
    net_run_with(&two, crowd_body);
}
