/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn.h - a connection, for the files of io/net and for protocols above it
 *
 * state, moved by single atomic operations:
 *   READING  somebody is in a reading call     set and cleared by the reader
 *   WRITING  somebody is in a writing call     set and cleared by the writer
 *   CLOSED   weft_close has begun              set once; from then on READING and WRITING are
 *            cleared under `lock`, so that the closer, who frees the connection, sees them go
 *   STOP     the service is stopping: idle waits end with -ESHUTDOWN; set once
 *
 * An operation in flight is ended in one of three ways: a cancel of its task (the scheduler's), the
 * shutdown(2) of weft_close, which is sticky and so cannot come too early, or, for an idle wait at
 * a stop, a cancel of exactly that operation on the worker that has it: bytes that arrive at that
 * moment are still delivered. Idle waits therefore name their operation in idle_op, under `lock`.
 *
 * order: conn-state - what the previous reader or writer left in the fields is seen by the next
 * one.
 */
#ifndef WF_CONN_H
#define WF_CONN_H

#include <weft/net.h>

#include "runtime/base/list.h"
#include "runtime/base/spin.h"
#include "runtime/sched/sched.h"

enum wf_conn_state {
    WF_CONN_READING = 1u << 0,
    WF_CONN_WRITING = 1u << 1,
    WF_CONN_CLOSED = 1u << 2,
    WF_CONN_STOP = 1u << 3,
};
#define WF_CONN_BUSY ((uint32_t)(WF_CONN_READING | WF_CONN_WRITING))

/* When a wait for data counts as idle, so that the soft phase of a stop ends it. */
enum wf_conn_idle {
    WF_IDLE_AUTO, /* before the first byte, and in weft_recv_lease */
    WF_IDLE_YES,
    WF_IDLE_NO,
};

struct weft_conn {
    struct wf_list link;       /* lock: of the listener's queue, then of the service's list */
    int fd;                    /* const: */
    WF_ATOMIC(uint32_t) state; /* any: enum wf_conn_state */
    struct wf_spin lock;
    uint16_t idle_worker;   /* lock: whose driver has idle_op */
    uint8_t idle_pair;      /* lock: idle_op is the second of a linked pair, behind the first */
    uint8_t idle;           /* owner: reader; enum wf_conn_idle */
    uint8_t fresh;          /* owner: reader; nothing has been received yet */
    uint8_t maybe_readable; /* owner: reader; the next receive may find data at once */
    struct wf_op *idle_op;  /* lock: */
    uint64_t closer;        /* lock: ticket of a weft_close that waits */
    weft_deadline read_deadline;
    weft_deadline write_deadline;
};
WF_STATIC_ASSERT(sizeof(struct weft_conn) <= 96, "an idle connection costs little");

/* wf_conn_new - a connection for a connected socket in blocking mode, which it owns; NULL:
 * -ENOMEM */
weft_conn *wf_conn_new(int fd);

/* wf_conn_drop - close a connection that nobody uses; never suspends; any thread */
void wf_conn_drop(weft_conn *conn);

/* wf_conn_count - connections of this process */
unsigned wf_conn_count(void);

/*
 * wf_conn_enter - begin a reading or writing call: 0, -EBUSY, -EBADF
 * wf_conn_leave - end it; @result is what the call returns, -EBADF replaces it when the connection
 * was closed meanwhile and nothing was moved
 */
int wf_conn_enter(weft_conn *conn, uint32_t role);
ssize_t wf_conn_leave(weft_conn *conn, uint32_t role, ssize_t result);

/* wf_conn_idles - would a wait for data now be an idle one? @lease: in weft_recv_lease */
static inline bool wf_conn_idles(const weft_conn *conn, bool lease)
{
    return conn->idle == WF_IDLE_YES || (conn->idle == WF_IDLE_AUTO && (lease || conn->fresh));
}

/* wf_conn_op_run - wf_op_run for a wait that may be idle; -ESHUTDOWN when a stop ended it */
int wf_conn_op_run(weft_conn *conn, struct wf_op *op, enum wf_wait_kind kind, bool idle);

/*
 * wf_conn_set_idle - say whether the connection is between requests
 *
 * While it is, the soft phase of a stop ends the wait for data with -ESHUTDOWN; what has arrived is
 * still delivered. After the first call nothing is assumed any more (WF_IDLE_AUTO ends).
 * Context: the task that reads.
 */
static inline void wf_conn_set_idle(weft_conn *conn, bool idle)
{
    conn->idle = idle ? WF_IDLE_YES : WF_IDLE_NO;
}

/* wf_conn_stop - end the present or the next idle wait; repeat it until the connection is gone */
void wf_conn_stop(weft_conn *conn);

/*
 * wf_conn_stopping - has the soft phase reached this connection?
 * For protocols that announce the end of the connection with their answer. Context: any.
 */
static inline bool wf_conn_stopping(weft_conn *conn)
{
    return (wf_load_rlx(&conn->state) & WF_CONN_STOP) != 0;
}

/*
 * wf_conn_exchange - write all of `out`, then read what comes, in one suspension
 * @out: out_len bytes; @in: room for in_cap bytes; both borrowed until the return
 * @deadline: for the reading part (and for a write that blocks); WEFT_NEVER
 * @sent: set to the bytes of `out` that were sent; not NULL
 *
 * One linked pair of operations: what the reader waits for cannot overtake what it sends.
 *
 * Return: as weft_read when *sent == out_len: bytes, 0 at the end of the stream, -ECANCELED,
 * -ETIMEDOUT, -ESHUTDOWN (idle, see wf_conn_set_idle) or the error, with nothing read. Bytes that
 * arrived are returned even when the task was cancelled. When *sent < out_len it is the error of
 * the write (never >= 0) and nothing was read: the stream is broken, close it.
 * Context: tasks; needs both the reader's and the writer's turn (-EBUSY). Suspends; a cancellation
 * point.
 */
ssize_t wf_conn_exchange(weft_conn *conn, const void *out, size_t out_len, void *in, size_t in_cap,
                         weft_deadline deadline, size_t *sent);

/* wf_conn_read_until - weft_read with a deadline of its own in place of the connection's */
ssize_t wf_conn_read_until(weft_conn *conn, void *buf, size_t n, weft_deadline deadline);

#endif
