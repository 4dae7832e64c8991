/* SPDX-License-Identifier: Apache-2.0 */
/* task_state_model.c - runtime/sched/task_state.h: one claimer, one winner of a park, one freer
 *
 * The fields of a task are wm_data cells here: who wins a transition touches them at once, so a
 * missing order is a data race even where the state word itself came out right.
 */
#include "runtime/sched/task_state.h"

#include <string.h>

#include "tests/model/engine.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static wf_task_word word;
static struct wm_data body;   /* what the spawner wrote for the runner */
static struct wm_data result; /* what the runner wrote for the joiner */
static struct wm_data code;   /* what the winner of a park wrote for the task */
static struct wm_data frame;  /* of the call that parked */
static struct wm_data joiner; /* what the joiner wrote for the finisher */
static struct wm_sem awake;   /* the parked task, or the parked joiner, goes on */
static WF_ATOMIC(uint64_t) ticket[3];
static unsigned runs[3], frees, wakes, refused;

static void setup(void)
{
    word = 5 * WF_TS_EPOCH_ONE;
    memset(ticket, 0, sizeof ticket);
    memset(runs, 0, sizeof runs);
    frees = wakes = refused = 0;
    wm_data_write(&body, 0);
    wm_data_write(&result, 0);
    wm_data_write(&code, 0);
    wm_data_write(&joiner, 0);
    wm_data_write(&frame, 0);
}

static uint64_t ticket_of(unsigned i)
{
    uint64_t t;

    while ((t = wf_load_acq(&ticket[i])) == 0)
        wf_spin_hint();
    return t;
}

static void run_life(unsigned life)
{
    wm_assert(++runs[life] == 1);
    wm_assert(wm_data_read(&body) == life);
    wm_data_write(&result, 70 + life);
}

static uint64_t spawn_life(unsigned life, uint64_t flags)
{
    uint64_t epoch;

    wm_data_write(&body, life);
    epoch = wf_ts_spawn(&word, flags);
    wf_store_rel(&ticket[life], epoch);
    return epoch;
}

/* ---- claim: a worker that popped the entry against the awaiter, and an entry that is stale
 * ---- */

static void claim_once(int t)
{
    if (t == 0)
        (void)spawn_life(1, WF_TS_HANDLE);
    else if (wf_ts_claim(&word, ticket_of(1)))
        run_life(1);
}

static void claimed_once(void)
{
    wm_assert(runs[1] == 1);
    wm_assert((word & WF_TS_PHASE) == WF_TS_LIVE);
    wm_assert((word & WF_TS_HANDLE) != 0);
}

static void free_task(void)
{
    frees++;
    wm_data_write(&body, 0);
    wf_ts_free(&word);
}

/* Thread 0 spawns twice into the same slot and runs in place what nobody took. Thread 1 pops both
 * entries, late or not. */
static void claim_reused(int t)
{
    for (unsigned life = 1; life <= 2; life++) {
        uint64_t epoch = t == 0 ? spawn_life(life, 0) : ticket_of(life);

        if (wf_ts_claim(&word, epoch)) {
            run_life(life);
            if ((wf_ts_finish(&word) & (WF_TS_HANDLE | WF_TS_JOINER)) == 0)
                free_task();
        }
        /* The slot is free again; the spawner learns that from the slab. */
        while (t == 0 && (wf_load_acq(&word) & WF_TS_PHASE) != WF_TS_FREE)
            wf_spin_hint();
    }
}

static void each_life_once(void)
{
    wm_assert(runs[1] == 1 && runs[2] == 1 && frees == 2);
    wm_assert(wf_ts_epoch(word) == 7);
}

/* ---- finish: against a joiner, against a dropped handle ---- */

static void setup_live(void)
{
    setup();
    (void)spawn_life(1, WF_TS_HANDLE);
    wm_assert(wf_ts_claim(&word, 6));
    wf_store_rlx(&ticket[1], 0); /* from here on: of parks */
}

static void finish_one(void)
{
    uint64_t before;

    wm_data_write(&result, 71);
    before = wf_ts_finish(&word);
    wm_assert((before & WF_TS_PHASE) == WF_TS_LIVE);
    if ((before & WF_TS_JOINER) != 0) {
        wm_assert(wm_data_read(&joiner) == 99);
        wm_post(&awake);
    } else if ((before & WF_TS_HANDLE) == 0) {
        free_task();
    }
}

static void finish_against_join(int t)
{
    if (t == 0) {
        finish_one();
        return;
    }
    wm_data_write(&joiner, 99);
    if (wf_ts_join(&word))
        wm_wait(&awake);
    else
        (void)wf_ts_drop_handle(&word);
    wm_assert(wm_data_read(&result) == 71);
    free_task();
}

static void finish_against_drop(int t)
{
    if (t == 0) {
        finish_one();
    } else if ((wf_ts_drop_handle(&word) & WF_TS_PHASE) == WF_TS_DONE) {
        wm_assert(wm_data_read(&result) == 71);
        free_task();
    }
}

/* A cancel comes at any time; it never brings a task back or loses its end. */
static void finish_join_cancel(int t)
{
    if (t == 2) {
        enum wf_ts_cancel_result r = wf_ts_cancel(&word);

        wm_assert(r == WF_TS_CANCEL_NOTED || r == WF_TS_CANCEL_LATE);
    } else {
        finish_against_join(t);
    }
}

static void freed_once(void)
{
    wm_assert(frees == 1);
    wm_assert((word & ~(~UINT64_C(0) << WF_TS_EPOCH_SHIFT)) == WF_TS_FREE);
}

/* ---- park: waker, timer and cancel race for two parks of the same task ---- */

enum { BY_WAKER = 1, BY_TIMER, BY_CANCEL, BY_NOBODY };

static void won(uint64_t by)
{
    wakes++;
    wm_data_write(&code, by);
    wm_post(&awake);
}

/* Parks like wf_park: the word first, then the action that lets the wakers see the ticket. */
static uint64_t park_once(unsigned i, uint64_t mode)
{
    bool parked = wf_ts_park(&word, mode);
    uint64_t epoch = wf_ts_epoch(wf_load_rlx(&word));

    wf_store_rel(&ticket[i], epoch);
    if (!parked) {
        refused++;
        return BY_NOBODY;
    }
    wm_wait(&awake);
    return wm_data_read(&code);
}

static void try_wake(unsigned i, uint64_t by)
{
    uint64_t epoch = wf_load_acq(&ticket[i]);

    if (epoch != 0 && wf_ts_wake(&word, epoch))
        won(by);
}

static void cancel_once(void)
{
    enum wf_ts_cancel_result r = wf_ts_cancel(&word);

    wm_assert(r == WF_TS_CANCEL_NOTED || r == WF_TS_CANCEL_WOKE);
    if (r == WF_TS_CANCEL_WOKE)
        won(BY_CANCEL);
}

static void park_three_ways(int t)
{
    if (t == 0) {
        uint64_t by = park_once(1, 0);

        wm_assert(by == BY_WAKER || by == BY_TIMER || by == BY_CANCEL || by == BY_NOBODY);
    } else if (t == 1) {
        (void)ticket_of(1);
        try_wake(1, BY_WAKER);
    } else if (t == 2) {
        try_wake(1, BY_TIMER);
    } else {
        cancel_once();
    }
}

static void one_park_ended(void)
{
    wm_assert(wakes + refused == 1);
    wm_assert((word & WF_TS_PARK_BITS) == 0);
    wm_assert((word & WF_TS_CANCEL) != 0);
    wm_assert(wm_posts(&awake) == 0);
}

/* A ticket of the first park is still about when the task parks again, for something else. */
static void stale_ticket(int t)
{
    if (t == 0) {
        uint64_t by = park_once(1, 0);

        wm_assert(by == BY_WAKER || by == BY_TIMER);
        wm_assert(wakes == 1);
        by = park_once(2, WF_TS_FIRM);
        wm_assert(by == BY_WAKER);
        wm_assert(wakes == 2);
    } else if (t == 1) {
        (void)ticket_of(1);
        try_wake(1, BY_WAKER);
        (void)ticket_of(2);
        try_wake(2, BY_WAKER);
    } else {
        try_wake(1, BY_TIMER);
    }
}

static void two_parks_ended(void)
{
    wm_assert(wakes == 2 && refused == 0);
    wm_assert((word & WF_TS_PARK_BITS) == 0);
    wm_assert(wm_posts(&awake) == 0);
}

/* Cancel alone against the publishing of a park: it ends the park, or the park does not begin. */
static void park_against_cancel(int t)
{
    if (t == 0) {
        uint64_t by = park_once(1, 0);

        wm_assert(by == BY_CANCEL || by == BY_NOBODY);
    } else {
        cancel_once();
    }
}

static void cancel_got_through(void)
{
    wm_assert(wakes + refused == 1);
    wm_assert((word & WF_TS_CANCEL) != 0);
}

/* A firm park ends by its waker alone; the cancel is noted for later. */
static void firm_park_against_cancel(int t)
{
    if (t == 0) {
        wm_assert(park_once(1, WF_TS_FIRM) == BY_WAKER);
    } else if (t == 1) {
        (void)ticket_of(1);
        try_wake(1, BY_WAKER);
    } else {
        wm_assert(wf_ts_cancel(&word) == WF_TS_CANCEL_NOTED);
    }
}

/* ---- park for an operation: completion and cancel, the cancel goes to the operation's worker
 * ---- */

/* Thread 1 is the worker of the operation: it handles the cancel post and the completion. A
 * completion that comes while the post is under way waits for it. */
static void park_for_operation(int t)
{
    static struct wm_sem posted;

    if (t == 0) {
        uint64_t by = park_once(1, WF_TS_IO);

        wm_assert(by == BY_WAKER);
        wm_assert((wf_load_rlx(&word) & (WF_TS_POSTED | WF_TS_IO)) == 0);
        wm_data_write(&frame, 0); /* the call returns, its frame is used for something else */
    } else if (t == 1) {
        uint64_t epoch = ticket_of(1);

        if (!wf_ts_wake(&word, epoch)) {
            wm_wait(&posted);
            wm_assert(wm_data_read(&frame) == 1);
            wf_ts_unpost(&word);
            wm_assert(wf_ts_wake(&word, epoch));
        }
        won(BY_WAKER);
    } else {
        enum wf_ts_cancel_result r = wf_ts_cancel(&word);

        wm_assert(r == WF_TS_CANCEL_NOTED || r == WF_TS_CANCEL_POST);
        if (r == WF_TS_CANCEL_POST) {
            wm_data_write(&frame, 1); /* the message stands in the frame of the call */
            wm_post(&posted);
        }
    }
}

static void operation_ended(void)
{
    wm_assert(wakes == 1 && refused == 0);
    wm_assert((word & WF_TS_PARK_BITS & ~WF_TS_POSTED) == 0);
    wm_assert((word & WF_TS_CANCEL) != 0);
}

#define CASE(n, t, s, f, c)                                       \
    {                                                             \
        .name = n, .threads = t, .setup = s, .run = f, .check = c \
    }

static const struct wm_case cases[] = {
    CASE("claim_once", 3, setup, claim_once, claimed_once),
    CASE("claim_of_a_reused_slot", 2, setup, claim_reused, each_life_once),
    CASE("finish_against_join", 2, setup_live, finish_against_join, freed_once),
    CASE("finish_against_drop", 2, setup_live, finish_against_drop, freed_once),
    CASE("finish_join_cancel", 3, setup_live, finish_join_cancel, freed_once),
    CASE("park_against_cancel", 2, setup_live, park_against_cancel, cancel_got_through),
    CASE("park_ends_one_of_three_ways", 4, setup_live, park_three_ways, one_park_ended),
    CASE("ticket_of_an_earlier_park", 3, setup_live, stale_ticket, two_parks_ended),
    CASE("cancel_of_a_firm_park", 3, setup_live, firm_park_against_cancel, one_park_ended),
    CASE("park_for_operation", 3, setup_live, park_for_operation, operation_ended),
};

int main(int argc, char **argv)
{
    return wm_main(argc, argv, cases, LEN(cases));
}
