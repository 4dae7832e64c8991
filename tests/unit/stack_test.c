/* SPDX-License-Identifier: Apache-2.0 */
/* stack_test.c - the stack pool: classes, caches, depot, trimming, the fall-backs for guards */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/fiber/stack.h"
#include "tests/support/test.h"

static struct wf_stack_pool pool;
static struct wf_stack_cache cache;

static void set_up(const struct wf_stack_pool_config *config)
{
    wf_stack_pool_init(&pool, config);
    wf_stack_cache_init(&cache, &pool);
}

static char *lo_of(unsigned c, uint32_t index)
{
    return (char *)wf_stack_lo(&cache.shelves[c], index);
}

static char *end_of(unsigned c, uint32_t index)
{
    return (char *)wf_stack_end(&cache.shelves[c], index);
}

/* Would a read of this byte fault? */
static bool readable(const void *p)
{
    int fd[2];
    ck_assert_int_eq(pipe(fd), 0);
    bool ok = write(fd[1], p, 1) == 1;
    close(fd[0]);
    close(fd[1]);
    return ok;
}

TEST(classes_are_found_by_usable_size)
{
    ck_assert_int_eq(wf_stack_class_for(0), WF_STACK_DEFAULT);
    for (unsigned c = 0; c < WF_STACK_CLASSES; c++) {
        ck_assert_int_le(wf_stack_class_for(wf_stack_usable(c)), (int)c);
        if (c + 1 < WF_STACK_CLASSES && wf_stack_usable(c) < wf_stack_usable(c + 1))
            ck_assert_int_gt(wf_stack_class_for(wf_stack_usable(c) + 1), (int)c);
    }
    ck_assert_int_eq(wf_stack_class_for(wf_stack_usable(WF_STACK_8M) + 1), -EINVAL);
}

TEST(every_stack_is_writable_down_to_its_guard)
{
    set_up(NULL);
    for (unsigned c = 0; c < WF_STACK_CLASSES; c++) {
        uint32_t index[20];
        for (unsigned i = 0; i < 20; i++) {
            ck_assert_int_eq(wf_stack_take(&cache, c, &index[i]), 0);
            memset(end_of(c, index[i]) - 64, 1, 64);
            lo_of(c, index[i])[0] = 1;
            if (pool.guard != WF_STACK_GUARD_CANARY) {
                ck_assert(!readable(lo_of(c, index[i]) - 1));
                ck_assert(!readable(lo_of(c, index[i]) - WF_STACK_GUARD));
            }
        }
        for (unsigned i = 0; i < 20; i++)
            wf_stack_give(&cache, c, index[i]);
    }
    wf_stack_cache_fini(&cache);
    wf_stack_pool_fini(&pool);
}

TEST(a_stack_is_in_one_hand_only)
{
    enum { COUNT = 3000 };
    static uint32_t index[COUNT];
    static unsigned char held[COUNT + 4 * WF_STACK_CACHE_MAX];
    uint64_t random = wf_test_seed() | 1;
    unsigned count = 0;

    set_up(NULL);
    memset(held, 0, sizeof held);
    for (unsigned step = 0; step < 60000; step++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        /* Long runs of one kind, so that the cache overflows and runs empty. */
        bool take = (random >> 40) % 100 < ((step / 4000) % 2 == 0 ? 80u : 20u);
        if (take && count < COUNT) {
            ck_assert_int_eq(wf_stack_take(&cache, 0, &index[count]), 0);
            ck_assert_uint_lt(index[count], sizeof held);
            ck_assert_uint_eq(held[index[count]], 0);
            held[index[count++]] = 1;
        } else if (!take && count > 0) {
            unsigned victim = (unsigned)(random >> 20) % count;
            held[index[victim]] = 0;
            wf_stack_give(&cache, 0, index[victim]);
            index[victim] = index[--count];
        }
    }
    while (count > 0)
        wf_stack_give(&cache, 0, index[--count]);
    struct wf_stack_stats stats;
    wf_stack_cache_fini(&cache);
    wf_stack_pool_stats(&pool, 0, &stats);
    ck_assert_uint_eq(stats.warm + stats.cold, stats.fresh);
    wf_stack_pool_fini(&pool);
}

static void *taker(void *arg)
{
    struct wf_stack_cache mine;
    uint32_t index[400];
    unsigned char mark = (unsigned char)(uintptr_t)arg;
    unsigned bad = 0;

    wf_stack_cache_init(&mine, &pool);
    for (unsigned round = 0; round < wf_test_scale(200); round++) {
        for (unsigned i = 0; i < 400; i++) {
            if (wf_stack_take(&mine, 0, &index[i]) != 0)
                return (void *)1;
            ((unsigned char *)wf_stack_end(&mine.shelves[0], index[i]))[-100] = mark;
        }
        for (unsigned i = 0; i < 400; i++) {
            if (((unsigned char *)wf_stack_end(&mine.shelves[0], index[i]))[-100] != mark)
                bad++;
            wf_stack_give(&mine, 0, index[i]);
        }
    }
    wf_stack_cache_fini(&mine);
    return (void *)(uintptr_t)bad;
}

TEST(two_caches_share_the_depot)
{
    pthread_t threads[2];
    struct wf_stack_stats stats;

    set_up(&(struct wf_stack_pool_config){.depot_warm_size = 1 << 20, .trim_after_ns = 1});
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, taker, (void *)(uintptr_t)(i + 1)), 0);
    for (unsigned i = 0; i < 2; i++) {
        void *bad;
        pthread_join(threads[i], &bad);
        ck_assert_ptr_null(bad);
    }
    wf_stack_pool_stats(&pool, 0, &stats);
    ck_assert_uint_eq(stats.warm + stats.cold, stats.fresh);
    ck_assert_uint_le(stats.fresh, 800 + 2 * WF_STACK_CACHE_MAX);
    wf_stack_pool_fini(&pool);
}

/* The coarse clock moves at the tick: two calls in different ticks end an interval. */
static bool trimmed_to(void *limit)
{
    struct wf_stack_stats stats;

    wf_stack_pool_trim(&pool);
    wf_stack_pool_stats(&pool, 0, &stats);
    return stats.warm <= (uintptr_t)limit;
}

TEST(cold_stacks_are_given_back_and_keep_their_guards)
{
    enum { COUNT = 2000 };
    static uint32_t index[COUNT];
    struct wf_stack_stats stats;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);

    set_up(&(struct wf_stack_pool_config){.depot_warm_size = 100 * page, .trim_after_ns = 1});
    for (unsigned i = 0; i < COUNT; i++) {
        ck_assert_int_eq(wf_stack_take(&cache, 0, &index[i]), 0);
        end_of(0, index[i])[-1] = 1;
    }
    for (unsigned i = 0; i < COUNT; i++)
        wf_stack_give(&cache, 0, index[i]);
    wf_stack_cache_fini(&cache);
    ck_assert(wf_test_wait_for(trimmed_to, (void *)(uintptr_t)100, 5000));
    wf_stack_pool_stats(&pool, 0, &stats);
    ck_assert_uint_eq(stats.warm + stats.cold, stats.fresh);
    unsigned trimmed = 0;
    for (unsigned i = 0; i < COUNT; i++)
        trimmed += wf_stack_high_water(lo_of(0, index[i]), end_of(0, index[i])) == 0;
    ck_assert_uint_ge(trimmed, COUNT - 100);
    for (unsigned i = 0; i < COUNT; i++) {
        ck_assert_int_eq(wf_stack_take(&cache, 0, &index[i]), 0);
        if (i % 50 == 0)
            ck_assert(pool.guard == WF_STACK_GUARD_CANARY || !readable(lo_of(0, index[i]) - 1));
    }
    wf_stack_pool_stats(&pool, 0, &stats);
    ck_assert_uint_le(stats.fresh, COUNT + WF_STACK_CACHE_MAX);
    wf_stack_pool_fini(&pool);
}

TEST(high_water_is_counted_in_pages_from_the_top)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint32_t index;

    set_up(NULL);
    ck_assert_int_eq(wf_stack_take(&cache, WF_STACK_8M, &index), 0);
    char *lo = lo_of(WF_STACK_8M, index), *end = end_of(WF_STACK_8M, index);
    ck_assert_uint_eq(wf_stack_high_water(lo, end), 0);
    end[-1] = 1;
    ck_assert_uint_eq(wf_stack_high_water(lo, end), page);
    end[-(ptrdiff_t)(300 * page)] = 1;
    ck_assert_uint_eq(wf_stack_high_water(lo, end), 300 * page);
    wf_stack_pool_fini(&pool);
}

TEST(mprotect_guards_end_at_their_budget_and_canaries_follow)
{
    uint32_t index[60];

    set_up(&(struct wf_stack_pool_config){.guard = WF_STACK_GUARD_MPROTECT, .mprotect_max = 30});
    for (unsigned i = 0; i < 60; i++)
        ck_assert_int_eq(wf_stack_take(&cache, 0, &index[i]), 0);
    for (unsigned i = 0; i < 60; i++)
        ck_assert_int_eq(readable(lo_of(0, index[i]) - 1), index[i] >= 30);
    struct wf_stack_stats stats;
    wf_stack_pool_stats(&pool, 0, &stats);
    ck_assert_int_eq(stats.guard, WF_STACK_GUARD_CANARY);
    ck_assert(wf_stack_canary_intact(&pool, 0, 59));
    lo_of(0, 59)[-8] = 1;
    ck_assert(!wf_stack_canary_intact(&pool, 0, 59));
    ck_assert(wf_stack_canary_intact(&pool, 0, 3));
    wf_stack_pool_fini(&pool);
}

TEST(idle_stacks_are_inaccessible_when_poisoned)
{
    uint32_t index, again;

    set_up(&(struct wf_stack_pool_config){.poison_idle = true});
    ck_assert_int_eq(wf_stack_take(&cache, 0, &index), 0);
    end_of(0, index)[-1] = 1;
    ck_assert(!readable(end_of(0, index + 1) - 1));
    wf_stack_give(&cache, 0, index);
    ck_assert(!readable(end_of(0, index) - 1));
    ck_assert_int_eq(wf_stack_take(&cache, 0, &again), 0);
    ck_assert_uint_eq(again, index);
    ck_assert(readable(end_of(0, index) - 1));
    wf_stack_pool_fini(&pool);
}

TEST(a_full_reservation_is_out_of_memory_not_a_crash)
{
    uint32_t index = 0;
    unsigned count = 0;

    set_up(&(struct wf_stack_pool_config){.reserve_size = 1});
    while (count < 1000 && wf_stack_take(&cache, 0, &index) == 0)
        count++;
    ck_assert_uint_eq(count, 64);
    ck_assert_int_eq(wf_stack_take(&cache, 0, &index), -ENOMEM);
    wf_stack_give(&cache, 0, index);
    ck_assert_int_eq(wf_stack_take(&cache, 0, &index), 0);
    wf_stack_pool_fini(&pool);
}

TEST(addresses_are_found_in_their_slot)
{
    uint32_t index, found;
    unsigned c;

    set_up(NULL);
    ck_assert(!wf_stack_find(&pool, (uintptr_t)&index, &c, &found));
    ck_assert_int_eq(wf_stack_take(&cache, WF_STACK_1M, &index), 0);
    ck_assert(wf_stack_find(&pool, (uintptr_t)lo_of(WF_STACK_1M, index) - 1, &c, &found));
    ck_assert_uint_eq(c, WF_STACK_1M);
    ck_assert_uint_eq(found, index);
    ck_assert(wf_stack_find(&pool, (uintptr_t)end_of(WF_STACK_1M, index) - 1, &c, &found));
    ck_assert_uint_eq(found, index);
    ck_assert(!wf_stack_find(&pool, (uintptr_t)end_of(WF_STACK_1M, 5000), &c, &found));
    wf_stack_pool_fini(&pool);
}

/* Sanitizers need the address space themselves; emulators do not know the limit. */
#if !WF_ASAN && !WF_TSAN && !defined(WF_STACK_RESERVE_SIZE)
TEST(a_small_address_space_limit_shrinks_the_reservation)
{
    struct rlimit old, small;
    uint32_t index;
    struct wf_stack_stats stats;

    ck_assert_int_eq(getrlimit(RLIMIT_AS, &old), 0);
    small = old;
    small.rlim_cur = (rlim_t)8 << 30;
    if (setrlimit(RLIMIT_AS, &small) != 0)
        TEST_SKIP("RLIMIT_AS cannot be lowered here");
    set_up(NULL);
    int rc = wf_stack_take(&cache, 0, &index);
    wf_stack_pool_stats(&pool, 0, &stats);
    wf_stack_pool_fini(&pool);
    setrlimit(RLIMIT_AS, &old);
    ck_assert_int_eq(rc, 0);
    ck_assert_uint_ge(stats.slots, 64);
    ck_assert_uint_le(stats.slots, 65536);
}
#endif
