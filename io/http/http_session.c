/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_session.c - serve the requests of one connection while it is busy
 *
 * Input. Bytes are received behind each other into one buffer that holds a whole head and then
 * some; it never moves while a handler runs, so slices of the head stay valid. A head that is cut
 * off at the end of the buffer is moved to the front, where it has room for sure.
 *
 * Output. Responses collect in a second buffer. It goes out together with the wait for more input
 * (one exchange), so a batch of pipelined requests costs one send; or earlier when it is full.
 *
 * Which way a connection ends is decided in one place, after_response().
 */
#include "io/http/http_session.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "runtime/base/assert.h"

#define HEAD_SIZE_MAX (1u << 20)
#define FIELDS_MAX    10000u

static weft_ns or_default(weft_ns value, weft_ns standard)
{
    return value > 0 ? value : standard;
}

static int set_server(struct wf_http_config *config, const char *name)
{
    size_t n = strlen(name);
    if (n == 0) {
        config->server_len = 0;
        return 0;
    }
    if (n > WF_HTTP_SERVER_MAX) {
        return -EINVAL;
    }
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f) {
            return -EINVAL;
        }
    }
    char *at = WF_HTTP_PUT(config->server, "Server: ");
    at = wf_http_put(at, name, n);
    at = WF_HTTP_PUT(at, "\r\n");
    config->server_len = (size_t)(at - config->server);
    return 0;
}

int wf_http_config_init(struct wf_http_config *config, wf_http_handler handler, void *arg,
                        const struct weft_http_options *options)
{
    struct weft_http_options o = {0};
    if (options != NULL) {
        if (options->size == 0 || options->size > sizeof o) {
            return -EINVAL;
        }
        memcpy(&o, options, options->size);
    }
    size_t head_size = o.max_header_size != 0 ? o.max_header_size : 16u << 10;
    unsigned fields = o.max_headers != 0 ? o.max_headers : 100;
    if (handler == NULL || head_size > HEAD_SIZE_MAX || fields > FIELDS_MAX) {
        return -EINVAL;
    }
    *config = (struct wf_http_config){
        .handler = handler,
        .arg = arg,
        .limits = {.head_size = (uint32_t)head_size,
                   .fields = fields,
                   .body = o.max_body_size != 0 ? o.max_body_size : 1u << 20},
        .header_timeout = or_default(o.header_timeout, WEFT_SEC(10)),
        .body_timeout = or_default(o.body_timeout, WEFT_SEC(30)),
        .idle_timeout = or_default(o.idle_timeout, WEFT_SEC(60)),
        .write_timeout = or_default(o.write_timeout, WEFT_SEC(30)),
        .in_cap = head_size + WF_HTTP_IN_EXTRA,
        .max_requests = o.max_requests != 0 ? o.max_requests : UINT64_MAX,
    };
    return set_server(config, o.server_name != NULL ? o.server_name : "weft");
}

/*
 * One piece of memory. What an ordinary request needs is at its beginning, in one or two pages; of
 * the rest only what is used gets touched.
 */
struct wf_http_session *wf_http_session_new(const struct wf_http_config *config)
{
    size_t table = (config->limits.fields + 1) * sizeof(struct wf_http_field);
    size_t in_cap = config->in_cap;
    struct wf_http_session *s =
        malloc(sizeof *s + table + in_cap + WF_HTTP_OUT_SIZE + WF_HTTP_FIELDS_MAX);
    if (s == NULL) {
        return NULL;
    }
    memset(s, 0, offsetof(struct wf_http_session, out_small));
    s->config = config;
    s->in_cap = (uint32_t)in_cap;
    s->request.parser.limits = &config->limits;
    s->request.parser.fields = s->table;
    s->in = (char *)s->table + table;
    s->out_large = s->in + in_cap;
    s->fields_large = s->out_large + WF_HTTP_OUT_SIZE;
    return s;
}

void wf_http_session_free(struct wf_http_session *s)
{
    free(s);
}

int wf_http_flush(struct wf_http_session *s)
{
    if (s->out_len == 0 || s->response.error != 0) {
        return s->response.error;
    }
    struct iovec piece = {.iov_base = s->out, .iov_len = s->out_len};
    s->out_len = 0;
    s->response.error = s->io->send(s->io, &piece, 1);
    return s->response.error;
}

/* Room for n more bytes of output: in the small buffer, in the large one, or after a send. */
int wf_http_reserve(struct wf_http_session *s, size_t n)
{
    WF_ASSERT(n <= WF_HTTP_OUT_SIZE - WF_HTTP_OUT_SMALL);
    if (WF_LIKELY(n <= s->out_cap - s->out_len)) {
        return s->response.error;
    }
    if (s->out == s->out_large) {
        return wf_http_flush(s);
    }
    memcpy(s->out_large, s->out, s->out_len);
    s->out = s->out_large;
    s->out_cap = WF_HTTP_OUT_SIZE;
    return s->response.error;
}

static void start_batch(struct wf_http_session *s)
{
    s->out = s->out_small;
    s->out_cap = WF_HTTP_OUT_SMALL;
    s->out_len = 0;
}

/* The lines that the next request needs have been idle for long: fetch them side by side. */
static inline void prefetch(const struct wf_http_session *s)
{
    const char *parser = (const char *)&s->request.parser;
    for (size_t i = 0; i < sizeof s->request + sizeof s->response; i += 64) {
        __builtin_prefetch(parser + i, 1);
    }
    for (size_t i = 0; i < 256; i += 64) {
        __builtin_prefetch(s->out_small + i, 1);
    }
    __builtin_prefetch(s->fields_small, 1);
    __builtin_prefetch(s->table, 1);
}

/* Sends what is there and receives behind in_len. */
static ssize_t receive(struct wf_http_session *s, weft_deadline deadline)
{
    WF_ASSERT(s->in_len < s->in_cap);
    ssize_t n = s->io->exchange(s->io, s->out, s->out_len, s->in + s->in_len, s->in_cap - s->in_len,
                                deadline);
    prefetch(s);
    start_batch(s);
    if (n > 0) {
        s->in_len += (uint32_t)n;
    }
    return n;
}

static void start_response(struct wf_http_session *s)
{
    s->response = (struct weft_http_response){.status = 200};
    s->fields = s->fields_small;
    s->request.read_error = 0;
}

/* Answers a request that was refused, or a handler that failed, and ends the connection. */
static enum wf_http_end refuse(struct wf_http_session *s, int status)
{
    struct weft_http_response *r = &s->response;
    char text[64];
    char *at = wf_http_put_number(text, (uint64_t)status);
    *at++ = ' ';
    const char *reason = wf_http_reason(status);
    at = wf_http_put(at, reason, strlen(reason));
    *at++ = '\n';
    start_response(s);
    r->status = status;
    r->close = true;
    (void)weft_http_set(r, "Content-Type", "text/plain");
    (void)weft_http_send(r, text, (size_t)(at - text));
    return wf_http_flush(s) == 0 ? WF_HTTP_DRAIN : WF_HTTP_CLOSE;
}

/* The answer for a handler that failed before it sent anything; 0: there is nobody to answer. */
static int failure_status(const struct wf_http_session *s)
{
    switch (s->request.read_error) {
    case 0:
        return 500;
    case -EMSGSIZE:
        return 413;
    case -EBADMSG:
        return 400;
    case -ETIMEDOUT:
        return 408;
    default:
        return 0;
    }
}

/* Reads on to the end of a body that the handler left. True when the next request can follow. */
static bool skip_body(struct wf_http_session *s)
{
    const struct wf_http_parser *p = &s->request.parser;
    if (p->framing == WF_HTTP_LENGTH && p->body_left > WF_HTTP_SKIP_MAX) {
        return false;
    }
    weft_deadline deadline = s->io->now(s->io) + s->config->body_timeout;
    for (size_t skipped = 0; !wf_http_body_over(&s->request);) {
        uint32_t before = s->in_pos;
        if (wf_http_body_take(s, NULL, s->in_cap) < 0 || p->body_error != 0) {
            return false;
        }
        skipped += s->in_pos - before;
        if (wf_http_body_over(&s->request)) {
            break;
        }
        s->in_pos = s->in_len = s->in_floor;
        if (skipped > WF_HTTP_SKIP_MAX || receive(s, deadline) <= 0) {
            return false;
        }
    }
    return true;
}

/* Completes the response. True: the connection goes on with the next request. */
static bool after_response(struct wf_http_session *s, int rc, enum wf_http_end *end)
{
    struct weft_http_response *r = &s->response;
    if (r->error != 0) {
        *end = WF_HTTP_CLOSE;
        return false;
    }
    if (rc < 0 && !r->head_sent) {
        int status = failure_status(s);
        *end = status != 0 ? refuse(s, status) : WF_HTTP_CLOSE;
        return false;
    }
    if (rc < 0 || wf_http_finish(r) != 0) {
        *end = wf_http_flush(s) == 0 ? WF_HTTP_DRAIN : WF_HTTP_CLOSE;
        return false;
    }
    if (WF_LIKELY(!r->close)) {
        if (WF_LIKELY(wf_http_body_over(&s->request)) || skip_body(s)) {
            return true;
        }
    }
    bool unread = s->in_pos < s->in_len || !wf_http_body_over(&s->request);
    *end = wf_http_flush(s) == 0 && unread ? WF_HTTP_DRAIN : WF_HTTP_CLOSE;
    return false;
}

/* A body is received behind its head: make sure there is room. */
static void move_to_front(struct wf_http_session *s)
{
    if (s->in_pos > 0) {
        memmove(s->in, s->in + s->in_pos, s->in_len - s->in_pos);
        s->in_len -= s->in_pos;
        s->in_pos = 0;
    }
}

static bool serve_request(struct wf_http_session *s, enum wf_http_end *end)
{
    struct weft_http_request *request = &s->request;
    if (request->parser.framing != WF_HTTP_NO_BODY) {
        move_to_front(s);
    }
    request->base = s->in + s->in_pos;
    s->in_pos += request->parser.size;
    s->in_floor = s->in_pos;
    s->head_deadline = 0;
    s->io->requests++;
    start_response(s);
    int rc = s->config->handler(request, &s->response, s->config->arg);
    return after_response(s, rc, end);
}

/* Waits for more input. True when there is some. */
static bool more_input(struct wf_http_session *s, enum wf_http_end *end)
{
    struct wf_http_io *io = s->io;
    weft_deadline now = io->now(io);
    if (s->in_pos == s->in_len) {
        if (io->stopping(io)) {
            (void)wf_http_flush(s);
            *end = WF_HTTP_CLOSE;
            return false;
        }
        s->in_pos = s->in_len = 0;
        io->idle_since = now;
        weft_ns linger = io->linger(io);
        if (WF_UNLIKELY(linger == 0)) {
            *end = wf_http_flush(s) == 0 ? WF_HTTP_IDLE : WF_HTTP_CLOSE;
            return false;
        }
        io->idle = true;
        ssize_t n = receive(s, now + linger);
        io->idle = false;
        *end = n == -ETIMEDOUT ? WF_HTTP_IDLE : WF_HTTP_CLOSE;
        return n > 0;
    }
    move_to_front(s);
    if (s->head_deadline == 0) {
        s->head_deadline = now + s->config->header_timeout;
    }
    ssize_t n = receive(s, s->head_deadline);
    if (n == -ETIMEDOUT) {
        *end = refuse(s, 408);
        return false;
    }
    *end = WF_HTTP_CLOSE;
    return n > 0;
}

enum wf_http_end wf_http_session_run(struct wf_http_session *s, struct wf_http_io *io,
                                     size_t received, weft_deadline head_deadline)
{
    WF_ASSERT(received > 0 && received <= s->in_cap);
    enum wf_http_end end = WF_HTTP_CLOSE;
    struct wf_http_parser *p = &s->request.parser;
    s->io = io;
    s->in_pos = 0;
    s->in_len = (uint32_t)received;
    start_batch(s);
    s->head_deadline = head_deadline;
    start_response(s);
    wf_http_parser_start(p);
    for (;;) {
        enum wf_http_step step = WF_HTTP_MORE;
        if (s->in_pos < s->in_len) {
            step = wf_http_parse_head(p, s->in + s->in_pos, s->in_len - s->in_pos);
        }
        if (step == WF_HTTP_HEAD) {
            if (!serve_request(s, &end)) {
                return end;
            }
            wf_http_parser_start(p);
        } else if (step == WF_HTTP_MORE) {
            if (!more_input(s, &end)) {
                return end;
            }
        } else {
            return refuse(s, p->status);
        }
    }
}
