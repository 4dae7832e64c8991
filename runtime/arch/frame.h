/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame.h - what a fiber that is not running keeps on its stack, and the switch between two of them
 *
 * A saved stack pointer points at a frame: the callee-saved registers and the address at which the
 * fiber goes on. The tables are the one definition for the assembly, for wf_arch_frame_init and for
 * tools that unwind a parked fiber from outside: registers from the frame, then
 * sp = saved sp + WF_FRAME_SIZE, pc = the word at WF_FRAME_PC.
 *
 *   x86-64                offset      aarch64               offset
 *   (mxcsr, x87 control)  0           x29, x30 (= pc)       0, 8
 *   r15 r14 r13 r12       B+0..24     x19 .. x28            16 .. 88
 *   rbx rbp               B+32, B+40  d8 .. d15             96 .. 152
 *   return address (= pc) B+48        (fpcr)                160
 *
 * B is 0, or 8 when WEFT_SAVE_FPCW is defined, which adds what stands in brackets: floating-point
 * control words (rounding, exception masks) per fiber instead of per thread. It costs about 3 ns a
 * switch, so it is off by default.
 */
#ifndef WF_FRAME_H
#define WF_FRAME_H

#if defined(__x86_64__)

#ifdef WEFT_SAVE_FPCW
#define WF_FRAME_FPCW 0
#define WF_FRAME_BASE 8
#else
#define WF_FRAME_BASE 0
#endif
#define WF_FRAME_R15  (WF_FRAME_BASE + 0)
#define WF_FRAME_R14  (WF_FRAME_BASE + 8)
#define WF_FRAME_R13  (WF_FRAME_BASE + 16)
#define WF_FRAME_R12  (WF_FRAME_BASE + 24)
#define WF_FRAME_RBX  (WF_FRAME_BASE + 32)
#define WF_FRAME_RBP  (WF_FRAME_BASE + 40)
#define WF_FRAME_PC   (WF_FRAME_BASE + 48)
#define WF_FRAME_SIZE (WF_FRAME_BASE + 56)

/* In the first frame: the registers that carry the entry function and its second argument. */
#define WF_FRAME_FP    WF_FRAME_RBP
#define WF_FRAME_ENTRY WF_FRAME_RBX
#define WF_FRAME_TOP   WF_FRAME_R12

/* The first frame returns behind the nop at wf_arch_entry: unwinders look an address up one byte
 * before it, and that must still be inside the function. */
#define WF_ENTRY_SKIP 1

#elif defined(__aarch64__)

#define WF_FRAME_X29 0
#define WF_FRAME_PC  8
#define WF_FRAME_X19 16
#define WF_FRAME_X20 24
#define WF_FRAME_X21 32
#define WF_FRAME_X23 48
#define WF_FRAME_X25 64
#define WF_FRAME_X27 80
#define WF_FRAME_D8  96
#define WF_FRAME_D10 112
#define WF_FRAME_D12 128
#define WF_FRAME_D14 144
#ifdef WEFT_SAVE_FPCW
#define WF_FRAME_FPCW 160
#define WF_FRAME_SIZE 176
#else
#define WF_FRAME_SIZE 160
#endif

#define WF_FRAME_FP    WF_FRAME_X29
#define WF_FRAME_ENTRY WF_FRAME_X19
#define WF_FRAME_TOP   WF_FRAME_X20

#define WF_ENTRY_SKIP 4

#else
#error "runtime/arch knows x86-64 and aarch64"
#endif

#ifndef __ASSEMBLER__

#include <stdint.h>
#include <string.h>

/*
 * wf_arch_switch - leave this stack and go on with another
 * @save_sp: where the stack pointer of the caller is stored, after its registers are on the stack
 * @load_sp: what an earlier switch stored or wf_arch_frame_init returned; used up by this call
 * @pass: handed to the other side
 *
 * Return: the `pass` of the switch that comes back here. Context: any thread; never a signal
 * handler. The return is a `ret`, so a fiber that parked through the same chain of calls as the one
 * that leaves finds its return addresses predicted. errno and thread-local addresses that the
 * compiler holds over the call belong to the thread that ran before it.
 */
__attribute__((visibility("hidden"))) void *wf_arch_switch(void **save_sp, void *load_sp,
                                                           void *pass);

/* The bottom of each fiber's stack: calls the entry function and stops unwinders. */
extern __attribute__((visibility("hidden"))) const char wf_arch_entry[];

/*
 * wf_arch_frame_init - the frame of a fiber that has not run
 * @stack_top: first byte above the stack, a multiple of 16
 * @entry: called on the new stack with the `pass` of the first switch to it and, in the second
 *   argument register, `stack_top` (a function of one argument does not see it). It never returns:
 *   the processor traps if it does.
 *
 * Return: the stack pointer to switch to. All other registers start as zero, the frame pointer
 * among them, which ends the walk of those who follow frame pointers.
 */
static inline void *wf_arch_frame_init(void *stack_top, void (*entry)(void *pass))
{
    char *sp = (char *)stack_top - WF_FRAME_SIZE;
    uintptr_t entry_address = (uintptr_t)entry;
    uintptr_t top = (uintptr_t)stack_top;
    uintptr_t pc = (uintptr_t)wf_arch_entry + WF_ENTRY_SKIP;

    memset(sp, 0, WF_FRAME_SIZE);
    memcpy(sp + WF_FRAME_ENTRY, &entry_address, sizeof entry_address);
    memcpy(sp + WF_FRAME_TOP, &top, sizeof top);
    memcpy(sp + WF_FRAME_PC, &pc, sizeof pc);
#ifdef WEFT_SAVE_FPCW
#if defined(__x86_64__)
    __asm__ __volatile__("stmxcsr (%0)\n\tfnstcw 4(%0)" ::"r"(sp + WF_FRAME_FPCW) : "memory");
#else
    uint64_t fpcr;
    __asm__ __volatile__("mrs %0, fpcr" : "=r"(fpcr));
    memcpy(sp + WF_FRAME_FPCW, &fpcr, sizeof fpcr);
#endif
#endif
    return sp;
}

#endif /* __ASSEMBLER__ */
#endif
