/* SPDX-License-Identifier: Apache-2.0 */
/*
 * solo.h - one worker and no other thread: synchronisation without locked instructions
 *
 * With one worker, and as long as no plain thread has called a function that threads may call, only
 * that worker touches the locks and task words of the runtime. Then a plain load and store do what
 * an exchange or a compare-and-swap would (each costs 2.5 to 6 ns here, ten of them make half of a
 * channel round trip). The flag is looked at by every such operation; a predicted branch is free.
 *
 * States: off -> on at the start of a run with one worker, unless a plain thread has ever come; on
 * -> off for the rest of the run when the first one comes. A plain thread says so first
 * (wf_solo_leave): it sets `seen` and, if the flag is on, asks the worker to turn it off and waits
 * until it has done so in its loop, where no task is inside of an operation and no lock is held.
 * order: solo - weft_run stores the flag, then reads `seen`; the thread stores `seen`, then reads
 * the flag (all seq_cst): one of them sees the other.
 *
 * Not covered, and always atomic: the inbox, the sleeping words, the shutdown words (signal
 * handlers use them), counters that tools read.
 */
#ifndef WF_SOLO_H
#define WF_SOLO_H

#include "runtime/base/atomic.h"

#ifdef WF_MODEL
static inline bool wf_solo(void)
{
    return false;
}
#else
extern WF_ATOMIC(uint32_t) wf_solo_flag; /* any: reads; the worker writes */

static inline bool wf_solo(void)
{
    return wf_load_rlx(&wf_solo_flag) != 0;
}
#endif

/* Swap of a word that only the runtime's threads write; see wf_cas_acqrel. */
#define wf_cas_solo(p, e, v)                                                                       \
    (wf_solo() ? (wf_store_rlx((p), (v)), true) : wf_cas_acqrel((p), (e), (v)))

#endif
