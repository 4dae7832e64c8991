/* SPDX-License-Identifier: Apache-2.0 */
/* cpus.h - how many CPUs this process may use, and binding threads to them */
#ifndef WF_CPUS_H
#define WF_CPUS_H

/* wf_usable_cpus - min(affinity mask, cgroup CPU quota rounded up), at least 1 */
unsigned wf_usable_cpus(void);

/* wf_pin_to_cpu - bind the calling thread to the index-th CPU of the affinity mask; best effort */
void wf_pin_to_cpu(unsigned index);

#endif
