/* SPDX-License-Identifier: Apache-2.0 */
/* conn.c - a connection's life: turns of reader and writer, idle waits, stop, close */
#include "io/net/conn.h"

#include <errno.h>
#include <stdlib.h>

#include "io/net/address.h"
#include "io/net/lease.h"
#include "io/net/sock_sys.h"
#include "runtime/base/assert.h"

static WF_ATOMIC(uint32_t) count; /* any: connections that exist */

weft_conn *wf_conn_new(int fd)
{
    weft_conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL)
        return NULL;
    wf_list_init(&conn->link);
    conn->fd = fd;
    conn->fresh = 1;
    conn->read_deadline = conn->write_deadline = WEFT_NEVER;
    wf_add_rlx(&count, 1);
    return conn;
}

unsigned wf_conn_count(void)
{
    return wf_load_rlx(&count);
}

void wf_conn_drop(weft_conn *conn)
{
    WF_ASSERT((wf_load_rlx(&conn->state) & WF_CONN_BUSY) == 0);
    WF_ASSERT(!wf_list_linked(&conn->link));
    WF_ASSERT(conn->idle_op == NULL);
    (void)wf_sys_close(conn->fd);
    free(conn);
    if (wf_sub_acqrel(&count, 1) == 1) /* order: lease-trim */
        wf_lease_trim();
}

int wf_conn_enter(weft_conn *conn, uint32_t role)
{
    uint32_t old = wf_or_acqrel(&conn->state, role); /* order: conn-state */
    if (WF_UNLIKELY((old & (role | WF_CONN_CLOSED)) != 0)) {
        if ((old & role) != 0)
            return -EBUSY;
        return (int)wf_conn_leave(conn, role, -EBADF);
    }
    return 0;
}

/* The closer waits: after the unlock the connection is gone. */
static __attribute__((noinline)) void leave_closed(weft_conn *conn, uint32_t role)
{
    uint64_t closer = 0;
    wf_spin_lock(&conn->lock);
    if ((wf_and_acqrel(&conn->state, ~role) & WF_CONN_BUSY & ~role) == 0) { /* order: conn-state */
        closer = conn->closer;
        conn->closer = 0;
    }
    wf_spin_unlock(&conn->lock);
    if (closer != 0)
        (void)wf_wake(closer, WF_WOKEN);
}

ssize_t wf_conn_leave(weft_conn *conn, uint32_t role, ssize_t result)
{
    uint32_t s = wf_load_rlx(&conn->state);
    while (WF_LIKELY((s & WF_CONN_CLOSED) == 0)) {
        if (wf_cas_acqrel(&conn->state, &s, s & ~role)) /* order: conn-state */
            return result;
    }
    leave_closed(conn, role);
    return result > 0 ? result : -EBADF;
}

int wf_conn_op_run(weft_conn *conn, struct wf_op *op, enum wf_wait_kind kind, bool idle)
{
    if (!idle)
        return wf_op_run(op, kind, conn->read_deadline);
    op->driver = NULL;
    wf_spin_lock(&conn->lock);
    conn->idle_worker = (uint16_t)wf_worker_index(wf_worker());
    conn->idle_pair = 0;
    conn->idle_op = op;
    wf_spin_unlock(&conn->lock);
    int r = wf_op_run(op, kind, conn->read_deadline);
    wf_spin_lock(&conn->lock);
    conn->idle_op = NULL;
    wf_spin_unlock(&conn->lock);
    return r == -ECANCELED && wf_park_cause() == 0 && wf_conn_stopping(conn) ? -ESHUTDOWN : r;
}

/*
 * Called on each worker in turn. The operation is this worker's or not; if it is, nothing but this
 * thread can complete it, and the lock keeps its frame: so the cancel meets a live operation.
 */
void wf_conn_stop(weft_conn *conn)
{
    wf_or_acqrel(&conn->state, WF_CONN_STOP); /* order: conn-state */
    wf_spin_lock(&conn->lock);
    struct wf_op *op = conn->idle_op;
    if (op != NULL && conn->idle_worker == wf_worker_index(wf_worker()) && op->driver != NULL &&
        (!conn->idle_pair || op[-1].driver == NULL))
        (void)wf_op_cancel(op);
    wf_spin_unlock(&conn->lock);
}

static void unlock(void *arg, uint64_t ticket)
{
    (void)ticket;
    wf_spin_unlock(arg);
}

/* Every wait ends: the socket's by the shutdown, one for a lease by the wake. */
static void end_operations(weft_conn *conn)
{
    (void)wf_sys_shutdown(conn->fd, SHUT_RDWR);
    wf_lease_forget(conn);
    struct wf_park park = {.kind = WF_WAIT_IO_CLOSE,
                           .mode = WF_PARK_FIRM,
                           .obj = conn,
                           .deadline = WEFT_NEVER,
                           .after = unlock,
                           .arg = &conn->lock};
    wf_spin_lock(&conn->lock);
    while ((wf_load_acq(&conn->state) & WF_CONN_BUSY) != 0) { /* order: conn-state */
        conn->closer = wf_park_ticket();
        (void)wf_park(&park);
        wf_spin_lock(&conn->lock);
    }
    wf_spin_unlock(&conn->lock);
}

int weft_close(weft_conn *conn)
{
    if (conn == NULL)
        return 0;
    if (wf_self() == NULL)
        return -EPERM;
    uint32_t old = wf_or_acqrel(&conn->state, WF_CONN_CLOSED); /* order: conn-state */
    WF_CHECK((old & WF_CONN_CLOSED) == 0);
    if ((old & WF_CONN_BUSY) != 0)
        end_operations(conn);
    wf_conn_drop(conn);
    return 0;
}

int weft_conn_set_deadline(weft_conn *conn, weft_deadline read_deadline,
                           weft_deadline write_deadline)
{
    if (conn == NULL)
        return -EINVAL;
    conn->read_deadline = read_deadline;
    conn->write_deadline = write_deadline;
    return 0;
}

int weft_conn_shutdown(weft_conn *conn, int how)
{
    if (conn == NULL || (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR))
        return -EINVAL;
    if ((wf_load_acq(&conn->state) & WF_CONN_CLOSED) != 0)
        return -EBADF;
    return wf_sys_shutdown(conn->fd, how);
}

int weft_conn_fd(const weft_conn *conn)
{
    return conn != NULL ? conn->fd : -EINVAL;
}

int weft_conn_peer(const weft_conn *conn, char *buf, size_t size)
{
    if (conn == NULL || (buf == NULL && size > 0))
        return -EINVAL;
    union {
        struct sockaddr sa;
        struct sockaddr_storage storage;
    } peer;
    int rc = wf_sys_peer(conn->fd, &peer.sa, sizeof(peer));
    return rc < 0 ? rc : wf_address_format(&peer.sa, buf, size);
}
