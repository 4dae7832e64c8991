/* SPDX-License-Identifier: Apache-2.0 */
/* cpu.h - the few things that each processor spells differently: pause, prefetch, cycle counter */
#ifndef WF_CPU_H
#define WF_CPU_H

#include <stdint.h>

/* What one core takes over at a time; words of different owners stand on different lines. */
#define WF_CACHE_LINE 64

/* Padding of contended words: adjacent lines are fetched in pairs on x86, and 128 is the line of
 * some aarch64 cores. */
#define WF_CACHE_PAD 128

/* In a loop that waits for another core's store. */
static inline void wf_cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("isb" ::: "memory"); /* yield is a no-op on most cores, isb waits */
#endif
}

/* Start to load the line of `p`, which will be used soon. Any address is allowed. */
static inline void wf_prefetch(const void *p)
{
    __builtin_prefetch(p, 0, 3);
}

/* A counter with a constant rate that is the same on all cores; about 11 ns here. Not ordered with
 * the instructions around it. */
static inline uint64_t wf_cycles(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t value;
    __asm__ __volatile__("mrs %0, cntvct_el0" : "=r"(value));
    return value;
#else
#error "runtime/arch knows x86-64 and aarch64"
#endif
}

#endif
