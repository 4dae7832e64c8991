/* SPDX-License-Identifier: Apache-2.0 */
/* http_reply_test.c - numbers, dates and heads as they go on the wire */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "io/http/http_reply.h"
#include "tests/support/test.h"

TEST(numbers_are_decimal)
{
    static const uint64_t values[] = {0, 1, 9, 10, 99, 100, 65535, 4294967296u, UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char ours[32], theirs[32];
        *wf_http_put_number(ours, values[i]) = 0;
        snprintf(theirs, sizeof theirs, "%llu", (unsigned long long)values[i]);
        ck_assert_str_eq(ours, theirs);
        *wf_http_put_chunk_size(ours, values[i]) = 0;
        snprintf(theirs, sizeof theirs, "%llx\r\n", (unsigned long long)values[i]);
        ck_assert_str_eq(ours, theirs);
    }
}

static void check_date(int64_t seconds)
{
    char ours[WF_HTTP_DATE_LEN + 1] = {0}, theirs[64];
    time_t t = (time_t)seconds;
    struct tm tm;
    wf_http_format_date(ours, seconds);
    strftime(theirs, sizeof theirs, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&t, &tm));
    ck_assert_str_eq(ours, theirs);
}

TEST(dates_are_those_of_the_c_library)
{
    char text[WF_HTTP_DATE_LEN + 1] = {0};
    wf_http_format_date(text, 784111777);
    ck_assert_str_eq(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    static const int64_t edges[] = {0,          86399,      86400,      951782399,   951782400,
                                    951868800,  1709164800, 1709251200, 4107542399,  4107542400,
                                    4102444800, 1735689599, 1735689600, 253402300799};
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        check_date(edges[i]);
    }
    uint64_t seed = wf_test_seed();
    for (int i = 0; i < 20000; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        check_date((int64_t)((seed >> 20) % 253402300800u));
    }
}

TEST(the_date_is_made_anew_when_its_second_is_over)
{
    char first[WF_HTTP_DATE_LEN], again[WF_HTTP_DATE_LEN];
    char now[WF_HTTP_DATE_LEN];
    struct timespec wall;
    wf_http_put_date(first);
    uint64_t end = wf_test_now_ns() + 3000000000u;
    do {
        wf_http_put_date(again);
    } while (memcmp(first, again, sizeof again) == 0 && wf_test_now_ns() < end);
    clock_gettime(CLOCK_REALTIME_COARSE, &wall);
    wf_http_format_date(now, wall.tv_sec);
    ck_assert_mem_ne(first, again, sizeof again);
    ck_assert_mem_eq(now, again, sizeof again);
}

TEST(a_head_is_the_pieces_in_order)
{
    char text[WF_HTTP_HEAD_MAX + 1];
    struct wf_http_head head = {.status = 404,
                                .length = WF_HTTP_BODY_LENGTH,
                                .close = true,
                                .own_date = true,
                                .content_length = 12,
                                .server = "Server: x\r\n",
                                .server_len = 11,
                                .fields = "A: b\r\n",
                                .fields_len = 6};
    *wf_http_put_head(text, &head) = 0;
    ck_assert_str_eq(text, "HTTP/1.1 404 Not Found\r\nServer: x\r\nConnection: close\r\nA: b\r\n"
                           "Content-Length: 12\r\n\r\n");
    head = (struct wf_http_head){.status = 599,
                                 .length = WF_HTTP_BODY_CHUNKED,
                                 .own_date = true,
                                 .server = "",
                                 .fields = "",
                                 .keep_alive = true};
    *wf_http_put_head(text, &head) = 0;
    ck_assert_str_eq(text,
                     "HTTP/1.1 599 \r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n"
                     "\r\n");
    head = (struct wf_http_head){
        .status = 200, .length = WF_HTTP_BODY_NONE, .server = "", .fields = ""};
    *wf_http_put_head(text, &head) = 0;
    ck_assert_mem_eq(text, "HTTP/1.1 200 OK\r\nDate: ", 23);
    ck_assert_str_eq(text + 23 + WF_HTTP_DATE_LEN, "\r\n\r\n");
}

TEST(each_status_that_is_sent_by_the_server_has_a_reason)
{
    static const int used[] = {200, 400, 408, 413, 414, 417, 431, 500, 501, 505};
    for (size_t i = 0; i < sizeof used / sizeof used[0]; i++) {
        ck_assert_str_ne(wf_http_reason(used[i]), "");
    }
    ck_assert_str_eq(wf_http_reason(299), "");
}
