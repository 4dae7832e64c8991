/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switch_registers.S - for switch_test.c: a switch with chosen values in all callee-saved registers
 *
 *   void *switch_with_registers(void **save_sp, void *load_sp, void *pass,
 *                               const uint64_t *before, uint64_t *after);
 *
 * Loads the registers from before[], switches, and stores what they hold on return in after[]: the
 * order is rbx rbp r12 r13 r14 r15, or x19..x29 d8..d15.
 */
    .text
    .globl switch_with_registers
    .hidden switch_with_registers

#if defined(__x86_64__)
    .type switch_with_registers, @function
switch_with_registers:
#if defined(__CET__) && (__CET__ & 1)
    endbr64
#endif
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    subq $8, %rsp
    movq %r8, (%rsp)
    movq 0(%rcx), %rbx
    movq 8(%rcx), %rbp
    movq 16(%rcx), %r12
    movq 24(%rcx), %r13
    movq 32(%rcx), %r14
    movq 40(%rcx), %r15
    call wf_arch_switch
    movq (%rsp), %r8
    movq %rbx, 0(%r8)
    movq %rbp, 8(%r8)
    movq %r12, 16(%r8)
    movq %r13, 24(%r8)
    movq %r14, 32(%r8)
    movq %r15, 40(%r8)
    addq $8, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret
    .size switch_with_registers, . - switch_with_registers
    .section .note.GNU-stack, "", @progbits

#elif defined(__aarch64__)
    .type switch_with_registers, %function
switch_with_registers:
    hint #34
    sub sp, sp, #176
    stp x29, x30, [sp, #0]
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    str x4, [sp, #160]
    ldp x19, x20, [x3, #0]
    ldp x21, x22, [x3, #16]
    ldp x23, x24, [x3, #32]
    ldp x25, x26, [x3, #48]
    ldp x27, x28, [x3, #64]
    ldr x29, [x3, #80]
    ldr d8, [x3, #88]
    ldr d9, [x3, #96]
    ldr d10, [x3, #104]
    ldr d11, [x3, #112]
    ldr d12, [x3, #120]
    ldr d13, [x3, #128]
    ldr d14, [x3, #136]
    ldr d15, [x3, #144]
    bl wf_arch_switch
    ldr x4, [sp, #160]
    stp x19, x20, [x4, #0]
    stp x21, x22, [x4, #16]
    stp x23, x24, [x4, #32]
    stp x25, x26, [x4, #48]
    stp x27, x28, [x4, #64]
    str x29, [x4, #80]
    str d8, [x4, #88]
    str d9, [x4, #96]
    str d10, [x4, #104]
    str d11, [x4, #112]
    str d12, [x4, #120]
    str d13, [x4, #128]
    str d14, [x4, #136]
    str d15, [x4, #144]
    ldp d14, d15, [sp, #144]
    ldp d12, d13, [sp, #128]
    ldp d10, d11, [sp, #112]
    ldp d8, d9, [sp, #96]
    ldp x27, x28, [sp, #80]
    ldp x25, x26, [sp, #64]
    ldp x23, x24, [sp, #48]
    ldp x21, x22, [sp, #32]
    ldp x19, x20, [sp, #16]
    ldp x29, x30, [sp, #0]
    add sp, sp, #176
    ret
    .size switch_with_registers, . - switch_with_registers
    .section .note.GNU-stack, "", %progbits
#endif
