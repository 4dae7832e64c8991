/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_fuzz.c - any bytes at all into the HTTP server, over a connection in memory
 *
 * The first byte chooses how the rest is cut. Checked besides the sanitizers: the answer is the
 * same whole and in pieces, and well-formed: each response starts where the one before it ended.
 * Built with -DWF_FUZZER and clang's -fsanitize=fuzzer this is a fuzz target; else main() replays
 * the files it is given, all cases of http_cases.c, and mutants of those. `--seeds FOLDER` writes
 * the cases as files, for the fuzzer to start from.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/assert.h"
#include "tests/unit/http_memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct wf_http_config config;

static void run(const char *in, size_t len, size_t piece, bool eof, struct memory_run *result)
{
    struct memory_io io;
    memory_io_init(&io, in, len);
    io.piece = piece;
    io.eof = eof;
    memory_serve(&config, &io, result);
    memory_io_fini(&io);
}

/* The bytes of the head that starts at `at`, or 0 when there is none. */
static size_t head_len(const char *at, size_t n)
{
    const char *end = memmem(at, n, "\r\n\r\n", 4);
    return n < 13 || memcmp(at, "HTTP/1.1 ", 9) != 0 || end == NULL ? 0 : (size_t)(end - at) + 4;
}

/* Walks over the responses as far as their ends can be known without the requests. */
static void check_output(const struct memory_run *result)
{
    const char *at = result->out;
    size_t n = result->len;
    while (n > 0) {
        size_t head = head_len(at, n);
        WF_CHECK(head > 0);
        const char *length = memmem(at, head, "\r\nContent-Length: ", 18);
        bool interim = at[9] == '1';
        at += head;
        n -= head;
        if (interim || (n > 0 && head_len(at, n) > 0)) {
            continue; /* the answer to a HEAD */
        }
        if (length == NULL) {
            return;
        }
        size_t body = (size_t)strtoul(length + 18, NULL, 10);
        if (n == 0) {
            return;
        }
        WF_CHECK(body <= n);
        at += body;
        n -= body;
    }
}

static size_t without_continue(struct memory_run *result)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    char *at;
    while ((at = memmem(result->out, result->len, text, sizeof text - 1)) != NULL) {
        size_t off = (size_t)(at - result->out) + sizeof text - 1;
        memmove(at, result->out + off, result->len - off + 1);
        result->len -= sizeof text - 1;
    }
    return result->len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct memory_run whole, pieces;
    if (config.handler == NULL) {
        http_case_config(&config);
    }
    if (size < 2) {
        return 0;
    }
    const char *in = (const char *)data + 1;
    size_t piece = 1 + (data[0] & 31);
    bool eof = (data[0] & 128) != 0;
    run(in, size - 1, 0, eof, &whole);
    run(in, size - 1, piece, eof, &pieces);
    check_output(&whole);
    check_output(&pieces);
    /* Streamed answers are cut into chunks where the input was cut. */
    if (memmem(in, size - 1, "/stream", 7) == NULL) {
        WF_CHECK(without_continue(&whole) == without_continue(&pieces));
        WF_CHECK(memcmp(whole.out, pieces.out, whole.len) == 0);
    }
    memory_run_free(&whole);
    memory_run_free(&pieces);
    return 0;
}

#ifndef WF_FUZZER

static void replay_file(const char *path)
{
    static uint8_t buf[1 << 20];
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    size_t n = fread(buf, 1, sizeof buf, f);
    fclose(f);
    (void)LLVMFuzzerTestOneInput(buf, n);
}

/* Two cases spliced, a few bytes changed: 2,000 of these reach what single cases do not. */
static size_t mutant(uint64_t *seed, uint8_t *buf)
{
    uint64_t r[6];
    for (int i = 0; i < 6; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        r[i] = *seed >> 20;
    }
    const struct http_case *a = &http_cases[r[0] % http_case_count];
    const struct http_case *b = &http_cases[r[1] % http_case_count];
    size_t keep = (size_t)r[2] % (a->in_len + 1), from = (size_t)r[3] % (b->in_len + 1);
    buf[0] = (uint8_t)r[4];
    memcpy(buf + 1, a->in, keep);
    memcpy(buf + 1 + keep, b->in + from, b->in_len - from);
    size_t size = 1 + keep + b->in_len - from;
    for (unsigned i = 0; i < r[5] % 4 && size > 1; i++) {
        buf[1 + (size_t)(r[5] >> (8 * i + 3)) % (size - 1)] = (uint8_t)(r[4] >> (8 * i));
    }
    return size;
}

static int write_seeds(const char *folder)
{
    for (size_t i = 0; i < http_case_count; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/case-%03zu", folder, i);
        FILE *f = fopen(path, "wb");
        if (f == NULL) {
            perror(path);
            return EXIT_FAILURE;
        }
        fputc((int)(i * 37 & 255), f);
        fwrite(http_cases[i].in, 1, http_cases[i].in_len, f);
        fclose(f);
    }
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    static uint8_t buf[1 << 14];
    size_t files = 0, mutants = 0;
    if (argc == 3 && strcmp(argv[1], "--seeds") == 0) {
        return write_seeds(argv[2]);
    }
    for (int i = 1; i < argc; i++) {
        replay_file(argv[i]);
        files++;
    }
    for (size_t i = 0; i < http_case_count; i++) {
        memcpy(buf + 1, http_cases[i].in, http_cases[i].in_len);
        for (int how = 0; how < 256; how += 51) {
            buf[0] = (uint8_t)how;
            (void)LLVMFuzzerTestOneInput(buf, http_cases[i].in_len + 1);
        }
    }
    const char *given = getenv("WEFT_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : 1;
    for (; mutants < 20000; mutants++) {
        uint64_t before = seed;
        size_t n = mutant(&seed, buf);
        if (getenv("WEFT_FUZZ_VERBOSE") != NULL) {
            fprintf(stderr, "WEFT_SEED=%llu\n", (unsigned long long)before);
        }
        (void)LLVMFuzzerTestOneInput(buf, n);
    }
    printf("replayed %zu files, %zu cases, %zu mutants\n", files, http_case_count, mutants);
    return EXIT_SUCCESS;
}

#endif
