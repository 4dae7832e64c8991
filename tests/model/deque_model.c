/* SPDX-License-Identifier: Apache-2.0 */
/* deque_model.c - runtime/sched/deque: every entry is taken once, in order, with its payload
 *
 * Each entry stands for a payload that the owner wrote before it pushed; whoever takes the entry
 * reads the payload, so a missing order shows as a data race.
 */
#include "runtime/sched/deque.h"

#include <string.h>

#include "tests/model/engine.h"

#define LEN(a)  (sizeof(a) / sizeof((a)[0]))
#define ENTRIES 12

static struct wf_deque deque;
static struct wm_data payload[ENTRIES];
static unsigned pushed[ENTRIES], taken[ENTRIES];
static uint64_t next_entry;
static uint64_t last_taken[WM_THREADS + 1];

static void push(void)
{
    uint64_t e = next_entry++;

    wm_data_write(&payload[e], 100 + e);
    pushed[e] = wf_deque_push(&deque, e);
}

static void took(uint64_t e)
{
    uint64_t *last = &last_taken[wm_self() + 1];

    wm_assert(e > 0 && e < ENTRIES);
    wm_assert(pushed[e] != 0 || e == next_entry - 1);
    wm_assert(++taken[e] == 1);
    wm_assert(wm_data_read(&payload[e]) == 100 + e);
    wm_assert(e > *last);
    *last = e;
}

static void take(void)
{
    uint64_t e = wf_deque_take(&deque);

    if (e != 0)
        took(e);
}

static void steal(unsigned max)
{
    uint64_t out[WF_DEQUE_CAP];
    unsigned n = wf_deque_steal(&deque, out, max);

    wm_assert(n <= max);
    wm_assert(n <= (WF_DEQUE_CAP + 1) / 2);
    for (unsigned i = 0; i < n; i++)
        took(out[i]);
}

static void shed(void)
{
    uint64_t out[WF_DEQUE_CAP / 2];
    unsigned n = wf_deque_shed(&deque, out);

    wm_assert(n == 0 || n == WF_DEQUE_CAP / 2);
    for (unsigned i = 0; i < n; i++)
        took(out[i]);
}

static void setup(void)
{
    memset(pushed, 0, sizeof pushed);
    memset(taken, 0, sizeof taken);
    memset(last_taken, 0, sizeof last_taken);
    next_entry = 1;
    memset(&deque, 0, sizeof deque);
    wf_deque_init(&deque, true);
}

static void setup_full(void)
{
    setup();
    while (pushed[next_entry - 1] || next_entry == 1)
        push();
    wm_assert(next_entry == WF_DEQUE_CAP + 2);
}

static void setup_two(void)
{
    setup();
    push();
    push();
}

static void every_entry_once(void)
{
    uint64_t e;

    while ((e = wf_deque_take(&deque)) != 0)
        took(e);
    for (unsigned i = 1; i < ENTRIES; i++)
        wm_assert(taken[i] == pushed[i]);
}

static void owner_against_thief(int t)
{
    if (t == 0) {
        push();
        push();
        take();
        push();
        take();
    } else {
        steal(2);
        steal(1);
    }
}

static void owner_against_two_thieves(int t)
{
    if (t == 0) {
        push();
        take();
        push();
    } else {
        steal(2);
    }
}

/* Slots are used again while a thief may still be copying them. */
static void reuse(int t)
{
    if (t == 0) {
        take();
        push();
        take();
        push();
    } else {
        steal(2);
    }
}

static void shed_against_thief(int t)
{
    if (t == 0) {
        shed();
        push();
        push();
    } else {
        steal(1);
        steal(2);
    }
}

static void thieves_only(int t)
{
    (void)t;
    steal(1);
    steal(2);
}

static void long_run(int t)
{
    if (t == 0) {
        push();
        push();
        take();
        push();
        push();
        take();
        push();
    } else {
        steal(2);
        steal(WF_DEQUE_CAP / 2);
    }
}

static const struct wm_case cases[] = {
    {.name = "owner_against_thief",
     .threads = 2,
     .setup = setup,
     .run = owner_against_thief,
     .check = every_entry_once,
     .preemptions = {5, 5, 5, 5},
     .delays = 3},
    {.name = "owner_against_two_thieves",
     .threads = 3,
     .setup = setup_two,
     .run = owner_against_two_thieves,
     .check = every_entry_once},
    {.name = "slots_are_used_again",
     .threads = 2,
     .setup = setup_full,
     .run = reuse,
     .check = every_entry_once,
     .preemptions = {5, 5, 5, 5},
     .delays = 3},
    {.name = "shed_against_thief",
     .threads = 2,
     .setup = setup_full,
     .run = shed_against_thief,
     .check = every_entry_once},
    {.name = "two_thieves_share",
     .threads = 2,
     .setup = setup_full,
     .run = thieves_only,
     .check = every_entry_once,
     .preemptions = {6, 6, 6, 6},
     .delays = 4},
    {.name = "long_run", .threads = 3, .setup = setup, .run = long_run, .check = every_entry_once},
};

int main(int argc, char **argv)
{
    return wm_main(argc, argv, cases, LEN(cases));
}
