/* SPDX-License-Identifier: Apache-2.0 */
/* weft_server.c - starts a weft server under load and reports what it served */
#include "bench/load/weft_server.h"

#include <stdio.h>

#include "bench/support/bench.h"

static intptr_t body(void *arg)
{
    struct weft_server *s = arg;
    weft_listener *listener;
    int rc = weft_tcp_listen(&listener, s->options.addr, NULL);

    if (rc < 0)
        return rc;
    server_announce((unsigned)weft_listener_port(listener));
    if (s->options.toggle_us > 0)
        rc = toggle_start(s);
    if (rc == 0)
        rc = s->serve(s, listener);
    if (s->options.toggle_us > 0)
        toggle_stop();
    weft_listener_close(listener);
    return rc;
}

int weft_server_main(struct weft_server *s, int argc, char **argv)
{
    struct weft_options options = {.size = sizeof(options), .quiet = 1};
    intptr_t rc;

    server_parse(&s->options, argc, argv);
    options.workers = s->options.workers;
    options.spin_us = s->options.no_spin ? -1 : (int)s->options.spin_us;
    rc = weft_run(body, s, &options);
    if (WEFT_FAILED(rc)) {
        fprintf(stderr, "%s: %s (%s)\n", s->options.name, weft_strerror((int)rc),
                weft_driver_reason());
        return 1;
    }
    server_report(&s->options, wf_load_rlx(&s->requests), wf_load_rlx(&s->connections));
    return 0;
}
