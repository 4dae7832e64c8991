/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idle.h - who searches, who sleeps, and who wakes whom
 *
 * Each worker is running, searching or sleeping. One shared word counts the searching (high half)
 * and the sleeping (low half) workers; each worker has a `sleeping` word of its own.
 *
 *   running   -> searching  wf_idle_search_begin: only while fewer than half of the workers search
 *   searching -> running    wf_idle_search_end: found work; the last searcher to go wakes another
 *   running   -> sleeping   wf_idle_sleep_begin, then a recheck of every queue, then the driver
 *   sleeping  -> running    wf_idle_sleep_end: by itself (completion, timer, recheck found work)
 *   sleeping  -> searching  wf_idle_pick: by a waker, which must then call the driver's wake once
 *
 * Invariants: (1) a sleeping word is taken back exactly once, by a waker or by its worker;
 * (2) when work was queued and no worker searches, then no worker sleeps unless somebody is waking
 * one: no lost wake-up.
 *
 * order: idle-dekker - the pusher stores its entry (seq_cst) and then loads the shared word; the
 * sleeper publishes (seq_cst) and then loads the queues. One of them sees the other. All of it is
 * seq_cst on purpose: it runs once per sleep and once per push while several workers exist.
 */
#ifndef WF_IDLE_H
#define WF_IDLE_H

#include "runtime/base/atomic.h"

#define WF_IDLE_SEARCH_ONE (UINT64_C(1) << 32)
#define WF_IDLE_SLEEP_ONE UINT64_C(1)

struct wf_idle {
    WF_ATOMIC(uint64_t) counts; /* any: searching << 32 | sleeping */
    unsigned workers;           /* const */
};

static inline unsigned wf_idle_searching(uint64_t counts)
{
    return (unsigned)(counts >> 32);
}

static inline unsigned wf_idle_sleeping(uint64_t counts)
{
    return (unsigned)counts;
}

/* wf_idle_search_begin - become a searcher; false: enough of them search already */
static inline bool wf_idle_search_begin(struct wf_idle *idle)
{
    uint64_t c = wf_load_rlx(&idle->counts);
    do {
        if (wf_idle_searching(c) * 2 >= idle->workers)
            return false;
    } while (!wf_cas_sc(&idle->counts, &c, c + WF_IDLE_SEARCH_ONE));
    return true;
}

/* wf_idle_search_end - no longer a searcher. True: it was the last one and others sleep */
static inline bool wf_idle_search_end(struct wf_idle *idle)
{
    uint64_t c = wf_sub_sc(&idle->counts, WF_IDLE_SEARCH_ONE);
    return wf_idle_searching(c) == 1 && wf_idle_sleeping(c) > 0;
}

/* wf_idle_sleep_begin - publish that this worker sleeps; recheck all queues afterwards */
static inline void wf_idle_sleep_begin(struct wf_idle *idle, WF_ATOMIC(uint32_t) *sleeping)
{
    wf_store_sc(sleeping, 1);                    /* order: idle-dekker */
    wf_add_sc(&idle->counts, WF_IDLE_SLEEP_ONE); /* order: idle-dekker */
}

/* wf_idle_sleep_end - awake. True: a waker took the word back and made this worker a searcher */
static inline bool wf_idle_sleep_end(struct wf_idle *idle, WF_ATOMIC(uint32_t) *sleeping)
{
    if (wf_xchg_sc(sleeping, 0) == 0)
        return true;
    wf_sub_sc(&idle->counts, WF_IDLE_SLEEP_ONE);
    return false;
}

/* wf_idle_wanted - after a push: is there a sleeper and nobody searching? */
static inline bool wf_idle_wanted(struct wf_idle *idle)
{
    uint64_t c = wf_load_sc(&idle->counts); /* order: idle-dekker */
    return wf_idle_sleeping(c) > 0 && wf_idle_searching(c) == 0;
}

/*
 * wf_idle_pick - take a worker's sleeping word back. True: it was asleep, it counts as a searcher
 * now, and the caller must wake its driver.
 */
static inline bool wf_idle_pick(struct wf_idle *idle, WF_ATOMIC(uint32_t) *sleeping)
{
    if (wf_load_sc(sleeping) == 0 || wf_xchg_sc(sleeping, 0) == 0) /* order: idle-dekker */
        return false;
    wf_add_sc(&idle->counts, WF_IDLE_SEARCH_ONE - WF_IDLE_SLEEP_ONE);
    return true;
}

#endif
