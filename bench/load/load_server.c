/* SPDX-License-Identifier: Apache-2.0 */
/* load_server.c - options, listening socket, stop signal, report and answers of the load servers */
#include "bench/load/load_server.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/support/bench.h"

/* Same length and headers as the answers of the other servers in the comparison. */
static const char answer_text[] = "HTTP/1.1 200 OK\r\n"
                                  "Server: raw\r\n"
                                  "Date: Sat, 01 Jan 2000 00:00:00 GMT\r\n"
                                  "Content-Type: text/plain\r\n"
                                  "Content-Length: 13\r\n"
                                  "\r\n"
                                  "Hello, World!";

void server_parse(struct server_options *o, int argc, char **argv)
{
    o->addr = "127.0.0.1:0";
    o->workers = 1;
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];

        if (strcmp(a, "--http") == 0)
            o->http = true;
        else if (strcmp(a, "--lease") == 0)
            o->lease = true;
        else if (strcmp(a, "--exchange") == 0)
            o->exchange = true;
        else if (strcmp(a, "--no-spin") == 0)
            o->no_spin = true;
        else if (strcmp(a, "--toggle") == 0)
            o->toggle_us = bench_parse_u64(a, argv[++i]);
        else if (strcmp(a, "--addr") == 0 && argv[i + 1] != NULL)
            o->addr = argv[++i];
        else if (strcmp(a, "--workers") == 0)
            o->workers = (unsigned)bench_parse_u64(a, argv[++i]);
        else if (strcmp(a, "--spin") == 0)
            o->spin_us = bench_parse_u64(a, argv[++i]);
        else {
            fprintf(stderr,
                    "usage: %s [--addr IP:PORT] [--http] [--spin US]\n"
                    "       weft servers: [--workers N] [--lease | --exchange] [--no-spin] "
                    "[--toggle US]\n",
                    argv[0]);
            exit(2);
        }
    }
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

void server_announce(unsigned port)
{
    printf("listening %u\n", port);
    fflush(stdout);
}

static struct sockaddr_in parse_address(const char *text)
{
    struct sockaddr_in sa = {.sin_family = AF_INET};
    char host[64];
    const char *colon = strrchr(text, ':');

    if (colon == NULL || (size_t)(colon - text) >= sizeof(host)) {
        fprintf(stderr, "not an address: %s\n", text);
        exit(2);
    }
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    sa.sin_port = htons((uint16_t)bench_parse_u64("--addr", colon + 1));
    if (inet_pton(AF_INET, host, &sa.sin_addr) != 1) {
        fprintf(stderr, "not an address: %s\n", text);
        exit(2);
    }
    return sa;
}

int server_listen(const struct server_options *o)
{
    struct sockaddr_in sa = parse_address(o->addr);
    socklen_t len = sizeof(sa);
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* accepted sockets inherit it */
    if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
        die("bind");
    if (listen(fd, SERVER_BACKLOG) < 0)
        die("listen");
    if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
        die("getsockname");
    server_announce(ntohs(sa.sin_port));
    return fd;
}

int server_stop_fd(void)
{
    sigset_t set;
    int fd;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        die("signalfd");
    return fd;
}

void server_report(const struct server_options *o, uint64_t requests, uint64_t connections)
{
    struct bench_usage u = bench_usage_self();

    printf("{\"server\":\"%s\",\"requests\":%llu,\"connections\":%llu,\"user_s\":%.6f,"
           "\"sys_s\":%.6f}\n",
           o->name, (unsigned long long)requests, (unsigned long long)connections, u.user_s,
           u.sys_s);
    fflush(stdout);
}

unsigned server_count_requests(uint8_t *state, const char *buf, size_t n)
{
    static const char end[4] = {'\r', '\n', '\r', '\n'};
    unsigned matched = *state, found = 0;
    size_t i = 0;

    while (i < n) {
        if (matched == 0) {
            const char *cr = memchr(buf + i, '\r', n - i);

            if (cr == NULL)
                break;
            i = (size_t)(cr - buf) + 1;
            matched = 1;
            continue;
        }
        if (buf[i] == end[matched])
            matched++;
        else
            matched = buf[i] == '\r';
        if (matched == sizeof(end)) {
            found++;
            matched = 0;
        }
        i++;
    }
    *state = (uint8_t)matched;
    return found;
}

const char *server_answers(size_t *len)
{
    static char answers[SERVER_ANSWERS_MAX * (sizeof(answer_text) - 1)];

    *len = sizeof(answer_text) - 1;
    if (answers[0] == '\0')
        for (size_t i = 0; i < SERVER_ANSWERS_MAX; i++)
            memcpy(answers + i * *len, answer_text, *len);
    return answers;
}
