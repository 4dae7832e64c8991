/* SPDX-License-Identifier: Apache-2.0 */
/* clock.c - the monotonic clock */
#include "runtime/time/clock.h"

#include <weft/time.h>

int64_t wf_clock_now(void)
{
    return wf_clock_read();
}

weft_deadline weft_now(void)
{
    return wf_clock_read();
}
