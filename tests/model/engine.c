/* SPDX-License-Identifier: Apache-2.0 */
/* engine.c - one execution of a case: who runs next, what is chosen, how it ends
 *
 * An execution is a function of its choices. wm_choose() repeats the first `prefix` of them and
 * takes 0 for the others; the search (model_main.c) then increments the last one that can be.
 * A choice with a single possibility is not recorded, so exhausted bounds cost nothing.
 *
 * Equal executions are left out: a thread that was preempted before an access, and that runs again
 * without anybody having made an access that conflicts with it, could as well have made the access
 * first and been preempted at the next point. That execution needs no more preemptions and is found
 * on its own. Each such step makes an earlier block of the schedule longer, so the chain ends.
 *
 * A thread runs on until it reaches a scheduling point and the choice there is another thread. A
 * thread that spins can only go on after a write by another thread. When nothing can run, all
 * stores that are still on their way arrive and the spinning threads look once more; when that
 * changes nothing, the execution is a deadlock: usually a lost wake-up.
 */
#include "tests/model/engine_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct wm_state wm;

static _Noreturn void leave(enum wm_outcome outcome);

static jmp_buf alone_env; /* where wm_fail goes from setup and check */

int wm_self(void)
{
    return wm.current;
}

struct wm_event *wm_event(const char *what, WF_MODEL_SITE)
{
    struct wm_event *e = &wm.events[wm.event_count++ % WM_EVENTS];

    e->what = what;
    e->file = file;
    e->line = line;
    e->text = text;
    e->note = NULL;
    e->value = 0;
    e->value2 = 0;
    e->thread = wm.current;
    return e;
}

/* ---- choices ---- */

static uint64_t random_next(void)
{
    wm.rng ^= wm.rng << 13;
    wm.rng ^= wm.rng >> 7;
    wm.rng ^= wm.rng << 17;
    return wm.rng * 0x2545f4914f6cdd1dull;
}

unsigned wm_choose(unsigned count, enum wm_choice_kind kind)
{
    struct wm_choice *c;

    if (count <= 1)
        return 0;
    if (wm.depth == WM_CHOICES)
        wm_fail("more than %d choices in one execution", WM_CHOICES);
    c = &wm.choices[wm.depth];
    if (wm.depth < wm.prefix) {
        if (c->count == 0)
            c->count = (uint16_t)count; /* given by --replay */
        if (c->count != count || c->taken >= count) {
            wm.depth++;
            wm_fail("choice %d had %u possibilities and has %u now: the case is not deterministic",
                    wm.depth - 1, c->count, count);
        }
    } else {
        c->count = (uint16_t)count;
        c->taken = 0;
        if (wm.random) {
            unsigned r = (unsigned)(random_next() >> 33);

            if (kind != WM_CHOOSE_VALUE || r % 3 == 0)
                c->taken = (uint16_t)((r >> 4) % count);
        }
    }
    wm.depth++;
    return c->taken;
}

unsigned wm_choice(unsigned count, const char *what)
{
    unsigned taken = wm_choose(count, WM_CHOOSE_INPUT);
    struct wm_event *e = wm_event("choice", "", 0, what);

    e->value = taken;
    return taken;
}

/* ---- scheduling ---- */

static bool can_run(const struct wm_thread *t)
{
    switch (t->state) {
    case WM_RUNNABLE:
        return true;
    case WM_SPINNING:
        return wm.writes - t->writes != t->noticed;
    case WM_WAITING:
        return t->ready(t->ready_arg);
    default:
        return false;
    }
}

static unsigned collect_runnable(int except, int *out)
{
    unsigned n = 0;

    for (int i = 0; i < wm.test->threads; i++) {
        if (i != except && can_run(&wm.threads[i]))
            out[n++] = i;
    }
    return n;
}

static void run_thread(int next)
{
    struct wm_thread *from = &wm.threads[wm.current];

    wm.threads[next].state = WM_RUNNABLE;
    if (next == wm.current)
        return;
    wm.current = next;
    wm_coro_switch(&from->coro, &wm.threads[next].coro);
}

/* Random mode: probabilistic concurrency testing. The thread of the highest priority runs; at a few
 * random steps the running thread gets the lowest. */
static unsigned pick_by_priority(const int *runnable, unsigned n)
{
    unsigned best = 0;

    for (unsigned i = 1; i < n; i++) {
        if (wm.threads[runnable[i]].priority > wm.threads[runnable[best]].priority)
            best = i;
    }
    return best;
}

static void point_random(struct wm_thread *self, int *runnable, unsigned n)
{
    unsigned best;

    for (int i = 0; i < wm.preemptions_max; i++) {
        if (wm.changes[i] == (int)wm.steps)
            self->priority = -i - 1;
    }
    best = pick_by_priority(runnable, n);
    if (wm.threads[runnable[best]].priority > self->priority)
        run_thread(runnable[best]);
}

void wm_touch(int thread, const void *object, bool write)
{
    for (int i = 0; i < wm.test->threads; i++) {
        struct wm_thread *t = &wm.threads[i];

        if (i != thread && t->pending == object && (write || t->pending_write))
            t->disturbed = true;
    }
}

void wm_point(const void *object, bool write, bool pinned)
{
    struct wm_thread *self = &wm.threads[wm.current];
    int runnable[WM_THREADS];
    unsigned n, taken;

    if (++wm.steps > WM_STEPS)
        wm_fail("no end after %d steps: livelock, or a loop without wf_spin_hint()", WM_STEPS);
    if (!wm.random && wm.preempted >= wm.preemptions_max)
        return;
    n = collect_runnable(wm.current, runnable);
    if (n == 0)
        return;
    if (wm.random) {
        point_random(self, runnable, n);
        return;
    }
    taken = wm_choose(n + 1, WM_CHOOSE_SWITCH);
    if (taken > 0) {
        wm.preempted++;
        wm_event("preempted", "", 0, "");
        self->pending = object;
        self->pending_write = write;
        self->disturbed = pinned || !wm.prune;
        run_thread(runnable[taken - 1]);
        self->pending = NULL;
        if (!self->disturbed)
            leave(WM_PRUNED);
    }
}

static void finish_execution(enum wm_outcome outcome)
{
    struct wm_thread *self = &wm.threads[wm.current];

    if (outcome != WM_PASSED)
        self->state = WM_RUNNABLE; /* it leaves in the middle, even if its body has returned */
    wm.outcome = outcome;
    wm.current = -1;
    wm_coro_switch(&self->coro, &wm.main);
}

/* Spinning threads look once more although nobody wrote: once per number of writes. */
static bool wake_spinning(void)
{
    bool woken = false;

    for (int i = 0; i < wm.test->threads; i++) {
        struct wm_thread *t = &wm.threads[i];

        if (t->state == WM_SPINNING && t->settled != wm.writes + 1) {
            t->settled = wm.writes + 1;
            t->state = WM_RUNNABLE;
            woken = true;
        }
    }
    return woken;
}

static void fail_deadlock(void)
{
    char text[256];
    size_t used = 0;

    for (int i = 0; i < wm.test->threads; i++) {
        static const char *const names[] = {"runnable", "spins", "sleeps", "finished"};

        used += (size_t)snprintf(text + used, sizeof text - used, " T%d %s", i,
                                 names[wm.threads[i].state]);
    }
    wm_fail("deadlock (lost wake-up?):%s", text);
}

static void run_next(void)
{
    int runnable[WM_THREADS];
    unsigned n, finished = 0;

    for (int i = 0; i < wm.test->threads; i++)
        finished += wm.threads[i].state == WM_FINISHED;
    if ((int)finished == wm.test->threads) {
        finish_execution(WM_PASSED);
        return;
    }
    n = collect_runnable(-1, runnable);
    if (n == 0) {
        bool moved = wm_memory_settle();

        if (wake_spinning() || moved)
            n = collect_runnable(-1, runnable);
        if (n == 0)
            fail_deadlock();
    }
    if (wm.random)
        run_thread(runnable[pick_by_priority(runnable, n)]);
    else
        run_thread(runnable[wm_choose(n, WM_CHOOSE_NEXT)]);
}

void wm_block(enum wm_thread_state state, bool (*ready)(const void *), const void *arg)
{
    struct wm_thread *self = &wm.threads[wm.current];

    if (++wm.steps > WM_STEPS)
        wm_fail("no end after %d steps: livelock", WM_STEPS);
    self->state = state;
    self->ready = ready;
    self->ready_arg = arg;
    run_next();
}

void wf_model_spin(WF_MODEL_SITE)
{
    if (!wm.running)
        wm_fail("%s:%d: spins while no other thread can run", file, line);
    wm_event("spin", file, line, text);
    wm_block(WM_SPINNING, NULL, NULL);
}

/* ---- executions ---- */

static void thread_main(int index)
{
    for (;;) {
        wm.test->run(index);
        wm.threads[index].state = WM_FINISHED;
        run_next();
    }
}

static _Noreturn void leave(enum wm_outcome outcome)
{
    wm.outcome = outcome;
    wm.running = false;
    if (wm.current >= 0)
        finish_execution(outcome);
    longjmp(alone_env, 1);
}

void wm_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(wm.message, sizeof wm.message, format, args);
    va_end(args);
    if (!wm.quiet)
        wm_report();
    leave(WM_FAILED);
}

void wm_restart(void)
{
    leave(WM_RESTART);
}

static void start_threads(void)
{
    wm_memory_begin();
    for (int i = 0; i < wm.test->threads; i++) {
        struct wm_thread *t = &wm.threads[i];

        t->state = WM_RUNNABLE;
        t->writes = 0;
        t->noticed = 0;
        t->settled = 0;
        t->pending = NULL;
        memset(&t->clock, 0, sizeof t->clock);
        t->clock.hb[i] = 1;
        t->priority = (int)(random_next() >> 40);
    }
    if (wm.random) {
        for (int i = 0; i < wm.preemptions_max; i++)
            wm.changes[i] = (int)((random_next() >> 33) % (wm.steps_usual + 1));
    }
}

/* An execution was left in the middle. Finished threads stand at the end of thread_main's loop. */
static void fresh_coroutines(void)
{
    for (int i = 0; i < wm.test->threads; i++) {
        struct wm_thread *t = &wm.threads[i];

        if (t->coro.stack == NULL || (t->coro.started && t->state != WM_FINISHED))
            wm_coro_init(&t->coro, thread_main, i);
    }
}

void wm_search_begin(const struct wm_case *test, enum wm_model model)
{
    wm.test = test;
    wm.model = model;
    wm.depth = 0;
    wm.prefix = 0;
    wm.rng |= 1;
    fresh_coroutines();
}

/* Runs the case once along wm.choices[0 .. prefix). */
enum wm_outcome wm_execute(void)
{
    int first;
    int runnable[WM_THREADS];

    wm.run++;
    wm.depth = 0;
    wm.preempted = 0;
    wm.delayed = 0;
    wm.steps = 0;
    wm.writes = 0;
    wm.event_count = 0;
    wm.current = -1;
    wm.running = false;
    wm.outcome = WM_PASSED;
    if (setjmp(alone_env) != 0)
        return wm.outcome;
    wm.test->setup();
    start_threads();
    first = (int)collect_runnable(-1, runnable);
    if (wm.random)
        first = runnable[pick_by_priority(runnable, (unsigned)first)];
    else
        first = runnable[wm_choose((unsigned)first, WM_CHOOSE_NEXT)];
    wm.running = true;
    wm.current = first;
    wm_coro_switch(&wm.main, &wm.threads[first].coro);
    wm.running = false;
    wm.current = -1;
    wm.steps_total += wm.steps;
    if (wm.outcome != WM_PASSED) {
        fresh_coroutines();
        return wm.outcome;
    }
    wm_memory_settle();
    if (wm.test->check != NULL)
        wm.test->check();
    return wm.outcome;
}
