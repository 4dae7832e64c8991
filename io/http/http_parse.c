/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_parse.c - the head of a request: llhttp's grammar and the rules on top of it
 *
 * llhttp is stopped at the end of each head. A request without a body never goes back into it, and
 * neither does a body with a length, so that llhttp's own rules for connections (keep-alive,
 * upgrades, data after close) are out of play: the session decides those.
 *
 * Refused here although llhttp lets it pass: empty lines that are a bare LF, more than one space in
 * the request line, protocols other than HTTP, CONNECT, targets that are neither a path nor an http
 * URL nor the `*` of OPTIONS, fragments, a Host that is missing, doubled or not a host, every
 * Transfer-Encoding but one plain "chunked", and Transfer-Encoding in HTTP/1.0.
 */
#include "io/http/http_parse.h"

#include <string.h>

#include "runtime/base/assert.h"

/* WF_HTTP_TOKEN and WF_HTTP_HOST, a row for sixteen bytes */
/* clang-format off */
const uint8_t wf_http_classes[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 3, 0, 1, 3, 3, 3, 3, 2, 2, 3, 3, 0, 3, 3, 0, /* from the space on */
    3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 2, 0, 2, 0, 0, /* 0-9 */
    0, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, /* @A-O */
    3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 0, 2, 1, 3, /* P-Z */
    1, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, /* `a-o */
    3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 0, 1, 0, 3, 0, /* p-z */
};
/* clang-format on */

static struct wf_http_parser *parser_of(llhttp_t *llhttp)
{
    return WF_CONTAINER_OF(llhttp, struct wf_http_parser, llhttp);
}

static int refuse(struct wf_http_parser *p, unsigned status)
{
    p->status = (uint16_t)status;
    return HPE_USER;
}

static int on_url(llhttp_t *llhttp, const char *at, size_t n)
{
    struct wf_http_parser *p = parser_of(llhttp);
    if (p->target_len == 0) {
        p->target = (uint32_t)(at - p->base);
    }
    p->target_len += (uint32_t)n;
    return 0;
}

static int on_url_complete(llhttp_t *llhttp)
{
    parser_of(llhttp)->target_done = true;
    return 0;
}

/* A name that comes in pieces continues where the last piece ended; a new one never does. */
static int on_header_field(llhttp_t *llhttp, const char *at, size_t n)
{
    struct wf_http_parser *p = parser_of(llhttp);
    if (p->size != 0) {
        return wf_http_on_trailer_name(p, n, false);
    }
    uint32_t off = (uint32_t)(at - p->base);
    if (p->field_count > 0) {
        struct wf_http_field *last = &p->fields[p->field_count - 1];
        if (last->value == 0 && last->name + last->name_len == off) {
            last->name_len += (uint32_t)n;
            return 0;
        }
    }
    WF_ASSERT(p->field_count <= p->limits->fields);
    p->fields[p->field_count++] = (struct wf_http_field){.name = off, .name_len = (uint32_t)n};
    return 0;
}

static int on_header_value(llhttp_t *llhttp, const char *at, size_t n)
{
    struct wf_http_parser *p = parser_of(llhttp);
    if (p->size != 0) {
        return wf_http_on_trailer_value(p, n);
    }
    WF_ASSERT(p->field_count > 0);
    struct wf_http_field *f = &p->fields[p->field_count - 1];
    uint32_t off = (uint32_t)(at - p->base);
    if (f->value == 0) {
        f->value = off;
    }
    f->value_len = off + (uint32_t)n - f->value;
    return 0;
}

/* Fields are counted when their name is complete: a piece of a name may still turn out bad. */
static int on_header_field_complete(llhttp_t *llhttp)
{
    struct wf_http_parser *p = parser_of(llhttp);
    if (p->size != 0) {
        return wf_http_on_trailer_name(p, 0, true);
    }
    return p->field_count > p->limits->fields ? refuse(p, 431) : 0;
}

static int on_headers_complete(llhttp_t *llhttp)
{
    (void)llhttp;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_url_complete = on_url_complete,
    .on_header_field = on_header_field,
    .on_header_field_complete = on_header_field_complete,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_body = wf_http_on_body,
    .on_message_complete = wf_http_on_message_complete,
    .on_chunk_extension_name = wf_http_on_chunk_extension,
    .on_chunk_extension_value = wf_http_on_chunk_extension,
    .on_chunk_header = wf_http_on_chunk_header,
    .on_chunk_complete = wf_http_on_chunk_complete,
};

void wf_http_parser_start(struct wf_http_parser *p)
{
    llhttp_init(&p->llhttp, HTTP_REQUEST, &settings);
    p->parsed = 0;
    p->start = 0;
    p->size = 0;
    p->target = 0;
    p->target_len = 0;
    p->field_count = 0;
    p->status = 0;
    p->started = false;
    p->target_done = false;
    p->expect_continue = false;
    p->framing = WF_HTTP_NO_BODY;
    p->body_left = 0;
    p->body_error = 0;
}

/* "http://host" or "https://host" before the path of an absolute target: its length, or 0. */
static size_t scheme_len(const char *target, size_t n)
{
    if (n > 7 && wf_http_same(target, "http://", 7)) {
        return 7;
    }
    if (n > 8 && wf_http_same(target, "https://", 8)) {
        return 8;
    }
    return 0;
}

static bool target_ok(struct wf_http_parser *p)
{
    const char *target = p->base + p->target;
    size_t n = p->target_len;
    uint32_t path_len = p->target_len;
    for (uint32_t i = 0; i < n; i++) {
        if (target[i] == '#') {
            return false;
        }
        path_len = target[i] == '?' && path_len == n ? i : path_len;
    }
    p->path_len = path_len;
    if (n == 0) {
        return false;
    }
    if (target[0] == '/') {
        return true;
    }
    if (n == 1 && target[0] == '*') {
        return p->llhttp.method == HTTP_OPTIONS;
    }
    size_t scheme = scheme_len(target, n);
    return scheme != 0 && target[scheme] != '/' && target[scheme] != '?';
}

/* METHOD SP target SP HTTP/1.x CRLF, exactly: llhttp allows more spaces. */
static unsigned check_request_line(struct wf_http_parser *p)
{
    const llhttp_t *l = &p->llhttp;
    const char *target = p->base + p->target, *end = target + p->target_len;
    if (p->target < p->start + 2 || target[-1] != ' ' || target[-2] == ' ') {
        return 400;
    }
    if (memcmp(end, " HTTP/", 6) != 0 || end[9] != '\r') {
        return 400; /* also the two-word request line of HTTP/0.9 */
    }
    if (l->http_major != 1 || l->http_minor > 1) {
        return 505;
    }
    if (l->method == HTTP_CONNECT) {
        return 501;
    }
    return target_ok(p) ? 0 : 400;
}

/* One plain "chunked" is understood. With it somewhere else in the list the end of the body would
 * be a matter of opinion: 400. A coding we do not know: 501. */
static unsigned check_transfer_encoding(const char *value, size_t n)
{
    if (n == 7 && wf_http_same(value, "chunked", 7)) {
        return 0;
    }
    unsigned chunked = 0;
    bool last = false, any = false;
    for (size_t i = 0; i < n;) {
        size_t end = i;
        while (end < n && value[end] != ',') {
            end++;
        }
        size_t from = i, to = end;
        while (from < to && (value[from] == ' ' || value[from] == '\t')) {
            from++;
        }
        while (to > from && (value[to - 1] == ' ' || value[to - 1] == '\t')) {
            to--;
        }
        last = to - from == 7 && wf_http_same(value + from, "chunked", 7);
        chunked += last;
        any = any || (to > from && !last);
        i = end + 1;
    }
    return any && chunked == (last ? 1u : 0u) ? 501 : 400;
}

struct seen {
    unsigned hosts, encodings;
    unsigned status; /* of the first field that is wrong */
};

static void look_at_field(struct wf_http_parser *p, struct wf_http_field *f, struct seen *seen)
{
    const char *name = p->base + f->name, *value = p->base + f->value;
    unsigned status = 0;
    while (f->value_len > 0 &&
           (value[f->value_len - 1] == ' ' || value[f->value_len - 1] == '\t')) {
        f->value_len--;
    }
    switch (f->name_len) {
    case 4:
        if (wf_http_same(name, "host", 4)) {
            status = ++seen->hosts > 1 || !wf_http_all(value, f->value_len, WF_HTTP_HOST) ? 400 : 0;
        }
        break;
    case 6:
        if (wf_http_same(name, "expect", 6) && p->llhttp.http_minor == 1) {
            if (f->value_len == 12 && wf_http_same(value, "100-continue", 12)) {
                p->expect_continue = true;
            } else {
                status = 417;
            }
        }
        break;
    case 17:
        if (wf_http_same(name, "transfer-encoding", 17)) {
            status = ++seen->encodings > 1 ? 400 : check_transfer_encoding(value, f->value_len);
        }
        break;
    default:
        break;
    }
    if (seen->status == 0) {
        seen->status = status;
    }
}

static unsigned check_framing(struct wf_http_parser *p, const struct seen *seen)
{
    const llhttp_t *l = &p->llhttp;
    if (seen->encodings != 0) {
        if (l->http_minor == 0 || (l->flags & (F_CONTENT_LENGTH | F_CHUNKED)) != F_CHUNKED) {
            return 400;
        }
        p->framing = WF_HTTP_CHUNKED;
        p->in_chunk_size = true;
        p->body_done = false;
        p->chunk_digits = 0;
        p->extension_len = 0;
        p->trailer_len = 0;
        p->trailer_fields = 0;
        p->body_seen = 0;
    } else if ((l->flags & F_CONTENT_LENGTH) != 0 && l->content_length > 0) {
        p->framing = WF_HTTP_LENGTH;
        p->body_left = l->content_length;
        if (p->body_left > p->limits->body) {
            return 413;
        }
    }
    return 0;
}

static enum wf_http_step finish_head(struct wf_http_parser *p)
{
    unsigned status = check_request_line(p);
    if (status == 0) {
        struct seen seen = {0};
        for (uint32_t i = 0; i < p->field_count; i++) {
            look_at_field(p, &p->fields[i], &seen);
        }
        status = seen.status;
        if (status == 0 && seen.hosts == 0 && p->llhttp.http_minor == 1) {
            status = 400;
        }
        if (status == 0) {
            status = check_framing(p, &seen);
        }
    }
    p->keep_alive = llhttp_should_keep_alive(&p->llhttp) != 0;
    p->expect_continue = p->expect_continue && p->framing != WF_HTTP_NO_BODY;
    p->status = (uint16_t)status;
    return status == 0 ? WF_HTTP_HEAD : WF_HTTP_BAD;
}

static enum wf_http_step refuse_syntax(struct wf_http_parser *p, llhttp_errno_t error)
{
    p->status = p->status != 0 ? p->status : 400;
    if (error == HPE_PAUSED_H2_UPGRADE) {
        p->status = 505;
    }
    if (error == HPE_INVALID_VERSION && p->target_done) {
        /* A version that has the right shape is one we do not speak; else it is nonsense. */
        const char *v = p->base + p->target + p->target_len;
        const char *stop = llhttp_get_error_pos(&p->llhttp);
        if (stop - v >= 8 && memcmp(v, " HTTP/", 6) == 0 && (unsigned)(v[6] - '0') < 10 &&
            v[7] == '.' && (unsigned)(v[8] - '0') < 10 && (v[6] != '1' || v[8] > '1')) {
            p->status = 505;
        }
    }
    return WF_HTTP_BAD;
}

/* Empty lines before a request line are skipped (RFC 9112, 2.2); they count as part of its size. */
static enum wf_http_step skip_empty_lines(struct wf_http_parser *p, size_t len)
{
    while (p->parsed < len) {
        char c = p->base[p->parsed];
        bool after_cr = (p->parsed & 1) != 0;
        if (after_cr ? c != '\n' : c == '\n') {
            p->status = 400;
            return WF_HTTP_BAD;
        }
        if (!after_cr && c != '\r') {
            p->start = p->parsed;
            p->started = true;
            return WF_HTTP_HEAD;
        }
        p->parsed++;
    }
    return WF_HTTP_MORE;
}

enum wf_http_step wf_http_parse_head(struct wf_http_parser *p, const char *base, size_t len)
{
    WF_ASSERT(p->size == 0 && len >= p->parsed);
    size_t room = p->limits->head_size;
    bool full = len >= room;
    p->base = base;
    len = full ? room : len;
    if (!p->started) {
        enum wf_http_step skipped = skip_empty_lines(p, len);
        if (skipped == WF_HTTP_BAD) {
            return skipped;
        }
    }
    if (p->parsed < len) {
        llhttp_errno_t error = llhttp_execute(&p->llhttp, base + p->parsed, len - p->parsed);
        if (error == HPE_PAUSED) {
            p->size = (uint32_t)(llhttp_get_error_pos(&p->llhttp) - base);
            return finish_head(p);
        }
        if (error != HPE_OK) {
            return refuse_syntax(p, error);
        }
        p->parsed = (uint32_t)len;
    }
    if (full) {
        p->status = p->target_done ? 431 : 414;
        return WF_HTTP_BAD;
    }
    return WF_HTTP_MORE;
}
