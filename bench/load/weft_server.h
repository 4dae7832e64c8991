/* SPDX-License-Identifier: Apache-2.0 */
/* weft_server.h - what the weft servers under load share: starting, counting, recorder in turns */
#ifndef WEFT_BENCH_LOAD_WEFT_SERVER_H
#define WEFT_BENCH_LOAD_WEFT_SERVER_H

#include <weft/net.h>

#include "bench/load/load_server.h"
#include "runtime/base/atomic.h"

enum { WEFT_SERVER_CONNECTIONS_MAX = 18000 };

struct weft_server {
    struct server_options options;
    /* Serves on the listener until stopped, as weft_serve does. */
    int (*serve)(struct weft_server *s, weft_listener *listener);
    WF_ATOMIC(uint64_t) requests; /* any: relaxed, a statistic */
    WF_ATOMIC(uint64_t) connections;
};

/* Runs the server as the command line says, to its end. Return: the exit code for main. */
int weft_server_main(struct weft_server *s, int argc, char **argv);

/*
 * The recorder's cost under load: a thread turns the recorder on and off every few milliseconds
 * and divides the CPU time of the watched thread by the requests of each turn. Neighbouring turns
 * see the same machine, so differences far below the spread of whole runs show.
 */
int toggle_start(struct weft_server *s);
void toggle_stop(void); /* prints the result as one line of JSON */

#endif
