/* SPDX-License-Identifier: Apache-2.0 */
/* net_run.c - network test cases: runs, pairs of connections, leak checks */
#include "tests/api/net_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "io/net/lease.h"
#include "io/net/sock_sys.h"

void net_run_with(const struct weft_options *options, weft_fn body)
{
    unsigned fds = wf_test_open_fds();
    intptr_t rc = weft_run(body, NULL, options);
    ck_assert_msg(rc == 0, "the run returned %s", weft_strerror((int)rc));
    ck_assert_uint_eq(wf_conn_count(), 0);
    ck_assert_uint_eq(wf_lease_lent(), 0);
    ck_assert_uint_eq(wf_lease_idle(), 0);
    ck_assert_uint_eq(wf_test_open_fds(), fds);
}

void net_run(unsigned workers, weft_fn body)
{
    struct weft_options options = {.size = sizeof(options), .workers = workers, .quiet = 1};
    net_run_with(&options, body);
}

weft_listener *net_listen(char address[32])
{
    weft_listener *listener;
    ck_assert_int_eq(weft_tcp_listen(&listener, "127.0.0.1:0", NULL), 0);
    snprintf(address, 32, "127.0.0.1:%d", weft_listener_port(listener));
    return listener;
}

weft_conn *net_connect(const char *address)
{
    weft_conn *conn;
    ck_assert_int_eq(weft_tcp_connect(&conn, address, NULL), 0);
    return conn;
}

struct net_pair net_pair_open(void)
{
    struct net_pair pair;
    char address[32];
    weft_listener *listener = net_listen(address);
    pair.a = net_connect(address);
    ck_assert_int_eq(weft_accept(listener, &pair.b), 0);
    ck_assert_int_eq(weft_listener_close(listener), 0);
    return pair;
}

void net_pair_close(struct net_pair *pair)
{
    ck_assert_int_eq(weft_close(pair->a), 0);
    ck_assert_int_eq(weft_close(pair->b), 0);
}

void net_wait_role(weft_conn *conn, uint32_t role)
{
    while ((wf_load_acq(&conn->state) & role) == 0)
        (void)weft_yield();
    for (int i = 0; i < 100; i++)
        (void)weft_yield();
}

size_t net_fill(weft_conn *conn)
{
    static const char junk[65536];
    size_t total = 0;
    ssize_t n;
    for (int idle = 0; idle < 3; idle += n < 0) {
        while ((n = wf_sys_send(conn->fd, junk, sizeof(junk))) > 0)
            total += (size_t)n;
        (void)weft_sleep(WEFT_MSEC(2)); /* the peer's window may still grow */
    }
    return total;
}

void net_reset(weft_conn *conn)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    ck_assert_int_eq(setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    ck_assert_int_eq(weft_close(conn), 0);
}

intptr_t net_read_task(void *arg)
{
    struct net_read *r = arg;
    return weft_read(r->conn, r->buf, r->n);
}
