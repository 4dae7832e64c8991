/* SPDX-License-Identifier: Apache-2.0 */
/* raw_epoll_server.c - baseline by hand: level-triggered epoll, one recv and one send an event */
/*
 * One thread, no buffers beyond one for all connections, no timers, no limits: the least that a
 * server on epoll can do for a request. A send that does not fit waits in poll() for room, which
 * no client of these comparisons provokes.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load/load_server.h"
#include "bench/support/bench.h"

enum { EVENTS_MAX = 512, RECV_SIZE = 65536 };

static struct server_options options = {.name = "raw_epoll"};
static uint8_t states[SERVER_FDS_MAX]; /* matched part of a request's end, by descriptor */
static uint64_t requests, echoed, connections;

static int send_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

        if (k < 0 && errno == EAGAIN) {
            struct pollfd wait = {.fd = fd, .events = POLLOUT};

            poll(&wait, 1, -1);
            continue;
        }
        if (k < 0)
            return -errno;
        p += k;
        n -= (size_t)k;
    }
    return 0;
}

static int answer(int fd, const char *buf, size_t n)
{
    unsigned k = server_count_requests(&states[fd], buf, n);
    size_t len;
    const char *answers = server_answers(&len);
    int rc = 0;

    requests += k;
    while (k > 0 && rc == 0) {
        unsigned now = k < SERVER_ANSWERS_MAX ? k : SERVER_ANSWERS_MAX;

        rc = send_all(fd, answers, now * len);
        k -= now;
    }
    return rc;
}

static void serve_readable(int fd)
{
    static char buf[RECV_SIZE];
    ssize_t n = recv(fd, buf, sizeof(buf), 0);
    int rc;

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        close(fd);
        return;
    }
    if (options.http) {
        rc = answer(fd, buf, (size_t)n);
    } else {
        echoed += (size_t)n;
        rc = send_all(fd, buf, (size_t)n);
    }
    if (rc < 0)
        close(fd);
}

static void accept_all(int ep, int listener)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

        if (fd >= SERVER_FDS_MAX || epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) < 0) {
            close(fd);
            continue;
        }
        states[fd] = 0;
        connections++;
    }
}

static int wait_for_events(int ep, struct epoll_event *events)
{
    if (options.spin_us > 0) {
        uint64_t until = bench_now_ns() + options.spin_us * 1000;

        do {
            int n = epoll_wait(ep, events, EVENTS_MAX, 0);

            if (n != 0)
                return n;
        } while (bench_now_ns() < until);
    }
    return epoll_wait(ep, events, EVENTS_MAX, -1);
}

static void watch(int ep, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

    if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) < 0) {
        perror("epoll_ctl");
        exit(1);
    }
}

int main(int argc, char **argv)
{
    static struct epoll_event events[EVENTS_MAX];
    int stop, ep, listener;
    bool running = true;

    server_parse(&options, argc, argv);
    stop = server_stop_fd();
    ep = epoll_create1(EPOLL_CLOEXEC);
    listener = server_listen(&options);
    watch(ep, stop);
    watch(ep, listener);
    while (running) {
        int n = wait_for_events(ep, events);

        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;

            if (fd == stop)
                running = false;
            else if (fd == listener)
                accept_all(ep, listener);
            else
                serve_readable(fd);
        }
    }
    server_report(&options, options.http ? requests : echoed / SERVER_ECHO_SIZE, connections);
    return 0;
}
