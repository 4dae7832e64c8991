/* SPDX-License-Identifier: Apache-2.0 */
/* timer_stress.c - sleeps and deadlines of all lengths: never early, all come */
#include <stdlib.h>

#include "runtime/base/rng.h"
#include "tests/api/core_run.h"

enum { SLEEPERS_MAX = 2000 };

static WF_ATOMIC(uint64_t) fired, latest;

struct sleeper {
    uint64_t seed;
    size_t rounds;
};

static void note_lateness(weft_ns late)
{
    uint64_t before = wf_load_rlx(&latest);
    while ((uint64_t)late > before && !wf_cas_rlx(&latest, &before, (uint64_t)late))
        ;
}

/* Most spans are short; some cross the borders between the levels of the wheel. */
static weft_ns random_span(struct wf_rng *rng)
{
    uint64_t r = wf_rng_next(rng);
    switch (r % 8) {
    case 0:
        return (weft_ns)(r >> 8) % 100;
    case 1:
        return ((weft_ns)((r >> 8) % 70) << 16) + (weft_ns)((r >> 32) % 3) - 1;
    case 2:
        return (weft_ns)((r >> 8) % 30000000);
    default:
        return (weft_ns)((r >> 8) % 2000000);
    }
}

static intptr_t sleeper(void *arg)
{
    struct sleeper s = *(struct sleeper *)arg;
    struct wf_rng rng;
    wf_rng_seed(&rng, s.seed);
    for (size_t i = 0; i < s.rounds; i++) {
        weft_ns span = random_span(&rng), took;
        weft_deadline begin = weft_now();
        int rc = 1;
        switch (wf_rng_next(&rng) % 3) {
        case 0:
            CORE_CHECK(weft_sleep(span) == 0);
            break;
        case 1: /* the deadline comes first */
            WEFT_TIMEOUT(rc, span)
                CORE_CHECK(weft_sleep(WEFT_SEC(1000)) == -ECANCELED);
            CORE_CHECK(rc == -ETIMEDOUT);
            break;
        default: /* the sleep comes first, its timers are taken back */
            WEFT_TIMEOUT(rc, span + WEFT_SEC(1000))
                CORE_CHECK(weft_sleep(span) == 0);
            CORE_CHECK(rc == 0);
            break;
        }
        took = weft_now() - begin;
        CORE_CHECK(took >= span);
        note_lateness(took - span);
        wf_add_rlx(&fired, 1);
    }
    return 0;
}

static intptr_t all_sleepers(void *arg)
{
    static weft_task *t[SLEEPERS_MAX];
    struct sleeper *s = arg;
    size_t n = core_fibers(SLEEPERS_MAX);
    struct weft_spawn_options o = {.size = sizeof(o), .copy_size = sizeof(*s)};
    for (size_t i = 0; i < n; i++) {
        s->seed++;
        t[i] = weft_spawn_with(&o, sleeper, s);
    }
    int rc = weft_gather(t, n, NULL);
    return rc < 0 ? rc : (intptr_t)n;
}

TEST(timers_are_never_early_and_all_fire)
{
    const char *factor = getenv("WEFT_STRESS");
    struct sleeper s = {wf_test_seed(), 10 * (factor != NULL ? strtoull(factor, NULL, 0) : 1)};
    wf_test_timeout(600);
    for (unsigned workers = 1; workers <= 4; workers++) {
        struct weft_options o = {.size = sizeof(o), .workers = workers, .quiet = 1};
        wf_store_sc(&fired, 0);
        wf_store_sc(&latest, 0);
        intptr_t n = core_run_with(&o, all_sleepers, &s);
        ck_assert_int_gt(n, 0);
        ck_assert_uint_eq(wf_load_sc(&fired), (uint64_t)n * s.rounds);
        if (wf_test_can_measure())
            ck_assert_uint_lt(wf_load_sc(&latest), 1000000000u);
    }
}
