/* SPDX-License-Identifier: Apache-2.0 */
/* guard.h - what stack.c asks of the kernel: reservations, guards, ranges given back */
#ifndef WF_GUARD_H
#define WF_GUARD_H

#include "runtime/fiber/stack.h"

/* Ranges in one process_madvise call; the kernel takes up to 1,024. */
#define WF_GUARD_BATCH 256

/* The best guard of this kernel. */
enum wf_stack_guard wf_guard_probe(void);

/* Never batch: Valgrind does not know process_madvise. */
void wf_guard_one_by_one(void);

/* Reserves slots and side tables. `want` bytes are halved down to 64 slots. 0 or -ENOMEM. */
int wf_guard_reserve(struct wf_stack_class *class, uint64_t want);
void wf_guard_release(struct wf_stack_class *class);

/* Makes slots below `limit` accessible. 0 or -ENOMEM. Lock pool held. */
int wf_guard_open(struct wf_stack_class *class, uint32_t limit);

/* Guards slots [first, first + count). Returns how many of them may be used, from the first on. */
uint32_t wf_guard_install(struct wf_stack_pool *pool, struct wf_stack_class *class, uint32_t first,
                          uint32_t count);

/* Gives the memory of these stacks back, neighbours in one range. Sorts slots[]. */
void wf_guard_trim(struct wf_stack_class *class, uint32_t *slots, uint32_t count);

/* Resident pages of a stack, for the estimate of what the depot holds. */
uint32_t wf_guard_resident(const struct wf_stack_class *class, uint32_t index);

#endif
