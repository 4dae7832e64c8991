/* SPDX-License-Identifier: Apache-2.0 */
/* uring_test.c - operations of the io_uring driver: kinds, queue limits, batches, pairs, accept */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "tests/unit/uring_rig.h"

static int listen_any(struct sockaddr_in *where)
{
    socklen_t len = sizeof *where;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *where = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ck_assert_int_eq(bind(fd, (struct sockaddr *)where, sizeof *where), 0);
    ck_assert_int_eq(listen(fd, 64), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)where, &len), 0);
    return fd;
}

static int dial(const struct sockaddr_in *where)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)where, sizeof *where), 0);
    return fd;
}

static bool cloexec(int fd)
{
    return fcntl(fd, F_GETFD) & FD_CLOEXEC;
}

static void stream_kinds(struct wf_driver *d)
{
    char buf[16] = "";
    int fds[2];
    rig_pair(fds);
    struct iovec parts[2] = {{"ab", 2}, {"cde", 3}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    struct rig_op nop = rig_make(WF_OP_NOP, -1, NULL, 0);
    struct rig_op send_op = rig_make(WF_OP_SEND, fds[0], "hello", 5);
    struct rig_op recv_op = rig_make(WF_OP_RECV, fds[1], buf, sizeof buf);
    struct rig_op msg_op = rig_make(WF_OP_SENDMSG, fds[0], &message, 0);
    struct rig_op poll_op = rig_make(WF_OP_POLL, fds[1], NULL, 0);
    poll_op.op.arg = POLLIN | POLLRDHUP;
    ck_assert_int_eq(rig_run(d, &nop), 0);
    ck_assert_int_eq(rig_run(d, &send_op), 5);
    ck_assert_int_eq(rig_run(d, &recv_op), 5);
    ck_assert_mem_eq(buf, "hello", 5);
    rig_submit(d, &poll_op);
    rig_turns(d, 2);
    ck_assert(!poll_op.ended);
    ck_assert_int_eq(rig_run(d, &msg_op), 5);
    ck_assert_int_eq(rig_wait(d, &poll_op), POLLIN);
    ck_assert_int_eq(rig_run(d, &recv_op), 5);
    ck_assert_mem_eq(buf, "abcde", 5);
    struct rig_op close_op = rig_make(WF_OP_CLOSE, fds[0], NULL, 0);
    ck_assert_int_eq(rig_run(d, &close_op), 0);
    ck_assert_int_eq(fcntl(fds[0], F_GETFD), -1);
    ck_assert_int_eq(rig_run(d, &recv_op), 0);
    close(fds[1]);
}

static void file_kinds(struct wf_driver *d)
{
    char buf[8] = "";
    int fd = memfd_create("uring_test", MFD_CLOEXEC);
    struct rig_op write_op = rig_make(WF_OP_WRITE, fd, "0123456789", 10);
    struct rig_op read_op = rig_make(WF_OP_READ, fd, buf, 4);
    read_op.op.offset = 3;
    ck_assert_int_eq(rig_run(d, &write_op), 10);
    ck_assert_int_eq(rig_run(d, &read_op), 4);
    ck_assert_mem_eq(buf, "3456", 4);
    close(fd);
}

static void connection_kinds(struct wf_driver *d)
{
    struct sockaddr_in where;
    int listener = listen_any(&where);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct rig_op accept_op = rig_make(WF_OP_ACCEPT, listener, NULL, 0);
    struct rig_op connect_op = rig_make(WF_OP_CONNECT, fd, &where, sizeof where);
    rig_submit(d, &accept_op);
    ck_assert_int_eq(rig_run(d, &connect_op), 0);
    ck_assert_int_ge(rig_wait(d, &accept_op), 0);
    ck_assert(cloexec(accept_op.op.res));
    close(accept_op.op.res);
    close(fd);
    close(listener);
    struct rig_op refused =
        rig_make(WF_OP_CONNECT, socket(AF_INET, SOCK_STREAM, 0), &where, sizeof where);
    ck_assert_int_eq(rig_run(d, &refused), -ECONNREFUSED);
    close(refused.op.fd);
}

TEST(every_kind_completes_in_every_mode)
{
    FOR_EACH_MODE(mode)
    {
        struct wf_driver *d = rig_open(64);
        stream_kinds(d);
        file_kinds(d);
        connection_kinds(d);
        rig_close(d);
    }
}

TEST(errors_are_completions)
{
    struct wf_driver *d = rig_open(64);
    char byte;
    struct rig_op bad = rig_make(WF_OP_RECV, -1, &byte, 1);
    struct rig_op closed = rig_make(WF_OP_CLOSE, 1 << 20, NULL, 0);
    ck_assert_int_eq(rig_run(d, &bad), -EBADF);
    ck_assert_int_eq(rig_run(d, &closed), -EBADF);
    rig_close(d);
}

TEST(receive_with_poll_first_waits_for_data_and_hints_at_more)
{
    FOR_EACH_MODE(mode)
    {
        struct wf_driver *d = rig_open(64);
        int fds[2];
        char buf[4];
        rig_pair(fds);
        struct rig_op r = rig_make(WF_OP_RECV, fds[1], buf, sizeof buf);
        r.op.arg = 1;
        rig_submit(d, &r);
        rig_turns(d, 3);
        ck_assert(!r.ended);
        ck_assert_int_eq(write(fds[0], "0123456", 7), 7);
        ck_assert_int_eq(rig_wait(d, &r), 4);
        ck_assert_uint_eq(r.op.sock_nonempty, 1);
        r.op.arg = 0;
        ck_assert_int_eq(rig_run(d, &r), 3);
        ck_assert_uint_eq(r.op.sock_nonempty, 0);
        rig_close_fds(fds);
        rig_close(d);
    }
}

/* The queue holds 64, the completion ring 256: both are passed many times over. */
TEST(more_operations_than_entries_all_complete)
{
    enum { COUNT = 5000 };
    static struct rig_op ops[COUNT];
    FOR_EACH_MODE(mode)
    {
        struct wf_driver *d = rig_open(64);
        for (unsigned i = 0; i < COUNT; i++) {
            ops[i] = rig_make(WF_OP_NOP, -1, NULL, 0);
            rig_submit(d, &ops[i]);
        }
        ck_assert_uint_eq(d->ops->inflight(d), COUNT);
        for (unsigned i = 0; i < COUNT; i++) {
            ck_assert_int_eq(rig_wait(d, &ops[i]), 0);
            ck_assert_uint_eq(ops[i].dones, 1);
        }
        rig_close(d);
    }
}

TEST(waiting_operations_can_outnumber_the_entries)
{
    enum { COUNT = 3000 };
    static struct rig_op ops[COUNT];
    FOR_EACH_MODE(mode)
    {
        struct wf_driver *d = rig_open(64);
        int fd = eventfd(0, EFD_CLOEXEC);
        for (unsigned i = 0; i < COUNT; i++) {
            ops[i] = rig_make(WF_OP_POLL, fd, NULL, 0);
            ops[i].op.arg = POLLIN;
            rig_submit(d, &ops[i]);
        }
        rig_turns(d, 2);
        ck_assert_uint_eq(d->ops->inflight(d), COUNT);
        ck_assert_int_eq(eventfd_write(fd, 1), 0);
        for (unsigned i = 0; i < COUNT; i++)
            ck_assert_int_eq(rig_wait(d, &ops[i]), POLLIN);
        close(fd);
        rig_close(d);
    }
}

static void submit_next(struct wf_op *op)
{
    struct rig_op *r = (struct rig_op *)op;
    rig_done(op);
    if (r->next != NULL)
        rig_submit(r->driver, r->next);
}

TEST(done_may_submit_even_when_the_queue_is_full)
{
    enum { COUNT = 2000 };
    static struct rig_op first[COUNT], second[COUNT];
    struct wf_driver *d = rig_open(64);
    for (unsigned i = 0; i < COUNT; i++) {
        first[i] = rig_make(WF_OP_NOP, -1, NULL, 0);
        second[i] = rig_make(WF_OP_NOP, -1, NULL, 0);
        first[i].op.done = submit_next;
        first[i].driver = d;
        first[i].next = &second[i];
        rig_submit(d, &first[i]);
    }
    for (unsigned i = 0; i < COUNT; i++)
        rig_wait(d, &second[i]);
    rig_close(d);
}

/* What a kernel that refuses entries makes necessary; this one does not, so it is done by hand. */
TEST(completions_put_aside_are_run_first_and_in_order)
{
    enum { COUNT = 600 };
    static struct rig_op ops[COUNT];
    static unsigned order[COUNT];
    struct wf_driver *d = rig_open(1024);
    struct wf_uring *u = wf_uring_of(d);
    for (unsigned i = 0; i < COUNT; i++) {
        ops[i] = rig_make(WF_OP_NOP, -1, NULL, 0);
        rig_submit(d, &ops[i]);
        if (i == COUNT / 2) {
            wf_uring_flush(u);
            wf_uring_set_aside(u);
        }
    }
    wf_uring_flush(u);
    ck_assert(d->ops->ready(d));
    unsigned ran = 0;
    while (ran < COUNT) {
        unsigned n = d->ops->poll(d);
        ck_assert_uint_le(n, WF_URING_BATCH);
        ran += n;
        for (unsigned i = 0; i < COUNT; i++)
            order[i] += ops[i].ended;
    }
    for (unsigned i = 1; i < COUNT; i++)
        ck_assert_uint_le(order[i], order[i - 1]);
    rig_close(d);
}

TEST(one_poll_runs_a_bounded_batch)
{
    enum { COUNT = 1000 };
    static struct rig_op ops[COUNT];
    struct wf_driver *d = rig_open(1024);
    for (unsigned i = 0; i < COUNT; i++) {
        ops[i] = rig_make(WF_OP_NOP, -1, NULL, 0);
        rig_submit(d, &ops[i]);
    }
    unsigned total = 0;
    for (unsigned n; (n = d->ops->poll(d)) != 0; total += n)
        ck_assert_uint_le(n, WF_URING_BATCH);
    ck_assert_uint_eq(total, COUNT);
    rig_close(d);
}

TEST(ready_and_queued_are_told_from_memory)
{
    FOR_EACH_MODE(mode)
    {
        struct wf_driver *d = rig_open(64);
        int fds[2];
        char byte;
        rig_pair(fds);
        ck_assert(!d->ops->ready(d));
        ck_assert_uint_eq(d->ops->queued(d), 0);
        struct rig_op r = rig_make(WF_OP_RECV, fds[1], &byte, 1);
        rig_submit(d, &r);
        ck_assert(d->ops->ready(d));
        ck_assert_uint_eq(d->ops->queued(d), 1);
        rig_turns(d, 1);
        ck_assert(!d->ops->ready(d));
        ck_assert_uint_eq(d->ops->queued(d), 0);
        ck_assert_int_eq(write(fds[0], "x", 1), 1);
        ck_assert(d->ops->ready(d));
        ck_assert_uint_eq(d->ops->poll(d), 1);
        ck_assert(r.ended && !d->ops->ready(d));
        rig_close_fds(fds);
        rig_close(d);
    }
}

/* ---- pairs ---- */

static void pair_wait(struct wf_driver *d, struct rig_op *first, struct rig_op *second)
{
    rig_wait(d, first);
    rig_wait(d, second);
    ck_assert_uint_eq(first->dones, 1);
    ck_assert_uint_eq(second->dones, 1);
}

TEST(pair_sends_then_receives)
{
    FOR_EACH_MODE(mode)
    {
        struct wf_driver *d = rig_open(64);
        int fds[2];
        char buf[8], seen[8];
        rig_pair(fds);
        struct rig_op first = rig_make(WF_OP_SEND, fds[0], "ping", 4);
        struct rig_op second = rig_make(WF_OP_RECV, fds[0], buf, sizeof buf);
        second.op.arg = 1;
        d->ops->submit_pair(d, &first.op, &second.op);
        ck_assert_ptr_eq(first.op.pair, &second.op);
        rig_wait(d, &first);
        ck_assert_int_eq(first.op.res, 4);
        ck_assert(!second.ended);
        ck_assert_int_eq(read(fds[1], seen, sizeof seen), 4);
        ck_assert_int_eq(write(fds[1], "pong!", 5), 5);
        pair_wait(d, &first, &second);
        ck_assert_int_eq(second.op.res, 5);
        rig_close_fds(fds);
        rig_close(d);
    }
}

TEST(pair_whose_first_fails_does_not_start_the_second)
{
    FOR_EACH_MODE(mode)
    {
        struct wf_driver *d = rig_open(64);
        int fds[2];
        char buf[8];
        rig_pair(fds);
        ck_assert_int_eq(write(fds[1], "data", 4), 4);
        struct rig_op first = rig_make(WF_OP_SEND, -1, "ping", 4);
        struct rig_op second = rig_make(WF_OP_RECV, fds[0], buf, sizeof buf);
        d->ops->submit_pair(d, &first.op, &second.op);
        pair_wait(d, &first, &second);
        ck_assert_int_eq(first.op.res, -EBADF);
        ck_assert_int_eq(second.op.res, -ECANCELED);
        ck_assert_int_eq(read(fds[0], buf, sizeof buf), 4);
        rig_close_fds(fds);
        rig_close(d);
    }
}

TEST(pair_whose_send_is_short_does_not_receive)
{
    static char big[4 << 20];
    FOR_EACH_MODE(mode)
    {
        struct wf_driver *d = rig_open(64);
        int fds[2];
        char buf[8];
        rig_pair(fds);
        struct rig_op first = rig_make(WF_OP_SEND, fds[0], big, sizeof big);
        struct rig_op second = rig_make(WF_OP_RECV, fds[0], buf, sizeof buf);
        first.op.msg_flags = MSG_NOSIGNAL;
        d->ops->submit_pair(d, &first.op, &second.op);
        rig_turns(d, 3);
        ck_assert(!first.ended);
        close(fds[1]);
        pair_wait(d, &first, &second);
        ck_assert_int_lt(first.op.res, (int)sizeof big);
        ck_assert_int_eq(second.op.res, -ECANCELED);
        close(fds[0]);
        rig_close(d);
    }
}

TEST(pairs_are_never_split_by_a_full_queue)
{
    enum { COUNT = 301 };
    static struct rig_op nops[COUNT], firsts[COUNT], seconds[COUNT];
    struct wf_driver *d = rig_open(64);
    for (unsigned i = 0; i < COUNT; i++) {
        nops[i] = rig_make(WF_OP_NOP, -1, NULL, 0);
        firsts[i] = rig_make(WF_OP_CLOSE, 1 << 20, NULL, 0);
        seconds[i] = rig_make(WF_OP_NOP, -1, NULL, 0);
        if (i % 3 == 0)
            rig_submit(d, &nops[i]);
        d->ops->submit_pair(d, &firsts[i].op, &seconds[i].op);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        pair_wait(d, &firsts[i], &seconds[i]);
        ck_assert_int_eq(firsts[i].op.res, -EBADF);
        ck_assert_int_eq(seconds[i].op.res, -ECANCELED);
    }
    while (d->ops->inflight(d) != 0)
        d->ops->sleep(d, WEFT_NEVER);
    rig_close(d);
}

/* ---- accept ---- */

struct acceptor {
    struct rig_op r;
    int fds[64];
    unsigned count;
};

static void accepted(struct wf_op *op)
{
    struct acceptor *a = (struct acceptor *)op;
    rig_done(op);
    if (op->res >= 0)
        a->fds[a->count++] = op->res;
}

static void accept_many(struct wf_driver *d)
{
    struct sockaddr_in where;
    struct acceptor a = {.r = rig_make(WF_OP_ACCEPT_MULTI, listen_any(&where), NULL, 0)};
    int clients[10];
    a.r.op.done = accepted;
    rig_submit(d, &a.r);
    for (unsigned i = 0; i < 10; i++) {
        clients[i] = dial(&where);
        while (a.count <= i)
            d->ops->sleep(d, WEFT_NEVER);
        ck_assert(a.r.op.more && !a.r.ended);
        ck_assert(cloexec(a.fds[i]));
    }
    ck_assert_uint_eq(d->ops->inflight(d), 1);
    d->ops->cancel(d, &a.r.op);
    ck_assert_int_eq(rig_wait(d, &a.r), -ECANCELED);
    ck_assert_uint_eq(a.r.op.more, 0);
    for (unsigned i = 0; i < 10; i++) {
        close(clients[i]);
        close(a.fds[i]);
    }
    close(a.r.op.fd);
}

TEST(accept_many_goes_on_until_cancelled)
{
    FOR_EACH_MODE(mode)
    {
        struct wf_driver *d = rig_open(64);
        accept_many(d);
        rig_close(d);
    }
}

TEST(accept_many_works_where_the_kernel_only_has_single_accepts)
{
    FOR_EACH_MODE(mode)
    {
        struct wf_driver *d = rig_open(64);
        wf_uring_of(d)->has_accept_multi = false;
        accept_many(d);
        rig_close(d);
    }
}

static void accept_without_descriptors(struct wf_driver *d)
{
    struct sockaddr_in where;
    struct rlimit old, low;
    int listener = listen_any(&where), client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct rig_op r = rig_make(WF_OP_ACCEPT_MULTI, listener, NULL, 0);
    int next = dup(client); /* the lowest free number: a limit of that leaves none */
    close(next);
    getrlimit(RLIMIT_NOFILE, &old);
    low = (struct rlimit){(rlim_t)next, old.rlim_max};
    setrlimit(RLIMIT_NOFILE, &low);
    rig_submit(d, &r); /* the kernel notes the limit here */
    rig_turns(d, 1);
    int connected = connect(client, (struct sockaddr *)&where, sizeof where);
    int res = rig_wait(d, &r);
    setrlimit(RLIMIT_NOFILE, &old);
    ck_assert_int_eq(connected, 0);
    ck_assert_int_eq(res, -EMFILE);
    ck_assert_uint_eq(r.op.more, 0);
    rig_submit(d, &r);
    while (r.dones < 2)
        d->ops->sleep(d, WEFT_NEVER);
    ck_assert_int_ge(r.op.res, 0);
    close(r.op.res);
    d->ops->cancel(d, &r.op);
    ck_assert_int_eq(rig_wait(d, &r), -ECANCELED);
    close(client);
    close(listener);
}

TEST(accept_many_ends_when_descriptors_run_out_and_can_be_started_again)
{
    FOR_EACH_MODE(mode)
    {
        struct wf_driver *d = rig_open(64);
        accept_without_descriptors(d);
        wf_uring_of(d)->has_accept_multi = false;
        accept_without_descriptors(d);
        rig_close(d);
    }
}
