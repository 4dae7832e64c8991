/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live.c - finds the area of running processes and collects it
 *
 * The area is a memfd: its name stands in /proc/PID/maps whatever was stripped or linked
 * statically. A forked child inherits the mapping; the header's pid tells the two apart. Inside a
 * container that is the pid of the container's name space, which is the last one in NSpid.
 */
#include "tools/weft/live.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define AREA_FILE "/memfd:" WF_AREA_NAME " "

static FILE *open_proc(pid_t pid, const char *file)
{
    char path[48];
    snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, file);
    return fopen(path, "re");
}

static uint32_t inner_pid(pid_t pid)
{
    FILE *status = open_proc(pid, "status");
    char line[256];
    uint32_t inner = (uint32_t)pid;
    while (status != NULL && fgets(line, sizeof(line), status) != NULL) {
        if (strncmp(line, "NSpid:", 6) != 0)
            continue;
        const char *last = strrchr(line, '\t');
        if (last != NULL)
            inner = (uint32_t)strtoul(last, NULL, 10);
        break;
    }
    if (status != NULL)
        fclose(status);
    return inner;
}

static int check_area(struct wf_peek *peek, uint64_t addr, struct wf_area_header *header)
{
    int rc = wf_peek(peek, addr, header, sizeof(*header));
    if (rc != 0)
        return rc == -EPERM ? rc : -ENOENT;
    if (wf_load_rlx(&header->magic) != WF_AREA_MAGIC || header->area_addr != addr ||
        header->pid != inner_pid(peek->pid))
        return -ENOENT;
    return 0;
}

int live_find(struct wf_peek *peek, uint64_t *area_addr, struct wf_area_header *header)
{
    FILE *maps = open_proc(peek->pid, "maps");
    if (maps == NULL)
        return errno == ENOENT ? -ESRCH : errno == EACCES ? -EPERM : -errno;
    int rc = -ENOENT;
    char *line = NULL;
    size_t cap = 0;
    errno = 0;
    while (rc == -ENOENT && getline(&line, &cap, maps) > 0) {
        unsigned long lo, offset;
        if (strstr(line, AREA_FILE) == NULL || sscanf(line, "%lx-%*x %*s %lx", &lo, &offset) != 2 ||
            offset != 0)
            continue;
        rc = check_area(peek, lo, header);
        *area_addr = lo;
    }
    if (rc == -ENOENT && errno == EACCES)
        rc = -EPERM;
    free(line);
    fclose(maps);
    return rc;
}

static int collect_into(int fd, struct wf_peek *peek, const struct wf_snapshot_options *options)
{
    uint64_t addr;
    struct wf_area_header header;
    int rc = live_find(peek, &addr, &header);
    return rc != 0 ? rc : wf_snapshot_collect(peek, addr, fd, options);
}

int live_collect(pid_t pid, const struct wf_snapshot_options *options)
{
    int fd = memfd_create("snapshot", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct wf_peek peek;
    wf_peek_init(&peek, pid);
    int rc = collect_into(fd, &peek, options);
    wf_peek_fini(&peek);
    if (rc == 0)
        return fd;
    close(fd);
    const char *why = strerror(-rc);
    if (rc == -ENOENT)
        why = "no weft runtime in this process";
    else if (rc == -ESRCH)
        why = "no such process";
    else if (rc == -EPERM || rc == -EACCES)
        why = "not permitted: be its user or root";
    else if (rc == -EPROTO)
        why = "its weft has another layout than this tool";
    fprintf(stderr, "weft: %ld: %s\n", (long)pid, why);
    return rc;
}
