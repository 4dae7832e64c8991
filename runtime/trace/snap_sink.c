/* SPDX-License-Identifier: Apache-2.0 */
/* snap_sink.c - buffered writing of sections; errors are kept and told at the end */
#include "runtime/trace/snap_sink.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "runtime/trace/snapshot.h"

static void write_out(struct wf_snap_sink *sink, const char *data, size_t size)
{
    while (size > 0 && sink->error == 0) {
        ssize_t written = write(sink->fd, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            sink->error = written == 0 ? -ENOSPC : -errno;
            return;
        }
        data += written;
        size -= (size_t)written;
        sink->flushed += (uint64_t)written;
    }
}

void wf_snap_flush(struct wf_snap_sink *sink)
{
    write_out(sink, sink->buffer, sink->fill);
    sink->fill = 0;
}

uint64_t wf_snap_position(const struct wf_snap_sink *sink)
{
    return sink->flushed + sink->fill;
}

void wf_snap_put(struct wf_snap_sink *sink, const void *data, size_t size)
{
    if (size > sizeof(sink->buffer) - sink->fill)
        wf_snap_flush(sink);
    if (size > sizeof(sink->buffer)) {
        write_out(sink, data, size);
        return;
    }
    memcpy(sink->buffer + sink->fill, data, size);
    sink->fill += (uint32_t)size;
}

void wf_snap_pad(struct wf_snap_sink *sink)
{
    static const char zeros[8];
    wf_snap_put(sink, zeros, -wf_snap_position(sink) & 7);
}

void wf_snap_begin(struct wf_snap_sink *sink, uint32_t type, uint32_t index)
{
    struct wf_snap_section section = {.type = type, .index = index};
    sink->section_at = wf_snap_position(sink);
    sink->section_type = type;
    sink->section_index = index;
    wf_snap_put(sink, &section, sizeof(section));
}

void wf_snap_end(struct wf_snap_sink *sink)
{
    struct wf_snap_section section = {
        .type = sink->section_type,
        .index = sink->section_index,
        .size = wf_snap_position(sink) - sink->section_at - sizeof(section),
    };
    wf_snap_pad(sink);
    wf_snap_flush(sink);
    if (sink->error != 0)
        return;
    if (pwrite(sink->fd, &section, sizeof(section), (off_t)sink->section_at) !=
        (ssize_t)sizeof(section))
        sink->error = -EIO;
}
