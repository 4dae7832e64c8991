/* SPDX-License-Identifier: Apache-2.0 */
/* task_state_test.c - the transitions of the state word, one by one; races are model-checked */
#include "runtime/sched/task_state.h"

#include "tests/support/test.h"

static wf_task_word word;

static uint64_t phase(void)
{
    return wf_load_rlx(&word) & WF_TS_PHASE;
}

/* A live task of a fresh word; returns the epoch of its spawn. */
static uint64_t live(uint64_t flags)
{
    wf_store_rlx(&word, 0);
    uint64_t epoch = wf_ts_spawn(&word, flags);
    ck_assert(wf_ts_claim(&word, epoch));
    return epoch;
}

TEST(a_task_is_claimed_once_per_life)
{
    wf_store_rlx(&word, 0);
    uint64_t first = wf_ts_spawn(&word, WF_TS_HANDLE);
    ck_assert_uint_eq(phase(), WF_TS_QUEUED);
    ck_assert(!wf_ts_claim(&word, first + 1));
    ck_assert(wf_ts_claim(&word, first));
    ck_assert(!wf_ts_claim(&word, first));
    (void)wf_ts_finish(&word);
    ck_assert(!wf_ts_claim(&word, first));
    wf_ts_free(&word);
    ck_assert_uint_eq(phase(), WF_TS_FREE);
    uint64_t second = wf_ts_spawn(&word, 0);
    ck_assert_uint_gt(second, first);
    ck_assert(!wf_ts_claim(&word, first)); /* an old queue entry */
    ck_assert(wf_ts_claim(&word, second));
}

TEST(a_park_has_one_winner_and_old_tickets_lose)
{
    uint64_t epoch = live(0);
    ck_assert(!wf_ts_wake(&word, epoch));
    ck_assert(wf_ts_park(&word, 0));
    ck_assert(!wf_ts_wake(&word, epoch));
    ck_assert(wf_ts_wake(&word, epoch + 1));
    ck_assert(!wf_ts_wake(&word, epoch + 1));
    ck_assert(wf_ts_park(&word, 0));
    ck_assert(!wf_ts_wake(&word, epoch + 1));
    ck_assert(wf_ts_wake(&word, epoch + 2));
    ck_assert_uint_eq(wf_load_rlx(&word) & WF_TS_PARK_BITS, 0);
}

TEST(a_cancel_ends_a_plain_park_and_prevents_the_next)
{
    uint64_t epoch = live(0);
    ck_assert(wf_ts_park(&word, 0));
    ck_assert_int_eq(wf_ts_cancel(&word), WF_TS_CANCEL_WOKE);
    ck_assert(!wf_ts_wake(&word, epoch + 1));
    ck_assert_int_eq(wf_ts_cancel(&word), WF_TS_CANCEL_NOTED);
    ck_assert(!wf_ts_park(&word, 0)); /* not published, but the epoch has moved */
    ck_assert_uint_eq(wf_ts_epoch(wf_load_rlx(&word)), epoch + 2);
    ck_assert_uint_eq(wf_load_rlx(&word) & WF_TS_WAITING, 0);
}

TEST(a_cancel_leaves_a_firm_park_alone)
{
    uint64_t epoch = live(0);
    ck_assert(wf_ts_park(&word, WF_TS_FIRM));
    ck_assert_int_eq(wf_ts_cancel(&word), WF_TS_CANCEL_NOTED);
    ck_assert(wf_ts_wake(&word, epoch + 1));
    ck_assert(wf_ts_park(&word, WF_TS_FIRM)); /* also when it is cancelled already */
    ck_assert(wf_ts_wake(&word, epoch + 2));
}

TEST(a_cancel_of_an_operation_is_posted_once_and_pins_the_park)
{
    uint64_t epoch = live(0);
    ck_assert(wf_ts_park(&word, WF_TS_IO));
    ck_assert_int_eq(wf_ts_cancel(&word), WF_TS_CANCEL_POST);
    ck_assert_int_eq(wf_ts_cancel(&word), WF_TS_CANCEL_NOTED);
    ck_assert(!wf_ts_wake(&word, epoch + 1)); /* the message is on its way */
    wf_ts_unpost(&word);
    ck_assert(wf_ts_wake(&word, epoch + 1));
    ck_assert(!wf_ts_wake(&word, epoch + 1));
}

TEST(a_cancel_after_the_end_is_late)
{
    wf_store_rlx(&word, 0);
    ck_assert_int_eq(wf_ts_cancel(&word), WF_TS_CANCEL_LATE);
    (void)live(WF_TS_HANDLE);
    ck_assert_int_eq(wf_ts_cancel(&word), WF_TS_CANCEL_NOTED);
    (void)wf_ts_finish(&word);
    ck_assert_int_eq(wf_ts_cancel(&word), WF_TS_CANCEL_LATE);
}

TEST(a_cancel_before_the_start_is_kept_for_it)
{
    wf_store_rlx(&word, 0);
    uint64_t epoch = wf_ts_spawn(&word, WF_TS_HANDLE);
    ck_assert_int_eq(wf_ts_cancel(&word), WF_TS_CANCEL_NOTED);
    ck_assert(wf_ts_claim(&word, epoch));
    ck_assert_uint_ne(wf_load_rlx(&word) & WF_TS_CANCEL, 0);
}

TEST(exactly_one_party_frees)
{
    (void)live(WF_TS_HANDLE); /* the joiner came first */
    ck_assert(wf_ts_join(&word));
    uint64_t before = wf_ts_finish(&word);
    ck_assert_uint_eq(before & (WF_TS_JOINER | WF_TS_HANDLE), WF_TS_JOINER);
    (void)live(WF_TS_HANDLE); /* the end came first */
    before = wf_ts_finish(&word);
    ck_assert_uint_eq(before & (WF_TS_JOINER | WF_TS_HANDLE), WF_TS_HANDLE);
    ck_assert(!wf_ts_join(&word));
    before = wf_ts_drop_handle(&word);
    ck_assert_uint_eq(before & (WF_TS_PHASE | WF_TS_HANDLE), WF_TS_DONE | WF_TS_HANDLE);
    (void)live(WF_TS_HANDLE); /* detached while it runs */
    before = wf_ts_drop_handle(&word);
    ck_assert_uint_eq(before & WF_TS_PHASE, WF_TS_LIVE);
    before = wf_ts_finish(&word);
    ck_assert_uint_eq(before & (WF_TS_JOINER | WF_TS_HANDLE), 0);
    wf_ts_free(&word);
    ck_assert_uint_eq(phase(), WF_TS_FREE);
}
