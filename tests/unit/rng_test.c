/* SPDX-License-Identifier: Apache-2.0 */
/* rng_test.c - small random numbers */
#include "runtime/base/rng.h"

#include "tests/support/test.h"

TEST(one_seed_gives_one_sequence_and_neighbours_differ)
{
    struct wf_rng a, b, c;
    wf_rng_seed(&a, 7);
    wf_rng_seed(&b, 7);
    wf_rng_seed(&c, 8);
    unsigned same = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t drawn = wf_rng_next(&a);
        ck_assert_uint_eq(drawn, wf_rng_next(&b));
        same += drawn == wf_rng_next(&c);
    }
    ck_assert_uint_eq(same, 0);
}

TEST(seed_zero_works)
{
    struct wf_rng rng;
    wf_rng_seed(&rng, 0);
    ck_assert_uint_ne(rng.state, 0);
    ck_assert_uint_ne(wf_rng_next(&rng), wf_rng_next(&rng));
}

TEST(numbers_below_a_bound_reach_every_value_evenly)
{
    struct wf_rng rng;
    unsigned seen[5] = {0};
    wf_rng_seed(&rng, wf_test_seed());
    for (int i = 0; i < 50000; i++) {
        uint32_t drawn = wf_rng_below(&rng, 5);
        ck_assert_uint_lt(drawn, 5);
        seen[drawn]++;
    }
    for (int i = 0; i < 5; i++) {
        ck_assert_uint_gt(seen[i], 9000);
        ck_assert_uint_lt(seen[i], 11000);
    }
}
