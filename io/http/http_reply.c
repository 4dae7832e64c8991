/* SPDX-License-Identifier: Apache-2.0 */
/* http_reply.c - response heads and chunk framing, put together from ready-made pieces */
#include "io/http/http_reply.h"

#include "runtime/base/assert.h"

/* (status, "reason"), ascending */
/* clang-format off */
#define STATUSES(X)                                                                                \
    X(200, "OK")                                                                                   \
    X(201, "Created")                                                                              \
    X(202, "Accepted")                                                                             \
    X(203, "Non-Authoritative Information")                                                        \
    X(204, "No Content")                                                                           \
    X(205, "Reset Content")                                                                        \
    X(206, "Partial Content")                                                                      \
    X(300, "Multiple Choices")                                                                     \
    X(301, "Moved Permanently")                                                                    \
    X(302, "Found")                                                                                \
    X(303, "See Other")                                                                            \
    X(304, "Not Modified")                                                                         \
    X(305, "Use Proxy")                                                                            \
    X(307, "Temporary Redirect")                                                                   \
    X(308, "Permanent Redirect")                                                                   \
    X(400, "Bad Request")                                                                          \
    X(401, "Unauthorized")                                                                         \
    X(402, "Payment Required")                                                                     \
    X(403, "Forbidden")                                                                            \
    X(404, "Not Found")                                                                            \
    X(405, "Method Not Allowed")                                                                   \
    X(406, "Not Acceptable")                                                                       \
    X(407, "Proxy Authentication Required")                                                        \
    X(408, "Request Timeout")                                                                      \
    X(409, "Conflict")                                                                             \
    X(410, "Gone")                                                                                 \
    X(411, "Length Required")                                                                      \
    X(412, "Precondition Failed")                                                                  \
    X(413, "Content Too Large")                                                                    \
    X(414, "URI Too Long")                                                                         \
    X(415, "Unsupported Media Type")                                                               \
    X(416, "Range Not Satisfiable")                                                                \
    X(417, "Expectation Failed")                                                                   \
    X(421, "Misdirected Request")                                                                  \
    X(422, "Unprocessable Content")                                                                \
    X(426, "Upgrade Required")                                                                     \
    X(428, "Precondition Required")                                                                \
    X(429, "Too Many Requests")                                                                    \
    X(431, "Request Header Fields Too Large")                                                      \
    X(451, "Unavailable For Legal Reasons")                                                        \
    X(500, "Internal Server Error")                                                                \
    X(501, "Not Implemented") /* lint: allow words, of RFC 9110 */                                 \
    X(502, "Bad Gateway")                                                                          \
    X(503, "Service Unavailable")                                                                  \
    X(504, "Gateway Timeout")                                                                      \
    X(505, "HTTP Version Not Supported")                                                           \
    X(507, "Insufficient Storage")
/* clang-format on */

const char *wf_http_reason(int status)
{
    switch (status) {
#define STATUS_CASE(number, text) \
    case number:                  \
        return text;
        STATUSES(STATUS_CASE)
#undef STATUS_CASE
    default:
        return "";
    }
}

char *wf_http_put_number(char *at, uint64_t n)
{
    if (n < 100) { /* most are */
        at[0] = (char)('0' + n / 10);
        at += n >= 10;
        *at = (char)('0' + n % 10);
        return at + 1;
    }
    char digits[20];
    size_t i = sizeof digits;
    do {
        digits[--i] = (char)('0' + n % 10);
        n /= 10;
    } while (n != 0);
    return wf_http_put(at, digits + i, sizeof digits - i);
}

char *wf_http_put_chunk_size(char *at, uint64_t n)
{
    char digits[16];
    size_t i = sizeof digits;
    do {
        digits[--i] = "0123456789abcdef"[n & 15];
        n >>= 4;
    } while (n != 0);
    at = wf_http_put(at, digits + i, sizeof digits - i);
    return WF_HTTP_PUT(at, "\r\n");
}

static char *put_status(char *at, int status)
{
    if (status == 200) {
        return WF_HTTP_PUT(at, "HTTP/1.1 200 OK\r\n");
    }
    const char *reason = wf_http_reason(status);
    at = WF_HTTP_PUT(at, "HTTP/1.1 ");
    at = wf_http_put_number(at, (uint64_t)status);
    *at++ = ' ';
    at = wf_http_put(at, reason, strlen(reason));
    return WF_HTTP_PUT(at, "\r\n");
}

char *wf_http_put_head(char *at, const struct wf_http_head *head)
{
    WF_ASSERT(head->status >= 200 && head->status <= 599);
    WF_ASSERT(head->fields_len <= WF_HTTP_FIELDS_MAX &&
              head->server_len <= WF_HTTP_SERVER_MAX + 12);
    at = put_status(at, head->status);
    at = wf_http_put(at, head->server, head->server_len);
    if (!head->own_date) {
        at = WF_HTTP_PUT(at, "Date: ");
        at = wf_http_put_date(at);
        at = WF_HTTP_PUT(at, "\r\n");
    }
    if (head->close) {
        at = WF_HTTP_PUT(at, "Connection: close\r\n");
    } else if (head->keep_alive) {
        at = WF_HTTP_PUT(at, "Connection: keep-alive\r\n");
    }
    if (head->fields_len > 0) {
        at = wf_http_put(at, head->fields, head->fields_len);
    }
    if (head->length == WF_HTTP_BODY_LENGTH) {
        at = WF_HTTP_PUT(at, "Content-Length: ");
        at = wf_http_put_number(at, head->content_length);
        return WF_HTTP_PUT(at, "\r\n\r\n");
    }
    if (head->length == WF_HTTP_BODY_CHUNKED) {
        return WF_HTTP_PUT(at, "Transfer-Encoding: chunked\r\n\r\n");
    }
    return WF_HTTP_PUT(at, "\r\n");
}
