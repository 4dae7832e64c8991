/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn_cancel_stress.c - cancels and timeouts against data that arrives: no byte is lost, all
 * return
 *
 * Each stream carries numbered bytes. The reader is cut again and again, by cancels of its task, by
 * deadlines of the connection, by block deadlines; whatever a call returns is checked against the
 * next expected number, so a byte that was lost, repeated or written after the return shows at
 * once.
 */
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/rng.h"
#include "tests/api/net_run.h"

enum { BUF = 64 };

struct stream {
    struct net_pair pair;
    uint64_t seed;
    uint64_t total;    /* bytes to move */
    uint64_t received; /* reader: checked so far */
    uint64_t cuts;
    int way; /* how reads are done */
    WF_ATOMIC(int) finished;
};

static uint8_t byte_at(uint64_t index)
{
    return (uint8_t)(index * 31 + (index >> 8));
}

static void check(struct stream *s, const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(data[i] == byte_at(s->received + i), "byte %llu is wrong",
                      (unsigned long long)(s->received + i));
    s->received += n;
}

/* One read in the way of this stream, into a buffer that is wiped first. */
static ssize_t read_once(struct stream *s)
{
    uint8_t buf[BUF];
    if (s->way == 1) {
        struct weft_lease lease;
        ssize_t n = weft_recv_lease(s->pair.b, &lease);
        if (n > 0) {
            check(s, lease.data, (size_t)n);
            weft_lease_return(&lease);
        }
        return n;
    }
    memset(buf, 0xee, sizeof(buf));
    ssize_t n = weft_read(s->pair.b, buf, sizeof(buf));
    if (n > 0)
        check(s, buf, (size_t)n);
    return n;
}

/* Reads until it is cancelled or everything has come. */
static intptr_t reading(void *arg)
{
    struct stream *s = arg;
    while (s->received < s->total) {
        ssize_t n = read_once(s);
        if (n == -ECANCELED)
            return n;
        if (n == -ETIMEDOUT) {
            s->cuts++;
            return 0;
        }
        ck_assert_msg(n > 0, "read: %s", weft_strerror((int)n));
    }
    return 0;
}

/* Starts readers one after the other and cuts each after a random moment. */
static intptr_t cutting_reader(void *arg)
{
    struct stream *s = arg;
    struct wf_rng rng;
    wf_rng_seed(&rng, s->seed);
    while (s->received < s->total) {
        unsigned how = (unsigned)(wf_rng_next(&rng) % 4);
        weft_ns moment = (weft_ns)(wf_rng_next(&rng) % 40000);
        if (how == 0) {
            weft_task *task = weft_spawn(reading, s);
            ck_assert_int_eq(weft_sleep(moment), 0);
            (void)weft_cancel(task, "stress");
            s->cuts += weft_await(task) == -ECANCELED;
        } else if (how == 1) {
            int rc = 0;
            WEFT_TIMEOUT(rc, moment)
            {
                (void)reading(s);
            }
            s->cuts += rc == -ETIMEDOUT;
        } else if (how == 2) {
            (void)weft_conn_set_deadline(s->pair.b, weft_now() + moment, WEFT_NEVER);
            (void)reading(s);
            (void)weft_conn_set_deadline(s->pair.b, WEFT_NEVER, WEFT_NEVER);
        } else {
            s->cuts += weft_wait_for(reading, s, moment) == -ETIMEDOUT;
        }
    }
    wf_store_rel(&s->finished, 1);
    return 0;
}

/* Writes in pieces of random size, sometimes cut as well: what a call reports is what was sent. */
static intptr_t cut_writer(void *arg)
{
    struct stream *s = arg;
    struct wf_rng rng;
    uint8_t buf[BUF];
    uint64_t sent = 0;
    wf_rng_seed(&rng, ~s->seed);
    while (sent < s->total) {
        uint64_t n = 1 + wf_rng_next(&rng) % BUF;
        n = n < s->total - sent ? n : s->total - sent;
        for (uint64_t i = 0; i < n; i++)
            buf[i] = byte_at(sent + i);
        ssize_t r = 0;
        int rc = 0;
        if (wf_rng_next(&rng) % 8 == 0) {
            WEFT_TIMEOUT(rc, (weft_ns)(wf_rng_next(&rng) % 20000))
            {
                r = weft_write(s->pair.a, buf, n);
            }
        } else {
            r = weft_write(s->pair.a, buf, n);
        }
        if (r > 0)
            sent += (uint64_t)r;
        else
            ck_assert_int_eq(r, -ECANCELED);
        if (wf_rng_next(&rng) % 4 == 0)
            (void)weft_sleep((weft_ns)(wf_rng_next(&rng) % 30000));
        else
            (void)weft_yield();
    }
    return 0;
}

enum { STREAMS = 16 };
static uint64_t seed;

static intptr_t streams_body(void *arg)
{
    static struct stream stream[STREAMS];
    weft_task *task[2 * STREAMS];
    uint64_t cuts = 0;
    (void)arg;
    for (int i = 0; i < STREAMS; i++) {
        stream[i] = (struct stream){.pair = net_pair_open(),
                                    .seed = seed + (uint64_t)i,
                                    .total = wf_test_scale(30000),
                                    .way = i % 2};
        task[2 * i] = weft_spawn(cutting_reader, &stream[i]);
        task[2 * i + 1] = weft_spawn(cut_writer, &stream[i]);
    }
    ck_assert_int_eq(weft_gather(task, (size_t)2 * STREAMS, NULL), 0);
    for (int i = 0; i < STREAMS; i++) {
        uint8_t byte;
        ck_assert_int_eq(recv(weft_conn_fd(stream[i].pair.b), &byte, 1, MSG_DONTWAIT), -1);
        cuts += stream[i].cuts;
        net_pair_close(&stream[i].pair);
    }
    ck_assert_uint_gt(cuts, 0);
    return 0;
}

TEST(cuts_of_reads_and_writes_lose_no_byte)
{
    wf_test_timeout(60);
    seed = wf_test_seed();
    net_run(1, streams_body);
    net_run(2, streams_body);
}

/* ---- all at once ---- */

enum { CROWD = 10000 }; /* both ends of 5000 socket pairs */

struct crowd {
    weft_conn *conn[CROWD];
    struct net_read read[CROWD];
    weft_task *task[CROWD];
    char byte[CROWD];
};

static struct crowd crowd;
static unsigned crowd_size;
static WF_ATOMIC(unsigned) crowd_started;

static intptr_t crowd_task(void *arg)
{
    wf_add_rel(&crowd_started, 1);
    return net_read_task(arg);
}

static void raise_limit(void)
{
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void crowd_open(void)
{
    raise_limit();
    crowd_size = (unsigned)wf_test_scale(CROWD) / 2 * 2;
    for (unsigned i = 0; i < crowd_size; i += 2) {
        int fd[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) < 0) {
            crowd_size = i; /* a smaller limit: take what there is */
            break;
        }
        for (unsigned end = 0; end < 2; end++) {
            crowd.conn[i + end] = wf_conn_new(fd[end]);
            crowd.read[i + end] = (struct net_read){crowd.conn[i + end], &crowd.byte[i + end], 1};
        }
    }
    ck_assert_uint_gt(crowd_size, 100);
}

static void crowd_close(void)
{
    for (unsigned i = 0; i < crowd_size; i++)
        ck_assert_int_eq(weft_close(crowd.conn[i]), 0);
}

static void crowd_read(void)
{
    wf_store_rlx(&crowd_started, 0);
    for (unsigned i = 0; i < crowd_size; i++) {
        crowd.task[i] = weft_spawn(crowd_task, &crowd.read[i]);
        ck_assert_ptr_nonnull(crowd.task[i]);
    }
    while (wf_load_acq(&crowd_started) < crowd_size)
        (void)weft_yield();
}

static intptr_t crowd_cancel_body(void *arg)
{
    (void)arg;
    crowd_open();
    crowd_read();
    for (unsigned i = 0; i < crowd_size; i++)
        (void)weft_cancel(crowd.task[i], "stress");
    for (unsigned i = 0; i < crowd_size; i++)
        ck_assert_int_eq(weft_await(crowd.task[i]), -ECANCELED);
    crowd_close();
    return 0;
}

TEST(thousands_of_pending_reads_are_cancelled_at_once)
{
    wf_test_timeout(60);
    net_run(1, crowd_cancel_body);
    net_run(2, crowd_cancel_body);
}

static intptr_t crowd_timeout_body(void *arg)
{
    (void)arg;
    crowd_open();
    weft_deadline deadline = weft_now() + WEFT_MSEC(300);
    for (unsigned i = 0; i < crowd_size; i++)
        (void)weft_conn_set_deadline(crowd.conn[i], deadline, WEFT_NEVER);
    crowd_read();
    for (unsigned i = 0; i < crowd_size; i++)
        ck_assert_int_eq(weft_await(crowd.task[i]), -ETIMEDOUT);
    crowd_close();
    return 0;
}

TEST(thousands_of_pending_reads_time_out_at_once)
{
    wf_test_timeout(60);
    net_run(1, crowd_timeout_body);
    net_run(2, crowd_timeout_body);
}

/* Each gets a byte in the moment of its cancel: it is delivered, or it is still in the socket. */
static intptr_t crowd_race_body(void *arg)
{
    (void)arg;
    crowd_open();
    crowd_read();
    for (unsigned i = 0; i < crowd_size; i++) {
        ck_assert_int_eq(write(weft_conn_fd(crowd.conn[i ^ 1]), "b", 1), 1);
        (void)weft_cancel(crowd.task[i], "stress");
    }
    for (unsigned i = 0; i < crowd_size; i++) {
        char byte;
        intptr_t n = weft_await(crowd.task[i]);
        if (n == 1) {
            ck_assert_int_eq(crowd.byte[i], 'b');
            ck_assert_int_eq(recv(weft_conn_fd(crowd.conn[i]), &byte, 1, MSG_DONTWAIT), -1);
        } else {
            ck_assert_int_eq(n, -ECANCELED);
            ck_assert_int_eq(recv(weft_conn_fd(crowd.conn[i]), &byte, 1, MSG_DONTWAIT), 1);
        }
    }
    crowd_close();
    return 0;
}

TEST(a_byte_that_races_with_a_cancel_is_in_one_place)
{
    wf_test_timeout(60);
    net_run(1, crowd_race_body);
    net_run(2, crowd_race_body);
}

/* ---- the other end closes ---- */

static intptr_t touch(void *arg)
{
    struct stream *s = arg;
    char buf[BUF];
    ssize_t n;
    while ((n = weft_read(s->pair.b, buf, sizeof(buf))) > 0)
        ;
    return n;
}

static intptr_t close_body(void *arg)
{
    struct wf_rng rng;
    (void)arg;
    wf_rng_seed(&rng, seed);
    unsigned rounds = (unsigned)wf_test_scale(600);
    for (unsigned i = 0; i < rounds; i++) {
        struct stream s = {.pair = net_pair_open()};
        weft_task *task = weft_spawn(touch, &s);
        while ((wf_load_acq(&s.pair.b->state) & WF_CONN_READING) == 0)
            (void)weft_yield();
        if (wf_rng_next(&rng) % 2 == 0)
            (void)weft_write(s.pair.a, "x", 1);
        if (wf_rng_next(&rng) % 4 == 0)
            (void)weft_cancel(task, "stress");
        (void)weft_close(s.pair.a);
        intptr_t n = weft_await(task);
        ck_assert_msg(n == 0 || n == -ECANCELED, "%zd", (ssize_t)n);
        (void)weft_close(s.pair.b);
    }
    return 0;
}

TEST(peers_that_close_while_reads_are_cut)
{
    wf_test_timeout(60);
    seed = wf_test_seed();
    net_run(2, close_body);
}
