/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot.c - weft_trace_snapshot: a snapshot of the own process, put in place in one step */
#include "runtime/trace/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weft/trace.h>

static const struct wf_snapshot_options own_options = {
    .stack_bytes = WF_SNAPSHOT_STACK_BYTES,
    .stack_bytes_total = WF_SNAPSHOT_STACK_BYTES_TOTAL,
};

static int write_snapshot(const struct wf_area *area, const char *temporary, int fd,
                          const char *path)
{
    struct wf_peek peek;
    wf_peek_init(&peek, getpid());
    int rc = wf_snapshot_collect(&peek, (uint64_t)(uintptr_t)area->header, fd, &own_options);
    wf_peek_fini(&peek);
    if (close(fd) != 0 && rc == 0)
        rc = -errno;
    if (rc == 0 && rename(temporary, path) != 0)
        rc = -errno;
    if (rc != 0)
        unlink(temporary);
    return rc;
}

int wf_trace_snapshot_area(const struct wf_area *area, const char *path)
{
    static const char suffix[] = ".XXXXXX";
    size_t len = strlen(path);
    char *temporary = malloc(len + sizeof(suffix));
    if (temporary == NULL)
        return -ENOMEM;
    memcpy(temporary, path, len);
    memcpy(temporary + len, suffix, sizeof(suffix));
    int fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
    int rc = fd < 0 ? -errno : write_snapshot(area, temporary, fd, path);
    free(temporary);
    return rc;
}

int weft_trace_snapshot(const char *path)
{
    const struct wf_area *area = wf_runtime_area();
    if (area == NULL || area->header == NULL) /* the second: it is just starting */
        return -EPERM;
    if (path == NULL)
        return -EINVAL;
    return wf_trace_snapshot_area(area, path);
}
