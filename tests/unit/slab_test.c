/* SPDX-License-Identifier: Apache-2.0 */
/* slab_test.c - memory of task blocks: distinct, aligned, given back, shared between caches */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "runtime/sched/task_slab.h"
#include "tests/support/test.h"

static struct wf_task_slab slab;

static void open_slab(void)
{
    memset(&slab, 0, sizeof slab);
    ck_assert_int_eq(wf_slab_open(&slab), 0);
}

TEST(blocks_are_distinct_and_in_range)
{
    enum { BLOCKS = 5000 };
    static struct wf_task *t[BLOCKS];
    static bool used[BLOCKS + 2 * WF_SLAB_BATCH];
    struct wf_task_cache cache = {0};
    open_slab();
    memset(used, 0, sizeof used);
    for (int i = 0; i < BLOCKS; i++) {
        t[i] = wf_slab_take(&slab, &cache);
        ck_assert_ptr_nonnull(t[i]);
        uint32_t index = wf_task_index(t[i]);
        ck_assert_uint_gt(index, 0); /* 0 means no task */
        ck_assert_uint_lt(index, wf_load_rlx(&slab.used));
        ck_assert_uint_lt(index, sizeof used);
        ck_assert_ptr_eq(wf_task_at(index), t[i]);
        ck_assert_uint_eq((uintptr_t)t[i] % 64, 0);
        ck_assert(!used[index]);
        used[index] = true;
    }
    for (int i = 0; i < BLOCKS; i++)
        wf_slab_give(&slab, &cache, t[i]);
    ck_assert_uint_le(cache.count, 4 * WF_SLAB_BATCH);
    uint64_t handed_out = wf_load_rlx(&slab.used);
    for (int i = 0; i < BLOCKS; i++)
        ck_assert_ptr_nonnull(t[i] = wf_slab_take(&slab, &cache));
    ck_assert_uint_eq(wf_load_rlx(&slab.used), handed_out); /* the old ones, through the depot */
    wf_slab_close(&slab);
}

TEST(the_last_given_is_the_first_taken)
{
    struct wf_task_cache cache = {0};
    open_slab();
    struct wf_task *a = wf_slab_take(&slab, &cache), *b = wf_slab_take(&slab, &cache);
    wf_slab_give(&slab, &cache, a);
    wf_slab_give(&slab, &cache, b);
    ck_assert_ptr_eq(wf_slab_take(&slab, &cache), b);
    ck_assert_ptr_eq(wf_slab_take(&slab, &cache), a);
    wf_slab_close(&slab);
}

/* One thread takes, another gives, as workers do when tasks move: blocks go round by the depot. */
enum { ROUNDS = 200, CHUNK = 3 * WF_SLAB_BATCH };

struct hand_over {
    struct wf_task *block[CHUNK];
    WF_ATOMIC(uint32_t) full;
};

static void *give_back(void *arg)
{
    struct hand_over *h = arg;
    struct wf_task_cache cache = {0};
    for (int round = 0; round < ROUNDS; round++) {
        while (wf_load_acq(&h->full) == 0)
            sched_yield();
        for (unsigned i = 0; i < CHUNK; i++)
            wf_slab_give(&slab, &cache, h->block[i]);
        wf_store_rel(&h->full, 0);
    }
    return NULL;
}

TEST(blocks_that_go_to_another_worker_come_back)
{
    static struct hand_over h;
    struct wf_task_cache cache = {0};
    pthread_t thread;
    open_slab();
    ck_assert_int_eq(pthread_create(&thread, NULL, give_back, &h), 0);
    for (int round = 0; round < ROUNDS; round++) {
        while (wf_load_acq(&h.full) != 0)
            sched_yield();
        for (unsigned i = 0; i < CHUNK; i++)
            if ((h.block[i] = wf_slab_take(&slab, &cache)) == NULL)
                ck_abort_msg("no block left");
        wf_store_rel(&h.full, 1);
    }
    pthread_join(thread, NULL);
    ck_assert_uint_le(wf_load_rlx(&slab.used), 20 * WF_SLAB_BATCH);
    wf_slab_close(&slab);
}
