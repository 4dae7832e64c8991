/* SPDX-License-Identifier: Apache-2.0 */
/* spin.c - waiting for a spin lock */
#include "runtime/base/spin.h"

#include <sched.h>

#include "runtime/arch/cpu.h"

enum { BACKOFF_FIRST = 32, BACKOFF_MAX = 512, SPINS_BEFORE_YIELD = 64 };

void wf_spin_wait(struct wf_spin *lock)
{
    unsigned backoff = BACKOFF_FIRST;
    for (unsigned spins = 0;; spins++) {
        while (wf_load_rlx(&lock->word) != 0) {
            for (unsigned i = 0; i < backoff; i++)
                wf_cpu_relax();
            wf_spin_hint();
            if (backoff < BACKOFF_MAX)
                backoff *= 2;
            else if (++spins > SPINS_BEFORE_YIELD)
                sched_yield();
        }
        if (wf_xchg_acq(&lock->word, 1) == 0) /* order: spin */
            return;
    }
}
