/* SPDX-License-Identifier: Apache-2.0 */
/* conn_test.c - reading, writing and closing connections: every documented return */
#include <string.h>
#include <sys/socket.h>

#include "tests/api/net_run.h"

/* ---- reading ---- */

NET_TEST(read_returns_what_is_there)
{
    struct net_pair p = net_pair_open();
    char buf[64];
    ck_assert_int_eq(weft_write(p.a, "hello", 5), 5);
    ck_assert_int_eq(weft_read(p.b, buf, sizeof(buf)), 5);
    ck_assert_mem_eq(buf, "hello", 5);
    ck_assert_int_eq(weft_read(p.b, buf, 0), 0);
    ck_assert_int_eq(weft_read(p.b, NULL, 1), -EINVAL);
    ck_assert_int_eq(weft_read(NULL, buf, 1), -EINVAL);
    net_pair_close(&p);
    return 0;
}

NET_TEST(read_in_small_pieces_sees_every_byte)
{
    struct net_pair p = net_pair_open();
    char data[1000], got[1000];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)(i * 7);
    ck_assert_int_eq(weft_write(p.a, data, sizeof(data)), sizeof(data));
    for (size_t n = 0; n < sizeof(got);) {
        ssize_t r = weft_read(p.b, got + n, 7 < sizeof(got) - n ? 7 : sizeof(got) - n);
        ck_assert_int_gt(r, 0);
        n += (size_t)r;
    }
    ck_assert_mem_eq(data, got, sizeof(got));
    net_pair_close(&p);
    return 0;
}

NET_TEST(read_waits_for_data)
{
    struct net_pair p = net_pair_open();
    char buf[8];
    struct net_read r = {p.b, buf, sizeof(buf)};
    weft_task *task = weft_spawn(net_read_task, &r);
    net_wait_role(p.b, WF_CONN_READING);
    ck_assert_int_eq(weft_write(p.a, "x", 1), 1);
    ck_assert_int_eq(weft_await(task), 1);
    ck_assert_int_eq(buf[0], 'x');
    net_pair_close(&p);
    return 0;
}

NET_TEST(read_times_out_and_the_connection_stays_usable)
{
    struct net_pair p = net_pair_open();
    char buf[8];
    weft_deadline start = weft_now();
    ck_assert_int_eq(weft_conn_set_deadline(p.b, start + WEFT_MSEC(10), WEFT_NEVER), 0);
    ck_assert_int_eq(weft_read(p.b, buf, sizeof(buf)), -ETIMEDOUT);
    ck_assert_int_ge(weft_now() - start, WEFT_MSEC(10));
    ck_assert_int_eq(weft_read(p.b, buf, sizeof(buf)), -ETIMEDOUT);
    ck_assert_int_eq(weft_conn_set_deadline(p.b, WEFT_NEVER, WEFT_NEVER), 0);
    ck_assert_int_eq(weft_write(p.a, "y", 1), 1);
    ck_assert_int_eq(weft_read(p.b, buf, sizeof(buf)), 1);
    ck_assert_int_eq(weft_conn_set_deadline(NULL, 0, 0), -EINVAL);
    net_pair_close(&p);
    return 0;
}

NET_TEST(a_block_deadline_cancels_a_read)
{
    struct net_pair p = net_pair_open();
    char buf[8];
    int rc = 0;
    WEFT_TIMEOUT(rc, WEFT_MSEC(5))
    {
        ck_assert_int_eq(weft_read(p.b, buf, sizeof(buf)), -ECANCELED);
        ck_assert_int_eq(weft_read(p.b, buf, sizeof(buf)), -ECANCELED);
        ck_assert_int_eq(weft_write(p.b, "x", 1), -ECANCELED);
    }
    ck_assert_int_eq(rc, -ETIMEDOUT);
    net_pair_close(&p);
    return 0;
}

NET_TEST(a_read_is_cancelled_while_it_waits)
{
    struct net_pair p = net_pair_open();
    char buf[8];
    struct net_read r = {p.b, buf, sizeof(buf)};
    weft_task *task = weft_spawn(net_read_task, &r);
    net_wait_role(p.b, WF_CONN_READING);
    ck_assert_int_eq(weft_cancel(task, "test"), 0);
    ck_assert_int_eq(weft_await(task), -ECANCELED);
    ck_assert_int_eq(weft_write(p.a, "z", 1), 1);
    ck_assert_int_eq(weft_read(p.b, buf, sizeof(buf)), 1);
    net_pair_close(&p);
    return 0;
}

struct cancelled_before {
    weft_conn *conn;
    ssize_t read, write, lease;
};

static intptr_t cancelled_before_task(void *arg)
{
    struct cancelled_before *c = arg;
    char buf[8];
    struct weft_lease lease;
    while (weft_yield() == 0)
        ;
    c->read = weft_read(c->conn, buf, sizeof(buf));
    c->write = weft_write(c->conn, "w", 1);
    c->lease = weft_recv_lease(c->conn, &lease);
    return 0;
}

NET_TEST(a_cancelled_task_moves_nothing)
{
    struct net_pair p = net_pair_open();
    char buf[8];
    struct cancelled_before c = {.conn = p.b};
    ck_assert_int_eq(weft_write(p.a, "kept", 4), 4);
    weft_task *task = weft_spawn(cancelled_before_task, &c);
    for (int i = 0; i < 10; i++)
        (void)weft_yield();
    ck_assert_int_eq(weft_cancel(task, "test"), 0);
    (void)weft_await(task);
    ck_assert_int_eq(weft_read(p.b, buf, sizeof(buf)), 4);
    if (c.read != 0) { /* it may have been cancelled before its first instruction */
        ck_assert_int_eq(c.read, -ECANCELED);
        ck_assert_int_eq(c.write, -ECANCELED);
        ck_assert_int_eq(c.lease, -ECANCELED);
    }
    net_pair_close(&p);
    return 0;
}

NET_TEST(the_end_of_the_stream_is_zero_again_and_again)
{
    struct net_pair p = net_pair_open();
    char buf[8];
    ck_assert_int_eq(weft_write(p.a, "bye", 3), 3);
    ck_assert_int_eq(weft_close(p.a), 0);
    ck_assert_int_eq(weft_read(p.b, buf, sizeof(buf)), 3);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(weft_read(p.b, buf, sizeof(buf)), 0);
    ck_assert_int_eq(weft_close(p.b), 0);
    return 0;
}

NET_TEST(a_waiting_read_sees_end_and_reset)
{
    for (int reset = 0; reset < 2; reset++) {
        struct net_pair p = net_pair_open();
        char buf[8];
        struct net_read r = {p.b, buf, sizeof(buf)};
        weft_task *task = weft_spawn(net_read_task, &r);
        net_wait_role(p.b, WF_CONN_READING);
        if (reset)
            net_reset(p.a);
        else
            ck_assert_int_eq(weft_close(p.a), 0);
        ck_assert_int_eq(weft_await(task), reset ? -ECONNRESET : 0);
        ck_assert_int_eq(weft_close(p.b), 0);
    }
    return 0;
}

NET_TEST(a_second_reader_is_busy)
{
    struct net_pair p = net_pair_open();
    char buf[8], other[8];
    size_t sent;
    struct weft_lease lease;
    struct net_read r = {p.b, buf, sizeof(buf)};
    weft_task *task = weft_spawn(net_read_task, &r);
    net_wait_role(p.b, WF_CONN_READING);
    ck_assert_int_eq(weft_read(p.b, other, 1), -EBUSY);
    ck_assert_int_eq(weft_read_exact(p.b, other, 1), -EBUSY);
    ck_assert_int_eq(weft_recv_lease(p.b, &lease), -EBUSY);
    ck_assert_int_eq(wf_conn_exchange(p.b, "x", 1, other, 1, WEFT_NEVER, &sent), -EBUSY);
    ck_assert_int_eq(weft_write(p.b, "ok", 2), 2); /* a writer beside a reader is fine */
    ck_assert_int_eq(weft_write(p.a, "x", 1), 1);
    ck_assert_int_eq(weft_await(task), 1);
    net_pair_close(&p);
    return 0;
}

NET_TEST(closing_ends_a_read_of_another_task)
{
    struct net_pair p = net_pair_open();
    char buf[8];
    struct net_read r = {p.b, buf, sizeof(buf)};
    weft_task *task = weft_spawn(net_read_task, &r);
    net_wait_role(p.b, WF_CONN_READING);
    ck_assert_int_eq(weft_close(p.b), 0);
    ck_assert_int_eq(weft_await(task), -EBADF);
    ck_assert_int_eq(weft_read(p.a, buf, sizeof(buf)), 0); /* and the peer sees the end */
    ck_assert_int_eq(weft_close(p.a), 0);
    return 0;
}

static intptr_t read_exact_task(void *arg)
{
    struct net_read *r = arg;
    return weft_read_exact(r->conn, r->buf, r->n);
}

NET_TEST(read_exact_collects_or_stops_at_the_end)
{
    struct net_pair p = net_pair_open();
    char buf[10];
    struct net_read r = {p.b, buf, sizeof(buf)};
    weft_task *task = weft_spawn(read_exact_task, &r);
    for (int i = 0; i < 5; i++) {
        net_wait_role(p.b, WF_CONN_READING);
        ck_assert_int_eq(weft_write(p.a, "ab", 2), 2);
    }
    ck_assert_int_eq(weft_await(task), 10);
    ck_assert_mem_eq(buf, "ababababab", 10);
    ck_assert_int_eq(weft_read_exact(p.b, buf, 0), 0);
    ck_assert_int_eq(weft_write(p.a, "abc", 3), 3);
    ck_assert_int_eq(weft_conn_shutdown(p.a, SHUT_WR), 0);
    ck_assert_int_eq(weft_read_exact(p.b, buf, 10), 3);
    ck_assert_int_eq(weft_read_exact(p.b, buf, 10), 0);
    net_pair_close(&p);
    return 0;
}

/* ---- writing ---- */

struct write_call {
    weft_conn *conn;
    const char *buf;
    size_t n;
};

static intptr_t write_task(void *arg)
{
    struct write_call *w = arg;
    return weft_write(w->conn, w->buf, w->n);
}

enum { BIG = 8 * 1024 * 1024 };
static char big[BIG], big_got[BIG];

static void fill_big(void)
{
    for (size_t i = 0; i < BIG; i++)
        big[i] = (char)(i ^ (i >> 8) ^ (i >> 16));
}

static void read_big(weft_conn *conn)
{
    size_t n = 0;
    while (n < BIG) {
        ssize_t r = weft_read(conn, big_got + n, BIG - n);
        ck_assert_int_gt(r, 0);
        n += (size_t)r;
    }
    ck_assert_int_eq(memcmp(big, big_got, BIG), 0);
}

NET_TEST(a_large_write_waits_until_everything_is_sent)
{
    struct net_pair p = net_pair_open();
    fill_big();
    struct write_call w = {p.a, big, BIG};
    weft_task *task = weft_spawn(write_task, &w);
    net_wait_role(p.a, WF_CONN_WRITING);
    ck_assert_int_eq(weft_write(p.a, "x", 1), -EBUSY);
    read_big(p.b);
    ck_assert_int_eq(weft_await(task), BIG);
    ck_assert_int_eq(weft_write(p.a, NULL, 0), 0);
    ck_assert_int_eq(weft_write(p.a, NULL, 1), -EINVAL);
    ck_assert_int_eq(weft_write(NULL, "x", 1), -EINVAL);
    net_pair_close(&p);
    return 0;
}

static intptr_t writev_task(void *arg)
{
    struct write_call *w = arg;
    enum { PIECES = 1000 };
    static struct iovec iov[PIECES];
    size_t at = 0;
    for (int i = 0; i < PIECES; i++) {
        size_t n = i == PIECES - 1 ? BIG - at : (size_t)(i * 37 % 8000);
        iov[i] = (struct iovec){big + at, n};
        at += n;
    }
    return weft_writev(w->conn, iov, PIECES);
}

NET_TEST(writev_sends_all_pieces_in_order)
{
    struct net_pair p = net_pair_open();
    char buf[16];
    fill_big();
    struct write_call w = {.conn = p.a};
    weft_task *task = weft_spawn(writev_task, &w);
    read_big(p.b);
    ck_assert_int_eq(weft_await(task), BIG);
    struct iovec iov[3] = {{"ab", 2}, {NULL, 0}, {"cde", 3}}, bad = {NULL, 1};
    ck_assert_int_eq(weft_writev(p.a, iov, 3), 5);
    ck_assert_int_eq(weft_read_exact(p.b, buf, 5), 5);
    ck_assert_mem_eq(buf, "abcde", 5);
    ck_assert_int_eq(weft_writev(p.a, &iov[1], 1), 0);
    ck_assert_int_eq(weft_writev(p.a, &bad, 1), -EINVAL);
    ck_assert_int_eq(weft_writev(p.a, iov, 0), -EINVAL);
    ck_assert_int_eq(weft_writev(p.a, iov, 1025), -EINVAL);
    ck_assert_int_eq(weft_writev(p.a, NULL, 1), -EINVAL);
    ck_assert_int_eq(weft_writev(NULL, iov, 1), -EINVAL);
    net_pair_close(&p);
    return 0;
}

NET_TEST(a_write_times_out_with_nothing_or_with_a_count)
{
    struct net_pair p = net_pair_open();
    (void)net_fill(p.a);
    ck_assert_int_eq(weft_conn_set_deadline(p.a, WEFT_NEVER, weft_now() + WEFT_MSEC(10)), 0);
    ck_assert_int_eq(weft_write(p.a, "x", 1), -ETIMEDOUT);
    struct iovec iov[2] = {{"x", 1}, {"y", 1}};
    ck_assert_int_eq(weft_writev(p.a, iov, 2), -ETIMEDOUT);
    net_pair_close(&p);

    p = net_pair_open();
    ck_assert_int_eq(weft_conn_set_deadline(p.a, WEFT_NEVER, weft_now() + WEFT_MSEC(30)), 0);
    ssize_t n = weft_write(p.a, big, BIG);
    ck_assert_int_gt(n, 0);
    ck_assert_int_lt(n, BIG);
    ck_assert_int_eq(weft_conn_shutdown(p.a, SHUT_WR), 0);
    ssize_t got = 0, r;
    while ((r = weft_read(p.b, big_got, BIG)) > 0)
        got += r;
    ck_assert_int_eq(r, 0);
    ck_assert_int_eq(got, n);
    net_pair_close(&p);
    return 0;
}

NET_TEST(a_cancelled_write_reports_what_was_sent)
{
    struct net_pair p = net_pair_open();
    struct write_call w = {p.a, big, BIG};
    weft_task *task = weft_spawn(write_task, &w);
    net_wait_role(p.a, WF_CONN_WRITING);
    ck_assert_int_eq(weft_cancel(task, "test"), 0);
    intptr_t n = weft_await(task);
    if (n == -ECANCELED) /* before its first instruction */
        n = 0;
    ck_assert_int_lt(n, BIG);
    ck_assert_int_ge(n, 0);
    ck_assert_int_eq(weft_conn_shutdown(p.a, SHUT_WR), 0);
    ssize_t got = 0, r;
    while ((r = weft_read(p.b, big_got, BIG)) > 0)
        got += r;
    ck_assert_int_eq(got, n);
    net_pair_close(&p);
    return 0;
}

NET_TEST(writing_to_a_closed_peer_fails_without_a_signal)
{
    struct net_pair p = net_pair_open();
    net_reset(p.b);
    ssize_t n;
    while ((n = weft_write(p.a, "x", 1)) == 1)
        (void)weft_yield();
    ck_assert_msg(n == -EPIPE || n == -ECONNRESET, "%zd", n);
    ck_assert_int_eq(weft_write(p.a, "x", 1), -EPIPE);
    ck_assert_int_eq(weft_close(p.a), 0);
    return 0;
}

NET_TEST(a_reset_ends_a_write_that_waits)
{
    struct net_pair p = net_pair_open();
    (void)net_fill(p.a);
    struct write_call w = {p.a, "x", 1};
    weft_task *task = weft_spawn(write_task, &w);
    net_wait_role(p.a, WF_CONN_WRITING);
    net_reset(p.b);
    intptr_t n = weft_await(task);
    ck_assert_msg(n == -EPIPE || n == -ECONNRESET, "%zd", (ssize_t)n);
    ck_assert_int_eq(weft_close(p.a), 0);
    return 0;
}

NET_TEST(closing_ends_reader_and_writer_together)
{
    struct net_pair p = net_pair_open();
    char buf[8];
    (void)net_fill(p.a);
    struct write_call w = {p.a, "x", 1};
    struct net_read r = {p.a, buf, sizeof(buf)};
    weft_task *writer = weft_spawn(write_task, &w), *reader = weft_spawn(net_read_task, &r);
    net_wait_role(p.a, WF_CONN_WRITING);
    net_wait_role(p.a, WF_CONN_READING);
    ck_assert_int_eq(weft_close(p.a), 0);
    ck_assert_int_eq(weft_await(writer), -EBADF);
    ck_assert_int_eq(weft_await(reader), -EBADF);
    ck_assert_int_eq(weft_close(p.b), 0);
    return 0;
}

NET_TEST(shutdown_ends_directions)
{
    struct net_pair p = net_pair_open();
    char buf[8];
    ck_assert_int_eq(weft_conn_shutdown(p.a, 77), -EINVAL);
    ck_assert_int_eq(weft_conn_shutdown(NULL, SHUT_WR), -EINVAL);
    struct net_read r = {p.a, buf, sizeof(buf)};
    weft_task *task = weft_spawn(net_read_task, &r);
    net_wait_role(p.a, WF_CONN_READING);
    ck_assert_int_eq(weft_conn_shutdown(p.a, SHUT_RD), 0);
    ck_assert_int_eq(weft_await(task), 0);
    ck_assert_int_eq(weft_write(p.a, "still", 5), 5);
    ck_assert_int_eq(weft_conn_shutdown(p.a, SHUT_WR), 0);
    ck_assert_int_eq(weft_write(p.a, "x", 1), -EPIPE);
    ck_assert_int_eq(weft_read_exact(p.b, buf, 6), 5);
    ck_assert_int_eq(weft_conn_peer(p.a, NULL, 1), -EINVAL);
    ck_assert_int_eq(weft_conn_peer(p.a, buf, 3), -ENOSPC);
    ck_assert_int_eq(weft_conn_fd(NULL), -EINVAL);
    net_pair_close(&p);
    return 0;
}

/* ---- write and read in one suspension ---- */

struct exchange_call {
    weft_conn *conn;
    const char *out;
    size_t n, sent;
    char in[16];
    weft_deadline deadline;
};

static intptr_t exchange_task(void *arg)
{
    struct exchange_call *x = arg;
    return wf_conn_exchange(x->conn, x->out, x->n, x->in, sizeof(x->in), x->deadline, &x->sent);
}

NET_TEST(an_exchange_sends_then_receives)
{
    struct net_pair p = net_pair_open();
    char buf[16];
    for (int i = 0; i < 20; i++) {
        struct exchange_call x = {.conn = p.a, .out = "ask", .n = 3, .deadline = WEFT_NEVER};
        weft_task *task = weft_spawn(exchange_task, &x);
        ck_assert_int_eq(weft_read_exact(p.b, buf, 3), 3);
        ck_assert_mem_eq(buf, "ask", 3);
        ck_assert_int_eq(weft_write(p.b, "answer", 6), 6);
        ck_assert_int_eq(weft_await(task), 6);
        ck_assert_mem_eq(x.in, "answer", 6);
        ck_assert_uint_eq(x.sent, 3);
    }
    net_pair_close(&p);
    return 0;
}

NET_TEST(an_exchange_with_a_large_part_goes_through)
{
    struct net_pair p = net_pair_open();
    fill_big();
    struct exchange_call x = {.conn = p.a, .out = big, .n = BIG, .deadline = WEFT_NEVER};
    weft_task *task = weft_spawn(exchange_task, &x);
    read_big(p.b);
    ck_assert_int_eq(weft_write(p.b, "done", 4), 4);
    ck_assert_int_eq(weft_await(task), 4);
    ck_assert_uint_eq(x.sent, BIG);
    net_pair_close(&p);
    return 0;
}

NET_TEST(an_exchange_is_cut_in_its_second_half)
{
    struct net_pair p = net_pair_open();
    char buf[16];
    struct exchange_call x = {
        .conn = p.a, .out = "ask", .n = 3, .deadline = weft_now() + WEFT_MSEC(10)};
    weft_task *task = weft_spawn(exchange_task, &x);
    ck_assert_int_eq(weft_await(task), -ETIMEDOUT);
    ck_assert_uint_eq(x.sent, 3);
    x.deadline = WEFT_NEVER;
    task = weft_spawn(exchange_task, &x);
    ck_assert_int_eq(weft_read_exact(p.b, buf, 6), 6);
    ck_assert_int_eq(weft_cancel(task, "test"), 0);
    ck_assert_int_eq(weft_await(task), -ECANCELED);
    ck_assert_uint_eq(x.sent, 3);
    task = weft_spawn(exchange_task, &x);
    net_wait_role(p.a, WF_CONN_WRITING);
    ck_assert_int_eq(weft_close(p.a), 0);
    ck_assert_int_eq(weft_await(task), -EBADF);
    return weft_close(p.b);
}

NET_TEST(an_exchange_is_cut_in_its_first_half)
{
    struct net_pair p = net_pair_open();
    struct exchange_call x = {
        .conn = p.a, .out = big, .n = BIG, .deadline = weft_now() + WEFT_MSEC(20)};
    weft_task *task = weft_spawn(exchange_task, &x);
    ck_assert_int_eq(weft_await(task), -ETIMEDOUT);
    ck_assert_uint_lt(x.sent, BIG);
    net_pair_close(&p);

    p = net_pair_open();
    x.conn = p.a;
    x.deadline = WEFT_NEVER;
    task = weft_spawn(exchange_task, &x);
    net_wait_role(p.a, WF_CONN_WRITING);
    net_reset(p.b);
    intptr_t n = weft_await(task);
    ck_assert_msg(n == -EPIPE || n == -ECONNRESET, "%zd", (ssize_t)n);
    ck_assert_uint_lt(x.sent, BIG);
    return weft_close(p.a);
}

NET_TEST(an_exchange_checks_its_arguments)
{
    struct net_pair p = net_pair_open();
    char in[4];
    size_t sent;
    ck_assert_int_eq(wf_conn_exchange(p.a, "x", 1, in, 0, WEFT_NEVER, &sent), -EINVAL);
    ck_assert_int_eq(weft_write(p.b, "in", 2), 2);
    ck_assert_int_eq(wf_conn_exchange(p.a, "", 0, in, 4, WEFT_NEVER, &sent), 2);
    ck_assert_int_eq(weft_write(p.b, "full", 4), 4);
    ck_assert_int_eq(weft_read(p.a, in, 2), 2); /* now the next read is expected to hit */
    ck_assert_int_eq(wf_conn_exchange(p.a, "x", 1, in, 4, WEFT_NEVER, &sent), 2);
    ck_assert_uint_eq(sent, 1);
    ck_assert_int_eq(weft_read(p.b, in, 4), 1);
    net_pair_close(&p);
    return 0;
}
