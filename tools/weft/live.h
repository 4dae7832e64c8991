/* SPDX-License-Identifier: Apache-2.0 */
/* live.h - finds the area of running processes and collects it */
#ifndef WF_LIVE_H
#define WF_LIVE_H

#include <sys/types.h>

#include "runtime/trace/snapshot.h"

/*
 * live_find - where a process has its area
 * Returns 0; -ENOENT: no runtime in it; -EPERM, -ESRCH.
 */
int live_find(struct wf_peek *peek, uint64_t *area_addr, struct wf_area_header *header);

/* live_collect - snapshot into an anonymous file; returns its descriptor or -errno, having said
 * why */
int live_collect(pid_t pid, const struct wf_snapshot_options *options);

#endif
