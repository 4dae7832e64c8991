/* SPDX-License-Identifier: Apache-2.0 */
/*
 * area.h - what other processes read: control page, worker blocks, event rings, task descriptors
 *
 * The area is a memfd named "weft" that a tool finds in /proc/PID/maps. It holds the control page,
 * one worker block per worker and one event ring per worker. Task descriptors are the first 128
 * bytes of the task blocks, which stand in anonymous huge-page regions listed in the control page
 * (a memfd page costs 2.5 us to touch here, an anonymous huge page 0.4 us per 4 KiB: see
 * docs/decisions/task-memory.md). Tools read them, like the stacks, with process_vm_readv.
 *
 * Every field is written by one thread only and read by anybody:
 *   control page  - the thread that runs weft_run; `level` may be written by a tool
 *   worker block  - its worker
 *   descriptor    - whoever owns the task at that moment: spawner, then the worker it is on
 *
 * Descriptor seqlock. `seq` odd: the task is on a CPU (or its fields are changing); even: it is
 * suspended or not started, and wait_kind, wait_obj, fiber (and through it the saved stack pointer)
 * hold still. A reader loads seq (acquire), skips odd, copies, and takes the copy if seq did not
 * change. Writers: store seq odd before the first change at a resume, even (release) after the last
 * one when the fiber has left its stack.
 */
#ifndef WF_AREA_H
#define WF_AREA_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/atomic.h"

#define WF_AREA_MAGIC       UINT64_C(0x3130544645573a77)
#define WF_AREA_VERSION     1
#define WF_AREA_NAME        "weft"
#define WF_AREA_WORKERS_MAX 256
#define WF_AREA_REGIONS_MAX 64

struct wf_desc {
    WF_ATOMIC(uint32_t) seq; /* odd: on CPU */
    uint32_t gen;            /* of the slot; with the index it is the task's id */
    uint32_t index;          /* slot index, 1.. */
    uint8_t wait_kind;       /* enum wf_wait_kind */
    uint8_t live;            /* 0: free slot, 1: not started, 2: started, 3: ended */
    uint16_t worker;         /* where it ran last */
    void *wait_obj;          /* what it waits for: channel, operation, task block, scope */
    struct wf_fiber *fiber;  /* stack it stands on; NULL before the first run */
    void *spawn_pc;          /* return address of the spawn call */
    const char *name;        /* constant string or NULL */
    intptr_t (*fn)(void *);  /* body */
    void *scope;             /* the group it is a child of */
    struct wf_desc *outer;   /* the task that awaits it in place on the same stack, or NULL */
    struct wf_desc *parent;  /* spawner's block; may have been reused: compare parent_gen */
    uint32_t parent_gen;
    uint32_t switches;                     /* times resumed */
    uint64_t since;                        /* tsc of the last park */
    uint64_t run_tsc;                      /* tsc ticks on a CPU; 0: not counted */
    void *arg;                             /* passed to the body */
    WF_ATOMIC(const char *) cancel_reason; /* constant string; NULL: not cancelled */
    uint64_t reserved;
};
_Static_assert(sizeof(struct wf_desc) == 128, "descriptor size is part of the format");

/* enum wf_worker_state, in wf_worker_block.state */
enum wf_worker_state {
    WF_WORKER_STARTING,
    WF_WORKER_RUNNING,   /* a task is on the CPU */
    WF_WORKER_POLLING,   /* in the driver, not blocking */
    WF_WORKER_SEARCHING, /* looks for work */
    WF_WORKER_SLEEPING,  /* blocked in the driver */
    WF_WORKER_STOPPED,
};

struct wf_worker_block {
    uint32_t tid;
    uint32_t index;
    WF_ATOMIC(uint32_t) state; /* enum wf_worker_state */
    WF_ATOMIC(uint32_t) task;  /* slot index of the task on the CPU, 0: none */
    uint64_t since;            /* tsc when `state` was entered, as far as the clock was read */
    WF_ATOMIC(uint64_t) turns; /* loop turns: the heartbeat */
    uint32_t queued;           /* local queue depth at the last turn */
    uint32_t inflight;         /* operations in the driver at the last turn */
    uint64_t spawned, ended, switches, polls, sleeps, completions, steals, stolen, wakes_sent,
        timers, cancels, overflows;
    uint64_t ring_offset;     /* of this worker's event ring in the area */
    uint64_t ring_size;       /* bytes, a power of two */
    WF_ATOMIC(uint64_t) head; /* bytes ever written to the event ring */
    uint64_t reserved[12];
};
_Static_assert(sizeof(struct wf_worker_block) == 256, "worker block size is part of the format");

struct wf_area_region {
    WF_ATOMIC(uint64_t) addr; /* in the traced process; 0: being added (order: region-addr) */
    uint64_t size;            /* bytes reserved */
    WF_ATOMIC(uint64_t) used; /* slots ever handed out, from the start of the region */
};

/* First page(s) of the area. */
struct wf_area_header {
    WF_ATOMIC(uint64_t) magic; /* stored last (order: area-magic) */
    uint32_t version;
    uint32_t header_size; /* bytes, where the worker blocks begin */
    uint32_t worker_size; /* bytes of a worker block */
    uint32_t workers;
    uint32_t desc_size; /* bytes of a descriptor */
    uint32_t slot_size; /* bytes between descriptors; set by the task slab */
    uint32_t pid;
    WF_ATOMIC(int32_t) level; /* what is recorded; tools may change it */
    uint64_t area_addr;       /* where the area is mapped in the traced process */
    uint64_t area_size;
    uint64_t tsc0, mono0;       /* one point in both clocks: cycle counter and CLOCK_MONOTONIC ns */
    WF_ATOMIC(uint64_t) tsc_hz; /* refined by wf_area_calibrate */
    /* Where a tool finds the saved stack pointer in struct wf_fiber; set by the runtime. */
    uint32_t fiber_sp_offset;
    uint32_t fiber_stack_lo_offset; /* of the stack bounds in struct wf_fiber */
    uint32_t fiber_stack_hi_offset;
    WF_ATOMIC(uint32_t) regions; /* entries of `region` that were claimed */
    char lib_version[16];
    uint32_t frame_base; /* bytes below the registers of a parked frame: see runtime/arch/frame.h */
    uint32_t frame_size; /* bytes of the whole frame */
    struct wf_area_region region[WF_AREA_REGIONS_MAX];
};

struct wf_area {
    struct wf_area_header *header;
    struct wf_worker_block *worker_blocks;
    size_t size;
    int fd;
};

/*
 * wf_area_open - create and map the area
 * @ring_size: bytes of event ring per worker, a power of two >= 4096
 * Returns 0 or -errno. Rings are prefaulted.
 */
int wf_area_open(struct wf_area *area, unsigned workers, size_t ring_size, int level);
void wf_area_close(struct wf_area *area);

/*
 * wf_area_calibrate - measure tsc_hz again, over the whole time since the area was opened
 * Call it about one second after the start and then now and then, from one thread at a time: 0.3
 * us. Returns tsc_hz.
 */
uint64_t wf_area_calibrate(struct wf_area *area);

/* wf_area_cycles - the counter that all time stamps are taken from, read in program order */
uint64_t wf_area_cycles(void);

/* wf_runtime_area - the area of the running runtime, NULL without one; in runtime/sched */
const struct wf_area *wf_runtime_area(void);

/* wf_area_add_region - list a region of task blocks; any thread; returns its index or -ENOSPC */
int wf_area_add_region(struct wf_area *area, void *addr, size_t size);

#endif
