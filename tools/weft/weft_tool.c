/* SPDX-License-Identifier: Apache-2.0 */
/* weft_tool.c - the `weft` command: picks the subcommand; what the subcommands share */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <weft/base.h>

#include "runtime/trace/events.h"
#include "tools/weft/commands.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *arguments;
    const char *purpose;
} commands[] = {
    {"ls", cmd_ls, "[--json]", "processes with a weft runtime"},
    {"ps", cmd_ps, "PID|FILE.weft [--stacks] [--json]", "tasks: what each does and waits for"},
    {"trace2json", cmd_trace2json, "FILE.weft|PID [-o FILE] [--tasks] [--max-mb N]",
     "timeline for ui.perfetto.dev, chrome://tracing, speedscope"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int usage(FILE *out)
{
    fprintf(out, "usage:\n");
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  weft %s %s\n        %s\n", commands[i].name, commands[i].arguments,
                commands[i].purpose);
    fprintf(out, "\nReads other processes' memory, never stops or changes them.\n"
                 "Exit: 0 done, 1 found a problem, 2 usage or damaged file, 3 no runtime or not "
                 "permitted.\n");
    return out == stderr ? EXIT_USAGE : EXIT_OK;
}

int exit_of(int error)
{
    switch (error) {
    case -ENOENT:
    case -EPERM:
    case -EACCES:
    case -ESRCH:
        return EXIT_NO_RUNTIME;
    default:
        return EXIT_USAGE;
    }
}

const char *wait_text(unsigned kind)
{
    static const char *const texts[] = {
#define WAIT_TEXT(name, text) text,
        WF_WAIT_KINDS(WAIT_TEXT)
#undef WAIT_TEXT
    };
    return kind < WF_WAIT_COUNT ? texts[kind] : "?";
}

const char *task_label(struct symbols *y, const struct snap *s, const struct wf_snap_task *task,
                       char *buf, size_t size)
{
    const char *name = snap_string(s, (uint64_t)(uintptr_t)task->desc.name);
    if (name != NULL && name[0] != '\0')
        return name;
    name = symbols_function(y, (uint64_t)(uintptr_t)task->desc.fn, NULL);
    if (name != NULL)
        return name;
    snprintf(buf, size, "task %u", task->desc.index);
    return buf;
}

/* Length of the UTF-8 sequence at p, 0 if it is none. */
static size_t utf8_length(const unsigned char *p)
{
    size_t length = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (p[0] >= 0xf5)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return length;
}

void print_json_string(FILE *out, const char *text)
{
    putc('"', out);
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0';) {
        size_t length = utf8_length(p);
        if (length == 0)
            putc('?', out);
        else if (*p == '"' || *p == '\\')
            fprintf(out, "\\%c", *p);
        else if (*p < 0x20)
            fprintf(out, "\\u%04x", *p);
        else
            fwrite(p, 1, length, out);
        p += length == 0 ? 1 : length;
    }
    putc('"', out);
}

int main(int argc, char **argv)
{
    const char *self = strrchr(argv[0], '/');
    self = self == NULL ? argv[0] : self + 1;
    if (strcmp(self, "weft-trace2json") == 0)
        return cmd_trace2json(argc, argv);
    if (argc < 2)
        return usage(stderr);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return usage(stdout);
    if (strcmp(argv[1], "--version") == 0) {
        printf("weft %s\n", WEFT_VERSION_STRING);
        return EXIT_OK;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    fprintf(stderr, "weft: no command '%s'\n", argv[1]);
    return usage(stderr);
}
