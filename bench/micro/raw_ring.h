/* SPDX-License-Identifier: Apache-2.0 */
/* raw_ring.h - the bare context switch: what a scheduler that costs nothing would reach */
#ifndef WEFT_BENCH_MICRO_RAW_RING_H
#define WEFT_BENCH_MICRO_RAW_RING_H

#include <stdint.h>

enum { RAW_RING_MAX = 1024 };

/*
 * Lets `fibers` fibers (2..RAW_RING_MAX) hand the processor around in a ring, `switches` times.
 * Each switches from below a chain of three calls, all through one switch site, as the fibers of a
 * runtime do. Return: ns of CPU time a switch; negative when memory is short.
 */
double raw_ring_ns(unsigned fibers, uint64_t switches);

#endif
