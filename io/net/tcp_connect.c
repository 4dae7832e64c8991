/* SPDX-License-Identifier: Apache-2.0 */
/* tcp_connect.c - opening a TCP connection */
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

#include "io/net/address.h"
#include "io/net/conn.h"
#include "io/net/sock_sys.h"
#include "runtime/base/log.h"

static int read_options(struct weft_connect_options *o, const struct weft_connect_options *given)
{
    memset(o, 0, sizeof(*o));
    if (given != NULL) {
        if (given->size < sizeof(size_t) || given->size > sizeof(*o))
            return -EINVAL;
        memcpy(o, given, given->size);
    }
    return o->timeout >= 0 ? 0 : -EINVAL;
}

static weft_deadline after(weft_ns timeout)
{
    if (timeout == 0)
        return WEFT_NEVER;
    int64_t now = wf_clock_now();
    return timeout < WEFT_NEVER - now ? now + timeout : WEFT_NEVER;
}

/* The socket, connected, or an error. */
static int connect_socket(struct wf_address *where, const struct weft_connect_options *o)
{
    int fd = wf_sys_socket(where->sa.sa_family);
    if (fd < 0)
        return fd;
    int rc = o->no_delay_off ? 0 : wf_sys_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (rc == 0) {
        struct wf_op op = {.kind = WF_OP_CONNECT, .fd = fd, .buf = where, .len = where->len};
        rc = wf_op_run(&op, WF_WAIT_IO_CONNECT, after(o->timeout));
    }
    if (rc < 0) {
        (void)wf_sys_close(fd);
        return rc;
    }
    return fd;
}

int weft_tcp_connect(weft_conn **out, const char *address,
                     const struct weft_connect_options *options)
{
    struct weft_connect_options o;
    struct wf_address where;
    const char *why = NULL;
    const char *unusable = "a connection needs a host and a port";
    if (out == NULL || read_options(&o, options) < 0)
        return -EINVAL;
    *out = NULL;
    if (wf_self() == NULL)
        return -EPERM;
    if (wf_address_parse(&where, address, &why) < 0 || where.any || wf_address_port(&where) == 0) {
        wf_log(WF_LOG_INFO, "connect to \"%s\": %s", address != NULL ? address : "",
               why != NULL ? why : unusable);
        return -EINVAL;
    }
    int rc = wf_suspend_check();
    if (rc < 0)
        return rc;
    int fd = connect_socket(&where, &o);
    if (fd < 0)
        return fd;
    *out = wf_conn_new(fd);
    if (*out == NULL) {
        (void)wf_sys_close(fd);
        return -ENOMEM;
    }
    return 0;
}
