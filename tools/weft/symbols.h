/* SPDX-License-Identifier: Apache-2.0 */
/* symbols.h - names for code addresses, and call stacks of parked tasks */
#ifndef WF_SYMBOLS_H
#define WF_SYMBOLS_H

#include "tools/weft/snap_load.h"

#define SYMBOLS_FRAMES_MAX 64

struct symbols;

struct stack_frame {
    uint64_t pc;
    bool call; /* pc is a return address: the call stands before it */
};

/* symbols_open - never fails: what cannot be found stays a number */
struct symbols *symbols_open(const struct snap *s);
void symbols_close(struct symbols *y);

/* symbols_function - name of the function at an address, or NULL; `*offset` may be NULL */
const char *symbols_function(struct symbols *y, uint64_t pc, uint64_t *offset);

/* symbols_line - "file.c:12" (the last part of the path) or NULL; the caller's buffer */
const char *symbols_line(struct symbols *y, uint64_t pc, char *buf, size_t size);

/* symbols_describe - "function+0x12 file.c:34", or a hexadecimal number */
const char *symbols_describe(struct symbols *y, struct stack_frame frame, char *buf, size_t size);

/*
 * symbols_unwind - the calls on a parked task's stack, innermost first
 * @whole: set to whether the bottom of the stack was reached
 * Returns the number of frames.
 */
size_t symbols_unwind(struct symbols *y, const struct snap_stack *stack,
                      struct stack_frame frames[SYMBOLS_FRAMES_MAX], bool *whole);

#endif
