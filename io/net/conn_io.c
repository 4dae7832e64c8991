/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn_io.c - reading and writing a connection
 *
 * Reading: a system call when the last receive says that there is more, else one receive operation
 * that polls first, straight into the caller's buffer. Writing: a system call, or, when operations
 * wait to be submitted anyway, a place in that batch; what a system call leaves goes into send
 * operations that end when everything is sent. The operation's own result counts: bytes that moved
 * are reported, whatever cancel or deadline came with them. Figures: docs/decisions/net-writes.md.
 */
#include <errno.h>
#include <limits.h>

#include "io/net/conn.h"
#include "io/net/sock_sys.h"
#include "runtime/base/assert.h"

#define OP_LEN_MAX ((size_t)1 << 30) /* one operation moves at most this much */
enum { IOV_COUNT_MAX = 1024 };

static inline size_t at_most(size_t n, size_t max)
{
    return n < max ? n : max;
}

/* Keeps what a receive says about the next one. */
static inline void note_received(weft_conn *conn, ssize_t r, size_t room, bool more)
{
    conn->maybe_readable = r > 0 && ((size_t)r == room || more);
    if (r > 0)
        conn->fresh = 0;
}

/* A receive by system call. */
static ssize_t recv_now(weft_conn *conn, void *buf, size_t n)
{
    ssize_t r = wf_sys_recv(conn->fd, buf, n);
    note_received(conn, r, n, false);
    return r;
}

/* An idle wait was ended by a stop: bytes that came in the same moment are delivered all the
 * same. */
static ssize_t recv_at_stop(weft_conn *conn, void *buf, size_t n)
{
    ssize_t r = recv_now(conn, buf, n);
    return r == -EAGAIN ? -ESHUTDOWN : r;
}

/* The reader's turn is held. */
static ssize_t read_some(weft_conn *conn, void *buf, size_t n)
{
    bool idle = wf_conn_idles(conn, false);
    n = at_most(n, OP_LEN_MAX);
    if (WF_UNLIKELY(idle && wf_conn_stopping(conn)))
        return recv_at_stop(conn, buf, n);
    if (conn->maybe_readable) {
        ssize_t r = recv_now(conn, buf, n);
        if (r != -EAGAIN)
            return r;
    }
    struct wf_op op = {
        .kind = WF_OP_RECV, .fd = conn->fd, .buf = buf, .len = (uint32_t)n, .arg = 1};
    ssize_t r = wf_conn_op_run(conn, &op, WF_WAIT_IO_RECV, idle);
    if (WF_UNLIKELY(r == -ESHUTDOWN))
        return recv_at_stop(conn, buf, n);
    note_received(conn, r, n, op.sock_nonempty);
    return r;
}

static int begin(weft_conn *conn, const void *buf, size_t n, uint32_t role)
{
    if (WF_UNLIKELY(conn == NULL || (buf == NULL && n > 0)))
        return -EINVAL;
    int rc = wf_suspend_check();
    return rc < 0 ? rc : wf_conn_enter(conn, role);
}

ssize_t weft_read(weft_conn *conn, void *buf, size_t n)
{
    int rc = begin(conn, buf, n, WF_CONN_READING);
    if (rc < 0)
        return rc;
    ssize_t r = n > 0 ? read_some(conn, buf, n) : 0;
    return wf_conn_leave(conn, WF_CONN_READING, r);
}

ssize_t wf_conn_read_until(weft_conn *conn, void *buf, size_t n, weft_deadline deadline)
{
    int rc = begin(conn, buf, n, WF_CONN_READING);
    if (rc < 0)
        return rc;
    weft_deadline own = conn->read_deadline;
    conn->read_deadline = deadline;
    ssize_t r = n > 0 ? read_some(conn, buf, n) : 0;
    conn->read_deadline = own;
    return wf_conn_leave(conn, WF_CONN_READING, r);
}

ssize_t weft_read_exact(weft_conn *conn, void *buf, size_t n)
{
    int rc = begin(conn, buf, n, WF_CONN_READING);
    if (rc < 0)
        return rc;
    size_t got = 0;
    ssize_t r = 0;
    while (got < n) {
        r = read_some(conn, (char *)buf + got, n - got);
        if (r <= 0)
            break;
        got += (size_t)r;
        if (got < n && (r = wf_suspend_check()) < 0)
            break;
    }
    return wf_conn_leave(conn, WF_CONN_READING, r < 0 ? r : (ssize_t)got);
}

/* Is a batch under way that a write can join? One system call then serves them all. */
static inline bool batch_waits(void)
{
    struct wf_driver *driver = wf_worker_driver(wf_worker());
    return driver->ops->queued(driver) > 0;
}

/* Sends the rest by operations. Returns the bytes sent, or the error when there are none. */
static ssize_t send_rest(weft_conn *conn, const char *buf, size_t n, weft_deadline deadline)
{
    size_t sent = 0;
    while (sent < n) {
        struct wf_op op = {.kind = WF_OP_SEND,
                           .fd = conn->fd,
                           .buf = (void *)(uintptr_t)(buf + sent),
                           .len = (uint32_t)at_most(n - sent, OP_LEN_MAX),
                           .msg_flags = MSG_WAITALL | MSG_NOSIGNAL};
        int r = wf_op_run(&op, WF_WAIT_IO_SEND, deadline);
        if (r <= 0)
            return sent > 0 ? (ssize_t)sent : r;
        sent += (size_t)r;
        if (wf_park_cause() != 0)
            break;
    }
    return (ssize_t)sent;
}

static ssize_t write_all(weft_conn *conn, const char *buf, size_t n, weft_deadline deadline)
{
    if (batch_waits())
        return send_rest(conn, buf, n, deadline);
    ssize_t r = wf_sys_send(conn->fd, buf, n);
    if (WF_LIKELY(r == (ssize_t)n) || (r < 0 && r != -EAGAIN))
        return r;
    size_t sent = r > 0 ? (size_t)r : 0;
    r = send_rest(conn, buf + sent, n - sent, deadline);
    if (r < 0)
        return sent > 0 ? (ssize_t)sent : r;
    return (ssize_t)sent + r;
}

ssize_t weft_write(weft_conn *conn, const void *buf, size_t n)
{
    int rc = begin(conn, buf, n, WF_CONN_WRITING);
    if (rc < 0)
        return rc;
    ssize_t r = n > 0 ? write_all(conn, buf, n, conn->write_deadline) : 0;
    return wf_conn_leave(conn, WF_CONN_WRITING, r);
}

/* Drops `sent` bytes from the front: skips whole pieces, returns what is gone of the next one. */
static size_t advance(const struct iovec **iov, int *count, size_t sent)
{
    while (*count > 0 && sent >= (*iov)->iov_len) {
        sent -= (*iov)->iov_len;
        ++*iov;
        --*count;
    }
    return sent;
}

/* One send of the rest: of a piece that is partly gone, or of all whole pieces. */
static ssize_t send_pieces(weft_conn *conn, const struct iovec *iov, int count, size_t gone)
{
    if (gone > 0)
        return send_rest(conn, (const char *)iov->iov_base + gone, iov->iov_len - gone,
                         conn->write_deadline);
    struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)count};
    struct wf_op op = {.kind = WF_OP_SENDMSG,
                       .fd = conn->fd,
                       .buf = &msg,
                       .len = 1,
                       .msg_flags = MSG_WAITALL | MSG_NOSIGNAL};
    return wf_op_run(&op, WF_WAIT_IO_SEND, conn->write_deadline);
}

static ssize_t writev_all(weft_conn *conn, const struct iovec *iov, int count, size_t total)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)count};
    ssize_t r = batch_waits() ? 0 : wf_sys_sendmsg(conn->fd, &msg);
    if (WF_LIKELY(r == (ssize_t)total) || (r < 0 && r != -EAGAIN))
        return r;
    size_t sent = r > 0 ? (size_t)r : 0;
    size_t gone = advance(&iov, &count, sent);
    while (sent < total) {
        r = send_pieces(conn, iov, count, gone);
        if (r <= 0)
            return sent > 0 ? (ssize_t)sent : r;
        sent += (size_t)r;
        gone = advance(&iov, &count, gone + (size_t)r);
        if (wf_park_cause() != 0)
            break;
    }
    return (ssize_t)sent;
}

ssize_t weft_writev(weft_conn *conn, const struct iovec *iov, int count)
{
    if (conn == NULL || iov == NULL || count < 1 || count > IOV_COUNT_MAX)
        return -EINVAL;
    size_t total = 0;
    for (int i = 0; i < count; i++) {
        if ((iov[i].iov_base == NULL && iov[i].iov_len > 0) ||
            iov[i].iov_len > (size_t)SSIZE_MAX - total)
            return -EINVAL;
        total += iov[i].iov_len;
    }
    if (total == 0)
        return weft_write(conn, NULL, 0);
    int rc = begin(conn, iov, 1, WF_CONN_WRITING);
    if (rc < 0)
        return rc;
    return wf_conn_leave(conn, WF_CONN_WRITING, writev_all(conn, iov, count, total));
}

/* ---- write, then read, in one suspension ---- */

/* Runs the pair; ops[0] sends, ops[1] receives. Returns the cause when it was cut short. */
static int run_pair(weft_conn *conn, struct wf_op *ops, weft_deadline deadline, bool idle)
{
    ops[0].driver = ops[1].driver = NULL;
    if (idle) {
        wf_spin_lock(&conn->lock);
        conn->idle_worker = (uint16_t)wf_worker_index(wf_worker());
        conn->idle_pair = 1;
        conn->idle_op = &ops[1];
        wf_spin_unlock(&conn->lock);
    }
    wf_op_run_pair(&ops[0], &ops[1], WF_WAIT_IO_RECV, deadline);
    int cause = wf_park_cause();
    if (idle) {
        wf_spin_lock(&conn->lock);
        conn->idle_op = NULL;
        wf_spin_unlock(&conn->lock);
        if (cause == 0 && ops[1].res == -ECANCELED && wf_conn_stopping(conn))
            cause = -ESHUTDOWN;
    }
    return cause;
}

/* The send did part of its work, or failed. Finishes it if nobody wants to stop it, then reads. */
static ssize_t finish_exchange(weft_conn *conn, const char *out, size_t out_len, void *in,
                               size_t in_cap, int cause, size_t *sent, int res)
{
    if (res < 0 && res != -EAGAIN && res != -EINTR)
        return res;
    if (cause != 0 && cause != -ESHUTDOWN)
        return cause;
    ssize_t r = write_all(conn, out + *sent, out_len - *sent, conn->read_deadline);
    if (r < 0)
        return r;
    *sent += (size_t)r;
    if (*sent < out_len)
        return wf_park_cause() != 0 ? wf_park_cause() : -EPIPE;
    return read_some(conn, in, in_cap);
}

static ssize_t exchange(weft_conn *conn, const char *out, size_t out_len, void *in, size_t in_cap,
                        size_t *sent)
{
    bool idle = wf_conn_idles(conn, false);
    in_cap = at_most(in_cap, OP_LEN_MAX);
    if (out_len == 0)
        return read_some(conn, in, in_cap);
    if (out_len > OP_LEN_MAX || conn->maybe_readable || (idle && wf_conn_stopping(conn)))
        return finish_exchange(conn, out, out_len, in, in_cap, 0, sent, 0);
    struct wf_op ops[2] = {
        {.kind = WF_OP_SEND,
         .fd = conn->fd,
         .buf = (void *)(uintptr_t)out,
         .len = (uint32_t)out_len,
         .msg_flags = MSG_WAITALL | MSG_NOSIGNAL},
        {.kind = WF_OP_RECV, .fd = conn->fd, .buf = in, .len = (uint32_t)in_cap, .arg = 1}};
    int cause = run_pair(conn, ops, conn->read_deadline, idle);
    *sent = ops[0].res > 0 ? (size_t)ops[0].res : 0;
    if (*sent < out_len)
        return finish_exchange(conn, out, out_len, in, in_cap, cause, sent, ops[0].res);
    ssize_t r = ops[1].res;
    note_received(conn, r, in_cap, ops[1].sock_nonempty);
    if (r != -ECANCELED)
        return r;
    return cause == -ESHUTDOWN ? recv_at_stop(conn, in, in_cap) : cause;
}

ssize_t wf_conn_exchange(weft_conn *conn, const void *out, size_t out_len, void *in, size_t in_cap,
                         weft_deadline deadline, size_t *sent)
{
    *sent = 0;
    if (in_cap == 0)
        return -EINVAL;
    int rc = begin(conn, in, in_cap, WF_CONN_READING);
    if (rc < 0)
        return rc;
    rc = wf_conn_enter(conn, WF_CONN_WRITING);
    if (rc < 0)
        return wf_conn_leave(conn, WF_CONN_READING, rc);
    weft_deadline own = conn->read_deadline;
    conn->read_deadline = deadline;
    ssize_t r = exchange(conn, out, out_len, in, in_cap, sent);
    conn->read_deadline = own;
    (void)wf_conn_leave(conn, WF_CONN_WRITING, r);
    return wf_conn_leave(conn, WF_CONN_READING, r);
}

ssize_t weft_exchange(weft_conn *conn, const void *out, size_t out_len, void *in, size_t in_cap,
                      size_t *sent)
{
    if (conn == NULL || sent == NULL || (out == NULL && out_len > 0))
        return -EINVAL;
    return wf_conn_exchange(conn, out, out_len, in, in_cap, conn->read_deadline, sent);
}
