/* SPDX-License-Identifier: Apache-2.0 */
/* nosymbols.c - stands in for symbols.c where libdw is missing: numbers, and frame pointers */
#include "tools/weft/symbols.h"

#include <stdio.h>
#include <stdlib.h>

#include "tools/weft/parked.h"

struct symbols {
    const struct snap *s;
};

struct symbols *symbols_open(const struct snap *s)
{
    struct symbols *y = malloc(sizeof(*y));
    if (y == NULL) {
        fprintf(stderr, "weft: out of memory\n");
        exit(2);
    }
    y->s = s;
    return y;
}

void symbols_close(struct symbols *y)
{
    free(y);
}

const char *symbols_function(struct symbols *y, uint64_t pc, uint64_t *offset)
{
    (void)y, (void)pc, (void)offset;
    return NULL;
}

const char *symbols_line(struct symbols *y, uint64_t pc, char *buf, size_t size)
{
    (void)y, (void)pc, (void)buf, (void)size;
    return NULL;
}

/* The file and the offset in it: what addr2line wants. */
const char *symbols_describe(struct symbols *y, struct stack_frame frame, char *buf, size_t size)
{
    for (size_t i = 0; i < y->s->module_count; i++) {
        const struct snap_module *m = &y->s->modules[i];
        if (frame.pc < m->lo || frame.pc >= m->hi)
            continue;
        snprintf(buf, size, "%s+%#llx", m->path, (unsigned long long)(frame.pc - m->lo));
        return buf;
    }
    snprintf(buf, size, "%#llx", (unsigned long long)frame.pc);
    return buf;
}

size_t symbols_unwind(struct symbols *y, const struct snap_stack *stack,
                      struct stack_frame frames[SYMBOLS_FRAMES_MAX], bool *whole)
{
    struct parked regs;
    uint64_t pcs[SYMBOLS_FRAMES_MAX];
    *whole = false;
    if (!parked_read(y->s, stack, &regs))
        return 0;
    size_t count = parked_walk(stack, &regs, pcs, SYMBOLS_FRAMES_MAX, whole);
    for (size_t i = 0; i < count; i++)
        frames[i] = (struct stack_frame){.pc = pcs[i], .call = true};
    return count;
}
