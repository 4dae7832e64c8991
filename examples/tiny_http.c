/* SPDX-License-Identifier: Apache-2.0 */
/* tiny_http.c - the program of the README: a whole HTTP service on all cores */
#include <stdio.h>
#include <weft/http.h>
#include <weft/weft.h>

static int hello(weft_http_request *request, weft_http_response *response, void *arg)
{
    (void)request, (void)arg;
    int rc = weft_sleep(WEFT_MSEC(10)); /* say, a database: only this task waits */
    return rc < 0 ? rc : weft_http_send(response, "Hello, World!\n", 14);
}

static intptr_t serve(void *address)
{
    weft_listener *listener;
    int rc = weft_tcp_listen(&listener, address, NULL);
    if (rc < 0)
        return rc;
    printf("listening on port %d\n", weft_listener_port(listener));
    fflush(stdout);
    rc = weft_http_serve(listener, hello, NULL, NULL); /* until SIGTERM or Ctrl-C */
    weft_listener_close(listener);
    return rc;
}

int main(int argc, char **argv)
{
    return weft_run(serve, argc > 1 ? argv[1] : "127.0.0.1:8080", NULL) == 0 ? 0 : 1;
}
