/* SPDX-License-Identifier: Apache-2.0 */
/* model_tasks.c - each model thread is a worker that runs one task */
#include "tests/model/shims/model_tasks.h"

#include "runtime/base/log.h"
#include "runtime/sched/frame_stack.h"
#include "runtime/sched/runq.h"

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

/* Linked with --wrap=wf_switch: takes the place of the switch of stacks in sched/switch. The thread
 * leaves its fiber, runs the action as the other side would, and waits to be resumed. */
struct wf_worker *__wrap_wf_switch(struct wf_worker *w, struct wf_fiber *from, struct wf_fiber *to);

struct wf_worker *__wrap_wf_switch(struct wf_worker *w, struct wf_fiber *from, struct wf_fiber *to)
{
    void (*after)(struct wf_worker *, void *) = w->after;

    wm_assert(from == w->fiber);
    if (to != &w->loop_fiber)
        resume((uint64_t)(uintptr_t)to);
    w->after = NULL;
    after(w, w->after_arg);
    model_tasks_run();
    wm_wait(&resumed[w->index]);
    return w;
}

int64_t wf_clock_now(void)
{
    return model_now;
}

void wf_slab_spill(struct wf_task_slab *slab, struct wf_task_cache *cache)
{
    (void)slab;
    (void)cache;
}

struct wf_fiber *wf_fiber_new(struct wf_stack_cache *cache, unsigned size_class,
                              void (*entry)(void *pass))
{
    (void)cache;
    (void)size_class;
    (void)entry;
    return NULL;
}

void wf_fiber_free(struct wf_stack_cache *cache, struct wf_fiber *fiber)
{
    (void)cache;
    (void)fiber;
}

void *wf_arch_switch(void **save_sp, void *to_sp, void *pass)
{
    (void)save_sp;
    (void)to_sp;
    wm_assert(!"stacks are not switched here");
    return pass;
}

void wf_log(enum wf_log_level level, const char *format, ...)
{
    (void)level;
    (void)format;
}

bool wf_log_allowed(struct wf_log_limit *limit, uint64_t now_ns, uint64_t *suppressed)
{
    (void)limit;
    (void)now_ns;
    *suppressed = 0;
    return false;
}

const char *weft_strerror(int error)
{
    (void)error;
    return "";
}

/* There is no time with one thread only here: base/solo.h is always off. */
void wf_solo_leave(void);

void wf_solo_leave(void)
{
}
