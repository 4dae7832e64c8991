/* SPDX-License-Identifier: Apache-2.0 */
/* serve_test.c - services: handlers, limits, and every way to stop */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "io/net/listener.h"
#include "tests/api/net_run.h"

/* ---- handlers ---- */

static int echo(weft_conn *conn, void *arg)
{
    char buf[256];
    ssize_t n;
    (void)arg;
    while ((n = weft_read(conn, buf, sizeof(buf))) > 0) {
        ssize_t sent = weft_write(conn, buf, (size_t)n);
        if (sent < 0)
            return (int)sent;
    }
    return (int)n;
}

static int echo_leased(weft_conn *conn, void *arg)
{
    struct weft_lease lease;
    ssize_t n;
    (void)arg;
    while ((n = weft_recv_lease(conn, &lease)) > 0) {
        ssize_t sent = weft_write(conn, lease.data, lease.len);
        weft_lease_return(&lease);
        if (sent < 0)
            return (int)sent;
    }
    return (int)n;
}

/* Counts its calls; goes on until the gate is open, whatever happens to the connection. */
static WF_ATOMIC(int) inside, inside_max, gate_open;

static int gated(weft_conn *conn, void *arg)
{
    (void)conn;
    (void)arg;
    int now = wf_add_rlx(&inside, 1) + 1, max = wf_load_rlx(&inside_max);
    while (now > max && !wf_cas_rlx(&inside_max, &max, now))
        ;
    int rc = 0;
    while (rc == 0 && !wf_load_acq(&gate_open))
        rc = weft_sleep(WEFT_MSEC(1));
    wf_sub_rlx(&inside, 1);
    return rc;
}

static int failing(weft_conn *conn, void *arg)
{
    (void)conn;
    (void)arg;
    return -EPROTO;
}

/* ---- a service in its own task ---- */

struct service {
    weft_listener *listener;
    char address[32];
    int (*handler)(weft_conn *, void *);
    struct weft_serve_options options;
    weft_task *task;
};

static intptr_t service_task(void *arg)
{
    struct service *s = arg;
    return weft_serve(s->listener, s->handler, NULL, &s->options);
}

static void service_start(struct service *s, int (*handler)(weft_conn *, void *))
{
    wf_store_rlx(&inside, 0);
    wf_store_rlx(&inside_max, 0);
    wf_store_rlx(&gate_open, 0);
    s->listener = net_listen(s->address);
    s->handler = handler;
    s->options.size = sizeof(s->options);
    if (s->options.grace == 0)
        s->options.grace = WEFT_SEC(5);
    s->task = weft_spawn(service_task, s);
    ck_assert_ptr_nonnull(s->task);
}

static intptr_t service_end(struct service *s)
{
    intptr_t rc = weft_await(s->task);
    ck_assert_int_eq(weft_listener_close(s->listener), 0);
    return rc;
}

static void ask(weft_conn *conn, const char *text)
{
    char buf[64];
    ssize_t n = (ssize_t)strlen(text);
    ck_assert_int_eq(weft_write(conn, text, (size_t)n), n);
    ck_assert_int_eq(weft_read_exact(conn, buf, (size_t)n), n);
    ck_assert_mem_eq(buf, text, (size_t)n);
}

static void wait_inside(int n)
{
    while (wf_load_acq(&inside) != n)
        (void)weft_sleep(WEFT_USEC(200));
}

/* ---- serving ---- */

NET_TEST(serve_checks_its_arguments)
{
    char address[32];
    weft_listener *listener = net_listen(address);
    struct weft_serve_options bad = {.size = 1};
    ck_assert_int_eq(weft_serve(NULL, echo, NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_serve(listener, NULL, NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_serve(listener, echo, NULL, &bad), -EINVAL);
    return weft_listener_close(listener);
}

NET_TEST(connections_are_served_at_the_same_time)
{
    enum { N = 30 };
    struct service s = {0};
    weft_conn *client[N];
    service_start(&s, echo);
    for (int i = 0; i < N; i++)
        client[i] = net_connect(s.address);
    for (int round = 0; round < 5; round++)
        for (int i = 0; i < N; i++)
            ask(client[i], "round");
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(weft_close(client[i]), 0);
    ck_assert_int_eq(weft_shutdown(), 0);
    ck_assert_int_eq(service_end(&s), 0);
    return 0;
}

NET_TEST(the_connection_is_closed_after_the_handler)
{
    struct service s = {0};
    char byte;
    service_start(&s, failing); /* its failure is logged and hurts nobody else */
    for (int i = 0; i < 20; i++) {
        weft_conn *client = net_connect(s.address);
        ck_assert_int_eq(weft_read(client, &byte, 1), 0);
        ck_assert_int_eq(weft_close(client), 0);
    }
    ck_assert_int_eq(weft_cancel(s.task, "test"), 0);
    ck_assert_int_eq(service_end(&s), -ECANCELED);
    return 0;
}

NET_TEST(handlers_never_exceed_the_limit_and_everyone_gets_a_turn)
{
    enum { N = 20, MAX = 3 };
    struct service s = {.options = {.max_connections = MAX}};
    weft_conn *client[N];
    char byte;
    service_start(&s, gated);
    for (int i = 0; i < N; i++)
        client[i] = net_connect(s.address);
    wait_inside(MAX);
    for (int i = 0; i < 20; i++)
        (void)weft_sleep(WEFT_USEC(200));
    ck_assert_int_eq(wf_load_rlx(&inside_max), MAX);
    ck_assert_uint_ge(s.listener->stats.pauses, 1);
    wf_store_rel(&gate_open, 1);
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(weft_read(client[i], &byte, 1), 0);
        ck_assert_int_eq(weft_close(client[i]), 0);
    }
    ck_assert_int_le(wf_load_rlx(&inside_max), MAX);
    ck_assert_int_eq(weft_shutdown(), 0);
    ck_assert_int_eq(service_end(&s), 0);
    return 0;
}

NET_TEST(a_listener_has_one_service_at_a_time)
{
    struct service s = {0};
    weft_conn *conn;
    service_start(&s, echo);
    conn = net_connect(s.address);
    ask(conn, "up");
    ck_assert_int_eq(weft_serve(s.listener, echo, NULL, NULL), -EBUSY);
    ck_assert_int_eq(weft_close(conn), 0);
    ck_assert_int_eq(weft_cancel(s.task, "test"), 0);
    ck_assert_int_eq(weft_await(s.task), -ECANCELED);
    s.task = weft_spawn(service_task, &s); /* and another one after it */
    conn = net_connect(s.address);
    ask(conn, "again");
    ck_assert_int_eq(weft_close(conn), 0);
    ck_assert_int_eq(weft_cancel(s.task, "test"), 0);
    ck_assert_int_eq(service_end(&s), -ECANCELED);
    return 0;
}

/* ---- stopping ---- */

NET_TEST(a_stop_ends_idle_connections_at_once)
{
    enum { N = 20 };
    struct service s = {.options = {.grace = WEFT_SEC(15)}};
    weft_conn *client[N];
    char byte;
    service_start(&s, echo_leased);
    for (int i = 0; i < N; i++) {
        client[i] = net_connect(s.address);
        if (i % 2 == 0)
            ask(client[i], "hello"); /* the others have never sent anything */
    }
    weft_deadline start = weft_now();
    ck_assert_int_eq(weft_shutdown(), 0);
    ck_assert_int_eq(service_end(&s), 0);
    ck_assert_int_lt(weft_now() - start, WEFT_SEC(5));
    for (int i = 0; i < N; i++) {
        ssize_t n = weft_read(client[i], &byte, 1);
        ck_assert_msg(n == 0 || n == -ECONNRESET, "%zd", n);
        ck_assert_int_eq(weft_close(client[i]), 0);
    }
    return 0;
}

NET_TEST(a_stop_lets_handlers_finish)
{
    struct service s = {0};
    service_start(&s, gated);
    weft_conn *client = net_connect(s.address);
    wait_inside(1);
    ck_assert_int_eq(weft_shutdown(), 0);
    for (int i = 0; i < 20; i++)
        (void)weft_sleep(WEFT_MSEC(1));
    ck_assert_int_eq(wf_load_acq(&inside), 1);
    wf_store_rel(&gate_open, 1);
    ck_assert_int_eq(service_end(&s), 0);
    ck_assert_int_eq(weft_close(client), 0);
    return 0;
}

NET_TEST(after_the_grace_time_handlers_are_cancelled)
{
    struct service s = {.options = {.grace = WEFT_MSEC(20)}};
    service_start(&s, gated);
    weft_conn *client = net_connect(s.address);
    wait_inside(1);
    weft_deadline start = weft_now();
    ck_assert_int_eq(weft_shutdown(), 0);
    ck_assert_int_eq(service_end(&s), -ETIMEDOUT);
    ck_assert_int_ge(weft_now() - start, WEFT_MSEC(20));
    ck_assert_int_eq(wf_load_acq(&inside), 0);
    ck_assert_int_eq(weft_close(client), 0);
    return 0;
}

NET_TEST(a_cancelled_caller_drains_and_says_so)
{
    struct service s = {.options = {.grace = WEFT_MSEC(20)}};
    service_start(&s, gated);
    weft_conn *client = net_connect(s.address);
    wait_inside(1);
    ck_assert_int_eq(weft_cancel(s.task, "test"), 0);
    ck_assert_int_eq(service_end(&s), -ECANCELED);
    ck_assert_int_eq(wf_load_acq(&inside), 0);
    ck_assert_int_eq(weft_close(client), 0);
    return 0;
}

NET_TEST(serving_after_a_stop_returns_at_once)
{
    char address[32];
    weft_listener *listener = net_listen(address);
    ck_assert_int_eq(weft_shutdown(), 0);
    while (wf_shutdown_phase() == 0)
        (void)weft_yield();
    ck_assert_int_eq(weft_serve(listener, echo, NULL, NULL), 0);
    return weft_listener_close(listener);
}

/* A handler in the middle of a request when the stop comes: what is under way is finished. */
static int line_server(weft_conn *conn, void *arg)
{
    char buf[16];
    (void)arg;
    for (;;) {
        wf_conn_set_idle(conn, true);
        ssize_t n = weft_read(conn, buf, 1);
        if (n <= 0)
            return (int)n;
        wf_conn_set_idle(conn, false);
        n = weft_read_exact(conn, buf, 4);
        if (n < 4)
            return -EPROTO;
        if (weft_write(conn, "done", 4) < 0)
            return -EPIPE;
    }
}

NET_TEST(a_request_under_way_is_finished_after_a_stop)
{
    struct service s = {.options = {.grace = WEFT_SEC(15)}};
    char buf[8];
    service_start(&s, line_server);
    weft_conn *busy = net_connect(s.address), *idle = net_connect(s.address);
    for (int i = 0; i < 2; i++) {
        weft_conn *conn = i == 0 ? busy : idle;
        ck_assert_int_eq(weft_write(conn, "?1234", 5), 5);
        ck_assert_int_eq(weft_read_exact(conn, buf, 4), 4);
    }
    ck_assert_int_eq(weft_write(busy, "?12", 3), 3);
    ck_assert_int_eq(weft_shutdown(), 0);
    ck_assert_int_eq(weft_read(idle, buf, 1), 0); /* the idle one ends first */
    ck_assert_int_eq(weft_write(busy, "34", 2), 2);
    ck_assert_int_eq(weft_read_exact(busy, buf, 4), 4);
    ck_assert_int_eq(weft_read(busy, buf, 1), 0); /* and now it is idle, too */
    ck_assert_int_eq(weft_close(busy), 0);
    ck_assert_int_eq(weft_close(idle), 0);
    ck_assert_int_eq(service_end(&s), 0);
    return 0;
}

/* The same by wf_conn_exchange, as HTTP does it. */
static int exchange_server(weft_conn *conn, void *arg)
{
    char buf[16];
    size_t sent;
    (void)arg;
    ssize_t n = weft_read_exact(conn, buf, 5);
    while (n == 5) {
        wf_conn_set_idle(conn, true);
        n = wf_conn_exchange(conn, "done", 4, buf, 5, WEFT_NEVER, &sent);
        ck_assert_uint_eq(sent, 4);
        wf_conn_set_idle(conn, false);
        if (n > 0 && n < 5) {
            ssize_t rest = weft_read_exact(conn, buf + n, (size_t)(5 - n));
            n = rest < 0 ? rest : n + rest;
        }
    }
    return (int)n;
}

NET_TEST(an_idle_exchange_ends_at_a_stop_with_its_answer_sent)
{
    enum { N = 10 };
    struct service s = {.options = {.grace = WEFT_SEC(15)}};
    weft_conn *client[N];
    char buf[8];
    service_start(&s, exchange_server);
    for (int i = 0; i < N; i++) {
        client[i] = net_connect(s.address);
        ck_assert_int_eq(weft_write(client[i], "?1234", 5), 5);
    }
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(weft_read_exact(client[i], buf, 4), 4);
    ck_assert_int_eq(weft_write(client[0], "?12", 3), 3);
    (void)weft_sleep(WEFT_MSEC(5)); /* most often it is under way before the stop */
    ck_assert_int_eq(weft_shutdown(), 0);
    for (int i = 1; i < N; i++)
        ck_assert_int_eq(weft_read(client[i], buf, 1), 0);
    if (weft_write(client[0], "34", 2) == 2)
        (void)weft_read_exact(client[0], buf, 4);
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(weft_close(client[i]), 0);
    ck_assert_int_eq(service_end(&s), 0);
    return 0;
}

/* ---- signals ---- */

static void installed(int number, struct sigaction *out)
{
    ck_assert_int_eq(sigaction(number, NULL, out), 0);
}

static intptr_t sigterm_body(void *arg)
{
    int number = *(int *)arg;
    struct service s = {0};
    service_start(&s, gated);
    weft_conn *client = net_connect(s.address);
    wait_inside(1);
    ck_assert_int_eq(kill(getpid(), number), 0);
    while (wf_shutdown_phase() == 0)
        (void)weft_sleep(WEFT_USEC(200));
    ck_assert_int_eq(wf_load_acq(&inside), 1); /* the handler goes on */
    wf_store_rel(&gate_open, 1);
    ck_assert_int_eq(service_end(&s), 0);
    return weft_close(client);
}

TEST(sigterm_and_sigint_stop_the_service_softly_and_are_put_back)
{
    int numbers[] = {SIGTERM, SIGINT};
    for (int i = 0; i < 2; i++) {
        struct sigaction before, after;
        struct weft_options o = {.size = sizeof(o), .workers = 2, .quiet = 1};
        installed(numbers[i], &before);
        ck_assert_int_eq(weft_run(sigterm_body, &numbers[i], &o), 0);
        installed(numbers[i], &after);
        ck_assert(before.sa_handler == after.sa_handler);
    }
}

static intptr_t second_signal_body(void *arg)
{
    struct service s = {.options = {.grace = WEFT_SEC(60)}};
    (void)arg;
    service_start(&s, gated);
    weft_conn *client = net_connect(s.address);
    wait_inside(1);
    ck_assert_int_eq(kill(getpid(), SIGTERM), 0);
    while (wf_shutdown_phase() == 0)
        (void)weft_sleep(WEFT_USEC(200));
    weft_deadline start = weft_now();
    ck_assert_int_eq(kill(getpid(), SIGTERM), 0);
    intptr_t rc = service_end(&s);
    ck_assert_msg(rc == -ETIMEDOUT || rc == -ECANCELED, "%zd", (ssize_t)rc);
    ck_assert_int_lt(weft_now() - start, WEFT_SEC(10));
    return weft_close(client);
}

TEST(a_second_signal_does_not_wait)
{
    for (unsigned workers = 1; workers <= 2; workers++) {
        struct weft_options o = {.size = sizeof(o), .workers = workers, .quiet = 1};
        ck_assert_int_eq(weft_run(second_signal_body, NULL, &o), 0);
    }
}

static intptr_t no_signals_body(void *arg)
{
    struct service s = {.options = {.no_signals = 1}};
    struct sigaction before, now;
    (void)arg;
    installed(SIGTERM, &before);
    service_start(&s, echo);
    weft_conn *client = net_connect(s.address);
    ask(client, "up");
    installed(SIGTERM, &now);
    ck_assert(before.sa_handler == now.sa_handler);
    ck_assert_int_eq(weft_close(client), 0);
    ck_assert_int_eq(weft_shutdown(), 0);
    return service_end(&s);
}

TEST(signals_can_be_left_alone)
{
    struct weft_options o = {.size = sizeof(o), .workers = 2, .quiet = 1};
    ck_assert_int_eq(weft_run(no_signals_body, NULL, &o), 0);
}
