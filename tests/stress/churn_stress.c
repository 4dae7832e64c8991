/* SPDX-License-Identifier: Apache-2.0 */
/*
 * churn_stress.c - connections that come and go, a process without descriptors, a stop under load
 *
 * 5,000 connections are churned; with WEFT_TEST_FULL set 100,000.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/net/address.h"
#include "io/net/lease.h"
#include "io/net/listener.h"
#include "tests/api/net_run.h"

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

struct service {
    weft_listener *listener;
    int (*handler)(weft_conn *, void *);
    struct weft_serve_options options;
};

static intptr_t service_task(void *arg)
{
    struct service *s = arg;
    s->options.size = sizeof(s->options);
    return weft_serve(s->listener, s->handler, NULL, &s->options);
}

/* ---- churn ---- */

enum { CLIENTS = 50 };
static unsigned churn_port, churn_each;

/* Connects, asks once, leaves; the last octet differs so that no port range runs out. */
static intptr_t churn_client(void *arg)
{
    unsigned index = *(unsigned *)arg;
    for (unsigned i = 0; i < churn_each; i++) {
        char address[32], buf[8];
        weft_conn *conn;
        snprintf(address, sizeof(address), "127.0.0.%u:%u", 1 + (index + i) % 32, churn_port);
        ck_assert_int_eq(weft_tcp_connect(&conn, address, NULL), 0);
        ck_assert_int_eq(weft_write(conn, "ping", 4), 4);
        ck_assert_int_eq(weft_read_exact(conn, buf, 4), 4);
        ck_assert_mem_eq(buf, "ping", 4);
        if (i % 3 == 0)
            net_reset(conn);
        else
            ck_assert_int_eq(weft_close(conn), 0);
    }
    return 0;
}

static intptr_t churn_body(void *arg)
{
    struct service s = {.handler = echo_leased};
    weft_task *client[CLIENTS];
    (void)arg;
    ck_assert_int_eq(weft_tcp_listen(&s.listener, "0.0.0.0:0", NULL), 0);
    churn_port = (unsigned)weft_listener_port(s.listener);
    weft_task *task = weft_spawn(service_task, &s);
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct weft_spawn_options o = {.size = sizeof(o), .copy_size = sizeof(i)};
        client[i] = weft_spawn_with(&o, churn_client, &i);
    }
    ck_assert_int_eq(weft_gather(client, CLIENTS, NULL), 0);
    ck_assert_int_eq(weft_shutdown(), 0);
    ck_assert_int_eq(weft_await(task), 0);
    ck_assert_uint_ge(s.listener->stats.accepted, (uint64_t)CLIENTS * churn_each);
    ck_assert_uint_eq(wf_lease_lent(), 0);
    return weft_listener_close(s.listener);
}

TEST(churned_connections_leave_nothing_behind)
{
    uint64_t full = getenv("WEFT_TEST_FULL") != NULL ? 100000 : 5000;
    wf_test_timeout(120);
    churn_each = (unsigned)(wf_test_scale(full) / 2 / CLIENTS) + 1;
    net_run(1, churn_body);
    net_run(2, churn_body);
}

/* ---- out of descriptors ---- */

/* Takes all descriptors below a lowered limit; returns how many. */
enum { HOG_MAX = 512 };
static int hog_fd[HOG_MAX];

static unsigned hog_all(unsigned room)
{
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = wf_test_open_fds() + room;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    unsigned n = 0;
    while (n < HOG_MAX && (hog_fd[n] = dup(STDIN_FILENO)) >= 0)
        n++;
    ck_assert_uint_lt(n, HOG_MAX);
    return n;
}

static void hog_release(unsigned n)
{
    struct rlimit limit;
    while (n > 0)
        close(hog_fd[--n]);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static int raw_client(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static void raw_connect(int fd, int port)
{
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                               .sin_port = htons((uint16_t)port)};
    ck_assert_int_eq(connect(fd, (struct sockaddr *)(void *)&name, sizeof(name)), 0);
}

NET_TEST(accept_reports_emfile_without_spinning_and_recovers)
{
    char address[32];
    weft_listener *listener = net_listen(address);
    weft_conn *conn;
    int client = raw_client();
    unsigned hogged = hog_all(8);
    raw_connect(client, weft_listener_port(listener));
    weft_deadline start = weft_now();
    unsigned failures = 0;
    while (weft_now() - start < WEFT_MSEC(300)) {
        int rc = 0;
        WEFT_TIMEOUT(rc, WEFT_MSEC(300))
        {
            int got = weft_accept(listener, &conn);
            ck_assert_msg(got == -EMFILE || got == -ECANCELED, "%d", got);
            failures += got == -EMFILE;
        }
    }
    ck_assert_uint_ge(failures, 1);
    ck_assert_uint_le(failures, 16);
    ck_assert_uint_le(listener->stats.failures, 16);
    hog_release(hogged);
    int rc;
    while ((rc = weft_accept(listener, &conn)) == -EMFILE)
        ;
    ck_assert_int_eq(rc, 0);
    close(client);
    ck_assert_int_eq(weft_close(conn), 0);
    return weft_listener_close(listener);
}

/* A service with ten descriptors left. Everybody is served in the end, few accepts fail. */
enum { SERVED_AT_ONCE = 10, QUEUED = 40 };

static void exchange_byte(int fd)
{
    char byte;
    ck_assert_int_eq(read(fd, &byte, 1), 1);
    ck_assert_int_eq(byte, 'q');
}

static WF_ATOMIC(unsigned) served;

static int serve_byte(weft_conn *conn, void *arg)
{
    char byte;
    ssize_t n;
    (void)arg;
    while ((n = weft_read(conn, &byte, 1)) > 0) {
        wf_add_rlx(&served, 1);
        n = weft_write(conn, &byte, 1);
    }
    return (int)n;
}

static bool wait_served(unsigned n)
{
    weft_deadline end = weft_now() + WEFT_SEC(10);
    while (wf_load_acq(&served) < n && weft_now() < end)
        (void)weft_sleep(WEFT_MSEC(1));
    return wf_load_acq(&served) >= n;
}

static weft_ns cpu_time(void)
{
    struct rusage usage;
    ck_assert_int_eq(getrusage(RUSAGE_SELF, &usage), 0);
    return WEFT_SEC(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           WEFT_USEC(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

NET_TEST(a_service_without_descriptors_waits_and_recovers)
{
    char address[32];
    struct service s = {.handler = serve_byte, .options = {.grace = WEFT_SEC(5)}};
    s.listener = net_listen(address);
    wf_store_rlx(&served, 0);
    int client[QUEUED];
    for (int i = 0; i < QUEUED; i++)
        client[i] = raw_client();
    /* Before the service starts: the ring takes the limit as it is when an accept is submitted. */
    unsigned hogged = hog_all(SERVED_AT_ONCE + 4);
    weft_task *task = weft_spawn(service_task, &s);
    for (int i = 0; i < SERVED_AT_ONCE; i++)
        close(hog_fd[--hogged]);
    for (int i = 0; i < QUEUED; i++) {
        raw_connect(client[i], weft_listener_port(s.listener));
        ck_assert_int_eq(write(client[i], "q", 1), 1);
    }
    ck_assert(wait_served(SERVED_AT_ONCE));
    weft_ns cpu = cpu_time();
    ck_assert_int_eq(weft_sleep(WEFT_MSEC(500)), 0); /* the time over which attempts are counted */
    cpu = cpu_time() - cpu;
    ck_assert_uint_eq(wf_load_acq(&served), SERVED_AT_ONCE);
    uint64_t failures = s.listener->stats.failures;
    ck_assert_uint_ge(failures, 1);
    ck_assert_uint_le(failures, 20 * s.listener->count);
    ck_assert_int_lt(cpu, WEFT_MSEC(250));
    for (int i = 0; i < QUEUED; i++) /* whoever leaves makes room for the next, at once */
        shutdown(client[i], SHUT_WR);
    ck_assert(wait_served(QUEUED));
    hog_release(hogged);
    for (int i = 0; i < QUEUED; i++) {
        exchange_byte(client[i]);
        close(client[i]);
    }
    ck_assert_int_eq(weft_shutdown(), 0);
    ck_assert_int_eq(weft_await(task), 0);
    return weft_listener_close(s.listener);
}

/* ---- a stop under load ---- */

static WF_ATOMIC(unsigned) begun, finished;
enum { REQUEST = 64 };

/* Requests of 64 bytes that come in two pieces, answered in two. */
static int two_pieces(weft_conn *conn, void *arg)
{
    char buf[REQUEST];
    (void)arg;
    for (;;) {
        wf_conn_set_idle(conn, true);
        ssize_t n = weft_read(conn, buf, REQUEST);
        if (n <= 0)
            return (int)n;
        wf_conn_set_idle(conn, false);
        wf_add_rlx(&begun, 1);
        if (n < REQUEST && weft_read_exact(conn, buf + n, (size_t)(REQUEST - n)) != REQUEST - n)
            return -EPROTO;
        (void)weft_yield();
        if (weft_write(conn, buf, REQUEST / 2) < 0)
            return -EPIPE;
        if (weft_write(conn, buf + REQUEST / 2, REQUEST / 2) < 0)
            return -EPIPE;
        wf_add_rlx(&finished, 1);
    }
}

static intptr_t load_client(void *arg)
{
    const char *address = arg;
    char out[REQUEST] = {0}, in[REQUEST];
    weft_conn *conn;
    if (weft_tcp_connect(&conn, address, NULL) < 0)
        return 0;
    for (;;) {
        if (weft_write(conn, out, REQUEST / 2) < 0)
            break;
        (void)weft_yield();
        if (weft_write(conn, out, REQUEST / 2) < 0)
            break;
        ssize_t n = weft_read_exact(conn, in, REQUEST);
        ck_assert_msg(n == REQUEST || n <= 0, "an answer was cut after %zd bytes", n);
        if (n <= 0)
            break;
    }
    return weft_close(conn);
}

NET_TEST(a_signal_under_load_cuts_no_answer)
{
    enum { LOAD = 40 };
    char address[32];
    struct service s = {.handler = two_pieces, .options = {.grace = WEFT_SEC(10)}};
    weft_task *client[LOAD];
    wf_store_rlx(&begun, 0);
    wf_store_rlx(&finished, 0);
    s.listener = net_listen(address);
    weft_task *task = weft_spawn(service_task, &s);
    for (int i = 0; i < LOAD; i++)
        client[i] = weft_spawn(load_client, address);
    while (wf_load_acq(&finished) < 1000)
        (void)weft_sleep(WEFT_MSEC(1));
    ck_assert_int_eq(kill(getpid(), SIGTERM), 0);
    ck_assert_int_eq(weft_await(task), 0);
    ck_assert_uint_eq(wf_load_acq(&begun), wf_load_acq(&finished));
    ck_assert_int_eq(weft_listener_close(s.listener), 0); /* ends what still waits to be accepted */
    ck_assert_int_eq(weft_gather(client, LOAD, NULL), 0);
    return 0;
}
