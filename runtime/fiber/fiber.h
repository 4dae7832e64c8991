/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fiber.h - a fiber: a stack with its saved context, and the switch from one to another
 *
 * struct wf_fiber stands at the top of its own stack, so one page holds it and the first frames. It
 * is moved down by a colour of 0 to 960 bytes, which spreads the blocks and hot frames of many
 * fibers over the sets of the cache.
 *
 * A fiber is one of: running on one thread, parked (sp is valid), free. This layer keeps no state
 * word: the scheduler's after-switch action is the only one that may publish a fiber that has just
 * parked, because until wf_fiber_switch has stored sp and left the stack, nobody may resume it.
 *
 * Sanitizers and Valgrind are told here and nowhere else. Without them wf_fiber_switch is the
 * architecture's switch and nothing more.
 */
#ifndef WF_FIBER_H
#define WF_FIBER_H

#include "runtime/arch/frame.h"
#include "runtime/fiber/stack.h"

#if WF_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if WF_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* owner: whoever runs on the fiber, or the one worker that took it to run it. */
struct wf_fiber {
    void *sp;       /* saved stack pointer while parked */
    void *stack_lo; /* usable bounds */
    void *stack_hi; /* where the first frame begins: this struct, for a pooled fiber */
    uint32_t size_class;
    uint32_t index; /* slot of the class; UINT32_MAX: a thread's own stack */
    void *task;     /* scheduler: innermost task that stands on this stack */
    void *link;     /* scheduler: for lists of fibers */
    uint32_t valgrind_id;
    uint32_t unused;
    void *user; /* scheduler: a word of its own */
#if WF_ASAN || WF_TSAN
    void (*entry)(void *pass);
    void *asan_fake; /* fake stack of a parked fiber */
    void *tsan;      /* handle of this fiber */
#endif
} __attribute__((aligned(64)));

WF_STATIC_ASSERT(sizeof(struct wf_fiber) <= 128, "block and first frames share a page");

#define WF_FIBER_THREAD UINT32_MAX

/* Bytes by which the block is moved down from the end of its slot. */
#define WF_FIBER_COLOURS 16
static inline uintptr_t wf_fiber_colour(uint32_t index)
{
    return (uintptr_t)(index % WF_FIBER_COLOURS) * 64;
}

/* The block of the fiber in a slot that ends at `slot_end`. */
static inline struct wf_fiber *wf_fiber_at(uintptr_t slot_end, uint32_t index)
{
    return (struct wf_fiber *)(slot_end - wf_fiber_colour(index) - sizeof(struct wf_fiber));
}

/*
 * wf_fiber_new - a parked fiber on a stack from the cache
 * @cache: owned by the calling worker
 * @size_class: enum wf_stack_class_id
 * @entry: called on the fiber's stack with the `pass` of the first switch to it; must end in
 *   wf_fiber_switch_final, never return
 *
 * Return: the fiber, task and link NULL; NULL when there is no memory.
 */
struct wf_fiber *wf_fiber_new(struct wf_stack_cache *cache, unsigned size_class,
                              void (*entry)(void *pass));

/*
 * wf_fiber_free - give the stack back
 * @cache: of the calling worker; need not be the one that the stack came from
 * @fiber: parked for good: it left by wf_fiber_switch_final or never ran. The caller stands on
 *   another stack.
 */
void wf_fiber_free(struct wf_stack_cache *cache, struct wf_fiber *fiber);

/* A finished fiber starts again at `entry` at the next switch to it; cheaper than free and new. */
void wf_fiber_reset(struct wf_fiber *fiber, void (*entry)(void *pass));

/* Describes the calling thread's own stack, so that it can be switched from and to. */
void wf_fiber_init_thread(struct wf_fiber *fiber);

/* Ends what wf_fiber_init_thread began; called on the same thread, on its own stack. */
void wf_fiber_fini_thread(struct wf_fiber *fiber);

static inline bool wf_fiber_is_thread(const struct wf_fiber *fiber)
{
    return fiber->index == WF_FIBER_THREAD;
}

/*
 * wf_fiber_switch - park `from`, the running fiber, and go on with `to`
 * @pass: what the other side's wf_fiber_switch, or its entry, gets
 *
 * Return: the `pass` of whoever switches back. Context: the thread may be another one afterwards:
 * nothing thread-local may be kept over the call.
 */
static inline __attribute__((always_inline)) void *wf_fiber_switch(struct wf_fiber *from,
                                                                   struct wf_fiber *to, void *pass)
{
#if WF_ASAN
    __sanitizer_start_switch_fiber(&from->asan_fake, to->stack_lo,
                                   (size_t)((char *)to->stack_hi - (char *)to->stack_lo));
#endif
#if WF_TSAN
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
    void *got = wf_arch_switch(&from->sp, to->sp, pass);
#if WF_ASAN
    __sanitizer_finish_switch_fiber(from->asan_fake, NULL, NULL);
#endif
    return got;
}

/* Leaves `from` for the last time: it may be freed or reset as soon as `to` runs. */
static inline __attribute__((always_inline, noreturn)) void
wf_fiber_switch_final(struct wf_fiber *from, struct wf_fiber *to, void *pass)
{
#if WF_ASAN
    __sanitizer_start_switch_fiber(NULL, to->stack_lo,
                                   (size_t)((char *)to->stack_hi - (char *)to->stack_lo));
#endif
#if WF_TSAN
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
    wf_arch_switch(&from->sp, to->sp, pass);
    __builtin_trap();
}

/* Bytes left on the stack below the frame of the caller; `fiber` is the running one. */
static inline __attribute__((always_inline)) size_t wf_stack_room(const struct wf_fiber *fiber)
{
    return (size_t)((char *)__builtin_frame_address(0) - (char *)fiber->stack_lo);
}

#endif
