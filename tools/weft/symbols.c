/* SPDX-License-Identifier: Apache-2.0 */
/*
 * symbols.c - names for code addresses, and call stacks of parked tasks, by libdw
 *
 * The modules of the snapshot are reported to libdw at the addresses where they were mapped. A file
 * whose build-id is not the recorded one is left out: no name is better than a wrong one. Stacks
 * are unwound from the collected bytes alone, with the unwind tables of the modules; where these
 * end early, the chain of frame pointers is tried, and the longer result is taken.
 */
#include "tools/weft/symbols.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <elfutils/libdwfl.h>

#include "tools/weft/parked.h"

#define ONE_THREAD 1
#define CACHE_SIZE 4096 /* direct-mapped; libdw searches its tables from the start each time */

struct cached {
    uint64_t pc; /* 0: empty */
    const char *function;
    uint64_t offset;
    char *text; /* file and line, once asked for; empty: unknown */
};

struct symbols {
    const struct snap *s;
    struct cached cache[CACHE_SIZE];
    Dwfl *dwfl;
    bool can_unwind;
    const struct snap_stack *stack; /* being unwound */
    struct parked regs;
    struct stack_frame *frames;
    size_t count;
};

static char *debug_path; /* NULL: the default search path for separate debug files */

static const Dwfl_Callbacks callbacks = {
    .find_elf = dwfl_build_id_find_elf,
    .find_debuginfo = dwfl_standard_find_debuginfo,
    .debuginfo_path = &debug_path,
};

static bool same_build(Dwfl_Module *module, const struct snap_module *m)
{
    const unsigned char *id;
    GElf_Addr where;
    GElf_Addr bias;
    (void)dwfl_module_getelf(module, &bias);
    int len = dwfl_module_build_id(module, &id, &where);
    if (m->build_id_len == 0 || len <= 0)
        return true; /* built without: nothing to compare */
    return (uint32_t)len == m->build_id_len && memcmp(id, m->build_id, (size_t)len) == 0;
}

static void report_modules(struct symbols *y, bool with_changed, bool *changed)
{
    dwfl_report_begin(y->dwfl);
    for (size_t i = 0; i < y->s->module_count; i++) {
        struct snap_module *m = &y->s->modules[i];
        if (m->path[0] == '\0')
            continue;
        Dwfl_Module *module = dwfl_report_elf(y->dwfl, m->path, m->path, -1, m->lo, false);
        if (module == NULL || with_changed || same_build(module, m))
            continue;
        fprintf(stderr, "weft: %s: another build than the one that ran, no names from it\n",
                m->path);
        m->path[0] = '\0';
        *changed = true;
    }
    dwfl_report_end(y->dwfl, NULL, NULL);
}

static pid_t next_thread(Dwfl *dwfl, void *arg, void **thread_arg)
{
    (void)dwfl;
    if (*thread_arg != NULL)
        return 0;
    *thread_arg = arg;
    return ONE_THREAD;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *arg, void **thread_arg)
{
    (void)dwfl;
    *thread_arg = arg;
    return tid == ONE_THREAD;
}

static bool read_word(Dwfl *dwfl, Dwarf_Addr addr, Dwarf_Word *result, void *arg)
{
    struct symbols *y = arg;
    uint64_t value;
    (void)dwfl;
    if (!parked_word(y->stack, addr, &value))
        return false;
    *result = value;
    return true;
}

static bool set_registers(Dwfl_Thread *thread, void *arg)
{
    struct symbols *y = arg;
    for (size_t i = 0; i < y->regs.reg_count; i++) {
        Dwarf_Word value = y->regs.reg[i].value;
        if (!dwfl_thread_state_registers(thread, y->regs.reg[i].dwarf, 1, &value))
            return false;
    }
    dwfl_thread_state_register_pc(thread, y->regs.pc);
    return true;
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
    .next_thread = next_thread,
    .get_thread = get_thread,
    .memory_read = read_word,
    .set_initial_registers = set_registers,
};

struct symbols *symbols_open(const struct snap *s)
{
    struct symbols *y = calloc(1, sizeof(*y));
    if (y == NULL) {
        fprintf(stderr, "weft: out of memory\n");
        exit(2);
    }
    y->s = s;
    y->dwfl = dwfl_begin(&callbacks);
    if (y->dwfl == NULL)
        return y;
    bool changed = false;
    report_modules(y, false, &changed);
    if (changed)
        report_modules(y, true, &changed);
    y->can_unwind = dwfl_attach_state(y->dwfl, NULL, ONE_THREAD, &thread_callbacks, y);
    return y;
}

void symbols_close(struct symbols *y)
{
    if (y->dwfl != NULL)
        dwfl_end(y->dwfl);
    for (size_t i = 0; i < CACHE_SIZE; i++)
        free(y->cache[i].text);
    free(y);
}

static struct cached *look_up(struct symbols *y, uint64_t pc)
{
    struct cached *c = &y->cache[(pc * UINT64_C(0x9e3779b97f4a7c15)) >> 52 & (CACHE_SIZE - 1)];
    if (c->pc == pc && pc != 0)
        return c;
    free(c->text);
    *c = (struct cached){.pc = pc};
    GElf_Off offset = 0;
    GElf_Sym symbol;
    Dwfl_Module *module = y->dwfl == NULL ? NULL : dwfl_addrmodule(y->dwfl, pc);
    if (module != NULL)
        c->function = dwfl_module_addrinfo(module, pc, &offset, &symbol, NULL, NULL, NULL);
    c->offset = offset;
    return c;
}

const char *symbols_function(struct symbols *y, uint64_t pc, uint64_t *offset)
{
    const struct cached *c = look_up(y, pc);
    if (offset != NULL)
        *offset = c->offset;
    return c->function;
}

const char *symbols_line(struct symbols *y, uint64_t pc, char *buf, size_t size)
{
    int number;
    Dwfl_Module *module = y->dwfl == NULL ? NULL : dwfl_addrmodule(y->dwfl, pc);
    Dwfl_Line *line = module == NULL ? NULL : dwfl_module_getsrc(module, pc);
    const char *file = line == NULL ? NULL : dwfl_lineinfo(line, NULL, &number, NULL, NULL, NULL);
    if (file == NULL)
        return NULL;
    const char *last = strrchr(file, '/');
    snprintf(buf, size, "%s:%d", last == NULL ? file : last + 1, number);
    return buf;
}

const char *symbols_describe(struct symbols *y, struct stack_frame frame, char *buf, size_t size)
{
    struct cached *c = look_up(y, frame.call ? frame.pc - 1 : frame.pc);
    char line[256];
    if (c->function == NULL) {
        snprintf(buf, size, "%#llx", (unsigned long long)frame.pc);
        return buf;
    }
    if (c->text == NULL) {
        const char *where = symbols_line(y, c->pc, line, sizeof(line));
        c->text = strdup(where == NULL ? "" : where);
    }
    bool has_line = c->text != NULL && c->text[0] != '\0';
    snprintf(buf, size, "%s+%#llx%s%s", c->function, (unsigned long long)(c->offset + frame.call),
             has_line ? " " : "", has_line ? c->text : "");
    return buf;
}

static int take_frame(Dwfl_Frame *state, void *arg)
{
    struct symbols *y = arg;
    Dwarf_Addr pc;
    bool activation;
    if (y->count == SYMBOLS_FRAMES_MAX || !dwfl_frame_pc(state, &pc, &activation))
        return DWARF_CB_ABORT;
    if (pc == 0)
        return DWARF_CB_OK;
    y->frames[y->count++] = (struct stack_frame){.pc = pc, .call = true};
    return DWARF_CB_OK;
}

size_t symbols_unwind(struct symbols *y, const struct snap_stack *stack,
                      struct stack_frame frames[SYMBOLS_FRAMES_MAX], bool *whole)
{
    uint64_t pcs[SYMBOLS_FRAMES_MAX];
    bool walk_whole;
    *whole = false;
    if (!parked_read(y->s, stack, &y->regs))
        return 0;
    y->stack = stack;
    y->frames = frames;
    y->count = 0;
    if (y->can_unwind)
        *whole = dwfl_getthread_frames(y->dwfl, ONE_THREAD, take_frame, y) == 0;
    if (*whole)
        return y->count;
    size_t walked = parked_walk(stack, &y->regs, pcs, SYMBOLS_FRAMES_MAX, &walk_whole);
    if (walked <= y->count)
        return y->count;
    for (size_t i = 0; i < walked; i++)
        frames[i] = (struct stack_frame){.pc = pcs[i], .call = true};
    *whole = walk_whole;
    return walked;
}
