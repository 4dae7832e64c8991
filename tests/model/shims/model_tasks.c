/* SPDX-License-Identifier: Apache-2.0 */
/* model_tasks.c - each model thread is a worker that runs one task */
#include "tests/model/shims/model_tasks.h"

#include "runtime/sched/frame_stack.h"

int64_t model_now;

static struct wm_sem resumed[WM_THREADS];

struct wf_task *model_task_of_thread(int thread)
{
    return model_task((unsigned)thread + 1);
}

void model_tasks_setup(unsigned threads)
{
    model_runtime_setup(threads);
    model_now = 0;
    for (unsigned i = 0; i < threads; i++) {
        struct wf_worker *w = &model_workers[i];
        struct wf_task *t = model_task(i + 1);

        wf_wheel_init(&w->wheel, 0);
        t->inherited = WEFT_NEVER;
        w->task = t;
        w->fiber = t->desc.fiber;
        w->budget = WF_BUDGET;
        (void)wf_ts_claim(&t->state, wf_ts_spawn(&t->state, WF_TS_HANDLE));
    }
}

static void resume(uint64_t entry)
{
    wm_post(&resumed[model_task_of(entry) - 1]);
}

void model_tasks_run(void)
{
    struct wf_worker *w = wf_worker();
    uint64_t entry;

    /* wf_next also returns 0 for a look at the ring now and then. */
    while ((entry = wf_next(w)) != 0 || wf_deque_len(&w->deque) > 0) {
        if (entry != 0)
            resume(entry);
    }
}

void model_tasks_check(void)
{
    for (unsigned i = 0; i < model_rt.workers; i++) {
        wm_assert(wm_posts(&resumed[i]) == 0);
        wm_assert((model_task(i + 1)->state & WF_TS_PARK_BITS) == 0);
        wm_assert(wf_deque_take(&model_workers[i].deque) == 0);
        wm_assert(model_workers[i].wheel.armed == 0);
    }
    model_runtime_check();
}

/* ---- what the real code calls ---- */

struct wf_worker *wf_leave(struct wf_worker *w, uint64_t entry,
                           void (*after)(struct wf_worker *w, void *arg), void *arg)
{
    if (entry != 0)
        resume(entry);
    after(w, arg);
    model_tasks_run();
    wm_wait(&resumed[w->index]);
    return w;
}

int64_t wf_clock_now(void)
{
    return model_now;
}
