/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wheel.h - hierarchical timer wheel, a plain data structure (the caller locks)
 *
 * Six levels of 64 slots; a tick is 2^16 ns (65.5 us). A timer stands at the level of the highest
 * 6-bit digit in which its expiry differs from the wheel's time, in the slot of that digit; so
 * every timer of a lower level is due before any of a higher one, and adding and removing are O(1).
 * When the wheel reaches a slot of a higher level its timers move down. Expiries are rounded up to
 * a
 * tick: never early, late by a tick at most. What lies further away than half of the range (26
 * days) is put in at that distance and moves on when it comes up.
 */
#ifndef WF_WHEEL_H
#define WF_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WF_WHEEL_LEVELS 6
#define WF_WHEEL_TICK_SHIFT 16

struct wf_timer {
    struct wf_timer *next;
    struct wf_timer **pprev; /* NULL: not armed */
    int64_t expiry;          /* ns */
    uint16_t slot;           /* level * 64 + slot while armed */
    uint16_t owner;          /* worker whose wheel it stands in */
    uint32_t tag;            /* the user's */
};

struct wf_wheel {
    uint64_t elapsed; /* ticks: everything before has expired */
    uint64_t armed;   /* number of timers */
    uint64_t occupied[WF_WHEEL_LEVELS];
    struct wf_timer *slot[WF_WHEEL_LEVELS * 64];
};

void wf_wheel_init(struct wf_wheel *wheel, int64_t now);

/* wf_wheel_add - arm a timer that is not armed; one in the past is due at the next expire */
void wf_wheel_add(struct wf_wheel *wheel, struct wf_timer *timer, int64_t expiry);

/* wf_wheel_remove - disarm; false when it was not armed */
bool wf_wheel_remove(struct wf_wheel *wheel, struct wf_timer *timer);

/* wf_wheel_next - when to look again, ns; INT64_MAX: no timer. Not later than the first expiry */
int64_t wf_wheel_next(const struct wf_wheel *wheel);

/* wf_wheel_expire - disarm up to max timers that are due at `now` into out; returns how many */
size_t wf_wheel_expire(struct wf_wheel *wheel, int64_t now, struct wf_timer **out, size_t max);

#endif
