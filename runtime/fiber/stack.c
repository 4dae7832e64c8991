/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack.c - the pool of fiber stacks
 *
 * Lists of idle stacks are arrays of slot numbers beside the stacks, never links inside them: idle
 * stacks may have been given back to the kernel, or be PROT_NONE.
 *
 * A cache that is full moves its older half to the depot; an empty one takes a batch: first warm
 * ones from the depot, then trimmed ones (they have their guards), then fresh ones. Fresh batches
 * begin at 8 and double, so that a small program pays for few guards.
 * What the depot keeps warm is estimated: one stack of each batch is measured. Stacks that lay in
 * the depot untouched through an interval of trim_after_ns are cold: of those, what is beyond
 * depot_warm_size is given back, oldest first and sorted, so that neighbours make one range (0.26
 * us a stack against 1.8 us one by one). Time decides, not the amount alone: a million stacks that
 * are released at once are either needed again at once or the process is about to end.
 *
 * lock pool (WF_RANK_STACK): all that happens under it is copying some numbers, but for the steps
 * of wf_guard_open, of which there are a few dozen in the life of a process.
 * order: class-base - the address of a reservation is published after its other constants.
 * order: class-fresh - slots below `fresh` are seen with their class set up, also by handlers.
 * (1) a slot number is in exactly one of: an owner's hands, one cache, warm[], cold[], trim[].
 * (2) slots below `fresh` are open and were guarded once; guards stay for the life of the pool.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "runtime/fiber/guard.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#define RESERVE_VALGRIND   ((uint64_t)4 << 30) /* its own tables grow with the address space */
#define DEPOT_WARM_DEFAULT ((uint64_t)64 << 20)
#define MPROTECT_DEFAULT   20000u
#define FRESH_BATCH_MIN    8u
#define TRIM_AFTER_DEFAULT 1000000000u
#define TRIM_STEP          16384u /* in one call of the monitor, between two takings of the lock */
#define TRIM_STEP_INLINE   512u   /* at one release: about 150 us */
#define CANARY_SIZE        256u

#if WF_ASAN || WF_TSAN
#define DEFAULT_SHIFT 18
#else
#define DEFAULT_SHIFT 17
#endif

/* Emulators keep a table entry for each reserved page: qemu-user needs 6 s for the default. */
#ifndef WF_STACK_RESERVE_SIZE
#define WF_STACK_RESERVE_SIZE ((uint64_t)256 << 30)
#endif

/* Larger stacks are fewer, and each idle one may hold more memory. */
static const struct {
    uint32_t shift, cache_max, batch_max;
} class_table[WF_STACK_CLASSES] = {
    [WF_STACK_DEFAULT] = {DEFAULT_SHIFT, WF_STACK_CACHE_MAX, 128},
    [WF_STACK_256K] = {18, 128, 64},
    [WF_STACK_1M] = {20, 32, 16},
    [WF_STACK_8M] = {23, 8, 4},
};

/* ---- pool ---- */

void wf_stack_pool_init(struct wf_stack_pool *pool, const struct wf_stack_pool_config *config)
{
    memset(pool, 0, sizeof *pool);
    wf_lock_init(&pool->lock, WF_RANK_STACK);
    if (config != NULL)
        pool->config = *config;
    pool->on_valgrind = RUNNING_ON_VALGRIND != 0;
    if (pool->on_valgrind)
        wf_guard_one_by_one();
    if (pool->config.reserve_size == 0)
        pool->config.reserve_size = pool->on_valgrind ? RESERVE_VALGRIND : WF_STACK_RESERVE_SIZE;
    if (pool->config.depot_warm_size == 0)
        pool->config.depot_warm_size = DEPOT_WARM_DEFAULT;
    if (pool->config.trim_after_ns == 0)
        pool->config.trim_after_ns = TRIM_AFTER_DEFAULT;
    if (pool->config.mprotect_max == 0)
        pool->config.mprotect_max = MPROTECT_DEFAULT;
    pool->guard = pool->config.guard;
    if (pool->guard == WF_STACK_GUARD_AUTO)
        pool->guard = pool->on_valgrind ? WF_STACK_GUARD_MPROTECT : wf_guard_probe();
    for (unsigned i = 0; i < WF_STACK_CLASSES; i++)
        pool->classes[i].shift = class_table[i].shift;
}

void wf_stack_pool_fini(struct wf_stack_pool *pool)
{
    for (unsigned i = 0; i < WF_STACK_CLASSES; i++)
        wf_guard_release(&pool->classes[i]);
}

int wf_stack_class_for(size_t usable)
{
    for (unsigned i = 0; i < WF_STACK_CLASSES; i++) {
        if (usable <= wf_stack_usable(i))
            return (int)i;
    }
    return -EINVAL;
}

size_t wf_stack_usable(unsigned size_class)
{
    WF_ASSERT(size_class < WF_STACK_CLASSES);
    /* The last kilobyte and a bit holds the colour and the fiber's block. */
    return ((size_t)1 << class_table[size_class].shift) - WF_STACK_GUARD - 1152;
}

void wf_stack_pool_stats(struct wf_stack_pool *pool, unsigned size_class,
                         struct wf_stack_stats *out)
{
    struct wf_stack_class *class = &pool->classes[size_class];

    wf_lock(&pool->lock);
    *out = (struct wf_stack_stats){
        .stride = (size_t)1 << class->shift,
        .slots = class->slots,
        .fresh = wf_load_rlx(&class->fresh),
        .warm = class->warm_count,
        .cold = class->cold_count,
        .guard = pool->guard,
        .warm_bytes = (uint64_t) class->warm_count * class->warm_pages * 512,
    };
    if (wf_load_rlx(&class->canary_from) < out->fresh)
        out->guard = WF_STACK_GUARD_CANARY;
    wf_unlock(&pool->lock);
}

bool wf_stack_find(const struct wf_stack_pool *pool, uintptr_t address, unsigned *size_class,
                   uint32_t *index)
{
    for (unsigned i = 0; i < WF_STACK_CLASSES; i++) {
        const struct wf_stack_class *class = &pool->classes[i];
        uintptr_t base = wf_load_acq(&class->base); /* order: class-base */

        if (base == 0 || address < base)
            continue;
        uintptr_t slot = (address - base) >> class->shift;
        if (slot < wf_load_acq(&class->fresh)) { /* order: class-fresh */
            *size_class = i;
            *index = (uint32_t)slot;
            return true;
        }
    }
    return false;
}

size_t wf_stack_high_water(const void *lo, const void *hi)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = (uintptr_t)lo & ~(page - 1);
    uintptr_t end = ((uintptr_t)hi + page - 1) & ~(page - 1);
    unsigned char resident[256];

    while (start < end) {
        size_t pages = (end - start) / page;
        if (pages > sizeof resident)
            pages = sizeof resident;
        if (mincore((void *)start, pages * page, resident) != 0)
            return 0;
        for (size_t i = 0; i < pages; i++) {
            if (resident[i] & 1)
                return end - (start + i * page);
        }
        start += pages * page;
    }
    return 0;
}

/* ---- between cache and depot ---- */

void wf_stack_cache_init(struct wf_stack_cache *cache, struct wf_stack_pool *pool)
{
    memset(cache, 0, sizeof *cache);
    cache->pool = pool;
    cache->slow = pool->config.poison_idle;
    for (unsigned i = 0; i < WF_STACK_CLASSES; i++) {
        cache->shelves[i].shift = class_table[i].shift;
        cache->shelves[i].batch = FRESH_BATCH_MIN;
    }
}

static uint64_t coarse_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void warm_push(struct wf_stack_class *class, const uint32_t *slots, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        class->warm[(class->warm_first + class->warm_count++) & (class->slots - 1)] = slots[i];
}

/* Newest first come out last, so that the cache, which takes from the end, hands them out first. */
static uint32_t warm_pop(struct wf_stack_class *class, uint32_t *slots, uint32_t count)
{
    if (count > class->warm_count)
        count = class->warm_count;
    class->warm_count -= count;
    if (class->warm_low > class->warm_count)
        class->warm_low = class->warm_count;
    for (uint32_t i = 0; i < count; i++)
        slots[i] = class->warm[(class->warm_first + class->warm_count + i) & (class->slots - 1)];
    return count;
}

/* How many warm stacks nobody needed in the interval that just ended, beyond what may stay. */
static uint32_t cold_due(const struct wf_stack_pool *pool, const struct wf_stack_class *class)
{
    uint64_t stack_bytes = (uint64_t) class->warm_pages * 512; /* pages * 8, of 4 KiB */
    uint64_t keep = pool->config.depot_warm_size / stack_bytes;

    if (class->warm_count <= keep)
        return 0;
    uint32_t excess = class->warm_count - (uint32_t)keep;
    return excess < class->warm_low ? excess : class->warm_low;
}

/* Moves up to `limit` of the stacks that are cold to trim[]. Lock pool held. Returns how many; the
 * caller gives their memory back without the lock and then calls trim_done. */
static uint32_t trim_begin(const struct wf_stack_pool *pool, struct wf_stack_class *class,
                           uint32_t limit)
{
    uint64_t now = coarse_now();

    if (class->trimming)
        return 0;
    if (now >= class->trim_at) {
        class->trim_left = class->trim_at == 0 ? 0 : cold_due(pool, class);
        class->trim_at = now + pool->config.trim_after_ns;
        class->warm_low = class->warm_count;
    }
    uint32_t count = class->trim_left < limit ? class->trim_left : limit;
    if (count > class->warm_count)
        count = class->warm_count;
    for (uint32_t i = 0; i < count; i++)
        class->trim[i] = class->warm[(class->warm_first + i) & (class->slots - 1)];
    class->warm_first += count;
    class->warm_count -= count;
    class->trim_left -= count;
    if (class->warm_low > class->warm_count)
        class->warm_low = class->warm_count;
    class->trimming = count > 0;
    return count;
}

static void trim_done(struct wf_stack_pool *pool, struct wf_stack_class *class, uint32_t count)
{
    wf_lock(&pool->lock);
    /* Highest first: the lowest addresses are taken first, which keeps live stacks together. */
    for (uint32_t i = count; i-- > 0;)
        class->cold[class->cold_count++] = class->trim[i];
    class->trimming = false;
    wf_unlock(&pool->lock);
}

void wf_stack_pool_trim(struct wf_stack_pool *pool)
{
    for (unsigned i = 0; i < WF_STACK_CLASSES; i++) {
        struct wf_stack_class *class = &pool->classes[i];
        uint32_t count;

        if (wf_load_acq(&class->base) == 0) /* order: class-base */
            continue;
        do {
            wf_lock(&pool->lock);
            count = trim_begin(pool, class, TRIM_STEP);
            wf_unlock(&pool->lock);
            if (count > 0) {
                wf_guard_trim(class, class->trim, count);
                trim_done(pool, class, count);
            }
        } while (count == TRIM_STEP);
    }
}

static void depot_put(struct wf_stack_pool *pool, unsigned size_class, const uint32_t *slots,
                      uint32_t count)
{
    struct wf_stack_class *class = &pool->classes[size_class];
    uint32_t pages = pool->config.poison_idle ? 1 : wf_guard_resident(class, slots[count / 2]);

    wf_lock(&pool->lock);
    class->warm_pages += pages - class->warm_pages / 8;
    warm_push(class, slots, count);
    uint32_t trim = trim_begin(pool, class, TRIM_STEP_INLINE);
    wf_unlock(&pool->lock);
    if (trim > 0) {
        wf_guard_trim(class, class->trim, trim);
        trim_done(pool, class, trim);
    }
}

/* The first use of a class by this cache; it may begin with a stack that another worker took. */
static void shelf_open(struct wf_stack_cache *cache, unsigned size_class)
{
    struct wf_stack_shelf *shelf = &cache->shelves[size_class];

    shelf->base = wf_load_acq(&cache->pool->classes[size_class].base); /* order: class-base */
    shelf->count_max = class_table[size_class].cache_max;
    WF_ASSERT(shelf->base != 0);
}

void wf_stack_make_room(struct wf_stack_cache *cache, unsigned size_class)
{
    struct wf_stack_shelf *shelf = &cache->shelves[size_class];
    uint32_t count = shelf->count / 2;

    if (wf_load_rlx(&cache->pool->classes[size_class].canary_from) != UINT32_MAX)
        cache->slow = true;
    if (shelf->base == 0) {
        shelf_open(cache, size_class);
        return;
    }
    depot_put(cache->pool, size_class, shelf->slots, count);
    shelf->count -= count;
    memmove(shelf->slots, shelf->slots + count, shelf->count * sizeof *shelf->slots);
}

void wf_stack_cache_fini(struct wf_stack_cache *cache)
{
    for (unsigned i = 0; i < WF_STACK_CLASSES; i++) {
        struct wf_stack_shelf *shelf = &cache->shelves[i];
        if (shelf->count > 0)
            depot_put(cache->pool, i, shelf->slots, shelf->count);
        shelf->count = 0;
    }
}

/* ---- fresh stacks ---- */

/* Moves the bump index. Lock pool held. Returns how many were taken, 0 when there are no more. */
static uint32_t fresh_claim(struct wf_stack_class *class, uint32_t want, uint32_t *first)
{
    uint32_t fresh = wf_load_rlx(&class->fresh);
    uint32_t left = class->slots - fresh;
    uint32_t count = want < left ? want : left;

    while (count > 0 && wf_guard_open(class, fresh + count) != 0)
        count /= 2;
    *first = fresh;
    wf_store_rel(&class->fresh, fresh + count); /* order: class-fresh */
    return count;
}

static uint32_t fresh_take(struct wf_stack_cache *cache, unsigned size_class, uint32_t first,
                           uint32_t count)
{
    struct wf_stack_pool *pool = cache->pool;
    struct wf_stack_class *class = &pool->classes[size_class];
    struct wf_stack_shelf *shelf = &cache->shelves[size_class];
    uint32_t good = wf_guard_install(pool, class, first, count);

    if (good < count) {
        /* No memory for page tables. The bump index goes back if nobody moved it on; else these
         * slots are never used. */
        wf_lock(&pool->lock);
        if (wf_load_rlx(&class->fresh) == first + count)
            wf_store_rel(&class->fresh, first + good); /* order: class-fresh */
        wf_unlock(&pool->lock);
    }
    for (uint32_t i = good; i-- > 0;)
        shelf->slots[shelf->count++] = first + i;
    if (shelf->batch < class_table[size_class].batch_max)
        shelf->batch *= 2;
    return good;
}

int wf_stack_refill(struct wf_stack_cache *cache, unsigned size_class)
{
    struct wf_stack_pool *pool = cache->pool;
    struct wf_stack_class *class = &pool->classes[size_class];
    struct wf_stack_shelf *shelf = &cache->shelves[size_class];
    uint32_t batch = class_table[size_class].cache_max / 4;
    uint32_t first = 0, fresh = 0;

    WF_ASSERT(size_class < WF_STACK_CLASSES && shelf->count == 0);
    wf_lock(&pool->lock);
    if (wf_load_rlx(&class->base) == 0) {
        uint64_t want = pool->config.reserve_size / (size_class == WF_STACK_DEFAULT ? 1 : 4);
        int rc = wf_guard_reserve(class, want);
        if (rc < 0) {
            wf_unlock(&pool->lock);
            return rc;
        }
    }
    if (shelf->base == 0)
        shelf_open(cache, size_class);
    if (class->warm_count > 0) {
        shelf->count = warm_pop(class, shelf->slots, batch);
    } else if (class->cold_count > 0) {
        shelf->count = class->cold_count < batch ? class->cold_count : batch;
        class->cold_count -= shelf->count;
        memcpy(shelf->slots, class->cold + class->cold_count, shelf->count * sizeof *class->cold);
    } else {
        uint32_t want = shelf->batch < class_table[size_class].batch_max
                            ? shelf->batch
                            : class_table[size_class].batch_max;
        fresh = fresh_claim(class, want, &first);
    }
    wf_unlock(&pool->lock);
    if (fresh > 0)
        fresh_take(cache, size_class, first, fresh);
    if (wf_load_rlx(&class->canary_from) != UINT32_MAX)
        cache->slow = true;
    if (fresh > 0 && pool->config.poison_idle) {
        for (uint32_t i = 0; i < shelf->count; i++)
            wf_stack_poison(cache, size_class, shelf->slots[i], true);
    }
    return shelf->count > 0 ? 0 : -ENOMEM;
}

/* ---- checks ---- */

void wf_stack_poison(struct wf_stack_cache *cache, unsigned size_class, uint32_t index, bool idle)
{
    const struct wf_stack_shelf *shelf = &cache->shelves[size_class];
    uintptr_t lo = wf_stack_lo(shelf, index);

    if (!cache->pool->config.poison_idle)
        return;
    /* Fails when mappings run out: the check is then not made for this stack. */
    (void)mprotect((void *)lo, wf_stack_end(shelf, index) - lo,
                   idle ? PROT_NONE : PROT_READ | PROT_WRITE);
}

/* The canary is that nothing was ever written below the stack. Reading it maps the shared zero page
 * at most, so the check costs no memory. */
WF_NO_ASAN WF_NO_TSAN bool wf_stack_canary_intact(const struct wf_stack_pool *pool,
                                                  unsigned size_class, uint32_t index)
{
    const struct wf_stack_class *class = &pool->classes[size_class];

    if (index < wf_load_rlx(&class->canary_from))
        return true;
    uintptr_t lo = wf_load_rlx(&class->base) + ((uintptr_t)index << class->shift) + WF_STACK_GUARD;
    const uint64_t *words = (const uint64_t *)(lo - CANARY_SIZE);
    uint64_t any = 0;
    for (size_t i = 0; i < CANARY_SIZE / sizeof *words; i++)
        any |= words[i];
    return any == 0;
}
