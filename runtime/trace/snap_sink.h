/* SPDX-License-Identifier: Apache-2.0 */
/* snap_sink.h - buffered writing of sections; errors are kept and told at the end */
#ifndef WF_SNAP_SINK_H
#define WF_SNAP_SINK_H

#include <stddef.h>
#include <stdint.h>

#define WF_SNAP_SINK_BUFFER 65536

/* owner: the collecting thread */
struct wf_snap_sink {
    int fd;
    int error; /* the first -errno; everything after it does nothing */
    uint32_t fill;
    uint64_t flushed;    /* bytes in the file */
    uint64_t section_at; /* file position of the open section's header */
    uint32_t section_type;
    uint32_t section_index;
    char buffer[WF_SNAP_SINK_BUFFER];
};

void wf_snap_put(struct wf_snap_sink *sink, const void *data, size_t size);
/* wf_snap_pad - zeros up to the next multiple of 8 */
void wf_snap_pad(struct wf_snap_sink *sink);
void wf_snap_flush(struct wf_snap_sink *sink);

/* wf_snap_begin / wf_snap_end - around the payload of a section, whose size is then filled in */
void wf_snap_begin(struct wf_snap_sink *sink, uint32_t type, uint32_t index);
void wf_snap_end(struct wf_snap_sink *sink);

/* wf_snap_position - file position of the next byte */
uint64_t wf_snap_position(const struct wf_snap_sink *sink);

#endif
