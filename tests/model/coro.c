/* SPDX-License-Identifier: Apache-2.0 */
/* coro.c - coroutines by ucontext, switched by setjmp
 *
 * A million executions a minute need a switch without a system call: ucontext only makes the first
 * entry of a coroutine, _setjmp and _longjmp do the rest. The checked longjmp of _FORTIFY_SOURCE
 * would refuse to change stacks. Under a sanitizer swapcontext is used, because longjmp is
 * intercepted there, and the sanitizer is told of each switch.
 */
#undef _FORTIFY_SOURCE
#include "tests/model/coro.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define WM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WM_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define WM_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WM_TSAN 1
#endif
#endif

#ifdef WM_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef WM_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#define STACK_SIZE (256 * 1024)

static void (*entry_fn)(int);

#ifdef WM_ASAN
static struct wm_coro *switched_from;

static void switch_finished(struct wm_coro *self)
{
    const void *bottom;
    size_t size;

    __sanitizer_finish_switch_fiber(self->sanitizer, &bottom, &size);
    if (switched_from->stack == NULL) {
        switched_from->context.uc_stack.ss_sp = (void *)bottom;
        switched_from->context.uc_stack.ss_size = size;
    }
}
#endif

static void entry(int arg)
{
#ifdef WM_ASAN
    struct wm_coro fresh = {.sanitizer = NULL};

    switch_finished(&fresh);
#endif
    entry_fn(arg);
    abort();
}

void wm_coro_init(struct wm_coro *coro, void (*fn)(int), int arg)
{
    if (coro->stack == NULL) {
        coro->stack_size = STACK_SIZE;
        coro->stack =
            mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (coro->stack == MAP_FAILED) {
            perror("mmap");
            exit(2);
        }
    }
#ifdef WM_TSAN
    /* The frames that a coroutine was left in stay on the shadow stack of its fiber for ever. */
    if (coro->sanitizer != NULL)
        __tsan_destroy_fiber(coro->sanitizer);
    coro->sanitizer = __tsan_create_fiber(0);
#endif
    entry_fn = fn;
    coro->started = false;
    getcontext(&coro->context);
    coro->context.uc_stack.ss_sp = coro->stack;
    coro->context.uc_stack.ss_size = coro->stack_size;
    coro->context.uc_link = NULL;
    makecontext(&coro->context, (void (*)(void))entry, 1, arg);
}

#if defined(WM_ASAN)

void wm_coro_switch(struct wm_coro *from, struct wm_coro *to)
{
    switched_from = from;
    __sanitizer_start_switch_fiber(&from->sanitizer, to->context.uc_stack.ss_sp,
                                   to->context.uc_stack.ss_size);
    to->started = true;
    swapcontext(&from->context, &to->context);
    switch_finished(from);
}

#elif defined(WM_TSAN)

void wm_coro_switch(struct wm_coro *from, struct wm_coro *to)
{
    if (from->sanitizer == NULL)
        from->sanitizer = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to->sanitizer, 0);
    to->started = true;
    swapcontext(&from->context, &to->context);
}

#else

void wm_coro_switch(struct wm_coro *from, struct wm_coro *to)
{
    if (_setjmp(from->env) != 0)
        return;
    if (to->stack == NULL || to->started)
        _longjmp(to->env, 1);
    to->started = true;
    setcontext(&to->context);
    abort();
}

#endif
