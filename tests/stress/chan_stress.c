/* SPDX-License-Identifier: Apache-2.0 */
/* chan_stress.c - many senders and receivers, some of them cancelled, timed out or threads
 *
 * Every item is a number of its own. What a send reported as taken over is received exactly once;
 * what it refused is received by nobody: the sums and the sums of squares of both sides agree.
 */
#include <stdlib.h>

#include "runtime/base/rng.h"
#include "tests/api/core_run.h"

enum { SIDE = 6, VICTIM_ROUNDS = 40 };

struct totals {
    WF_ATOMIC(uint64_t) count, sum, squares;
};

struct market {
    weft_chan *chan;
    struct totals sent, received;
    uint64_t items; /* of each sender */
    uint64_t seed;
    WF_ATOMIC(uint64_t) next;
    core_flag thread_sent;
};

static void add(struct totals *t, uint64_t item)
{
    wf_add_rlx(&t->count, 1);
    wf_add_rlx(&t->sum, item);
    wf_add_rlx(&t->squares, item * item);
}

static intptr_t send_items(void *arg)
{
    struct market *m = arg;
    struct wf_rng rng;
    uint64_t id = wf_add_rlx(&m->next, m->items);
    wf_rng_seed(&rng, m->seed + id);
    for (uint64_t i = 0; i < m->items; i++) {
        uint64_t item = id + i;
        int rc = 0, late;
        switch (wf_rng_next(&rng) % 4) {
        case 0:
            rc = weft_chan_try_send(m->chan, &item);
            break;
        case 1:
            rc = -ECANCELED;
            WEFT_TIMEOUT(late, WEFT_USEC(wf_rng_next(&rng) % 50))
                rc = weft_chan_send(m->chan, &item);
            break;
        default:
            rc = weft_chan_send(m->chan, &item);
            break;
        }
        if (rc == 0)
            add(&m->sent, item);
        else if (rc != -EAGAIN && !(rc == -ECANCELED && !weft_cancelled(NULL)))
            return rc;
    }
    return 0;
}

static intptr_t receive_items(void *arg)
{
    struct market *m = arg;
    uint64_t item;
    int rc;
    while ((rc = weft_chan_recv(m->chan, &item)) == 0)
        add(&m->received, item);
    return rc;
}

/* Receivers and senders that are cancelled again and again beside the others. */
static intptr_t harass(void *arg)
{
    struct market *m = arg;
    struct wf_rng rng;
    wf_rng_seed(&rng, m->seed ^ 0x5555);
    for (int i = 0; i < VICTIM_ROUNDS; i++) {
        weft_task *t[2] = {weft_spawn(receive_items, m), weft_spawn(send_items, m)};
        for (uint64_t k = wf_rng_next(&rng) % 20; k > 0; k--)
            (void)weft_yield();
        for (int k = 0; k < 2; k++)
            (void)weft_cancel(t[k], "stress");
        for (int k = 0; k < 2; k++) {
            intptr_t rc = weft_await(t[k]);
            ck_assert(rc == -ECANCELED || rc == 0);
        }
    }
    return 0;
}

static void *thread_sends(void *arg)
{
    struct market *m = arg;
    uint64_t id = wf_add_rlx(&m->next, m->items);
    for (uint64_t i = 0; i < m->items / 4; i++) {
        uint64_t item = id + i;
        CORE_CHECK(weft_chan_send(m->chan, &item) == 0);
        add(&m->sent, item);
    }
    wf_store_rel(&m->thread_sent, 1);
    return NULL;
}

static void *thread_receives(void *arg)
{
    ck_assert_int_eq(receive_items(arg), -EPIPE);
    return NULL;
}

static intptr_t trade(void *arg)
{
    struct market *m = arg;
    weft_task *sender[SIDE + 1], *receiver[SIDE];
    for (int i = 0; i < SIDE; i++) {
        receiver[i] = weft_spawn(receive_items, m);
        sender[i] = weft_spawn(send_items, m);
    }
    sender[SIDE] = weft_spawn(harass, m);
    int rc = weft_gather(sender, SIDE + 1, NULL);
    ck_assert_int_eq(weft_chan_close(m->chan), 0);
    for (int i = 0; i < SIDE; i++)
        ck_assert_int_eq(weft_await(receiver[i]), -EPIPE);
    return rc;
}

/* The same with a thread on each side. */
static intptr_t trade_with_threads(void *arg)
{
    struct market *m = arg;
    pthread_t threads[2];
    weft_task *sender = weft_spawn(send_items, m), *receiver = weft_spawn(receive_items, m);
    ck_assert_int_eq(pthread_create(&threads[0], NULL, thread_receives, m), 0);
    ck_assert_int_eq(pthread_create(&threads[1], NULL, thread_sends, m), 0);
    ck_assert_int_eq(weft_await(sender), 0);
    core_await_flag(&m->thread_sent, 1);
    pthread_join(threads[1], NULL);
    ck_assert_int_eq(weft_chan_close(m->chan), 0);
    ck_assert_int_eq(weft_await(receiver), -EPIPE);
    pthread_join(threads[0], NULL);
    return 0;
}

static void check(weft_fn body)
{
    uint64_t seed = wf_test_seed();
    const char *factor = getenv("WEFT_STRESS");
    uint64_t items = wf_test_scale(5000) * (factor != NULL ? strtoull(factor, NULL, 0) : 1);
    wf_test_timeout(600);
    for (unsigned workers = 1; workers <= 4; workers++) {
        for (size_t capacity = 0; capacity <= 64; capacity = capacity * 8 + (capacity == 0)) {
            struct market m = {.items = items, .seed = seed++};
            struct weft_options o = {.size = sizeof(o), .workers = workers, .quiet = 1};
            ck_assert_int_eq(weft_chan_new(&m.chan, sizeof(uint64_t), capacity), 0);
            ck_assert_int_eq(core_run_with(&o, body, &m), 0);
            ck_assert_uint_eq(wf_load_sc(&m.sent.count), wf_load_sc(&m.received.count));
            ck_assert_uint_eq(wf_load_sc(&m.sent.sum), wf_load_sc(&m.received.sum));
            ck_assert_uint_eq(wf_load_sc(&m.sent.squares), wf_load_sc(&m.received.squares));
            weft_chan_unref(m.chan);
        }
    }
}

TEST(no_item_is_lost_or_doubled_by_cancels_and_timeouts)
{
    check(trade);
}

TEST(no_item_is_lost_between_tasks_and_threads)
{
    check(trade_with_threads);
}
