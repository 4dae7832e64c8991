/* SPDX-License-Identifier: Apache-2.0 */
/* snap_load.h - a .weft file, or a running process, as tables */
#ifndef WF_SNAP_LOAD_H
#define WF_SNAP_LOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/trace/ring_read.h"
#include "runtime/trace/snapshot.h"

struct snap_ring {
    const struct wf_snap_events *info; /* NULL: no events of this worker */
    const struct wf_record *records;
};

struct snap_stack {
    const struct wf_snap_stack *info;
    const unsigned char *bytes;
};

struct snap_string {
    uint64_t addr;
    char *text;
};

struct snap_module {
    uint64_t lo, hi;
    const unsigned char *build_id;
    uint32_t build_id_len;
    char *path;
};

/* const after snap_open; the tables point into the mapped file */
struct snap {
    void *map;
    size_t size;
    bool complete; /* the END section is there */
    const struct wf_snap_header *header;
    const struct wf_area_header *control;
    const struct wf_worker_block *blocks;
    unsigned workers;
    uint64_t tsc_hz;
    struct snap_ring ring[WF_AREA_WORKERS_MAX];
    const struct wf_snap_task *tasks;
    size_t task_count;
    struct snap_stack *stacks; /* sorted by fiber */
    size_t stack_count;
    struct snap_string *strings; /* sorted by address */
    size_t string_count;
    struct snap_module *modules;
    size_t module_count;
};

/*
 * snap_open - load a file; or a process, if `source` is a number
 * @options: what to collect from a process
 * Returns 0 or -errno; says on stderr what is wrong.
 */
int snap_open(struct snap *s, const char *source, const struct wf_snapshot_options *options);
void snap_close(struct snap *s);

/* snap_string - the text at an address of the process; NULL if it was not collected */
const char *snap_string(const struct snap *s, uint64_t addr);

/* snap_code - the address in one of the modules that ends in these low bits, 0: none */
uint64_t snap_code(const struct snap *s, uint64_t low, unsigned bits);

/* snap_stack_of - the stack of a parked task, NULL if there is none */
const struct snap_stack *snap_stack_of(const struct snap *s, const struct wf_snap_task *task);

/* snap_task_at - the task whose descriptor has this address, NULL if it was not collected */
const struct wf_snap_task *snap_task_at(const struct snap *s, uint64_t addr);

static inline bool snap_task_running(const struct wf_snap_task *task)
{
    return (wf_load_rlx(&task->desc.seq) & 1) != 0;
}

/* snap_ns - cycle counter ticks in nanoseconds */
double snap_ns(const struct snap *s, int64_t ticks);

#endif
