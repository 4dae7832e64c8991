/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard.c - reservations of address space, guards under stacks, memory given back in ranges
 *
 * A reservation is mapped PROT_NONE and opened from the low end in growing steps. The closed rest
 * has never been touched, so it is not in core files, is not charged under strict overcommit, and a
 * stray pointer into it faults. The opened part stays one mapping as long as guards are made by
 * MADV_GUARD_INSTALL; each guard made by mprotect splits it, and the process has 65,530 mappings.
 *
 * Cost of a 64 KiB guard here: 1.3 us by madvise, 0.95 us in batches of 16 and more by
 * process_madvise; a 4 KiB guard would cost 0.6 us, but a frame of one page would jump over it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "runtime/base/log.h"
#include "runtime/fiber/guard.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif
/* The caller itself as a pid file descriptor, Linux 6.14; EBADF before. */
#define SELF_PIDFD (-10000)

#define SLOTS_MIN 64u

/* Steps in which a reservation is opened, in bytes. */
#define OPEN_STEP_MIN ((uint64_t)16 << 20)
#define OPEN_STEP_MAX ((uint64_t)8 << 30)

static char *slot_start(const struct wf_stack_class *class, uint32_t index)
{
    return (char *)(wf_load_rlx(&class->base) + ((uintptr_t)index << class->shift));
}

static size_t slot_size(const struct wf_stack_class *class)
{
    return (size_t)1 << class->shift;
}

enum wf_stack_guard wf_guard_probe(void)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED)
        return WF_STACK_GUARD_MPROTECT;
    /* Emulators accept advice that they do not know. A system call tells without a fault whether
     * the page can be read: as a path it is empty, ENOENT, or out of reach, EFAULT. */
    bool works = madvise(page, size, MADV_GUARD_INSTALL) == 0 &&
                 syscall(SYS_faccessat, AT_FDCWD, page, F_OK) != 0 && errno == EFAULT;
    munmap(page, size);
    return works ? WF_STACK_GUARD_MADVISE : WF_STACK_GUARD_MPROTECT;
}

int wf_guard_reserve(struct wf_stack_class *class, uint64_t want)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    uint64_t least = (uint64_t)SLOTS_MIN << class->shift;
    void *base = MAP_FAILED;

    if (want < least)
        want = least;
    want = (uint64_t)1 << (63 - __builtin_clzll(want)); /* rings beside it want a power of two */
    for (; want >= least; want /= 2) {
        base = mmap(NULL, want, PROT_NONE, flags, -1, 0);
        if (base != MAP_FAILED)
            break;
    }
    if (base == MAP_FAILED)
        return -ENOMEM;
    /* One touched page must cost one page. Fails where the kernel has no huge pages at all. */
    (void)madvise(base, want, MADV_NOHUGEPAGE);
    /* gdb's gcore writes mappings that cannot even be read, unless they are marked. */
    (void)madvise(base, want, MADV_DONTDUMP);

    uint32_t slots = (uint32_t)(want >> class->shift);
    uint32_t *tables =
        mmap(NULL, (size_t)slots * 3 * sizeof *tables, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (tables == MAP_FAILED) {
        munmap(base, want);
        return -ENOMEM;
    }
    class->slots = slots;
    class->warm = tables;
    class->cold = tables + slots;
    class->trim = tables + 2 * (size_t)slots;
    class->warm_pages = 8;
    class->open = 0;
    wf_store_rlx(&class->fresh, 0);
    wf_store_rlx(&class->canary_from, UINT32_MAX);
    wf_store_rel(&class->base, (uintptr_t)base); /* order: class-base */
    return 0;
}

void wf_guard_release(struct wf_stack_class *class)
{
    uintptr_t base = wf_load_rlx(&class->base);

    if (base == 0)
        return;
    wf_store_rlx(&class->base, 0);
    munmap((void *)base, (size_t) class->slots << class->shift);
    munmap(class->warm, (size_t) class->slots * 3 * sizeof *class->warm);
}

int wf_guard_open(struct wf_stack_class *class, uint32_t limit)
{
    if (limit <= class->open)
        return 0;
    uint64_t step = (uint64_t) class->open << class->shift; /* doubles */
    if (step < OPEN_STEP_MIN)
        step = OPEN_STEP_MIN;
    if (step > OPEN_STEP_MAX)
        step = OPEN_STEP_MAX;
    uint64_t target = class->open + (step >> class->shift);
    if (target < limit)
        target = limit;
    if (target > class->slots)
        target = class->slots;

    char *from = slot_start(class, class->open);
    size_t size = (size_t)(target - class->open) << class->shift;
    if (mprotect(from, size, PROT_READ | PROT_WRITE) != 0) {
        target = limit;
        size = (size_t)(target - class->open) << class->shift;
        if (mprotect(from, size, PROT_READ | PROT_WRITE) != 0)
            return -ENOMEM;
    }
    (void)madvise(from, size, MADV_DODUMP);
    class->open = (uint32_t)target;
    return 0;
}

static WF_ATOMIC(bool) one_by_one; /* any: process_madvise does not work here */

void wf_guard_one_by_one(void)
{
    wf_store_rlx(&one_by_one, true);
}

/* madvise over many ranges: one call for all where the kernel can, else one call each. Returns how
 * many ranges were done before the first failure. */
static uint32_t advise_ranges(const struct iovec *ranges, uint32_t count, int advice)
{
    if (count > 1 && !wf_load_rlx(&one_by_one)) {
        size_t want = 0;
        for (uint32_t i = 0; i < count; i++)
            want += ranges[i].iov_len;
        long done = syscall(SYS_process_madvise, SELF_PIDFD, ranges, (size_t)count, advice, 0);
        if (done == (long)want)
            return count;
        if (done < 0 && errno != ENOMEM && errno != EAGAIN && errno != EINTR)
            wf_store_rlx(&one_by_one, true);
    }
    for (uint32_t i = 0; i < count; i++) {
        int rc;
        do {
            rc = madvise(ranges[i].iov_base, ranges[i].iov_len, advice);
        } while (rc != 0 && errno == EINTR);
        if (rc != 0)
            return i;
    }
    return count;
}

static void warn_no_guard(void)
{
    static WF_ATOMIC(bool) warned; /* any: one line per process */

    if (!wf_xchg_rlx(&warned, true))
        wf_log(WF_LOG_WARN, "no more guards under fiber stacks: this kernel has no "
                            "MADV_GUARD_INSTALL (Linux 6.13) and mprotect guards are used up; "
                            "overflows are noticed only when a stack is released");
}

static uint32_t install_mprotect(struct wf_stack_pool *pool, struct wf_stack_class *class,
                                 uint32_t first, uint32_t count)
{
    uint32_t done = 0;

    for (; done < count; done++) {
        if (wf_load_rlx(&class->canary_from) <= first + done)
            break;
        if (wf_add_rlx(&pool->mprotected, 1) >= pool->config.mprotect_max) {
            wf_sub_rlx(&pool->mprotected, 1);
            break;
        }
        if (mprotect(slot_start(class, first + done), WF_STACK_GUARD, PROT_NONE) != 0) {
            wf_sub_rlx(&pool->mprotected, 1);
            break;
        }
    }
    return done;
}

uint32_t wf_guard_install(struct wf_stack_pool *pool, struct wf_stack_class *class, uint32_t first,
                          uint32_t count)
{
    struct iovec ranges[WF_GUARD_BATCH];
    uint32_t done = 0;

    WF_ASSERT(count <= WF_GUARD_BATCH);
    if (pool->guard == WF_STACK_GUARD_MADVISE) {
        for (uint32_t i = 0; i < count; i++)
            ranges[i] = (struct iovec){slot_start(class, first + i), WF_STACK_GUARD};
        return advise_ranges(ranges, count, MADV_GUARD_INSTALL);
    }
    if (pool->guard == WF_STACK_GUARD_MPROTECT)
        done = install_mprotect(pool, class, first, count);
    if (done < count) {
        /* Slots are guarded in ascending order, so one number tells which have none. */
        if (wf_load_rlx(&class->canary_from) > first + done)
            wf_store_rlx(&class->canary_from, first + done);
        warn_no_guard();
    }
    return count;
}

static int compare_slots(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

void wf_guard_trim(struct wf_stack_class *class, uint32_t *slots, uint32_t count)
{
    struct iovec ranges[WF_GUARD_BATCH];
    uint32_t used = 0;

    qsort(slots, count, sizeof *slots, compare_slots);
    for (uint32_t i = 0; i < count;) {
        uint32_t next = i + 1;
        while (next < count && slots[next] == slots[next - 1] + 1)
            next++;
        /* Guards survive MADV_DONTNEED. A range that fails keeps its memory: harmless. */
        ranges[used++] =
            (struct iovec){slot_start(class, slots[i]), (size_t)(next - i) * slot_size(class)};
        if (used == WF_GUARD_BATCH) {
            advise_ranges(ranges, used, MADV_DONTNEED);
            used = 0;
        }
        i = next;
    }
    if (used > 0)
        advise_ranges(ranges, used, MADV_DONTNEED);
}

uint32_t wf_guard_resident(const struct wf_stack_class *class, uint32_t index)
{
    const char *lo = slot_start(class, index) + WF_STACK_GUARD;
    size_t touched = wf_stack_high_water(lo, slot_start(class, index) + slot_size(class));
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return touched == 0 ? 1 : (uint32_t)(touched / page);
}
