/* SPDX-License-Identifier: Apache-2.0 */
/* http_request.c - what a handler asks of the request, and its body */
#include <errno.h>

#include "io/http/http_session.h"
#include "runtime/base/assert.h"

/* Reads from here up go straight into the handler's memory. */
#define DIRECT_MIN 2048u

static struct wf_http_session *session_of(struct weft_http_request *request)
{
    return WF_CONTAINER_OF(request, struct wf_http_session, request);
}

static struct weft_slice slice(const struct weft_http_request *r, uint32_t off, uint32_t len)
{
    return (struct weft_slice){.data = r->base + off, .len = len};
}

const char *weft_http_method(const weft_http_request *request)
{
    return llhttp_method_name((llhttp_method_t)request->parser.llhttp.method);
}

struct weft_slice weft_http_target(const weft_http_request *request)
{
    return slice(request, request->parser.target, request->parser.target_len);
}

struct weft_slice weft_http_path(const weft_http_request *request)
{
    struct weft_slice path = slice(request, request->parser.target, request->parser.path_len);
    if (WF_LIKELY(path.data[0] == '/' || path.data[0] == '*')) {
        return path;
    }
    /* http://host/path: the parser has seen to it that "//" is there. */
    const char *host = (const char *)memchr(path.data, '/', path.len) + 2;
    const char *at = memchr(host, '/', path.len - (size_t)(host - path.data));
    if (at == NULL) {
        return (struct weft_slice){.data = "/", .len = 1};
    }
    return (struct weft_slice){.data = at, .len = path.len - (size_t)(at - path.data)};
}

static bool same_name(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char x = (unsigned char)a[i], y = (unsigned char)b[i];
        x = (unsigned char)(x - 'A') < 26 ? x | 0x20 : x;
        y = (unsigned char)(y - 'A') < 26 ? y | 0x20 : y;
        if (x != y) {
            return false;
        }
    }
    return true;
}

struct weft_slice weft_http_header(const weft_http_request *request, const char *name)
{
    size_t n = strlen(name);
    for (uint32_t i = 0; i < request->parser.field_count; i++) {
        const struct wf_http_field *f = &request->parser.fields[i];
        if (f->name_len == n && same_name(request->base + f->name, name, n)) {
            return slice(request, f->value, f->value_len);
        }
    }
    return (struct weft_slice){.data = NULL, .len = 0};
}

int weft_http_header_at(const weft_http_request *request, unsigned index, struct weft_slice *name,
                        struct weft_slice *value)
{
    if (index >= request->parser.field_count) {
        return -ENOENT;
    }
    const struct wf_http_field *f = &request->parser.fields[index];
    if (name != NULL) {
        *name = slice(request, f->name, f->name_len);
    }
    if (value != NULL) {
        *value = slice(request, f->value, f->value_len);
    }
    return 0;
}

unsigned weft_http_header_count(const weft_http_request *request)
{
    return request->parser.field_count;
}

int64_t weft_http_content_length(const weft_http_request *request)
{
    switch (request->parser.framing) {
    case WF_HTTP_LENGTH: {
        uint64_t n = request->parser.llhttp.content_length;
        return n > INT64_MAX ? INT64_MAX : (int64_t)n;
    }
    case WF_HTTP_CHUNKED:
        return -1;
    default:
        return 0;
    }
}

bool wf_http_body_over(const struct weft_http_request *request)
{
    const struct wf_http_parser *p = &request->parser;
    return p->framing == WF_HTTP_NO_BODY || (p->framing == WF_HTTP_LENGTH && p->body_left == 0) ||
           (p->framing == WF_HTTP_CHUNKED && p->body_done);
}

/* Body bytes out of the input buffer. 0: there are none in it; buf NULL: drops them. */
ssize_t wf_http_body_take(struct wf_http_session *s, char *buf, size_t n)
{
    struct wf_http_parser *p = &s->request.parser;
    size_t there = s->in_len - s->in_pos;
    if (there == 0) {
        return 0;
    }
    p->expect_continue = false;
    if (p->framing == WF_HTTP_CHUNKED) {
        size_t used;
        ssize_t got = wf_http_chunked(p, s->in + s->in_pos, there, buf, n, &used);
        s->in_pos += (uint32_t)used;
        return got;
    }
    n = n < there ? n : there;
    n = n < p->body_left ? n : (size_t)p->body_left;
    if (buf != NULL) {
        memcpy(buf, s->in + s->in_pos, n);
    }
    s->in_pos += (uint32_t)n;
    p->body_left -= n;
    return (ssize_t)n;
}

static ssize_t read_failed(struct weft_http_request *request, ssize_t rc)
{
    request->read_error = rc == 0 ? -ECONNRESET : (int)rc;
    return request->read_error;
}

ssize_t weft_http_read(weft_http_request *request, void *buf, size_t n)
{
    struct wf_http_session *s = session_of(request);
    struct wf_http_parser *p = &request->parser;
    if (request->read_error != 0) {
        return request->read_error;
    }
    if (n == 0) {
        return 0;
    }
    weft_deadline deadline = 0;
    while (!wf_http_body_over(request)) {
        ssize_t got = wf_http_body_take(s, buf, n);
        if (got != 0) {
            return got > 0 ? got : read_failed(request, got);
        }
        if (s->in_pos < s->in_len || wf_http_body_over(request)) {
            continue;
        }
        if (p->expect_continue && !s->response.head_sent) {
            if (wf_http_reserve(s, 64) != 0) {
                return read_failed(request, s->response.error);
            }
            s->out_len =
                (uint32_t)(WF_HTTP_PUT(s->out + s->out_len, "HTTP/1.1 100 Continue\r\n\r\n") -
                           s->out);
            p->expect_continue = false;
        }
        if (deadline == 0) {
            deadline = s->io->now(s->io) + s->config->body_timeout;
        }
        bool direct = p->framing == WF_HTTP_LENGTH && (n >= DIRECT_MIN || n >= p->body_left);
        s->in_pos = s->in_len = s->in_floor;
        size_t cap = s->in_cap - s->in_floor;
        if (direct) {
            cap = n < p->body_left ? n : (size_t)p->body_left;
        }
        got = s->io->exchange(s->io, s->out, s->out_len, direct ? buf : s->in + s->in_floor, cap,
                              deadline);
        s->out_len = 0;
        if (got <= 0) {
            return read_failed(request, got);
        }
        if (direct) {
            p->expect_continue = false;
            p->body_left -= (uint64_t)got;
            return got;
        }
        s->in_len += (uint32_t)got;
    }
    return 0;
}
