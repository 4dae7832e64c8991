/* SPDX-License-Identifier: Apache-2.0 */
/* test.h - a thin layer over the check framework: cases register themselves, main is provided
 *
 *   TEST(steal_from_empty_returns_null)
 *   {
 *       ck_assert_ptr_null(wf_deque_steal(&deque));
 *   }
 *
 * A case runs in the test process itself, on the main thread, under a watchdog that aborts the
 * program. A failed assertion on the main thread ends the case; on a fiber or another thread it
 * prints the same message and ends the program with a failure. `program [word]` runs the cases
 * whose name contains the word; `program --list` prints them.
 */
#ifndef WF_TEST_H
#define WF_TEST_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One case. Its name is a sentence. */
#define TEST(name)                                                              \
    static void name##_case(int test_index);                                    \
    static const TTest name##_ttest = {#name, name##_case, __FILE__, __LINE__}; \
    __attribute__((constructor)) static void name##_register(void)              \
    {                                                                           \
        wf_test_register(&name##_ttest);                                        \
    }                                                                           \
    static void name##_case(__attribute__((unused)) int test_index)

/* Leaves the case; the program exits with 77 if every case that ran was skipped. */
#define TEST_SKIP(...)                \
    do {                              \
        wf_test_skipped(__VA_ARGS__); \
        return;                       \
    } while (0)

void wf_test_register(const TTest *test);
__attribute__((format(printf, 1, 2))) void wf_test_skipped(const char *format, ...);

/* Gives the running case `seconds` from now on; the default is 20, or what WEFT_TEST_TIMEOUT says.
 * Sanitizer builds get four times as much. */
void wf_test_timeout(unsigned seconds);

/* The seed of a random test: WEFT_SEED if set, else a fresh one; printed once. */
uint64_t wf_test_seed(void);

/* How much work a stress test may do: `full`, or a share of it under a sanitizer or with
 * WEFT_TEST_SMALL set; at least 1. */
uint64_t wf_test_scale(uint64_t full);

/* Do durations mean anything here? Not under a sanitizer or an emulator (WEFT_TEST_SMALL). */
bool wf_test_can_measure(void);

/* Open file descriptors of this process. */
unsigned wf_test_open_fds(void);

/* Monotonic time. */
uint64_t wf_test_now_ns(void);

/* Polls `condition(arg)` until it is true or `timeout_ms` have passed; returns its last value. */
bool wf_test_wait_for(bool (*condition)(void *arg), void *arg, unsigned timeout_ms);

#endif
