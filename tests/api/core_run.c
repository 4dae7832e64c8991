/* SPDX-License-Identifier: Apache-2.0 */
/* core_run.c - cases inside a run with several numbers of workers */
#include "tests/api/core_run.h"

#include <dirent.h>
#include <string.h>

#include "runtime/base/sanitize.h"

unsigned core_threads(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/task");
    ck_assert_ptr_nonnull(dir);
    for (const struct dirent *e; (e = readdir(dir)) != NULL;)
        count += e->d_name[0] != '.';
    closedir(dir);
    return count;
}

size_t core_fibers(size_t full)
{
    size_t most = WF_TSAN ? 48 : WF_ASAN ? 1000 : full;
    return full < most ? full : most;
}

struct threads_back {
    unsigned expected;
};

/* A joined thread may stand in /proc a moment longer; the thread sanitizer starts its own. */
static bool threads_are_back(void *arg)
{
    return core_threads() <= ((struct threads_back *)arg)->expected + (WF_TSAN ? 1 : 0);
}

intptr_t core_run_with(const struct weft_options *options, weft_fn body, void *arg)
{
    unsigned fds = wf_test_open_fds();
    struct threads_back threads = {core_threads()};
    intptr_t rc = weft_run(body, arg, options);
    ck_assert_uint_eq(wf_test_open_fds(), fds);
    ck_assert(wf_test_wait_for(threads_are_back, &threads, 2000));
    return rc;
}

void core_run(unsigned workers, weft_fn body)
{
    struct weft_options options = {.size = sizeof(options), .workers = workers, .quiet = 1};
    intptr_t rc = core_run_with(&options, body, NULL);
    ck_assert_msg(rc == 0, "the run with %u workers returned %s", workers, weft_strerror((int)rc));
}

void core_await_flag(core_flag *flag, uint32_t value)
{
    while (wf_load_acq(flag) < value)
        (void)weft_yield();
}

static uint64_t state_of(weft_task *task)
{
    return wf_load_acq(&((struct wf_task *)task)->state);
}

void core_await_parked(weft_task *task)
{
    while ((state_of(task) & WF_TS_WAITING) == 0)
        (void)weft_yield();
}

void core_await_done(weft_task *task)
{
    while ((state_of(task) & WF_TS_PHASE) != WF_TS_DONE)
        (void)weft_yield();
}

struct thread_call {
    weft_fn fn;
    void *arg;
    intptr_t result;
    core_flag done;
};

static void *thread_main(void *arg)
{
    struct thread_call *call = arg;
    call->result = call->fn(call->arg);
    wf_store_rel(&call->done, 1);
    return NULL;
}

intptr_t core_on_thread(weft_fn fn, void *arg)
{
    struct thread_call call = {.fn = fn, .arg = arg};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, thread_main, &call), 0);
    core_await_flag(&call.done, 1);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    return call.result;
}

void core_burn(weft_ns duration)
{
    weft_deadline end = weft_now() + duration;
    while (weft_now() < end)
        ;
}

intptr_t core_return(void *arg)
{
    return (intptr_t)arg;
}

intptr_t core_sleep_forever(void *arg)
{
    (void)arg;
    return weft_sleep(WEFT_NEVER);
}

void core_stuck_init(struct core_stuck *stuck, intptr_t then)
{
    memset(stuck, 0, sizeof *stuck);
    stuck->then = then;
    ck_assert_int_eq(weft_chan_new(&stuck->chan, 0, 0), 0);
}

void core_stuck_fini(struct core_stuck *stuck)
{
    weft_chan_unref(stuck->chan);
}

intptr_t core_stuck_body(void *arg)
{
    struct core_stuck *stuck = arg;
    stuck->self = weft_self();
    wf_store_rel(&stuck->started, 1);
    intptr_t rc = weft_chan_recv(stuck->chan, NULL);
    return stuck->then != 0 ? stuck->then : rc;
}
