/* SPDX-License-Identifier: Apache-2.0 */
/* churn_client.c - load of short connections: connect, one message, its echo, close */
/*
 * Keeps --conns connections under way at once, each through the same steps: connecting, waiting
 * for the echo, closed and replaced. Every connection takes the next source address of 127/8, so
 * that the ports that closed connections leave waiting do not run out.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load/load_client.h"

enum { SOURCES = 250, EVENTS_MAX = 256 };

struct slot {
    int fd;
    bool connected; /* the message is out */
    uint64_t seq;
    uint64_t start_ns;
};

static struct client_options options = {
    .name = "churn", .conns = 16, .inflight = 1, .seconds = 1, .warmup = 0.1};
static struct slot *slots;
static int ep;
static uint64_t opened, done;
static uint32_t latency[LATENCY_BUCKETS];

static void die(const char *what)
{
    fprintf(stderr, "churn_client: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void start_connection(unsigned index)
{
    struct sockaddr_in source = {.sin_family = AF_INET};
    struct epoll_event ev = {.events = EPOLLOUT, .data.u32 = index};
    struct slot *s = &slots[index];
    int one = 1;

    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        die("socket");
    source.sin_addr.s_addr = htonl(0x7f000002u + (uint32_t)(opened % SOURCES));
    setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    if (bind(s->fd, (struct sockaddr *)&source, sizeof(source)) < 0)
        die("bind");
    s->connected = false;
    s->seq = opened++;
    s->start_ns = bench_now_ns();
    if (connect(s->fd, (struct sockaddr *)&options.server, sizeof(options.server)) < 0 &&
        errno != EINPROGRESS)
        die("connect");
    if (epoll_ctl(ep, EPOLL_CTL_ADD, s->fd, &ev) < 0)
        die("epoll_ctl");
}

static void send_message(unsigned index)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.u32 = index};
    struct slot *s = &slots[index];
    struct message m;

    message_fill(&m, index, s->seq, s->start_ns);
    if (send(s->fd, &m, sizeof(m), MSG_NOSIGNAL) != sizeof(m))
        die("send");
    s->connected = true;
    epoll_ctl(ep, EPOLL_CTL_MOD, s->fd, &ev);
}

static void finish(unsigned index)
{
    struct slot *s = &slots[index];
    struct message m;

    if (recv(s->fd, &m, sizeof(m), 0) != sizeof(m) || !message_valid(&m, index, s->seq))
        die("no echo");
    close(s->fd);
    latency_add(latency, bench_now_ns() - s->start_ns);
    done++;
}

/* Works until a point in time, or until the given number of connections is done. */
static void run_until(uint64_t end_ns, uint64_t count)
{
    struct epoll_event events[EVENTS_MAX];

    while (bench_now_ns() < end_ns && done < count) {
        int n = epoll_wait(ep, events, EVENTS_MAX, 100);

        for (int i = 0; i < n; i++) {
            unsigned index = events[i].data.u32;

            if (!slots[index].connected) {
                send_message(index);
            } else {
                finish(index);
                start_connection(index);
            }
        }
    }
}

int main(int argc, char **argv)
{
    struct server_watch watch;
    uint64_t start, end;
    double seconds;

    client_parse(&options, argc, argv);
    slots = calloc(options.conns, sizeof(*slots));
    ep = epoll_create1(EPOLL_CLOEXEC);
    if (slots == NULL || ep < 0)
        return 1;
    for (unsigned i = 0; i < options.conns; i++)
        start_connection(i);
    run_until(bench_now_ns() + (uint64_t)(options.warmup * 1e9), UINT64_MAX);
    watch_start(&watch, options.server_pid);
    memset(latency, 0, sizeof(latency));
    done = 0;
    start = bench_now_ns();
    end = options.count > 0 ? UINT64_MAX : start + (uint64_t)(options.seconds * 1e9);
    run_until(end, options.count > 0 ? options.count : UINT64_MAX);
    seconds = (double)(bench_now_ns() - start) / 1e9;
    watch_stop(&watch);
    printf("{\"client\":\"churn\",\"conns\":%u,\"requests\":%llu,\"seconds\":%.6f,"
           "\"req_per_s\":%.0f,\"p50_us\":%.1f,\"p99_us\":%.1f",
           options.conns, (unsigned long long)done, seconds, (double)done / seconds,
           latency_us(latency, 0.5), latency_us(latency, 0.99));
    if (watch.pid != 0)
        printf(",\"server_cpu_s\":%.6f,\"server_user_s\":%.3f,\"server_sys_s\":%.3f",
               (double)watch.cpu_ns / 1e9, watch.usage.user_s, watch.usage.sys_s);
    printf("}\n");
    return done > 0 ? 0 : 1;
}
