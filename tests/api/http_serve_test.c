/* SPDX-License-Identifier: Apache-2.0 */
/* http_serve_test.c - the HTTP server over loopback: batches, deadlines, streaming, stopping */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <weft/http.h>
#include <weft/scope.h>
#include <weft/time.h>

#include "tests/support/test.h"

#define GET      "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_SLOW "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"

/* ---- a service and its clients, all in one run ---- */

struct service {
    weft_listener *listener;
    weft_task *task;
    struct weft_http_options options;
    char address[32];
    int write_result;
};

static bool is(struct weft_slice path, const char *text)
{
    return path.len == strlen(text) && memcmp(path.data, text, path.len) == 0;
}

static int stream(weft_http_request *request, weft_http_response *response)
{
    char piece[5000];
    ssize_t n;
    while ((n = weft_http_read(request, piece, sizeof piece)) > 0) {
        int rc = weft_http_write(response, piece, (size_t)n);
        if (rc != 0)
            return rc;
    }
    return (int)n;
}

static int handler(weft_http_request *request, weft_http_response *response, void *arg)
{
    struct service *service = arg;
    struct weft_slice path = weft_http_path(request);
    if (is(path, "/slow")) {
        int rc = weft_sleep(WEFT_MSEC(60));
        return rc != 0 ? rc : weft_http_send(response, "slow", 4);
    }
    if (is(path, "/stream"))
        return stream(request, response);
    if (is(path, "/huge")) {
        size_t size = 64u << 20;
        char *body = calloc(1, size);
        ck_assert_ptr_nonnull(body);
        service->write_result = weft_http_send(response, body, size);
        free(body);
        return service->write_result;
    }
    return weft_http_send(response, "hello", 5);
}

static intptr_t serve(void *arg)
{
    struct service *service = arg;
    return weft_http_serve(service->listener, handler, service, &service->options);
}

static void service_start(struct service *service)
{
    service->options.size = sizeof service->options;
    service->options.serve.size = sizeof service->options.serve;
    service->options.serve.no_signals = 1;
    ck_assert_int_eq(weft_tcp_listen(&service->listener, "127.0.0.1:0", NULL), 0);
    snprintf(service->address, sizeof service->address, "127.0.0.1:%d",
             weft_listener_port(service->listener));
    service->task = weft_spawn(serve, service);
    ck_assert_ptr_nonnull(service->task);
}

static void service_stop(struct service *service)
{
    ck_assert_int_eq(weft_cancel(service->task, "test over"), 0);
    ck_assert_int_eq(weft_await(service->task), -ECANCELED);
    ck_assert_int_eq(weft_listener_close(service->listener), 0);
}

static weft_conn *connect_to(struct service *service)
{
    weft_conn *conn = NULL;
    ck_assert_int_eq(weft_tcp_connect(&conn, service->address, NULL), 0);
    weft_conn_set_deadline(conn, weft_now() + WEFT_SEC(10), weft_now() + WEFT_SEC(10));
    return conn;
}

static void send_text(weft_conn *conn, const char *text)
{
    ck_assert_int_eq(weft_write(conn, text, strlen(text)), (ssize_t)strlen(text));
}

/* Reads until `last` ends what was read, or the stream ends. Returns the bytes, NUL-terminated. */
static size_t read_until(weft_conn *conn, char *buf, size_t cap, const char *last)
{
    size_t len = 0, n = last == NULL ? 0 : strlen(last);
    for (;;) {
        ssize_t got = weft_read(conn, buf + len, cap - 1 - len);
        ck_assert_msg(got >= 0, "read: %zd", got);
        len += (size_t)got;
        buf[len] = 0;
        if (got == 0 || (last != NULL && len >= n && memcmp(buf + len - n, last, n) == 0))
            return len;
        ck_assert_uint_lt(len, cap - 1);
    }
}

static void get_one(weft_conn *conn)
{
    char buf[1024];
    send_text(conn, GET);
    read_until(conn, buf, sizeof buf, "\r\n\r\nhello");
    ck_assert_mem_eq(buf, "HTTP/1.1 200 OK\r\n", 17);
}

static unsigned count(const char *text, const char *word)
{
    unsigned n = 0;
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word))
        n++;
    return n;
}

static void run(weft_fn body, unsigned workers)
{
    struct weft_options options = {.size = sizeof options, .workers = workers, .quiet = 1};
    unsigned fds = wf_test_open_fds();
    ck_assert_int_eq(weft_run(body, NULL, &options), 0);
    ck_assert_uint_eq(wf_test_open_fds(), fds);
}

/* ---- requests ---- */

static intptr_t keep_alive(void *arg)
{
    struct service service = {0};
    (void)arg;
    service_start(&service);
    weft_conn *conn = connect_to(&service);
    for (int i = 0; i < 100; i++)
        get_one(conn);
    weft_close(conn);
    service_stop(&service);
    return 0;
}

TEST(a_connection_serves_one_request_after_the_other)
{
    run(keep_alive, 1);
    run(keep_alive, 2);
}

/* One send arrives as one piece here, so the first read has all of it. */
static intptr_t pipelined(void *arg)
{
    struct service service = {0};
    char in[sizeof GET * 20] = "", buf[16384];
    (void)arg;
    service_start(&service);
    weft_conn *conn = connect_to(&service);
    for (int i = 0; i < 20; i++)
        strcat(in, GET);
    for (int round = 0; round < 20; round++) {
        send_text(conn, in);
        ssize_t n = weft_read(conn, buf, sizeof buf - 1);
        ck_assert_int_gt(n, 0);
        buf[n] = 0;
        ck_assert_uint_eq(count(buf, "HTTP/1.1 200 OK"), 20);
    }
    weft_close(conn);
    service_stop(&service);
    return 0;
}

TEST(a_pipelined_batch_is_answered_with_one_send)
{
    run(pipelined, 1);
}

static intptr_t client(void *arg)
{
    weft_conn *conn = connect_to(arg);
    for (int i = 0; i < 50; i++)
        get_one(conn);
    weft_close(conn);
    return 0;
}

static intptr_t crowd(void *arg)
{
    struct service service = {0};
    weft_task *tasks[64];
    (void)arg;
    service_start(&service);
    for (int i = 0; i < 64; i++)
        tasks[i] = weft_spawn(client, &service);
    ck_assert_int_eq(weft_gather(tasks, 64, NULL), 0);
    service_stop(&service);
    return 0;
}

TEST(many_connections_are_served_on_all_workers)
{
    run(crowd, 2);
}

/* ---- bodies ---- */

enum { STREAMED = 3000, PIECE = 1000 };

static intptr_t send_chunks(void *arg)
{
    char chunk[PIECE + 16];
    int n = snprintf(chunk, sizeof chunk, "%x\r\n", PIECE);
    memset(chunk + n, 'c', PIECE);
    memcpy(chunk + n + PIECE, "\r\n", 3);
    for (int i = 0; i < STREAMED; i++)
        send_text(arg, chunk);
    send_text(arg, "0\r\n\r\n");
    return 0;
}

static intptr_t streamed(void *arg)
{
    struct service service = {.options.max_body_size = UINT64_MAX};
    static char buf[65536];
    size_t seen = 0;
    (void)arg;
    service_start(&service);
    weft_conn *conn = connect_to(&service);
    send_text(conn, "POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    weft_task *sender = weft_spawn(send_chunks, conn);
    for (;;) {
        ssize_t n = weft_read(conn, buf, sizeof buf);
        ck_assert_int_gt(n, 0);
        for (ssize_t i = 0; i < n; i++)
            seen += buf[i] == 'c';
        if (n >= 5 && memcmp(buf + n - 5, "0\r\n\r\n", 5) == 0)
            break;
    }
    ck_assert_int_eq(weft_await(sender), 0);
    /* The letter also occurs in the head and in the sizes of chunks. */
    ck_assert_uint_ge(seen, (size_t)STREAMED * PIECE);
    ck_assert_uint_le(seen, (size_t)STREAMED * PIECE + 10000);
    get_one(conn);
    weft_close(conn);
    service_stop(&service);
    return 0;
}

TEST(a_body_larger_than_all_buffers_is_echoed_while_it_comes_in)
{
    run(streamed, 1);
    run(streamed, 2);
}

/* The answer comes before the body is read. Closing at once would reset the connection, and the
 * client, which sends everything first, would never see it. */
static intptr_t too_large(void *arg)
{
    struct service service = {0};
    char buf[1024], *body = calloc(1, 200000);
    (void)arg;
    ck_assert_ptr_nonnull(body);
    memset(body, 'b', 199999);
    service_start(&service);
    weft_conn *conn = connect_to(&service);
    send_text(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n");
    send_text(conn, body);
    read_until(conn, buf, sizeof buf, NULL);
    ck_assert_mem_eq(buf, "HTTP/1.1 413 ", 13);
    ck_assert_ptr_nonnull(strstr(buf, "Connection: close"));
    weft_close(conn);
    service_stop(&service);
    free(body);
    return 0;
}

TEST(a_client_that_sends_too_much_can_still_read_why)
{
    run(too_large, 1);
}

/* ---- deadlines ---- */

static intptr_t slow_head(void *arg)
{
    struct service *service = arg;
    char buf[1024];
    weft_deadline start = weft_now();
    weft_conn *conn = connect_to(service);
    send_text(conn, "GET / HTTP/1.1\r\nX: ");
    ssize_t n = 0;
    while (n == 0) {
        /* A byte now and then does not help. */
        weft_conn_set_deadline(conn, weft_now() + WEFT_MSEC(10), WEFT_NEVER);
        n = weft_read(conn, buf, sizeof buf);
        n = n == -ETIMEDOUT ? 0 : n;
        if (n == 0 && weft_write(conn, "y", 1) != 1)
            break;
    }
    ck_assert_int_gt(n, 13);
    ck_assert_mem_eq(buf, "HTTP/1.1 408 ", 13);
    weft_ns took = weft_now() - start;
    ck_assert_int_ge(took, WEFT_MSEC(280));
    ck_assert_int_lt(took, WEFT_MSEC(2000));
    weft_close(conn);
    return 0;
}

static intptr_t slow_heads(void *arg)
{
    struct service service = {.options.header_timeout = WEFT_MSEC(300)};
    weft_task *slow[20];
    (void)arg;
    service_start(&service);
    for (int i = 0; i < 20; i++)
        slow[i] = weft_spawn(slow_head, &service);
    weft_conn *good = connect_to(&service);
    weft_deadline end = weft_now() + WEFT_MSEC(250);
    unsigned served = 0;
    for (; weft_now() < end; served++)
        get_one(good);
    ck_assert_uint_ge(served, 20);
    weft_close(good);
    ck_assert_int_eq(weft_gather(slow, 20, NULL), 0);
    service_stop(&service);
    return 0;
}

TEST(slow_heads_are_cut_while_others_are_served)
{
    run(slow_heads, 1);
}

static intptr_t idle(void *arg)
{
    char buf[64];
    (void)arg;
    /* Shorter and longer than the time for which a session is kept. */
    for (int i = 0; i < 2; i++) {
        struct service service = {.options.idle_timeout = i == 0 ? WEFT_MSEC(100) : WEFT_MSEC(700)};
        service_start(&service);
        weft_conn *conn = connect_to(&service);
        get_one(conn);
        weft_deadline start = weft_now();
        ck_assert_int_eq(weft_read(conn, buf, sizeof buf), 0);
        ck_assert_int_ge(weft_now() - start, service.options.idle_timeout - WEFT_MSEC(20));
        ck_assert_int_lt(weft_now() - start, service.options.idle_timeout + WEFT_SEC(1));
        weft_close(conn);
        service_stop(&service);
    }
    return 0;
}

TEST(an_idle_connection_is_closed_silently)
{
    run(idle, 1);
}

static intptr_t quiet_then_busy(void *arg)
{
    struct service service = {0};
    (void)arg;
    service_start(&service);
    weft_conn *conn = connect_to(&service);
    for (int i = 0; i < 3; i++) {
        get_one(conn);
        weft_sleep(WEFT_MSEC(600)); /* the session is given back */
    }
    weft_close(conn);
    service_stop(&service);
    return 0;
}

TEST(a_connection_becomes_busy_again_after_a_quiet_time)
{
    run(quiet_then_busy, 1);
}

static intptr_t slow_body(void *arg)
{
    struct service service = {.options.body_timeout = WEFT_MSEC(150)};
    char buf[1024];
    (void)arg;
    service_start(&service);
    weft_conn *conn = connect_to(&service);
    send_text(conn, "POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
    read_until(conn, buf, sizeof buf, NULL);
    ck_assert_mem_eq(buf, "HTTP/1.1 408 ", 13);
    weft_close(conn);
    service_stop(&service);
    return 0;
}

TEST(a_body_without_progress_is_cut)
{
    run(slow_body, 1);
}

static bool write_ended(void *arg)
{
    struct service *service = arg;
    return service->write_result != 0;
}

static intptr_t slow_reader(void *arg)
{
    struct service service = {.options.write_timeout = WEFT_MSEC(150)};
    (void)arg;
    service_start(&service);
    weft_conn *conn = connect_to(&service);
    send_text(conn, "GET /huge HTTP/1.1\r\nHost: a\r\n\r\n");
    weft_deadline end = weft_now() + WEFT_SEC(5);
    while (!write_ended(&service) && weft_now() < end)
        weft_sleep(WEFT_MSEC(5));
    ck_assert_int_eq(service.write_result, -ETIMEDOUT);
    weft_close(conn);
    service_stop(&service);
    return 0;
}

TEST(a_client_that_does_not_read_is_cut)
{
    run(slow_reader, 1);
}

/* ---- stopping ---- */

static intptr_t in_flight(void *arg)
{
    char buf[1024];
    weft_conn *conn = connect_to(arg);
    send_text(conn, GET_SLOW);
    read_until(conn, buf, sizeof buf, NULL);
    weft_close(conn);
    ck_assert_mem_eq(buf, "HTTP/1.1 200 ", 13);
    ck_assert_ptr_nonnull(strstr(buf, "Connection: close\r\n"));
    ck_assert_ptr_nonnull(strstr(buf, "\r\n\r\nslow"));
    return 0;
}

static intptr_t stopping(void *arg)
{
    struct service service = {0};
    char buf[64];
    (void)arg;
    service_start(&service);
    weft_conn *busy = connect_to(&service), *fresh = connect_to(&service);
    weft_conn *quiet = connect_to(&service);
    get_one(quiet);
    weft_sleep(WEFT_MSEC(550));
    get_one(busy);
    weft_task *request = weft_spawn(in_flight, &service);
    weft_sleep(WEFT_MSEC(20));
    weft_deadline start = weft_now();
    ck_assert_int_eq(weft_shutdown(), 0);
    ck_assert_int_eq(weft_read(busy, buf, sizeof buf), 0);
    ck_assert_int_eq(weft_read(quiet, buf, sizeof buf), 0);
    ck_assert_int_eq(weft_read(fresh, buf, sizeof buf), 0);
    ck_assert_int_eq(weft_await(request), 0);
    ck_assert_int_eq(weft_await(service.task), 0);
    ck_assert_int_lt(weft_now() - start, WEFT_SEC(2));
    weft_close(busy);
    weft_close(quiet);
    weft_close(fresh);
    weft_listener_close(service.listener);
    return 0;
}

TEST(a_stop_ends_idle_connections_and_lets_requests_finish)
{
    run(stopping, 1);
    run(stopping, 2);
}

/* ---- errors ---- */

static intptr_t bad_options(void *arg)
{
    weft_listener *listener;
    struct weft_http_options options = {.size = sizeof options, .server_name = "a\r\nb"};
    (void)arg;
    ck_assert_int_eq(weft_tcp_listen(&listener, "127.0.0.1:0", NULL), 0);
    ck_assert_int_eq(weft_http_serve(listener, handler, NULL, &options), -EINVAL);
    ck_assert_int_eq(weft_http_serve(listener, NULL, NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_http_serve(NULL, handler, NULL, NULL), -EINVAL);
    return weft_listener_close(listener);
}

TEST(mistakes_are_reported)
{
    ck_assert_int_eq(weft_http_serve(NULL, handler, NULL, NULL), -EPERM);
    run(bad_options, 1);
}
