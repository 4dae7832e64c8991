/* SPDX-License-Identifier: Apache-2.0 */
/* lock.c - the slow paths of the short mutex, and the rank check
 *
 * States of the word: FREE -> HELD by the exchange that found FREE, HELD -> FREE by the holder's
 * store. Sleepers are counted outside the lock, in a static table of buckets keyed by its address,
 * so that wf_unlock touches no memory of the lock after the store that gives it away: the next
 * holder may free it.
 *
 * order: lock-handover. The release store of FREE pairs with the acquire exchange that reads it:
 * what the last holder wrote is seen by the next one.
 *
 * order: lock-sleep. wf_unlock stores the word and then loads the bucket, the sleeper raises the
 * bucket and then loads the word: without a full barrier on each side both could read the old
 * value, and the sleeper would sleep beside a free lock. The sleeper pays for both sides: its
 * membarrier system call runs a full barrier on every processor that runs a thread of this process.
 * An unlock whose load of the bucket came before that barrier has its store of the word before it
 * too, so the sleeper then reads FREE (and futex compares the word once more); an unlock whose load
 * comes after it reads the raised bucket and wakes. Where the kernel forbids membarrier the sleep
 * is bounded to 1 ms instead.
 *
 * The bucket only decides whether to call the kernel; whom to wake is decided by the lock's
 * address. A futex call on an address that is unmapped or used anew wakes nobody, or somebody who
 * rechecks.
 *
 * Rejected: the three-state futex mutex. It needs an exchange to unlock (5-7 ns, as much again as
 * the lock), which a channel operation cannot afford; a sleeper is rare, a release is not.
 */
#include "runtime/base/lock.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/assert.h"

/* Pauses between looks at the word double up to this; then the thread sleeps. */
#define BACKOFF_FIRST     4
#define BACKOFF_LIMIT     512
#define FALLBACK_SLEEP_NS 1000000

WF_ATOMIC(uint32_t) wf_lock_sleepers[WF_LOCK_BUCKETS];

/* any: whether the process may use the expedited membarrier. */
enum { BARRIER_UNKNOWN, BARRIER_YES, BARRIER_NO };
static WF_ATOMIC(uint32_t) barrier_state = BARRIER_UNKNOWN;

static void barrier_register(void)
{
    long rc = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
    wf_store_rlx(&barrier_state, rc == 0 ? (uint32_t)BARRIER_YES : (uint32_t)BARRIER_NO);
}

/* True if every running thread of the process has passed a full barrier. */
static bool barrier_everywhere(void)
{
    if (wf_load_rlx(&barrier_state) == BARRIER_UNKNOWN)
        barrier_register();
    return wf_load_rlx(&barrier_state) == BARRIER_YES &&
           syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
}

static bool take_if_free(struct wf_lock *lock)
{
    /* order: lock-handover */
    return wf_load_rlx(&lock->word) == WF_LOCK_FREE &&
           wf_xchg_acq(&lock->word, (uint32_t)WF_LOCK_HELD) == WF_LOCK_FREE;
}

static void sleep_until_taken(struct wf_lock *lock)
{
    WF_ATOMIC(uint32_t) *sleepers = &wf_lock_sleepers[wf_lock_bucket(lock)];
    const struct timespec bounded = {.tv_nsec = FALLBACK_SLEEP_NS};
    wf_add_sc(sleepers, 1); /* order: lock-sleep */
    const struct timespec *timeout = barrier_everywhere() ? NULL : &bounded;
    while (!take_if_free(lock))
        syscall(SYS_futex, &lock->word, FUTEX_WAIT_PRIVATE, WF_LOCK_HELD, timeout, NULL, 0);
    uint32_t before = wf_sub_rlx(sleepers, 1);
    WF_ASSERT(before > 0);
}

void wf_lock_slow(struct wf_lock *lock)
{
    int saved = errno;
    for (unsigned pauses = BACKOFF_FIRST; pauses <= BACKOFF_LIMIT; pauses *= 2) {
        for (unsigned i = 0; i < pauses; i++)
            wf_spin_hint();
        if (take_if_free(lock))
            return;
    }
    sleep_until_taken(lock);
    errno = saved;
}

void wf_lock_wake(struct wf_lock *lock)
{
    int saved = errno;
    syscall(SYS_futex, &lock->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    errno = saved;
}

#if WF_LOCK_DEBUG

#define HELD_MAX 64

/* owner: this thread. A lock is never held over a suspension, so the address of this cannot change
 * between a lock and its unlock. */
static _Thread_local struct {
    unsigned count;
    struct wf_lock *locks[HELD_MAX];
} held;

__attribute__((noinline)) void wf_lock_note_acquire(struct wf_lock *lock, bool may_block)
{
    WF_CHECK(held.count < HELD_MAX);
    for (unsigned i = 0; may_block && i < held.count; i++) {
        struct wf_lock *other = held.locks[i];
        WF_CHECK(other != lock);
        WF_CHECK(other->rank < lock->rank || (other->rank == lock->rank && other < lock));
    }
    held.locks[held.count++] = lock;
}

__attribute__((noinline)) void wf_lock_note_release(struct wf_lock *lock)
{
    unsigned i = held.count;
    while (i > 0 && held.locks[i - 1] != lock)
        i--;
    WF_CHECK(i > 0);
    WF_CHECK(wf_lock_is_held(lock));
    held.count--;
    for (i--; i < held.count; i++)
        held.locks[i] = held.locks[i + 1];
}

__attribute__((noinline)) unsigned wf_locks_held(void)
{
    return held.count;
}

#else

void wf_lock_note_acquire(struct wf_lock *lock, bool may_block)
{
    (void)lock;
    (void)may_block;
}

void wf_lock_note_release(struct wf_lock *lock)
{
    (void)lock;
}

unsigned wf_locks_held(void)
{
    return 0;
}

#endif
