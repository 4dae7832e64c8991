/* SPDX-License-Identifier: Apache-2.0 */
/* net.h - TCP: listen, accept, connect, read, write, serve */
#ifndef WEFT_NET_H
#define WEFT_NET_H

#include <sys/uio.h>
#include <weft/task.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_listener weft_listener;
typedef struct weft_conn weft_conn;

/* Options of weft_tcp_listen; set .size. Zero means default. */
struct weft_listen_options {
    size_t size;
    int backlog;           /* 0: 4096 (the kernel caps it at net.core.somaxconn) */
    unsigned single;       /* 1: one socket for all workers; 0: one per worker (SO_REUSEPORT) */
    unsigned no_delay_off; /* 1: leave Nagle's algorithm on; connections get TCP_NODELAY else */
};

/**
 * weft_tcp_listen - open a TCP listener
 * @out: set to the listener, closed by the caller with weft_listener_close
 * @address: "127.0.0.1:8080", "[::1]:0", ":80" (all addresses); numeric, port 0 picks a free one
 * @options: NULL for defaults
 *
 * Return: 0; -EINVAL (address not understood); -EADDRINUSE, -EACCES, -EADDRNOTAVAIL, -EMFILE and
 * other errors of socket, bind and listen; -ENOMEM; -EPERM outside a run.
 * Context: tasks; never suspends.
 * Since: 0.1
 */
WEFT_API int weft_tcp_listen(weft_listener **out, const char *address,
                             const struct weft_listen_options *options);

/**
 * weft_listener_port - the port a listener is bound to
 * @listener: an open listener
 *
 * Return: the port in host order; -EINVAL for NULL.
 * Context: any thread; never suspends.
 * Since: 0.1
 */
WEFT_API int weft_listener_port(const weft_listener *listener);

/**
 * weft_accept - wait for the next connection
 * @listener: an open listener, borrowed
 * @out: set to the connection, closed by the caller with weft_close
 *
 * Return: 0; -ECANCELED; -EBADF when the listener was closed; -EMFILE, -ENFILE, -ENOMEM when the
 * process is out of them (try again later); -EBUSY while weft_serve has the listener; -EINVAL.
 * Context: tasks. Suspends; a cancellation point.
 * Since: 0.1. Idea: accept(2)
 */
WEFT_API int weft_accept(weft_listener *listener, weft_conn **out);

/**
 * weft_listener_close - stop listening; waiting accepts end with -EBADF
 * @listener: consumed; NULL is harmless
 *
 * Return: 0; -EPERM outside a task.
 * Context: tasks. Suspends until the kernel has let go of it; not a cancellation point.
 * Since: 0.1
 */
WEFT_API int weft_listener_close(weft_listener *listener);

/* Options of weft_tcp_connect; set .size. */
struct weft_connect_options {
    size_t size;
    weft_ns timeout;       /* 0: none besides the block deadline */
    unsigned no_delay_off; /* 1: leave Nagle's algorithm on */
};

/**
 * weft_tcp_connect - open a TCP connection
 * @out: set to the connection, closed by the caller with weft_close
 * @address: numeric, as in weft_tcp_listen
 * @options: NULL for defaults
 *
 * Return: 0; -EINVAL; -ECONNREFUSED, -ENETUNREACH and other errors of connect(2); -ETIMEDOUT after
 * options.timeout; -ECANCELED; -EMFILE; -ENOMEM; -EPERM outside a task.
 * Context: tasks. Suspends; a cancellation point.
 * Since: 0.1
 */
WEFT_API int weft_tcp_connect(weft_conn **out, const char *address,
                              const struct weft_connect_options *options);

/**
 * weft_read - read what is there, waiting for at least one byte
 * @conn: connection; one reader at a time
 * @buf: room for n bytes, borrowed until the return
 * @n: bytes at most; 0 returns 0
 *
 * Return: bytes read; 0 at the end of the stream; -ECANCELED or -ETIMEDOUT (the connection's read
 * deadline) with nothing read; -ECONNRESET and other errors of recv(2); -EBADF after close; -EBUSY
 * when another task is reading; -ESHUTDOWN when the service stops and the connection has sent
 * nothing yet; -EINVAL.
 * Context: tasks. Suspends; a cancellation point. Data that has arrived wins over a cancel.
 * Since: 0.1. Idea: read(2)
 */
WEFT_API ssize_t weft_read(weft_conn *conn, void *buf, size_t n);

/**
 * weft_read_exact - read exactly n bytes
 * @conn: connection; one reader at a time
 * @buf: room for n bytes
 * @n: bytes
 *
 * Return: n; less than n when the stream ended first (0: at once); errors as weft_read. The bytes
 * read before an error are lost: use weft_read where that matters.
 * Context: tasks. Suspends; a cancellation point.
 * Since: 0.1. Idea: asyncio.StreamReader.readexactly
 */
WEFT_API ssize_t weft_read_exact(weft_conn *conn, void *buf, size_t n);

/**
 * weft_write - write all bytes
 * @conn: connection; one writer at a time
 * @buf: n bytes, borrowed until the return
 * @n: bytes; 0 returns 0
 *
 * Return: n; when nothing was written: -ECANCELED, -ETIMEDOUT (write deadline), -EPIPE, -ECONNRESET
 * and other errors of send(2), -EBADF after close, -EBUSY, -EINVAL. When an error or a cancel cuts
 * it short, the count written so far (> 0, < n); the error comes from the next call.
 * Context: tasks. Suspends; a cancellation point.
 * Since: 0.1. Idea: trio's send_all
 */
WEFT_API ssize_t weft_write(weft_conn *conn, const void *buf, size_t n);

/**
 * weft_exchange - write all bytes, then wait for the answer, in one step
 * @conn: connection; no other reader or writer meanwhile
 * @out: out_len bytes to write, borrowed until the return
 * @out_len: 0 makes it a weft_read
 * @in: room for in_cap bytes, borrowed until the return
 * @in_cap: bytes at most, > 0
 * @sent: set to the bytes of @out that were written; not NULL
 *
 * The loop of a request-response protocol: one linked pair of operations instead of two calls.
 *
 * Return: when *sent is @out_len, as weft_read: bytes received, 0 at the end of the stream, or the
 * error with nothing read. When *sent is smaller, the error of the write; close the connection.
 * Context: tasks. Suspends; a cancellation point. Data that has arrived wins over a cancel.
 * Since: 0.1
 */
WEFT_API ssize_t weft_exchange(weft_conn *conn, const void *out, size_t out_len, void *in,
                               size_t in_cap, size_t *sent);

/**
 * weft_writev - write several pieces as one
 * @conn: connection; one writer at a time
 * @iov: count pieces, borrowed until the return
 * @count: number of pieces, 1..1024
 *
 * Return: as weft_write, for the sum of the lengths.
 * Context: tasks. Suspends; a cancellation point.
 * Since: 0.1. Idea: writev(2)
 */
WEFT_API ssize_t weft_writev(weft_conn *conn, const struct iovec *iov, int count);

/* A receive buffer lent by the runtime; give it back with weft_lease_return. */
struct weft_lease {
    void *data;  /* the bytes received */
    size_t len;  /* how many */
    void *owner; /* the runtime's */
};

/**
 * weft_recv_lease - wait for data and receive it into a buffer of the runtime
 * @conn: connection; one reader at a time
 * @lease: set on success when the result is > 0
 *
 * No buffer is held while waiting: use it where many connections are idle.
 *
 * Return: bytes received (> 0); 0 at the end of the stream (no lease); errors as weft_read (an idle
 * connection of a service that stops gets -ESHUTDOWN, also after earlier data), -ENOMEM, and
 * -ENOBUFS when the caller already holds more leases than options.buffers.
 * Context: tasks. Suspends; a cancellation point.
 * Since: 0.1
 */
WEFT_API ssize_t weft_recv_lease(weft_conn *conn, struct weft_lease *lease);

/**
 * weft_lease_return - give a receive buffer back
 * @lease: from weft_recv_lease; emptied. An empty one is harmless
 *
 * Return: nothing.
 * Context: any thread of the run; never suspends.
 * Since: 0.1
 */
WEFT_API void weft_lease_return(struct weft_lease *lease);

/**
 * weft_conn_set_deadline - deadlines for reads and writes that start from now on
 * @conn: connection
 * @read_deadline: point in time, WEFT_NEVER for none
 * @write_deadline: point in time, WEFT_NEVER for none
 *
 * Return: 0; -EINVAL.
 * Context: the task that uses the connection; never suspends.
 * Since: 0.1. Idea: Go's net.Conn.SetDeadline
 */
WEFT_API int weft_conn_set_deadline(weft_conn *conn, weft_deadline read_deadline,
                                    weft_deadline write_deadline);

/**
 * weft_conn_shutdown - end one or both directions
 * @conn: connection
 * @how: SHUT_RD, SHUT_WR or SHUT_RDWR of <sys/socket.h>
 *
 * Return: 0; -ENOTCONN and other errors of shutdown(2); -EBADF after close; -EINVAL.
 * Context: any task; never suspends. Wakes a reader or writer that waits.
 * Since: 0.1. Idea: shutdown(2)
 */
WEFT_API int weft_conn_shutdown(weft_conn *conn, int how);

/**
 * weft_close - close a connection after its operations in flight have ended
 * @conn: consumed; NULL is harmless
 *
 * Operations of other tasks on it are cut short (-EBADF or the bytes they have) first.
 *
 * Return: 0; -EPERM outside a task.
 * Context: tasks. Suspends only while operations are in flight; not a cancellation point.
 * Since: 0.1
 */
WEFT_API int weft_close(weft_conn *conn);

/**
 * weft_conn_fd - the descriptor, for socket options
 * @conn: connection
 *
 * Return: the descriptor, still owned by @conn; -EINVAL.
 * Context: any thread; never suspends.
 * Since: 0.1
 */
WEFT_API int weft_conn_fd(const weft_conn *conn);

/**
 * weft_conn_peer - the address of the other side as text
 * @conn: connection
 * @buf: room for the text, 64 bytes are enough
 * @size: bytes of @buf
 *
 * Return: length of the text; -ENOTCONN; -ENOSPC; -EINVAL.
 * Context: any thread; never suspends.
 * Since: 0.1
 */
WEFT_API int weft_conn_peer(const weft_conn *conn, char *buf, size_t size);

/* Options of weft_serve; set .size. Zero means default. */
struct weft_serve_options {
    size_t size;
    unsigned max_connections; /* accepting pauses at it; 0: 10000, lowered to fit RLIMIT_NOFILE */
    unsigned no_signals;      /* 1: leave SIGTERM and SIGINT alone; else they stop the service */
    weft_ns grace;            /* handlers get this long after a stop; 0: the run's, 10 s */
    const char *name;         /* task name of the handlers; constant string */
};

/**
 * weft_serve - accept connections on all workers and run a task for each, until stopped
 * @listener: an open listener, borrowed; stays open
 * @handler: called in its own task with the connection, which is closed after its return; its
 * result is logged when it is a failure other than -ECANCELED, -ECONNRESET and -EPIPE
 * @arg: passed to @handler
 * @options: NULL for defaults
 *
 * Stops on SIGTERM, SIGINT, weft_shutdown or a cancel of the caller: no more accepts, idle
 * connections end, handlers finish within the grace time and are cancelled then. When descriptors
 * or memory run out, accepting pauses and resumes by itself.
 *
 * Return: 0 after a stop in which every handler finished; -ETIMEDOUT when some had to be cancelled;
 * -ECANCELED when the caller was cancelled; -EBUSY when the listener is being served or accepted
 * on; -EINVAL; errors of accept that do not pass.
 * Context: tasks. Suspends; a cancellation point.
 * Since: 0.1. Idea: trio.serve_tcp
 */
WEFT_API int weft_serve(weft_listener *listener, int (*handler)(weft_conn *conn, void *arg),
                        void *arg, const struct weft_serve_options *options);

#ifdef __cplusplus
}
#endif
#endif
