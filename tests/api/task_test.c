/* SPDX-License-Identifier: Apache-2.0 */
/* task_test.c - spawning with and without options, detaching, names */
#include <stdlib.h>
#include <string.h>

#include "tests/api/core_run.h"

TEST(outside_a_task_nothing_is_spawned_or_named)
{
    struct weft_spawn_options options = {.size = sizeof(options)};
    ck_assert_ptr_null(weft_spawn(core_return, NULL));
    ck_assert_ptr_null(weft_spawn_with(&options, core_return, NULL));
    ck_assert_ptr_null(weft_self());
    ck_assert_int_eq(weft_name("nobody"), -EPERM);
}

CORE_TEST(a_spawned_task_gives_its_result_to_the_await)
{
    weft_task *t = weft_spawn(core_return, (void *)42);
    ck_assert_ptr_nonnull(t);
    ck_assert_int_eq(weft_await(t), 42);
    ck_assert_int_eq(weft_await(weft_spawn(core_return, (void *)(intptr_t)-EIO)), -EIO);
    ck_assert_ptr_null(weft_spawn(NULL, NULL));
    return 0;
}

static intptr_t own_handle(void *arg)
{
    *(weft_task **)arg = weft_self();
    return weft_name("a name");
}

CORE_TEST(self_is_the_handle_inside_the_task)
{
    weft_task *seen = NULL;
    weft_task *t = weft_spawn(own_handle, &seen);
    ck_assert_int_eq(weft_await(t), 0);
    ck_assert_ptr_eq(seen, t);
    ck_assert_ptr_nonnull(weft_self());
    ck_assert_ptr_ne(weft_self(), t);
    return 0;
}

static intptr_t read_name(void *arg)
{
    *(const char **)arg = ((struct wf_task *)weft_self())->desc.name;
    return 0;
}

CORE_TEST(the_name_option_names_the_task)
{
    const char *name = NULL;
    struct weft_spawn_options options = {.size = sizeof(options), .name = "reader"};
    ck_assert_int_eq(weft_await(weft_spawn_with(&options, read_name, &name)), 0);
    ck_assert_str_eq(name, "reader");
    return 0;
}

CORE_TEST(bad_spawn_options_give_null)
{
    static char big[2048];
    struct weft_spawn_options o = {.size = 1};
    ck_assert_ptr_null(weft_spawn_with(&o, core_return, NULL));
    o.size = sizeof(o) + 8;
    ck_assert_ptr_null(weft_spawn_with(&o, core_return, NULL));
    o = (struct weft_spawn_options){.size = sizeof(o), .copy_size = 1025};
    ck_assert_ptr_null(weft_spawn_with(&o, core_return, big));
    o = (struct weft_spawn_options){.size = sizeof(o), .stack_size = 9u << 20};
    ck_assert_ptr_null(weft_spawn_with(&o, core_return, NULL));
    o = (struct weft_spawn_options){.size = sizeof(o)};
    ck_assert_ptr_null(weft_spawn_with(&o, NULL, NULL));
    ck_assert_int_eq(weft_await(weft_spawn_with(NULL, core_return, (void *)3)), 3);
    return 0;
}

struct letters {
    size_t n;
    char text[1016];
};

static intptr_t count_letters(void *arg)
{
    const struct letters *l = arg;
    size_t count = 0;
    for (size_t i = 0; i < l->n; i++)
        count += l->text[i] == 'a';
    return (intptr_t)count;
}

CORE_TEST(copied_arguments_are_those_of_the_moment_of_the_spawn)
{
    struct letters l = {.n = sizeof(l.text)};
    struct weft_spawn_options o = {.size = sizeof(o), .copy_size = sizeof(l)};
    ck_assert_uint_eq(sizeof(l), 1024);
    memset(l.text, 'a', sizeof(l.text));
    weft_task *first = weft_spawn_with(&o, count_letters, &l);
    memset(l.text, 'b', sizeof(l.text));
    weft_task *second = weft_spawn_with(&o, count_letters, &l);
    memset(&l, 0, sizeof(l));
    ck_assert_int_eq(weft_await(first), 1016);
    ck_assert_int_eq(weft_await(second), 0);
    o.detached = 1;
    ck_assert_ptr_nonnull(weft_spawn_with(&o, count_letters, &l));
    return 0;
}

static __attribute__((noinline)) intptr_t use_stack(void *arg)
{
    char room[400 * 1024];
    char *volatile_room = room;
    __asm__ volatile("" : "+r"(volatile_room));
    memset(volatile_room, 1, sizeof(room));
    int rc = weft_yield();
    __asm__ volatile("" : "+r"(volatile_room));
    (void)arg;
    return rc < 0 ? rc : volatile_room[sizeof(room) / 2];
}

CORE_TEST(a_task_gets_the_stack_it_asked_for)
{
    struct weft_spawn_options o = {.size = sizeof(o), .stack_size = 512 * 1024};
    weft_task *t[4];
    for (int i = 0; i < 4; i++)
        t[i] = weft_spawn_with(&o, use_stack, NULL);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(weft_await(t[i]), 1);
    return 0;
}

/* ---- pinned ---- */

static intptr_t sleep_a_little(void *arg)
{
    return weft_sleep(WEFT_USEC((intptr_t)arg));
}

static intptr_t stay_home(void *arg)
{
    unsigned home = wf_worker_index(wf_worker());
    (void)arg;
    for (int i = 0; i < 60; i++) {
        intptr_t rc = 0;
        switch (i % 3) {
        case 0:
            rc = weft_yield();
            break;
        case 1:
            rc = weft_sleep(WEFT_USEC(100));
            break;
        case 2:
            rc = weft_await(weft_spawn(sleep_a_little, (void *)50));
            break;
        }
        ck_assert_int_eq(rc, 0);
        ck_assert_uint_eq(wf_worker_index(wf_worker()), home);
    }
    return 0;
}

CORE_TEST(a_pinned_task_never_leaves_its_worker)
{
    struct weft_spawn_options o = {.size = sizeof(o), .pinned = 1};
    weft_task *t[8];
    for (int i = 0; i < 8; i++)
        t[i] = weft_spawn_with(&o, stay_home, NULL);
    ck_assert_int_eq(weft_gather(t, 8, NULL), 0);
    return 0;
}

static intptr_t yield_until_set(void *arg)
{
    core_await_flag(arg, 1);
    return 0;
}

static intptr_t yield_a_while_and_set(void *arg)
{
    for (int i = 0; i < 100; i++)
        (void)weft_yield();
    wf_store_rel((core_flag *)arg, 1);
    return 0;
}

CORE_TEST(a_pinned_task_runs_while_others_yield_all_the_time)
{
    core_flag done = 0;
    struct weft_spawn_options o = {.size = sizeof(o), .pinned = 1};
    weft_task *t[9];
    t[8] = weft_spawn_with(&o, yield_a_while_and_set, &done);
    for (int i = 0; i < 8; i++)
        t[i] = weft_spawn(yield_until_set, &done);
    ck_assert_int_eq(weft_gather(t, 9, NULL), 0);
    return 0;
}

static intptr_t cancel_it(void *arg)
{
    return weft_cancel(arg, "from a thread");
}

CORE_TEST(a_pinned_task_is_cancelled_from_a_plain_thread)
{
    struct weft_spawn_options o = {.size = sizeof(o), .pinned = 1};
    weft_task *t = weft_spawn_with(&o, core_sleep_forever, NULL);
    core_await_parked(t);
    ck_assert_int_eq(core_on_thread(cancel_it, t), 0);
    ck_assert_int_eq(weft_await(t), -ECANCELED);
    return 0;
}

/* ---- detached ---- */

static intptr_t count_up(void *arg)
{
    wf_add_rlx((core_flag *)arg, 1);
    return 0;
}

static intptr_t count_up_later(void *arg)
{
    for (int i = 0; i < 3; i++)
        (void)weft_yield();
    return count_up(arg);
}

CORE_TEST(detached_tasks_go_on_whatever_state_they_were_in)
{
    core_flag count = 0;
    struct weft_spawn_options o = {.size = sizeof(o), .detached = 1};
    ck_assert_int_eq(weft_detach(NULL), -EINVAL);
    ck_assert_int_eq(weft_detach(weft_spawn(count_up, &count)), 0); /* queued, or running */
    weft_task *t = weft_spawn(count_up_later, &count);
    (void)weft_yield();
    ck_assert_int_eq(weft_detach(t), 0); /* has begun */
    t = weft_spawn(count_up, &count);
    core_await_done(t);
    ck_assert_int_eq(weft_detach(t), 0); /* has ended */
    ck_assert_ptr_nonnull(weft_spawn_with(&o, count_up_later, &count));
    core_await_flag(&count, 4);
    return 0;
}

static intptr_t detach_it(void *arg)
{
    return weft_detach(arg);
}

CORE_TEST(a_plain_thread_may_detach)
{
    core_flag count = 0;
    ck_assert_int_eq(core_on_thread(detach_it, weft_spawn(count_up_later, &count)), 0);
    weft_task *t = weft_spawn(count_up, &count);
    core_await_done(t);
    ck_assert_int_eq(core_on_thread(detach_it, t), 0);
    core_await_flag(&count, 2);
    return 0;
}

static intptr_t outlive(void *arg)
{
    int rc = weft_sleep(WEFT_NEVER);
    if (rc == -ECANCELED)
        wf_add_rlx((core_flag *)arg, 1);
    return rc;
}

static intptr_t leave_tasks_behind(void *arg)
{
    for (int i = 0; i < 20; i++) {
        weft_task *t = weft_spawn(outlive, arg);
        if (i % 2 == 0)
            ck_assert_int_eq(weft_detach(t), 0);
        core_await_parked(t);
    }
    return 5;
}

TEST(the_end_of_the_run_cancels_and_joins_what_still_runs)
{
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        core_flag ended = 0;
        struct weft_options o = {.size = sizeof(o), .workers = workers, .quiet = 1};
        ck_assert_int_eq(core_run_with(&o, leave_tasks_behind, &ended), 5);
        ck_assert_uint_eq(wf_load_acq(&ended), 20);
    }
}

/* ---- many ---- */

CORE_TEST(a_hundred_thousand_tasks_all_give_their_result)
{
    size_t n = (size_t)wf_test_scale(100000);
    weft_task **t = malloc(n * sizeof(*t));
    ck_assert_ptr_nonnull(t);
    for (size_t i = 0; i < n; i++)
        CORE_CHECK((t[i] = weft_spawn(core_return, (void *)i)) != NULL);
    for (size_t i = 0; i < n; i++)
        CORE_CHECK(weft_await(t[i]) == (intptr_t)i);
    free(t);
    return 0;
}

CORE_TEST(a_hundred_thousand_detached_tasks_all_run)
{
    core_flag count = 0;
    uint32_t n = (uint32_t)wf_test_scale(100000);
    for (uint32_t i = 0; i < n; i++)
        CORE_CHECK(weft_detach(weft_spawn(count_up, &count)) == 0);
    core_await_flag(&count, n);
    return 0;
}

static intptr_t set_flag(void *arg)
{
    wf_store_rel((core_flag *)arg, 1);
    return 0;
}

CORE_TEST(the_newest_task_runs_while_others_yield_all_the_time)
{
    for (int i = 0; i < 20; i++) {
        core_flag done = 0;
        weft_task *t[9];
        for (int k = 0; k < 8; k++)
            t[k] = weft_spawn(yield_until_set, &done);
        t[8] = weft_spawn(set_flag, &done);
        core_await_flag(&done, 1);
        ck_assert_int_eq(weft_gather(t, 9, NULL), 0);
    }
    return 0;
}
