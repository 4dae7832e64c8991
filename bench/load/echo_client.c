/* SPDX-License-Identifier: Apache-2.0 */
/* echo_client.c - load for the echo servers: N connections with K messages of 64 bytes under way */
/*
 * One thread on one io_uring. Every message that comes back is checked and replaced by a new one;
 * all that arrived in one turn goes out with one system call. The CPU time of the server is read
 * at both ends of the measured window, so neither connecting nor warming up is counted.
 */
#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "bench/load/load_client.h"

enum {
    SQ_ENTRIES = 4096,
    CQ_ENTRIES = 32768,
    BUFFER_COUNT = 8192,
    BUFFER_SIZE = 2048,
    BATCH = 256,
};

enum op { OP_RECV, OP_SEND };

struct connection {
    int fd;
    unsigned partial_len; /* bytes of a message that arrived in pieces */
    unsigned owed;        /* messages to send once the send in flight is over */
    bool busy;            /* a send is in flight */
    uint64_t next_out;    /* sequence number of the next message to send */
    uint64_t next_in;     /* ... and of the next one to arrive */
    struct message *out;  /* inflight messages: the memory that sends borrow */
    struct message partial;
};

static struct client_options options = {
    .name = "echo", .conns = 64, .inflight = 1, .seconds = 1, .warmup = 0.2};
static struct connection *table;
static struct io_uring ring;
static struct io_uring_buf_ring *buffers;
static char *buffer_memory;
static uint32_t latency[LATENCY_BUCKETS];
static uint64_t received, now_ns;

static void die(const char *what, int rc)
{
    fprintf(stderr, "echo_client: %s: %s\n", what, strerror(-rc));
    exit(1);
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

static void arm_recv(unsigned index)
{
    struct io_uring_sqe *sqe = get_sqe();

    io_uring_prep_recv_multishot(sqe, table[index].fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->user_data = (uint64_t)OP_RECV << 32 | index;
}

static void recycle(unsigned id)
{
    io_uring_buf_ring_add(buffers, buffer_memory + (size_t)id * BUFFER_SIZE, BUFFER_SIZE,
                          (unsigned short)id, io_uring_buf_ring_mask(BUFFER_COUNT), 0);
    io_uring_buf_ring_advance(buffers, 1);
}

static void send_owed(unsigned index)
{
    struct connection *c = &table[index];
    struct io_uring_sqe *sqe;

    if (c->busy || c->owed == 0)
        return;
    for (unsigned i = 0; i < c->owed; i++)
        message_fill(&c->out[i], index, c->next_out++, now_ns);
    sqe = get_sqe();
    io_uring_prep_send(sqe, c->fd, c->out, c->owed * sizeof(struct message),
                       MSG_NOSIGNAL | MSG_WAITALL);
    sqe->user_data = (uint64_t)OP_SEND << 32 | index;
    c->busy = true;
    c->owed = 0;
}

static void take_message(struct connection *c, unsigned index, const struct message *m)
{
    if (!message_valid(m, index, c->next_in)) {
        fprintf(stderr, "echo_client: connection %u: message %llu came back wrong\n", index,
                (unsigned long long)c->next_in);
        exit(1);
    }
    c->next_in++;
    c->owed++;
    received++;
    latency_add(latency, now_ns > m->sent_ns ? now_ns - m->sent_ns : 0);
}

static void take_bytes(unsigned index, const char *p, size_t n)
{
    struct connection *c = &table[index];

    while (n > 0) {
        struct message m;
        size_t need = sizeof(m) - c->partial_len, k = n < need ? n : need;

        if (k == sizeof(m)) {
            memcpy(&m, p, sizeof(m));
            take_message(c, index, &m);
        } else {
            memcpy((char *)&c->partial + c->partial_len, p, k);
            c->partial_len += (unsigned)k;
            if (c->partial_len == sizeof(m)) {
                c->partial_len = 0;
                take_message(c, index, &c->partial);
            }
        }
        p += k;
        n -= k;
    }
}

static void on_recv(unsigned index, const struct io_uring_cqe *cqe)
{
    if (cqe->res > 0) {
        unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

        take_bytes(index, buffer_memory + (size_t)id * BUFFER_SIZE, (size_t)cqe->res);
        recycle(id);
    } else if (cqe->res != -ENOBUFS) {
        die("the server closed a connection", cqe->res);
    }
    if (!(cqe->flags & IORING_CQE_F_MORE))
        arm_recv(index);
}

static void dispatch(const struct io_uring_cqe *cqe)
{
    unsigned index = (unsigned)(uint32_t)cqe->user_data;

    if (cqe->user_data >> 32 == OP_SEND) {
        if (cqe->res < 0)
            die("send", cqe->res);
        table[index].busy = false;
    } else {
        on_recv(index, cqe);
    }
    send_owed(index);
}

static void spin(void)
{
    uint64_t until;

    if (options.spin_us == 0)
        return;
    io_uring_submit(&ring);
    until = bench_now_ns() + options.spin_us * 1000;
    do {
        for (int i = 0; i < 64; i++) {
            if (io_uring_cq_ready(&ring) > 0 || (IO_URING_READ_ONCE(*ring.sq.kflags) &
                                                 (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0)
                return;
            bench_relax();
        }
    } while (bench_now_ns() < until);
}

/* Serves the ring until a point in time. */
static void run_until(uint64_t end_ns)
{
    struct __kernel_timespec tick = {.tv_nsec = 10 * 1000 * 1000};
    struct io_uring_cqe *batch[BATCH];
    unsigned n;

    while ((now_ns = bench_now_ns()) < end_ns) {
        spin();
        int rc = io_uring_submit_and_wait_timeout(&ring, batch, 1, &tick, NULL);
        if (rc < 0 && rc != -EINTR && rc != -ETIME && rc != -EBUSY)
            die("io_uring_submit_and_wait", rc);
        now_ns = bench_now_ns();
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
    struct io_uring_buf_reg reg = {.ring_entries = BUFFER_COUNT};
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

static void connect_all(void)
{
    struct message *out = calloc((size_t)options.conns * options.inflight, sizeof(*out));

    table = calloc(options.conns, sizeof(*table));
    if (table == NULL || out == NULL)
        die("calloc", -ENOMEM);
    client_raise_fds(options.conns + 16);
    for (unsigned i = 0; i < options.conns; i++) {
        table[i].fd = client_connect(&options);
        table[i].out = out + (size_t)i * options.inflight;
        table[i].owed = options.inflight;
        arm_recv(i);
    }
    now_ns = bench_now_ns();
    for (unsigned i = 0; i < options.conns; i++)
        send_owed(i);
}

static void report(const struct server_watch *w, double seconds)
{
    struct bench_usage self = bench_usage_self();

    printf("{\"client\":\"echo\",\"conns\":%u,\"inflight\":%u,\"requests\":%llu,\"seconds\":%.6f,"
           "\"req_per_s\":%.0f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"client_cpu_s\":%.3f",
           options.conns, options.inflight, (unsigned long long)received, seconds,
           (double)received / seconds, latency_us(latency, 0.5), latency_us(latency, 0.99),
           self.user_s + self.sys_s);
    if (w->pid != 0)
        printf(",\"server_cpu_s\":%.6f,\"server_user_s\":%.3f,\"server_sys_s\":%.3f",
               (double)w->cpu_ns / 1e9, w->usage.user_s, w->usage.sys_s);
    printf("}\n");
}

int main(int argc, char **argv)
{
    struct server_watch watch;
    uint64_t start;

    client_parse(&options, argc, argv);
    set_up();
    connect_all();
    run_until(bench_now_ns() + (uint64_t)(options.warmup * 1e9));
    watch_start(&watch, options.server_pid);
    memset(latency, 0, sizeof(latency));
    received = 0;
    start = bench_now_ns();
    run_until(start + (uint64_t)(options.seconds * 1e9));
    now_ns = bench_now_ns();
    watch_stop(&watch);
    if (received == 0) {
        fprintf(stderr, "echo_client: nothing came back\n");
        return 1;
    }
    report(&watch, (double)(now_ns - start) / 1e9);
    return 0;
}
