/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collect_modules.c - the part of a snapshot that lists the program and its shared objects
 *
 * Addresses in a snapshot are turned into names later, maybe elsewhere: for each file with code
 * this keeps where it was mapped, its path, and its build-id, so that a tool notices another build.
 */
#include "runtime/trace/collect.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM_HEADERS_MAX 64
#define NOTES_MAX           1024
#define BUILD_ID_MAX        64

struct module {
    struct wf_snap_module fixed;
    bool code;
    char path[PATH_MAX];
    unsigned char build_id[BUILD_ID_MAX];
};

/* Looks for the GNU build-id among the notes of one segment. */
static void take_build_id(struct module *m, const unsigned char *notes, size_t size)
{
    size_t at = 0;
    while (at + sizeof(Elf64_Nhdr) <= size) {
        Elf64_Nhdr note;
        memcpy(&note, notes + at, sizeof(note));
        size_t name = at + sizeof(note);
        size_t desc = name + ((note.n_namesz + 3u) & ~(size_t)3);
        size_t next = desc + ((note.n_descsz + 3u) & ~(size_t)3);
        if (next > size || next <= at)
            return;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
            memcmp(notes + name, "GNU", 4) == 0 && note.n_descsz <= BUILD_ID_MAX) {
            memcpy(m->build_id, notes + desc, note.n_descsz);
            m->fixed.build_id_len = note.n_descsz;
            return;
        }
        at = next;
    }
}

static void read_build_id(struct wf_collect *c, struct module *m)
{
    Elf64_Ehdr elf;
    Elf64_Phdr segment[PROGRAM_HEADERS_MAX];
    unsigned char notes[NOTES_MAX];
    if (wf_peek(c->peek, m->fixed.lo, &elf, sizeof(elf)) != 0 ||
        memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 || elf.e_phnum > PROGRAM_HEADERS_MAX ||
        elf.e_phentsize != sizeof(segment[0]) ||
        wf_peek(c->peek, m->fixed.lo + elf.e_phoff, segment, elf.e_phnum * sizeof(segment[0])) != 0)
        return;
    uint64_t bias = m->fixed.lo;
    for (int i = 0; i < elf.e_phnum; i++) {
        if (segment[i].p_type == PT_LOAD && segment[i].p_offset == 0)
            bias = m->fixed.lo - segment[i].p_vaddr;
    }
    for (int i = 0; i < elf.e_phnum && m->fixed.build_id_len == 0; i++) {
        size_t size = segment[i].p_filesz < sizeof(notes) ? segment[i].p_filesz : sizeof(notes);
        if (segment[i].p_type == PT_NOTE &&
            wf_peek(c->peek, bias + segment[i].p_vaddr, notes, size) == 0)
            take_build_id(m, notes, size);
    }
}

static void put_module(struct wf_collect *c, struct module *m)
{
    if (!m->code)
        return;
    read_build_id(c, m);
    wf_snap_put(c->sink, &m->fixed, sizeof(m->fixed));
    wf_snap_put(c->sink, m->build_id, m->fixed.build_id_len);
    wf_snap_put(c->sink, m->path, m->fixed.path_len);
    wf_snap_pad(c->sink);
}

/* One line of /proc/PID/maps; mappings of one file stand together, offset 0 first. */
static void take_line(struct wf_collect *c, struct module *m, char *line)
{
    unsigned long lo, hi, offset;
    char perms[5];
    int path_at = 0;
    if (sscanf(line, "%lx-%lx %4s %lx %*s %*s %n", &lo, &hi, perms, &offset, &path_at) < 4)
        return;
    char *path = path_at != 0 ? line + path_at : line + strlen(line);
    path[strcspn(path, "\n")] = '\0';
    size_t len = strlen(path);
    if (path[0] != '/' || len >= sizeof(m->path)) {
        put_module(c, m);
        m->code = false;
        m->path[0] = '\0';
        return;
    }
    if (offset == 0 && strcmp(path, m->path) != 0) {
        put_module(c, m);
        m->code = false;
        m->fixed = (struct wf_snap_module){.lo = lo, .path_len = (uint32_t)len};
        memcpy(m->path, path, len + 1);
    }
    if (strcmp(path, m->path) != 0)
        return;
    m->fixed.hi = hi;
    m->code = m->code || perms[2] == 'x';
}

int wf_collect_modules(struct wf_collect *c)
{
    char name[32];
    snprintf(name, sizeof(name), "/proc/%ld/maps", (long)c->peek->pid);
    FILE *maps = fopen(name, "re");
    if (maps == NULL)
        return errno == ENOENT ? -ESRCH : -errno;
    struct module *m = calloc(1, sizeof(*m));
    char *line = NULL;
    size_t cap = 0;
    wf_snap_begin(c->sink, WF_SNAP_MODULES, 0);
    while (m != NULL && getline(&line, &cap, maps) > 0)
        take_line(c, m, line);
    if (m != NULL)
        put_module(c, m);
    wf_snap_end(c->sink);
    free(line);
    fclose(maps);
    int rc = m == NULL ? -ENOMEM : 0;
    free(m);
    return rc;
}
