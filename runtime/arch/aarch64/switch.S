/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switch.S - the context switch for aarch64, AAPCS64 calling convention
 *
 *   void *wf_arch_switch(void **save_sp, void *load_sp, void *pass);
 *                        x0              x1             x2          result: x0
 *
 * Saved by the call: x19-x30 and the low halves of v8-v15, in the order of the table in frame.h
 * (and fpcr under WEFT_SAVE_FPCW). Both stacks have the same layout at the point where sp changes,
 * so one description of the frame is right before and after it. x30 is stored as it is: a caller
 * built with return address signing keeps its own signed copy in its own frame.
 */
#include "runtime/arch/frame.h"

#define BTI_C hint #34

    .text

    .globl wf_arch_switch
    .hidden wf_arch_switch
    .type wf_arch_switch, %function
    .p2align 6
wf_arch_switch:
    .cfi_startproc
    BTI_C
    sub sp, sp, #WF_FRAME_SIZE
    .cfi_adjust_cfa_offset WF_FRAME_SIZE
    stp x29, x30, [sp, #WF_FRAME_X29]
    .cfi_rel_offset x29, WF_FRAME_X29
    .cfi_rel_offset x30, WF_FRAME_PC
    stp x19, x20, [sp, #WF_FRAME_X19]
    .cfi_rel_offset x19, WF_FRAME_X19
    .cfi_rel_offset x20, WF_FRAME_X20
    stp x21, x22, [sp, #WF_FRAME_X21]
    .cfi_rel_offset x21, WF_FRAME_X21
    .cfi_rel_offset x22, WF_FRAME_X21 + 8
    stp x23, x24, [sp, #WF_FRAME_X23]
    .cfi_rel_offset x23, WF_FRAME_X23
    .cfi_rel_offset x24, WF_FRAME_X23 + 8
    stp x25, x26, [sp, #WF_FRAME_X25]
    .cfi_rel_offset x25, WF_FRAME_X25
    .cfi_rel_offset x26, WF_FRAME_X25 + 8
    stp x27, x28, [sp, #WF_FRAME_X27]
    .cfi_rel_offset x27, WF_FRAME_X27
    .cfi_rel_offset x28, WF_FRAME_X27 + 8
    stp d8, d9, [sp, #WF_FRAME_D8]
    stp d10, d11, [sp, #WF_FRAME_D10]
    stp d12, d13, [sp, #WF_FRAME_D12]
    stp d14, d15, [sp, #WF_FRAME_D14]
    .cfi_rel_offset d8, WF_FRAME_D8
    .cfi_rel_offset d9, WF_FRAME_D8 + 8
    .cfi_rel_offset d10, WF_FRAME_D10
    .cfi_rel_offset d11, WF_FRAME_D10 + 8
    .cfi_rel_offset d12, WF_FRAME_D12
    .cfi_rel_offset d13, WF_FRAME_D12 + 8
    .cfi_rel_offset d14, WF_FRAME_D14
    .cfi_rel_offset d15, WF_FRAME_D14 + 8
#ifdef WEFT_SAVE_FPCW
    mrs x3, fpcr
    str x3, [sp, #WF_FRAME_FPCW]
#endif
    mov x3, sp
    str x3, [x0]
    mov sp, x1
    mov x0, x2
#ifdef WEFT_SAVE_FPCW
    ldr x3, [sp, #WF_FRAME_FPCW]
    msr fpcr, x3
#endif
    ldp d14, d15, [sp, #WF_FRAME_D14]
    ldp d12, d13, [sp, #WF_FRAME_D12]
    ldp d10, d11, [sp, #WF_FRAME_D10]
    ldp d8, d9, [sp, #WF_FRAME_D8]
    ldp x27, x28, [sp, #WF_FRAME_X27]
    ldp x25, x26, [sp, #WF_FRAME_X25]
    ldp x23, x24, [sp, #WF_FRAME_X23]
    ldp x21, x22, [sp, #WF_FRAME_X21]
    ldp x19, x20, [sp, #WF_FRAME_X19]
    ldp x29, x30, [sp, #WF_FRAME_X29]
    .cfi_restore d15
    .cfi_restore d14
    .cfi_restore d13
    .cfi_restore d12
    .cfi_restore d11
    .cfi_restore d10
    .cfi_restore d9
    .cfi_restore d8
    .cfi_restore x28
    .cfi_restore x27
    .cfi_restore x26
    .cfi_restore x25
    .cfi_restore x24
    .cfi_restore x23
    .cfi_restore x22
    .cfi_restore x21
    .cfi_restore x20
    .cfi_restore x19
    .cfi_restore x30
    .cfi_restore x29
    add sp, sp, #WF_FRAME_SIZE
    .cfi_adjust_cfa_offset -WF_FRAME_SIZE
    ret
    .cfi_endproc
    .size wf_arch_switch, . - wf_arch_switch

/* Entered by the `ret` of the first switch, one instruction in: x0 = pass, x19 = entry,
 * x20 = stack top, x29 = 0, sp = stack top. */
    .globl wf_arch_entry
    .hidden wf_arch_entry
    .type wf_arch_entry, %function
    .p2align 4
wf_arch_entry:
    .cfi_startproc
    .cfi_undefined x30
    nop
    mov x1, x20
    blr x19
    brk #1
    .cfi_endproc
    .size wf_arch_entry, . - wf_arch_entry

/* Feature note: this object has its landing pads (bit 0). */
    .section .note.gnu.property, "a", %note
    .p2align 3
    .word 4, 16, 5
    .asciz "GNU"
    .word 0xc0000000, 4, 1, 0
    .section .note.GNU-stack, "", %progbits
