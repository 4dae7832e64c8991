/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collect.c - writes a snapshot of a process: control page, workers, events, strings
 *
 * The same code serves weft_trace_snapshot inside the process and the tools outside of it; both
 * read by address (peek.h). Sections are streamed into the file, so the memory needed does not grow
 * with the number of tasks.
 */
#include "runtime/trace/collect.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/trace/events.h"
#include "runtime/trace/ring_read.h"

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#endif

#define SET_FIRST_CAP 256

static size_t set_place(const struct wf_addr_set *set, uint64_t addr)
{
    size_t i = (size_t)((addr * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & (set->cap - 1);
    while (set->slot[i] != 0 && set->slot[i] != addr)
        i = (i + 1) & (set->cap - 1);
    return i;
}

static bool set_grow(struct wf_addr_set *set)
{
    struct wf_addr_set bigger = {.cap = set->cap == 0 ? SET_FIRST_CAP : 2 * set->cap};
    bigger.slot = calloc(bigger.cap, sizeof(bigger.slot[0]));
    if (bigger.slot == NULL)
        return false;
    for (size_t i = 0; i < set->cap; i++) {
        if (set->slot[i] != 0)
            bigger.slot[set_place(&bigger, set->slot[i])] = set->slot[i];
    }
    bigger.count = set->count;
    free(set->slot);
    *set = bigger;
    return true;
}

bool wf_addr_set_add(struct wf_addr_set *set, uint64_t addr)
{
    if (addr == 0 || (2 * set->count >= set->cap && !set_grow(set)))
        return false;
    size_t i = set_place(set, addr);
    if (set->slot[i] == addr)
        return false;
    set->slot[i] = addr;
    set->count++;
    return true;
}

bool wf_addr_set_has(const struct wf_addr_set *set, uint64_t addr)
{
    return addr != 0 && set->cap != 0 && set->slot[set_place(set, addr)] == addr;
}

void wf_addr_set_fini(struct wf_addr_set *set)
{
    free(set->slot);
    *set = (struct wf_addr_set){0};
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void put_header(struct wf_collect *c)
{
    struct wf_snap_header h = {
        .magic = WF_SNAP_MAGIC,
        .version = WF_SNAP_VERSION,
        .header_size = sizeof(h),
        .machine = MACHINE,
        .pid = (uint32_t)c->peek->pid,
        .tsc = wf_area_cycles(),
        .mono_ns = clock_ns(CLOCK_MONOTONIC),
        .real_ns = clock_ns(CLOCK_REALTIME),
    };
    wf_snap_put(c->sink, &h, sizeof(h));
    wf_snap_begin(c->sink, WF_SNAP_CONTROL, 0);
    wf_snap_put(c->sink, &c->header, sizeof(c->header));
    wf_snap_end(c->sink);
}

/* Bounds are checked once here: what follows trusts the header. */
static bool header_is_sound(const struct wf_area_header *h)
{
    return wf_load_rlx(&h->magic) == WF_AREA_MAGIC && h->version == WF_AREA_VERSION &&
           h->worker_size == sizeof(struct wf_worker_block) && h->workers >= 1 &&
           h->workers <= WF_AREA_WORKERS_MAX && h->desc_size == sizeof(struct wf_desc) &&
           h->area_size >= h->header_size + (uint64_t)h->workers * h->worker_size;
}

static void note_marks(struct wf_collect *c, const struct wf_record *records, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (wf_record_type(&records[i]) == WF_EV_CONT &&
            wf_record_type(&records[i - 1]) == WF_EV_MARK)
            wf_addr_set_add(&c->names, records[i].w1);
    }
}

static int put_events(struct wf_collect *c, unsigned worker, const struct wf_worker_block *block,
                      struct wf_record *records)
{
    uint64_t block_addr = c->area_addr + c->header.header_size + (uint64_t)worker * sizeof(*block);
    struct wf_ring_reader reader = {
        .peek = c->peek,
        .base = c->area_addr + block->ring_offset,
        .size = block->ring_size,
        .head_addr = block_addr + offsetof(struct wf_worker_block, head),
    };
    uint64_t lost;
    ssize_t count = wf_ring_read(&reader, records, block->ring_size / sizeof(*records), &lost);
    if (count < 0)
        return (int)count;
    struct wf_snap_events events = {
        .written = reader.next / sizeof(*records),
        .lost = reader.lost,
        .count = (uint64_t)count,
        .tsc = wf_area_cycles(),
    };
    note_marks(c, records, (size_t)count);
    wf_snap_begin(c->sink, WF_SNAP_EVENTS, worker);
    wf_snap_put(c->sink, &events, sizeof(events));
    wf_snap_put(c->sink, records, (size_t)count * sizeof(*records));
    wf_snap_end(c->sink);
    return 0;
}

static bool ring_is_sound(const struct wf_area_header *h, const struct wf_worker_block *block)
{
    uint64_t size = block->ring_size;
    return size >= 4096 && (size & (size - 1)) == 0 && size <= h->area_size &&
           block->ring_offset <= h->area_size - size;
}

static int put_workers(struct wf_collect *c)
{
    size_t size = c->header.workers * sizeof(struct wf_worker_block);
    struct wf_worker_block *blocks = malloc(size);
    if (blocks == NULL)
        return -ENOMEM;
    int rc = wf_peek(c->peek, c->area_addr + c->header.header_size, blocks, size);
    if (rc == 0) {
        wf_snap_begin(c->sink, WF_SNAP_WORKERS, 0);
        wf_snap_put(c->sink, blocks, size);
        wf_snap_end(c->sink);
    }
    for (unsigned i = 0; rc == 0 && !c->options->no_events && i < c->header.workers; i++) {
        if (!ring_is_sound(&c->header, &blocks[i])) {
            rc = -EPROTO;
            break;
        }
        struct wf_record *records = malloc(blocks[i].ring_size);
        rc = records == NULL ? -ENOMEM : put_events(c, i, &blocks[i], records);
        free(records);
    }
    free(blocks);
    return rc;
}

static void put_strings(struct wf_collect *c)
{
    wf_snap_begin(c->sink, WF_SNAP_STRINGS, 0);
    for (size_t i = 0; i < c->names.cap; i++) {
        char text[WF_SNAPSHOT_STRING_MAX];
        if (c->names.slot[i] == 0)
            continue;
        ssize_t got = wf_peek_some(c->peek, c->names.slot[i], text, sizeof(text));
        if (got <= 0)
            continue;
        struct wf_snap_string string = {
            .addr = c->names.slot[i],
            .len = (uint32_t)strnlen(text, (size_t)got),
        };
        wf_snap_put(c->sink, &string, sizeof(string));
        wf_snap_put(c->sink, text, string.len);
        wf_snap_pad(c->sink);
    }
    wf_snap_end(c->sink);
}

static int collect_all(struct wf_collect *c)
{
    put_header(c);
    int rc = put_workers(c);
    if (rc == 0)
        rc = wf_collect_tasks(c);
    if (rc == 0)
        rc = wf_collect_stacks(c);
    if (rc == 0)
        rc = wf_collect_modules(c);
    if (rc != 0)
        return rc;
    put_strings(c);
    wf_snap_begin(c->sink, WF_SNAP_END, 0);
    wf_snap_end(c->sink);
    wf_snap_flush(c->sink);
    return c->sink->error;
}

int wf_snapshot_collect(struct wf_peek *peek, uint64_t area_addr, int fd,
                        const struct wf_snapshot_options *options)
{
    struct wf_collect c = {.peek = peek, .options = options, .area_addr = area_addr};
    int rc = wf_peek(peek, area_addr, &c.header, sizeof(c.header));
    if (rc == 0 && !header_is_sound(&c.header))
        rc = -EPROTO;
    if (rc != 0)
        return rc;
    c.sink = malloc(sizeof(*c.sink));
    if (c.sink == NULL)
        return -ENOMEM;
    memset(c.sink, 0, offsetof(struct wf_snap_sink, buffer));
    c.sink->fd = fd;
    rc = collect_all(&c);
    if (rc == 0 && c.sink->error != 0)
        rc = c.sink->error;
    free(c.sink);
    wf_addr_set_fini(&c.names);
    wf_addr_set_fini(&c.outers);
    return rc;
}
