/* SPDX-License-Identifier: Apache-2.0 */
/* trace_ring_test.c - the event ring: overwriting, concurrent readers, exact counts, cost of a
 * record */
#include "tests/support/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/sanitize.h"
#include "runtime/trace/ring_read.h"
#include "runtime/trace/trace.h"

#define RING 4096u
#define ROOM (RING / sizeof(struct wf_record))

struct ring {
    struct wf_area area;
    struct wf_trace_ring writer;
    struct wf_peek peek;
    struct wf_ring_reader reader;
};

static void open_ring(struct ring *r, size_t size, int level)
{
    memset(r, 0, sizeof(*r));
    ck_assert_int_eq(wf_area_open(&r->area, 1, size, level), 0);
    struct wf_worker_block *block = r->area.worker_blocks;
    r->writer = (struct wf_trace_ring){
        .base = (char *)r->area.header + block->ring_offset,
        .mask = size - 1,
        .block = block,
        .level = &r->area.header->level,
    };
    wf_peek_init(&r->peek, getpid());
    r->reader = (struct wf_ring_reader){
        .peek = &r->peek,
        .base = (uintptr_t)r->writer.base,
        .size = size,
        .head_addr = (uintptr_t)&block->head,
    };
}

static void close_ring(struct ring *r)
{
    wf_peek_fini(&r->peek);
    wf_area_close(&r->area);
}

/* The n-th record ever written: every word says which one it is. */
static void put_number(struct wf_trace_ring *w, uint64_t n)
{
    wf_trace_put(w, n << 16 | WF_EV_WAKE << 8 | (n & 0xff), ~n * 3);
}

static void check_number(const struct wf_record *r, uint64_t n)
{
    ck_assert_uint_eq(wf_record_tsc48(r), n);
    ck_assert_uint_eq(wf_record_aux(r), n & 0xff);
    ck_assert_uint_eq(r->w1, ~n * 3);
}

TEST(records_come_back_in_order_and_only_once)
{
    struct ring r;
    struct wf_record got[ROOM];
    uint64_t lost, next = 0;
    open_ring(&r, RING, 1);
    ck_assert_int_eq(wf_ring_read(&r.reader, got, ROOM, &lost), 0);
    for (unsigned round = 1; round < 50; round++) {
        for (unsigned i = 0; i < round; i++)
            put_number(&r.writer, next + i);
        ck_assert_int_eq(wf_ring_read(&r.reader, got, ROOM, &lost), round);
        ck_assert_uint_eq(lost, 0);
        for (unsigned i = 0; i < round; i++)
            check_number(&got[i], next + i);
        next += round;
    }
    ck_assert_uint_eq(r.reader.read, next);
    close_ring(&r);
}

TEST(what_does_not_fit_waits_for_the_next_call)
{
    struct ring r;
    struct wf_record got[3];
    uint64_t lost;
    open_ring(&r, RING, 1);
    for (unsigned i = 0; i < 7; i++)
        put_number(&r.writer, i);
    ck_assert_int_eq(wf_ring_read(&r.reader, got, 3, &lost), 3);
    ck_assert_int_eq(wf_ring_read(&r.reader, got, 3, &lost), 3);
    check_number(&got[2], 5);
    ck_assert_int_eq(wf_ring_read(&r.reader, got, 3, &lost), 1);
    check_number(&got[0], 6);
    close_ring(&r);
}

TEST(overwritten_records_are_counted_as_lost)
{
    struct ring r;
    struct wf_record got[ROOM];
    uint64_t lost;
    open_ring(&r, RING, 1);
    for (unsigned i = 0; i < 5 * ROOM + 3; i++)
        put_number(&r.writer, i);
    ssize_t count = wf_ring_read(&r.reader, got, ROOM, &lost);
    ck_assert_int_gt(count, 0);
    ck_assert_uint_eq((uint64_t)count + lost, 5 * ROOM + 3);
    for (ssize_t i = 0; i < count; i++)
        check_number(&got[i], lost + (uint64_t)i);
    close_ring(&r);
}

TEST(a_head_that_went_back_is_an_error)
{
    struct ring r;
    struct wf_record got[ROOM];
    uint64_t lost;
    open_ring(&r, RING, 1);
    put_number(&r.writer, 0);
    ck_assert_int_eq(wf_ring_read(&r.reader, got, ROOM, &lost), 1);
    wf_store_rel(&r.writer.block->head, 0);
    ck_assert_int_eq(wf_ring_read(&r.reader, got, ROOM, &lost), -EIO);
    close_ring(&r);
}

struct storm {
    struct ring ring;
    uint64_t count;
    WF_ATOMIC(bool) done;
};

/* Bursts and pauses, so that the reader is now ahead, now overrun. The reads are races on
 * purpose. */
static WF_NO_TSAN void *storm_thread(void *arg)
{
    struct storm *s = arg;
    uint32_t random = 1;
    for (uint64_t i = 0; i < s->count; i++) {
        put_number(&s->ring.writer, i);
        random = random * 1664525 + 1013904223;
        if (random >> 26 == 0) {
            for (uint32_t k = random >> 12 & 2047; k > 0; k--)
                wf_spin_hint();
        }
    }
    wf_store_rel(&s->done, true);
    return NULL;
}

static void read_storm(struct storm *s, size_t room)
{
    struct wf_record got[ROOM];
    uint64_t read = 0, lost = 0, gap;
    unsigned calls = 0, short_ones = 0;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, storm_thread, s), 0);
    for (;;) {
        bool last = wf_load_acq(&s->done);
        ssize_t count = wf_ring_read(&s->ring.reader, got, room, &gap);
        ck_assert_int_ge(count, 0);
        lost += gap;
        for (ssize_t i = 0; i < count; i++)
            check_number(&got[i], read + lost + (uint64_t)i);
        read += (uint64_t)count;
        calls++;
        short_ones += gap > 0;
        ck_assert_uint_eq(s->ring.reader.next, 16 * (read + lost));
        if (last && count == 0 && gap == 0)
            break;
    }
    pthread_join(thread, NULL);
    ck_assert_uint_eq(read + lost, s->count);
    ck_assert_uint_eq(read, s->ring.reader.read);
    ck_assert_uint_eq(lost, s->ring.reader.lost);
    printf("%llu written = %llu read + %llu lost, %u calls, %u of them with a loss\n",
           (unsigned long long)s->count, (unsigned long long)read, (unsigned long long)lost, calls,
           short_ones);
}

TEST(a_reader_beside_the_writer_sees_whole_records_and_counts_the_rest)
{
    static const size_t rooms[] = {ROOM, ROOM / 2, 7};
    for (unsigned i = 0; i < 3; i++) {
        struct storm s = {.count = wf_test_scale(1000000)};
        open_ring(&s.ring, RING, 1);
        read_storm(&s, rooms[i]);
        close_ring(&s.ring);
    }
}

TEST(nothing_is_recorded_below_the_level)
{
    struct ring r;
    open_ring(&r, RING, 0);
    wf_trace(&r.writer, WF_EV_SPAWN, 0, 1, 2);
    ck_assert_uint_eq(r.writer.head, 0);
    wf_store_rlx(&r.area.header->level, 1);
    wf_trace(&r.writer, WF_EV_SPAWN, 0, 1, 2);
    wf_trace_detail(&r.writer, 3, WF_EV_SUBMIT, 0, 1, 2);
    ck_assert_uint_eq(r.writer.head, 16);
    wf_store_rlx(&r.area.header->level, 3);
    wf_trace_detail(&r.writer, 3, WF_EV_SUBMIT, 0, 1, 2);
    ck_assert_uint_eq(r.writer.head, 32);
    close_ring(&r);
}

/*
 * Code that keeps the processor's ports busy for a few ns, as what stands between two records would
 * at its worst. Back to back, a record would wait for the head that the one before it stored (5
 * cycles); in a chain of slow instructions it would cost nothing at all.
 */
static inline void work(uint64_t x[4])
{
    uint64_t a = x[0], b = x[1], c = x[2], d = x[3];
    for (int i = 0; i < 4; i++) {
        a = (a << 7 | a >> 57) ^ (a + 0x51);
        b = (b << 7 | b >> 57) ^ (b + 0x51);
        c = (c << 7 | c >> 57) ^ (c + 0x51);
        d = (d << 7 | d >> 57) ^ (d + 0x51);
    }
    __asm__ __volatile__("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d)::"memory");
    x[0] = a, x[1] = b, x[2] = c, x[3] = d;
}

static double round_ns(struct ring *r, bool with_record)
{
    enum { RECORDS = 100000 };
    uint64_t x[4] = {1, 2, 3, 4};
    uint64_t from = wf_test_now_ns();
    for (uint32_t i = 0; i < RECORDS; i++) {
        work(x);
        if (with_record)
            wf_trace(&r->writer, WF_EV_WAKE, i, i, i);
    }
    return (double)(wf_test_now_ns() - from) / RECORDS;
}

static double cost_ns(struct ring *r)
{
    double with = 1e9, without = 1e9;
    for (int i = 0; i < 60; i++) {
        double a = round_ns(r, true), b = round_ns(r, false);
        with = a < with ? a : with;
        without = b < without ? b : without;
    }
    return with - without;
}

TEST(a_record_costs_at_most_one_and_a_half_nanoseconds)
{
#if WF_ASAN || WF_TSAN || !defined(__OPTIMIZE__)
    TEST_SKIP("not an optimised build");
#endif
    if (!wf_test_can_measure())
        TEST_SKIP("an emulator or a small run");
    struct ring r;
    open_ring(&r, 1u << 20, 1);
    double on = cost_ns(&r);
    wf_store_rlx(&r.area.header->level, 0);
    double off = cost_ns(&r);
    printf("a record: %.2f ns; recorder off: %.2f ns\n", on, off);
    ck_assert_double_le(on, 1.5);
    close_ring(&r);
}
