/* SPDX-License-Identifier: Apache-2.0 */
/* trace.h - the always-on recorder: level, snapshot, marks */
#ifndef WEFT_TRACE_H
#define WEFT_TRACE_H

#include <weft/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * weft_trace_snapshot - write the recorder's contents and all task descriptors to a file
 * @path: created or replaced, mode 0600; convert it with `weft-trace2json`
 *
 * The run goes on meanwhile; events that are overwritten during the copy are counted as lost.
 *
 * Return: 0; -EPERM when no runtime is running; errors of open(2) and write(2).
 * Context: any thread while the run lasts; blocks on the file system.
 * Since: 0.1. Idea: Go's flight recorder
 */
WEFT_API int weft_trace_snapshot(const char *path);

/**
 * weft_trace_level - change what is recorded
 * @level: -1 off, 1 scheduling events, 2 and 3 more detail
 *
 * Return: the previous level, 0 if it was off; -EINVAL; -EPERM when no runtime is running.
 * Context: any thread; never suspends.
 * Since: 0.1
 */
WEFT_API int weft_trace_level(int level);

/**
 * weft_mark - put a point event with a number into the recording of the calling worker
 * @name: constant string
 * @value: shown with it
 *
 * Return: nothing.
 * Context: tasks (ignored elsewhere); never suspends.
 * Since: 0.1
 */
WEFT_API void weft_mark(const char *name, uint32_t value);

#ifdef __cplusplus
}
#endif
#endif
