/* SPDX-License-Identifier: Apache-2.0 */
/*
 * echo_server.c - sends back what it receives, on all cores
 *
 *   echo_server [ADDRESS] [--workers N]
 *
 * ADDRESS is "127.0.0.1:7000" if not given; port 0 picks a free one. SIGTERM or Ctrl-C lets open
 * exchanges finish and ends the program.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

/* One connection. The buffer is the runtime's and is held only while there is something in it. */
static int echo(weft_conn *conn, void *arg)
{
    struct weft_lease lease;
    ssize_t n;
    (void)arg;
    while ((n = weft_recv_lease(conn, &lease)) > 0) {
        ssize_t sent = weft_write(conn, lease.data, lease.len);
        weft_lease_return(&lease);
        if (sent < n)
            return sent < 0 ? (int)sent : 0;
    }
    return (int)n;
}

static intptr_t serve(void *arg)
{
    const char *address = arg;
    weft_listener *listener;
    int rc = weft_tcp_listen(&listener, address, NULL);
    if (rc < 0) {
        fprintf(stderr, "cannot listen on %s: %s\n", address, weft_strerror(rc));
        return rc;
    }
    printf("listening on 127.0.0.1:%d\n", weft_listener_port(listener));
    fflush(stdout);
    struct weft_serve_options options = {.size = sizeof(options), .name = "echo"};
    rc = weft_serve(listener, echo, NULL, &options);
    weft_listener_close(listener);
    return rc;
}

int main(int argc, char **argv)
{
    struct weft_options options = {.size = sizeof(options)};
    const char *address = "127.0.0.1:7000";
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--workers") == 0 && i + 1 < argc) {
            options.workers = (unsigned)strtoul(argv[++i], NULL, 10);
        } else if (argv[i][0] != '-') {
            address = argv[i];
        } else {
            fprintf(stderr, "usage: %s [ADDRESS] [--workers N]\n", argv[0]);
            return 2;
        }
    }
    intptr_t rc = weft_run(serve, (void *)address, &options);
    if (WEFT_FAILED(rc)) {
        fprintf(stderr, "echo_server: %s\n", weft_strerror((int)rc));
        return 1;
    }
    return 0;
}
