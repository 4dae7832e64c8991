/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_serve.c - HTTP on the connections of weft_serve
 *
 * A connection is in one of these states:
 *   quiet    waits for a request in weft_recv_lease and holds no buffer; a stop ends the wait
 *   busy     has a session; also for the first moments of waiting after a response, when the answer
 *            and the wait are one linked pair of operations. A stop ends that wait too
 *   draining has said its last word and reads on for a while, so that a client that is still
 *            sending gets to read the answer instead of a reset
 *
 * What a lease brings is copied into the session and the lease goes back at once: a handler may
 * take its time, and the buffers of the runtime are few. That copy is paid only when a connection
 * becomes busy; while it is, requests are parsed where they were received.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "io/http/http_session.h"
#include "io/net/conn.h"
#include "runtime/base/assert.h"
#include "runtime/base/spin.h"

/* Sessions kept for reuse; and when more are in use, none lingers after its response. A session has
 * two or three touched pages as a rule, so this is 12 MB, besides requests that are in hand. */
#define SESSIONS_KEPT 1024
/* Draining ends after so many bytes or so long. */
#define DRAIN_MAX  (256u << 10)
#define DRAIN_TIME WEFT_SEC(2)

struct http_server {
    struct wf_http_config config;
    struct wf_spin lock;
    struct wf_http_session *free; /* lock: */
    unsigned free_count;          /* lock: */
    WF_ATOMIC(uint32_t) live;     /* lock: sessions in use; read without it as a hint */
};

struct http_conn {
    struct wf_http_io io;
    weft_conn *conn;
    struct http_server *server;
};

static struct wf_http_session *session_take(struct http_server *server)
{
    wf_spin_lock(&server->lock);
    struct wf_http_session *s = server->free;
    if (s != NULL) {
        server->free = s->next;
        server->free_count--;
    }
    wf_store_rlx(&server->live, wf_load_rlx(&server->live) + 1);
    wf_spin_unlock(&server->lock);
    return s != NULL ? s : wf_http_session_new(&server->config);
}

static void session_give(struct http_server *server, struct wf_http_session *s)
{
    wf_spin_lock(&server->lock);
    wf_store_rlx(&server->live, wf_load_rlx(&server->live) - 1);
    bool keep = s != NULL && server->free_count < SESSIONS_KEPT;
    if (keep) {
        s->next = server->free;
        server->free = s;
        server->free_count++;
    }
    wf_spin_unlock(&server->lock);
    if (!keep) {
        wf_http_session_free(s);
    }
}

static struct http_conn *conn_of(struct wf_http_io *io)
{
    return WF_CONTAINER_OF(io, struct http_conn, io);
}

/* The runtime's clock, as of the last tick: deadlines do not need more, and it costs a fifth. */
static weft_deadline coarse_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (weft_deadline)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Sends all; each piece of progress gives the client the full time again. */
static int conn_send(struct wf_http_io *io, struct iovec *iov, int count)
{
    struct http_conn *c = conn_of(io);
    while (count > 0) {
        (void)weft_conn_set_deadline(c->conn, WEFT_NEVER,
                                     coarse_now() + c->server->config.write_timeout);
        ssize_t n = weft_writev(c->conn, iov, count);
        if (n < 0) {
            return (int)n;
        }
        while (count > 0 && (size_t)n >= iov->iov_len) {
            n -= (ssize_t)iov->iov_len;
            iov++;
            count--;
        }
        if (count > 0) {
            iov->iov_base = (char *)iov->iov_base + n;
            iov->iov_len -= (size_t)n;
        }
    }
    return 0;
}

static ssize_t conn_exchange(struct wf_http_io *io, const void *out, size_t out_len, void *in,
                             size_t in_cap, weft_deadline deadline)
{
    struct http_conn *c = conn_of(io);
    size_t sent;
    wf_conn_set_idle(c->conn, io->idle);
    ssize_t n = wf_conn_exchange(c->conn, out, out_len, in, in_cap, deadline, &sent);
    if (WF_LIKELY(sent == out_len) || n != -ETIMEDOUT) {
        return n;
    }
    /* The deadline is for what comes in. A client that is slow to read has its own. */
    struct iovec rest = {.iov_base = (void *)((uintptr_t)out + sent), .iov_len = out_len - sent};
    int rc = conn_send(io, &rest, 1);
    if (rc != 0) {
        return rc == -ETIMEDOUT ? -EPIPE : rc;
    }
    return wf_conn_read_until(c->conn, in, in_cap, deadline);
}

static int64_t conn_now(struct wf_http_io *io)
{
    (void)io;
    return coarse_now();
}

static bool conn_stopping(struct wf_http_io *io)
{
    return wf_conn_stopping(conn_of(io)->conn);
}

static weft_ns conn_linger(struct wf_http_io *io)
{
    struct http_server *server = conn_of(io)->server;
    if (WF_UNLIKELY(wf_load_rlx(&server->live) > SESSIONS_KEPT)) {
        return 0;
    }
    weft_ns max = server->config.idle_timeout;
    return max < WF_HTTP_LINGER ? max : WF_HTTP_LINGER;
}

/* Waits for a request without a buffer. Returns the session with `*received` bytes, or NULL. */
static struct wf_http_session *wait_quiet(struct http_server *server, struct http_conn *c,
                                          weft_deadline deadline, size_t *received)
{
    struct weft_lease lease;
    wf_conn_set_idle(c->conn, true);
    (void)weft_conn_set_deadline(c->conn, deadline, WEFT_NEVER);
    ssize_t n = weft_recv_lease(c->conn, &lease);
    wf_conn_set_idle(c->conn, false);
    if (n <= 0) {
        return NULL;
    }
    struct wf_http_session *s = session_take(server);
    if (s != NULL) {
        WF_ASSERT(lease.len <= s->in_cap);
        memcpy(s->in, lease.data, lease.len);
        *received = lease.len;
    } else {
        session_give(server, NULL);
    }
    weft_lease_return(&lease);
    return s;
}

static __attribute__((noinline)) void drain(weft_conn *conn)
{
    char waste[1024];
    weft_deadline deadline = coarse_now() + DRAIN_TIME;
    if (weft_conn_shutdown(conn, SHUT_WR) != 0) {
        return;
    }
    wf_conn_set_idle(conn, true);
    for (size_t total = 0; total < DRAIN_MAX;) {
        ssize_t n = wf_conn_read_until(conn, waste, sizeof waste, deadline);
        if (n <= 0) {
            return;
        }
        total += (size_t)n;
    }
}

static int serve_conn(weft_conn *conn, void *arg)
{
    struct http_server *server = arg;
    const struct wf_http_config *config = &server->config;
    struct http_conn c = {
        .io = {.exchange = conn_exchange,
               .send = conn_send,
               .now = conn_now,
               .stopping = conn_stopping,
               .linger = conn_linger},
        .conn = conn,
        .server = server,
    };
    weft_deadline deadline = coarse_now() + config->header_timeout;
    weft_deadline head_deadline = deadline;
    enum wf_http_end end;
    do {
        size_t received = 0;
        struct wf_http_session *s = wait_quiet(server, &c, deadline, &received);
        if (s == NULL) {
            return 0;
        }
        end = wf_http_session_run(s, &c.io, received, head_deadline);
        session_give(server, s);
        deadline = c.io.idle_since + config->idle_timeout;
        head_deadline = 0; /* from the first byte on */
    } while (end == WF_HTTP_IDLE);
    if (end == WF_HTTP_DRAIN) {
        drain(conn);
    }
    return 0;
}

int weft_http_serve(weft_listener *listener, wf_http_handler handler, void *arg,
                    const struct weft_http_options *options)
{
    struct http_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        return -ENOMEM;
    }
    int rc = wf_http_config_init(&server->config, handler, arg, options);
    if (rc == 0 && wf_self() == NULL) {
        rc = -EPERM;
    }
    if (rc == 0) {
        size_t lease_size = wf_runtime_options()->buffer_size;
        if (server->config.in_cap < lease_size) {
            server->config.in_cap = lease_size;
        }
        struct weft_serve_options serve = {.size = sizeof serve};
        if (options != NULL && options->serve.size != 0) {
            serve = options->serve;
        }
        if (serve.name == NULL) {
            serve.name = "http";
        }
        rc = weft_serve(listener, serve_conn, server, &serve);
    }
    while (server->free != NULL) {
        struct wf_http_session *s = server->free;
        server->free = s->next;
        wf_http_session_free(s);
    }
    free(server);
    return rc;
}
