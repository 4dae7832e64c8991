/* SPDX-License-Identifier: Apache-2.0 */
/* commands.h - the subcommands of `weft`, and how they end */
#ifndef WF_COMMANDS_H
#define WF_COMMANDS_H

#include <stdio.h>

#include "tools/weft/symbols.h"

enum exit_code {
    EXIT_OK = 0,
    EXIT_FOUND = 1,      /* the tool did its work and found a problem */
    EXIT_USAGE = 2,      /* wrong arguments, damaged file */
    EXIT_NO_RUNTIME = 3, /* no weft runtime there, or not permitted to look */
};

int cmd_ls(int argc, char **argv);
int cmd_ps(int argc, char **argv);
int cmd_trace2json(int argc, char **argv);

/* exit_of - the exit code for a failure of snap_open */
int exit_of(int error);

/* task_label - name of a task, else of its body, else its number; the caller's buffer or
 * constant */
const char *task_label(struct symbols *y, const struct snap *s, const struct wf_snap_task *task,
                       char *buf, size_t size);

/* print_json_string - with quotes and escapes; bytes that are not UTF-8 become '?' */
void print_json_string(FILE *out, const char *text);

/* wait_text - "recv", "sleep" ...; the names of enum wf_wait_kind */
const char *wait_text(unsigned kind);

#endif
