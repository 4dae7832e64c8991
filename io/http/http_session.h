/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_session.h - the state of a connection while it is busy, and the loop that serves it
 *
 * A session exists from the first byte of a request until the connection has been quiet for a
 * moment; an idle connection has none. It talks to the network through struct wf_http_io, so it
 * runs over memory in the unit tests and over a weft_conn in http_serve.c.
 */
#ifndef WF_HTTP_SESSION_H
#define WF_HTTP_SESSION_H

#include <weft/http.h>

#include "io/http/http_parse.h"
#include "io/http/http_reply.h"

/* Responses collect up to this size; then they leave before the end of the batch. */
#define WF_HTTP_OUT_SIZE (64u << 10)
/* What an ordinary answer, and the fields its handler adds, have room in. */
#define WF_HTTP_OUT_SMALL    640u
#define WF_HTTP_FIELDS_SMALL 256u
/* Bodies up to this size are copied behind their head; larger ones are sent from where they are. */
#define WF_HTTP_COPY_MAX (16u << 10)
/* Room behind a head for pieces of its body or further requests. */
#define WF_HTTP_IN_EXTRA (8u << 10)
/* A body that the handler did not read is skipped up to this size, else the connection closes. */
#define WF_HTTP_SKIP_MAX (64u << 10)
/* How long a connection may keep its session after a response, waiting for the next request. */
#define WF_HTTP_LINGER WEFT_MSEC(500)

struct wf_http_io {
    /*
     * exchange - send all of `out`, then receive at least one byte into `in`
     * Returns bytes received; 0: end of the stream; -ETIMEDOUT: `out` was sent, but nothing came
     * until `deadline`; other errors end the connection.
     */
    ssize_t (*exchange)(struct wf_http_io *io, const void *out, size_t out_len, void *in,
                        size_t in_cap, weft_deadline deadline);
    /* send - all bytes; 0 or -errno. The pieces may be modified. */
    int (*send)(struct wf_http_io *io, struct iovec *iov, int count);
    int64_t (*now)(struct wf_http_io *io);
    bool (*stopping)(struct wf_http_io *io);  /* no further requests on this connection */
    weft_ns (*linger)(struct wf_http_io *io); /* at most WF_HTTP_LINGER; 0: not at all */
    uint64_t requests;                        /* served so far on this connection */
    bool idle;                                /* the exchange waits between two requests */
    weft_deadline idle_since;                 /* WF_HTTP_IDLE: when the last request was answered */
};

typedef int (*wf_http_handler)(weft_http_request *, weft_http_response *, void *arg);

/* What all connections of a service share. const: after init. */
struct wf_http_config {
    wf_http_handler handler;
    void *arg;
    struct wf_http_limits limits;
    weft_ns header_timeout, body_timeout, idle_timeout, write_timeout;
    uint64_t max_requests;
    size_t in_cap; /* bytes of the input buffer */
    size_t server_len;
    char server[WF_HTTP_SERVER_MAX + 12]; /* "Server: weft\r\n" or empty */
};

struct weft_http_request {
    struct wf_http_parser parser;
    const char *base; /* first byte of the head */
    int read_error;   /* sticky */
};

struct weft_http_response {
    int status;
    int error;      /* sticky: of a send */
    bool head_sent; /* the head is in the output buffer or out */
    bool ended;     /* weft_http_send was called */
    bool drop_body; /* HEAD, 204, 205, 304 */
    bool close;     /* the connection ends with this response */
    bool own_date, own_server;
    uint8_t length; /* enum wf_http_length */
    uint32_t fields_len;
};

struct wf_http_session {
    const struct wf_http_config *config;
    struct wf_http_io *io;
    struct wf_http_session *next; /* in the cache */
    weft_deadline head_deadline;  /* of the head that is coming in; 0: no byte of it yet */
    uint32_t in_pos, in_len;      /* unread input is in[in_pos, in_len) */
    uint32_t in_floor;            /* bytes below belong to the head of the current request */
    uint32_t in_cap;
    uint32_t out_len, out_cap;
    char *in;
    char *out, *fields; /* the small ones below, or the large ones */
    char *out_large, *fields_large;
    struct weft_http_request request;
    struct weft_http_response response;
    char out_small[WF_HTTP_OUT_SMALL];
    char fields_small[WF_HTTP_FIELDS_SMALL];
    struct wf_http_field table[]; /* then the input, the large output, the large fields */
};

enum wf_http_end {
    WF_HTTP_IDLE,  /* all is answered and sent, no input is left: the session can be given back */
    WF_HTTP_CLOSE, /* close the connection */
    WF_HTTP_DRAIN, /* the client may still be sending: end our direction, read on for a while */
};

/*
 * wf_http_config_init - effective options; NULL: all defaults
 * Returns 0; -EINVAL for a server_name with control characters or too long, or limits out of range.
 */
int wf_http_config_init(struct wf_http_config *config, wf_http_handler handler, void *arg,
                        const struct weft_http_options *options);

struct wf_http_session *wf_http_session_new(const struct wf_http_config *config);
void wf_http_session_free(struct wf_http_session *s);

/*
 * wf_http_session_run - serve requests until the connection is quiet or over
 * @io: the connection
 * @received: bytes that stand in s->in already
 * @head_deadline: when the first head must be complete
 *
 * WF_HTTP_IDLE comes when nothing came between two requests for as long as the session may linger.
 */
enum wf_http_end wf_http_session_run(struct wf_http_session *s, struct wf_http_io *io,
                                     size_t received, weft_deadline head_deadline);

/* For http_request.c and http_response.c. */
bool wf_http_body_over(const struct weft_http_request *request);
ssize_t wf_http_body_take(struct wf_http_session *s, char *buf, size_t n);
int wf_http_flush(struct wf_http_session *s);
int wf_http_reserve(struct wf_http_session *s, size_t n);
int wf_http_begin(struct weft_http_response *response, unsigned length, uint64_t n);
int wf_http_finish(struct weft_http_response *response);

#endif
