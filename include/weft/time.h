/* SPDX-License-Identifier: Apache-2.0 */
/* time.h - sleeping and blocks with a deadline */
#ifndef WEFT_TIME_H
#define WEFT_TIME_H

#include <weft/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * weft_sleep - suspend the calling task for a time
 * @duration: ns; <= 0 is one weft_yield
 *
 * Return: 0 after at least @duration; -ECANCELED when the caller was cancelled or an enclosing
 * block deadline passed; -EPERM outside a task.
 * Context: tasks. Suspends; a cancellation point.
 * Since: 0.1. Idea: asyncio.sleep
 */
WEFT_API int weft_sleep(weft_ns duration);

/**
 * weft_sleep_until - suspend the calling task until a point in time
 * @when: on weft_now()'s clock; one in the past is one weft_yield
 *
 * Return: as weft_sleep.
 * Context: tasks. Suspends; a cancellation point.
 * Since: 0.1. Idea: trio.sleep_until
 */
WEFT_API int weft_sleep_until(weft_deadline when);

/**
 * weft_now - the runtime's monotonic clock
 *
 * Return: ns since an arbitrary start, never 0.
 * Context: any thread; never suspends.
 * Since: 0.1
 */
WEFT_API weft_deadline weft_now(void);

/*
 * State of one WEFT_TIMEOUT block, on the caller's stack. The fields belong to the runtime.
 */
struct weft_timeout {
    void *frame[8];
};

/**
 * weft_timeout_open - begin a block with a deadline (used by WEFT_TIMEOUT)
 * @block: caller's storage, untouched until the close
 * @timeout: ns from now
 * @result: set to 0 now and to the result of weft_timeout_close at the end; or NULL
 *
 * Return: 0; -EPERM outside a task (the block is then closed already).
 * Context: tasks; never suspends.
 * Since: 0.1. Idea: asyncio.timeout
 */
WEFT_API int weft_timeout_open(struct weft_timeout *block, weft_ns timeout, int *result);

/**
 * weft_timeout_close - end a block with a deadline (used by WEFT_TIMEOUT)
 * @block: the innermost open block of the calling task; closing twice is harmless
 *
 * Return: -ETIMEDOUT when the deadline cut a suspension in the block short, else 0.
 * Context: the task that opened it; never suspends.
 * Since: 0.1
 */
WEFT_API int weft_timeout_close(struct weft_timeout *block);

/* The clean-up of WEFT_TIMEOUT: closes a block that was left by `break` or `return`. */
WEFT_API void weft_timeout_leave_(struct weft_timeout *block);

/*
 * WEFT_TIMEOUT(rc, WEFT_SEC(2)) { ... } - a block whose suspending calls together end at a
 * deadline.
 *
 * When it passes, the call that is waiting, and each later one in the block, returns -ECANCELED;
 * after the block the int rc is -ETIMEDOUT, else 0. Blocks nest; the earliest deadline counts.
 * Leave the block by running off its end, `break` or `continue` (both end it), or `return`.
 * Idea: asyncio.timeout
 */
#define WEFT_TIMEOUT(rc, timeout) WEFT_TIMEOUT_NAMED_(rc, timeout, __COUNTER__)
/* Two steps, so that each block gets names of its own and nested ones shadow nothing. */
#define WEFT_TIMEOUT_NAMED_(rc, timeout, n) WEFT_TIMEOUT_BLOCK_(rc, timeout, n)
#define WEFT_TIMEOUT_BLOCK_(rc, timeout, n)                                                        \
    for (struct weft_timeout weft_block_##n __attribute__((cleanup(weft_timeout_leave_))),         \
         *weft_once_##n =                                                                          \
             weft_timeout_open(&weft_block_##n, (timeout), &(rc)) == 0 ? &weft_block_##n : NULL;   \
         weft_once_##n != NULL; weft_once_##n = NULL, (void)weft_timeout_close(&weft_block_##n))

#ifdef __cplusplus
}
#endif
#endif
