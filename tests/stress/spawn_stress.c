/* SPDX-License-Identifier: Apache-2.0 */
/* spawn_stress.c - random trees of spawns, awaits, gathers, scopes, limits and cancels
 *
 * Every task that begins a life is counted, every end too, and each result is a token that is
 * checked off once where it is seen. At the end of a run all sums agree. With WEFT_SEED the choices
 * are the same again; their timing is not.
 */
#include <stdio.h>
#include <stdlib.h>

#include "runtime/base/rng.h"
#include "tests/api/core_run.h"

enum { ROOTS = 4, CHILDREN_MAX = 6, DEPTH_MAX = 4 };

static WF_ATOMIC(uint64_t) begun, ended, spawned, seen_values, given_values;
static size_t rounds;
static bool few_fibers;

struct seed {
    uint64_t seed;
    int depth;
};

static intptr_t random_task(void *arg);

static weft_task *spawn_random(struct wf_rng *rng, int depth, bool detached)
{
    struct seed s = {wf_rng_next(rng), depth};
    struct weft_spawn_options o = {.size = sizeof(o),
                                   .copy_size = sizeof(s),
                                   .detached = detached,
                                   .pinned = wf_rng_next(rng) % 16 == 0};
    weft_task *t = weft_spawn_with(&o, random_task, &s);
    if (t != NULL)
        wf_add_rlx(&spawned, 1);
    return t;
}

static void see(intptr_t result)
{
    if (result > 0)
        wf_add_rlx(&seen_values, 1);
    else
        CORE_CHECK(result == -ECANCELED || result == -EIO || result == -ENOMEM);
}

static void leaf(struct wf_rng *rng)
{
    int rc;
    switch (wf_rng_next(rng) % 5) {
    case 0:
        (void)weft_yield();
        break;
    case 1:
        (void)weft_sleep(WEFT_USEC(wf_rng_next(rng) % 200));
        break;
    case 2:
        WEFT_TIMEOUT(rc, WEFT_USEC(wf_rng_next(rng) % 200))
            (void)weft_sleep(WEFT_USEC(wf_rng_next(rng) % 200));
        CORE_CHECK(rc == 0 || rc == -ETIMEDOUT);
        break;
    case 3:
        (void)weft_wait_for(core_sleep_forever, NULL, WEFT_USEC(wf_rng_next(rng) % 100));
        break;
    default:
        break;
    }
}

static void settle(weft_task *t[], size_t n, const intptr_t r[])
{
    for (size_t i = 0; i < n; i++)
        if (t[i] != NULL)
            see(r[i]);
}

static void in_a_scope(struct wf_rng *rng, size_t n, int depth)
{
    int result = 1;
    WEFT_SCOPE(s, .result = &result, .limit = (unsigned)(wf_rng_next(rng) % 4),
               .on_error = wf_rng_next(rng) % 2 ? WEFT_KEEP_SIBLINGS : WEFT_CANCEL_SIBLINGS) {
        weft_task *kept = NULL;
        for (size_t i = 0; i < n; i++) {
            (void)spawn_random(rng, depth, true);
            if (kept == NULL && wf_rng_next(rng) % 4 == 0)
                kept = spawn_random(rng, depth, false);
        }
        if (wf_rng_next(rng) % 3 == 0)
            (void)weft_scope_stop(s);
        if (kept != NULL)
            see(weft_await(kept));
        if (wf_rng_next(rng) % 4 == 0)
            break;
    }
    CORE_CHECK(result == 0 || result == -ECANCELED || result == -EIO);
}

static void branch(struct wf_rng *rng, int depth)
{
    weft_task *t[CHILDREN_MAX];
    intptr_t r[CHILDREN_MAX];
    size_t n = 1 + wf_rng_next(rng) % CHILDREN_MAX;
    uint64_t kind = wf_rng_next(rng) % 7;
    int rc;
    if (kind == 0) {
        in_a_scope(rng, n, depth);
        return;
    }
    for (size_t i = 0; i < n; i++)
        t[i] = spawn_random(rng, depth, false);
    switch (kind) {
    case 1:
        (void)weft_gather(t, n, r);
        settle(t, n, r);
        break;
    case 2:
        for (size_t i = 0; i < n; i++)
            if (t[i] != NULL && wf_rng_next(rng) % 2)
                (void)weft_cancel(t[i], "stress");
        (void)weft_gather_settled(t, n, r);
        settle(t, n, r);
        break;
    case 3:
        WEFT_TIMEOUT(rc, WEFT_USEC(wf_rng_next(rng) % 300))
            (void)weft_gather(t, n, r);
        settle(t, n, r);
        break;
    case 4:
        for (size_t i = 0; i < n; i++)
            (void)weft_detach(t[i]);
        break;
    default:
        for (size_t i = n; i-- > 0;) {
            r[i] = weft_await(t[i]);
            if (t[i] != NULL)
                see(r[i]);
        }
        break;
    }
}

static intptr_t random_task(void *arg)
{
    struct seed s = *(struct seed *)arg;
    struct wf_rng rng;
    wf_rng_seed(&rng, s.seed);
    wf_add_rlx(&begun, 1);
    leaf(&rng);
    if (s.depth > 0 && wf_rng_next(&rng) % 3 == 0)
        branch(&rng, s.depth - 1);
    leaf(&rng);
    wf_add_rlx(&ended, 1);
    if (wf_rng_next(&rng) % 20 == 0)
        return -EIO;
    if (weft_cancelled(NULL))
        return -ECANCELED;
    wf_add_rlx(&given_values, 1);
    return 1;
}

static intptr_t root(void *arg)
{
    struct wf_rng rng;
    wf_rng_seed(&rng, *(uint64_t *)arg);
    for (size_t i = 0; i < rounds; i++)
        branch(&rng, DEPTH_MAX - 1);
    return 0;
}

static intptr_t roots(void *arg)
{
    weft_task *t[ROOTS];
    uint64_t seed[ROOTS];
    size_t n = few_fibers ? 1 : ROOTS;
    for (size_t i = 0; i < n; i++) {
        seed[i] = *(uint64_t *)arg + i;
        t[i] = weft_spawn(root, &seed[i]);
    }
    return weft_gather(t, n, NULL);
}

TEST(random_trees_of_tasks_end_completely)
{
    uint64_t seed = wf_test_seed();
    const char *factor = getenv("WEFT_STRESS");
    few_fibers = core_fibers(128) < 128;
    rounds = few_fibers ? 10 : wf_test_scale(600);
    rounds *= factor != NULL ? strtoull(factor, NULL, 0) : 1;
    wf_test_timeout(600);
    for (unsigned workers = 1; workers <= 4; workers++) {
        wf_store_sc(&begun, 0);
        wf_store_sc(&ended, 0);
        wf_store_sc(&spawned, 0);
        wf_store_sc(&seen_values, 0);
        wf_store_sc(&given_values, 0);
        struct weft_options o = {.size = sizeof(o), .workers = workers, .quiet = 1};
        ck_assert_int_eq(core_run_with(&o, roots, &seed), 0);
        ck_assert_uint_eq(wf_load_sc(&begun), wf_load_sc(&ended));
        ck_assert_uint_le(wf_load_sc(&begun), wf_load_sc(&spawned)); /* some were cancelled first */
        ck_assert_uint_le(wf_load_sc(&seen_values), wf_load_sc(&given_values));
        seed += ROOTS;
    }
}
