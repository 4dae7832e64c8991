/* SPDX-License-Identifier: Apache-2.0 */
/* http_memory.c - a connection in memory, and the handler of the tests */
#include "tests/unit/http_memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/assert.h"

static void append(struct memory_io *m, const void *data, size_t n)
{
    if (m->out_len + n + 1 > m->out_cap) {
        m->out_cap = (m->out_len + n + 1) * 2;
        m->out = realloc(m->out, m->out_cap);
        WF_CHECK(m->out != NULL);
    }
    if (n > 0) {
        memcpy(m->out + m->out_len, data, n);
    }
    m->out_len += n;
    m->out[m->out_len] = 0;
}

static ssize_t memory_exchange(struct wf_http_io *io, const void *out, size_t out_len, void *in,
                               size_t in_cap, weft_deadline deadline)
{
    struct memory_io *m = WF_CONTAINER_OF(io, struct memory_io, io);
    WF_CHECK(in_cap > 0);
    if (out_len > 0) {
        if (m->send_error != 0) {
            return m->send_error;
        }
        m->sends++;
        append(m, out, out_len);
    }
    size_t n = m->in_len - m->in_pos;
    if (n == 0) {
        if (m->eof) {
            return 0;
        }
        WF_CHECK(deadline != WEFT_NEVER);
        m->clock = m->clock < deadline ? deadline : m->clock;
        return -ETIMEDOUT;
    }
    if (m->cut > m->in_pos) {
        n = m->cut - m->in_pos;
    } else if (m->piece != 0 && n > m->piece) {
        n = m->piece;
    }
    n = n < in_cap ? n : in_cap;
    memcpy(in, m->in + m->in_pos, n);
    m->in_pos += n;
    m->receives++;
    return (ssize_t)n;
}

static int memory_send(struct wf_http_io *io, struct iovec *iov, int count)
{
    struct memory_io *m = WF_CONTAINER_OF(io, struct memory_io, io);
    if (m->send_error != 0) {
        return m->send_error;
    }
    m->sends++;
    for (int i = 0; i < count; i++) {
        append(m, iov[i].iov_base, iov[i].iov_len);
    }
    return 0;
}

static int64_t memory_now(struct wf_http_io *io)
{
    return WF_CONTAINER_OF(io, struct memory_io, io)->clock;
}

static bool memory_stopping(struct wf_http_io *io)
{
    return WF_CONTAINER_OF(io, struct memory_io, io)->stop;
}

static weft_ns memory_linger(struct wf_http_io *io)
{
    return WF_CONTAINER_OF(io, struct memory_io, io)->no_linger ? 0 : WF_HTTP_LINGER;
}

void memory_io_init(struct memory_io *m, const char *in, size_t len)
{
    *m = (struct memory_io){
        .io = {.exchange = memory_exchange,
               .send = memory_send,
               .now = memory_now,
               .stopping = memory_stopping,
               .linger = memory_linger},
        .in = in,
        .in_len = len,
        .clock = 1,
    };
    append(m, "", 0);
}

void memory_io_fini(struct memory_io *m)
{
    free(m->out);
    m->out = NULL;
}

/* Takes out each line that starts with `name`. */
static void drop_lines(char *text, size_t *len, const char *name)
{
    size_t n = strlen(name), to = 0;
    for (size_t i = 0; i < *len;) {
        if (i >= 2 && memcmp(text + i - 2, "\r\n", 2) == 0 && *len - i >= n &&
            memcmp(text + i, name, n) == 0) {
            char *end = memchr(text + i, '\n', *len - i);
            i = end == NULL ? *len : (size_t)(end - text) + 1;
            continue;
        }
        text[to++] = text[i++];
    }
    *len = to;
    text[to] = 0;
}

static void collect_statuses(struct memory_run *run)
{
    size_t n = 0;
    for (size_t i = 0; i + 13 <= run->len && n + 8 < sizeof run->statuses; i++) {
        if (memcmp(run->out + i, "HTTP/1.1 ", 9) == 0) {
            n += (size_t)snprintf(run->statuses + n, sizeof run->statuses - n, "%.3s ",
                                  run->out + i + 9);
        }
    }
    run->statuses[n++] = run->end == WF_HTTP_CLOSE ? 'C' : run->end == WF_HTTP_DRAIN ? 'D' : 'I';
    run->statuses[n] = 0;
}

void memory_serve(const struct wf_http_config *config, struct memory_io *m, struct memory_run *run)
{
    struct wf_http_session *s = wf_http_session_new(config);
    WF_CHECK(s != NULL);
    memset(run, 0, sizeof *run);
    run->end = WF_HTTP_IDLE;
    ssize_t n;
    while (run->end == WF_HTTP_IDLE && m->in_pos < m->in_len &&
           (n = m->io.exchange(&m->io, NULL, 0, s->in, s->in_cap, m->clock + 1)) > 0) {
        run->end = wf_http_session_run(s, &m->io, (size_t)n, m->clock + config->header_timeout);
    }
    wf_http_session_free(s);
    run->len = m->out_len;
    run->out = malloc(run->len + 1);
    WF_CHECK(run->out != NULL);
    memcpy(run->out, m->out, run->len + 1);
    drop_lines(run->out, &run->len, "Date: ");
    drop_lines(run->out, &run->len, "Server: ");
    run->sends = m->sends;
    collect_statuses(run);
}

void memory_run_free(struct memory_run *run)
{
    free(run->out);
    run->out = NULL;
}

static bool path_is(struct weft_slice path, const char *text)
{
    return path.len == strlen(text) && memcmp(path.data, text, path.len) == 0;
}

/* Reads the body to its end; false: a read failed. */
static ssize_t read_all(weft_http_request *request, char *buf, size_t cap, size_t step)
{
    size_t len = 0;
    for (;;) {
        size_t room = cap - len < step ? cap - len : step;
        ssize_t n = weft_http_read(request, buf + len, room);
        if (n <= 0) {
            return n < 0 ? n : (ssize_t)len;
        }
        len += (size_t)n;
        WF_CHECK(len < cap);
    }
}

static int echo(weft_http_request *request, weft_http_response *response, size_t step)
{
    static char body[1 << 20];
    ssize_t n = read_all(request, body, sizeof body, step);
    return n < 0 ? (int)n : weft_http_send(response, body, (size_t)n);
}

static int stream(weft_http_request *request, weft_http_response *response)
{
    char piece[300];
    ssize_t n;
    while ((n = weft_http_read(request, piece, sizeof piece)) > 0) {
        int rc = weft_http_write(response, piece, (size_t)n);
        if (rc != 0) {
            return rc;
        }
    }
    return (int)n;
}

static int show(weft_http_request *request, weft_http_response *response)
{
    struct weft_slice target = weft_http_target(request), path = weft_http_path(request);
    struct weft_slice host = weft_http_header(request, "hOST"), name, value;
    char text[4096];
    int n = snprintf(text, sizeof text, "[%s][%.*s][%.*s][%.*s]", weft_http_method(request),
                     (int)target.len, target.data, (int)path.len, path.data, (int)host.len,
                     host.data == NULL ? "" : host.data);
    for (unsigned i = 0; i < weft_http_header_count(request); i++) {
        WF_CHECK(weft_http_header_at(request, i, &name, &value) == 0);
        if ((size_t)n + name.len + value.len + 4 < sizeof text) {
            n += snprintf(text + n, sizeof text - (size_t)n, "{%.*s=%.*s}", (int)name.len,
                          name.data, (int)value.len, value.data);
        }
    }
    WF_CHECK(weft_http_header_at(request, weft_http_header_count(request), NULL, NULL) == -ENOENT);
    return weft_http_send(response, text, (size_t)n);
}

int memory_handler(weft_http_request *request, weft_http_response *response, void *arg)
{
    struct weft_slice path = weft_http_path(request);
    (void)arg;
    if (path_is(path, "/")) {
        return weft_http_send(response, "hello\n", 6);
    }
    if (path_is(path, "/echo")) {
        return echo(request, response, 1 << 16);
    }
    if (path_is(path, "/echo1")) {
        return echo(request, response, 1);
    }
    if (path_is(path, "/stream")) {
        return stream(request, response);
    }
    if (path_is(path, "/ignore")) {
        return weft_http_send(response, "ignored\n", 8);
    }
    if (path_is(path, "/empty")) {
        return 0;
    }
    if (path_is(path, "/fail")) {
        return -EIO;
    }
    if (path_is(path, "/half")) {
        (void)weft_http_write(response, "half", 4);
        return -EIO;
    }
    if (path_is(path, "/204")) {
        (void)weft_http_status(response, 204);
        return weft_http_send(response, "dropped", 7);
    }
    if (path_is(path, "/304")) {
        (void)weft_http_status(response, 304);
        return weft_http_write(response, "dropped", 7);
    }
    if (path_is(path, "/write")) {
        int rc = weft_http_write(response, "one", 3);
        rc = rc != 0 ? rc : weft_http_write(response, "", 0);
        return rc != 0 ? rc : weft_http_write(response, "three", 5);
    }
    if (path.len >= 5 && memcmp(path.data, "/show", 5) == 0) {
        return show(request, response);
    }
    (void)weft_http_status(response, 404);
    return weft_http_send(response, "not found\n", 10);
}

void http_case_config(struct wf_http_config *config)
{
    struct weft_http_options options = {
        .size = sizeof options, .max_header_size = 512, .max_headers = 8, .max_body_size = 1000};
    WF_CHECK(wf_http_config_init(config, memory_handler, NULL, &options) == 0);
}
