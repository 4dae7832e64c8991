/* SPDX-License-Identifier: Apache-2.0 */
/* weft_echo_server.c - the echo server in weft, as a user would write it */
#include "bench/load/weft_server.h"
#include "bench/support/bench.h"
#include "io/net/conn.h"

enum { BUFFER_SIZE = 4096 };

static struct weft_server server = {.options = {.name = "weft"}};

static void count(size_t bytes)
{
    wf_add_rlx(&server.requests, bytes / SERVER_ECHO_SIZE);
}

/* Reads into the task's own buffer. */
static int echo(weft_conn *conn, void *arg)
{
    char buf[BUFFER_SIZE];
    ssize_t n;

    (void)arg;
    wf_add_rlx(&server.connections, 1);
    while ((n = weft_read(conn, buf, sizeof(buf))) > 0) {
        ssize_t sent = weft_write(conn, buf, (size_t)n);

        if (sent < 0)
            return (int)sent;
        count((size_t)n);
    }
    return (int)n;
}

/* Holds a buffer only while there is something in it. */
static int echo_leased(weft_conn *conn, void *arg)
{
    struct weft_lease lease;
    ssize_t n;

    (void)arg;
    wf_add_rlx(&server.connections, 1);
    while ((n = weft_recv_lease(conn, &lease)) > 0) {
        ssize_t sent = weft_write(conn, lease.data, lease.len);

        weft_lease_return(&lease);
        if (sent < 0)
            return (int)sent;
        count((size_t)n);
    }
    return (int)n;
}

/* One suspension for the answer and the next request, as the HTTP server does it. */
static int echo_exchanged(weft_conn *conn, void *arg)
{
    char buf[2][BUFFER_SIZE];
    unsigned turn = 0;
    size_t sent = 0;
    ssize_t n;

    (void)arg;
    wf_add_rlx(&server.connections, 1);
    n = weft_read(conn, buf[0], BUFFER_SIZE);
    while (n > 0) {
        count((size_t)n);
        n = wf_conn_exchange(conn, buf[turn], (size_t)n, buf[!turn], BUFFER_SIZE, WEFT_NEVER,
                             &sent);
        turn = !turn;
    }
    return (int)n;
}

static int serve(struct weft_server *s, weft_listener *listener)
{
    struct weft_serve_options options = {
        .size = sizeof(options), .max_connections = WEFT_SERVER_CONNECTIONS_MAX, .name = "echo"};

    if (s->options.exchange)
        return weft_serve(listener, echo_exchanged, NULL, &options);
    return weft_serve(listener, s->options.lease ? echo_leased : echo, NULL, &options);
}

int main(int argc, char **argv)
{
    server.serve = serve;
    return weft_server_main(&server, argc, argv);
}
