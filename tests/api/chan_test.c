/* SPDX-License-Identifier: Apache-2.0 */
/* chan_test.c - channels: buffered and not, closing, cancelling, from tasks and plain threads */
#include <stdlib.h>
#include <string.h>

#include "tests/api/core_run.h"

static weft_chan *chan_of(size_t item_size, size_t capacity)
{
    weft_chan *c = NULL;
    ck_assert_int_eq(weft_chan_new(&c, item_size, capacity), 0);
    ck_assert_ptr_nonnull(c);
    return c;
}

/* ---- anywhere ---- */

TEST(bad_arguments_are_refused)
{
    weft_chan *c;
    int item;
    ck_assert_int_eq(weft_chan_new(NULL, 4, 1), -EINVAL);
    ck_assert_int_eq(weft_chan_new(&c, 65537, 1), -EINVAL);
    ck_assert_int_eq(weft_chan_new(&c, 65536, SIZE_MAX / 4), -ENOMEM);
    ck_assert_int_eq(weft_chan_send(NULL, &item), -EINVAL);
    ck_assert_int_eq(weft_chan_recv(NULL, &item), -EINVAL);
    ck_assert_int_eq(weft_chan_try_send(NULL, &item), -EINVAL);
    ck_assert_int_eq(weft_chan_try_recv(NULL, &item), -EINVAL);
    ck_assert_int_eq(weft_chan_close(NULL), -EINVAL);
    weft_chan_unref(NULL);
    c = chan_of(sizeof(item), 1);
    ck_assert_int_eq(weft_chan_send(c, NULL), -EINVAL);
    ck_assert_int_eq(weft_chan_recv(c, NULL), -EINVAL);
    ck_assert_int_eq(weft_chan_try_send(c, NULL), -EINVAL);
    ck_assert_int_eq(weft_chan_try_recv(c, NULL), -EINVAL);
    weft_chan_unref(c);
}

TEST(a_bounded_channel_holds_its_capacity_in_order)
{
    weft_chan *c = chan_of(sizeof(int), 3);
    int item;
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 3; i++) {
            item = 10 * round + i;
            ck_assert_int_eq(weft_chan_try_send(c, &item), 0);
        }
        ck_assert_int_eq(weft_chan_try_send(c, &item), -EAGAIN);
        for (int i = 0; i < 3; i++) {
            ck_assert_int_eq(weft_chan_try_recv(c, &item), 0);
            ck_assert_int_eq(item, 10 * round + i);
            if (i == 0) { /* moves the ring on by one each round */
                int more = -1;
                ck_assert_int_eq(weft_chan_try_send(c, &more), 0);
            }
        }
        ck_assert_int_eq(weft_chan_try_recv(c, &item), 0);
        ck_assert_int_eq(item, -1);
        ck_assert_int_eq(weft_chan_try_recv(c, &item), -EAGAIN);
    }
    weft_chan_unref(c);
}

TEST(an_unbuffered_channel_holds_nothing)
{
    weft_chan *c = chan_of(sizeof(int), 0);
    int item = 1;
    ck_assert_int_eq(weft_chan_try_send(c, &item), -EAGAIN);
    ck_assert_int_eq(weft_chan_try_recv(c, &item), -EAGAIN);
    weft_chan_unref(c);
}

TEST(after_the_close_receivers_get_what_is_left)
{
    weft_chan *c = chan_of(sizeof(int), 2);
    int item = 5;
    ck_assert_int_eq(weft_chan_send(c, &item), 0);
    ck_assert_int_eq(weft_chan_close(c), 0);
    ck_assert_int_eq(weft_chan_close(c), 0);
    ck_assert_int_eq(weft_chan_send(c, &item), -EPIPE);
    ck_assert_int_eq(weft_chan_try_send(c, &item), -EPIPE);
    item = 0;
    ck_assert_int_eq(weft_chan_recv(c, &item), 0);
    ck_assert_int_eq(item, 5);
    ck_assert_int_eq(weft_chan_recv(c, &item), -EPIPE);
    ck_assert_int_eq(weft_chan_try_recv(c, &item), -EPIPE);
    ck_assert_int_eq(item, 5); /* written only on success */
    weft_chan_unref(c);
}

TEST(the_last_reference_frees)
{
    weft_chan *c = chan_of(1, 1);
    ck_assert_ptr_eq(weft_chan_ref(c), c);
    weft_chan_unref(c);
    char item = 'x';
    ck_assert_int_eq(weft_chan_try_send(c, &item), 0);
    weft_chan_unref(c);
}

/* ---- threads alone, without a runtime ---- */

static void *thread_sends(void *arg)
{
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(weft_chan_send(arg, &i), 0);
    return NULL;
}

TEST(two_plain_threads_share_a_channel_without_a_runtime)
{
    for (size_t capacity = 0; capacity < 3; capacity++) {
        weft_chan *c = chan_of(sizeof(int), capacity);
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, thread_sends, c), 0);
        for (int i = 0, item; i < 1000; i++) {
            ck_assert_int_eq(weft_chan_recv(c, &item), 0);
            ck_assert_int_eq(item, i);
        }
        pthread_join(thread, NULL);
        weft_chan_unref(c);
    }
}

static void *thread_receives_end(void *arg)
{
    int item;
    return (void *)(intptr_t)weft_chan_recv(arg, &item);
}

TEST(a_close_wakes_a_plain_thread)
{
    weft_chan *c = chan_of(sizeof(int), 0);
    pthread_t thread;
    void *rc;
    ck_assert_int_eq(pthread_create(&thread, NULL, thread_receives_end, c), 0);
    ck_assert_int_eq(weft_chan_close(c), 0);
    ck_assert_int_eq(pthread_join(thread, &rc), 0);
    ck_assert_int_eq((intptr_t)rc, -EPIPE);
    weft_chan_unref(c);
}

/* ---- tasks ---- */

struct pair {
    weft_chan *to, *back;
    int n;
};

static intptr_t echo_task(void *arg)
{
    struct pair *p = arg;
    long item;
    int rc;
    while ((rc = weft_chan_recv(p->to, &item)) == 0) {
        item = -item;
        ck_assert_int_eq(weft_chan_send(p->back, &item), 0);
    }
    return rc;
}

CORE_TEST(items_go_to_and_fro)
{
    for (size_t capacity = 0; capacity < 3; capacity++) {
        struct pair p = {chan_of(sizeof(long), capacity), chan_of(sizeof(long), capacity), 0};
        weft_task *t = weft_spawn(echo_task, &p);
        long back;
        for (long i = 1; i <= 500; i++) {
            ck_assert_int_eq(weft_chan_send(p.to, &i), 0);
            ck_assert_int_eq(weft_chan_recv(p.back, &back), 0);
            ck_assert_int_eq(back, -i);
        }
        ck_assert_int_eq(weft_chan_close(p.to), 0);
        ck_assert_int_eq(weft_await(t), -EPIPE);
        weft_chan_unref(p.to);
        weft_chan_unref(p.back);
    }
    return 0;
}

struct waiting {
    weft_chan *chan;
    int item;
    bool sends;
};

static intptr_t wait_on_channel(void *arg)
{
    struct waiting *w = arg;
    return w->sends ? weft_chan_send(w->chan, &w->item) : weft_chan_recv(w->chan, &w->item);
}

CORE_TEST(a_try_meets_a_task_that_waits)
{
    struct waiting w = {chan_of(sizeof(int), 0), 0, false};
    weft_task *t = weft_spawn(wait_on_channel, &w);
    int item = 71;
    core_await_parked(t);
    ck_assert_int_eq(weft_chan_try_send(w.chan, &item), 0);
    ck_assert_int_eq(weft_await(t), 0);
    ck_assert_int_eq(w.item, 71);
    w.sends = true;
    w.item = 72;
    t = weft_spawn(wait_on_channel, &w);
    core_await_parked(t);
    ck_assert_int_eq(weft_chan_try_recv(w.chan, &item), 0);
    ck_assert_int_eq(item, 72);
    ck_assert_int_eq(weft_await(t), 0);
    weft_chan_unref(w.chan);
    return 0;
}

CORE_TEST(a_close_wakes_all_that_wait)
{
    for (int sends = 0; sends < 2; sends++) {
        struct waiting w[5];
        weft_task *t[5];
        weft_chan *c = chan_of(sizeof(int), 0);
        for (int i = 0; i < 5; i++) {
            w[i] = (struct waiting){c, i, sends != 0};
            t[i] = weft_spawn(wait_on_channel, &w[i]);
            core_await_parked(t[i]);
        }
        ck_assert_int_eq(weft_chan_close(c), 0);
        for (int i = 0; i < 5; i++) {
            ck_assert_int_eq(weft_await(t[i]), -EPIPE);
            ck_assert_int_eq(w[i].item, i);
        }
        weft_chan_unref(c);
    }
    return 0;
}

CORE_TEST(a_cancelled_waiter_leaves_the_queue_and_the_others_their_places)
{
    for (int sends = 0; sends < 2; sends++) {
        struct waiting w[5];
        weft_task *t[5];
        weft_chan *c = chan_of(sizeof(int), 0);
        for (int i = 0; i < 5; i++) {
            w[i] = (struct waiting){c, sends ? i : -1, sends != 0};
            t[i] = weft_spawn(wait_on_channel, &w[i]);
            core_await_parked(t[i]);
        }
        for (int i = 0; i < 5; i += 2) { /* first, middle, last */
            ck_assert_int_eq(weft_cancel(t[i], "test"), 0);
            ck_assert_int_eq(weft_await(t[i]), -ECANCELED);
        }
        for (int i = 1; i < 5; i += 2) {
            int item = i;
            ck_assert_int_eq(sends ? weft_chan_try_recv(c, &item) : weft_chan_try_send(c, &item),
                             0);
            ck_assert_int_eq(item, i);
            ck_assert_int_eq(weft_await(t[i]), 0);
            ck_assert_int_eq(w[i].item, i);
        }
        int none;
        ck_assert_int_eq(weft_chan_try_recv(c, &none), -EAGAIN);
        ck_assert_int_eq(weft_chan_try_send(c, &none), -EAGAIN);
        weft_chan_unref(c);
    }
    return 0;
}

CORE_TEST(a_full_channel_takes_the_waiting_senders_item_in_its_turn)
{
    struct waiting w = {chan_of(sizeof(int), 2), 3, true};
    int item;
    for (int i = 1; i <= 2; i++)
        ck_assert_int_eq(weft_chan_send(w.chan, &i), 0);
    weft_task *t = weft_spawn(wait_on_channel, &w);
    core_await_parked(t);
    for (int i = 1; i <= 3; i++) {
        ck_assert_int_eq(weft_chan_recv(w.chan, &item), 0);
        ck_assert_int_eq(item, i);
    }
    ck_assert_int_eq(weft_await(t), 0);
    weft_chan_unref(w.chan);
    return 0;
}

struct big {
    unsigned char bytes[65536];
};

static intptr_t send_big(void *arg)
{
    struct pair *p = arg;
    struct big *b = malloc(sizeof(*b));
    ck_assert_ptr_nonnull(b);
    for (int i = 0; i < p->n; i++) {
        memset(b, i, sizeof(*b));
        ck_assert_int_eq(weft_chan_send(p->to, b), 0);
    }
    free(b);
    return 0;
}

CORE_TEST(items_may_be_large_or_empty)
{
    struct pair p = {chan_of(sizeof(struct big), 1), chan_of(0, 3), 20};
    struct big *b = malloc(sizeof(*b));
    ck_assert_ptr_nonnull(b);
    weft_task *t = weft_spawn(send_big, &p);
    for (int i = 0; i < p.n; i++) {
        ck_assert_int_eq(weft_chan_recv(p.to, b), 0);
        ck_assert_int_eq(b->bytes[0], i);
        ck_assert_int_eq(b->bytes[65535], i);
    }
    ck_assert_int_eq(weft_await(t), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(weft_chan_send(p.back, NULL), 0);
    ck_assert_int_eq(weft_chan_try_send(p.back, NULL), -EAGAIN);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(weft_chan_recv(p.back, NULL), 0);
    ck_assert_int_eq(weft_chan_try_recv(p.back, NULL), -EAGAIN);
    free(b);
    weft_chan_unref(p.to);
    weft_chan_unref(p.back);
    return 0;
}

/* ---- tasks and threads ---- */

static void *thread_echoes(void *arg)
{
    return (void *)echo_task(arg);
}

CORE_TEST(a_task_and_a_plain_thread_share_channels)
{
    for (size_t capacity = 0; capacity < 3; capacity++) {
        struct pair p = {chan_of(sizeof(long), capacity), chan_of(sizeof(long), capacity), 0};
        pthread_t thread;
        long back;
        void *rc;
        ck_assert_int_eq(pthread_create(&thread, NULL, thread_echoes, &p), 0);
        for (long i = 1; i <= 200; i++) {
            ck_assert_int_eq(weft_chan_send(p.to, &i), 0);
            ck_assert_int_eq(weft_chan_recv(p.back, &back), 0);
            ck_assert_int_eq(back, -i);
        }
        ck_assert_int_eq(weft_chan_close(p.to), 0);
        ck_assert_int_eq(pthread_join(thread, &rc), 0);
        ck_assert_int_eq((intptr_t)rc, -EPIPE);
        weft_chan_unref(p.to);
        weft_chan_unref(p.back);
    }
    return 0;
}
