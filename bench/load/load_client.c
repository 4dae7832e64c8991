/* SPDX-License-Identifier: Apache-2.0 */
/* load_client.c - options, connecting, messages, latency and server watch of the load generators */
#include "bench/load/load_client.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void usage(const char *program)
{
    fprintf(stderr,
            "usage: %s --addr IP:PORT [--conns N] [--inflight K] [--seconds S] [--warmup S]\n"
            "       [--spin US] [--count N] [--server-pid P] [--cpu N]\n",
            program);
    exit(2);
}

static void parse_server(struct client_options *o, const char *text)
{
    char host[64];
    const char *colon = text != NULL ? strrchr(text, ':') : NULL;

    if (colon == NULL || (size_t)(colon - text) >= sizeof(host)) {
        fprintf(stderr, "--addr needs IP:PORT\n");
        exit(2);
    }
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    o->server.sin_family = AF_INET;
    o->server.sin_port = htons((uint16_t)bench_parse_u64("--addr", colon + 1));
    if (inet_pton(AF_INET, host, &o->server.sin_addr) != 1) {
        fprintf(stderr, "not an address: %s\n", text);
        exit(2);
    }
}

void client_parse(struct client_options *o, int argc, char **argv)
{
    o->cpu = -1;
    for (int i = 1; i < argc; i += 2) {
        const char *a = argv[i], *v = argv[i + 1];

        if (strcmp(a, "--addr") == 0)
            parse_server(o, v);
        else if (strcmp(a, "--conns") == 0)
            o->conns = (unsigned)bench_parse_u64(a, v);
        else if (strcmp(a, "--inflight") == 0)
            o->inflight = (unsigned)bench_parse_u64(a, v);
        else if (strcmp(a, "--seconds") == 0)
            o->seconds = bench_parse_seconds(a, v);
        else if (strcmp(a, "--warmup") == 0)
            o->warmup = bench_parse_seconds(a, v);
        else if (strcmp(a, "--spin") == 0)
            o->spin_us = bench_parse_u64(a, v);
        else if (strcmp(a, "--count") == 0)
            o->count = bench_parse_u64(a, v);
        else if (strcmp(a, "--server-pid") == 0)
            o->server_pid = (pid_t)bench_parse_u64(a, v);
        else if (strcmp(a, "--cpu") == 0)
            o->cpu = (int)bench_parse_u64(a, v);
        else
            usage(argv[0]);
    }
    if (o->server.sin_port == 0 || o->conns == 0 || o->inflight == 0)
        usage(argv[0]);
    if (bench_pin(o->cpu) < 0) {
        fprintf(stderr, "cannot run on CPU %d\n", o->cpu);
        exit(1);
    }
}

void client_raise_fds(unsigned needed)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < needed) {
        fprintf(stderr, "needs %u descriptors, allowed are %llu\n", needed,
                (unsigned long long)limit.rlim_cur);
        exit(77);
    }
}

int client_connect(const struct client_options *o)
{
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)&o->server, sizeof(o->server)) < 0) {
        perror("connect");
        exit(1);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static uint64_t mix(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t h = (a * 0x9e3779b97f4a7c15u) ^ (b + 0x632be59bd9b4e019u) ^ (c << 17);

    return h ^ (h >> 29);
}

void message_fill(struct message *m, uint64_t conn, uint64_t seq, uint64_t now_ns)
{
    uint64_t h = mix(conn, seq, now_ns);

    _Static_assert(sizeof(*m) == MESSAGE_SIZE, "a message is one cache line");
    m->conn = conn;
    m->seq = seq;
    m->sent_ns = now_ns;
    for (unsigned i = 0; i < 5; i++)
        m->check[i] = h + i;
}

bool message_valid(const struct message *m, uint64_t conn, uint64_t seq)
{
    uint64_t h = mix(m->conn, m->seq, m->sent_ns);
    bool same = m->conn == conn && m->seq == seq;

    for (unsigned i = 0; i < 5; i++)
        same = same && m->check[i] == h + i;
    return same;
}

static unsigned bucket_of(uint64_t ns)
{
    unsigned shift;

    if (ns < LATENCY_SUB)
        return (unsigned)ns;
    shift = 63u - (unsigned)__builtin_clzll(ns) - 5u;
    return (shift + 1) * LATENCY_SUB + (unsigned)(ns >> shift) - LATENCY_SUB;
}

void latency_add(uint32_t *buckets, uint64_t ns)
{
    buckets[bucket_of(ns)]++;
}

double latency_us(const uint32_t *buckets, double quantile)
{
    uint64_t total = 0, below = 0;

    for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
        total += buckets[i];
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        below += buckets[i];
        if (total > 0 && (double)below >= quantile * (double)total) {
            unsigned shift = i < LATENCY_SUB ? 0 : i / LATENCY_SUB - 1;
            uint64_t low = i < LATENCY_SUB ? i : (uint64_t)(i % LATENCY_SUB + LATENCY_SUB) << shift;

            return ((double)low + (double)((uint64_t)1 << shift) / 2) / 1e3;
        }
    }
    return 0;
}

void watch_start(struct server_watch *w, pid_t pid)
{
    *w = (struct server_watch){.pid = pid};
    if (pid == 0)
        return;
    w->cpu_ns = bench_cpu_ns_of(pid);
    if (w->cpu_ns < 0 || bench_usage_of(pid, &w->usage) < 0) {
        fprintf(stderr, "cannot watch process %d\n", (int)pid);
        exit(1);
    }
}

void watch_stop(struct server_watch *w)
{
    struct server_watch now;

    watch_start(&now, w->pid);
    w->cpu_ns = now.cpu_ns - w->cpu_ns;
    w->usage.user_s = now.usage.user_s - w->usage.user_s;
    w->usage.sys_s = now.usage.sys_s - w->usage.sys_s;
}
