/* SPDX-License-Identifier: Apache-2.0 */
/* ring_read.h - copies records out of an event ring that is being written */
#ifndef WF_RING_READ_H
#define WF_RING_READ_H

#include "runtime/trace/events.h"
#include "runtime/trace/peek.h"

/* One record; see events.h for the packing. */
struct wf_record {
    uint64_t w0;
    uint64_t w1;
};

static inline unsigned wf_record_type(const struct wf_record *r)
{
    return (unsigned)(r->w0 >> 8 & 0xff);
}

static inline unsigned wf_record_aux(const struct wf_record *r)
{
    return (unsigned)(r->w0 & 0xff);
}

/* low 48 bits of the cycle counter */
static inline uint64_t wf_record_tsc48(const struct wf_record *r)
{
    return r->w0 >> 16;
}

static inline uint32_t wf_record_task(const struct wf_record *r)
{
    return (uint32_t)(r->w1 >> 32);
}

static inline uint32_t wf_record_arg(const struct wf_record *r)
{
    return (uint32_t)r->w1;
}

/* of SPAWN: slot of the new task, and the low bits of its body's address */
static inline uint32_t wf_record_spawned(const struct wf_record *r)
{
    return (uint32_t)(r->w1 >> WF_SPAWN_FN_BITS);
}

static inline uint64_t wf_record_body(const struct wf_record *r)
{
    return r->w1 & WF_SPAWN_FN_MASK;
}

/* owner: one reader. Always: next == 16 * (read + lost). */
struct wf_ring_reader {
    struct wf_peek *peek;
    uint64_t base;      /* address of the ring in the traced process */
    uint64_t size;      /* bytes, a power of two */
    uint64_t head_addr; /* of the worker block's head */
    uint64_t next;      /* position, in bytes ever written, of the next record */
    uint64_t read;      /* records handed out */
    uint64_t lost;      /* records overwritten before they could be copied */
};

/*
 * wf_ring_read - copy the records written since the last call, oldest first
 * @records: room for `room` of them; a whole ring is size / 16
 * @lost: how many are missing right before the first one
 *
 * What does not fit stays for the next call. Returns the count or -errno. 0 with *lost == 0:
 * nothing new; 0 with *lost > 0: all that was copied had been overwritten meanwhile, call again.
 */
ssize_t wf_ring_read(struct wf_ring_reader *reader, struct wf_record *records, size_t room,
                     uint64_t *lost);

#endif
