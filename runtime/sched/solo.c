/* SPDX-License-Identifier: Apache-2.0 */
/* solo.c - entering and leaving the time with one thread only; see runtime/base/solo.h */
#include "runtime/base/solo.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/sched/worker.h"

WF_ATOMIC(uint32_t) wf_solo_flag;
static WF_ATOMIC(uint32_t) seen; /* any: a plain thread has come, now or in an earlier run */

/* Held while a request is posted: the runtime must live. */
static pthread_mutex_t asking = PTHREAD_MUTEX_INITIALIZER;

struct request {
    struct wf_post post;
    WF_ATOMIC(uint32_t) done;
};

void wf_solo_enter(struct wf_runtime *rt)
{
    if (rt->workers > 1 || wf_load_sc(&seen) != 0)
        return;
    wf_store_sc(&wf_solo_flag, 1); /* order: solo */
    if (wf_load_sc(&seen) != 0)    /* order: solo */
        wf_store_sc(&wf_solo_flag, 0);
}

/* Requests that were posted before are still in the inbox; none comes afterwards. */
void wf_solo_end(struct wf_worker *w)
{
    pthread_mutex_lock(&asking);
    wf_store_sc(&wf_solo_flag, 0);
    pthread_mutex_unlock(&asking);
    wf_run_inbox(w);
}

/* On worker 0, in its loop: nobody is inside of an operation. */
static void leave_here(struct wf_post *post)
{
    struct request *r = (struct request *)(void *)post;
    WF_ATOMIC(uint32_t) *done = &r->done;
    wf_store_sc(&wf_solo_flag, 0);
    wf_store_rel(done, 1); /* order: solo-done; r is gone afterwards */
    (void)syscall(SYS_futex, done, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void wf_solo_leave(void)
{
    wf_store_sc(&seen, 1); /* order: solo */
    if (wf_load_sc(&wf_solo_flag) == 0)
        return;
    struct request r = {.post = {.fn = leave_here}};
    pthread_mutex_lock(&asking);
    bool on = wf_load_sc(&wf_solo_flag) != 0;
    if (on)
        wf_post(wf_rt->worker[0], &r.post);
    pthread_mutex_unlock(&asking);
    while (on && wf_load_acq(&r.done) == 0) /* order: solo-done */
        (void)syscall(SYS_futex, &r.done, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}
