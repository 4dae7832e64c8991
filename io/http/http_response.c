/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_response.c - what a handler says in the response
 *
 * A head is written into the output buffer when its length is known to be final: by the first
 * weft_http_send or weft_http_write, or at the end of the handler. What follows goes behind it;
 * large pieces leave from the handler's memory together with what has collected before them.
 */
#include <errno.h>

#include "io/http/http_session.h"
#include "runtime/base/assert.h"

static struct wf_http_session *session_of(struct weft_http_response *response)
{
    return WF_CONTAINER_OF(response, struct wf_http_session, response);
}

int weft_http_status(weft_http_response *response, int status)
{
    if (status < 200 || status > 599) {
        return -EINVAL;
    }
    if (response->head_sent) {
        return -EALREADY;
    }
    response->status = status;
    return 0;
}

static bool is_value(const char *value, size_t n)
{
    bool bad = false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)value[i];
        bad |= (c < 0x20 && c != '\t') || c == 0x7f;
    }
    return !bad;
}

static bool is_ours(const char *name, size_t n)
{
    return (n == 14 && wf_http_same(name, "content-length", n)) ||
           (n == 17 && wf_http_same(name, "transfer-encoding", n)) ||
           (n == 10 && wf_http_same(name, "connection", n));
}

int weft_http_set(weft_http_response *response, const char *name, const char *value)
{
    struct wf_http_session *s = session_of(response);
    size_t name_len = strlen(name), value_len = strlen(value);
    if (name_len == 0 || !wf_http_all(name, name_len, WF_HTTP_TOKEN) ||
        !is_value(value, value_len) || is_ours(name, name_len)) {
        return -EINVAL;
    }
    if (response->head_sent) {
        return -EALREADY;
    }
    size_t room = WF_HTTP_FIELDS_MAX - response->fields_len;
    if (name_len + 4 > room || value_len > room - name_len - 4) {
        return -ENOSPC;
    }
    if (name_len == 4 && wf_http_same(name, "date", 4)) {
        response->own_date = true;
    } else if (name_len == 6 && wf_http_same(name, "server", 6)) {
        response->own_server = true;
    }
    size_t need = response->fields_len + name_len + value_len + 4;
    if (WF_UNLIKELY(need > WF_HTTP_FIELDS_SMALL) && s->fields == s->fields_small) {
        memcpy(s->fields_large, s->fields, response->fields_len);
        s->fields = s->fields_large;
    }
    char *at = wf_http_put(s->fields + response->fields_len, name, name_len);
    at = WF_HTTP_PUT(at, ": ");
    at = wf_http_put(at, value, value_len);
    at = WF_HTTP_PUT(at, "\r\n");
    response->fields_len = (uint32_t)(at - s->fields);
    return 0;
}

/* What ends the connection after this response, as far as it is known when the head is written. */
static bool must_close(struct wf_http_session *s)
{
    const struct wf_http_parser *p = &s->request.parser;
    return !p->keep_alive || p->expect_continue || s->request.read_error != 0 ||
           s->io->requests >= s->config->max_requests || s->io->stopping(s->io);
}

int wf_http_begin(struct weft_http_response *r, unsigned length, uint64_t n)
{
    struct wf_http_session *s = session_of(r);
    const llhttp_t *l = &s->request.parser.llhttp;
    bool http10 = s->request.parser.size != 0 && l->http_minor == 0;
    int rc = wf_http_reserve(s, WF_HTTP_HEAD_FIXED + s->config->server_len + r->fields_len);
    if (rc != 0) {
        return rc;
    }
    if (r->status == 204 || r->status == 304) {
        length = WF_HTTP_BODY_NONE;
    } else if (r->status == 205) {
        length = WF_HTTP_BODY_LENGTH;
        n = 0;
    } else if (length == WF_HTTP_BODY_CHUNKED && http10) {
        length = WF_HTTP_BODY_CLOSE;
    }
    r->drop_body = length == WF_HTTP_BODY_NONE || r->status == 205 ||
                   (l->method == HTTP_HEAD && s->request.parser.target_done);
    r->length = (uint8_t)length;
    r->close = r->close || length == WF_HTTP_BODY_CLOSE || must_close(s);
    struct wf_http_head head = {
        .status = r->status,
        .length = (uint8_t)length,
        .close = r->close,
        .keep_alive = http10,
        .own_date = r->own_date,
        .content_length = n,
        .server = s->config->server,
        .server_len = r->own_server ? 0 : s->config->server_len,
        .fields = s->fields,
        .fields_len = r->fields_len,
    };
    char *at = s->out + s->out_len;
    s->out_len = (uint32_t)(wf_http_put_head(at, &head) - s->out);
    r->head_sent = true;
    return 0;
}

/* n bytes behind what has collected; in place when there are many. */
static int put_bytes(struct wf_http_session *s, const void *data, size_t n)
{
    if (n <= WF_HTTP_COPY_MAX) {
        int rc = wf_http_reserve(s, n);
        if (rc == 0 && n > 0) {
            memcpy(s->out + s->out_len, data, n);
            s->out_len += (uint32_t)n;
        }
        return rc;
    }
    struct iovec pieces[2] = {{.iov_base = s->out, .iov_len = s->out_len},
                              {.iov_base = (void *)(uintptr_t)data, .iov_len = n}};
    bool first = s->out_len > 0;
    s->out_len = 0;
    s->response.error = s->io->send(s->io, first ? pieces : pieces + 1, first ? 2 : 1);
    return s->response.error;
}

int weft_http_send(weft_http_response *response, const void *body, size_t n)
{
    if (response->head_sent) {
        return -EALREADY;
    }
    int rc =
        response->error != 0 ? response->error : wf_http_begin(response, WF_HTTP_BODY_LENGTH, n);
    if (rc != 0) {
        return rc;
    }
    response->ended = true;
    return response->drop_body ? 0 : put_bytes(session_of(response), body, n);
}

int weft_http_write(weft_http_response *response, const void *data, size_t n)
{
    struct wf_http_session *s = session_of(response);
    if (response->ended) {
        return -EALREADY;
    }
    if (response->error != 0) {
        return response->error;
    }
    if (!response->head_sent) {
        int rc = wf_http_begin(response, WF_HTTP_BODY_CHUNKED, 0);
        if (rc != 0) {
            return rc;
        }
    }
    if (n == 0) {
        return wf_http_flush(s);
    }
    if (response->drop_body) {
        return 0;
    }
    if (response->length != WF_HTTP_BODY_CHUNKED) {
        return put_bytes(s, data, n);
    }
    size_t with_data = n <= WF_HTTP_COPY_MAX ? n : 0;
    int rc = wf_http_reserve(s, with_data + WF_HTTP_CHUNK_FRAME_MAX);
    if (rc == 0) {
        s->out_len = (uint32_t)(wf_http_put_chunk_size(s->out + s->out_len, n) - s->out);
        rc = put_bytes(s, data, n);
    }
    if (rc == 0) {
        s->out_len = (uint32_t)(WF_HTTP_PUT(s->out + s->out_len, "\r\n") - s->out);
    }
    return rc;
}

/* The handler has returned: an answer for one that sent none, the end of a streamed one. */
int wf_http_finish(struct weft_http_response *r)
{
    struct wf_http_session *s = session_of(r);
    if (!r->head_sent) {
        int rc = wf_http_begin(r, WF_HTTP_BODY_LENGTH, 0);
        r->ended = rc == 0;
        return rc;
    }
    if (r->ended || r->length != WF_HTTP_BODY_CHUNKED || r->drop_body) {
        return 0;
    }
    int rc = wf_http_reserve(s, WF_HTTP_CHUNK_FRAME_MAX);
    if (rc == 0) {
        s->out_len = (uint32_t)(WF_HTTP_PUT(s->out + s->out_len, "0\r\n\r\n") - s->out);
    }
    r->ended = rc == 0;
    return rc;
}
