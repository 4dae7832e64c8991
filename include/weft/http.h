/* SPDX-License-Identifier: Apache-2.0 */
/* http.h - an HTTP/1.1 server */
#ifndef WEFT_HTTP_H
#define WEFT_HTTP_H

#include <weft/net.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_http_request weft_http_request;
typedef struct weft_http_response weft_http_response;

/* Bytes that are not NUL-terminated. */
struct weft_slice {
    const char *data;
    size_t len;
};

/* Options of weft_http_serve; set .size. Zero means default; the defaults are safe in public. */
struct weft_http_options {
    size_t size;
    size_t max_header_size;   /* request line and headers, bytes; 0: 16 KiB; 431 (URL: 414) */
    unsigned max_headers;     /* header fields; 0: 100; 431 */
    uint64_t max_body_size;   /* bytes; 0: 1 MiB, UINT64_MAX: no limit; 413 */
    weft_ns header_timeout;   /* first byte (or accept) to the end of headers; 0: 10 s; 408 */
    weft_ns body_timeout;     /* without progress of the body; 0: 30 s; 408 */
    weft_ns idle_timeout;     /* between requests of a connection; 0: 60 s; closes silently */
    weft_ns write_timeout;    /* without progress of a response; 0: 30 s; closes */
    unsigned max_requests;    /* per connection; 0: no limit */
    const char *server_name;  /* value of the Server header; NULL: "weft", "": none */
    struct weft_serve_options serve; /* connection cap, signals, grace */
};

/**
 * weft_http_serve - serve HTTP/1.1 on a listener until stopped
 * @listener: an open listener, borrowed
 * @handler: called once a request's headers are complete; both objects are valid until it returns.
 * 0 ends the response (an unsent one goes out as it is); a failure gives 500 when nothing was sent
 * yet, else it cuts the connection
 * @arg: passed to @handler
 * @options: NULL for defaults
 *
 * Keep-alive, pipelining (answers in order, one send for a batch), bodies with Content-Length and
 * chunked in both directions, Expect: 100-continue, HEAD. Ambiguous framing is refused.
 *
 * Return: as weft_serve.
 * Context: tasks. Suspends; a cancellation point.
 * Since: 0.1. RFC 9110, RFC 9112
 */
WEFT_API int weft_http_serve(weft_listener *listener,
                             int (*handler)(weft_http_request *, weft_http_response *, void *arg),
                             void *arg, const struct weft_http_options *options);

/**
 * weft_http_method - the request method, for example "GET"
 * @request: the request
 *
 * Return: a constant NUL-terminated string.
 * Context: the handler; never suspends.
 * Since: 0.1
 */
WEFT_API const char *weft_http_method(const weft_http_request *request);

/**
 * weft_http_target - the request target as sent, for example "/a/b?c=d"
 * @request: the request
 *
 * Return: a slice valid during the handler.
 * Context: the handler; never suspends.
 * Since: 0.1
 */
WEFT_API struct weft_slice weft_http_target(const weft_http_request *request);

/**
 * weft_http_path - the target up to its '?', not decoded
 * @request: the request
 *
 * Return: a slice valid during the handler.
 * Context: the handler; never suspends.
 * Since: 0.1
 */
WEFT_API struct weft_slice weft_http_path(const weft_http_request *request);

/**
 * weft_http_header - the value of a request header
 * @request: the request
 * @name: field name, any case
 *
 * Return: the value of its first occurrence; .data is NULL when there is none.
 * Context: the handler; never suspends.
 * Since: 0.1
 */
WEFT_API struct weft_slice weft_http_header(const weft_http_request *request, const char *name);

/**
 * weft_http_header_at - the i-th request header
 * @request: the request
 * @index: 0 up to weft_http_header_count() - 1
 * @name: set to the field name as sent; may be NULL
 * @value: set to the value; may be NULL
 *
 * Return: 0; -ENOENT past the end.
 * Context: the handler; never suspends.
 * Since: 0.1
 */
WEFT_API int weft_http_header_at(const weft_http_request *request, unsigned index,
                                 struct weft_slice *name, struct weft_slice *value);

/**
 * weft_http_header_count - number of request header fields
 * @request: the request
 *
 * Return: the count.
 * Context: the handler; never suspends.
 * Since: 0.1
 */
WEFT_API unsigned weft_http_header_count(const weft_http_request *request);

/**
 * weft_http_content_length - the announced length of the body
 * @request: the request
 *
 * Return: bytes; 0 without a body; -1 for a chunked body.
 * Context: the handler; never suspends.
 * Since: 0.1
 */
WEFT_API int64_t weft_http_content_length(const weft_http_request *request);

/**
 * weft_http_read - read the next piece of the request body
 * @request: the request
 * @buf: room for n bytes
 * @n: bytes at most
 *
 * Sends "100 Continue" first when the client waits for it. What a handler leaves unread is skipped
 * (up to 64 KiB, else the connection closes after the response).
 *
 * Return: bytes read; 0 at the end of the body; -EMSGSIZE past max_body_size; -EBADMSG for broken
 * framing; -ETIMEDOUT; -ECONNRESET when the stream ended early; -ECANCELED.
 * Context: the handler. Suspends; a cancellation point.
 * Since: 0.1
 */
WEFT_API ssize_t weft_http_read(weft_http_request *request, void *buf, size_t n);

/**
 * weft_http_status - set the status of the response; 200 if never called
 * @response: the response
 * @status: 200..599
 *
 * Return: 0; -EINVAL; -EALREADY when the head was sent.
 * Context: the handler; never suspends.
 * Since: 0.1
 */
WEFT_API int weft_http_status(weft_http_response *response, int status);

/**
 * weft_http_set - add a response header
 * @response: the response
 * @name: field name, a token; Content-Length, Transfer-Encoding and Connection are the server's own
 * @value: without control characters
 *
 * Return: 0; -EINVAL for bytes that do not belong there or a field of the server's; -ENOSPC when
 * the head would exceed 16 KiB; -EALREADY when the head was sent.
 * Context: the handler; never suspends. Both strings are copied.
 * Since: 0.1
 */
WEFT_API int weft_http_set(weft_http_response *response, const char *name, const char *value);

/**
 * weft_http_send - send the whole response body with a Content-Length and end the response
 * @response: the response
 * @body: n bytes, borrowed until the return
 * @n: bytes
 *
 * For HEAD only the head is sent. Small responses to pipelined requests leave together in one send.
 *
 * Return: 0; -EALREADY after the head was sent; errors as weft_write.
 * Context: the handler. May suspend; a cancellation point.
 * Since: 0.1
 */
WEFT_API int weft_http_send(weft_http_response *response, const void *body, size_t n);

/**
 * weft_http_write - stream a piece of the response body, chunked
 * @response: the response
 * @data: n bytes, borrowed until the return
 * @n: bytes; 0 sends what is buffered so far
 *
 * The first call sends the head, with Transfer-Encoding: chunked (to an HTTP/1.0 client the end of
 * the connection ends the body). The return of the handler ends the body.
 *
 * Return: 0; -EALREADY after weft_http_send; errors as weft_write.
 * Context: the handler. May suspend; a cancellation point.
 * Since: 0.1
 */
WEFT_API int weft_http_write(weft_http_response *response, const void *data, size_t n);

#ifdef __cplusplus
}
#endif
#endif
