/* SPDX-License-Identifier: Apache-2.0 */
/* raw_uring_server.c - baseline by hand: one io_uring, multishot accept and receive, ring sends */
/*
 * DEFER_TASKRUN | SINGLE_ISSUER, received data in a ring of provided buffers, one send entry per
 * receive: all that arrived in one turn is answered by one system call. An echo is sent from the
 * buffer it arrived in. A connection has one send in flight; what arrives meanwhile waits in a
 * list of buffers (echo) or as a number of owed answers (http), so that order is kept.
 *
 * owner: everything belongs to the one thread.
 */
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load/load_server.h"
#include "bench/support/bench.h"

enum {
    SQ_ENTRIES = 2048,
    CQ_ENTRIES = 16384,
    BUFFER_COUNT = 4096, /* a power of two: the kernel's ring of buffers */
    BUFFER_SIZE = 2048,
    GROUP = 0,
    BATCH = 256,
    NO_BUFFER = 0xffff,
};

enum op { OP_STOP, OP_ACCEPT, OP_RECV, OP_SEND };

struct connection {
    uint32_t owed;       /* http: answers that wait for the send in flight */
    uint16_t head, tail; /* echo: buffers that wait for the send in flight */
    uint16_t sending;    /* echo: the buffer in flight */
    uint8_t state;       /* http: matched part of a request's end */
    bool busy;           /* a send is in flight */
    bool ended;          /* the receive is over: close after the send */
};

static struct server_options options = {.name = "raw_uring"};
static struct connection table[SERVER_FDS_MAX]; /* by descriptor */
static uint16_t next_buffer[BUFFER_COUNT], buffer_len[BUFFER_COUNT];
static struct io_uring ring;
static struct io_uring_buf_ring *buffers;
static char *buffer_memory;
static int listener;
static bool running = true;
static uint64_t requests, echoed, connections;

static void die(const char *what, int rc)
{
    fprintf(stderr, "%s: %s\n", what, strerror(-rc));
    exit(1);
}

static uint64_t tag(enum op op, int fd)
{
    return (uint64_t)op << 32 | (uint32_t)fd;
}

static struct io_uring_sqe *get_sqe(void)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

    if (sqe == NULL) {
        io_uring_submit(&ring);
        sqe = io_uring_get_sqe(&ring);
    }
    return sqe;
}

static void arm_accept(void)
{
    struct io_uring_sqe *sqe = get_sqe();

    io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    sqe->user_data = tag(OP_ACCEPT, listener);
}

static void arm_recv(int fd)
{
    struct io_uring_sqe *sqe = get_sqe();

    io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
    sqe->user_data = tag(OP_RECV, fd);
}

static char *buffer_at(unsigned id)
{
    return buffer_memory + (size_t)id * BUFFER_SIZE;
}

static void recycle(unsigned id)
{
    io_uring_buf_ring_add(buffers, buffer_at(id), BUFFER_SIZE, (unsigned short)id,
                          io_uring_buf_ring_mask(BUFFER_COUNT), 0);
    io_uring_buf_ring_advance(buffers, 1);
}

static void send_bytes(int fd, const char *p, size_t n)
{
    struct io_uring_sqe *sqe = get_sqe();

    io_uring_prep_send(sqe, fd, p, n, MSG_NOSIGNAL | MSG_WAITALL);
    sqe->user_data = tag(OP_SEND, fd);
    table[fd].busy = true;
}

/* Starts the next send if one is due. */
static void flush(int fd)
{
    struct connection *c = &table[fd];

    if (c->busy)
        return;
    if (c->owed > 0) {
        uint32_t now = c->owed < SERVER_ANSWERS_MAX ? c->owed : SERVER_ANSWERS_MAX;
        size_t len;
        const char *answers = server_answers(&len);

        c->owed -= now;
        send_bytes(fd, answers, now * len);
    } else if (c->head != NO_BUFFER) {
        c->sending = c->head;
        c->head = next_buffer[c->head];
        send_bytes(fd, buffer_at(c->sending), buffer_len[c->sending]);
    } else if (c->ended) {
        close(fd);
    }
}

static void drop_output(struct connection *c)
{
    c->owed = 0;
    while (c->head != NO_BUFFER) {
        unsigned id = c->head;

        c->head = next_buffer[id];
        recycle(id);
    }
}

static void on_accept(int fd, bool more)
{
    if (!more)
        arm_accept();
    if (fd < 0)
        return;
    if (fd >= SERVER_FDS_MAX) {
        close(fd);
        return;
    }
    table[fd] = (struct connection){.head = NO_BUFFER, .sending = NO_BUFFER};
    connections++;
    arm_recv(fd);
}

static void take(int fd, unsigned id, size_t n)
{
    struct connection *c = &table[fd];

    if (options.http) {
        unsigned k = server_count_requests(&c->state, buffer_at(id), n);

        recycle(id);
        c->owed += k;
        requests += k;
    } else {
        echoed += n;
        buffer_len[id] = (uint16_t)n;
        next_buffer[id] = NO_BUFFER;
        if (c->head == NO_BUFFER)
            c->head = (uint16_t)id;
        else
            next_buffer[c->tail] = (uint16_t)id;
        c->tail = (uint16_t)id;
    }
}

static void on_recv(int fd, const struct io_uring_cqe *cqe)
{
    bool more = cqe->flags & IORING_CQE_F_MORE;

    if (cqe->res > 0) {
        take(fd, cqe->flags >> IORING_CQE_BUFFER_SHIFT, (size_t)cqe->res);
        if (!more)
            arm_recv(fd);
    } else if (cqe->res == -ENOBUFS) {
        arm_recv(fd);
    } else {
        table[fd].ended = true;
    }
    flush(fd);
}

static void on_send(int fd, int res)
{
    struct connection *c = &table[fd];

    c->busy = false;
    if (!options.http) {
        recycle(c->sending);
        c->sending = NO_BUFFER;
    }
    if (res < 0)
        drop_output(c);
    flush(fd);
}

static void dispatch(const struct io_uring_cqe *cqe)
{
    int fd = (int)(uint32_t)cqe->user_data;

    switch ((enum op)(cqe->user_data >> 32)) {
    case OP_STOP:
        running = false;
        break;
    case OP_ACCEPT:
        on_accept(cqe->res, cqe->flags & IORING_CQE_F_MORE);
        break;
    case OP_RECV:
        on_recv(fd, cqe);
        break;
    case OP_SEND:
        on_send(fd, cqe->res);
        break;
    }
}

/* Looks at the rings' shared memory only, for the given time, as long as nothing is there. */
static void spin(void)
{
    uint64_t until = bench_now_ns() + options.spin_us * 1000;

    do {
        for (int i = 0; i < 64; i++) {
            if (io_uring_cq_ready(&ring) > 0 || (IO_URING_READ_ONCE(*ring.sq.kflags) &
                                                 (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0)
                return;
            bench_relax();
        }
    } while (bench_now_ns() < until);
}

static void loop(void)
{
    struct io_uring_cqe *batch[BATCH];

    while (running) {
        unsigned n;

        if (options.spin_us > 0) {
            io_uring_submit(&ring);
            spin();
        }
        int rc = io_uring_submit_and_wait(&ring, 1);
        if (rc < 0 && rc != -EINTR && rc != -EBUSY)
            die("io_uring_submit_and_wait", rc);
        while ((n = io_uring_peek_batch_cqe(&ring, batch, BATCH)) > 0) {
            for (unsigned i = 0; i < n; i++)
                dispatch(batch[i]);
            io_uring_cq_advance(&ring, n);
        }
    }
}

static void set_up(void)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
        .cq_entries = CQ_ENTRIES,
    };
    struct io_uring_buf_reg reg = {.ring_entries = BUFFER_COUNT, .bgid = GROUP};
    size_t ring_size = BUFFER_COUNT * sizeof(struct io_uring_buf);
    int rc = io_uring_queue_init_params(SQ_ENTRIES, &ring, &params);

    if (rc < 0)
        die("io_uring_queue_init", rc);
    io_uring_register_ring_fd(&ring);
    buffers = mmap(NULL, ring_size + (size_t)BUFFER_COUNT * BUFFER_SIZE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffers == MAP_FAILED)
        die("mmap", -errno);
    buffer_memory = (char *)buffers + ring_size;
    reg.ring_addr = (uintptr_t)buffers;
    rc = io_uring_register_buf_ring(&ring, &reg, 0);
    if (rc < 0)
        die("io_uring_register_buf_ring", rc);
    io_uring_buf_ring_init(buffers);
    for (unsigned i = 0; i < BUFFER_COUNT; i++)
        recycle(i);
}

int main(int argc, char **argv)
{
    struct io_uring_sqe *sqe;
    int stop;

    server_parse(&options, argc, argv);
    stop = server_stop_fd();
    set_up();
    listener = server_listen(&options);
    arm_accept();
    sqe = get_sqe();
    io_uring_prep_poll_add(sqe, stop, POLLIN);
    sqe->user_data = tag(OP_STOP, stop);
    loop();
    server_report(&options, options.http ? requests : echoed / SERVER_ECHO_SIZE, connections);
    io_uring_queue_exit(&ring);
    return 0;
}
