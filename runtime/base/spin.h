/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spin.h - a four-byte lock for critical sections of a few instructions
 *
 * One exchange to take, one release store to give. Good for words inside tasks, channels and scopes
 * that are almost never contended; not good for anything that may block, allocate or call out.
 * A waiter backs off exponentially, which lets the holder's core run on (a fair hand-over would
 * move the line at every step), and gives its time slice away when the holder seems to be
 * descheduled.
 *
 * order: spin - the release store of the unlock pairs with the acquire exchange of the next lock.
 */
#ifndef WF_SPIN_H
#define WF_SPIN_H

#include "runtime/base/solo.h"

struct wf_spin {
    WF_ATOMIC(uint32_t) word; /* any: 0 free, 1 held */
};

void wf_spin_wait(struct wf_spin *lock);

static inline void wf_spin_lock(struct wf_spin *lock)
{
    if (wf_solo())
        wf_store_rlx(&lock->word, 1);
    else if (__builtin_expect(wf_xchg_acq(&lock->word, 1), 0)) /* order: spin */
        wf_spin_wait(lock);
}

static inline void wf_spin_unlock(struct wf_spin *lock)
{
    wf_store_rel(&lock->word, 0); /* order: spin */
}

#endif
