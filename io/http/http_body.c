/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_body.c - the chunked body: llhttp decodes, this file bounds and counts
 *
 * llhttp is stopped after each chunk. That shows where the digits of the next size begin, which it
 * would otherwise accept with any number of zeros in front, and bounds the extensions per chunk.
 * The trailer section is checked, held to the limits of the head and thrown away: a trailer that
 * came up as a header could override what has been decided on already.
 */
#include <errno.h>
#include <string.h>

#include "io/http/http_parse.h"
#include "runtime/base/assert.h"

static struct wf_http_parser *parser_of(llhttp_t *llhttp)
{
    return WF_CONTAINER_OF(llhttp, struct wf_http_parser, llhttp);
}

static int fail(struct wf_http_parser *p, int error)
{
    if (p->body_error == 0) {
        p->body_error = error;
    }
    return HPE_USER;
}

int wf_http_on_trailer_name(struct wf_http_parser *p, size_t n, bool first)
{
    p->trailer_len += (uint32_t)n;
    p->trailer_fields += first;
    if (p->trailer_len > p->limits->head_size || p->trailer_fields > p->limits->fields) {
        return fail(p, -EBADMSG);
    }
    return 0;
}

int wf_http_on_trailer_value(struct wf_http_parser *p, size_t n)
{
    return wf_http_on_trailer_name(p, n, false);
}

int wf_http_on_body(llhttp_t *llhttp, const char *at, size_t n)
{
    struct wf_http_parser *p = parser_of(llhttp);
    if (p->out != NULL) {
        memcpy(p->out + p->out_len, at, n);
    }
    p->out_len += n;
    return 0;
}

int wf_http_on_chunk_header(llhttp_t *llhttp)
{
    struct wf_http_parser *p = parser_of(llhttp);
    if (llhttp->content_length > p->limits->body - p->body_seen) {
        return fail(p, -EMSGSIZE);
    }
    p->body_seen += llhttp->content_length;
    p->extension_len = 0;
    return 0;
}

int wf_http_on_chunk_extension(llhttp_t *llhttp, const char *at, size_t n)
{
    struct wf_http_parser *p = parser_of(llhttp);
    (void)at;
    p->extension_len += (uint32_t)n;
    return p->extension_len > WF_HTTP_CHUNK_EXTENSION_MAX ? fail(p, -EBADMSG) : 0;
}

/* The last chunk is complete only after the trailer section; the end of the message follows. */
int wf_http_on_chunk_complete(llhttp_t *llhttp)
{
    return (llhttp->flags & F_TRAILING) != 0 ? 0 : HPE_PAUSED;
}

int wf_http_on_message_complete(llhttp_t *llhttp)
{
    parser_of(llhttp)->body_done = true;
    return HPE_PAUSED;
}

static bool digits_ok(struct wf_http_parser *p, const char *in, size_t n)
{
    for (size_t i = 0; p->in_chunk_size && i < n; i++) {
        bool digit = (unsigned)(in[i] - '0') < 10 || (unsigned)((in[i] | 0x20) - 'a') < 6;
        if (!digit) {
            p->in_chunk_size = false;
        } else if (++p->chunk_digits > WF_HTTP_CHUNK_DIGITS_MAX) {
            p->body_error = -EBADMSG;
            return false;
        }
    }
    return true;
}

ptrdiff_t wf_http_chunked(struct wf_http_parser *p, const char *in, size_t n, char *out, size_t cap,
                          size_t *used)
{
    WF_ASSERT(p->framing == WF_HTTP_CHUNKED);
    size_t pos = 0;
    n = n < cap ? n : cap;
    p->out = out;
    p->out_len = 0;
    while (pos < n && !p->body_done && p->body_error == 0) {
        if (!digits_ok(p, in + pos, n - pos)) {
            break;
        }
        if (llhttp_get_errno(&p->llhttp) == HPE_PAUSED) {
            llhttp_resume(&p->llhttp);
        }
        llhttp_errno_t error = llhttp_execute(&p->llhttp, in + pos, n - pos);
        if (error == HPE_PAUSED) {
            pos = (size_t)(llhttp_get_error_pos(&p->llhttp) - in);
            p->in_chunk_size = true;
            p->chunk_digits = 0;
        } else if (error == HPE_OK) {
            pos = n;
        } else {
            (void)fail(p, -EBADMSG);
        }
    }
    *used = pos;
    /* What came before the error is delivered first. */
    return p->out_len > 0 || p->body_error == 0 ? (ptrdiff_t)p->out_len : p->body_error;
}
