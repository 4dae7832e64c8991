/* SPDX-License-Identifier: Apache-2.0 */
/* http_reply.h - the response serialiser: heads, chunk framing, dates into an output buffer */
#ifndef WF_HTTP_REPLY_H
#define WF_HTTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes of the fields that a handler may add to one response, with their line ends. */
#define WF_HTTP_FIELDS_MAX (16u << 10)
/* Bytes of the server's name at most. */
#define WF_HTTP_SERVER_MAX 200u
/* Room that a head needs at most: besides the server's and the handler's fields, and in all. */
#define WF_HTTP_HEAD_FIXED 256u
#define WF_HTTP_HEAD_MAX   (WF_HTTP_FIELDS_MAX + WF_HTTP_SERVER_MAX + 12u + WF_HTTP_HEAD_FIXED)
/* Room that the framing around one chunk needs (size in hex, two line ends), and the last chunk. */
#define WF_HTTP_CHUNK_FRAME_MAX 32u

enum wf_http_length {
    WF_HTTP_BODY_NONE,    /* no length is announced (204, 304) */
    WF_HTTP_BODY_LENGTH,  /* Content-Length */
    WF_HTTP_BODY_CHUNKED, /* Transfer-Encoding: chunked */
    WF_HTTP_BODY_CLOSE,   /* the end of the connection ends the body */
};

struct wf_http_head {
    int status;
    uint8_t length;  /* enum wf_http_length */
    bool close;      /* "Connection: close" */
    bool keep_alive; /* "Connection: keep-alive", what HTTP/1.0 clients look for */
    bool own_date;   /* `fields` has a Date */
    uint64_t content_length;
    const char *server; /* "Server: ...\r\n" */
    size_t server_len;
    const char *fields; /* "Name: value\r\n"... */
    size_t fields_len;
};

/* wf_http_put_head - write a head; at most WF_HTTP_HEAD_MAX bytes. Returns the byte after it. */
char *wf_http_put_head(char *at, const struct wf_http_head *head);

/* wf_http_put_chunk_size - "1f2e\r\n". Returns the byte after it. */
char *wf_http_put_chunk_size(char *at, uint64_t n);

/* wf_http_put_number - n in decimal, no NUL. Returns the byte after it. */
char *wf_http_put_number(char *at, uint64_t n);

/* wf_http_reason - the reason phrase of a status, "" for one without */
const char *wf_http_reason(int status);

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
#define WF_HTTP_DATE_LEN 29

/* wf_http_format_date - a time of the Unix clock, in seconds, as WF_HTTP_DATE_LEN bytes */
void wf_http_format_date(char *at, int64_t seconds);

/* wf_http_put_date - the current date; the text is kept per thread and made anew once a second */
char *wf_http_put_date(char *at);

static inline char *wf_http_put(char *at, const char *bytes, size_t n)
{
    memcpy(at, bytes, n);
    return at + n;
}

/* For string literals: the length is a constant, so the copy is a few moves. */
#define WF_HTTP_PUT(at, literal) wf_http_put((at), "" literal, sizeof(literal) - 1)

#endif
