/* SPDX-License-Identifier: Apache-2.0 */
/* tcp_test.c - addresses, listening, accepting, connecting */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/net/address.h"
#include "io/net/listener.h"
#include "tests/api/net_run.h"

/* ---- addresses ---- */

TEST(good_addresses_survive_a_round_trip)
{
    static const char *const good[] = {"127.0.0.1:80",      "0.0.0.0:0", "255.255.255.255:65535",
                                       "[::1]:8080",        "[::]:0",    "[2001:db8::7]:443",
                                       "[::ffff:1.2.3.4]:1"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct wf_address address;
        char text[64];
        ck_assert_msg(wf_address_parse(&address, good[i], NULL) == 0, "%s", good[i]);
        ck_assert_int_gt(wf_address_format(&address.sa, text, sizeof(text)), 0);
        ck_assert_str_eq(text, good[i]);
    }
}

TEST(a_port_alone_means_all_addresses)
{
    struct wf_address address;
    ck_assert_int_eq(wf_address_parse(&address, ":80", NULL), 0);
    ck_assert(address.any);
    ck_assert_uint_eq(wf_address_port(&address), 80);
    wf_address_any_v4(&address);
    ck_assert_int_eq(address.sa.sa_family, AF_INET);
    ck_assert_uint_eq(wf_address_port(&address), 80);
}

TEST(bad_addresses_are_refused_with_a_reason)
{
    static const char *const bad[] = {
        "",
        ":",
        "80",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:x",
        "1.2.3:80",
        "::1:80",
        "[::1]",
        "[::1]80",
        "[::1:80",
        "::1]:80",
        "[]:80",
        "[g::]:80",
        "localhost:80",
        "127.0.0.1:+80",
        "127.0.0.1: 80",
        " 127.0.0.1:80",
        ":65536",
        ":000080",
        ":-1",
        ":80 ",
        ":0x50",
        "1.2.3.4:80:80",
        "01.2.3.4.5:80",
        "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc]:80"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct wf_address address;
        const char *why = NULL;
        ck_assert_msg(wf_address_parse(&address, bad[i], &why) == -EINVAL, "%s", bad[i]);
        ck_assert_ptr_nonnull(why);
    }
    struct wf_address address;
    ck_assert_int_eq(wf_address_parse(&address, NULL, NULL), -EINVAL);
    ck_assert_int_eq(wf_address_parse(&address, ":1", NULL), 0);
    char text[4];
    ck_assert_int_eq(wf_address_format(&address.sa, text, sizeof(text)), -ENOSPC);
}

/* ---- listening ---- */

TEST(outside_a_run_everything_says_so)
{
    weft_listener *listener;
    weft_conn *conn;
    ck_assert_int_eq(weft_tcp_listen(&listener, "127.0.0.1:0", NULL), -EPERM);
    ck_assert_int_eq(weft_tcp_connect(&conn, "127.0.0.1:1", NULL), -EPERM);
    ck_assert_int_eq(weft_listener_port(NULL), -EINVAL);
    ck_assert_int_eq(weft_listener_close(NULL), 0);
    ck_assert_int_eq(weft_close(NULL), 0);
}

NET_TEST(listen_checks_its_arguments)
{
    weft_listener *listener;
    struct weft_listen_options bad = {.size = sizeof(bad) + 8};
    ck_assert_int_eq(weft_tcp_listen(NULL, "127.0.0.1:0", NULL), -EINVAL);
    ck_assert_int_eq(weft_tcp_listen(&listener, "nonsense", NULL), -EINVAL);
    ck_assert_int_eq(weft_tcp_listen(&listener, NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_tcp_listen(&listener, "127.0.0.1:0", &bad), -EINVAL);
    bad = (struct weft_listen_options){.size = sizeof(bad), .backlog = -1};
    ck_assert_int_eq(weft_tcp_listen(&listener, "127.0.0.1:0", &bad), -EINVAL);
    ck_assert_int_eq(weft_tcp_listen(&listener, "192.0.2.1:0", NULL), -EADDRNOTAVAIL);
    return 0;
}

NET_TEST(a_port_in_use_is_an_error)
{
    char address[32];
    weft_listener *first = net_listen(address), *second;
    ck_assert_int_gt(weft_listener_port(first), 0);
    ck_assert_int_eq(weft_tcp_listen(&second, address, NULL), -EADDRINUSE);
    struct weft_listen_options single = {.size = sizeof(single), .single = 1};
    ck_assert_int_eq(weft_tcp_listen(&second, address, &single), -EADDRINUSE);
    ck_assert_int_eq(weft_listener_close(first), 0);
    ck_assert_int_eq(weft_tcp_listen(&second, address, NULL), 0);
    ck_assert_int_eq(weft_listener_close(second), 0);
    return 0;
}

NET_TEST(a_listener_that_was_never_used_closes)
{
    char address[32];
    ck_assert_int_eq(weft_listener_close(net_listen(address)), 0);
    return 0;
}

static int option(weft_conn *conn, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);
    ck_assert_int_eq(getsockopt(weft_conn_fd(conn), level, name, &value, &len), 0);
    return value;
}

NET_TEST(both_ends_have_no_delay_unless_it_is_off)
{
    struct net_pair pair = net_pair_open();
    ck_assert_int_eq(option(pair.a, IPPROTO_TCP, TCP_NODELAY), 1);
    ck_assert_int_eq(option(pair.b, IPPROTO_TCP, TCP_NODELAY), 1);
    net_pair_close(&pair);

    weft_listener *listener;
    struct weft_listen_options lo = {.size = sizeof(lo), .no_delay_off = 1};
    struct weft_connect_options co = {.size = sizeof(co), .no_delay_off = 1};
    char address[32];
    ck_assert_int_eq(weft_tcp_listen(&listener, "127.0.0.1:0", &lo), 0);
    snprintf(address, sizeof(address), "127.0.0.1:%d", weft_listener_port(listener));
    ck_assert_int_eq(weft_tcp_connect(&pair.a, address, &co), 0);
    ck_assert_int_eq(weft_accept(listener, &pair.b), 0);
    ck_assert_int_eq(option(pair.a, IPPROTO_TCP, TCP_NODELAY), 0);
    ck_assert_int_eq(option(pair.b, IPPROTO_TCP, TCP_NODELAY), 0);
    net_pair_close(&pair);
    return weft_listener_close(listener);
}

NET_TEST(a_single_socket_and_ipv6_work_too)
{
    struct weft_listen_options single = {.size = sizeof(single), .single = 1};
    static const char *const addresses[] = {"127.0.0.1:0", "[::1]:0", ":0"};
    for (int i = 0; i < 3; i++) {
        weft_listener *listener;
        weft_conn *client, *server;
        char address[32];
        int rc = weft_tcp_listen(&listener, addresses[i], &single);
        if (rc == -EADDRNOTAVAIL || rc == -EAFNOSUPPORT)
            continue; /* no IPv6 here */
        ck_assert_int_eq(rc, 0);
        snprintf(address, sizeof(address), "%s:%d", i == 1 ? "[::1]" : "127.0.0.1",
                 weft_listener_port(listener));
        client = net_connect(address);
        ck_assert_int_eq(weft_accept(listener, &server), 0);
        ck_assert_int_eq(weft_close(client), 0);
        ck_assert_int_eq(weft_close(server), 0);
        ck_assert_int_eq(weft_listener_close(listener), 0);
    }
    return 0;
}

/* ---- accepting ---- */

struct accept_call {
    weft_listener *listener;
    weft_conn *conn;
};

static intptr_t accept_task(void *arg)
{
    struct accept_call *call = arg;
    return weft_accept(call->listener, &call->conn);
}

static void wait_accepting(weft_listener *listener, unsigned tasks)
{
    for (;;) {
        wf_spin_lock(&listener->lock);
        unsigned users = listener->users;
        wf_spin_unlock(&listener->lock);
        if (users == tasks + 1) /* and the listener's own */
            break;
        (void)weft_yield();
    }
    for (int i = 0; i < 100; i++)
        (void)weft_yield();
}

NET_TEST(accept_waits_for_a_connection)
{
    char address[32];
    struct accept_call call = {.listener = net_listen(address)};
    weft_task *task = weft_spawn(accept_task, &call);
    wait_accepting(call.listener, 1);
    weft_conn *client = net_connect(address);
    ck_assert_int_eq(weft_await(task), 0);
    char peer[64], ours[64];
    struct sockaddr_in name;
    socklen_t len = sizeof(name);
    ck_assert_int_gt(weft_conn_peer(call.conn, peer, sizeof(peer)), 0);
    getsockname(weft_conn_fd(client), (struct sockaddr *)(void *)&name, &len);
    snprintf(ours, sizeof(ours), "127.0.0.1:%u", (unsigned)ntohs(name.sin_port));
    ck_assert_str_eq(peer, ours);
    ck_assert_int_eq(weft_close(client), 0);
    ck_assert_int_eq(weft_close(call.conn), 0);
    ck_assert_int_eq(weft_accept(NULL, &call.conn), -EINVAL);
    ck_assert_int_eq(weft_accept(call.listener, NULL), -EINVAL);
    return weft_listener_close(call.listener);
}

NET_TEST(accept_takes_what_is_pending_in_any_number)
{
    enum { N = 50 };
    char address[32];
    weft_listener *listener = net_listen(address);
    weft_conn *client[N], *server[N];
    for (int i = 0; i < N; i++)
        client[i] = net_connect(address);
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(weft_accept(listener, &server[i]), 0);
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(weft_close(client[i]), 0);
        ck_assert_int_eq(weft_close(server[i]), 0);
    }
    return weft_listener_close(listener);
}

NET_TEST(a_cancelled_accept_loses_no_connection)
{
    char address[32];
    struct accept_call call = {.listener = net_listen(address)};
    weft_task *task = weft_spawn(accept_task, &call);
    wait_accepting(call.listener, 1);
    ck_assert_int_eq(weft_cancel(task, "test"), 0);
    ck_assert_int_eq(weft_await(task), -ECANCELED);
    int rc = 0;
    WEFT_TIMEOUT(rc, WEFT_MSEC(5))
    {
        ck_assert_int_eq(weft_accept(call.listener, &call.conn), -ECANCELED);
    }
    ck_assert_int_eq(rc, -ETIMEDOUT);
    weft_conn *client = net_connect(address);
    ck_assert_int_eq(weft_accept(call.listener, &call.conn), 0);
    ck_assert_int_eq(weft_close(client), 0);
    ck_assert_int_eq(weft_close(call.conn), 0);
    return weft_listener_close(call.listener);
}

NET_TEST(closing_the_listener_ends_all_accepts)
{
    enum { N = 10 };
    char address[32];
    weft_listener *listener = net_listen(address);
    struct accept_call call[N];
    weft_task *task[N];
    for (int i = 0; i < N; i++) {
        call[i].listener = listener;
        task[i] = weft_spawn(accept_task, &call[i]);
    }
    wait_accepting(listener, N);
    ck_assert_int_eq(weft_listener_close(listener), 0);
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(weft_await(task[i]), -EBADF);
    return 0;
}

NET_TEST(closing_the_listener_closes_what_nobody_took)
{
    char address[32], byte;
    weft_listener *listener = net_listen(address);
    weft_conn *one = net_connect(address), *two, *server;
    ck_assert_int_eq(weft_accept(listener, &server), 0);
    two = net_connect(address);
    ck_assert_int_eq(weft_listener_close(listener), 0);
    ssize_t n = weft_read(two, &byte, 1);
    ck_assert_msg(n == 0 || n == -ECONNRESET, "%zd", n);
    ck_assert_int_eq(weft_close(one), 0);
    ck_assert_int_eq(weft_close(two), 0);
    return weft_close(server);
}

static intptr_t forgets(void *arg)
{
    char address[32];
    weft_listener **listener = arg;
    struct accept_call call = {.listener = net_listen(address)};
    int rc = 0;
    WEFT_TIMEOUT(rc, WEFT_MSEC(5))
    {
        ck_assert_int_eq(weft_accept(call.listener, &call.conn), -ECANCELED);
    }
    *listener = call.listener;
    return rc;
}

TEST(a_listener_left_open_does_not_outlive_the_run)
{
    for (unsigned workers = 1; workers <= 2; workers++) {
        struct weft_options o = {.size = sizeof(o), .workers = workers, .quiet = 1};
        weft_listener *listener;
        ck_assert_int_eq(weft_run(forgets, &listener, &o), -ETIMEDOUT);
        ck_assert(listener->closing);
        for (unsigned i = 0; i < listener->count; i++)
            close(listener->acceptor[i].fd); /* the mistake leaks these and the block, no more */
        free(listener);
    }
}

/* ---- connecting ---- */

NET_TEST(connect_reports_errors)
{
    char address[32];
    weft_conn *conn;
    weft_listener *listener = net_listen(address);
    ck_assert_int_eq(weft_listener_close(listener), 0);
    ck_assert_int_eq(weft_tcp_connect(&conn, address, NULL), -ECONNREFUSED);
    ck_assert_ptr_null(conn);
    ck_assert_int_eq(weft_tcp_connect(&conn, "127.0.0.1:0", NULL), -EINVAL);
    ck_assert_int_eq(weft_tcp_connect(&conn, ":80", NULL), -EINVAL);
    ck_assert_int_eq(weft_tcp_connect(&conn, "example.org:80", NULL), -EINVAL);
    ck_assert_int_eq(weft_tcp_connect(NULL, "127.0.0.1:1", NULL), -EINVAL);
    struct weft_connect_options bad = {.size = 1};
    ck_assert_int_eq(weft_tcp_connect(&conn, "127.0.0.1:1", &bad), -EINVAL);
    return 0;
}

/* A port whose backlog is full: connects hang. Fills `held` with what fills it. */
enum { HELD = 8 };
static int deaf_port(char address[32], int held[HELD])
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)(void *)&name, len), 0);
    ck_assert_int_eq(listen(fd, 0), 0);
    getsockname(fd, (struct sockaddr *)(void *)&name, &len);
    for (int i = 0; i < HELD; i++) {
        held[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(held[i], (struct sockaddr *)(void *)&name, len);
    }
    snprintf(address, 32, "127.0.0.1:%u", (unsigned)ntohs(name.sin_port));
    return fd;
}

struct connect_call {
    const char *address;
    weft_conn *conn;
};

static intptr_t connect_task(void *arg)
{
    struct connect_call *call = arg;
    return weft_tcp_connect(&call->conn, call->address, NULL);
}

NET_TEST(connect_can_time_out_and_be_cancelled)
{
    char address[32];
    int held[HELD], fd = deaf_port(address, held);
    struct connect_call call = {.address = address};
    struct weft_connect_options o = {.size = sizeof(o), .timeout = WEFT_MSEC(10)};
    ck_assert_int_eq(weft_tcp_connect(&call.conn, address, &o), -ETIMEDOUT);
    ck_assert_ptr_null(call.conn);
    int rc = 0;
    WEFT_TIMEOUT(rc, WEFT_MSEC(10))
    {
        ck_assert_int_eq(weft_tcp_connect(&call.conn, address, NULL), -ECANCELED);
        ck_assert_int_eq(weft_tcp_connect(&call.conn, address, NULL), -ECANCELED);
    }
    ck_assert_int_eq(rc, -ETIMEDOUT);
    weft_task *task = weft_spawn(connect_task, &call);
    for (int i = 0; i < 100; i++)
        (void)weft_yield();
    ck_assert_int_eq(weft_cancel(task, "test"), 0);
    ck_assert_int_eq(weft_await(task), -ECANCELED);
    for (int i = 0; i < HELD; i++)
        close(held[i]);
    close(fd);
    return 0;
}
