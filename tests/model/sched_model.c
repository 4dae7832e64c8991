/* SPDX-License-Identifier: Apache-2.0 */
/* sched_model.c - the worker's loop, queues, idle protocol: no work is lost, no sleeper forgotten
 *
 * Real are the loop, the queues, waking and the idle protocol of runtime/sched. Each model thread
 * is a worker that runs its loop until the last entry stops the runtime. Some entries are hogs:
 * they do not return before another entry has run, so a wake-up that is lost is a deadlock.
 */
#include <string.h>
#include <time.h>

#include "runtime/sched/runq.h"
#include "tests/model/shims/model_runtime.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static struct wm_data payload[MODEL_TASKS + 1];
static WF_ATOMIC(uint32_t) ran[MODEL_TASKS + 1];
static void (*body)(struct wf_worker *w, unsigned entry);
static unsigned total; /* entries that will be run */
static WF_ATOMIC(uint32_t) count;
static struct wf_post posts[2];
static struct wm_data post_payload[2];
static unsigned handled;

/* ---- what the loop calls of the files that are not compiled in ---- */

/* Called once in each turn. A worker that did nothing in a turn goes round again because of what it
 * saw in memory; it must not do so for ever before the others get on. */
static bool progress[WM_THREADS];
static uint64_t sleeps[WM_THREADS];

void wf_timers_run(struct wf_worker *w)
{
    uint64_t slept = w->trace.block->sleeps;

    if (!progress[w->index] && slept == sleeps[w->index])
        wf_spin_hint();
    sleeps[w->index] = slept;
    progress[w->index] = false;
}

int64_t wf_wheel_next(const struct wf_wheel *wheel)
{
    (void)wheel;
    return WEFT_NEVER;
}

void wf_cancel_all(struct wf_runtime *rt, const char *reason)
{
    (void)rt;
    (void)reason;
}

static void stop_all(struct wf_worker *w)
{
    wf_store_sc(&model_rt.stop, 1);
    for (unsigned i = 0; i < model_rt.workers; i++) {
        if (model_rt.worker[i] != w)
            model_rt.ops->wake(model_rt.worker[i]->driver, w->driver);
    }
}

static void run_task(struct wf_worker *w, unsigned i)
{
    wm_assert(wm_data_read(&payload[i]) == 50 + i);
    wm_assert(wf_load_rlx(&ran[i]) == 0);
    if (body != NULL)
        body(w, i);
    wf_store_rel(&ran[i], 1);
    if (wf_add_acqrel(&count, 1) + 1 == total)
        stop_all(w);
}

/* A fresh entry is stale when the task was claimed by somebody else. */
static void run_one(struct wf_worker *w, uint64_t entry)
{
    if (!wf_entry_is_fresh(entry))
        run_task(w, model_task_of(entry));
    else if (wf_ts_claim(&wf_ticket_task(entry >> 1)->state, wf_ticket_epoch(entry >> 1)))
        run_task(w, wf_task_index(wf_ticket_task(entry >> 1)));
}

void wf_run_entry(struct wf_worker *w, uint64_t entry)
{
    progress[w->index] = true;
    for (; entry != 0; entry = wf_next(w))
        run_one(w, entry);
}

/* Each look at the clock takes 15 us, so that a spin lasts a few looks. */
static int64_t clock_ns;

int model_clock_gettime(clockid_t id, struct timespec *t);

int model_clock_gettime(clockid_t id, struct timespec *t)
{
    (void)id;
    clock_ns += 15000;
    t->tv_sec = 0;
    t->tv_nsec = clock_ns;
    return 0;
}

/* ---- helpers of the cases ---- */

static void queue(struct wf_worker *w, unsigned i)
{
    wm_data_write(&payload[i], 50 + i);
    wf_push(w, model_entry(i));
    wf_notify(&model_rt, w);
}

static void wait_for(unsigned i)
{
    while (wf_load_acq(&ran[i]) == 0)
        wf_spin_hint();
}

static void begin(unsigned workers, unsigned entries, void (*what)(struct wf_worker *, unsigned))
{
    model_runtime_setup(workers);
    memset(progress, true, sizeof progress);
    memset(sleeps, 0, sizeof sleeps);
    memset(ran, 0, sizeof ran);
    memset(posts, 0, sizeof posts);
    count = 0;
    clock_ns = 0;
    handled = 0;
    total = entries;
    body = what;
}

static void loop(int t)
{
    wf_worker_loop(&model_workers[t]);
}

static void all_ran_once(void)
{
    for (unsigned i = 1; i <= MODEL_TASKS; i++)
        wm_assert(ran[i] == (i <= total));
    for (unsigned i = 0; i < model_rt.workers; i++) {
        wm_assert(wf_deque_take(&model_workers[i].deque) == 0);
        wm_assert(model_workers[i].next == 0);
    }
    wm_assert(wf_global_empty(&model_rt.global));
    wm_assert(wf_idle_sleeping(model_rt.idle.counts) == 0);
    model_runtime_check();
}

/* ---- cases ---- */

/* A hog queues an entry and waits until somebody else has run it. */
static void hog_one(struct wf_worker *w, unsigned i)
{
    if (i == 1) {
        queue(w, 2);
        wait_for(2);
    }
}

static void setup_hog_one(void)
{
    begin(2, 2, hog_one);
    wm_data_write(&payload[1], 51);
    wf_push(&model_workers[0], model_entry(1));
}

/* Entry 2 is a hog too: a second worker must be woken for entry 3. */
static void hog_two(struct wf_worker *w, unsigned i)
{
    if (i == 1) {
        queue(w, 2);
        queue(w, 3);
        wait_for(2);
    } else if (i == 2) {
        wait_for(3);
    }
}

static void setup_hog_two(void)
{
    begin(3, 3, hog_two);
    wm_data_write(&payload[1], 51);
    wf_push(&model_workers[0], model_entry(1));
}

/* A foreign thread makes a task runnable through the global queue. */
static void setup_foreign(void)
{
    begin(2, 2, NULL);
}

static void foreign(int t)
{
    if (t < 2) {
        loop(t);
        return;
    }
    for (unsigned i = 1; i <= 2; i++) {
        wm_data_write(&payload[i], 50 + i);
        wf_ready(model_task(i), false);
    }
}

static void setup_foreign_one(void)
{
    begin(1, 2, NULL);
}

static void foreign_one(int t)
{
    if (t < 1)
        loop(t);
    else
        foreign(2);
}

/* Messages to workers that may sleep. */
static void arrived(struct wf_post *post)
{
    size_t i = (size_t)(post - posts);

    wm_assert(wm_self() == 1);
    progress[1] = true;
    wm_assert(wm_data_read(&post_payload[i]) == i + 7);
    if (++handled == LEN(posts))
        stop_all(&model_workers[1]);
}

static void post_one(size_t i)
{
    posts[i].fn = arrived;
    wm_data_write(&post_payload[i], i + 7);
    wf_post(&model_workers[1], &posts[i]);
}

static void setup_posts(void)
{
    begin(2, 0, NULL);
}

static void send_posts(int t)
{
    if (t < 2) {
        if (t == 0)
            post_one(0);
        loop(t);
    } else {
        post_one(1);
    }
}

static void all_posts_arrived(void)
{
    wm_assert(handled == LEN(posts));
    wm_assert(wf_inbox_empty(&model_workers[1].inbox));
    wm_assert(wf_idle_sleeping(model_rt.idle.counts) == 0);
    model_runtime_check();
}

/* The deque overflows into the global queue: nothing is lost on the way. */
static void overflow(struct wf_worker *w, unsigned i)
{
    if (i == 1) {
        for (unsigned k = 2; k <= 6; k++)
            queue(w, k);
    }
}

static void setup_overflow(void)
{
    begin(2, 6, overflow);
    wm_data_write(&payload[1], 51);
    wf_push(&model_workers[0], model_entry(1));
}

/* Run-next: a task woken by message passing is not forgotten, and goes nowhere twice. */
static void run_next_twice(struct wf_worker *w, unsigned i)
{
    (void)w;
    if (i == 1) {
        wm_data_write(&payload[2], 52);
        wf_ready(model_task(2), true);
        wm_data_write(&payload[3], 53);
        wf_ready(model_task(3), true);
    }
}

static void setup_run_next(void)
{
    begin(2, 3, run_next_twice);
    wm_data_write(&payload[1], 51);
    wf_push(&model_workers[0], model_entry(1));
}

/* The slots of a worker that is slow: a thief that spins takes from them what it has seen there
 * twice, while the owner may take it, replace it, or claim the task. */
static void setup_spinning(unsigned entries, void (*what)(struct wf_worker *, unsigned))
{
    begin(2, entries, what);
    wm_data_write(&payload[1], 51);
    wf_push(&model_workers[0], model_entry(1));
    model_workers[1].spin_ns = model_workers[1].spin_max_ns = 100000;
}

static void setup_next_stolen(void)
{
    setup_spinning(3, run_next_twice);
}

static uint64_t spawn(struct wf_worker *w, unsigned i)
{
    uint64_t entry;

    wm_data_write(&payload[i], 50 + i);
    entry = wf_entry_fresh(wf_ticket(model_task(i), wf_ts_spawn(&model_task(i)->state, 0)));
    wf_push_fresh(w, model_task(i), entry);
    return entry;
}

static void spawn_and_await(struct wf_worker *w, unsigned i)
{
    uint64_t entry;

    if (i != 1)
        return;
    (void)spawn(w, 2);
    entry = spawn(w, 3);
    if (wf_ts_claim(&model_task(3)->state, wf_ticket_epoch(entry >> 1))) {
        wf_unpush_fresh(w, model_task(3), entry);
        run_task(w, 3);
    }
}

static void setup_fresh_stolen(void)
{
    setup_spinning(3, spawn_and_await);
}

static const struct wm_case cases[] = {
    {.name = "queued_work_wakes_a_sleeper",
     .threads = 2,
     .setup = setup_hog_one,
     .run = loop,
     .check = all_ran_once},
    {.name = "two_sleepers_are_woken_in_turn",
     .threads = 3,
     .setup = setup_hog_two,
     .run = loop,
     .check = all_ran_once,
     .preemptions = {2, 1, 1, 1},
     .delays = 1},
    {.name = "foreign_thread_wakes_the_only_worker",
     .threads = 2,
     .setup = setup_foreign_one,
     .run = foreign_one,
     .check = all_ran_once},
    {.name = "foreign_thread_wakes_one_of_two",
     .threads = 3,
     .setup = setup_foreign,
     .run = foreign,
     .check = all_ran_once,
     .preemptions = {2, 2, 2, 2},
     .delays = 1},
    {.name = "messages_wake_their_worker",
     .threads = 3,
     .setup = setup_posts,
     .run = send_posts,
     .check = all_posts_arrived,
     .preemptions = {3, 3, 3, 2},
     .delays = 2},
    {.name = "overflow_to_the_global_queue",
     .threads = 2,
     .setup = setup_overflow,
     .run = loop,
     .check = all_ran_once,
     .preemptions = {3, 2, 2, 2},
     .delays = 1},
    {.name = "run_next_slot",
     .threads = 2,
     .setup = setup_run_next,
     .run = loop,
     .check = all_ran_once},
    {.name = "run_next_slot_against_a_thief",
     .threads = 2,
     .setup = setup_next_stolen,
     .run = loop,
     .check = all_ran_once,
     .preemptions = {2, 2, 2, 2},
     .delays = 1},
    {.name = "newest_task_against_a_thief",
     .threads = 2,
     .setup = setup_fresh_stolen,
     .run = loop,
     .check = all_ran_once,
     .preemptions = {2, 2, 2, 2},
     .delays = 1},
};

int main(int argc, char **argv)
{
    return wm_main(argc, argv, cases, LEN(cases));
}
