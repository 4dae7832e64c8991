/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring_read.c - copies records out of an event ring that is being written
 *
 * The writer never waits: it stores a record and then the head (order: trace-head). A reader
 *   1. loads the head, h1: everything before it is complete;
 *   2. copies the wanted part of [h1 - size, h1);
 *   3. loads the head again, h2: the copy of position p is good if its place was not taken by a
 *   newer
 *      record, that is if p + size >= h2 + what the writer may have stored beyond the head it
 *      published. That is one record where stores stay in order (x86), and a store buffer's worth
 *      elsewhere, since a release store does not hold back the stores after it.
 * What is not good, and what was gone before step 1, is counted as lost. Nothing is counted twice
 * and nothing is left out: next == 16 * (read + lost) after each call.
 */
#include "runtime/trace/ring_read.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/assert.h"

#define RECORD sizeof(struct wf_record)

#if defined(__x86_64__)
#define AHEAD RECORD
#else
#define AHEAD (64 * RECORD)
#endif

static int read_head(struct wf_ring_reader *reader, uint64_t *head)
{
    return wf_peek(reader->peek, reader->head_addr, head, sizeof(*head));
}

/* The first position that is safe from a writer that has published `head`. */
static uint64_t oldest_safe(const struct wf_ring_reader *reader, uint64_t head)
{
    uint64_t end = head + AHEAD;
    return end > reader->size ? end - reader->size : 0;
}

static int copy_span(struct wf_ring_reader *reader, uint64_t from, char *to, uint64_t len)
{
    uint64_t at = from & (reader->size - 1);
    uint64_t first = reader->size - at;
    if (first > len)
        first = len;
    int rc = wf_peek(reader->peek, reader->base + at, to, first);
    if (rc == 0 && first < len)
        rc = wf_peek(reader->peek, reader->base, to + first, len - first);
    return rc;
}

/* Accounts for the records from `next` up to `position` as lost. */
static uint64_t skip_to(struct wf_ring_reader *reader, uint64_t position)
{
    if (position <= reader->next)
        return 0;
    uint64_t count = (position - reader->next) / RECORD;
    reader->next = position;
    reader->lost += count;
    return count;
}

ssize_t wf_ring_read(struct wf_ring_reader *reader, struct wf_record *records, size_t room,
                     uint64_t *lost)
{
    WF_ASSERT(reader->size >= 2 * AHEAD && (reader->size & (reader->size - 1)) == 0);
    uint64_t head;
    *lost = 0;
    int rc = read_head(reader, &head);
    if (rc != 0)
        return rc;
    WF_ASSERT(reader->next % RECORD == 0);
    if (head % RECORD != 0 || head < reader->next)
        return -EIO; /* not a ring, or another run's */
    *lost = skip_to(reader, oldest_safe(reader, head));
    uint64_t len = head - reader->next;
    if (len > room * RECORD)
        len = room * RECORD;
    if (len == 0)
        return 0;
    rc = copy_span(reader, reader->next, (char *)records, len);
    if (rc == 0)
        rc = read_head(reader, &head);
    if (rc != 0)
        return rc;
    uint64_t from = reader->next;
    uint64_t end = from + len;
    uint64_t safe = oldest_safe(reader, head);
    uint64_t torn = skip_to(reader, safe < end ? safe : end);
    *lost += torn;
    size_t count = (end - reader->next) / RECORD;
    memmove(records, records + torn, count * RECORD);
    reader->next = end;
    reader->read += count;
    return (ssize_t)count;
}
