/* SPDX-License-Identifier: Apache-2.0 */
/* peek.h - reads the memory of a process, also the own one, without a fault and without stopping
 * it */
#ifndef WF_PEEK_H
#define WF_PEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct wf_peek {
    pid_t pid;
    int mem_fd; /* /proc/PID/mem where process_vm_readv is refused, else -1 */
};

void wf_peek_init(struct wf_peek *peek, pid_t pid);
void wf_peek_fini(struct wf_peek *peek);

/*
 * wf_peek_some - copy up to `size` bytes from `addr`
 * Returns the bytes copied, short where the memory ends; -EFAULT, -EPERM or -ESRCH. Reads of one
 * call are in no order; reads of two calls are in the order of the calls.
 */
ssize_t wf_peek_some(struct wf_peek *peek, uint64_t addr, void *buf, size_t size);

/* wf_peek - copy exactly `size` bytes: 0 or -errno */
int wf_peek(struct wf_peek *peek, uint64_t addr, void *buf, size_t size);

#endif
