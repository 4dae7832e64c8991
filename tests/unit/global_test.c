/* SPDX-License-Identifier: Apache-2.0 */
/* global_test.c - the run queue that all workers share */
#include "runtime/sched/global.h"

#include <pthread.h>
#include <stdlib.h>

#include "tests/support/test.h"

TEST(entries_come_out_in_order_across_chunks)
{
    struct wf_global g;
    uint64_t in[400], out[64], expected = 1;
    wf_global_init(&g);
    ck_assert(wf_global_empty(&g));
    ck_assert_uint_eq(wf_global_take(&g, out, 64), 0);
    for (uint64_t round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < 400; i++)
            in[i] = round * 400 + i + 1;
        wf_global_push(&g, in, 1);
        wf_global_push(&g, in + 1, 398);
        wf_global_push(&g, in + 399, 1);
        ck_assert(!wf_global_empty(&g));
        for (unsigned left = 400, n; left > 0; left -= n) {
            n = wf_global_take(&g, out, left < 64 ? left : 64);
            ck_assert_uint_gt(n, 0);
            for (unsigned i = 0; i < n; i++)
                ck_assert_uint_eq(out[i], expected++);
        }
        ck_assert(wf_global_empty(&g));
    }
    wf_global_fini(&g);
}

TEST(what_is_left_is_freed_with_the_queue)
{
    struct wf_global g;
    uint64_t in[300] = {1};
    wf_global_init(&g);
    wf_global_push(&g, in, 300);
    ck_assert_uint_eq(wf_load_rlx(&g.count), 300);
    wf_global_fini(&g);
}

/* ---- threads ---- */

enum { THREADS = 4 };

struct crowd {
    struct wf_global g;
    uint64_t each;
    WF_ATOMIC(uint64_t) sum, count;
    WF_ATOMIC(uint64_t) next;
};

static void *push_and_take(void *arg)
{
    struct crowd *c = arg;
    uint64_t id = wf_add_rlx(&c->next, c->each), out[7];
    for (uint64_t i = 0; i < c->each; i++) {
        uint64_t entry = id + i + 1;
        wf_global_push(&c->g, &entry, 1);
        unsigned n = i % 3 == 0 ? wf_global_take(&c->g, out, 7) : 0;
        for (unsigned k = 0; k < n; k++)
            wf_add_rlx(&c->sum, out[k]);
        wf_add_rlx(&c->count, n);
    }
    return NULL;
}

TEST(every_entry_comes_out_once_with_many_threads)
{
    struct crowd c = {.each = wf_test_scale(100000)};
    pthread_t thread[THREADS];
    uint64_t out[100], total = THREADS * c.each;
    wf_global_init(&c.g);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, push_and_take, &c), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (unsigned n; (n = wf_global_take(&c.g, out, 100)) > 0;) {
        for (unsigned i = 0; i < n; i++)
            wf_add_rlx(&c.sum, out[i]);
        wf_add_rlx(&c.count, n);
    }
    ck_assert_uint_eq(wf_load_rlx(&c.count), total);
    ck_assert_uint_eq(wf_load_rlx(&c.sum), total * (total + 1) / 2);
    wf_global_fini(&c.g);
}
