/* SPDX-License-Identifier: Apache-2.0 */
/* deque_test.c - the run queue: order, capacity, stealing half, shedding, many thieves */
#include "runtime/sched/deque.h"

#include <pthread.h>
#include <stdlib.h>

#include "runtime/base/rng.h"
#include "tests/support/test.h"

enum { HALF = WF_DEQUE_CAP / 2, THIEVES = 3 };

static struct wf_deque *new_deque(bool shared)
{
    struct wf_deque *d = aligned_alloc(128, (sizeof(*d) + 127) / 128 * 128);
    ck_assert_ptr_nonnull(d);
    wf_deque_init(d, shared);
    return d;
}

TEST(a_fresh_deque_is_empty)
{
    uint64_t out[HALF];
    struct wf_deque *d = new_deque(true);
    ck_assert_uint_eq(wf_deque_take(d), 0);
    ck_assert_uint_eq(wf_deque_len(d), 0);
    ck_assert_uint_eq(wf_deque_steal(d, out, HALF), 0);
    ck_assert_uint_eq(wf_deque_shed(d, out), 0);
    free(d);
}

TEST(the_owner_takes_the_oldest_also_after_many_turns_of_the_ring)
{
    for (int shared = 0; shared < 2; shared++) {
        struct wf_deque *d = new_deque(shared);
        uint64_t in = 0, out = 0;
        for (unsigned round = 0; round < 5 * WF_DEQUE_CAP; round++) {
            for (unsigned i = 0; i < 3; i++)
                if (wf_deque_push(d, in + 1))
                    in++;
            for (unsigned i = 0; i < 2; i++)
                ck_assert_uint_eq(wf_deque_take(d), ++out);
            ck_assert_uint_eq(wf_deque_len(d), in - out);
        }
        while (out < in)
            ck_assert_uint_eq(wf_deque_take(d), ++out);
        ck_assert_uint_eq(wf_deque_take(d), 0);
        free(d);
    }
}

TEST(a_full_deque_refuses_and_shedding_gives_the_older_half)
{
    uint64_t out[HALF];
    struct wf_deque *d = new_deque(true);
    for (uint64_t i = 1; i <= WF_DEQUE_CAP; i++)
        ck_assert(wf_deque_push(d, i));
    ck_assert(!wf_deque_push(d, 999));
    ck_assert_uint_eq(wf_deque_shed(d, out), HALF);
    for (uint64_t i = 0; i < HALF; i++)
        ck_assert_uint_eq(out[i], i + 1);
    ck_assert(wf_deque_push(d, WF_DEQUE_CAP + 1));
    ck_assert_uint_eq(wf_deque_take(d), HALF + 1);
    while (wf_deque_len(d) >= HALF)
        (void)wf_deque_take(d);
    ck_assert_uint_eq(wf_deque_shed(d, out), 0); /* there is room enough */
    free(d);
}

TEST(a_thief_takes_half_rounded_up_from_the_old_end)
{
    static const unsigned len[] = {1, 2, 3, 10, 255, 256};
    uint64_t out[WF_DEQUE_CAP];
    for (unsigned k = 0; k < sizeof(len) / sizeof(*len); k++) {
        struct wf_deque *d = new_deque(true);
        for (uint64_t i = 1; i <= len[k]; i++)
            ck_assert(wf_deque_push(d, i));
        unsigned n = wf_deque_steal(d, out, HALF);
        ck_assert_uint_eq(n, (len[k] + 1) / 2);
        for (uint64_t i = 0; i < n; i++)
            ck_assert_uint_eq(out[i], i + 1);
        ck_assert_uint_eq(wf_deque_take(d), n < len[k] ? n + 1 : 0);
        free(d);
    }
    struct wf_deque *d = new_deque(true);
    for (uint64_t i = 1; i <= 20; i++)
        ck_assert(wf_deque_push(d, i));
    ck_assert_uint_eq(wf_deque_steal(d, out, 4), 4); /* not more than there is room for */
    free(d);
}

/* ---- thieves ---- */

struct robbery {
    struct wf_deque *deque;
    WF_ATOMIC(uint8_t) * seen;
    WF_ATOMIC(uint32_t) over;
};

static void see(struct robbery *r, uint64_t entry)
{
    if (wf_add_rlx(&r->seen[entry], 1) != 0)
        ck_abort_msg("entry %llu came twice", (unsigned long long)entry);
}

static void *thief(void *arg)
{
    struct robbery *r = arg;
    uint64_t out[HALF];
    for (bool last = false;;) {
        unsigned n = wf_deque_steal(r->deque, out, HALF);
        for (unsigned i = 0; i < n; i++)
            see(r, out[i]);
        if (last && n == 0)
            return NULL;
        last = wf_load_acq(&r->over) != 0;
    }
}

TEST(every_entry_comes_out_once_under_many_thieves)
{
    uint64_t total = wf_test_scale(2000000), next = 1, out[HALF];
    struct robbery r = {new_deque(true), calloc(total + 1, 1), 0};
    struct wf_rng rng;
    pthread_t threads[THIEVES];
    wf_rng_seed(&rng, wf_test_seed());
    for (int i = 0; i < THIEVES; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, thief, &r), 0);
    while (next <= total) {
        for (uint32_t n = wf_rng_below(&rng, 40); n > 0 && next <= total; n--) {
            if (!wf_deque_push(r.deque, next)) {
                unsigned shed = wf_deque_shed(r.deque, out);
                for (unsigned i = 0; i < shed; i++)
                    see(&r, out[i]);
                if (!wf_deque_push(r.deque, next))
                    ck_abort_msg("no room after shedding");
            }
            next++;
        }
        for (uint32_t n = wf_rng_below(&rng, 40); n > 0; n--) {
            uint64_t entry = wf_deque_take(r.deque);
            if (entry == 0)
                break;
            see(&r, entry);
        }
    }
    for (uint64_t entry; (entry = wf_deque_take(r.deque)) != 0;)
        see(&r, entry);
    wf_store_rel(&r.over, 1);
    for (int i = 0; i < THIEVES; i++)
        pthread_join(threads[i], NULL);
    for (uint64_t i = 1; i <= total; i++)
        if (wf_load_rlx(&r.seen[i]) != 1)
            ck_abort_msg("entry %llu was lost", (unsigned long long)i);
    free(r.seen);
    free(r.deque);
}
