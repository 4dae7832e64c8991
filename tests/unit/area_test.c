/* SPDX-License-Identifier: Apache-2.0 */
/* area_test.c - the area that tools read: layout, clock, regions, and snapshots of it */
#include "tests/support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/sanitize.h"
#include "runtime/trace/snapshot.h"
#include "runtime/trace/trace.h"
#include "tools/weft/snap_load.h"

#define RING  65536u
#define SLOTS 64u
#define SLOT  256u

struct fixture {
    struct wf_area area;
    struct wf_trace_ring ring[2];
    char *slots;
    char path[64];
};

static struct wf_desc *slot(struct fixture *f, unsigned i)
{
    return (void *)(f->slots + (size_t)i * SLOT);
}

static void open_fixture(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    ck_assert_int_eq(wf_area_open(&f->area, 2, RING, 1), 0);
    for (unsigned i = 0; i < 2; i++) {
        struct wf_worker_block *block = &f->area.worker_blocks[i];
        f->ring[i] = (struct wf_trace_ring){
            .base = (char *)f->area.header + block->ring_offset,
            .mask = block->ring_size - 1,
            .tsc = wf_area_cycles(),
            .block = block,
            .level = &f->area.header->level,
        };
    }
    f->slots = mmap(NULL, SLOTS * SLOT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(f->slots, MAP_FAILED);
    f->area.header->slot_size = SLOT;
    snprintf(f->path, sizeof(f->path), "/tmp/weft-area-test-%ld.weft", (long)getpid());
}

static void close_fixture(struct fixture *f)
{
    unlink(f->path);
    munmap(f->slots, SLOTS * SLOT);
    wf_area_close(&f->area);
}

static void take_snapshot(struct fixture *f, struct snap *s)
{
    ck_assert_int_eq(wf_trace_snapshot_area(&f->area, f->path), 0);
    ck_assert_int_eq(snap_open(s, f->path, NULL), 0);
    ck_assert(s->complete);
}

TEST(the_area_is_a_sealed_file_named_weft)
{
    struct wf_area area;
    unsigned fds = wf_test_open_fds();
    ck_assert_int_eq(wf_area_open(&area, 3, RING, 2), 0);
    const struct wf_area_header *h = area.header;
    ck_assert_uint_eq(wf_load_rlx(&h->magic), WF_AREA_MAGIC);
    ck_assert_uint_eq(h->workers, 3);
    ck_assert_int_eq(wf_load_rlx(&h->level), 2);
    ck_assert_uint_eq(h->area_addr, (uintptr_t)h);
    ck_assert_uint_eq(h->pid, (unsigned)getpid());
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(area.worker_blocks[i].index, i);
        ck_assert_uint_eq(area.worker_blocks[i].ring_size, RING);
        ck_assert_uint_le(area.worker_blocks[i].ring_offset + RING, h->area_size);
        ck_assert_uint_eq(area.worker_blocks[i].ring_offset % 4096, 0);
    }
    ck_assert_int_eq(ftruncate(area.fd, 0), -1);
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(fcntl(area.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    wf_area_close(&area);
    ck_assert_uint_eq(wf_test_open_fds(), fds);
}

TEST(the_clock_is_right_at_once_and_very_right_later)
{
    struct wf_area area;
    ck_assert_int_eq(wf_area_open(&area, 1, 4096, 0), 0);
    double first = (double)wf_load_rlx(&area.header->tsc_hz);
    uint64_t from = wf_test_now_ns();
    while (wf_test_now_ns() - from < 50000000)
        usleep(10000); /* lint: allow sleep, the clock is measured over time */
    double later = (double)wf_area_calibrate(&area);
    while (wf_test_now_ns() - from < 250000000)
        usleep(10000); /* lint: allow sleep, the clock is measured over time */
    double last = (double)wf_area_calibrate(&area);
    ck_assert_double_gt(last, 1e6);
    ck_assert_double_lt(fabs(first / last - 1), 2000e-6);
    ck_assert_double_lt(fabs(later / last - 1), 50e-6);
    /* tsc0 and mono0 are one point: now must agree in both clocks. */
    double ticks = (double)(wf_area_cycles() - area.header->tsc0) * 1e9 / last;
    double mono = (double)(wf_test_now_ns() - area.header->mono0);
    ck_assert_double_lt(fabs(ticks - mono), 2e6);
    wf_area_close(&area);
}

TEST(regions_are_listed_until_the_table_is_full)
{
    struct fixture f;
    open_fixture(&f);
    for (int i = 0; i < WF_AREA_REGIONS_MAX; i++)
        ck_assert_int_eq(wf_area_add_region(&f.area, f.slots, 4096), i);
    ck_assert_int_eq(wf_area_add_region(&f.area, f.slots, 4096), -ENOSPC);
    close_fixture(&f);
}

TEST(a_snapshot_gives_back_tasks_names_and_events)
{
    struct fixture f;
    struct snap s;
    open_fixture(&f);
    int region = wf_area_add_region(&f.area, f.slots, SLOTS * SLOT);
    for (unsigned i = 1; i < 5; i++) {
        *slot(&f, i) = (struct wf_desc){.seq = 2,
                                        .index = i,
                                        .live = i == 4 ? 0 : 1,
                                        .name = i == 2 ? "second" : NULL,
                                        .wait_kind = WF_WAIT_SLEEP,
                                        .switches = 7 * i};
    }
    wf_store_rlx(&slot(&f, 3)->seq, 3); /* on a CPU */
    wf_store_rel(&f.area.header->region[region].used, 5);
    for (unsigned i = 0; i < 10; i++)
        wf_trace(&f.ring[1], WF_EV_WAKE, i, 100 + i, 200 + i);
    wf_trace(&f.ring[0], WF_EV_MARK, 0, 1, 42);
    wf_trace_put(&f.ring[0], f.ring[0].tsc << 16 | WF_EV_CONT << 8, (uint64_t)(uintptr_t) "a mark");
    take_snapshot(&f, &s);
    ck_assert_uint_eq(s.workers, 2);
    ck_assert_uint_eq(s.task_count, 3);
    ck_assert_uint_eq(s.tasks[1].desc.index, 2);
    ck_assert_uint_eq(s.tasks[1].desc.switches, 14);
    ck_assert_uint_eq(s.tasks[1].addr, (uintptr_t)slot(&f, 2));
    ck_assert_str_eq(snap_string(&s, (uintptr_t)s.tasks[1].desc.name), "second");
    ck_assert(!snap_task_running(&s.tasks[1]));
    ck_assert(snap_task_running(&s.tasks[2]));
    ck_assert_uint_eq(s.ring[1].info->count, 10);
    ck_assert_uint_eq(s.ring[1].info->lost, 0);
    ck_assert_uint_eq(wf_record_task(&s.ring[1].records[9]), 109);
    ck_assert_uint_eq(wf_record_arg(&s.ring[1].records[9]), 209);
    ck_assert_uint_eq(wf_record_type(&s.ring[1].records[9]), WF_EV_WAKE);
    ck_assert_uint_eq(wf_record_aux(&s.ring[1].records[9]), 9);
    ck_assert_str_eq(snap_string(&s, s.ring[0].records[1].w1), "a mark");
    ck_assert_uint_ge(s.module_count, 2); /* the program and libc */
    struct stat st;
    ck_assert_int_eq(stat(f.path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    snap_close(&s);
    close_fixture(&f);
}

TEST(a_snapshot_of_a_full_ring_counts_what_is_gone)
{
    struct fixture f;
    struct snap s;
    const uint32_t written = 3 * RING / 16 + 5;
    open_fixture(&f);
    for (uint32_t i = 0; i < written; i++)
        wf_trace(&f.ring[0], WF_EV_WAKE, 0, 0, i);
    take_snapshot(&f, &s);
    const struct wf_snap_events *info = s.ring[0].info;
    ck_assert_uint_eq(info->written, written);
    ck_assert_uint_eq(info->count + info->lost, written);
    ck_assert_uint_ge(info->count, RING / 16 - 64);
    for (uint64_t i = 0; i < info->count; i++)
        ck_assert_uint_eq(wf_record_arg(&s.ring[0].records[i]), info->lost + i);
    snap_close(&s);
    close_fixture(&f);
}

/* The first words of struct wf_fiber are enough for the collector. */
struct fake_fiber {
    void *sp, *lo, *hi;
};

TEST(stacks_of_parked_tasks_are_saved_and_those_of_running_ones_are_not)
{
    struct fixture f;
    struct snap s;
    char stack[2][8192] __attribute__((aligned(16)));
    struct fake_fiber fiber[2];
    open_fixture(&f);
    f.area.header->fiber_stack_lo_offset = offsetof(struct fake_fiber, lo);
    f.area.header->fiber_stack_hi_offset = offsetof(struct fake_fiber, hi);
    for (unsigned i = 0; i < 2; i++) {
        memset(stack[i], 'a' + (int)i, sizeof(stack[i]));
        fiber[i] = (struct fake_fiber){stack[i] + 2048, stack[i], stack[i] + sizeof(stack[i])};
        *slot(&f, i + 1) = (struct wf_desc){
            .seq = 2 + i, .index = i + 1, .live = 2, .fiber = (struct wf_fiber *)(void *)&fiber[i]};
    }
    int region = wf_area_add_region(&f.area, f.slots, SLOTS * SLOT);
    wf_store_rel(&f.area.header->region[region].used, 3);
    take_snapshot(&f, &s);
    ck_assert_uint_eq(s.stack_count, 1);
    const struct snap_stack *got = snap_stack_of(&s, &s.tasks[0]);
    ck_assert_ptr_nonnull(got);
    ck_assert_uint_eq(got->info->sp, (uintptr_t)fiber[0].sp);
    ck_assert_uint_eq(got->info->size, WF_SNAPSHOT_STACK_BYTES);
    ck_assert_int_eq(got->bytes[0], 'a');
    ck_assert_int_eq(got->bytes[4095], 'a');
    ck_assert_ptr_null(snap_stack_of(&s, &s.tasks[1]));
    snap_close(&s);
    close_fixture(&f);
}

/* A descriptor whose fields all carry one number, changed over and over as a running task does. */
struct churn {
    struct wf_desc *desc;
    WF_ATOMIC(bool) stop;
};

static WF_NO_TSAN void *churn_thread(void *arg)
{
    struct churn *c = arg;
    struct wf_desc *d = c->desc;
    for (uint64_t i = 1; !wf_load_rlx(&c->stop); i++) {
        wf_store_rlx(&d->seq, (uint32_t)(2 * i - 1));
        __asm__ __volatile__("" ::: "memory");
        d->wait_obj = (void *)(uintptr_t)i;
        d->run_tsc = i;
        d->since = i;
        wf_store_rel(&d->seq, (uint32_t)(2 * i));
        for (unsigned k = 0; k < i % 50; k++)
            wf_spin_hint();
    }
    return NULL;
}

TEST(a_descriptor_that_changes_is_never_torn_in_a_snapshot)
{
    struct fixture f;
    pthread_t thread;
    unsigned parked = 0;
    open_fixture(&f);
    struct churn c = {.desc = slot(&f, 1)};
    *c.desc = (struct wf_desc){.index = 1, .live = 2};
    int region = wf_area_add_region(&f.area, f.slots, SLOTS * SLOT);
    wf_store_rel(&f.area.header->region[region].used, 2);
    ck_assert_int_eq(pthread_create(&thread, NULL, churn_thread, &c), 0);
    for (unsigned i = 0; i < wf_test_scale(300); i++) {
        struct snap s;
        take_snapshot(&f, &s);
        ck_assert_uint_eq(s.task_count, 1);
        const struct wf_desc *d = &s.tasks[0].desc;
        if (!snap_task_running(&s.tasks[0])) {
            parked++;
            ck_assert_uint_eq(d->run_tsc, (uintptr_t)d->wait_obj);
            ck_assert_uint_eq(d->run_tsc, d->since);
            ck_assert_uint_eq((uint32_t)(2 * d->run_tsc), wf_load_rlx(&d->seq));
        }
        snap_close(&s);
    }
    wf_store_rlx(&c.stop, true);
    pthread_join(thread, NULL);
    printf("%u of the snapshots saw it parked\n", parked);
    close_fixture(&f);
}

TEST(a_snapshot_that_cannot_be_written_leaves_the_old_file)
{
    struct fixture f;
    open_fixture(&f);
    ck_assert_int_eq(wf_trace_snapshot_area(&f.area, "/nonexistent/x.weft"), -ENOENT);
    ck_assert_int_eq(wf_trace_snapshot_area(&f.area, f.path), 0);
    ck_assert_int_eq(wf_trace_snapshot_area(&f.area, f.path), 0); /* replaced */
    close_fixture(&f);
}

TEST(a_damaged_or_cut_file_is_refused_or_shown_as_far_as_it_goes)
{
    struct fixture f;
    struct snap s;
    char bytes[32768];
    open_fixture(&f);
    ck_assert_int_eq(wf_trace_snapshot_area(&f.area, f.path), 0);
    int fd = open(f.path, O_RDWR);
    ssize_t size = pread(fd, bytes, sizeof(bytes), 0);
    ck_assert_int_gt(size, 2000);
    for (ssize_t cut = 0; cut < size; cut += 1 + cut / 16) {
        ck_assert_int_eq(ftruncate(fd, 0), 0);
        ck_assert_int_eq(pwrite(fd, bytes, (size_t)cut, 0), cut);
        if (snap_open(&s, f.path, NULL) == 0) {
            ck_assert(!s.complete);
            snap_close(&s);
        }
    }
    uint64_t seed = wf_test_seed();
    srand((unsigned)seed);
    for (int i = 0; i < 300; i++) {
        char changed[sizeof(bytes)];
        memcpy(changed, bytes, (size_t)size);
        for (int k = 0; k < 8; k++)
            changed[(size_t)rand() % (size_t)size] = (char)rand();
        ck_assert_int_eq(pwrite(fd, changed, (size_t)size, 0), size);
        if (snap_open(&s, f.path, NULL) == 0)
            snap_close(&s);
    }
    close(fd);
    close_fixture(&f);
}
