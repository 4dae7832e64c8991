/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hello_http.c - an HTTP service: a greeting, an echo that streams, an answer that takes its time
 *
 *   hello_http [ADDRESS] [--workers N]       ADDRESS: 127.0.0.1:8080 unless given; port 0: any free
 *
 * A request is a plain function call on its connection's own task: what waits suspends that task
 * and nothing else. SIGTERM or SIGINT let the requests in hand finish.
 */
#include <stdatomic.h> /* lint: allow atomics, a program that uses the library */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft/weft.h>
#include <weft/http.h>

static atomic_ulong served;

static int is(struct weft_slice path, const char *text)
{
    return path.len == strlen(text) && memcmp(path.data, text, path.len) == 0;
}

/* Sends the body back while it is coming in: no more than one piece of it is in memory. */
static int echo(weft_http_request *request, weft_http_response *response)
{
    char piece[4096];
    ssize_t n;
    while ((n = weft_http_read(request, piece, sizeof piece)) > 0) {
        int rc = weft_http_write(response, piece, (size_t)n);
        if (rc != 0)
            return rc;
    }
    return (int)n;
}

static int hello(weft_http_request *request, weft_http_response *response, void *arg)
{
    struct weft_slice path = weft_http_path(request);
    (void)arg;
    served++;
    if (is(path, "/echo"))
        return echo(request, response);
    weft_http_set(response, "Content-Type", "text/plain");
    if (is(path, "/"))
        return weft_http_send(response, "Hello, World!\n", 14);
    if (is(path, "/slow")) {
        int rc = weft_sleep(WEFT_MSEC(100));
        return rc != 0 ? rc : weft_http_send(response, "at last\n", 8);
    }
    weft_http_status(response, 404);
    return weft_http_send(response, "not found\n", 10);
}

static intptr_t serve(void *arg)
{
    const char *address = arg;
    weft_listener *listener;
    int rc = weft_tcp_listen(&listener, address, NULL);
    if (rc != 0) {
        fprintf(stderr, "hello_http: %s: %s\n", address, weft_strerror(rc));
        return rc;
    }
    printf("listening on http://127.0.0.1:%d\n", weft_listener_port(listener));
    fflush(stdout);
    rc = weft_http_serve(listener, hello, NULL, NULL);
    weft_listener_close(listener);
    return rc;
}

int main(int argc, char **argv)
{
    struct weft_options options = {.size = sizeof options};
    char *address = "127.0.0.1:8080";
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--workers") == 0 && i + 1 < argc)
            options.workers = (unsigned)atoi(argv[++i]);
        else
            address = argv[i];
    }
    intptr_t rc = weft_run(serve, address, &options);
    printf("served %lu requests\n", (unsigned long)served);
    return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
