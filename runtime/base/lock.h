/* SPDX-License-Identifier: Apache-2.0 */
/* lock.h - a mutex for short critical sections of this library: spin, back off, then sleep
 *
 * Taking a free lock is one exchange, releasing it is one store: no second locked instruction.
 * lock.c explains why no wake-up is lost all the same. A fiber must not suspend while its thread
 * holds one (wf_locks_held), and the address is only a key once the lock is released: the memory of
 * a lock may be freed by the next holder while wf_unlock is still on its way out.
 */
#ifndef WF_LOCK_H
#define WF_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/atomic.h"
#include "runtime/base/lockrank.h"

#ifndef WF_LOCK_DEBUG
#define WF_LOCK_DEBUG 0
#endif

enum { WF_LOCK_FREE = 0, WF_LOCK_HELD = 1 };

struct wf_lock {
    WF_ATOMIC(uint32_t) word; /* any: WF_LOCK_FREE or WF_LOCK_HELD */
#if WF_LOCK_DEBUG
    enum wf_lock_rank rank; /* const: */
#endif
};

#if WF_LOCK_DEBUG
#define WF_LOCK_INIT(rank_)                   \
    {                                         \
        .word = WF_LOCK_FREE, .rank = (rank_) \
    }
#else
#define WF_LOCK_INIT(rank_)  \
    {                        \
        .word = WF_LOCK_FREE \
    }
#endif

/* How many sleepers some lock of this bucket may have. any: */
#define WF_LOCK_BUCKETS 256
extern WF_ATOMIC(uint32_t) wf_lock_sleepers[WF_LOCK_BUCKETS];

void wf_lock_slow(struct wf_lock *lock);
void wf_lock_wake(struct wf_lock *lock);
void wf_lock_note_acquire(struct wf_lock *lock, bool may_block);
void wf_lock_note_release(struct wf_lock *lock);

/* Number of locks the calling thread holds; 0 in builds without WF_LOCK_DEBUG. */
unsigned wf_locks_held(void);

static inline unsigned wf_lock_bucket(const struct wf_lock *lock)
{
    uintptr_t key = (uintptr_t)lock;
    return (unsigned)((key >> 4) ^ (key >> 12)) % WF_LOCK_BUCKETS;
}

static inline void wf_lock_init(struct wf_lock *lock, enum wf_lock_rank rank)
{
    wf_store_rlx(&lock->word, (uint32_t)WF_LOCK_FREE);
#if WF_LOCK_DEBUG
    lock->rank = rank;
#else
    (void)rank;
#endif
}

static inline void wf_lock(struct wf_lock *lock)
{
#if WF_LOCK_DEBUG
    wf_lock_note_acquire(lock, true);
#endif
    /* order: lock-handover */
    if (__builtin_expect(wf_xchg_acq(&lock->word, (uint32_t)WF_LOCK_HELD) != WF_LOCK_FREE, 0))
        wf_lock_slow(lock);
}

/* True if the lock was free and is now held. */
static inline bool wf_trylock(struct wf_lock *lock)
{
    if (wf_load_rlx(&lock->word) != WF_LOCK_FREE)
        return false;
    /* order: lock-handover */
    if (wf_xchg_acq(&lock->word, (uint32_t)WF_LOCK_HELD) != WF_LOCK_FREE)
        return false;
#if WF_LOCK_DEBUG
    wf_lock_note_acquire(lock, false);
#endif
    return true;
}

static inline void wf_unlock(struct wf_lock *lock)
{
#if WF_LOCK_DEBUG
    wf_lock_note_release(lock);
#endif
    /* order: lock-handover */
    wf_store_rel(&lock->word, (uint32_t)WF_LOCK_FREE);
#ifndef WF_MODEL
    /* order: lock-sleep. Keeps the compiler from moving the load above the store; the sleeper's
     * membarrier does the same to the processor. */
    __asm__ volatile("" ::: "memory");
    if (__builtin_expect(wf_load_rlx(&wf_lock_sleepers[wf_lock_bucket(lock)]) != 0, 0))
        wf_lock_wake(lock);
#endif
}

/* Is it held by anyone? For assertions only. */
static inline bool wf_lock_is_held(struct wf_lock *lock)
{
    return wf_load_rlx(&lock->word) != WF_LOCK_FREE;
}

#endif
