/* SPDX-License-Identifier: Apache-2.0 */
/* micro.h - runs work inside the runtime: once, or in pairs with the recorder on and off */
#ifndef WEFT_BENCH_MICRO_MICRO_H
#define WEFT_BENCH_MICRO_MICRO_H

#include <weft/weft.h>

#include "bench/support/bench.h"

/*
 * The work of a benchmark, called in the main task of a run. Return: its metric, for example ns a
 * switch. Mixes what it computed into out (which may be NULL).
 */
typedef double (*micro_fn)(const struct bench_options *o, struct bench_values *out);

/*
 * Starts the runtime with o->workers workers and does the work in it. Without --recorder: once, as
 * `metric`. With it: the work is repeated with the recorder on and off in turns within one run, and
 * the median of the pairs' ratios is the recorder's cost: separate runs differ by more than it.
 * Return: 0 or -errno.
 */
int micro_run(const struct bench_options *o, struct bench_values *out, const char *metric,
              const char *unit, micro_fn work);

/* weft_spawn and weft_await for work that must not fail. */
weft_task *micro_spawn(weft_fn fn, void *arg);
intptr_t micro_await(weft_task *task);

#endif
