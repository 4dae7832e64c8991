/* SPDX-License-Identifier: Apache-2.0 */
/* fiber_test.c - fibers switch, nest, end, are re-used, and move between threads */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "runtime/fiber/fiber.h"
#include "tests/support/test.h"

static struct wf_stack_pool pool;
static struct wf_stack_cache cache;
static struct wf_fiber thread;

static void set_up(const struct wf_stack_pool_config *config)
{
    wf_stack_pool_init(&pool, config);
    wf_stack_cache_init(&cache, &pool);
    wf_fiber_init_thread(&thread);
}

static void tear_down(void)
{
    wf_stack_cache_fini(&cache);
    wf_stack_pool_fini(&pool);
    wf_fiber_fini_thread(&thread);
}

struct walker {
    struct wf_fiber *fiber;
    struct wf_fiber *back;
    unsigned rounds;
    uint64_t sum;
};

static void walk(void *pass)
{
    struct walker *w = pass;

    for (unsigned i = 0; i < w->rounds; i++)
        w->sum += (uintptr_t)wf_fiber_switch(w->fiber, w->back, (void *)(uintptr_t)(i + 1));
    wf_fiber_switch_final(w->fiber, w->back, NULL);
}

TEST(values_pass_both_ways)
{
    struct walker w = {.back = &thread, .rounds = 3};

    set_up(NULL);
    w.fiber = wf_fiber_new(&cache, WF_STACK_DEFAULT, walk);
    ck_assert_ptr_nonnull(w.fiber);
    ck_assert_uint_eq((uintptr_t)wf_fiber_switch(&thread, w.fiber, &w), 1);
    ck_assert_uint_eq((uintptr_t)wf_fiber_switch(&thread, w.fiber, (void *)10), 2);
    ck_assert_uint_eq((uintptr_t)wf_fiber_switch(&thread, w.fiber, (void *)20), 3);
    ck_assert_ptr_null(wf_fiber_switch(&thread, w.fiber, (void *)30));
    ck_assert_uint_eq(w.sum, 60);
    wf_fiber_free(&cache, w.fiber);
    tear_down();
}

TEST(many_fibers_take_turns)
{
    enum { COUNT = 100, ROUNDS = 50 };
    static struct walker w[COUNT];

    set_up(NULL);
    for (unsigned i = 0; i < COUNT; i++) {
        w[i] = (struct walker){.back = &thread, .rounds = ROUNDS};
        w[i].fiber = wf_fiber_new(&cache, WF_STACK_DEFAULT, walk);
        ck_assert_uint_eq((uintptr_t)wf_fiber_switch(&thread, w[i].fiber, &w[i]), 1);
    }
    for (unsigned round = 1; round <= ROUNDS; round++) {
        for (unsigned i = 0; i < COUNT; i++) {
            uintptr_t want = round == ROUNDS ? 0 : round + 1;
            ck_assert_uint_eq((uintptr_t)wf_fiber_switch(&thread, w[i].fiber, (void *)(uintptr_t)i),
                              want);
        }
    }
    for (unsigned i = 0; i < COUNT; i++) {
        ck_assert_uint_eq(w[i].sum, (uint64_t)ROUNDS * i);
        wf_fiber_free(&cache, w[i].fiber);
    }
    tear_down();
}

/* Each fiber starts the next one and goes back to its parent: a chain of stacks. */
struct link {
    struct wf_fiber *fiber;
    struct link *parent;
    unsigned depth;
};

static unsigned deepest;

static void descend(void *pass)
{
    struct link self = *(struct link *)pass;
    volatile unsigned char locals[512];

    for (unsigned i = 0; i < sizeof locals; i++)
        locals[i] = (unsigned char)(self.depth + i);
    if (self.depth > deepest)
        deepest = self.depth;
    if (self.depth < 60) {
        struct link child = {.parent = &self, .depth = self.depth + 1};
        child.fiber = wf_fiber_new(&cache, WF_STACK_DEFAULT, descend);
        wf_fiber_switch(self.fiber, child.fiber, &child);
        wf_fiber_free(&cache, child.fiber);
    }
    for (unsigned i = 0; i < sizeof locals; i++)
        ck_assert_uint_eq(locals[i], (unsigned char)(self.depth + i));
    wf_fiber_switch_final(self.fiber, self.parent != NULL ? self.parent->fiber : &thread, NULL);
}

TEST(a_chain_of_fibers_unwinds_with_its_locals_intact)
{
    struct link first = {.depth = 1};

    set_up(NULL);
    deepest = 0;
    first.fiber = wf_fiber_new(&cache, WF_STACK_DEFAULT, descend);
    wf_fiber_switch(&thread, first.fiber, &first);
    ck_assert_uint_eq(deepest, 60);
    wf_fiber_free(&cache, first.fiber);
    tear_down();
}

TEST(a_reset_fiber_starts_again_on_its_stack)
{
    struct walker w = {.back = &thread, .rounds = 0};

    set_up(NULL);
    w.fiber = wf_fiber_new(&cache, WF_STACK_DEFAULT, walk);
    wf_fiber_switch(&thread, w.fiber, &w);
    void *hi = w.fiber->stack_hi;
    for (unsigned i = 0; i < 100; i++) {
        wf_fiber_reset(w.fiber, walk);
        w.rounds = 1;
        ck_assert_uint_eq((uintptr_t)wf_fiber_switch(&thread, w.fiber, &w), 1);
        ck_assert_ptr_null(wf_fiber_switch(&thread, w.fiber, (void *)1));
    }
    ck_assert_ptr_eq(w.fiber->stack_hi, hi);
    ck_assert_uint_eq(w.sum, 100);
    wf_fiber_free(&cache, w.fiber);
    tear_down();
}

TEST(the_last_released_stack_is_taken_first)
{
    set_up(NULL);
    struct wf_fiber *a = wf_fiber_new(&cache, WF_STACK_DEFAULT, walk);
    struct wf_fiber *b = wf_fiber_new(&cache, WF_STACK_DEFAULT, walk);
    wf_fiber_free(&cache, b);
    wf_fiber_free(&cache, a);
    ck_assert_ptr_eq(wf_fiber_new(&cache, WF_STACK_DEFAULT, walk), a);
    ck_assert_ptr_eq(wf_fiber_new(&cache, WF_STACK_DEFAULT, walk), b);
    wf_fiber_free(&cache, a);
    wf_fiber_free(&cache, b);
    tear_down();
}

TEST(block_and_first_frames_share_one_page)
{
    set_up(NULL);
    for (unsigned i = 0; i < 64; i++) {
        struct wf_fiber *f = wf_fiber_new(&cache, WF_STACK_DEFAULT, walk);
        uintptr_t end = ((uintptr_t)f | 0xfff) + 1;
        ck_assert_uint_le((uintptr_t)f + sizeof *f, end);
        ck_assert_uint_ge((uintptr_t)f->sp, end - 2048);
        ck_assert_uint_ge((size_t)((char *)f->stack_hi - (char *)f->stack_lo),
                          wf_stack_usable(WF_STACK_DEFAULT));
        ck_assert_uint_eq((uintptr_t)f % 64, 0);
    }
    tear_down();
}

static size_t room_seen;

static void look_at_room(void *pass)
{
    struct walker *w = pass;

    room_seen = wf_stack_room(w->fiber);
    wf_fiber_switch_final(w->fiber, w->back, NULL);
}

TEST(room_is_what_the_class_promises)
{
    struct walker w = {.back = &thread};

    set_up(NULL);
    for (unsigned c = 0; c < WF_STACK_CLASSES; c++) {
        w.fiber = wf_fiber_new(&cache, c, look_at_room);
        wf_fiber_switch(&thread, w.fiber, &w);
        ck_assert_uint_gt(room_seen, wf_stack_usable(c) - 2048);
        ck_assert_uint_lt(room_seen, wf_stack_usable(c) + 2048);
        wf_fiber_free(&cache, w.fiber);
    }
    ck_assert_uint_gt(wf_stack_room(&thread), 64 << 10);
    ck_assert(wf_fiber_is_thread(&thread));
    tear_down();
}

/* ---- a fiber that goes on in another thread ---- */

struct hop {
    struct wf_fiber *fiber;
    struct wf_fiber *back; /* the thread that runs the fiber */
    pthread_t first, second;
};

/* Compilers keep the value of pthread_self over a switch, as they keep &errno: both are const.
 * A call that they cannot see through reads it anew. */
static __attribute__((noinline)) pthread_t thread_now(void)
{
    pthread_t self = pthread_self();

    __asm__ volatile("" : "+r"(self)::"memory");
    return self;
}

static void hop_entry(void *pass)
{
    struct hop *hop = pass;

    hop->first = thread_now();
    hop = wf_fiber_switch(hop->fiber, hop->back, NULL);
    hop->second = thread_now();
    wf_fiber_switch_final(hop->fiber, hop->back, NULL);
}

static void *second_thread(void *arg)
{
    struct hop *hop = arg;
    struct wf_stack_cache mine;
    struct wf_fiber self;

    wf_stack_cache_init(&mine, &pool);
    wf_fiber_init_thread(&self);
    hop->back = &self;
    wf_fiber_switch(&self, hop->fiber, hop);
    wf_fiber_free(&mine, hop->fiber); /* into a cache that has never taken from this class */
    struct wf_fiber *again = wf_fiber_new(&mine, WF_STACK_DEFAULT, walk);
    bool same = again == hop->fiber;
    wf_fiber_free(&mine, again);
    wf_stack_cache_fini(&mine);
    wf_fiber_fini_thread(&self);
    return same ? arg : NULL;
}

TEST(a_parked_fiber_goes_on_in_another_thread)
{
    struct hop hop = {.back = &thread};
    pthread_t other;
    void *result;

    set_up(NULL);
    hop.fiber = wf_fiber_new(&cache, WF_STACK_DEFAULT, hop_entry);
    wf_fiber_switch(&thread, hop.fiber, &hop);
    ck_assert_int_eq(pthread_create(&other, NULL, second_thread, &hop), 0);
    ck_assert_int_eq(pthread_join(other, &result), 0);
    ck_assert_ptr_eq(result, &hop);
    ck_assert(pthread_equal(hop.first, pthread_self()));
    ck_assert(pthread_equal(hop.second, other));
    tear_down();
}

/* Leaves a frame with poison behind, as a task that ends deep in its calls does. */
static __attribute__((noinline)) void dirty(struct walker *w, unsigned depth)
{
    volatile char local[300];

    memset((char *)local, (int)depth, sizeof local);
    if (depth > 0)
        dirty(w, depth - 1);
    else
        wf_fiber_switch(w->fiber, w->back, NULL); /* nobody comes back */
    local[0] = local[1];
}

static void dirty_entry(void *pass)
{
    dirty(pass, 20);
    __builtin_trap();
}

TEST(a_recycled_stack_carries_nothing_of_the_last_task)
{
    struct walker w = {.back = &thread};

    set_up(NULL);
    for (unsigned i = 0; i < 20; i++) {
        w.fiber = wf_fiber_new(&cache, WF_STACK_DEFAULT, i % 2 ? walk : dirty_entry);
        wf_fiber_switch(&thread, w.fiber, &w);
        wf_fiber_free(&cache, w.fiber);
    }
    tear_down();
}
