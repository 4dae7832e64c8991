/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_ls.c - `weft ls`: the processes that have a weft runtime */
#include <dirent.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/weft/commands.h"
#include "tools/weft/live.h"

#define BLOCK_BYTES (256u * 1024)

struct process {
    pid_t pid;
    struct wf_area_header header;
    uint64_t live;    /* slots in use */
    uint64_t records; /* ever written to the rings */
    char command[64];
};

static void read_command(struct process *p)
{
    char path[48];
    snprintf(path, sizeof(path), "/proc/%ld/cmdline", (long)p->pid);
    FILE *file = fopen(path, "re");
    size_t got = file == NULL ? 0 : fread(p->command, 1, sizeof(p->command) - 1, file);
    if (file != NULL)
        fclose(file);
    while (got > 0 && p->command[got - 1] == '\0')
        got--;
    for (size_t i = 0; i < got; i++) {
        if (p->command[i] == '\0' || iscntrl((unsigned char)p->command[i]))
            p->command[i] = ' ';
    }
    p->command[got] = '\0';
}

/* The counters of the workers are a turn old, and a worker that is busy with one task takes
 * none. */
static void count_tasks(struct process *p, struct wf_peek *peek,
                        const struct wf_area_region *region)
{
    uint64_t addr = wf_load_rlx(&region->addr), used = wf_load_rlx(&region->used);
    uint32_t slot = p->header.slot_size;
    char *block = malloc(BLOCK_BYTES);
    if (block == NULL || addr == 0 || slot < sizeof(struct wf_desc) || slot > BLOCK_BYTES)
        used = 0;
    for (uint64_t i = 0, n; i < used; i += n) {
        n = used - i < BLOCK_BYTES / slot ? used - i : BLOCK_BYTES / slot;
        if (wf_peek(peek, addr + i * slot, block, n * slot) != 0)
            break;
        for (uint64_t k = 0; k < n; k++) {
            struct wf_desc desc;
            memcpy(&desc, block + k * slot, sizeof(desc));
            p->live += desc.live != 0;
        }
    }
    free(block);
}

static bool read_process(struct process *p)
{
    struct wf_peek peek;
    uint64_t addr;
    wf_peek_init(&peek, p->pid);
    bool found = live_find(&peek, &addr, &p->header) == 0;
    uint32_t workers = p->header.workers;
    for (uint32_t i = 0; found && i < workers && i < WF_AREA_WORKERS_MAX; i++) {
        struct wf_worker_block block;
        uint64_t at = addr + p->header.header_size + (uint64_t)i * sizeof(block);
        if (p->header.version != WF_AREA_VERSION || wf_peek(&peek, at, &block, sizeof(block)) != 0)
            break;
        p->records += wf_load_rlx(&block.head) / sizeof(struct wf_record);
    }
    uint32_t regions = found ? wf_load_rlx(&p->header.regions) : 0;
    for (uint32_t i = 0; i < regions && i < WF_AREA_REGIONS_MAX; i++)
        count_tasks(p, &peek, &p->header.region[i]);
    wf_peek_fini(&peek);
    return found;
}

static double up_seconds(const struct process *p)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    double now = (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
    return (now - (double)p->header.mono0) / 1e9;
}

static void print_process(const struct process *p, bool json, bool first)
{
    char version[sizeof(p->header.lib_version) + 1] = "";
    memcpy(version, p->header.lib_version, sizeof(p->header.lib_version));
    int level = wf_load_rlx(&p->header.level);
    if (!json) {
        printf("%8ld %-8s %7u %9llu %9.1fs %5d %12llu  %s\n", (long)p->pid, version,
               p->header.workers, (unsigned long long)p->live, up_seconds(p), level,
               (unsigned long long)p->records, p->command);
        return;
    }
    printf("%s{\"pid\":%ld,\"version\":", first ? "" : ",\n", (long)p->pid);
    print_json_string(stdout, version);
    printf(",\"workers\":%u,\"tasks\":%llu,\"up_s\":%.3f,\"level\":%d,\"records\":%llu"
           ",\"command\":",
           p->header.workers, (unsigned long long)p->live, up_seconds(p), level,
           (unsigned long long)p->records);
    print_json_string(stdout, p->command);
    printf("}");
}

int cmd_ls(int argc, char **argv)
{
    bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
    if (argc > 1 && !json) {
        fprintf(stderr, "usage: weft ls [--json]\n");
        return EXIT_USAGE;
    }
    DIR *proc = opendir("/proc");
    if (proc == NULL) {
        fprintf(stderr, "weft: /proc is not there\n");
        return EXIT_NO_RUNTIME;
    }
    unsigned found = 0;
    if (json)
        printf("[");
    for (struct dirent *entry; (entry = readdir(proc)) != NULL;) {
        struct process p = {.pid = (pid_t)strtol(entry->d_name, NULL, 10)};
        if (p.pid <= 0 || !read_process(&p))
            continue;
        read_command(&p);
        if (found == 0 && !json)
            printf("%8s %-8s %7s %9s %10s %5s %12s  %s\n", "PID", "VERSION", "WORKERS", "TASKS",
                   "UP", "LEVEL", "RECORDS", "COMMAND");
        print_process(&p, json, found == 0);
        found++;
    }
    closedir(proc);
    if (json)
        printf("]\n");
    else if (found == 0)
        fprintf(stderr, "weft: no process with a weft runtime that you may look into\n");
    return found == 0 ? EXIT_NO_RUNTIME : EXIT_OK;
}
