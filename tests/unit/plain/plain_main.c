/* SPDX-License-Identifier: Apache-2.0 */
/* plain_main.c - runs registered test cases without the check framework; see check.h beside it */
#include <sched.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/test.h"

#define CASES_MAX 256

static const TTest *cases[CASES_MAX];
static unsigned case_count;

void wf_test_register(const TTest *test)
{
    if (case_count == CASES_MAX)
        abort();
    cases[case_count++] = test;
}

void wf_test_skipped(const char *format, ...)
{
    va_list args;

    fputs("  skipped: ", stdout);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

void wf_test_timeout(unsigned seconds)
{
    alarm(seconds);
}

uint64_t wf_test_seed(void)
{
    const char *given = getenv("WEFT_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);

    printf("  WEFT_SEED=%" PRIu64 "\n", seed);
    return seed;
}

uint64_t wf_test_scale(uint64_t full)
{
    return full / 10 + 1; /* an emulator runs this */
}

uint64_t wf_test_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool wf_test_wait_for(bool (*condition)(void *arg), void *arg, unsigned timeout_ms)
{
    uint64_t end = wf_test_now_ns() + (uint64_t)timeout_ms * 1000000u;

    while (!condition(arg)) {
        if (wf_test_now_ns() >= end)
            return false;
        sched_yield();
    }
    return true;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    for (unsigned i = 0; i < case_count; i++) {
        if (argc > 1 && strstr(cases[i]->name, argv[1]) == NULL)
            continue;
        printf("%s\n", cases[i]->name);
        alarm(60);
        cases[i]->fn(0);
        alarm(0);
    }
    printf("%u cases passed\n", case_count);
    return 0;
}
