/* SPDX-License-Identifier: Apache-2.0 */
/* weft_http_server.c - the plaintext answerer in weft, as a user would write it */
#include <weft/http.h>

#include "bench/load/weft_server.h"
#include "bench/support/bench.h"

static struct weft_server server = {.options = {.name = "weft"}};

static int hello(weft_http_request *request, weft_http_response *response, void *arg)
{
    static const char text[] = "Hello, World!";
    int rc = weft_http_set(response, "Content-Type", "text/plain");

    (void)request;
    (void)arg;
    wf_add_rlx(&server.requests, 1);
    return rc < 0 ? rc : weft_http_send(response, text, sizeof(text) - 1);
}

static int serve(struct weft_server *s, weft_listener *listener)
{
    struct weft_http_options options = {.size = sizeof(options)};

    (void)s;
    options.serve.size = sizeof(options.serve);
    options.serve.max_connections = WEFT_SERVER_CONNECTIONS_MAX;
    return weft_http_serve(listener, hello, NULL, &options);
}

int main(int argc, char **argv)
{
    server.serve = serve;
    return weft_server_main(&server, argc, argv);
}
