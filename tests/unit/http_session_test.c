/* SPDX-License-Identifier: Apache-2.0 */
/* http_session_test.c - batches, streaming, timeouts, limits and ends of a session, over memory */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"
#include "tests/unit/http_memory.h"

#define GET       "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST_HEAD "POST /echo HTTP/1.1\r\nHost: a\r\n"

static void serve(wf_http_handler handler, const struct weft_http_options *options,
                  struct memory_io *io, struct memory_run *run)
{
    struct wf_http_config config;
    ck_assert_int_eq(wf_http_config_init(&config, handler, NULL, options), 0);
    memory_serve(&config, io, run);
}

static unsigned count(const char *text, const char *word)
{
    unsigned n = 0;
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
        n++;
    }
    return n;
}

TEST(pipelined_requests_are_answered_with_one_send)
{
    char in[sizeof GET * 32];
    size_t len = 0;
    for (int i = 0; i < 32; i++) {
        len += (size_t)sprintf(in + len, GET);
    }
    struct memory_io io;
    struct memory_run run;
    memory_io_init(&io, in, len);
    serve(memory_handler, NULL, &io, &run);
    ck_assert_uint_eq(count(run.out, "HTTP/1.1 200 OK"), 32);
    ck_assert_uint_eq(run.sends, 1);
    ck_assert_int_eq(run.end, WF_HTTP_IDLE);
    memory_run_free(&run);
    memory_io_fini(&io);
}

static int kilobytes(weft_http_request *request, weft_http_response *response, void *arg)
{
    static char body[10000];
    (void)request;
    (void)arg;
    return weft_http_send(response, body, sizeof body);
}

TEST(a_batch_of_large_answers_is_sent_before_it_outgrows_the_buffer)
{
    char in[sizeof GET * 20];
    size_t len = 0;
    for (int i = 0; i < 20; i++) {
        len += (size_t)sprintf(in + len, GET);
    }
    struct memory_io io;
    struct memory_run run;
    memory_io_init(&io, in, len);
    serve(kilobytes, NULL, &io, &run);
    ck_assert_uint_gt(run.len, 200000);
    ck_assert_uint_ge(run.sends, 4);
    ck_assert_uint_le(run.sends, 5);
    memory_run_free(&run);
    memory_io_fini(&io);
}

static int megabyte(weft_http_request *request, weft_http_response *response, void *arg)
{
    char *body = malloc(1 << 20);
    (void)request;
    (void)arg;
    ck_assert_ptr_nonnull(body);
    memset(body, 'x', 1 << 20);
    int rc = weft_http_send(response, body, 1 << 20);
    free(body);
    return rc;
}

TEST(a_large_body_leaves_from_where_it_is)
{
    struct memory_io io;
    struct memory_run run;
    memory_io_init(&io, GET GET, sizeof GET GET - 1);
    serve(megabyte, NULL, &io, &run);
    ck_assert_str_eq(run.statuses, "200 200 I");
    ck_assert_uint_eq(run.sends, 2);
    ck_assert_uint_gt(run.len, 2 << 20);
    memory_run_free(&run);
    memory_io_fini(&io);
}

TEST(continue_is_sent_when_the_handler_reads_and_the_body_is_not_there)
{
    static const char in[] = POST_HEAD "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc";
    struct memory_io io;
    struct memory_run run;
    memory_io_init(&io, in, sizeof in - 1);
    io.cut = sizeof in - 4;
    serve(memory_handler, NULL, &io, &run);
    ck_assert_str_eq(run.statuses, "100 200 I");
    ck_assert_mem_eq(run.out, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200", 37);
    memory_run_free(&run);
    memory_io_fini(&io);
    memory_io_init(&io, in, sizeof in - 1);
    serve(memory_handler, NULL, &io, &run);
    ck_assert_str_eq(run.statuses, "200 I");
    memory_run_free(&run);
    memory_io_fini(&io);
}

/* The client may or may not send the body after a final answer: only closing is unambiguous. */
TEST(a_final_answer_in_place_of_continue_closes)
{
    static const char in[] = "POST /ignore HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                             "Content-Length: 3\r\n\r\n";
    struct memory_io io;
    struct memory_run run;
    memory_io_init(&io, in, sizeof in - 1);
    serve(memory_handler, NULL, &io, &run);
    ck_assert_str_eq(run.statuses, "200 D");
    ck_assert_ptr_nonnull(strstr(run.out, "Connection: close\r\n"));
    memory_run_free(&run);
    memory_io_fini(&io);
}

TEST(a_body_is_streamed_through_in_pieces)
{
    char in[16384];
    size_t len =
        (size_t)sprintf(in, "POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n");
    memset(in + len, 'y', 9000);
    len += 9000;
    struct memory_io io;
    struct memory_run run;
    memory_io_init(&io, in, len);
    io.piece = 1000;
    serve(memory_handler, NULL, &io, &run);
    ck_assert_str_eq(run.statuses, "200 I");
    ck_assert_uint_eq(count(run.out, "y"), 9000);
    ck_assert_ptr_nonnull(strstr(run.out, "\r\n0\r\n\r\n"));
    memory_run_free(&run);
    memory_io_fini(&io);
}

static int stream_large(weft_http_request *request, weft_http_response *response, void *arg)
{
    static char piece[40000];
    (void)request;
    (void)arg;
    memset(piece, 'z', sizeof piece);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(weft_http_write(response, piece, sizeof piece), 0);
    }
    ck_assert_int_eq(weft_http_send(response, "", 0), -EALREADY);
    ck_assert_int_eq(weft_http_status(response, 404), -EALREADY);
    ck_assert_int_eq(weft_http_set(response, "A", "b"), -EALREADY);
    return 0;
}

TEST(large_pieces_are_framed_as_chunks)
{
    struct memory_io io;
    struct memory_run run;
    memory_io_init(&io, GET, sizeof GET - 1);
    serve(stream_large, NULL, &io, &run);
    ck_assert_uint_eq(count(run.out, "\r\n9c40\r\nz"), 3);
    ck_assert_mem_eq(run.out + run.len - 8, "z\r\n0\r\n\r\n", 8);
    ck_assert_uint_eq(count(run.out, "z"), 120000);
    memory_run_free(&run);
    memory_io_fini(&io);
}

static int set_things(weft_http_request *request, weft_http_response *response, void *arg)
{
    (void)request;
    (void)arg;
    static const char *const names[] = {"", "A B", "A:", "A\r\nB", "A\n", "\xe9", "A\x7f", "(A)"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ck_assert_int_eq(weft_http_set(response, names[i], "x"), -EINVAL);
    }
    static const char *const values[] = {
        "a\r\nSet-Cookie: x", "a\n", "a\r", "\x01", "a\x7f", "\x1b["};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        ck_assert_int_eq(weft_http_set(response, "X", values[i]), -EINVAL);
    }
    ck_assert_int_eq(weft_http_set(response, "Content-LENGTH", "3"), -EINVAL);
    ck_assert_int_eq(weft_http_set(response, "transfer-encoding", "chunked"), -EINVAL);
    ck_assert_int_eq(weft_http_set(response, "CONNECTION", "close"), -EINVAL);
    ck_assert_int_eq(weft_http_set(response, "X-Good", "a\tb \xc3\xa9"), 0);
    ck_assert_int_eq(weft_http_set(response, "Server", "mine"), 0);
    ck_assert_int_eq(weft_http_set(response, "Date", "never"), 0);
    ck_assert_int_eq(weft_http_status(response, 199), -EINVAL);
    ck_assert_int_eq(weft_http_status(response, 600), -EINVAL);
    ck_assert_int_eq(weft_http_status(response, 201), 0);
    return 0;
}

TEST(what_does_not_belong_in_a_head_is_refused)
{
    struct memory_io io;
    struct memory_run run;
    memory_io_init(&io, GET, sizeof GET - 1);
    serve(set_things, NULL, &io, &run);
    ck_assert_str_eq(run.statuses, "201 I");
    ck_assert_uint_eq(count(io.out, "Server: "), 1);
    ck_assert_uint_eq(count(io.out, "Date: "), 1);
    ck_assert_ptr_nonnull(strstr(io.out, "X-Good: a\tb \xc3\xa9\r\n"));
    ck_assert_ptr_null(strstr(io.out, "Set-Cookie"));
    memory_run_free(&run);
    memory_io_fini(&io);
}

static int fill_head(weft_http_request *request, weft_http_response *response, void *arg)
{
    char value[1001];
    int rc = 0, n = 0;
    (void)request;
    (void)arg;
    memset(value, 'v', 1000);
    value[1000] = 0;
    while (rc == 0) {
        rc = weft_http_set(response, "X", value);
        n += rc == 0;
    }
    ck_assert_int_eq(rc, -ENOSPC);
    ck_assert_int_eq(n, 16);
    return weft_http_send(response, "ok", 2);
}

TEST(a_head_is_bounded)
{
    struct memory_io io;
    struct memory_run run;
    memory_io_init(&io, GET GET GET GET GET, sizeof GET GET GET GET GET - 1);
    serve(fill_head, NULL, &io, &run);
    ck_assert_str_eq(run.statuses, "200 200 200 200 200 I");
    memory_run_free(&run);
    memory_io_fini(&io);
}

TEST(the_last_request_allowed_closes)
{
    struct memory_io io;
    struct memory_run run;
    struct weft_http_options options = {.size = sizeof options, .max_requests = 2};
    memory_io_init(&io, GET GET GET, sizeof GET GET GET - 1);
    serve(memory_handler, &options, &io, &run);
    ck_assert_str_eq(run.statuses, "200 200 D");
    ck_assert_uint_eq(count(run.out, "Connection: close"), 1);
    memory_run_free(&run);
    memory_io_fini(&io);
}

TEST(a_stop_closes_after_the_request_in_hand)
{
    struct memory_io io;
    struct memory_run run;
    memory_io_init(&io, GET, sizeof GET - 1);
    io.stop = true;
    serve(memory_handler, NULL, &io, &run);
    ck_assert_str_eq(run.statuses, "200 C");
    ck_assert_uint_eq(count(run.out, "Connection: close"), 1);
    memory_run_free(&run);
    memory_io_fini(&io);
}

TEST(a_session_that_may_not_linger_ends_with_the_batch)
{
    struct memory_io io;
    struct memory_run run;
    memory_io_init(&io, GET GET GET GET, sizeof GET GET GET GET - 1);
    io.cut = sizeof GET GET - 1;
    io.no_linger = true;
    serve(memory_handler, NULL, &io, &run);
    ck_assert_str_eq(run.statuses, "200 200 200 200 I");
    ck_assert_uint_eq(run.sends, 2);
    ck_assert_int_eq(io.clock, 1);
    memory_run_free(&run);
    memory_io_fini(&io);
}

TEST(a_slow_head_is_cut_at_its_deadline)
{
    struct weft_http_options options = {.size = sizeof options, .header_timeout = WEFT_SEC(3)};
    struct memory_io io;
    struct memory_run run;
    memory_io_init(&io, GET, sizeof GET - 3);
    io.piece = 1;
    serve(memory_handler, &options, &io, &run);
    ck_assert_str_eq(run.statuses, "408 D");
    ck_assert_int_eq(io.clock, 1 + WEFT_SEC(3));
    memory_run_free(&run);
    memory_io_fini(&io);
}

static int patient(weft_http_request *request, weft_http_response *response, void *arg)
{
    char buf[100];
    (void)arg;
    ck_assert_int_eq(weft_http_read(request, buf, 0), 0);
    ck_assert_int_eq(weft_http_read(request, buf, 3), 3);
    ck_assert_int_eq(weft_http_read(request, buf, sizeof buf), -ETIMEDOUT);
    ck_assert_int_eq(weft_http_read(request, buf, sizeof buf), -ETIMEDOUT);
    (void)response;
    return -ETIMEDOUT;
}

TEST(a_slow_body_is_cut_at_its_deadline)
{
    static const char in[] = POST_HEAD "Content-Length: 5\r\n\r\nabc";
    struct weft_http_options options = {.size = sizeof options, .body_timeout = WEFT_SEC(5)};
    struct memory_io io;
    struct memory_run run;
    memory_io_init(&io, in, sizeof in - 1);
    serve(patient, &options, &io, &run);
    ck_assert_str_eq(run.statuses, "408 D");
    ck_assert_int_eq(io.clock, 1 + WEFT_SEC(5));
    memory_run_free(&run);
    memory_io_fini(&io);
}

static int reads_past_the_end(weft_http_request *request, weft_http_response *response, void *arg)
{
    char buf[100];
    (void)arg;
    ck_assert_int_eq(weft_http_content_length(request), 5);
    ck_assert_int_eq(weft_http_read(request, buf, sizeof buf), 3);
    ck_assert_int_eq(weft_http_read(request, buf, sizeof buf), -ECONNRESET);
    return weft_http_send(response, "", 0);
}

TEST(a_body_that_ends_early_is_an_error)
{
    static const char in[] = POST_HEAD "Content-Length: 5\r\n\r\nabc";
    struct memory_io io;
    struct memory_run run;
    memory_io_init(&io, in, sizeof in - 1);
    io.eof = true;
    serve(reads_past_the_end, NULL, &io, &run);
    ck_assert_str_eq(run.statuses, "200 D");
    ck_assert_ptr_nonnull(strstr(run.out, "Connection: close"));
    memory_run_free(&run);
    memory_io_fini(&io);
}

static int refused_writes;

static int writes_on(weft_http_request *request, weft_http_response *response, void *arg)
{
    static char piece[40000];
    (void)request;
    (void)arg;
    refused_writes += weft_http_write(response, piece, sizeof piece) == -EPIPE;
    refused_writes += weft_http_write(response, piece, 1) == -EPIPE;
    refused_writes += weft_http_write(response, piece, 0) == -EPIPE;
    return 0;
}

TEST(a_failed_send_is_reported_and_ends_the_connection)
{
    struct memory_io io;
    struct memory_run run;
    memory_io_init(&io, GET GET, sizeof GET GET - 1);
    io.send_error = -EPIPE;
    serve(writes_on, NULL, &io, &run);
    ck_assert_int_eq(run.end, WF_HTTP_CLOSE);
    ck_assert_int_eq(refused_writes, 3);
    memory_run_free(&run);
    memory_io_fini(&io);
}

TEST(an_unread_body_is_skipped_up_to_a_limit)
{
    for (size_t body = 60000; body <= 80000; body += 20000) {
        char *in = malloc(body + 1000);
        ck_assert_ptr_nonnull(in);
        size_t len = (size_t)sprintf(
            in, "POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", body);
        memset(in + len, 'b', body);
        len += body;
        len += (size_t)sprintf(in + len, GET);
        struct memory_io io;
        struct memory_run run;
        memory_io_init(&io, in, len);
        serve(memory_handler, NULL, &io, &run);
        ck_assert_str_eq(run.statuses, body < 65536 ? "200 200 I" : "200 D");
        memory_run_free(&run);
        memory_io_fini(&io);
        free(in);
    }
}

TEST(an_unread_chunked_body_is_skipped_up_to_a_limit)
{
    size_t cap = 200000, len = 0;
    char *in = malloc(cap);
    ck_assert_ptr_nonnull(in);
    len = (size_t)sprintf(in,
                          "POST /ignore HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (len < 120000) {
        len += (size_t)sprintf(in + len, "3e8\r\n%01000d\r\n", 0);
    }
    struct memory_io io;
    struct memory_run run;
    memory_io_init(&io, in, len);
    serve(memory_handler, NULL, &io, &run);
    ck_assert_str_eq(run.statuses, "200 D");
    ck_assert_uint_lt(io.in_pos, 110000);
    memory_run_free(&run);
    memory_io_fini(&io);
    free(in);
}

TEST(options_are_checked)
{
    struct wf_http_config c;
    struct weft_http_options o = {.size = sizeof o};
    ck_assert_int_eq(wf_http_config_init(&c, memory_handler, NULL, &o), 0);
    ck_assert_str_eq(c.server, "Server: weft\r\n");
    o.server_name = "";
    ck_assert_int_eq(wf_http_config_init(&c, memory_handler, NULL, &o), 0);
    ck_assert_uint_eq(c.server_len, 0);
    o.server_name = "a\r\nb";
    ck_assert_int_eq(wf_http_config_init(&c, memory_handler, NULL, &o), -EINVAL);
    o.server_name = NULL;
    o.size = 0;
    ck_assert_int_eq(wf_http_config_init(&c, memory_handler, NULL, &o), -EINVAL);
    o.size = sizeof o;
    o.max_header_size = 1u << 30;
    ck_assert_int_eq(wf_http_config_init(&c, memory_handler, NULL, &o), -EINVAL);
    ck_assert_int_eq(wf_http_config_init(&c, NULL, NULL, NULL), -EINVAL);
}
