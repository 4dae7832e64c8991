/* SPDX-License-Identifier: Apache-2.0 */
/* run_test.c - starting and ending the runtime, options, what is left behind */
#include <stdio.h>
#include <string.h>

#include "tests/api/core_run.h"

TEST(the_run_gives_the_result_of_its_main_task)
{
    struct weft_options o = {.size = sizeof(o), .workers = 1, .quiet = 1};
    ck_assert_int_eq(weft_run(core_return, (void *)123456, &o), 123456);
    ck_assert_int_eq(weft_run(core_return, (void *)(intptr_t)-EIO, &o), -EIO);
    ck_assert_ptr_eq((void *)weft_run(core_return, &o, &o), &o);
}

static intptr_t count_workers(void *arg)
{
    (void)arg;
    return wf_runtime_workers();
}

TEST(the_number_of_workers_is_as_asked)
{
    struct weft_options o = {.size = sizeof(o), .quiet = 1};
    for (o.workers = 1; o.workers <= 8; o.workers *= 2)
        ck_assert_int_eq(core_run_with(&o, count_workers, NULL), (intptr_t)o.workers);
    o.workers = 0;
    ck_assert_int_ge(core_run_with(&o, count_workers, NULL), 1);
    o.pin_workers = 1;
    ck_assert_int_ge(core_run_with(&o, count_workers, NULL), 1);
}

TEST(bad_options_are_refused_and_leave_nothing_behind)
{
    static const struct weft_options bad[] = {
        {.size = 1},
        {.size = sizeof(struct weft_options) + 8},
        {.size = sizeof(struct weft_options), .workers = 1000000},
        {.size = sizeof(struct weft_options), .stack_size = (size_t)1 << 40},
        {.size = sizeof(struct weft_options), .ring_entries = 1u << 30},
        {.size = sizeof(struct weft_options), .trace_ring_size = 4097},
        {.size = sizeof(struct weft_options), .trace_level = 4},
        {.size = sizeof(struct weft_options), .trace_level = -2},
        {.size = sizeof(struct weft_options), .spin_us = 2000000},
        {.size = sizeof(struct weft_options), .driver = "carrier pigeon", .quiet = 1},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        intptr_t rc = core_run_with(&bad[i], core_return, NULL);
        ck_assert_msg(rc == -EINVAL, "options %zu: %s", i, weft_strerror((int)rc));
    }
    ck_assert_int_eq(weft_run(NULL, NULL, NULL), -EINVAL);
    struct weft_options o = {.size = sizeof(o), .workers = 1, .quiet = 1};
    ck_assert_int_eq(weft_run(core_return, (void *)1, &o), 1);
}

static intptr_t run_again(void *arg)
{
    (void)arg;
    return weft_run(core_return, (void *)1, NULL);
}

CORE_TEST(a_second_run_at_the_same_time_is_busy)
{
    ck_assert_int_eq(run_again(NULL), -EBUSY);
    ck_assert_int_eq(core_on_thread(run_again, NULL), -EBUSY);
    return 0;
}

TEST(runs_can_follow_each_other_on_any_thread)
{
    struct weft_options o = {.size = sizeof(o), .quiet = 1};
    for (int i = 0; i < 20; i++) {
        o.workers = 1 + (unsigned)i % 4;
        ck_assert_int_eq(core_run_with(&o, core_return, (void *)(intptr_t)i), i);
    }
}

static intptr_t reason_is_there(void *arg)
{
    (void)arg;
    const char *reason = weft_driver_reason();
    return reason != NULL && reason[0] != '\0' ? 0 : -EPROTO;
}

CORE_TEST(the_driver_says_what_it_is)
{
    return reason_is_there(NULL);
}

TEST(the_driver_still_says_it_after_the_run)
{
    struct weft_options o = {.size = sizeof(o), .workers = 1, .quiet = 1, .driver = "uring"};
    ck_assert_int_eq(weft_run(reason_is_there, NULL, &o), 0);
    ck_assert_ptr_nonnull(strstr(weft_driver_reason(), "uring"));
}

TEST(versions_and_errors_have_words)
{
    ck_assert_str_eq(weft_version(), WEFT_VERSION_STRING);
    ck_assert_str_eq(weft_strerror(0), "success");
    ck_assert_str_eq(weft_strerror(-ECANCELED), weft_strerror(ECANCELED));
    ck_assert_ptr_nonnull(weft_strerror(-100000));
    ck_assert(WEFT_FAILED(-1) && WEFT_FAILED(-4095));
    ck_assert(!WEFT_FAILED(-4096) && !WEFT_FAILED(0) && !WEFT_FAILED(INTPTR_MAX));
}

/* ---- nothing is left ---- */

static long vm_pages(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%ld", &pages), 1);
    fclose(f);
    return pages;
}

static intptr_t yield_some(void *arg)
{
    for (int i = 0; i < 3; i++)
        (void)weft_yield();
    return (intptr_t)arg;
}

static intptr_t use_everything(void *arg)
{
    weft_task *t[40];
    int rc;
    (void)arg;
    for (int i = 0; i < 40; i++)
        t[i] = weft_spawn(yield_some, NULL);
    ck_assert_int_eq(weft_gather(t, 40, NULL), 0);
    struct weft_spawn_options o = {.size = sizeof(o), .stack_size = 1 << 20};
    ck_assert_int_eq(weft_await(weft_spawn_with(&o, yield_some, (void *)2)), 2);
    WEFT_TIMEOUT(rc, WEFT_USEC(100))
        (void)weft_sleep(WEFT_NEVER);
    (void)weft_spawn(core_sleep_forever, NULL);
    return 0;
}

TEST(a_run_gives_all_its_memory_back)
{
    struct weft_options o = {.size = sizeof(o), .workers = 2, .quiet = 1};
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(core_run_with(&o, use_everything, NULL), 0);
    long before = vm_pages();
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(core_run_with(&o, use_everything, NULL), 0);
    long grown = vm_pages() - before;
    if (wf_test_can_measure()) /* thread arenas of malloc may still come; a leak would be GiB */
        ck_assert_msg(grown < 16 * 1024, "%ld pages more after ten runs", grown);
}
