/* SPDX-License-Identifier: Apache-2.0 */
/* litmus_model.c - the model checker on programs whose outcomes are known
 *
 * Each litmus case collects its outcomes over all executions; what must be possible in a memory
 * model was seen, what must not was not. The other cases are small protocols, right and wrong.
 */
#include "tests/model/engine.h"

#include <stdlib.h>
#include <string.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static WF_ATOMIC(uint64_t) x, y, z;
static WF_ATOMIC(uint64_t) turn, want[2];
static unsigned r[4];
static unsigned outcomes; /* bit per value of r[0] + 2 r[1] + 4 r[2] + 8 r[3] */
static struct wm_data data;
static struct wm_sem sem;
static struct wm_mutex mutex;
static int inside;

static void reset(void)
{
    wf_store_rlx(&x, 0);
    wf_store_rlx(&y, 0);
    wf_store_rlx(&z, 0);
    wf_store_rlx(&turn, 0);
    wf_store_rlx(&want[0], 0);
    wf_store_rlx(&want[1], 0);
    memset(r, 0, sizeof r);
    inside = 0;
    wm_data_write(&data, 0);
}

static void collect(void)
{
    outcomes |= 1u << (r[0] + 2 * r[1] + 4 * r[2] + 8 * r[3]);
}

/* The outcome must be possible in exactly these models. */
static void only_in(enum wm_model model, unsigned outcome, unsigned models)
{
    bool seen = (outcomes & 1u << outcome) != 0;
    bool expected = (models & WM_IN(model)) != 0;

    outcomes = 0;
    if (seen && !expected)
        wm_fail("outcome %u must not be possible", outcome);
    if (!seen && expected)
        wm_fail("outcome %u must be possible", outcome);
}

/* ---- store buffering: both threads read 0 ---- */

static void sb_relaxed(int t)
{
    wf_store_rlx(t == 0 ? &x : &y, 1);
    r[t] = (unsigned)wf_load_rlx(t == 0 ? &y : &x);
}

static void sb_acqrel(int t)
{
    wf_store_rel(t == 0 ? &x : &y, 1);
    r[t] = (unsigned)wf_load_acq(t == 0 ? &y : &x);
}

static void sb_sc(int t)
{
    wf_store_sc(t == 0 ? &x : &y, 1);
    r[t] = (unsigned)wf_load_sc(t == 0 ? &y : &x);
}

static void sb_exchange(int t)
{
    (void)wf_xchg_acqrel(t == 0 ? &x : &y, 1);
    r[t] = (unsigned)wf_load_acq(t == 0 ? &y : &x);
}

static void sb_after_weak(enum wm_model m)
{
    only_in(m, 0, WM_IN_ALL & ~WM_IN(WM_SC));
}

static void sb_after_strong(enum wm_model m)
{
    only_in(m, 0, 0);
}

static void sb_after_exchange(enum wm_model m)
{
    only_in(m, 0, WM_IN(WM_RA));
}

/* ---- message passing: the flag is seen, the message is not (r0 = 1, r1 = 0) ---- */

static void mp_relaxed(int t)
{
    if (t == 0) {
        wf_store_rlx(&x, 1);
        wf_store_rlx(&y, 1);
    } else {
        r[0] = (unsigned)wf_load_rlx(&y);
        r[1] = (unsigned)wf_load_rlx(&x);
    }
}

static void mp_release_only(int t)
{
    if (t == 0) {
        wf_store_rlx(&x, 1);
        wf_store_rel(&y, 1);
    } else {
        r[0] = (unsigned)wf_load_rlx(&y);
        r[1] = (unsigned)wf_load_rlx(&x);
    }
}

static void mp_acqrel(int t)
{
    if (t == 0) {
        wf_store_rlx(&x, 1);
        wf_store_rel(&y, 1);
    } else {
        r[0] = (unsigned)wf_load_acq(&y);
        r[1] = (unsigned)wf_load_rlx(&x);
    }
}

static void mp_after_relaxed(enum wm_model m)
{
    only_in(m, 1, WM_IN(WM_PSO) | WM_IN(WM_RA));
}

static void mp_after_release_only(enum wm_model m)
{
    only_in(m, 1, WM_IN(WM_RA));
}

static void mp_after_acqrel(enum wm_model m)
{
    only_in(m, 1, 0);
}

/* ---- a release sequence: a relaxed increment between release and acquire keeps the edge ---- */

static void release_sequence(int t)
{
    if (t == 0) {
        wf_store_rlx(&x, 1);
        wf_store_rel(&y, 1);
    } else if (t == 1) {
        (void)wf_add_rlx(&y, 1);
    } else {
        r[0] = wf_load_acq(&y) == 2;
        r[1] = (unsigned)wf_load_rlx(&x);
        r[2] = r[0] != 0 && wf_load_rlx(&y) == 1; /* coherence: never back */
    }
}

static void release_sequence_after(enum wm_model m)
{
    bool back = (outcomes & 0xf0) != 0;

    /* y == 2 may also be the increment before the store was seen: then it is not a sequence, but
     * x is already known to be written only when the store came first. */
    only_in(m, 1, 0);
    if (back)
        wm_fail("a word went back to an older value");
}

static void increment_first(int t)
{
    if (t == 1) {
        while (wf_load_rlx(&y) == 0)
            wf_spin_hint();
        (void)wf_add_rlx(&y, 1);
        return;
    }
    release_sequence(t);
}

/* ---- independent reads of independent writes: the readers disagree on the order ---- */

static void iriw_acq(int t)
{
    if (t < 2) {
        wf_store_rel(t == 0 ? &x : &y, 1);
    } else {
        r[2 * (t - 2)] = (unsigned)wf_load_acq(t == 2 ? &x : &y);
        r[2 * (t - 2) + 1] = (unsigned)wf_load_acq(t == 2 ? &y : &x);
    }
}

static void iriw_sc(int t)
{
    if (t < 2) {
        wf_store_sc(t == 0 ? &x : &y, 1);
    } else {
        r[2 * (t - 2)] = (unsigned)wf_load_sc(t == 2 ? &x : &y);
        r[2 * (t - 2) + 1] = (unsigned)wf_load_sc(t == 2 ? &y : &x);
    }
}

static void iriw_after_acq(enum wm_model m)
{
    only_in(m, 5, WM_IN(WM_RA));
}

static void iriw_after_sc(enum wm_model m)
{
    only_in(m, 5, 0);
}

/* ---- load buffering: needs a load of a later store, which no model here has ---- */

static void lb(int t)
{
    r[t] = (unsigned)wf_load_rlx(t == 0 ? &x : &y);
    wf_store_rlx(t == 0 ? &y : &x, 1);
}

static void lb_after(enum wm_model m)
{
    only_in(m, 3, 0);
}

/* ---- write to read causality ---- */

static void wrc(int t)
{
    if (t == 0) {
        wf_store_rlx(&x, 1);
    } else if (t == 1) {
        r[0] = (unsigned)wf_load_acq(&x);
        wf_store_rel(&y, r[0]);
    } else {
        r[1] = (unsigned)wf_load_acq(&y);
        r[2] = (unsigned)wf_load_rlx(&x);
    }
}

static void wrc_after(enum wm_model m)
{
    only_in(m, 3, 0); /* T1 had seen x, and T2 synchronised with T1 */
}

/* ---- mutual exclusion ---- */

static void critical_section(void)
{
    wm_data_write(&data, wm_data_read(&data) + 1);
}

static void peterson_sc(int t)
{
    wf_store_sc(&want[t], 1);
    wf_store_sc(&turn, (uint64_t)!t);
    while (wf_load_sc(&want[!t]) != 0 && wf_load_sc(&turn) == (uint64_t)!t)
        wf_spin_hint();
    critical_section();
    wf_store_sc(&want[t], 0);
}

static void peterson_weak(int t)
{
    wf_store_rel(&want[t], 1);
    wf_store_rel(&turn, (uint64_t)!t);
    while (wf_load_acq(&want[!t]) != 0 && wf_load_acq(&turn) == (uint64_t)!t)
        wf_spin_hint();
    critical_section();
    wf_store_rel(&want[t], 0);
}

static void spin_lock(int t)
{
    (void)t;
    while (wf_xchg_acq(&x, 1) != 0)
        wf_spin_hint();
    critical_section();
    wf_store_rel(&x, 0);
}

static void spin_lock_relaxed_release(int t)
{
    (void)t;
    while (wf_xchg_acq(&x, 1) != 0)
        wf_spin_hint();
    critical_section();
    wf_store_rlx(&x, 0);
}

static void spin_lock_relaxed_acquire(int t)
{
    (void)t;
    while (wf_xchg_rlx(&x, 1) != 0)
        wf_spin_hint();
    critical_section();
    wf_store_rel(&x, 0);
}

static void spin_lock_load_store(int t)
{
    (void)t;
    while (wf_load_acq(&x) != 0)
        wf_spin_hint();
    wf_store_sc(&x, 1);
    critical_section();
    wf_store_rel(&x, 0);
}

static void engine_mutex(int t)
{
    (void)t;
    wm_lock(&mutex);
    critical_section();
    wm_unlock(&mutex);
}

static void all_were_inside(void)
{
    wm_assert(wm_data_read(&data) == 2);
}

/* ---- sleep and wake ---- */

static void wake_with_recheck(int t)
{
    if (t == 0) {
        wf_store_sc(&x, 1); /* I sleep */
        if (wf_load_sc(&y) == 0)
            wm_wait(&sem);
    } else {
        wf_store_sc(&y, 1); /* work */
        if (wf_xchg_sc(&x, 0) == 1)
            wm_post(&sem);
    }
}

static void wake_without_recheck(int t)
{
    if (t == 0) {
        if (wf_load_sc(&y) == 0) {
            wf_store_sc(&x, 1);
            wm_wait(&sem);
        }
    } else {
        wf_store_sc(&y, 1);
        if (wf_xchg_sc(&x, 0) == 1)
            wm_post(&sem);
    }
}

static void wake_with_weak_recheck(int t)
{
    if (t == 0) {
        wf_store_rel(&x, 1);
        if (wf_load_acq(&y) == 0)
            wm_wait(&sem);
    } else {
        wf_store_sc(&y, 1);
        if (wf_load_sc(&x) == 1)
            wm_post(&sem);
    }
}

/* ---- a stack of nodes that are pushed by two threads and taken all at once ---- */

struct node {
    WF_ATOMIC(struct node *) next;
    struct wm_data payload;
};

static struct node nodes[2];
static WF_ATOMIC(struct node *) top;

static void stack_setup(void)
{
    reset();
    wf_store_rlx(&top, NULL);
}

static void stack_run(int t)
{
    unsigned taken = 0;

    if (t < 2) {
        struct node *old = wf_load_rlx(&top);

        wm_data_write(&nodes[t].payload, 7);
        do
            wf_store_rlx(&nodes[t].next, old);
        while (!wf_cas_rel(&top, &old, &nodes[t]));
        return;
    }
    while (taken < 2) {
        struct node *n = wf_xchg_acq(&top, NULL);

        if (n == NULL)
            wf_spin_hint();
        for (; n != NULL; n = wf_load_rlx(&n->next), taken++)
            wm_assert(wm_data_read(&n->payload) == 7);
    }
}

static void needs_three_preemptions(int t)
{
    if (t == 0) {
        for (uint64_t i = 1; i <= 3; i++)
            wf_store_sc(&x, i);
    } else {
        uint64_t seen = 0;

        for (uint64_t i = 1; i <= 2; i++)
            seen += wf_load_sc(&x) == i;
        wm_assert(seen != 2);
    }
}

#define LITMUS(n, t, f, a)                                                               \
    {                                                                                    \
        .name = n, .threads = t, .setup = reset, .run = f, .check = collect, .after = a, \
        .delays = 4                                                                      \
    }
#define PROTOCOL(n, f, bad)                                                          \
    {                                                                                \
        .name = n, .threads = 2, .setup = reset, .run = f, .check = all_were_inside, \
        .must_fail = bad                                                             \
    }
#define WAKE(n, f, bad)                                                     \
    {                                                                       \
        .name = n, .threads = 2, .setup = reset, .run = f, .must_fail = bad \
    }

static const struct wm_case cases[] = {
    LITMUS("store_buffering_relaxed", 2, sb_relaxed, sb_after_weak),
    LITMUS("store_buffering_acqrel", 2, sb_acqrel, sb_after_weak),
    LITMUS("store_buffering_sc", 2, sb_sc, sb_after_strong),
    LITMUS("store_buffering_exchange", 2, sb_exchange, sb_after_exchange),
    LITMUS("message_passing_relaxed", 2, mp_relaxed, mp_after_relaxed),
    LITMUS("message_passing_release_only", 2, mp_release_only, mp_after_release_only),
    LITMUS("message_passing_acqrel", 2, mp_acqrel, mp_after_acqrel),
    LITMUS("release_sequence", 3, increment_first, release_sequence_after),
    LITMUS("independent_reads_acqrel", 4, iriw_acq, iriw_after_acq),
    LITMUS("independent_reads_sc", 4, iriw_sc, iriw_after_sc),
    LITMUS("load_buffering", 2, lb, lb_after),
    LITMUS("write_to_read_causality", 3, wrc, wrc_after),
    PROTOCOL("peterson_sc", peterson_sc, 0),
    PROTOCOL("peterson_weak_must_fail", peterson_weak, WM_IN_ALL & ~WM_IN(WM_SC)),
    PROTOCOL("spin_lock", spin_lock, 0),
    PROTOCOL("spin_lock_relaxed_release_must_fail", spin_lock_relaxed_release, WM_IN_ALL),
    PROTOCOL("spin_lock_relaxed_acquire_must_fail", spin_lock_relaxed_acquire, WM_IN_ALL),
    PROTOCOL("spin_lock_load_store_must_fail", spin_lock_load_store, WM_IN_ALL),
    PROTOCOL("engine_mutex", engine_mutex, 0),
    WAKE("wake_with_recheck", wake_with_recheck, 0),
    WAKE("wake_without_recheck_must_fail", wake_without_recheck, WM_IN_ALL),
    WAKE("wake_with_weak_recheck_must_fail", wake_with_weak_recheck, WM_IN_ALL & ~WM_IN(WM_SC)),
    WAKE("needs_three_preemptions_must_fail", needs_three_preemptions, WM_IN_ALL),
    {.name = "two_preemptions_are_not_enough",
     .threads = 2,
     .setup = reset,
     .run = needs_three_preemptions,
     .preemptions = {2, 2, 2, 2}},
    {.name = "stack_of_two_pushers", .threads = 3, .setup = stack_setup, .run = stack_run},
};

int main(int argc, char **argv)
{
    return wm_main(argc, argv, cases, LEN(cases));
}
