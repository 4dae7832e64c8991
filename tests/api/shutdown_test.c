/* SPDX-License-Identifier: Apache-2.0 */
/* shutdown_test.c - the soft phase, the grace time, the hard phase */
#include <signal.h>
#include <string.h>

#include "tests/api/core_run.h"

TEST(without_a_runtime_there_is_nothing_to_shut_down)
{
    ck_assert_int_eq(weft_shutdown(), -EPERM);
}

struct plan {
    core_flag background_ended, others_ended, started;
    bool second_call;
    bool from_thread, from_signal;
};

static intptr_t background(void *arg)
{
    struct plan *p = arg;
    const char *reason;
    wf_add_rel(&p->started, 1);
    while (weft_sleep(WEFT_USEC(200)) == 0)
        ;
    ck_assert_int_eq(weft_cancelled(&reason), 1);
    ck_assert_str_eq(reason, "shutdown");
    wf_add_rel(&p->background_ended, 1);
    return -ECANCELED;
}

static intptr_t foreground(void *arg)
{
    struct plan *p = arg;
    wf_add_rel(&p->started, 1);
    int rc = weft_sleep(WEFT_NEVER);
    wf_add_rel(&p->others_ended, 1);
    return rc;
}

static intptr_t call_shutdown(void *arg)
{
    (void)arg;
    return weft_shutdown();
}

static void on_signal(int number)
{
    (void)number;
    (void)weft_shutdown();
}

static void begin_shutdown(const struct plan *p)
{
    if (p->from_signal)
        ck_assert_int_eq(raise(SIGUSR1), 0);
    else if (p->from_thread)
        ck_assert_int_eq(core_on_thread(call_shutdown, NULL), 0);
    else
        ck_assert_int_eq(weft_shutdown(), 0);
}

static intptr_t soft_then_own_end(void *arg)
{
    struct plan *p = arg;
    struct weft_spawn_options o = {.size = sizeof(o), .soft_stop = 1, .detached = 1};
    for (int i = 0; i < 3; i++)
        ck_assert_ptr_nonnull(weft_spawn_with(&o, background, p));
    weft_task *t = weft_spawn(foreground, p);
    core_await_flag(&p->started, 4);
    begin_shutdown(p);
    core_await_flag(&p->background_ended, 3);
    ck_assert_uint_eq(wf_load_acq(&p->others_ended), 0); /* the grace time has begun */
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(weft_yield(), 0);
    ck_assert_ptr_nonnull(weft_spawn_with(&o, background, p)); /* too late: it does not run */
    ck_assert_int_eq(weft_cancel(t, "end"), 0);
    ck_assert_int_eq(weft_await(t), -ECANCELED);
    return 0;
}

TEST(the_soft_phase_ends_background_tasks_only)
{
    struct sigaction action = {.sa_handler = on_signal}, old;
    sigaction(SIGUSR1, &action, &old);
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        for (int how = 0; how < 3; how++) {
            struct plan p;
            memset(&p, 0, sizeof(p));
            p.from_thread = how == 1;
            p.from_signal = how == 2;
            struct weft_options o = {.size = sizeof(o), .workers = workers, .quiet = 1};
            uint64_t begin = wf_test_now_ns();
            ck_assert_int_eq(core_run_with(&o, soft_then_own_end, &p), 0);
            ck_assert_uint_eq(wf_load_acq(&p.started), 4);
            if (wf_test_can_measure()) /* the end of the run ends the grace time */
                ck_assert_uint_lt(wf_test_now_ns() - begin, 5000000000u);
        }
    }
    sigaction(SIGUSR1, &old, NULL);
}

static intptr_t copied_background(void *arg)
{
    return background(*(struct plan **)arg);
}

static intptr_t soft_stop_with_copy(void *arg)
{
    struct plan *p = arg;
    struct weft_spawn_options o = {.size = sizeof(o), .soft_stop = 1, .copy_size = sizeof(p)};
    weft_task *t = weft_spawn_with(&o, copied_background, &p);
    core_await_flag(&p->started, 1);
    ck_assert_int_eq(weft_shutdown(), 0);
    ck_assert_int_eq(weft_await(t), -ECANCELED);
    return 0;
}

TEST(a_background_task_can_have_a_copied_argument)
{
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        struct plan p;
        memset(&p, 0, sizeof(p));
        struct weft_options o = {.size = sizeof(o), .workers = workers, .quiet = 1};
        ck_assert_int_eq(core_run_with(&o, soft_stop_with_copy, &p), 0);
        ck_assert_uint_eq(wf_load_acq(&p.background_ended), 1);
    }
}

static intptr_t wait_for_the_hard_phase(void *arg)
{
    struct plan *p = arg;
    weft_task *t[3];
    for (int i = 0; i < 3; i++)
        t[i] = weft_spawn(foreground, p);
    core_await_flag(&p->started, 3);
    begin_shutdown(p);
    if (p->second_call)
        begin_shutdown(p);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(weft_await(t[i]), -ECANCELED);
    return 0;
}

static void hard_phase(bool second_call, weft_ns grace)
{
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        struct plan p;
        memset(&p, 0, sizeof(p));
        p.second_call = second_call;
        p.from_thread = workers == 2;
        struct weft_options o = {
            .size = sizeof(o), .workers = workers, .quiet = 1, .shutdown_grace = grace};
        uint64_t begin = wf_test_now_ns();
        ck_assert_int_eq(core_run_with(&o, wait_for_the_hard_phase, &p), 0);
        uint64_t took = wf_test_now_ns() - begin;
        ck_assert_uint_eq(wf_load_acq(&p.others_ended), 3);
        if (!second_call)
            ck_assert_uint_ge(took, (uint64_t)grace);
        if (wf_test_can_measure())
            ck_assert_uint_lt(took, 3000000000u);
    }
}

TEST(after_the_grace_time_everything_is_cancelled)
{
    hard_phase(false, WEFT_MSEC(20));
}

TEST(a_second_call_cancels_everything_at_once)
{
    hard_phase(true, WEFT_SEC(3600));
}

static intptr_t main_waits(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_shutdown(), 0);
    ck_assert_int_eq(weft_shutdown(), 0);
    return weft_sleep(WEFT_SEC(3600));
}

TEST(the_hard_phase_cancels_the_main_task_too)
{
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        struct weft_options o = {.size = sizeof(o), .workers = workers, .quiet = 1};
        ck_assert_int_eq(core_run_with(&o, main_waits, NULL), -ECANCELED);
    }
}

static intptr_t in_an_expired_block(void *arg)
{
    struct plan *p = arg;
    int rc;
    WEFT_TIMEOUT(rc, WEFT_USEC(10)) {
        ck_assert_int_eq(weft_sleep(WEFT_NEVER), -ECANCELED);
        wf_store_rel(&p->started, 1);
        while (wf_shutdown_phase() != 2)
            (void)weft_yield();
        for (int i = 0; i < 1000; i++)
            (void)weft_yield();
    }
    return weft_sleep(WEFT_SEC(3600));
}

static intptr_t shut_down_beside_a_block(void *arg)
{
    struct plan *p = arg;
    weft_task *t = weft_spawn(in_an_expired_block, p);
    core_await_flag(&p->started, 1);
    ck_assert_int_eq(weft_shutdown(), 0);
    ck_assert_int_eq(weft_shutdown(), 0);
    core_await_done(t);
    ck_assert_int_eq(weft_await(t), -ECANCELED);
    return 0;
}

TEST(the_hard_phase_reaches_a_task_whose_block_has_expired)
{
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        struct plan p;
        memset(&p, 0, sizeof(p));
        struct weft_options o = {.size = sizeof(o), .workers = workers, .quiet = 1};
        ck_assert_int_eq(core_run_with(&o, shut_down_beside_a_block, &p), 0);
    }
}
