/* SPDX-License-Identifier: Apache-2.0 */
/* wheel.c - hierarchical timer wheel */
#include "runtime/time/wheel.h"

#include <string.h>

#define TICK_NS (INT64_C(1) << WF_WHEEL_TICK_SHIFT)
#define DIGIT_BITS 6
#define DIGIT_MASK UINT64_C(63)
#define FAR_TICKS (UINT64_C(1) << (WF_WHEEL_LEVELS * DIGIT_BITS - 1))

static uint64_t tick_up(int64_t ns)
{
    if (ns <= 0)
        return 0;
    return ((uint64_t)ns + (uint64_t)TICK_NS - 1) >> WF_WHEEL_TICK_SHIFT;
}

void wf_wheel_init(struct wf_wheel *wheel, int64_t now)
{
    memset(wheel, 0, sizeof *wheel);
    wheel->elapsed = (uint64_t)now >> WF_WHEEL_TICK_SHIFT;
}

static void insert(struct wf_wheel *wheel, struct wf_timer *timer)
{
    uint64_t due = tick_up(timer->expiry);
    if (due < wheel->elapsed)
        due = wheel->elapsed;
    if (due - wheel->elapsed > FAR_TICKS)
        due = wheel->elapsed + FAR_TICKS;
    unsigned bit = 63u - (unsigned)__builtin_clzll((due ^ wheel->elapsed) | DIGIT_MASK);
    unsigned level = bit / DIGIT_BITS;
    if (level >= WF_WHEEL_LEVELS)
        level = WF_WHEEL_LEVELS - 1;
    unsigned slot = (unsigned)(due >> (level * DIGIT_BITS) & DIGIT_MASK);
    struct wf_timer **head = &wheel->slot[level * 64 + slot];
    timer->slot = (uint16_t)(level * 64 + slot);
    timer->next = *head;
    timer->pprev = head;
    if (*head != NULL)
        (*head)->pprev = &timer->next;
    *head = timer;
    wheel->occupied[level] |= UINT64_C(1) << slot;
}

void wf_wheel_add(struct wf_wheel *wheel, struct wf_timer *timer, int64_t expiry)
{
    timer->expiry = expiry;
    wheel->armed++;
    insert(wheel, timer);
}

static void unlink_timer(struct wf_wheel *wheel, struct wf_timer *timer)
{
    *timer->pprev = timer->next;
    if (timer->next != NULL)
        timer->next->pprev = timer->pprev;
    timer->pprev = NULL;
    if (wheel->slot[timer->slot] == NULL)
        wheel->occupied[timer->slot / 64] &= ~(UINT64_C(1) << timer->slot % 64);
}

bool wf_wheel_remove(struct wf_wheel *wheel, struct wf_timer *timer)
{
    if (timer->pprev == NULL)
        return false;
    unlink_timer(wheel, timer);
    wheel->armed--;
    return true;
}

/* The first occupied slot in time and the tick at which it begins; false: the wheel is empty. */
static bool first_slot(const struct wf_wheel *wheel, unsigned *index, uint64_t *begin)
{
    for (unsigned level = 0; level < WF_WHEEL_LEVELS; level++) {
        uint64_t occupied = wheel->occupied[level];
        if (occupied == 0)
            continue;
        unsigned shift = level * DIGIT_BITS;
        unsigned now = (unsigned)(wheel->elapsed >> shift & DIGIT_MASK);
        uint64_t turned = now == 0 ? occupied : occupied >> now | occupied << (64 - now);
        unsigned slot = (now + (unsigned)__builtin_ctzll(turned)) & DIGIT_MASK;
        uint64_t range = UINT64_C(64) << shift;
        uint64_t start = (wheel->elapsed & ~(range - 1)) + ((uint64_t)slot << shift);
        if (slot < now)
            start += range;
        *index = level * 64 + slot;
        *begin = start;
        return true;
    }
    return false;
}

int64_t wf_wheel_next(const struct wf_wheel *wheel)
{
    unsigned index;
    uint64_t begin;
    if (!first_slot(wheel, &index, &begin))
        return INT64_MAX;
    return (int64_t)(begin << WF_WHEEL_TICK_SHIFT);
}

size_t wf_wheel_expire(struct wf_wheel *wheel, int64_t now, struct wf_timer **out, size_t max)
{
    uint64_t now_tick = (uint64_t)now >> WF_WHEEL_TICK_SHIFT;
    size_t n = 0;
    unsigned index;
    uint64_t begin;
    while (first_slot(wheel, &index, &begin) && begin <= now_tick) {
        if (begin > wheel->elapsed)
            wheel->elapsed = begin;
        struct wf_timer *timer;
        while ((timer = wheel->slot[index]) != NULL) {
            bool due = tick_up(timer->expiry) <= now_tick;
            if (n == max && index < 64)
                return n; /* all in this slot are due, and stand first the next time too */
            unlink_timer(wheel, timer);
            if (due && n < max) {
                wheel->armed--;
                out[n++] = timer;
            } else {
                insert(wheel, timer); /* moves down: a slot that was begun is always emptied */
            }
        }
    }
    if (now_tick > wheel->elapsed)
        wheel->elapsed = now_tick;
    return n;
}
