/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snap_load.c - a .weft file, or a running process, as tables
 *
 * A process is collected into an anonymous file by the code that writes snapshots, so that there is
 * one way of reading and one format. Every length in the file is checked against its section.
 */
#include "tools/weft/snap_load.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/weft/live.h"

#define CALIBRATE_LEAST_NS 100000000 /* of run time, for a frequency that is worth more */

#define PAD(n) (((n) + 7) & ~(uint64_t)7)

/* Elements of variable size in one section: yields the start of each. */
struct walk {
    const unsigned char *at, *end;
};

static const void *walk_take(struct walk *w, uint64_t size)
{
    if ((uint64_t)(w->end - w->at) < size)
        return NULL;
    const void *p = w->at;
    w->at += size;
    return p;
}

/* Grows a table by one element; exits when there is no memory: a tool has nothing to save. */
static void *table_add(void *table, size_t *count, size_t size)
{
    if ((*count & (*count - 1)) == 0) {
        table = realloc(table, (*count == 0 ? 1 : 2 * *count) * size);
        if (table == NULL) {
            fprintf(stderr, "weft: out of memory\n");
            exit(2);
        }
    }
    memset((char *)table + *count * size, 0, size);
    ++*count;
    return table;
}

static char *copy_text(const void *text, size_t len)
{
    char *copy = malloc(len + 1);
    if (copy == NULL) {
        fprintf(stderr, "weft: out of memory\n");
        exit(2);
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

static bool load_stacks(struct snap *s, struct walk w)
{
    const struct wf_snap_stack *info;
    while ((info = walk_take(&w, sizeof(*info))) != NULL) {
        const void *bytes = walk_take(&w, PAD(info->size));
        if (bytes == NULL)
            return false;
        s->stacks = table_add(s->stacks, &s->stack_count, sizeof(s->stacks[0]));
        s->stacks[s->stack_count - 1] = (struct snap_stack){info, bytes};
    }
    return w.at == w.end;
}

static bool load_strings(struct snap *s, struct walk w)
{
    const struct wf_snap_string *info;
    while ((info = walk_take(&w, sizeof(*info))) != NULL) {
        const void *bytes = walk_take(&w, PAD(info->len));
        if (bytes == NULL)
            return false;
        s->strings = table_add(s->strings, &s->string_count, sizeof(s->strings[0]));
        s->strings[s->string_count - 1] =
            (struct snap_string){info->addr, copy_text(bytes, info->len)};
    }
    return w.at == w.end;
}

static bool load_modules(struct snap *s, struct walk w)
{
    static const char deleted[] = " (deleted)";
    const struct wf_snap_module *info;
    while ((info = walk_take(&w, sizeof(*info))) != NULL) {
        const unsigned char *bytes =
            walk_take(&w, PAD((uint64_t)info->build_id_len + info->path_len));
        if (bytes == NULL)
            return false;
        size_t len = info->path_len;
        const char *path = (const char *)bytes + info->build_id_len;
        size_t tail = sizeof(deleted) - 1;
        if (len > tail && memcmp(path + len - tail, deleted, tail) == 0)
            len -= tail;
        s->modules = table_add(s->modules, &s->module_count, sizeof(s->modules[0]));
        s->modules[s->module_count - 1] = (struct snap_module){
            .lo = info->lo,
            .hi = info->hi,
            .build_id = bytes,
            .build_id_len = info->build_id_len,
            .path = copy_text(path, len),
        };
    }
    return w.at == w.end;
}

static bool load_events(struct snap *s, uint32_t worker, struct walk w)
{
    const struct wf_snap_events *info = walk_take(&w, sizeof(*info));
    if (info == NULL || worker >= WF_AREA_WORKERS_MAX ||
        info->count != (uint64_t)(w.end - w.at) / sizeof(struct wf_record))
        return false;
    s->ring[worker] = (struct snap_ring){info, (const void *)w.at};
    return true;
}

static bool load_section(struct snap *s, const struct wf_snap_section *section, struct walk w)
{
    uint64_t size = section->size;
    switch (section->type) {
    case WF_SNAP_CONTROL:
        s->control = (const void *)w.at;
        return size == sizeof(*s->control);
    case WF_SNAP_WORKERS:
        s->blocks = (const void *)w.at;
        s->workers = (unsigned)(size / sizeof(s->blocks[0]));
        return size % sizeof(s->blocks[0]) == 0 && s->workers <= WF_AREA_WORKERS_MAX;
    case WF_SNAP_EVENTS:
        return load_events(s, section->index, w);
    case WF_SNAP_TASKS:
        s->tasks = (const void *)w.at;
        s->task_count = size / sizeof(s->tasks[0]);
        return size % sizeof(s->tasks[0]) == 0;
    case WF_SNAP_STACKS:
        return load_stacks(s, w);
    case WF_SNAP_STRINGS:
        return load_strings(s, w);
    case WF_SNAP_MODULES:
        return load_modules(s, w);
    case WF_SNAP_END:
        s->complete = true;
        return true;
    default:
        return true;
    }
}

static int by_fiber(const void *a, const void *b)
{
    uint64_t x = ((const struct snap_stack *)a)->info->fiber;
    uint64_t y = ((const struct snap_stack *)b)->info->fiber;
    return x < y ? -1 : x > y;
}

static int by_addr(const void *a, const void *b)
{
    uint64_t x = ((const struct snap_string *)a)->addr;
    uint64_t y = ((const struct snap_string *)b)->addr;
    return x < y ? -1 : x > y;
}

/* The snapshot has both clocks, as has the start: over a second that is right to some parts per
 * million, whatever the process knew. */
static void set_frequency(struct snap *s)
{
    uint64_t ns = s->header->mono_ns - s->control->mono0;
    uint64_t ticks = s->header->tsc - s->control->tsc0;
    s->tsc_hz = wf_load_rlx(&s->control->tsc_hz);
    if (ns >= CALIBRATE_LEAST_NS && ns <= INT64_MAX && ticks <= INT64_MAX)
        s->tsc_hz = (uint64_t)((double)ticks * 1e9 / (double)ns);
    if (s->tsc_hz == 0)
        s->tsc_hz = 1000000000;
}

/* A file that was cut off still gives what it has: only nonsense is refused. */
static int load(struct snap *s, const char *source)
{
    struct walk w = {s->map, (unsigned char *)s->map + s->size};
    s->header = walk_take(&w, sizeof(*s->header));
    if (s->header == NULL || s->header->magic != WF_SNAP_MAGIC) {
        fprintf(stderr, "weft: %s: not a .weft file\n", source);
        return -EPROTO;
    }
    if (s->header->version != WF_SNAP_VERSION || s->header->header_size != sizeof(*s->header)) {
        fprintf(stderr, "weft: %s: version %u, this tool reads %u\n", source, s->header->version,
                WF_SNAP_VERSION);
        return -EPROTO;
    }
    const struct wf_snap_section *section;
    while (!s->complete && (section = walk_take(&w, sizeof(*section))) != NULL) {
        const unsigned char *payload = walk_take(&w, PAD(section->size));
        if (payload == NULL || section->size > PAD(section->size))
            break;
        if (!load_section(s, section, (struct walk){payload, payload + section->size})) {
            fprintf(stderr, "weft: %s: section %u is damaged\n", source, section->type);
            return -EPROTO;
        }
    }
    if (s->control == NULL || s->blocks == NULL) {
        fprintf(stderr, "weft: %s: nothing in it\n", source);
        return -EPROTO;
    }
    if (!s->complete)
        fprintf(stderr, "weft: %s: cut off, showing what is there\n", source);
    set_frequency(s);
    if (s->stack_count > 0)
        qsort(s->stacks, s->stack_count, sizeof(s->stacks[0]), by_fiber);
    if (s->string_count > 0)
        qsort(s->strings, s->string_count, sizeof(s->strings[0]), by_addr);
    return 0;
}

static int open_source(const char *source, const struct wf_snapshot_options *options)
{
    const char *p = source;
    while (isdigit((unsigned char)*p))
        p++;
    if (p != source && *p == '\0')
        return live_collect((pid_t)strtol(source, NULL, 10), options);
    int fd = open(source, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    int error = errno;
    fprintf(stderr, "weft: %s: %s\n", source, strerror(error));
    return -error;
}

int snap_open(struct snap *s, const char *source, const struct wf_snapshot_options *options)
{
    memset(s, 0, sizeof(*s));
    int fd = open_source(source, options);
    if (fd < 0)
        return fd;
    struct stat st;
    int rc = fstat(fd, &st) != 0 ? -errno : 0;
    if (rc == 0 && st.st_size < (off_t)sizeof(struct wf_snap_header)) {
        fprintf(stderr, "weft: %s: not a .weft file\n", source);
        rc = -EPROTO;
    }
    if (rc == 0) {
        s->size = (size_t)st.st_size;
        s->map = mmap(NULL, s->size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (s->map == MAP_FAILED) {
            rc = -errno;
            s->map = NULL;
            fprintf(stderr, "weft: %s: %s\n", source, strerror(-rc));
        }
    }
    close(fd);
    if (rc == 0)
        rc = load(s, source);
    if (rc != 0)
        snap_close(s);
    return rc;
}

void snap_close(struct snap *s)
{
    for (size_t i = 0; i < s->string_count; i++)
        free(s->strings[i].text);
    for (size_t i = 0; i < s->module_count; i++)
        free(s->modules[i].path);
    free(s->strings);
    free(s->modules);
    free(s->stacks);
    if (s->map != NULL)
        munmap(s->map, s->size);
    memset(s, 0, sizeof(*s));
}

const char *snap_string(const struct snap *s, uint64_t addr)
{
    struct snap_string key = {.addr = addr};
    const struct snap_string *found = NULL;
    if (addr != 0 && s->string_count > 0)
        found = bsearch(&key, s->strings, s->string_count, sizeof(key), by_addr);
    return found == NULL ? NULL : found->text;
}

const struct snap_stack *snap_stack_of(const struct snap *s, const struct wf_snap_task *task)
{
    struct wf_snap_stack info = {.fiber = (uint64_t)(uintptr_t)task->desc.fiber};
    struct snap_stack key = {.info = &info};
    if (info.fiber == 0 || s->stack_count == 0 || snap_task_running(task))
        return NULL;
    return bsearch(&key, s->stacks, s->stack_count, sizeof(key), by_fiber);
}

uint64_t snap_code(const struct snap *s, uint64_t low, unsigned bits)
{
    uint64_t span = UINT64_C(1) << bits;
    for (size_t i = 0; i < s->module_count; i++) {
        uint64_t addr = (s->modules[i].lo & ~(span - 1)) | low;
        if (addr < s->modules[i].lo)
            addr += span;
        if (addr < s->modules[i].hi)
            return addr;
    }
    return 0;
}

/* Tasks are collected region by region, upwards: nearly always sorted by address. */
const struct wf_snap_task *snap_task_at(const struct snap *s, uint64_t addr)
{
    size_t lo = 0, hi = s->task_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->tasks[mid].addr < addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->task_count && s->tasks[lo].addr == addr ? &s->tasks[lo] : NULL;
}

double snap_ns(const struct snap *s, int64_t ticks)
{
    return (double)ticks * 1e9 / (double)s->tsc_hz;
}
