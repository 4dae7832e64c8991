/* SPDX-License-Identifier: Apache-2.0 */
/* base.h - types, units, results and version shared by all public headers */
#ifndef WEFT_BASE_H
#define WEFT_BASE_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEFT_VERSION_MAJOR 0
#define WEFT_VERSION_MINOR 1
#define WEFT_VERSION_PATCH 0
#define WEFT_VERSION_STRING "0.1.0"

#define WEFT_API __attribute__((visibility("default")))

/* A span of time in nanoseconds. Negative spans count as zero. */
typedef int64_t weft_ns;
/* A point on the runtime's monotonic clock, in nanoseconds. */
typedef int64_t weft_deadline;

#define WEFT_NEVER INT64_MAX
#define WEFT_USEC(n) ((weft_ns)((n) * 1000LL))
#define WEFT_MSEC(n) ((weft_ns)((n) * 1000000LL))
#define WEFT_SEC(n) ((weft_ns)((n) * 1000000000LL))

/*
 * The body of a task. The result is a value (a number or a pointer), or a failure: -4095..-1, an
 * errno negated.
 */
typedef intptr_t (*weft_fn)(void *arg);

typedef struct weft_task weft_task;

/* True for results that are failures. */
#define WEFT_FAILED(result) ((uintptr_t)(result) >= (uintptr_t)-4095)

/**
 * weft_strerror - describe a negated error
 * @error: -errno as returned by any weft call; positive values are accepted too
 *
 * Return: a constant string, never NULL ("success" for 0).
 * Context: any thread, signal handlers excepted; never suspends.
 * Since: 0.1
 */
WEFT_API const char *weft_strerror(int error);

/**
 * weft_version - version of the library that is linked, as "major.minor.patch"
 *
 * Return: a constant string.
 * Context: anywhere; never suspends.
 * Since: 0.1
 */
WEFT_API const char *weft_version(void);

#ifdef __cplusplus
}
#endif
#endif
