/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parked.c - registers of a parked fiber, from the frame that the switch left on its stack
 *
 * The layout is that of runtime/arch/frame.h for either processor: a snapshot may come from another
 * machine, so the offsets are spelled out here and checked against that file where they can be.
 */
#include "tools/weft/parked.h"

#include <elf.h>
#include <string.h>

#include "runtime/arch/frame.h"

struct slot {
    int dwarf;
    uint32_t offset; /* from the frame's base */
};

#define X86_PC   48
#define X86_RBP  40
#define X86_SIZE 56
#define ARM_PC   8
#define ARM_SIZE 160

#define DWARF_X86_SP 7
#define DWARF_ARM_SP 31

static const struct slot x86_slots[] = {
    {15, 0}, {14, 8}, {13, 16}, {12, 24}, {3 /* rbx */, 32}, {6 /* rbp */, X86_RBP},
};

static const struct slot arm_slots[] = {
    {29, 0},  {30, ARM_PC}, {19, 16}, {20, 24}, {21, 32}, {22, 40},
    {23, 48}, {24, 56},     {25, 64}, {26, 72}, {27, 80}, {28, 88},
};

#if defined(__x86_64__)
_Static_assert(WF_FRAME_R15 == WF_FRAME_BASE && WF_FRAME_RBP == WF_FRAME_BASE + X86_RBP &&
                   WF_FRAME_PC == WF_FRAME_BASE + X86_PC,
               "the table of frame.h");
#elif defined(__aarch64__)
_Static_assert(WF_FRAME_X29 == 0 && WF_FRAME_PC == ARM_PC && WF_FRAME_X27 == 80,
               "the table of frame.h");
#endif

bool parked_word(const struct snap_stack *stack, uint64_t addr, uint64_t *value)
{
    const struct wf_snap_stack *info = stack->info;
    if (addr < info->sp || info->size < 8 || addr - info->sp > info->size - 8u)
        return false;
    memcpy(value, stack->bytes + (addr - info->sp), 8);
    return true;
}

static bool take_slots(const struct snap_stack *stack, uint64_t base, const struct slot *slots,
                       size_t count, struct parked *out)
{
    for (size_t i = 0; i < count; i++) {
        struct parked_reg *reg = &out->reg[out->reg_count++];
        reg->dwarf = slots[i].dwarf;
        if (!parked_word(stack, base + slots[i].offset, &reg->value))
            return false;
    }
    return true;
}

bool parked_read(const struct snap *s, const struct snap_stack *stack, struct parked *out)
{
    memset(out, 0, sizeof(*out));
    uint64_t base = stack->info->sp + s->control->frame_base;
    bool x86 = s->header->machine == EM_X86_64;
    uint32_t size = s->control->frame_size;
    if (size == 0)
        size = x86 ? X86_SIZE : ARM_SIZE;
    out->sp = stack->info->sp + size;
    out->reg[out->reg_count++] = (struct parked_reg){x86 ? DWARF_X86_SP : DWARF_ARM_SP, out->sp};
    if (x86)
        return take_slots(stack, base, x86_slots, sizeof(x86_slots) / sizeof(x86_slots[0]), out) &&
               parked_word(stack, base + X86_RBP, &out->fp) &&
               parked_word(stack, base + X86_PC, &out->pc);
    return take_slots(stack, base, arm_slots, sizeof(arm_slots) / sizeof(arm_slots[0]), out) &&
           parked_word(stack, base, &out->fp) && parked_word(stack, base + ARM_PC, &out->pc);
}

/* Both processors: at fp the caller's fp, above it the return address. A frame pointer must grow,
 * or code without frame pointers would send this round in circles. */
size_t parked_walk(const struct snap_stack *stack, const struct parked *regs, uint64_t *pcs,
                   size_t room, bool *whole)
{
    size_t count = 0;
    uint64_t fp = regs->fp;
    uint64_t next = 0, pc = 0;
    *whole = false;
    if (room > 0)
        pcs[count++] = regs->pc;
    while (count < room && fp != 0) {
        if (!parked_word(stack, fp, &next) || !parked_word(stack, fp + 8, &pc) || pc == 0)
            return count;
        pcs[count++] = pc;
        if (next != 0 && next <= fp)
            return count;
        fp = next;
    }
    *whole = fp == 0;
    return count;
}
