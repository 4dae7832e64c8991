/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overflow.h - turns a fault in a stack's guard into a message that names the task
 *
 * One handler for SIGSEGV and SIGBUS in the process, which runs on a signal stack of each thread.
 * A fault that is not in a guard goes to the handler that was installed before.
 */
#ifndef WF_OVERFLOW_H
#define WF_OVERFLOW_H

#include "runtime/fiber/fiber.h"

/*
 * Writes who runs on `fiber`, such as "'reader' (spawned at 0x401234)", to `buf` and returns the
 * length; 0: unknown. Runs in a signal handler: it reads memory and calls nothing.
 */
typedef int (*wf_overflow_describe)(const struct wf_fiber *fiber, char *buf, size_t size);

/*
 * wf_overflow_install - take over SIGSEGV and SIGBUS
 * @pool: its guards are watched; stays alive until uninstall
 * @describe: may be NULL
 *
 * Return: 0; -EBUSY: installed already; -errno of sigaction.
 */
int wf_overflow_install(const struct wf_stack_pool *pool, wf_overflow_describe describe);

/* Restores the handlers that were there, unless somebody replaced ours meanwhile. */
void wf_overflow_uninstall(void);

/* The signal stack of one thread; zero before init. */
struct wf_overflow_thread {
    void *map;
    size_t map_size;
    void *old_sp;
    size_t old_size;
    int old_flags;
};

/* Gives the calling thread a signal stack. Return: 0 or -errno; then an overflow ends the process
 * without a message. */
int wf_overflow_thread_init(struct wf_overflow_thread *thread);

/* On the same thread. */
void wf_overflow_thread_fini(struct wf_overflow_thread *thread);

/* A stack without a guard was found overrun when it was released: says so and aborts. */
__attribute__((noreturn, cold)) void wf_overflow_found(const struct wf_fiber *fiber);

#endif
