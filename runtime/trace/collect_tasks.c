/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collect_tasks.c - the part of a snapshot that copies descriptors and the stacks of parked tasks
 *
 * Descriptors change while they are read. A block of slots is copied three times; the second copy
 * of a slot counts if its `seq` is the same in the first and the third (each copy is a system call
 * of its own, so the three are in order). An odd `seq` is a task on a CPU: its constant fields are
 * right and it is written as running. A slot that changes at every try is written as running, too.
 *
 * A stack is good if `seq` of its task is still the one of the collected descriptor after the copy:
 * then the task was parked all the time. Tasks that another one stands upon (`outer`) share its
 * stack and are left to the innermost.
 */
#include "runtime/trace/collect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_BYTES  (256u * 1024) /* of slots copied at once */
#define SLOT_TRIES   4
#define TASKS_BLOCK  256 /* collected tasks read back at once for their stacks */
#define FIBER_WINDOW 512 /* largest span of the fields that are read in struct wf_fiber */
#define LIVE_STARTED 2

struct block {
    char *first, *second, *third;
};

static const struct wf_desc *desc_at(const struct wf_collect *c, const char *copy, size_t slot)
{
    return (const void *)(copy + slot * c->header.slot_size);
}

static uint32_t seq_of(const struct wf_desc *desc)
{
    return wf_load_rlx(&desc->seq);
}

/* Another try for a slot whose task came or went during the copy of its block. */
static void reread(struct wf_collect *c, uint64_t addr, struct wf_desc *desc)
{
    uint32_t before, after;
    for (int i = 0; i < SLOT_TRIES; i++) {
        struct wf_desc copy;
        if (wf_peek(c->peek, addr, &before, sizeof(before)) != 0 ||
            wf_peek(c->peek, addr, &copy, sizeof(copy)) != 0 ||
            wf_peek(c->peek, addr, &after, sizeof(after)) != 0)
            break;
        memcpy(desc, &copy, sizeof(copy));
        wf_store_rlx(&desc->seq, before);
        if (before == after)
            return;
    }
    wf_store_rlx(&desc->seq, seq_of(desc) | 1);
}

static void put_task(struct wf_collect *c, uint64_t addr, const struct wf_desc *desc)
{
    if (desc->live == 0)
        return;
    struct wf_snap_task task = {.addr = addr};
    memcpy(&task.desc, desc, sizeof(*desc));
    wf_snap_put(c->sink, &task, sizeof(task));
    c->tasks++;
    wf_addr_set_add(&c->names, (uint64_t)(uintptr_t)desc->name);
    wf_addr_set_add(&c->names, (uint64_t)(uintptr_t)desc->cancel_reason);
    wf_addr_set_add(&c->outers, (uint64_t)(uintptr_t)desc->outer);
}

static void collect_block(struct wf_collect *c, const struct block *b, uint64_t addr, size_t slots)
{
    size_t size = slots * c->header.slot_size;
    if (wf_peek(c->peek, addr, b->first, size) != 0 ||
        wf_peek(c->peek, addr, b->second, size) != 0 || wf_peek(c->peek, addr, b->third, size) != 0)
        return;
    for (size_t i = 0; i < slots; i++) {
        struct wf_desc desc;
        uint32_t seq = seq_of(desc_at(c, b->first, i));
        memcpy(&desc, desc_at(c, b->second, i), sizeof(desc));
        wf_store_rlx(&desc.seq, seq);
        uint64_t at = addr + i * c->header.slot_size;
        if (seq != seq_of(desc_at(c, b->third, i)))
            reread(c, at, &desc);
        put_task(c, at, &desc);
    }
}

static void collect_region(struct wf_collect *c, const struct block *b,
                           const struct wf_area_region *region)
{
    uint64_t addr = wf_load_rlx(&region->addr);
    uint64_t slots = wf_load_rlx(&region->used);
    size_t at_once = BLOCK_BYTES / c->header.slot_size;
    if (addr == 0 || slots > region->size / c->header.slot_size)
        return;
    for (uint64_t i = 0; i < slots; i += at_once) {
        size_t count = slots - i < at_once ? (size_t)(slots - i) : at_once;
        collect_block(c, b, addr + i * c->header.slot_size, count);
    }
}

int wf_collect_tasks(struct wf_collect *c)
{
    uint32_t regions = wf_load_rlx(&c->header.regions);
    uint32_t slot_size = c->header.slot_size;
    if (regions > WF_AREA_REGIONS_MAX)
        regions = WF_AREA_REGIONS_MAX;
    if (regions > 0 && (slot_size < sizeof(struct wf_desc) || slot_size > BLOCK_BYTES))
        return -EPROTO;
    char *memory = malloc(3 * BLOCK_BYTES);
    if (memory == NULL)
        return -ENOMEM;
    struct block b = {memory, memory + BLOCK_BYTES, memory + 2 * BLOCK_BYTES};
    wf_snap_begin(c->sink, WF_SNAP_TASKS, 0);
    c->tasks_at = wf_snap_position(c->sink);
    for (uint32_t i = 0; i < regions; i++)
        collect_region(c, &b, &c->header.region[i]);
    wf_snap_end(c->sink);
    free(memory);
    return 0;
}

/* Saved stack pointer and bounds of a fiber; false if they cannot be right. */
static bool read_fiber(struct wf_collect *c, uint64_t fiber, struct wf_snap_stack *stack)
{
    uint32_t sp_at = c->header.fiber_sp_offset;
    uint32_t lo_at = c->header.fiber_stack_lo_offset;
    uint32_t hi_at = c->header.fiber_stack_hi_offset;
    char window[FIBER_WINDOW];
    uint32_t last = sp_at > lo_at ? sp_at : lo_at;
    if (hi_at > last)
        last = hi_at;
    /* All zero: the runtime has not told. */
    if (last == 0 || last + 8 > sizeof(window) || wf_peek(c->peek, fiber, window, last + 8) != 0)
        return false;
    stack->fiber = fiber;
    memcpy(&stack->sp, window + sp_at, 8);
    memcpy(&stack->lo, window + lo_at, 8);
    memcpy(&stack->hi, window + hi_at, 8);
    return stack->lo < stack->sp && stack->sp < stack->hi && stack->sp % 8 == 0;
}

static uint64_t collect_stack(struct wf_collect *c, const struct wf_snap_task *task, char *bytes)
{
    struct wf_snap_stack stack;
    uint32_t seq;
    if (!read_fiber(c, (uint64_t)(uintptr_t)task->desc.fiber, &stack))
        return 0;
    uint64_t size = stack.hi - stack.sp;
    if (size > c->options->stack_bytes)
        size = c->options->stack_bytes;
    if (wf_peek(c->peek, stack.sp, bytes, size) != 0 ||
        wf_peek(c->peek, task->addr + offsetof(struct wf_desc, seq), &seq, sizeof(seq)) != 0 ||
        seq != seq_of(&task->desc))
        return 0;
    stack.size = (uint32_t)size;
    stack.seq = seq;
    wf_snap_put(c->sink, &stack, sizeof(stack));
    wf_snap_put(c->sink, bytes, size);
    wf_snap_pad(c->sink);
    return size;
}

static bool has_own_stack(const struct wf_collect *c, const struct wf_snap_task *task)
{
    return task->desc.live == LIVE_STARTED && (seq_of(&task->desc) & 1) == 0 &&
           task->desc.fiber != NULL && !wf_addr_set_has(&c->outers, task->addr);
}

int wf_collect_stacks(struct wf_collect *c)
{
    struct wf_snap_task *tasks = malloc(TASKS_BLOCK * sizeof(*tasks));
    char *bytes = malloc(c->options->stack_bytes + 1);
    int rc = tasks == NULL || bytes == NULL ? -ENOMEM : 0;
    uint64_t room = c->options->stack_bytes_total;
    wf_snap_begin(c->sink, WF_SNAP_STACKS, 0);
    for (uint64_t i = 0; rc == 0 && i < c->tasks && room > 0 && c->sink->error == 0;
         i += TASKS_BLOCK) {
        size_t count = c->tasks - i < TASKS_BLOCK ? (size_t)(c->tasks - i) : TASKS_BLOCK;
        ssize_t want = (ssize_t)(count * sizeof(*tasks));
        if (pread(c->sink->fd, tasks, (size_t)want, (off_t)(c->tasks_at + i * sizeof(*tasks))) !=
            want)
            rc = -EIO;
        for (size_t k = 0; rc == 0 && k < count && room > 0; k++) {
            if (!has_own_stack(c, &tasks[k]))
                continue;
            uint64_t size = collect_stack(c, &tasks[k], bytes);
            room -= size < room ? size : room;
        }
    }
    wf_snap_end(c->sink);
    free(tasks);
    free(bytes);
    return rc;
}
