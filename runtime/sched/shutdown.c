/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shutdown.c - the two phases of ending a run from outside
 *
 * weft_shutdown only counts and posts a message to worker 0, so it may be called in a signal
 * handler. The message begins the soft phase: hooks are told, and a task of the runtime's own waits
 * for the grace time (or the second call) and then begins the hard phase: everything is cancelled.
 * phase: 0 -> 1 -> 2, moved by worker 0's loop and that task, under hooks_lock.
 */
#include "runtime/base/assert.h"
#include "runtime/sched/worker.h"

#include <weft/time.h>

int wf_shutdown_phase(void)
{
    return wf_rt != NULL ? (int)wf_load_acq(&wf_rt->phase) : 0;
}

int wf_shutdown_subscribe(struct wf_shutdown_hook *hook)
{
    struct wf_runtime *rt = wf_rt;
    int rc = 0;
    wf_spin_lock(&rt->hooks_lock);
    if (wf_load_rlx(&rt->phase) != 0) {
        hook->next = hook->prev = NULL;
        rc = -ESHUTDOWN;
    } else {
        hook->next = &rt->hooks;
        hook->prev = rt->hooks.prev;
        rt->hooks.prev->next = hook;
        rt->hooks.prev = hook;
    }
    wf_spin_unlock(&rt->hooks_lock);
    return rc;
}

void wf_shutdown_unsubscribe(struct wf_shutdown_hook *hook)
{
    struct wf_runtime *rt = wf_rt;
    wf_spin_lock(&rt->hooks_lock);
    if (hook->next != NULL) {
        hook->next->prev = hook->prev;
        hook->prev->next = hook->next;
        hook->next = hook->prev = NULL;
    }
    wf_spin_unlock(&rt->hooks_lock);
}

/* Hooks are called under the lock: they wake or cancel, and must not subscribe. */
static void enter_phase(struct wf_runtime *rt, uint32_t phase)
{
    wf_spin_lock(&rt->hooks_lock);
    if (wf_load_rlx(&rt->phase) < phase) {
        wf_store_sc(&rt->phase, phase);
        for (struct wf_shutdown_hook *h = rt->hooks.next; h != &rt->hooks; h = h->next)
            h->fn(h, (int)phase);
    }
    wf_spin_unlock(&rt->hooks_lock);
    if (phase == 2) {
        wf_store_sc(&rt->no_spawn, 1);
        wf_cancel_all(rt, "shutdown");
    }
}

static intptr_t grace_body(void *arg)
{
    struct wf_runtime *rt = arg;
    struct wf_task *self = wf_self();
    self->desc.name = "shutdown";
    /* The end of the run must cancel this wait, or every stop would take the whole grace time. */
    wf_and_rlx(&self->flags, (uint32_t)~WF_TASK_SYSTEM);
    if (weft_sleep(rt->options.shutdown_grace) == 0) /* else the run has ended by itself */
        enter_phase(rt, 2);
    return 0;
}

static void shutdown_arrived(struct wf_post *post)
{
    struct wf_runtime *rt =
        (struct wf_runtime *)(void *)((char *)post - offsetof(struct wf_runtime, shutdown_post));
    wf_store_sc(&rt->posted, 0);
    uint32_t asked = wf_load_sc(&rt->asked);
    if (asked >= 2 || wf_load_rlx(&rt->phase) >= 1) {
        enter_phase(rt, asked >= 2 ? 2 : 1);
        return;
    }
    enter_phase(rt, 1);
    if (wf_spawn_first(wf_worker(), grace_body, rt) == NULL)
        enter_phase(rt, 2); /* no memory for the wait: do not wait */
}

int weft_shutdown(void)
{
    struct wf_runtime *rt = wf_rt;
    if (rt == NULL)
        return -EPERM;
    wf_add_sc(&rt->asked, 1);
    if (wf_xchg_sc(&rt->posted, 1) == 0) {
        rt->shutdown_post.fn = shutdown_arrived;
        wf_post(rt->worker[0], &rt->shutdown_post);
    }
    return 0;
}

void wf_shutdown_init(struct wf_runtime *rt)
{
    rt->hooks.next = rt->hooks.prev = &rt->hooks;
}
