/* SPDX-License-Identifier: Apache-2.0 */
/* parked.h - registers of a parked fiber, from the frame that the switch left on its stack */
#ifndef WF_PARKED_H
#define WF_PARKED_H

#include "tools/weft/snap_load.h"

#define PARKED_REGS_MAX 18

struct parked_reg {
    int dwarf; /* register number in DWARF */
    uint64_t value;
};

struct parked {
    uint64_t pc, sp, fp;
    struct parked_reg reg[PARKED_REGS_MAX];
    size_t reg_count;
};

/* parked_read - false if the stack does not hold a frame */
bool parked_read(const struct snap *s, const struct snap_stack *stack, struct parked *out);

/* parked_word - the word at an address of the stack; false if it was not collected */
bool parked_word(const struct snap_stack *stack, uint64_t addr, uint64_t *value);

/* parked_walk - follow frame pointers: what is left when there are no unwind tables */
size_t parked_walk(const struct snap_stack *stack, const struct parked *regs, uint64_t *pcs,
                   size_t room, bool *whole);

#endif
