/* SPDX-License-Identifier: Apache-2.0 */
/* http_parse_test.c - each case of http_cases.c whole, split at every byte, and cut off */
#include <stdio.h>
#include <string.h>

#include "tests/support/test.h"
#include "tests/unit/http_memory.h"

static struct wf_http_config config;

/* "100 Continue" depends on whether the body was there already: taken out before comparing. */
static void drop_continue(struct memory_run *run)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    char *at;
    while ((at = memmem(run->out, run->len, text, sizeof text - 1)) != NULL) {
        size_t off = (size_t)(at - run->out) + sizeof text - 1;
        memmove(at, run->out + off, run->len - off + 1);
        run->len -= sizeof text - 1;
    }
    if (strncmp(run->statuses, "100 ", 4) == 0) {
        memmove(run->statuses, run->statuses + 4, strlen(run->statuses) - 3);
    }
}

static void run_case(const char *in, size_t len, size_t cut, size_t piece, struct memory_run *run)
{
    struct memory_io io;
    memory_io_init(&io, in, len);
    io.cut = cut;
    io.piece = piece;
    memory_serve(&config, &io, run);
    drop_continue(run);
    memory_io_fini(&io);
}

TEST(each_message_gets_its_answer)
{
    http_case_config(&config);
    unsigned wrong = 0;
    for (size_t i = 0; i < http_case_count; i++) {
        const struct http_case *c = &http_cases[i];
        struct memory_run run;
        run_case(c->in, c->in_len, 0, 0, &run);
        bool found = c->contains == NULL ||
                     memmem(run.out, run.len, c->contains, strlen(c->contains)) != NULL;
        if (strcmp(run.statuses, c->statuses) != 0 || !found) {
            wrong++;
            printf("%s: expected %s, got %s\n%s\n", c->name, c->statuses, run.statuses,
                   found ? "" : run.out);
        }
        memory_run_free(&run);
    }
    printf("%zu messages\n", http_case_count);
    ck_assert_uint_ge(http_case_count, 150);
    ck_assert_uint_eq(wrong, 0);
}

static void check_same(const struct http_case *c, const struct memory_run *whole, size_t cut,
                       size_t piece)
{
    struct memory_run run;
    run_case(c->in, c->in_len, cut, piece, &run);
    /* Whether a closed connection needs draining depends on what had come in by then. */
    size_t last = strlen(run.statuses) - 1;
    bool both_over = last + 1 == strlen(whole->statuses) && run.end != WF_HTTP_IDLE &&
                     whole->end != WF_HTTP_IDLE;
    run.statuses[last] = both_over ? whole->statuses[last] : run.statuses[last];
    if (strcmp(run.statuses, whole->statuses) != 0 || run.len != whole->len ||
        memcmp(run.out, whole->out, run.len) != 0) {
        ck_abort_msg("%s cut at %zu, pieces of %zu: %s, whole: %s\n%s", c->name, cut, piece,
                     run.statuses, whole->statuses, run.out);
    }
    memory_run_free(&run);
}

TEST(where_the_network_cuts_a_message_makes_no_difference)
{
    http_case_config(&config);
    for (size_t i = 0; i < http_case_count; i++) {
        const struct http_case *c = &http_cases[i];
        struct memory_run whole;
        run_case(c->in, c->in_len, 0, 0, &whole);
        for (size_t cut = 1; cut < c->in_len; cut++) {
            check_same(c, &whole, cut, 0);
        }
        check_same(c, &whole, 0, 1);
        check_same(c, &whole, 0, 2);
        check_same(c, &whole, 0, 7);
        memory_run_free(&whole);
    }
}

/* A message that stops half way is never answered as if it were complete, and ends for sure. */
TEST(a_message_that_is_cut_off_gets_no_good_answer)
{
    http_case_config(&config);
    for (size_t i = 0; i < http_case_count; i++) {
        const struct http_case *c = &http_cases[i];
        struct memory_run whole;
        run_case(c->in, c->in_len, 0, 0, &whole);
        for (size_t len = 1; len < c->in_len; len++) {
            for (int eof = 0; eof < 2; eof++) {
                struct memory_io io;
                struct memory_run run;
                memory_io_init(&io, c->in, len);
                io.eof = eof != 0;
                memory_serve(&config, &io, &run);
                drop_continue(&run);
                ck_assert_msg(strlen(run.statuses) <= strlen(whole.statuses) + 4, "%s at %zu: %s",
                              c->name, len, run.statuses);
                ck_assert_msg(!eof || run.end != WF_HTTP_IDLE, "%s at %zu stays open", c->name,
                              len);
                memory_run_free(&run);
                memory_io_fini(&io);
            }
        }
        memory_run_free(&whole);
    }
}

TEST(a_mutated_message_is_answered_alike_whole_and_in_pieces)
{
    http_case_config(&config);
    static const char hostile[] = "\r\n\0 \t:;,_+x0\x0b\x7f\xff-A/";
    uint64_t seed = wf_test_seed(), mutants = wf_test_scale(20000);
    char text[2048];
    for (uint64_t i = 0; i < mutants; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t r = seed >> 16;
        const struct http_case *c = &http_cases[r % http_case_count];
        size_t len = c->in_len, at = (size_t)(r >> 12) % len;
        memcpy(text, c->in, len);
        char byte = hostile[(r >> 24) % (sizeof hostile - 1)];
        switch ((r >> 32) % 3) {
        case 0:
            text[at] = byte;
            break;
        case 1:
            memmove(text + at + 1, text + at, len - at);
            text[at] = byte;
            len++;
            break;
        default:
            memmove(text + at, text + at + 1, len - at - 1);
            len--;
            break;
        }
        if (len == 0) {
            continue;
        }
        struct http_case mutant = {.name = c->name, .in = text, .in_len = len};
        struct memory_run whole;
        run_case(text, len, 0, 0, &whole);
        check_same(&mutant, &whole, 1 + (size_t)(r >> 36) % len, 0);
        check_same(&mutant, &whole, 0, 1);
        memory_run_free(&whole);
    }
}

TEST(bytes_are_classed_as_in_the_standards)
{
    static const char alnum[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (int c = 0; c < 256; c++) {
        bool word = c != 0 && strchr(alnum, c) != NULL;
        bool token = word || (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
        bool host = word || (c != 0 && strchr("-._~%!$&'()*+;=:[]", c) != NULL);
        ck_assert_int_eq((wf_http_classes[c] & WF_HTTP_TOKEN) != 0, token);
        ck_assert_int_eq((wf_http_classes[c] & WF_HTTP_HOST) != 0, host);
    }
}
