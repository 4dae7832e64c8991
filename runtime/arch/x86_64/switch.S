/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switch.S - the context switch for x86-64, System V calling convention
 *
 *   void *wf_arch_switch(void **save_sp, void *load_sp, void *pass);
 *                        rdi             rsi            rdx         result: rax
 *
 * Saved by the call: rbx rbp r12-r15 and the return address, in the order of the table in frame.h
 * (and mxcsr with the x87 control word under WEFT_SAVE_FPCW). All other registers are the caller's
 * to save. Both stacks have the same layout at the point where rsp changes, so one description of
 * the frame is right before and after it. Shadow stacks are not supported; the landing pads of
 * indirect branch tracking are, since wf_arch_switch may be called through a pointer.
 */
#include "runtime/arch/frame.h"

#if defined(__CET__) && (__CET__ & 1)
#define LANDING_PAD endbr64
#else
#define LANDING_PAD
#endif

    .text

    .globl wf_arch_switch
    .hidden wf_arch_switch
    .type wf_arch_switch, @function
    .p2align 6
wf_arch_switch:
    .cfi_startproc
    LANDING_PAD
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r15, 0
#ifdef WEFT_SAVE_FPCW
    subq $WF_FRAME_BASE, %rsp
    .cfi_adjust_cfa_offset WF_FRAME_BASE
    stmxcsr WF_FRAME_FPCW(%rsp)
    fnstcw WF_FRAME_FPCW+4(%rsp)
#endif
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    movq %rdx, %rax
#ifdef WEFT_SAVE_FPCW
    ldmxcsr WF_FRAME_FPCW(%rsp)
    fldcw WF_FRAME_FPCW+4(%rsp)
    addq $WF_FRAME_BASE, %rsp
    .cfi_adjust_cfa_offset -WF_FRAME_BASE
#endif
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r15
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r12
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbp
    ret
    .cfi_endproc
    .size wf_arch_switch, . - wf_arch_switch

/* Entered by the `ret` of the first switch, one byte in: rax = pass, rbx = entry, r12 = stack top,
 * rbp = 0, rsp = stack top. */
    .globl wf_arch_entry
    .hidden wf_arch_entry
    .type wf_arch_entry, @function
    .p2align 4
wf_arch_entry:
    .cfi_startproc
    .cfi_undefined %rip
    nop
    movq %rax, %rdi
    movq %r12, %rsi
    call *%rbx
    ud2
    .cfi_endproc
    .size wf_arch_entry, . - wf_arch_entry

#if defined(__CET__) && (__CET__ & 1)
/* This object has its landing pads (bit 0) and no shadow stack support (bit 1). */
    .section .note.gnu.property, "a", @note
    .p2align 3
    .long 4, 16, 5
    .asciz "GNU"
    .long 0xc0000002, 4, 1, 0
#endif
    .section .note.GNU-stack, "", @progbits
