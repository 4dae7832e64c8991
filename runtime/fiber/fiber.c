/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fiber.c - making fibers, and what sanitizers and Valgrind want to know about them
 *
 * ASan must hear of the arrival on a new stack before instrumented code runs there, so under it a
 * fiber begins in begin_annotated(), which finds its block in the second argument of the first
 * frame. A recycled stack may carry poison of frames that never returned: it is lifted in new.
 * TSan keeps a call history per fiber, and the frames of a finished fiber never return, so a
 * recycled stack gets a new handle.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "runtime/fiber/fiber.h"
#include "runtime/fiber/overflow.h"

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_STACK_REGISTER(lo, hi)   ((void)(lo), (void)(hi), 0)
#define VALGRIND_STACK_DEREGISTER(id)     ((void)(id))
#define VALGRIND_MAKE_MEM_UNDEFINED(p, n) ((void)(p), (void)(n))
#endif

#if WF_ASAN
/* The thunk passes two arguments; see frame.h. */
static void begin_annotated(void *pass, struct wf_fiber *fiber)
{
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
    fiber->entry(pass);
    __builtin_trap();
}
#endif

static void *first_frame(struct wf_fiber *fiber, void (*entry)(void *pass))
{
#if WF_ASAN
    fiber->entry = entry;
    fiber->asan_fake = NULL;
    return wf_arch_frame_init(fiber, (void (*)(void *))(uintptr_t)begin_annotated);
#else
    return wf_arch_frame_init(fiber, entry);
#endif
}

static void annotate_new(struct wf_fiber *fiber, bool on_valgrind)
{
#if WF_TSAN
    fiber->tsan = __tsan_create_fiber(0);
#endif
    if (WF_UNLIKELY(on_valgrind)) {
        fiber->valgrind_id = VALGRIND_STACK_REGISTER(fiber->stack_lo, fiber->stack_hi);
        VALGRIND_MAKE_MEM_UNDEFINED(fiber->stack_lo,
                                    (char *)fiber->stack_hi - (char *)fiber->stack_lo);
    }
}

struct wf_fiber *wf_fiber_new(struct wf_stack_cache *cache, unsigned size_class,
                              void (*entry)(void *pass))
{
    uint32_t index;

    if (wf_stack_take(cache, size_class, &index) < 0)
        return NULL;
    const struct wf_stack_shelf *shelf = &cache->shelves[size_class];
    uintptr_t end = wf_stack_end(shelf, index);
    struct wf_fiber *fiber = wf_fiber_at(end, index);
    uintptr_t lo = wf_stack_lo(shelf, index);

#if WF_ASAN
    __asan_unpoison_memory_region((void *)lo, end - lo);
#endif
    fiber->stack_lo = (void *)lo;
    fiber->stack_hi = fiber;
    fiber->size_class = size_class;
    fiber->index = index;
    fiber->task = NULL;
    fiber->link = NULL;
    fiber->user = NULL;
    annotate_new(fiber, cache->pool->on_valgrind);
    fiber->sp = first_frame(fiber, entry);
    return fiber;
}

void wf_fiber_free(struct wf_stack_cache *cache, struct wf_fiber *fiber)
{
    uint32_t index = fiber->index;
    unsigned size_class = fiber->size_class;

    WF_ASSERT(!wf_fiber_is_thread(fiber));
    if (WF_UNLIKELY(cache->slow) && !wf_stack_canary_intact(cache->pool, size_class, index))
        wf_overflow_found(fiber);
#if WF_TSAN
    __tsan_destroy_fiber(fiber->tsan);
#endif
    if (WF_UNLIKELY(cache->pool->on_valgrind))
        VALGRIND_STACK_DEREGISTER(fiber->valgrind_id);
    wf_stack_give(cache, size_class, index);
}

void wf_fiber_reset(struct wf_fiber *fiber, void (*entry)(void *pass))
{
    WF_ASSERT(!wf_fiber_is_thread(fiber));
#if WF_ASAN
    __asan_unpoison_memory_region(fiber->stack_lo,
                                  (size_t)((char *)fiber->stack_hi - (char *)fiber->stack_lo));
#endif
#if WF_TSAN
    __tsan_destroy_fiber(fiber->tsan);
    fiber->tsan = __tsan_create_fiber(0);
#endif
    fiber->sp = first_frame(fiber, entry);
}

void wf_fiber_init_thread(struct wf_fiber *fiber)
{
    pthread_attr_t attr;
    void *lo = NULL;
    size_t size = 0;

    memset(fiber, 0, sizeof *fiber);
    fiber->index = WF_FIBER_THREAD;
    if (pthread_getattr_np(pthread_self(), &attr) == 0) {
        if (pthread_attr_getstack(&attr, &lo, &size) != 0)
            lo = NULL;
        pthread_attr_destroy(&attr);
    }
    if (lo == NULL) {
        /* Without /proc: claim the page we stand on, so that there is no room for nested calls. */
        lo = (void *)((uintptr_t)__builtin_frame_address(0) & ~(uintptr_t)4095);
        size = 4096;
    }
    fiber->stack_lo = lo;
    fiber->stack_hi = (char *)lo + size;
#if WF_TSAN
    fiber->tsan = __tsan_get_current_fiber();
#endif
}

void wf_fiber_fini_thread(struct wf_fiber *fiber)
{
    WF_ASSERT(wf_fiber_is_thread(fiber));
    memset(fiber, 0, sizeof *fiber);
    fiber->index = WF_FIBER_THREAD;
}
