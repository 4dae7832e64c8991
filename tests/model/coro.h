/* SPDX-License-Identifier: Apache-2.0 */
/* coro.h - the coroutines that model threads run on */
#ifndef WF_MODEL_CORO_H
#define WF_MODEL_CORO_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <ucontext.h>

struct wm_coro {
    jmp_buf env;
    ucontext_t context;
    void *stack; /* NULL: the coroutine that the program started on */
    size_t stack_size;
    bool started;
    void *sanitizer; /* ASan: fake stack; TSan: fiber */
};

/* Makes `coro` ready to call fn(arg), which must not return. The stack is kept from an earlier
 * call; a coroutine that was left in the middle is simply started over. */
void wm_coro_init(struct wm_coro *coro, void (*fn)(int), int arg);
void wm_coro_switch(struct wm_coro *from, struct wm_coro *to);

#endif /* WF_MODEL_CORO_H */
