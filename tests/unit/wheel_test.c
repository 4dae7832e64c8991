/* SPDX-License-Identifier: Apache-2.0 */
/* wheel_test.c - the timer wheel: never early, late by a tick at most, removal, far timers */
#include "runtime/time/wheel.h"

#include <stdlib.h>

#include "runtime/base/rng.h"
#include "tests/support/test.h"

#define TICK (INT64_C(1) << WF_WHEEL_TICK_SHIFT)
#define DAY  (INT64_C(86400) * 1000000000)

static struct wf_wheel wheel;

/* Expires what is due at `now` and checks that it was; returns how many. */
static size_t expire_at(int64_t now)
{
    struct wf_timer *out[16];
    size_t n, total = 0;
    while ((n = wf_wheel_expire(&wheel, now, out, 16)) > 0) {
        for (size_t i = 0; i < n; i++) {
            if (out[i]->expiry > now)
                ck_abort_msg("a timer fired %lld ns early", (long long)(out[i]->expiry - now));
            if (out[i]->pprev != NULL)
                ck_abort_msg("a timer that fired is still armed");
        }
        total += n;
    }
    return total;
}

TEST(an_empty_wheel_has_nothing_to_do)
{
    struct wf_timer timer = {.pprev = NULL};
    wf_wheel_init(&wheel, 12345);
    ck_assert_int_eq(wf_wheel_next(&wheel), INT64_MAX);
    ck_assert_uint_eq(expire_at(INT64_MAX / 2), 0);
    ck_assert(!wf_wheel_remove(&wheel, &timer));
}

TEST(a_timer_fires_within_a_tick_of_its_time)
{
    static const int64_t span[] = {0,
                                   1,
                                   TICK - 1,
                                   TICK,
                                   TICK + 1,
                                   63 * TICK,
                                   64 * TICK,
                                   65 * TICK,
                                   4095 * TICK,
                                   4096 * TICK,
                                   4097 * TICK,
                                   1000000000,
                                   3600 * INT64_C(1000000000),
                                   DAY,
                                   20 * DAY};
    static const int64_t start[] = {1, TICK, 63 * TICK + 5, 4095 * TICK, 64 * 64 * 64 * TICK - 1};
    for (size_t s = 0; s < sizeof(start) / sizeof(*start); s++) {
        for (size_t i = 0; i < sizeof(span) / sizeof(*span); i++) {
            struct wf_timer timer = {.pprev = NULL};
            int64_t due = start[s] + span[i], now = start[s];
            wf_wheel_init(&wheel, start[s]);
            wf_wheel_add(&wheel, &timer, due);
            ck_assert_uint_eq(wheel.armed, 1);
            unsigned steps = 0;
            while (expire_at(now) == 0) {
                int64_t next = wf_wheel_next(&wheel);
                ck_assert_int_gt(next, now); /* or the owner would not sleep */
                ck_assert_int_lt(next, due + TICK);
                ck_assert_uint_lt(++steps, 20);
                now = next;
            }
            ck_assert_int_ge(now, due);
            ck_assert_int_lt(now, due + TICK);
            ck_assert_uint_eq(wheel.armed, 0);
            ck_assert_int_eq(wf_wheel_next(&wheel), INT64_MAX);
        }
    }
}

TEST(a_timer_beyond_the_range_moves_on_until_it_is_due)
{
    struct wf_timer timer = {.pprev = NULL};
    int64_t due = 200 * DAY, now = 5;
    wf_wheel_init(&wheel, now);
    wf_wheel_add(&wheel, &timer, due);
    for (unsigned steps = 0; expire_at(now) == 0; steps++) {
        ck_assert_uint_lt(steps, 100);
        now = wf_wheel_next(&wheel);
    }
    ck_assert_int_ge(now, due);
    ck_assert_int_lt(now, due + TICK);
    wf_wheel_add(&wheel, &timer, INT64_MAX - 1); /* for ever, for all that matters */
    ck_assert_uint_eq(expire_at(now + 100 * DAY), 0);
    ck_assert(wf_wheel_remove(&wheel, &timer));
}

TEST(a_timer_in_the_past_is_due_at_once)
{
    struct wf_timer timer = {.pprev = NULL};
    wf_wheel_init(&wheel, 1000 * TICK);
    wf_wheel_add(&wheel, &timer, 3);
    ck_assert_int_le(wf_wheel_next(&wheel), 1000 * TICK);
    ck_assert_uint_eq(expire_at(1000 * TICK), 1);
}

TEST(a_removed_timer_does_not_fire)
{
    struct wf_timer timer[3] = {{.pprev = NULL}, {.pprev = NULL}, {.pprev = NULL}};
    wf_wheel_init(&wheel, 0);
    for (int i = 0; i < 3; i++)
        wf_wheel_add(&wheel, &timer[i], 10 * TICK); /* the same slot */
    ck_assert(wf_wheel_remove(&wheel, &timer[1]));
    ck_assert(!wf_wheel_remove(&wheel, &timer[1]));
    ck_assert_uint_eq(expire_at(11 * TICK), 2);
    wf_wheel_add(&wheel, &timer[1], 12 * TICK);
    ck_assert_uint_eq(expire_at(12 * TICK), 1);
}

TEST(a_small_batch_leaves_the_rest_for_the_next_call)
{
    struct wf_timer timer[10], *out[3];
    wf_wheel_init(&wheel, 0);
    for (int i = 0; i < 10; i++)
        wf_wheel_add(&wheel, &timer[i], i % 2 ? TICK : 5 * TICK);
    size_t total = 0, n;
    while ((n = wf_wheel_expire(&wheel, 6 * TICK, out, 3)) > 0)
        total += n;
    ck_assert_uint_eq(total, 10);
    ck_assert_uint_eq(wheel.armed, 0);
}

static int64_t random_span(struct wf_rng *rng)
{
    return (int64_t)(wf_rng_next(rng) >> (24 + wf_rng_below(rng, 40))) % (30 * DAY);
}

/* Against a plain array: what should have fired has, nothing else, and next() is never too late. */
TEST(random_timers_behave_as_a_list_would)
{
    enum { TIMERS = 300 };
    static struct wf_timer timer[TIMERS];
    struct wf_rng rng;
    int64_t now = 777;
    wf_rng_seed(&rng, wf_test_seed());
    wf_wheel_init(&wheel, now);
    for (int i = 0; i < TIMERS; i++)
        timer[i].pprev = NULL;
    for (uint64_t step = 0; step < wf_test_scale(100000); step++) {
        struct wf_timer *t = &timer[wf_rng_below(&rng, TIMERS)];
        if (t->pprev == NULL)
            wf_wheel_add(&wheel, t, now + random_span(&rng));
        else if (wf_rng_one_in(&rng, 3))
            (void)wf_wheel_remove(&wheel, t);
        if (!wf_rng_one_in(&rng, 8))
            continue;
        int64_t next = wf_wheel_next(&wheel), first = INT64_MAX;
        for (int i = 0; i < TIMERS; i++)
            if (timer[i].pprev != NULL && timer[i].expiry < first)
                first = timer[i].expiry;
        if (first != INT64_MAX && next >= first + TICK && next > now)
            ck_abort_msg("next is %lld ns too late", (long long)(next - first));
        now += random_span(&rng) / 16;
        (void)expire_at(now);
        for (int i = 0; i < TIMERS; i++)
            if (timer[i].pprev != NULL && timer[i].expiry <= now - TICK)
                ck_abort_msg("a timer is overdue by %lld ns", (long long)(now - timer[i].expiry));
    }
}

/* More are due than one call takes, in a slot of a higher level that also has later ones. */
TEST(timers_left_over_by_a_full_batch_are_not_overtaken)
{
    enum { TIMERS = 40 };
    struct wf_timer timer[TIMERS], *out[4];
    wf_wheel_init(&wheel, 0);
    for (int i = 0; i < TIMERS; i++)
        wf_wheel_add(&wheel, &timer[i], (64 + i) * TICK);
    size_t total = 0, n;
    while ((n = wf_wheel_expire(&wheel, (64 + TIMERS / 2 - 1) * TICK, out, 4)) > 0)
        total += n;
    ck_assert_uint_eq(total, TIMERS / 2);
    ck_assert_uint_eq(expire_at((64 + TIMERS) * TICK), TIMERS / 2);
    ck_assert_uint_eq(wheel.armed, 0);
}
