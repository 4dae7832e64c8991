/* SPDX-License-Identifier: Apache-2.0 */
/*
 * area.c - creates the area that other processes read, and ties its clock to CLOCK_MONOTONIC
 *
 * Layout of the memfd: the control page; the worker blocks, rounded up to pages; one event ring per
 * worker. Everything is touched here, so that no record ever pays for a page fault. The size is
 * sealed: a tool that opens the file through /proc cannot truncate it under the workers' feet.
 *
 * Regions (order: region-addr). Any thread may add one while tools read. It claims an index, fills
 * in the size and stores the address last with release; a reader loads the address with acquire and
 * takes 0 for "not there yet".
 *
 * Clock. One pair (tsc0, mono0) is taken when the area is opened; the frequency comes from where
 * the kernel or the CPU tell it, else from two pairs CALIBRATE_SPIN_NS apart (error up to some 100
 * ppm). wf_area_calibrate measures it again over the whole time since the first pair: the error of
 * a pair is below 100 ns, so after one second the frequency is right to well under a part per
 * million.
 */
#include "runtime/trace/area.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <weft/base.h>

#include "runtime/arch/frame.h"
#include "runtime/base/assert.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define PAGE_SIZE          4096u
#define CALIBRATE_SPIN_NS  UINT64_C(100000)   /* between two pairs if nobody tells the frequency */
#define CALIBRATE_LEAST_NS UINT64_C(10000000) /* a shorter span would make the frequency worse */
#define PAIR_TRIES         8                  /* the narrowest of these is taken */
#define NS_PER_SEC         UINT64_C(1000000000)

_Static_assert(sizeof(struct wf_area_header) <= PAGE_SIZE, "the header is one page");

uint64_t wf_area_cycles(void)
{
#if defined(__x86_64__)
    uint32_t low, high;
    /* lfence: the pair must not be taken while older loads are under way */
    __asm__ __volatile__("lfence\n\trdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
#elif defined(__aarch64__)
    uint64_t value;
    __asm__ __volatile__("isb\n\tmrs %0, cntvct_el0" : "=r"(value)::"memory");
    return value;
#else
#error "no cycle counter for this architecture"
#endif
}

static uint64_t monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

/* One point in both clocks: the narrowest of a few readings, so that an interrupt does not
 * count. */
static void read_pair(uint64_t *tsc, uint64_t *mono)
{
    uint64_t narrowest = UINT64_MAX;
    for (int i = 0; i < PAIR_TRIES; i++) {
        uint64_t before = wf_area_cycles();
        uint64_t now = monotonic_ns();
        uint64_t after = wf_area_cycles();
        if (after - before >= narrowest)
            continue;
        narrowest = after - before;
        *tsc = before + (after - before) / 2;
        *mono = now;
    }
}

/* ticks / ns in Hz; 128 bits because a day of ticks times 1e9 does not fit into 64. */
static uint64_t frequency(uint64_t ticks, uint64_t ns)
{
    return (uint64_t)((__extension__(unsigned __int128) ticks * NS_PER_SEC + ns / 2) / ns);
}

#if defined(__x86_64__)
/* What the kernel found for its own clock, from the first page of a perf event; 0: not told. */
static uint64_t told_frequency(void)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof(attr),
        .config = PERF_COUNT_SW_DUMMY,
        .disabled = 1,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };
    int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0)
        return 0;
    uint64_t hz = 0;
    struct perf_event_mmap_page *page = mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED) {
        /* ns = ticks * mult >> shift */
        if (page->cap_user_time != 0 && page->time_mult != 0)
            hz = (uint64_t)(((__extension__(unsigned __int128) NS_PER_SEC) << page->time_shift) /
                            page->time_mult);
        munmap(page, PAGE_SIZE);
    }
    close(fd);
    return hz;
}
#else
static uint64_t told_frequency(void)
{
    uint64_t hz;
    __asm__ __volatile__("mrs %0, cntfrq_el0" : "=r"(hz));
    return hz;
}
#endif

static void calibrate_first(struct wf_area_header *header)
{
    uint64_t tsc, mono;
    read_pair(&header->tsc0, &header->mono0);
    uint64_t hz = told_frequency();
    if (hz == 0) {
        do
            read_pair(&tsc, &mono);
        while (mono - header->mono0 < CALIBRATE_SPIN_NS);
        hz = frequency(tsc - header->tsc0, mono - header->mono0);
    }
    wf_store_rlx(&header->tsc_hz, hz);
}

uint64_t wf_area_calibrate(struct wf_area *area)
{
    struct wf_area_header *header = area->header;
    uint64_t tsc, mono;
    read_pair(&tsc, &mono);
    if (mono - header->mono0 >= CALIBRATE_LEAST_NS)
        wf_store_rlx(&header->tsc_hz, frequency(tsc - header->tsc0, mono - header->mono0));
    return wf_load_rlx(&header->tsc_hz);
}

static size_t round_up_to_page(size_t size)
{
    return (size + PAGE_SIZE - 1) & ~(size_t)(PAGE_SIZE - 1);
}

static void prefault(char *base, size_t size)
{
    if (madvise(base, size, MADV_POPULATE_WRITE) == 0)
        return;
    /* Before Linux 5.14, or no memory left: then the fault comes where the runtime can be
     * killed. */
    for (size_t at = 0; at < size; at += PAGE_SIZE)
        wf_store_rlx((WF_ATOMIC(uint8_t) *)(base + at), 0);
}

static int create_file(size_t size)
{
    int fd = memfd_create(WF_AREA_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)size) != 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    /* A kernel without seals on memfd would only lose the protection. */
    (void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    return fd;
}

static void fill_header(struct wf_area_header *header, unsigned workers, size_t ring_size,
                        size_t blocks_size, size_t size, int level)
{
    header->version = WF_AREA_VERSION;
    header->header_size = PAGE_SIZE;
    header->worker_size = sizeof(struct wf_worker_block);
    header->workers = workers;
    header->desc_size = sizeof(struct wf_desc);
    header->pid = (uint32_t)getpid();
    header->area_addr = (uint64_t)(uintptr_t)header;
    header->area_size = size;
#ifdef WF_FRAME_BASE
    header->frame_base = WF_FRAME_BASE;
#endif
    header->frame_size = WF_FRAME_SIZE;
    strncpy(header->lib_version, WEFT_VERSION_STRING, sizeof(header->lib_version) - 1);
    wf_store_rlx(&header->level, level);
    struct wf_worker_block *blocks = (void *)((char *)header + PAGE_SIZE);
    for (unsigned i = 0; i < workers; i++) {
        blocks[i].index = i;
        blocks[i].ring_offset = PAGE_SIZE + blocks_size + (uint64_t)i * ring_size;
        blocks[i].ring_size = ring_size;
    }
    calibrate_first(header);
}

int wf_area_open(struct wf_area *area, unsigned workers, size_t ring_size, int level)
{
    WF_CHECK(workers >= 1 && workers <= WF_AREA_WORKERS_MAX);
    WF_CHECK(ring_size >= PAGE_SIZE && (ring_size & (ring_size - 1)) == 0);
    size_t blocks_size = round_up_to_page(workers * sizeof(struct wf_worker_block));
    size_t size = PAGE_SIZE + blocks_size + workers * ring_size;
    int fd = create_file(size);
    if (fd < 0)
        return fd;
    char *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) {
        int error = errno;
        close(fd);
        return -error;
    }
    prefault(base, size);
    *area = (struct wf_area){
        .header = (void *)base,
        .worker_blocks = (void *)(base + PAGE_SIZE),
        .size = size,
        .fd = fd,
    };
    fill_header(area->header, workers, ring_size, blocks_size, size, level);
    wf_store_rel(&area->header->magic, WF_AREA_MAGIC); /* order: area-magic */
    return 0;
}

void wf_area_close(struct wf_area *area)
{
    munmap(area->header, area->size);
    close(area->fd);
    *area = (struct wf_area){.fd = -1};
}

int wf_area_add_region(struct wf_area *area, void *addr, size_t size)
{
    struct wf_area_header *header = area->header;
    uint32_t index = wf_load_rlx(&header->regions);
    do {
        if (index >= WF_AREA_REGIONS_MAX)
            return -ENOSPC;
    } while (!wf_cas_rlx(&header->regions, &index, index + 1));
    struct wf_area_region *region = &header->region[index];
    region->size = size;
    wf_store_rlx(&region->used, 0);
    wf_store_rel(&region->addr, (uint64_t)(uintptr_t)addr); /* order: region-addr */
    return (int)index;
}
