/* SPDX-License-Identifier: Apache-2.0 */
/* net_run.h - network test cases: a run with 1 and with 2 workers, pairs of connections, leak
 * checks */
#ifndef WF_TEST_NET_RUN_H
#define WF_TEST_NET_RUN_H

#include <weft/weft.h>

#include "io/net/conn.h"
#include "tests/support/test.h"

/*
 * NET_TEST(name) { ...; return 0; } - the body is the main task of a run, once with one worker and
 * once with two. After each run no descriptor, connection or lease may be left.
 */
#define NET_TEST(name)                      \
    static intptr_t name##_body(void *arg); \
    TEST(name)                              \
    {                                       \
        net_run(1, name##_body);            \
        net_run(2, name##_body);            \
    }                                       \
    static intptr_t name##_body(__attribute__((unused)) void *arg)

void net_run(unsigned workers, weft_fn body);
void net_run_with(const struct weft_options *options, weft_fn body);

/* Two ends of a TCP connection over loopback. */
struct net_pair {
    weft_conn *a, *b;
};
struct net_pair net_pair_open(void);
void net_pair_close(struct net_pair *pair); /* NULL ends are skipped */

/* A listener on a free port of 127.0.0.1, and its address as text. */
weft_listener *net_listen(char address[32]);
weft_conn *net_connect(const char *address);

/* Waits until a task is in a reading (writing) call of the connection, and lets it go on. */
void net_wait_role(weft_conn *conn, uint32_t role);

/* Writes without blocking until the other side's window and our buffer are full; the bytes sent. */
size_t net_fill(weft_conn *conn);

/* Closes with a reset instead of an end of stream. */
void net_reset(weft_conn *conn);

/* A task that calls weft_read(conn, buf, n), and one for any call. */
struct net_read {
    weft_conn *conn;
    void *buf;
    size_t n;
};
intptr_t net_read_task(void *arg);

#endif
