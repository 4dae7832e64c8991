/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task_state.h - the state word of a task and its transitions
 *
 * One 64-bit word decides every race about a task: who starts it, who ends its park, who takes its
 * result. Bits:
 *
 *   0-1   phase    FREE -> QUEUED (spawned, an entry stands in some queue) -> LIVE -> DONE -> FREE
 *   2     WAITING  suspended, off its stack, may be woken
 *   3     IO       with WAITING: only the completion of an operation may end the park
 *   4     FIRM     with WAITING: not cancellable
 *   5     CANCEL   some source of cancellation is set: look before you suspend
 *   6     HANDLE   a handle exists that was neither awaited nor detached
 *   7     JOINER   somebody registered for the end of the task
 *   8     POSTED   with WAITING|IO: a cancel is on its way to the operation's worker
 *   26-63 epoch    grows by one at each start of a life and each park; never reset
 *
 * Transitions and who makes them (each is one compare-and-swap on the whole word):
 *   spawn    FREE -> QUEUED, epoch+1           the spawner, owner of the free slot (plain store)
 *   claim    QUEUED -> LIVE                    a worker that popped the entry, or the awaiter; the
 *                                              epoch of the queue entry must match: stale ones lose
 *   park     LIVE -> LIVE|WAITING, epoch+1     the worker, after the task has left its stack
 *   wake     LIVE|WAITING -> LIVE              exactly one of waker, timer, cancel; the epoch of
 *   the
 *                                              ticket must match
 *   cancel   sets CANCEL; for a plain park also ends it, in the same swap
 *   join     sets JOINER, clears HANDLE        the awaiter; fails when DONE is already set
 *   finish   LIVE -> DONE                      the worker that ran it
 *   free     DONE -> FREE                      whoever cleared HANDLE or was the joiner; plain
 *   store
 *
 * Invariants: (1) a task is claimed once per life; (2) one winner per park; (3) after DONE exactly
 * one party frees: the joiner if JOINER, else the one that clears HANDLE, else (no HANDLE) the
 * finisher; (4) the fiber of a task with WAITING is not on a CPU.
 *
 * order: task-word - every swap is acquire-release: what the loser of a race wrote before is seen
 * by the winner, and the fields of a parked task are complete before WAITING can be seen.
 */
#ifndef WF_TASK_STATE_H
#define WF_TASK_STATE_H

#include "runtime/base/solo.h"

#define WF_TS_PHASE UINT64_C(3)
#define WF_TS_FREE UINT64_C(0)
#define WF_TS_QUEUED UINT64_C(1)
#define WF_TS_LIVE UINT64_C(2)
#define WF_TS_DONE UINT64_C(3)
#define WF_TS_WAITING UINT64_C(0x4)
#define WF_TS_IO UINT64_C(0x8)
#define WF_TS_FIRM UINT64_C(0x10)
#define WF_TS_CANCEL UINT64_C(0x20)
#define WF_TS_HANDLE UINT64_C(0x40)
#define WF_TS_JOINER UINT64_C(0x80)
#define WF_TS_POSTED UINT64_C(0x100)
#define WF_TS_PARK_BITS (WF_TS_WAITING | WF_TS_IO | WF_TS_FIRM | WF_TS_POSTED)
#define WF_TS_EPOCH_SHIFT 26
#define WF_TS_EPOCH_ONE (UINT64_C(1) << WF_TS_EPOCH_SHIFT)

typedef WF_ATOMIC(uint64_t) wf_task_word;

static inline uint64_t wf_ts_epoch(uint64_t s)
{
    return s >> WF_TS_EPOCH_SHIFT;
}

/* wf_ts_spawn - begin a life; the caller owns the free slot. Returns the epoch of the queue
 * entry */
static inline uint64_t wf_ts_spawn(wf_task_word *w, uint64_t flags)
{
    uint64_t s = wf_load_rlx(w);
    uint64_t epoch = wf_ts_epoch(s) + 1;
    wf_store_rel(w, epoch << WF_TS_EPOCH_SHIFT | flags | WF_TS_QUEUED); /* order: task-word */
    return epoch;
}

/* wf_ts_claim - take a task that was spawned with `epoch` for running. False: somebody else has */
static inline bool wf_ts_claim(wf_task_word *w, uint64_t epoch)
{
    uint64_t s = wf_load_acq(w);
    while ((s & WF_TS_PHASE) == WF_TS_QUEUED && wf_ts_epoch(s) == epoch) {
        if (wf_cas_solo(w, &s, (s & ~WF_TS_PHASE) | WF_TS_LIVE)) /* order: task-word */
            return true;
    }
    return false;
}

/*
 * wf_ts_park - publish the running task as waiting, epoch+1
 * @mode: 0, WF_TS_IO or WF_TS_FIRM
 * Returns false, and changes nothing but the epoch, when a plain park finds CANCEL set.
 */
static inline bool wf_ts_park(wf_task_word *w, uint64_t mode)
{
    uint64_t s = wf_load_rlx(w);
    for (;;) {
        uint64_t n = s + WF_TS_EPOCH_ONE;
        bool park = mode != 0 || (s & WF_TS_CANCEL) == 0;
        if (park)
            n |= WF_TS_WAITING | mode;
        if (wf_cas_solo(w, &s, n)) /* order: task-word */
            return park;
    }
}

/* wf_ts_wake - end the park of `epoch`. False: it has ended, or its cancel post is under way */
static inline bool wf_ts_wake(wf_task_word *w, uint64_t epoch)
{
    uint64_t s = wf_load_acq(w);
    while ((s & WF_TS_WAITING) != 0 && wf_ts_epoch(s) == epoch && (s & WF_TS_POSTED) == 0) {
        if (wf_cas_solo(w, &s, s & ~WF_TS_PARK_BITS)) /* order: task-word */
            return true;
    }
    return false;
}

enum wf_ts_cancel_result {
    WF_TS_CANCEL_NOTED, /* the task will see it */
    WF_TS_CANCEL_WOKE,  /* the caller ended its park and must make it runnable */
    WF_TS_CANCEL_POST,  /* an operation must be cancelled on its worker; the frame is pinned */
    WF_TS_CANCEL_LATE,  /* the task has ended */
};

/* wf_ts_cancel - set CANCEL, and act on the park if there is one */
static inline enum wf_ts_cancel_result wf_ts_cancel(wf_task_word *w)
{
    uint64_t s = wf_load_acq(w);
    for (;;) {
        uint64_t phase = s & WF_TS_PHASE;
        uint64_t n = s | WF_TS_CANCEL;
        enum wf_ts_cancel_result r = WF_TS_CANCEL_NOTED;
        if (phase == WF_TS_FREE || phase == WF_TS_DONE)
            return WF_TS_CANCEL_LATE;
        if ((s & WF_TS_WAITING) != 0 && (s & WF_TS_FIRM) == 0) {
            if ((s & WF_TS_IO) == 0) {
                n &= ~WF_TS_PARK_BITS;
                r = WF_TS_CANCEL_WOKE;
            } else if ((s & WF_TS_POSTED) == 0) {
                n |= WF_TS_POSTED;
                r = WF_TS_CANCEL_POST;
            }
        }
        if (wf_cas_sc(w, &s, n)) /* order: task-word, cancel-inner (cancel.c) */
            return r;
    }
}

/* wf_ts_unpost - the cancel post has been handled on the operation's worker */
static inline void wf_ts_unpost(wf_task_word *w)
{
    wf_and_acqrel(w, ~WF_TS_POSTED); /* order: task-word */
}

/* wf_ts_join - register a joiner (its fields are written before). False: the task is DONE */
static inline bool wf_ts_join(wf_task_word *w)
{
    uint64_t s = wf_load_acq(w);
    while ((s & WF_TS_PHASE) != WF_TS_DONE) {
        if (wf_cas_solo(w, &s, (s | WF_TS_JOINER) & ~WF_TS_HANDLE)) /* order: task-word */
            return true;
    }
    return false;
}

/* wf_ts_finish - LIVE -> DONE. Returns the word before: JOINER and HANDLE say who comes next */
static inline uint64_t wf_ts_finish(wf_task_word *w)
{
    uint64_t s = wf_load_rlx(w);
    while (!wf_cas_solo(w, &s, s | WF_TS_DONE)) /* order: task-word */
        ;
    return s;
}

/* wf_ts_drop_handle - clear HANDLE. Returns the word before */
static inline uint64_t wf_ts_drop_handle(wf_task_word *w)
{
    return wf_and_acqrel(w, ~WF_TS_HANDLE); /* order: task-word */
}

/* wf_ts_free - end of a life; the caller is the one that may free */
static inline void wf_ts_free(wf_task_word *w)
{
    uint64_t s = wf_load_rlx(w);
    wf_store_rel(w, wf_ts_epoch(s) << WF_TS_EPOCH_SHIFT | WF_TS_FREE); /* order: task-word */
}

#endif
