/* SPDX-License-Identifier: Apache-2.0 */
/* assert.h - assertions for bugs of this library; they stay in release builds */
#ifndef WF_ASSERT_H
#define WF_ASSERT_H

#include <stddef.h>

/* Prints "file:line: function: assertion failed: what" in one write and aborts. Any thread, any
 * fiber, signal handlers. */
__attribute__((noreturn, cold, noinline)) void
wf_assert_failed(const char *file, int line, const char *function, const char *what);

#define WF_LIKELY(cond)   __builtin_expect(!!(cond), 1)
#define WF_UNLIKELY(cond) __builtin_expect(!!(cond), 0)

/* For conditions whose violation would corrupt memory or lose data. */
#define WF_CHECK(cond) \
    (WF_LIKELY(cond) ? (void)0 : wf_assert_failed(__FILE__, __LINE__, __func__, #cond))

/* For everything else that must hold. NDEBUG_WF takes it out where a measurement asks for that; the
 * condition is still compiled, so it cannot rot. */
#ifdef NDEBUG_WF
#define WF_ASSERT(cond) ((void)sizeof((cond) ? 1 : 0))
#else
#define WF_ASSERT(cond) WF_CHECK(cond)
#endif

/* The code cannot come here. */
#define WF_UNREACHABLE() wf_assert_failed(__FILE__, __LINE__, __func__, "unreachable")

#define WF_STATIC_ASSERT(cond, why) _Static_assert(cond, why)

/* The struct that holds `member` at `pointer`. */
#define WF_CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#endif
