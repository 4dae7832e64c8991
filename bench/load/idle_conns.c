/* SPDX-License-Identifier: Apache-2.0 */
/* idle_conns.c - memory of a server for each connection that has spoken once and is idle since */
/*
 * Opens the connections in groups, sends one message on each and waits for its echo, so that every
 * connection of the server has been read and written. Then the growth of the server's memory since
 * the start is divided by their number. PSS is the figure that counts: shared pages are in it.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load/load_client.h"

enum { GROUP_SIZE = 64 };

struct memory {
    unsigned long rss_kib;
    unsigned long pss_kib;
};

static struct client_options options = {
    .name = "idle", .conns = 10000, .inflight = 1, .seconds = 0.5};

static struct memory memory_of(pid_t pid)
{
    struct memory m = {0};
    char path[64], line[256];
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
    f = fopen(path, "re");
    if (f == NULL) {
        perror(path);
        exit(1);
    }
    while (fgets(line, sizeof(line), f) != NULL) {
        sscanf(line, "Rss: %lu kB", &m.rss_kib);
        sscanf(line, "Pss: %lu kB", &m.pss_kib);
    }
    fclose(f);
    return m;
}

static void send_message(int fd, uint64_t index)
{
    struct message m;

    message_fill(&m, index, 0, bench_now_ns());
    if (send(fd, &m, sizeof(m), MSG_NOSIGNAL) != sizeof(m)) {
        perror("send");
        exit(1);
    }
}

static void receive_message(int fd, uint64_t index)
{
    struct message m;

    if (recv(fd, &m, sizeof(m), MSG_WAITALL) != sizeof(m) || !message_valid(&m, index, 0)) {
        fprintf(stderr, "idle_conns: connection %llu: no echo\n", (unsigned long long)index);
        exit(1);
    }
}

static void open_group(int *fds, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++) {
        fds[i] = client_connect(&options);
        send_message(fds[i], i);
    }
    for (unsigned i = first; i < first + count; i++)
        receive_message(fds[i], i);
}

/* Waits until the server's memory has stopped growing, at most options.seconds. */
static struct memory settled_memory(pid_t pid)
{
    struct memory last = memory_of(pid), now;
    uint64_t end = bench_now_ns() + (uint64_t)(options.seconds * 1e9);

    do {
        poll(NULL, 0, 50);
        now = memory_of(pid);
        if (now.pss_kib == last.pss_kib)
            break;
        last = now;
    } while (bench_now_ns() < end);
    return now;
}

int main(int argc, char **argv)
{
    struct memory before, after;
    double pss, rss;
    int *fds;

    client_parse(&options, argc, argv);
    if (options.server_pid == 0) {
        fprintf(stderr, "idle_conns needs --server-pid\n");
        return 2;
    }
    client_raise_fds(options.conns + 16);
    fds = calloc(options.conns, sizeof(*fds));
    if (fds == NULL)
        return 1;
    before = memory_of(options.server_pid);
    for (unsigned i = 0; i < options.conns; i += GROUP_SIZE)
        open_group(fds, i, options.conns - i < GROUP_SIZE ? options.conns - i : GROUP_SIZE);
    after = settled_memory(options.server_pid);
    pss = ((double)after.pss_kib - (double)before.pss_kib) * 1024 / options.conns;
    rss = ((double)after.rss_kib - (double)before.rss_kib) * 1024 / options.conns;
    printf(
        "{\"client\":\"idle\",\"conns\":%u,\"pss_bytes_per_conn\":%.0f,\"rss_bytes_per_conn\":%.0f,"
        "\"pss_before_kib\":%lu,\"pss_after_kib\":%lu}\n",
        options.conns, pss, rss, before.pss_kib, after.pss_kib);
    free(fds);
    return 0;
}
