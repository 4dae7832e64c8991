/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_parse.h - the request parser: head and chunked body, pure functions over byte buffers
 *
 * The head of a request stands in one piece of memory. Positions are offsets from its first byte,
 * so the piece may grow and may be moved between two calls. llhttp runs the grammar; what it leaves
 * open (framing, Host, Expect, the shape of the request line) is settled here once the head is
 * complete. The answer does not depend on where the network has cut the bytes.
 */
#ifndef WF_HTTP_PARSE_H
#define WF_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <llhttp.h>

/* Bytes of the extensions of one chunk, and digits of a chunk size, at most. */
#define WF_HTTP_CHUNK_EXTENSION_MAX 1024
#define WF_HTTP_CHUNK_DIGITS_MAX    16

struct wf_http_limits {
    uint32_t head_size; /* request line and fields, bytes; also the trailer section */
    uint32_t fields;    /* header fields; also trailer fields */
    uint64_t body;      /* bytes */
};

struct wf_http_field {
    uint32_t name, name_len; /* offsets from the first byte of the head */
    uint32_t value, value_len;
};

enum wf_http_framing {
    WF_HTTP_NO_BODY,
    WF_HTTP_LENGTH,  /* body_left bytes */
    WF_HTTP_CHUNKED, /* decoded by wf_http_chunked */
};

enum wf_http_step {
    WF_HTTP_MORE, /* all bytes are used up, the head is not complete */
    WF_HTTP_HEAD, /* the head is complete and good, it is `size` bytes long */
    WF_HTTP_BAD,  /* refused, `status` is the answer */
};

struct wf_http_parser {
    llhttp_t llhttp;
    const struct wf_http_limits *limits;
    const char *base; /* first byte of the head, during a call */
    uint32_t parsed;  /* bytes of the head that llhttp has seen */
    uint32_t start;   /* offset of the request line (empty lines before it are skipped) */
    uint32_t size;    /* bytes of the complete head */
    uint32_t target, target_len;
    uint32_t path_len; /* of the target, up to its '?' */
    uint32_t field_count;
    uint16_t status; /* of a refusal */
    bool started;    /* the request line has begun */
    bool target_done;
    bool keep_alive; /* the client's wish */
    bool expect_continue;
    uint8_t framing; /* enum wf_http_framing */

    /* The chunked body. */
    bool in_chunk_size; /* digits of a size are next */
    bool body_done;
    uint8_t chunk_digits;
    uint32_t extension_len; /* of this chunk */
    uint32_t trailer_len, trailer_fields;
    int body_error;     /* sticky: -EBADMSG, -EMSGSIZE */
    uint64_t body_left; /* WF_HTTP_LENGTH: bytes still to come */
    uint64_t body_seen; /* WF_HTTP_CHUNKED: sum of the chunk sizes so far */
    char *out;          /* where body bytes go during a call; NULL drops them */
    size_t out_len;

    struct wf_http_field *fields; /* limits->fields + 1 of them, the owner's */
};

/* wf_http_parser_start - be ready for the head of the next request; fields and limits stay */
void wf_http_parser_start(struct wf_http_parser *p);

/*
 * wf_http_parse_head - parse the head as far as it has come in
 * @base: its first byte; len bytes are there, of which p->parsed were seen before
 */
enum wf_http_step wf_http_parse_head(struct wf_http_parser *p, const char *base, size_t len);

/*
 * wf_http_chunked - decode a piece of a chunked body
 * @in: n bytes off the wire
 * @out: room for as many as are used of @in, at most `cap`; NULL: body bytes are only counted
 * @used: set to the bytes of @in that were taken, at most `cap` (this is what bounds the output)
 *
 * Returns the body bytes decoded (0: need more input, or p->body_done), or p->body_error.
 */
ptrdiff_t wf_http_chunked(struct wf_http_parser *p, const char *in, size_t n, char *out, size_t cap,
                          size_t *used);

/* What a byte may be part of. */
enum wf_http_class {
    WF_HTTP_TOKEN = 1, /* a method or field name */
    WF_HTTP_HOST = 2,  /* RFC 3986 reg-name, IP literal and port */
};
extern const uint8_t wf_http_classes[256];

static inline bool wf_http_all(const char *bytes, size_t n, uint8_t class)
{
    uint8_t all = class;
    for (size_t i = 0; i < n; i++) {
        all &= wf_http_classes[(unsigned char)bytes[i]];
    }
    return all != 0;
}

/* wf_http_same - compare a name of any case with one in lower case, both n bytes */
static inline bool wf_http_same(const char *name, const char *lower, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)name[i];
        c = (unsigned char)(c - 'A') < 26 ? c | 0x20 : c;
        if (c != (unsigned char)lower[i]) {
            return false;
        }
    }
    return true;
}

/* The callbacks of both halves, for http_parse.c: on the trailer section and on body bytes. */
int wf_http_on_trailer_name(struct wf_http_parser *p, size_t n, bool first);
int wf_http_on_trailer_value(struct wf_http_parser *p, size_t n);
int wf_http_on_body(llhttp_t *llhttp, const char *at, size_t n);
int wf_http_on_chunk_header(llhttp_t *llhttp);
int wf_http_on_chunk_extension(llhttp_t *llhttp, const char *at, size_t n);
int wf_http_on_chunk_complete(llhttp_t *llhttp);
int wf_http_on_message_complete(llhttp_t *llhttp);

#endif
