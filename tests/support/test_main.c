/* SPDX-License-Identifier: Apache-2.0 */
/* test_main.c - main() of every test program: collects the cases, runs them under a watchdog */
#include "tests/support/test.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/sanitize.h"

#define CASES_MAX        512
#define TIMEOUT_DEFAULT  20
#define SANITIZER_SLOWER 4
#define EXIT_SKIPPED     77

static const TTest *cases[CASES_MAX];
static unsigned case_count;
static unsigned skip_count;
static const char *running = "(no case)";
static pthread_t main_thread;
static char *main_stack_low;
static char *main_stack_high;

void wf_test_register(const TTest *test)
{
    if (case_count == CASES_MAX) {
        fprintf(stderr, "more than %d cases in one program\n", CASES_MAX);
        abort();
    }
    cases[case_count++] = test;
}

void wf_test_skipped(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "skipped %s: ", running);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    skip_count++;
}

void wf_test_timeout(unsigned seconds)
{
    alarm(WF_ASAN || WF_TSAN ? seconds * SANITIZER_SLOWER : seconds);
}

uint64_t wf_test_seed(void)
{
    static uint64_t seed;
    if (seed == 0) {
        const char *given = getenv("WEFT_SEED");
        seed = given != NULL ? strtoull(given, NULL, 0) : wf_test_now_ns() ^ (uint64_t)getpid();
        seed |= seed == 0;
        fprintf(stderr, "WEFT_SEED=%llu\n", (unsigned long long)seed);
    }
    return seed;
}

uint64_t wf_test_scale(uint64_t full)
{
    uint64_t divisor = WF_TSAN ? 20 : WF_ASAN ? 8 : 1;
    if (getenv("WEFT_TEST_SMALL") != NULL)
        divisor *= 10;
    return full / divisor > 0 ? full / divisor : 1;
}

bool wf_test_can_measure(void)
{
    return !WF_ASAN && !WF_TSAN && getenv("WEFT_TEST_SMALL") == NULL;
}

unsigned wf_test_open_fds(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return 0;
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count - 3; /* ".", ".." and the descriptor of the listing */
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
            return condition(arg);
        sched_yield();
    }
    return true;
}

/* ---- assertions away from the main stack ---- */

static bool on_main_stack(void)
{
    char *here = __builtin_frame_address(0);
    return pthread_equal(pthread_self(), main_thread) && here >= main_stack_low &&
           here < main_stack_high;
}

__attribute__((noreturn)) void __real__ck_assert_failed(const char *file, int line,
                                                        const char *expr, const char *msg, ...);
__attribute__((noreturn)) void __wrap__ck_assert_failed(const char *file, int line,
                                                        const char *expr, const char *msg, ...);

void __wrap__ck_assert_failed(const char *file, int line, const char *expr, const char *msg, ...)
{
    char text[1024] = "";
    if (msg != NULL) {
        va_list arguments;
        va_start(arguments, msg);
        vsnprintf(text, sizeof(text), msg, arguments);
        va_end(arguments);
    }
    if (on_main_stack())
        __real__ck_assert_failed(file, line, expr, msg != NULL ? "%s" : NULL, text);
    fprintf(stderr, "%s:%d: %s: %s%s%s (on a fiber or a second thread)\n", file, line, running,
            expr, msg != NULL ? ": " : "", text);
    fflush(NULL);
    _exit(EXIT_FAILURE);
}

/* ---- the watchdog ---- */

static void on_alarm(int signal_number)
{
    (void)signal_number;
    static const char head[] = "watchdog: the case took too long: ";
    ssize_t ignored = write(STDERR_FILENO, head, sizeof(head) - 1);
    ignored = write(STDERR_FILENO, running, strlen(running));
    ignored = write(STDERR_FILENO, "\n", 1);
    (void)ignored;
    abort();
}

static void watchdog_install(void)
{
    static char stack[64 * 1024];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
    sigaltstack(&alternate, NULL);
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_ONSTACK};
    sigaction(SIGALRM, &action, NULL);
}

static unsigned timeout_default(void)
{
    const char *given = getenv("WEFT_TEST_TIMEOUT");
    unsigned seconds = given != NULL ? (unsigned)strtoul(given, NULL, 10) : 0;
    return seconds > 0 ? seconds : TIMEOUT_DEFAULT;
}

/* ---- running ---- */

static unsigned current;
static unsigned selected[CASES_MAX];
static unsigned selected_count;

static void before_case(void)
{
    running = cases[selected[current++]]->name;
    wf_test_timeout(timeout_default());
}

static void after_case(void)
{
    alarm(0);
}

static int by_line(const void *a, const void *b)
{
    const TTest *left = *(const TTest *const *)a;
    const TTest *right = *(const TTest *const *)b;
    int order = strcmp(left->file, right->file);
    return order != 0 ? order : left->line - right->line;
}

static void find_main_stack(void)
{
    pthread_attr_t attributes;
    void *low = NULL;
    size_t size = 0;
    main_thread = pthread_self();
    if (pthread_getattr_np(main_thread, &attributes) != 0)
        abort();
    pthread_attr_getstack(&attributes, &low, &size);
    pthread_attr_destroy(&attributes);
    main_stack_low = low;
    main_stack_high = main_stack_low + size;
}

#if WF_TSAN
static void *nothing(void *arg)
{
    return arg;
}

/* The thread sanitizer starts its own helper with the first thread of the program; a test that
 * counts threads wants it to be there before. */
static void start_helper_of_sanitizer(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, nothing, NULL) == 0)
        pthread_join(thread, NULL);
}
#else
static void start_helper_of_sanitizer(void)
{
}
#endif

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    bool list = strcmp(word, "--list") == 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    setenv("CK_FORK", "no", 0);
    find_main_stack();
    start_helper_of_sanitizer();
    watchdog_install();
    qsort(cases, case_count, sizeof(cases[0]), by_line);

    const char *slash = strrchr(argv[0], '/');
    Suite *suite = suite_create(slash != NULL ? slash + 1 : argv[0]);
    TCase *group = tcase_create("cases");
    tcase_add_checked_fixture(group, before_case, after_case);
    for (unsigned i = 0; i < case_count; i++) {
        if (list) {
            puts(cases[i]->name);
        } else if (strstr(cases[i]->name, word) != NULL) {
            selected[selected_count++] = i;
            tcase_add_test(group, cases[i]);
        }
    }
    if (list)
        return EXIT_SUCCESS;
    if (selected_count == 0) {
        fprintf(stderr, "no case matches '%s'\n", word);
        return EXIT_FAILURE;
    }
    suite_add_tcase(suite, group);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    if (failed > 0)
        return EXIT_FAILURE;
    return skip_count == selected_count ? EXIT_SKIPPED : EXIT_SUCCESS;
}
