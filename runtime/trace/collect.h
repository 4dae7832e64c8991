/* SPDX-License-Identifier: Apache-2.0 */
/* collect.h - what the parts of the snapshot collector share */
#ifndef WF_COLLECT_H
#define WF_COLLECT_H

#include "runtime/trace/snap_sink.h"
#include "runtime/trace/snapshot.h"

/* A set of addresses: open addressing, 0 is never a member. owner: the collecting thread. */
struct wf_addr_set {
    uint64_t *slot;
    size_t cap; /* a power of two or 0 */
    size_t count;
};

/* wf_addr_set_add - true if it was not there yet and could be added */
bool wf_addr_set_add(struct wf_addr_set *set, uint64_t addr);
bool wf_addr_set_has(const struct wf_addr_set *set, uint64_t addr);
void wf_addr_set_fini(struct wf_addr_set *set);

struct wf_collect {
    struct wf_peek *peek;
    const struct wf_snapshot_options *options;
    struct wf_snap_sink *sink;
    struct wf_area_header header; /* a copy */
    uint64_t area_addr;
    struct wf_addr_set names;  /* addresses of strings */
    struct wf_addr_set outers; /* descriptors of tasks that others stand upon */
    uint64_t tasks_at;         /* file position and number of the collected tasks */
    uint64_t tasks;
};

/* Each writes its sections and returns 0 or -errno; what a region or stack does not give (any more)
 * is left out. */
int wf_collect_tasks(struct wf_collect *c);
int wf_collect_stacks(struct wf_collect *c);
int wf_collect_modules(struct wf_collect *c);

#endif
