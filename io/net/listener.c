/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listener.c - opening and closing listening sockets
 *
 * The first socket is bound without SO_REUSEPORT, so that a port in use is an error; the option is
 * set before it listens, which lets the other sockets join its port.
 */
#include "io/net/listener.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "io/net/accept.h"
#include "io/net/address.h"
#include "io/net/conn.h"
#include "io/net/sock_sys.h"
#include "runtime/base/assert.h"
#include "runtime/base/log.h"
#include "runtime/sched/worker.h"

enum { BACKLOG = 4096 };

static int set_options(int fd, const struct wf_address *address,
                       const struct weft_listen_options *o)
{
    int rc = wf_sys_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (rc == 0 && address->sa.sa_family == AF_INET6)
        rc = wf_sys_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !address->any);
    if (rc == 0 && !o->no_delay_off)
        rc = wf_sys_set(fd, IPPROTO_TCP, TCP_NODELAY, 1); /* accepted sockets inherit it */
    return rc;
}

/* One bound and listening socket. `first`: nobody else may have the port. */
static int open_socket(const struct wf_address *address, const struct weft_listen_options *o,
                       bool first, bool shared)
{
    int fd = wf_sys_socket(address->sa.sa_family);
    if (fd < 0)
        return fd;
    int rc = set_options(fd, address, o);
    if (rc == 0 && shared && !first)
        rc = wf_sys_set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (rc == 0)
        rc = wf_sys_bind(fd, &address->sa, address->len);
    if (rc == 0 && shared && first)
        rc = wf_sys_set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (rc == 0)
        rc = wf_sys_listen(fd, o->backlog > 0 ? o->backlog : BACKLOG);
    if (rc < 0) {
        (void)wf_sys_close(fd);
        return rc;
    }
    return fd;
}

static int open_first(struct wf_address *address, const struct weft_listen_options *o, bool shared)
{
    int fd = open_socket(address, o, true, shared);
    if (fd == -EAFNOSUPPORT && address->any) {
        wf_address_any_v4(address);
        fd = open_socket(address, o, true, shared);
    }
    if (fd < 0)
        return fd;
    struct wf_address bound = *address;
    int rc = wf_sys_local(fd, &bound.sa, bound.len);
    if (rc < 0) {
        (void)wf_sys_close(fd);
        return rc;
    }
    wf_address_set_port(address, wf_address_port(&bound));
    return fd;
}

static void close_sockets(weft_listener *l)
{
    for (unsigned i = 0; i < l->count; i++)
        (void)wf_sys_close(l->acceptor[i].fd);
}

static int open_all(weft_listener *l, struct wf_address *address,
                    const struct weft_listen_options *o, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct wf_acceptor *a = &l->acceptor[i];
        a->listener = l;
        a->worker = i;
        a->fd = i == 0 ? open_first(address, o, count > 1) : open_socket(address, o, false, true);
        if (a->fd < 0) {
            int rc = a->fd;
            close_sockets(l);
            return rc;
        }
        l->count = i + 1;
    }
    l->port = (int)wf_address_port(address);
    return 0;
}

static int read_options(struct weft_listen_options *o, const struct weft_listen_options *given)
{
    memset(o, 0, sizeof(*o));
    if (given != NULL) {
        if (given->size < sizeof(size_t) || given->size > sizeof(*o))
            return -EINVAL;
        memcpy(o, given, given->size);
    }
    return o->backlog >= 0 ? 0 : -EINVAL;
}

int weft_tcp_listen(weft_listener **out, const char *address,
                    const struct weft_listen_options *options)
{
    struct weft_listen_options o;
    struct wf_address where;
    const char *why;
    if (out == NULL || read_options(&o, options) < 0)
        return -EINVAL;
    *out = NULL;
    if (wf_self() == NULL)
        return -EPERM;
    if (wf_address_parse(&where, address, &why) < 0) {
        wf_log(WF_LOG_INFO, "listen on \"%s\": %s", address != NULL ? address : "", why);
        return -EINVAL;
    }
    unsigned count = o.single ? 1 : wf_runtime_workers();
    weft_listener *l = calloc(1, sizeof(*l) + count * sizeof(l->acceptor[0]));
    if (l == NULL)
        return -ENOMEM;
    wf_accept_init(l);
    int rc = open_all(l, &where, &o, count);
    if (rc < 0) {
        free(l);
        return rc;
    }
    l->users = 1; /* the keeper */
    if (wf_spawn_first(wf_worker(), wf_accept_keep, l) == NULL) {
        close_sockets(l);
        free(l);
        return -ENOMEM;
    }
    *out = l;
    return 0;
}

int weft_listener_port(const weft_listener *listener)
{
    return listener != NULL ? listener->port : -EINVAL;
}

int weft_listener_close(weft_listener *listener)
{
    if (listener == NULL)
        return 0;
    if (wf_self() == NULL)
        return -EPERM;
    wf_accept_close(listener);
    close_sockets(listener);
    free(listener);
    return 0;
}
