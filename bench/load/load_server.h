/* SPDX-License-Identifier: Apache-2.0 */
/* load_server.h - what all servers under load share: options, listening, stop, report, answers */
#ifndef WEFT_BENCH_LOAD_LOAD_SERVER_H
#define WEFT_BENCH_LOAD_LOAD_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SERVER_ECHO_SIZE = 64, /* bytes of one echoed message */
    SERVER_BACKLOG = 4096,
    SERVER_ANSWERS_MAX = 256, /* answers that one send of server_answers() can carry */
    SERVER_FDS_MAX = 65536,   /* connections are looked up by descriptor */
};

struct server_options {
    const char *name;
    const char *addr;   /* --addr 127.0.0.1:0 */
    bool http;          /* --http: answer requests; else echo */
    bool lease;         /* --lease: weft only, receive into leased buffers */
    bool exchange;      /* --exchange: weft only, answer and wait for more in one call */
    unsigned workers;   /* --workers N: weft only */
    bool no_spin;       /* --no-spin: weft only, an idle worker sleeps at once */
    uint64_t spin_us;   /* --spin US: poll this long before sleeping */
    uint64_t toggle_us; /* --toggle US: weft only, recorder on and off in turns of this length */
};

void server_parse(struct server_options *o, int argc, char **argv);

/* Listens without blocking and prints "listening PORT". Exits when it cannot. */
int server_listen(const struct server_options *o);
void server_announce(unsigned port);

/* A descriptor that becomes readable on SIGTERM or SIGINT. */
int server_stop_fd(void);

/* The last line: what was served, and for how much CPU time. */
void server_report(const struct server_options *o, uint64_t requests, uint64_t connections);

/* Counts the ends of request heads in buf; *state carries a partial end between calls. */
unsigned server_count_requests(uint8_t *state, const char *buf, size_t n);

/* A buffer of SERVER_ANSWERS_MAX equal answers and the length of one. */
const char *server_answers(size_t *len);

#endif
