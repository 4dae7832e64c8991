/* SPDX-License-Identifier: Apache-2.0 */
/* uring_wake_test.c - sleep until a deadline, a completion, a signal or a wake-up, none of them
 * lost */
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include "runtime/base/atomic.h"
#include "tests/unit/uring_rig.h"

TEST(sleep_ends_at_its_deadline_and_never_before)
{
    static const int64_t spans[] = {0, 1, 1000, 50000, 200000, 1000000, 5000000};
    FOR_EACH_MODE(mode)
    {
        struct wf_driver *d = rig_open(64);
        int64_t worst = 0;
        for (unsigned i = 0; i < 20 * sizeof spans / sizeof *spans; i++) {
            int64_t deadline = wf_clock_now() + spans[i % (sizeof spans / sizeof *spans)];
            ck_assert_uint_eq(d->ops->sleep(d, deadline), 0);
            int64_t late = wf_clock_now() - deadline;
            ck_assert_int_ge(late, 0);
            worst = late > worst ? late : worst;
        }
        ck_assert_int_lt(worst, 2000000000);
        ck_assert_uint_eq(d->ops->sleep(d, wf_clock_now() - 1000000000), 0);
        ck_assert_uint_eq(d->ops->sleep(d, 0), 0);
        ck_assert_uint_eq(d->ops->sleep(d, -1), 0);
        rig_close(d);
    }
}

TEST(sleep_hands_over_what_is_queued_and_ends_with_a_completion)
{
    FOR_EACH_MODE(mode)
    {
        struct wf_driver *d = rig_open(64);
        struct rig_op r = rig_make(WF_OP_NOP, -1, NULL, 0);
        rig_submit(d, &r);
        ck_assert_uint_eq(d->ops->sleep(d, WEFT_NEVER), 1);
        ck_assert(r.ended);
        rig_close(d);
    }
}

TEST(wake_before_the_sleep_is_not_lost)
{
    FOR_EACH_MODE(mode)
    {
        struct wf_driver *a = rig_open(64), *b = rig_open(64);
        for (unsigned i = 0; i < 100; i++) {
            a->ops->wake(a, NULL);
            ck_assert_uint_eq(a->ops->sleep(a, WEFT_NEVER), 0);
            a->ops->wake(a, b);
            ck_assert_uint_eq(a->ops->sleep(a, WEFT_NEVER), 0);
            a->ops->wake(a, a);
            ck_assert_uint_eq(a->ops->sleep(a, WEFT_NEVER), 0);
        }
        rig_close(a);
        rig_close(b);
    }
}

TEST(wake_by_message_hands_over_the_wakers_own_entries_too)
{
    struct wf_driver *a = rig_open(64), *b = rig_open(64);
    static struct rig_op ops[64];
    for (unsigned i = 0; i < 64; i++) {
        ops[i] = rig_make(WF_OP_NOP, -1, NULL, 0);
        rig_submit(b, &ops[i]);
    }
    a->ops->wake(a, b);
    ck_assert_uint_eq(b->ops->queued(b), 0);
    ck_assert_uint_eq(a->ops->sleep(a, WEFT_NEVER), 0);
    for (unsigned i = 0; i < 64; i++)
        rig_wait(b, &ops[i]);
    rig_close(a);
    rig_close(b);
}

/* A target that takes no messages is woken by its eventfd. */
TEST(wake_whose_message_fails_still_arrives)
{
    struct wf_driver *a = rig_open(64), *b = rig_open(64);
    struct wf_uring *u = wf_uring_of(a);
    int ring_fd = u->ring_fd;
    u->ring_fd = u->wake_fd;
    a->ops->wake(a, b);
    u->ring_fd = ring_fd;
    ck_assert_uint_eq(a->ops->sleep(a, WEFT_NEVER), 0);
    b->ops->poll(b);
    rig_close(a);
    rig_close(b);
}

/* Two loops that pass a turn to and fro; each sleeps without a deadline, so one lost wake hangs. */
struct side {
    struct wf_driver *driver;
    WF_ATOMIC(uint32_t) turn;
    WF_ATOMIC(uint32_t) started;
};

struct match {
    struct side sides[2];
    uint32_t rounds;
    bool by_message;
};

static void play(struct match *m, unsigned me)
{
    struct side *own = &m->sides[me], *other = &m->sides[!me];
    own->driver = rig_open(64);
    wf_store_rel(&own->started, 1);
    while (!wf_load_acq(&other->started))
        sched_yield();
    for (uint32_t i = 1; i <= m->rounds; i++) {
        if (me == 0) {
            wf_store_rel(&other->turn, i);
            other->driver->ops->wake(other->driver, m->by_message ? own->driver : NULL);
        }
        while (wf_load_acq(&own->turn) != i)
            own->driver->ops->sleep(own->driver, WEFT_NEVER);
        if (me == 1) {
            wf_store_rel(&other->turn, i);
            other->driver->ops->wake(other->driver, m->by_message ? own->driver : NULL);
        }
    }
    wf_store_rel(&own->started, 2);
    while (wf_load_acq(&other->started) != 2)
        sched_yield();
    rig_close(own->driver);
}

static void *second_player(void *arg)
{
    play(arg, 1);
    return NULL;
}

TEST(wakes_between_two_sleeping_loops_all_arrive)
{
    FOR_EACH_MODE(mode)
    {
        for (int by_message = 0; by_message < 2; by_message++) {
            struct match m = {.rounds = (uint32_t)wf_test_scale(3000), .by_message = by_message};
            pthread_t thread;
            ck_assert_int_eq(pthread_create(&thread, NULL, second_player, &m), 0);
            play(&m, 0);
            pthread_join(thread, NULL);
        }
    }
}

/* Messages that meet a loop that is awake may leave a flag without work behind. */
struct flood {
    struct wf_driver *target;
    WF_ATOMIC(uint32_t) over;
};

static void *send_flood(void *arg)
{
    struct flood *f = arg;
    struct wf_driver *own = rig_open(64);
    for (uint64_t i = wf_test_scale(50000); i > 0; i--)
        f->target->ops->wake(f->target, own);
    rig_close(own);
    wf_store_rel(&f->over, 1);
    return NULL;
}

TEST(loop_is_quiet_after_a_flood_of_messages)
{
    FOR_EACH_MODE(mode)
    {
        struct flood f = {.target = rig_open(64)};
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, send_flood, &f), 0);
        while (!wf_load_acq(&f.over))
            f.target->ops->poll(f.target);
        pthread_join(thread, NULL);
        for (unsigned i = 0; i < 5000 && f.target->ops->ready(f.target); i++)
            f.target->ops->poll(f.target);
        ck_assert(!f.target->ops->ready(f.target));
        rig_close(f.target);
    }
}

TEST(a_flag_without_work_is_taken_back)
{
    FOR_EACH_MODE(mode)
    {
        struct wf_driver *d = rig_open(64);
        wf_or_rlx(wf_uring_of(d)->k_flags, (unsigned)IORING_SQ_TASKRUN);
        ck_assert(d->ops->ready(d));
        ck_assert_uint_eq(d->ops->poll(d), 0);
        ck_assert(!d->ops->ready(d));
        d->ops->wake(d, NULL);
        ck_assert_uint_eq(d->ops->sleep(d, WEFT_NEVER), 0);
        rig_close(d);
    }
}

static void *wake_later(void *arg)
{
    struct wf_driver *d = arg;
    struct timespec pause = {.tv_nsec = 2000000};
    nanosleep(&pause, NULL); /* lint: allow sleep, the other side is to fall asleep first */
    d->ops->wake(d, NULL);
    return NULL;
}

TEST(a_plain_thread_ends_a_sleep)
{
    FOR_EACH_MODE(mode)
    {
        struct wf_driver *d = rig_open(64);
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, wake_later, d), 0);
        ck_assert_uint_eq(d->ops->sleep(d, WEFT_NEVER), 0);
        pthread_join(thread, NULL);
        rig_close(d);
    }
}

static void on_alarm(int signo)
{
    (void)signo;
}

TEST(signals_end_a_sleep_and_lose_nothing)
{
    struct sigaction act = {.sa_handler = on_alarm, .sa_flags = SA_RESTART}, old;
    struct itimerval every = {{0, 300}, {0, 300}}, off = {{0, 0}, {0, 0}};
    sigaction(SIGVTALRM, &act, &old);
    sigaction(SIGUSR1, &act, NULL);
    FOR_EACH_MODE(mode)
    {
        struct wf_driver *d = rig_open(64);
        setitimer(ITIMER_VIRTUAL, &every, NULL);
        int fds[2];
        char byte;
        rig_pair(fds);
        for (unsigned i = 0; i < 2000; i++) {
            struct rig_op r = rig_make(WF_OP_RECV, fds[1], &byte, 1);
            struct rig_op s = rig_make(WF_OP_SEND, fds[0], "x", 1);
            rig_submit(d, &r);
            rig_submit(d, &s);
            ck_assert_int_eq(rig_wait(d, &r), 1);
            ck_assert_int_eq(rig_wait(d, &s), 1);
        }
        setitimer(ITIMER_VIRTUAL, &off, NULL);
        rig_close_fds(fds);
        rig_close(d);
    }
    sigaction(SIGVTALRM, &old, NULL);
}
