/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deque.h - a worker's bounded run queue: one owner, many thieves (spmc)
 *
 * Entries are 64-bit words, never 0. The owner pushes at the tail and takes at the head (first in,
 * first out: fair to I/O); thieves take up to half from the head. `head` only grows and is moved by
 * compare-and-swap; `tail` only grows and is stored by the owner. Both are 64 bits wide and do not
 * wrap. A taker copies the slots first and owns them only if its swap of `head` succeeds: a slot is
 * overwritten only after `head` has passed it, so a failed copy is thrown away.
 *
 * Invariants: head <= tail <= head + WF_DEQUE_CAP; each pushed entry is returned exactly once.
 *
 * order: deque-publish - the slot store is before the release store of `tail`; thieves load `tail`
 * with acquire. order: deque-reuse - the swap of `head` releases; the owner's acquire load of
 * `head` in push lets it overwrite only slots that were read. With more than one worker the store
 * of `tail` is seq_cst: see idle.h, order: idle-dekker.
 *
 * Not good for: LIFO use, other producers. Rejected: Chase-Lev (LIFO owner end starves old I/O; the
 * FIFO ring costs the same under a hammering thief).
 */
#ifndef WF_DEQUE_H
#define WF_DEQUE_H

#include <stddef.h>

#include "runtime/base/atomic.h"

#ifndef WF_DEQUE_CAP
#define WF_DEQUE_CAP 256u /* a power of two */
#endif
#define WF_DEQUE_MASK (WF_DEQUE_CAP - 1)

struct wf_deque {
    _Alignas(128) WF_ATOMIC(uint64_t) head;  /* any: next entry to take */
    _Alignas(128) WF_ATOMIC(uint64_t) tail;  /* owner: next free slot */
    bool shared;                             /* const: other workers exist */
    _Alignas(128) WF_ATOMIC(uint64_t) slot[WF_DEQUE_CAP];
};
_Static_assert(offsetof(struct wf_deque, tail) - offsetof(struct wf_deque, head) >= 128,
               "owner and thief words stand on separate cache lines");

static inline void wf_deque_init(struct wf_deque *d, bool shared)
{
    wf_store_rlx(&d->head, 0);
    wf_store_rlx(&d->tail, 0);
    d->shared = shared;
}

/* wf_deque_push - owner: append; false when full */
static inline bool wf_deque_push(struct wf_deque *d, uint64_t entry)
{
    uint64_t t = wf_load_rlx(&d->tail);
    if (t - wf_load_acq(&d->head) >= WF_DEQUE_CAP) /* order: deque-reuse */
        return false;
    wf_store_rlx(&d->slot[t & WF_DEQUE_MASK], entry);
    if (d->shared)
        wf_store_sc(&d->tail, t + 1); /* order: deque-publish, idle-dekker */
    else
        wf_store_rel(&d->tail, t + 1); /* order: deque-publish */
    return true;
}

/* wf_deque_take - owner: the oldest entry, 0 when empty */
static inline uint64_t wf_deque_take(struct wf_deque *d)
{
    uint64_t t = wf_load_rlx(&d->tail);
    uint64_t h = wf_load_acq(&d->head);
    while (h != t) {
        uint64_t entry = wf_load_rlx(&d->slot[h & WF_DEQUE_MASK]);
        if (!d->shared) {
            wf_store_rlx(&d->head, h + 1); /* no thieves */
            return entry;
        }
        if (wf_cas_acqrel(&d->head, &h, h + 1)) /* order: deque-reuse */
            return entry;
    }
    return 0;
}

/* wf_deque_len - how many entries there seem to be; exact for the owner's own pushes */
static inline unsigned wf_deque_len(struct wf_deque *d)
{
    uint64_t h = wf_load_acq(&d->head);
    uint64_t t = wf_load_sc(&d->tail); /* order: idle-dekker */
    return t > h ? (unsigned)(t - h) : 0;
}

/*
 * wf_deque_steal - thief: move up to half (rounded up) of the entries, max at most, to out
 * Returns how many. Gives up (0) instead of fighting when another taker was faster.
 */
unsigned wf_deque_steal(struct wf_deque *d, uint64_t *out, unsigned max);

/* wf_deque_shed - owner: take the older half out, to make room. Returns how many */
unsigned wf_deque_shed(struct wf_deque *d, uint64_t out[WF_DEQUE_CAP / 2]);

#endif
