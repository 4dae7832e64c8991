/* SPDX-License-Identifier: Apache-2.0 */
/* lease.h - receive buffers that are lent out, one bounded pool per worker */
#ifndef WF_LEASE_H
#define WF_LEASE_H

#include <stdint.h>

#include <weft/net.h>

/* wf_lease_forget - tasks that wait for a buffer on behalf of `conn` end their wait with -EBADF */
void wf_lease_forget(const weft_conn *conn);

/* wf_lease_trim - the last connection is gone: give idle buffers back to the allocator */
void wf_lease_trim(void);

/* wf_lease_lent, wf_lease_idle - buffers that are out, and that are kept for the next one */
unsigned wf_lease_lent(void);
unsigned wf_lease_idle(void);

#endif
