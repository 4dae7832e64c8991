/* SPDX-License-Identifier: Apache-2.0 */
/* load_client.h - what the load generators share: options, connecting, messages, latency, report */
#ifndef WEFT_BENCH_LOAD_LOAD_CLIENT_H
#define WEFT_BENCH_LOAD_LOAD_CLIENT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bench/support/bench.h"

enum {
    MESSAGE_SIZE = 64,
    LATENCY_SUB = 32, /* buckets per power of two: 3 % */
    LATENCY_BUCKETS = 64 * LATENCY_SUB,
};

struct client_options {
    const char *name;
    struct sockaddr_in server; /* --addr 127.0.0.1:PORT */
    unsigned conns;            /* --conns N */
    unsigned inflight;         /* --inflight K: messages a connection keeps under way */
    double seconds;            /* --seconds S: measured time */
    double warmup;             /* --warmup S: before it */
    uint64_t spin_us;          /* --spin US: poll this long before sleeping */
    uint64_t count;            /* --count N: end after so many instead of after a time */
    pid_t server_pid;          /* --server-pid P: measure that process too; 0: none */
    int cpu;                   /* --cpu N; -1: not pinned */
};

/* One message: what it says can be checked without remembering what was sent. */
struct message {
    uint64_t conn;
    uint64_t seq;
    uint64_t sent_ns;
    uint64_t check[5];
};

/* CPU time of the server over a window. */
struct server_watch {
    pid_t pid;
    int64_t cpu_ns;
    struct bench_usage usage;
};

void client_parse(struct client_options *o, int argc, char **argv);

/* Gives the limit on open descriptors the value its hard limit allows. */
void client_raise_fds(unsigned needed);

/* A blocking connect without Nagle's algorithm. Exits when it fails. */
int client_connect(const struct client_options *o);

void message_fill(struct message *m, uint64_t conn, uint64_t seq, uint64_t now_ns);
bool message_valid(const struct message *m, uint64_t conn, uint64_t seq);

void latency_add(uint32_t *buckets, uint64_t ns);
double latency_us(const uint32_t *buckets, double quantile);

/* Starts watching, and turns *w into the CPU time spent since. */
void watch_start(struct server_watch *w, pid_t pid);
void watch_stop(struct server_watch *w);

#endif
