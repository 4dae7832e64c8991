/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot.h - the .weft file: its sections, and the collector that writes it
 *
 * A file is a header and sections, each a section header and a payload padded to 8 bytes. Numbers
 * are in the byte order of the machine that wrote it. A reader skips types that it does not know.
 * The END section comes last; a file without it was cut off. docs/internals/tracing.md has the
 * contents of every section.
 */
#ifndef WF_SNAPSHOT_H
#define WF_SNAPSHOT_H

#include "runtime/trace/area.h"
#include "runtime/trace/peek.h"

#define WF_SNAP_MAGIC   UINT64_C(0x31304654464557ab)
#define WF_SNAP_VERSION 1

enum wf_snap_type {
    WF_SNAP_CONTROL = 1, /* struct wf_area_header, as it was */
    WF_SNAP_WORKERS = 2, /* the worker blocks, as they were */
    WF_SNAP_EVENTS = 3,  /* index: worker. struct wf_snap_events, then records, oldest first */
    WF_SNAP_TASKS = 4,   /* struct wf_snap_task each: every slot in use */
    WF_SNAP_STACKS = 5,  /* struct wf_snap_stack each, followed by its bytes padded to 8 */
    WF_SNAP_STRINGS = 6, /* struct wf_snap_string each, followed by its bytes padded to 8 */
    WF_SNAP_MODULES = 7, /* struct wf_snap_module each, followed by build-id, path, padded to 8 */
    WF_SNAP_END = 8,     /* empty */
};

struct wf_snap_header {
    uint64_t magic;
    uint32_t version;
    uint32_t header_size; /* bytes, where the first section begins */
    uint32_t machine;     /* e_machine of the process */
    uint32_t pid;
    uint64_t tsc;     /* cycle counter, ... */
    uint64_t mono_ns; /* ... CLOCK_MONOTONIC ... */
    uint64_t real_ns; /* ... and CLOCK_REALTIME when the snapshot was begun */
    uint64_t reserved[2];
};
_Static_assert(sizeof(struct wf_snap_header) == 64, "part of the format");

struct wf_snap_section {
    uint32_t type;
    uint32_t index;
    uint64_t size; /* bytes of payload without padding */
};

struct wf_snap_events {
    uint64_t written; /* records the worker had written: count + lost */
    uint64_t lost;    /* of them not in the file: all older than the first one that is */
    uint64_t count;
    uint64_t tsc; /* cycle counter when the last record had been copied */
};

struct wf_snap_task {
    uint64_t addr; /* of the descriptor in the process */
    struct wf_desc desc;
};

struct wf_snap_stack {
    uint64_t fiber; /* address of the struct wf_fiber: a task with this `fiber` stands on it */
    uint64_t sp;    /* saved stack pointer: address of the first byte that follows */
    uint64_t lo;    /* bounds of the whole stack */
    uint64_t hi;
    uint32_t size; /* bytes that follow */
    uint32_t seq;  /* of the task's descriptor while they were read */
};

struct wf_snap_string {
    uint64_t addr;
    uint32_t len;
    uint32_t reserved;
};

struct wf_snap_module {
    uint64_t lo; /* first address; the file's offset 0 is mapped there */
    uint64_t hi;
    uint32_t build_id_len;
    uint32_t path_len;
};

struct wf_snapshot_options {
    uint32_t stack_bytes;       /* of each parked task, from its stack pointer up */
    uint64_t stack_bytes_total; /* no more stacks after so many */
    bool no_events;
};

#define WF_SNAPSHOT_STACK_BYTES       4096
#define WF_SNAPSHOT_STACK_BYTES_TOTAL (UINT64_C(8) << 20)
#define WF_SNAPSHOT_STRING_MAX        255

/*
 * wf_snapshot_collect - write a snapshot of a process, which goes on meanwhile
 * @area_addr: where the area is mapped in the process that @peek reads
 * @fd: an empty, seekable file
 * Returns 0 or -errno; -EPROTO when there is no area, or one of another version. A process that
 * ends meanwhile gives -ESRCH.
 */
int wf_snapshot_collect(struct wf_peek *peek, uint64_t area_addr, int fd,
                        const struct wf_snapshot_options *options);

/* wf_trace_snapshot_area - weft_trace_snapshot for a given area of the own process */
int wf_trace_snapshot_area(const struct wf_area *area, const char *path);

#endif
