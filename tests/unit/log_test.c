/* SPDX-License-Identifier: Apache-2.0 */
/* log_test.c - log lines and their rate limit */
#include "runtime/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/test.h"

/* What `wf_log` writes for a text, caught in a pipe in the place of stderr. */
static size_t capture(enum wf_log_level level, const char *text, char *out, size_t room)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    int saved = dup(STDERR_FILENO);
    ck_assert_int_ge(dup2(ends[1], STDERR_FILENO), 0);
    wf_log(level, "%s", text);
    ck_assert_int_ge(dup2(saved, STDERR_FILENO), 0);
    close(saved);
    close(ends[1]);
    ssize_t len = read(ends[0], out, room - 1);
    close(ends[0]);
    ck_assert_int_ge(len, 0);
    out[len] = '\0';
    return (size_t)len;
}

TEST(a_line_names_its_level_and_ends_in_a_newline)
{
    char line[2 * WF_LOG_LINE_MAX];
    wf_log_set_level(WF_LOG_WARN);
    capture(WF_LOG_WARN, "the ring is full", line, sizeof(line));
    ck_assert_str_eq(line, "weft: warning: the ring is full\n");
}

TEST(a_level_below_the_wanted_one_is_not_printed)
{
    char line[2 * WF_LOG_LINE_MAX];
    wf_log_set_level(WF_LOG_WARN);
    ck_assert_uint_eq(capture(WF_LOG_INFO, "hello", line, sizeof(line)), 0);
    wf_log_set_level(WF_LOG_DEBUG);
    ck_assert_uint_gt(capture(WF_LOG_DEBUG, "hello", line, sizeof(line)), 0);
    ck_assert(wf_log_enabled(WF_LOG_INFO));
}

TEST(a_long_line_is_cut_and_says_so)
{
    char text[2 * WF_LOG_LINE_MAX], line[2 * WF_LOG_LINE_MAX];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    wf_log_set_level(WF_LOG_WARN);
    size_t len = capture(WF_LOG_ERROR, text, line, sizeof(line));
    ck_assert_uint_eq(len, WF_LOG_LINE_MAX);
    ck_assert_str_eq(line + len - 5, "x...\n");
}

TEST(logging_keeps_errno)
{
    char line[2 * WF_LOG_LINE_MAX];
    errno = ENOTTY;
    wf_log_set_level(WF_LOG_WARN);
    wf_log_enabled(WF_LOG_ERROR);
    wf_log_raw("", 0);
    ck_assert_int_eq(errno, ENOTTY);
    capture(WF_LOG_ERROR, "x", line, sizeof(line));
}

TEST(the_limit_lets_a_burst_through_and_counts_the_rest)
{
    struct wf_log_limit limit = WF_LOG_LIMIT_INIT(2, 1000);
    uint64_t swallowed = 99;
    ck_assert(wf_log_allowed(&limit, 5000, &swallowed));
    ck_assert_uint_eq(swallowed, 0);
    ck_assert(wf_log_allowed(&limit, 5001, &swallowed));
    for (int i = 0; i < 7; i++)
        ck_assert(!wf_log_allowed(&limit, 5002, &swallowed));
    ck_assert(wf_log_allowed(&limit, 6000, &swallowed));
    ck_assert_uint_eq(swallowed, 7);
}
