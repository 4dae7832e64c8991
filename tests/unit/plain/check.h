/* SPDX-License-Identifier: Apache-2.0 */
/* check.h - as much of the check framework as the fiber tests use, for builds that cannot link it
 *
 * run_aarch64.sh puts this folder first in the include path and links plain_main.c in place of
 * tests/support. The tests themselves are the same files. */
#ifndef WF_PLAIN_CHECK_H
#define WF_PLAIN_CHECK_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct TTest {
    const char *name;
    void (*fn)(int);
    const char *file;
    int line;
} TTest;

#define ck_assert_msg(cond, ...)                                               \
    do {                                                                       \
        if (!(cond)) {                                                         \
            fprintf(stderr, "%s:%d: failed: %s: ", __FILE__, __LINE__, #cond); \
            fprintf(stderr, "" __VA_ARGS__);                                   \
            fputc('\n', stderr);                                               \
            _Exit(1);                                                          \
        }                                                                      \
    } while (0)
#define ck_assert(cond) ck_assert_msg(cond, "%s", "")

#define PLAIN_COMPARE_(type, format, x, op, y)                                                  \
    do {                                                                                        \
        type plain_x = (type)(x), plain_y = (type)(y);                                          \
        ck_assert_msg(plain_x op plain_y, "%s is %" format ", %s is %" format, #x, plain_x, #y, \
                      plain_y);                                                                 \
    } while (0)

#define ck_assert_int_eq(x, y)   PLAIN_COMPARE_(intmax_t, PRIdMAX, x, ==, y)
#define ck_assert_int_ge(x, y)   PLAIN_COMPARE_(intmax_t, PRIdMAX, x, >=, y)
#define ck_assert_int_gt(x, y)   PLAIN_COMPARE_(intmax_t, PRIdMAX, x, >, y)
#define ck_assert_int_le(x, y)   PLAIN_COMPARE_(intmax_t, PRIdMAX, x, <=, y)
#define ck_assert_uint_eq(x, y)  PLAIN_COMPARE_(uintmax_t, PRIuMAX, x, ==, y)
#define ck_assert_uint_ge(x, y)  PLAIN_COMPARE_(uintmax_t, PRIuMAX, x, >=, y)
#define ck_assert_uint_gt(x, y)  PLAIN_COMPARE_(uintmax_t, PRIuMAX, x, >, y)
#define ck_assert_uint_le(x, y)  PLAIN_COMPARE_(uintmax_t, PRIuMAX, x, <=, y)
#define ck_assert_uint_lt(x, y)  PLAIN_COMPARE_(uintmax_t, PRIuMAX, x, <, y)
#define ck_assert_ptr_eq(x, y)   ck_assert((const void *)(x) == (const void *)(y))
#define ck_assert_ptr_null(x)    ck_assert((const void *)(x) == NULL)
#define ck_assert_ptr_nonnull(x) ck_assert((const void *)(x) != NULL)
#define ck_assert_str_eq(x, y)   ck_assert_msg(strcmp((x), (y)) == 0, "'%s' is not '%s'", (x), (y))

#endif
