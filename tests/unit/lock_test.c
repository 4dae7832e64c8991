/* SPDX-License-Identifier: Apache-2.0 */
/* lock_test.c - the short mutex: exclusion, no lost wake-up, ranks */
#include "runtime/base/lock.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/rng.h"
#include "runtime/base/sanitize.h"
#include "tests/support/test.h"

#define THREADS 6

struct shared {
    struct wf_lock lock;
    uint64_t rounds;
    uint64_t counter;
    uint64_t twin;
};

static void *add_many(void *arg)
{
    struct shared *shared = arg;
    for (uint64_t i = 0; i < shared->rounds; i++) {
        wf_lock(&shared->lock);
        shared->counter++;
        shared->twin++;
        wf_unlock(&shared->lock);
    }
    return NULL;
}

TEST(a_free_lock_is_taken_and_given_back)
{
    struct wf_lock lock;
    wf_lock_init(&lock, WF_RANK_LEAF);
    ck_assert(!wf_lock_is_held(&lock));
    wf_lock(&lock);
    ck_assert(wf_lock_is_held(&lock));
    ck_assert_uint_eq(wf_locks_held(), WF_LOCK_DEBUG);
    wf_unlock(&lock);
    ck_assert(!wf_lock_is_held(&lock));
    ck_assert_uint_eq(wf_locks_held(), 0);
}

TEST(trylock_refuses_a_held_lock)
{
    struct wf_lock lock;
    wf_lock_init(&lock, WF_RANK_LEAF);
    ck_assert(wf_trylock(&lock));
    ck_assert(!wf_trylock(&lock));
    wf_unlock(&lock);
    ck_assert(wf_trylock(&lock));
    wf_unlock(&lock);
}

TEST(threads_exclude_each_other)
{
    struct shared shared = {.rounds = wf_test_scale(400000)};
    wf_lock_init(&shared.lock, WF_RANK_LEAF);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, add_many, &shared), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(shared.counter, shared.rounds * THREADS);
    ck_assert_uint_eq(shared.twin, shared.counter);
}

/* Critical sections long enough that the others give up spinning: every release meets sleepers, and
 * each of them must get its turn. */
static void *hold_long(void *arg)
{
    struct shared *shared = arg;
    struct wf_rng rng;
    wf_rng_seed(&rng, (uintptr_t)&rng);
    for (uint64_t i = 0; i < shared->rounds; i++) {
        wf_lock(&shared->lock);
        uint64_t end = wf_test_now_ns() + wf_rng_below(&rng, 60000);
        while (wf_test_now_ns() < end)
            wf_spin_hint();
        shared->counter++;
        wf_unlock(&shared->lock);
    }
    return NULL;
}

TEST(every_sleeper_is_woken)
{
    struct shared shared = {.rounds = wf_test_scale(2000)};
    wf_lock_init(&shared.lock, WF_RANK_LEAF);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, hold_long, &shared), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(shared.counter, shared.rounds * THREADS);
    ck_assert_uint_eq(wf_load_rlx(&wf_lock_sleepers[wf_lock_bucket(&shared.lock)]), 0);
}

/* Runs in a child that is expected to abort. */
static bool aborts(void (*body)(void))
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(1);
        body();
        _exit(0);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void take_downwards(void)
{
    struct wf_lock low = WF_LOCK_INIT(WF_RANK_SCOPE);
    struct wf_lock high = WF_LOCK_INIT(WF_RANK_SLAB);
    wf_lock(&high);
    wf_lock(&low);
}

static void release_what_is_not_held(void)
{
    struct wf_lock lock = WF_LOCK_INIT(WF_RANK_LEAF);
    wf_unlock(&lock);
}

TEST(the_rank_check_refuses_a_lower_rank)
{
    if (!WF_LOCK_DEBUG)
        TEST_SKIP("ranks are not checked in this build");
    ck_assert(aborts(take_downwards));
    ck_assert(aborts(release_what_is_not_held));
}

TEST(locks_of_one_rank_are_taken_in_address_order)
{
    struct wf_lock locks[2];
    wf_lock_init(&locks[0], WF_RANK_CHAN);
    wf_lock_init(&locks[1], WF_RANK_CHAN);
    wf_lock(&locks[0]);
    wf_lock(&locks[1]);
    ck_assert_uint_eq(wf_locks_held(), 2 * WF_LOCK_DEBUG);
    wf_unlock(&locks[0]);
    wf_unlock(&locks[1]);
    ck_assert_uint_eq(wf_locks_held(), 0);
}
