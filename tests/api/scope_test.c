/* SPDX-License-Identifier: Apache-2.0 */
/* scope_test.c - joining, failures, stops, limits, all ways out of the block */
#include "tests/api/core_run.h"

static intptr_t count_up(void *arg)
{
    for (int i = 0; i < 3; i++)
        (void)weft_yield();
    wf_add_rlx((core_flag *)arg, 1);
    return 0;
}

static intptr_t spawn_in(void *arg)
{
    return weft_scope_spawn(arg, core_return, NULL);
}

TEST(outside_a_task_no_scope_opens)
{
    int result = 1;
    struct weft_scope_block block;
    ck_assert_ptr_null(weft_scope_open(&block, NULL));
    ck_assert_int_eq(weft_scope_close(&block), -EPERM);
    WEFT_SCOPE(s, .result = &result)
        ck_abort_msg("the body of a scope ran outside a task");
    ck_assert_int_eq(result, -EPERM);
    ck_assert_int_eq(weft_scope_stop(NULL), -EINVAL);
    ck_assert_int_eq(weft_scope_spawn(NULL, core_return, NULL), -EINVAL);
}

CORE_TEST(bad_arguments_of_a_spawn_in_a_scope)
{
    int result = 1;
    WEFT_SCOPE(s, .result = &result) {
        ck_assert_int_eq(weft_scope_spawn(s, NULL, NULL), -EINVAL);
        ck_assert_int_eq(weft_scope_spawn(NULL, core_return, NULL), -EINVAL);
        ck_assert_int_eq(core_on_thread(spawn_in, s), -EPERM);
    }
    ck_assert_int_eq(result, 0);
    return 0;
}

CORE_TEST(the_end_of_the_block_joins_all_children)
{
    core_flag count = 0;
    int result = 1;
    WEFT_SCOPE(s, .name = "counters", .result = &result) {
        for (int i = 0; i < 30; i++)
            ck_assert_int_eq(weft_scope_spawn(s, count_up, &count), 0);
        for (int i = 0; i < 10; i++)
            ck_assert_ptr_nonnull(weft_spawn(count_up, &count)); /* handles are left behind */
        ck_assert_int_eq(weft_detach(weft_spawn(count_up, &count)), 0);
        ck_assert_int_eq(weft_await(weft_spawn(count_up, &count)), 0);
    }
    ck_assert_uint_eq(wf_load_acq(&count), 42);
    ck_assert_int_eq(result, 0);
    return 0;
}

CORE_TEST(closing_twice_gives_the_same_result)
{
    struct weft_scope_block block;
    weft_scope *s = weft_scope_open(&block, NULL);
    ck_assert_ptr_nonnull(s);
    ck_assert_int_eq(weft_scope_spawn(s, core_return, (void *)(intptr_t)-EIO), 0);
    ck_assert_int_eq(weft_scope_close(&block), -EIO);
    ck_assert_int_eq(weft_scope_close(&block), -EIO);
    return 0;
}

/* ---- ways out ---- */

static int leave_by_return(core_flag *count)
{
    WEFT_SCOPE(s) {
        for (int i = 0; i < 5; i++)
            ck_assert_int_eq(weft_scope_spawn(s, count_up, count), 0);
        return 7;
    }
    return 8;
}

CORE_TEST(break_continue_and_return_join_too)
{
    core_flag count = 0;
    int result = 1;
    WEFT_SCOPE(s, .result = &result) {
        ck_assert_int_eq(weft_scope_spawn(s, count_up, &count), 0);
        if (weft_self() != NULL)
            break;
        ck_abort_msg("break went on");
    }
    ck_assert_uint_eq(wf_load_acq(&count), 1);
    ck_assert_int_eq(result, 0);
    result = 1;
    WEFT_SCOPE(s, .result = &result) {
        ck_assert_int_eq(weft_scope_spawn(s, count_up, &count), 0);
        if (weft_self() != NULL)
            continue;
        ck_abort_msg("continue went on");
    }
    ck_assert_uint_eq(wf_load_acq(&count), 2);
    ck_assert_int_eq(result, 0);
    ck_assert_int_eq(leave_by_return(&count), 7);
    ck_assert_uint_eq(wf_load_acq(&count), 7);
    for (int i = 0; i < 3; i++) {
        WEFT_SCOPE(outer)
            WEFT_SCOPE(inner) {
                ck_assert_int_eq(weft_scope_spawn(outer, count_up, &count), 0);
                ck_assert_int_eq(weft_scope_spawn(inner, count_up, &count), 0);
            }
        ck_assert_uint_eq(wf_load_acq(&count), 9 + 2 * (uint32_t)i);
    }
    return 0;
}

/* ---- failures ---- */

CORE_TEST(a_failing_child_cancels_its_siblings_and_the_block)
{
    for (int round = 0; round < 20; round++) {
        int result = 1;
        const char *reason;
        WEFT_SCOPE(s, .result = &result) {
            weft_task *parked = weft_spawn(core_sleep_forever, NULL);
            core_await_parked(parked);
            ck_assert_int_eq(weft_scope_spawn(s, core_sleep_forever, NULL), 0);
            ck_assert_int_eq(weft_scope_spawn(s, core_return, (void *)(intptr_t)-EIO), 0);
            ck_assert_int_eq(weft_sleep(WEFT_SEC(100)), -ECANCELED);
            ck_assert_int_eq(weft_yield(), -ECANCELED);
            ck_assert_int_eq(weft_cancelled(&reason), 1);
            ck_assert_ptr_nonnull(reason);
            ck_assert_int_eq(weft_await(parked), -ECANCELED);
            ck_assert_int_eq(weft_await(weft_spawn(core_sleep_forever, NULL)), -ECANCELED);
        }
        ck_assert_int_eq(result, -EIO);
        ck_assert_int_eq(weft_yield(), 0); /* only the block was cancelled */
        ck_assert_int_eq(weft_cancelled(&reason), 0);
        ck_assert_ptr_null(reason);
    }
    return 0;
}

static intptr_t fail_when_cancelled(void *arg)
{
    (void)weft_sleep(WEFT_NEVER);
    return (intptr_t)arg;
}

CORE_TEST(the_first_failure_is_the_result)
{
    int result = 1;
    WEFT_SCOPE(s, .result = &result) {
        weft_task *t = weft_spawn(fail_when_cancelled, (void *)(intptr_t)-EDOM);
        core_await_parked(t);
        ck_assert_int_eq(weft_scope_spawn(s, core_return, (void *)(intptr_t)-EIO), 0);
    }
    ck_assert_int_eq(result, -EIO);
    return 0;
}

CORE_TEST(keep_siblings_lets_the_others_finish)
{
    core_flag count = 0;
    int result = 1;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_SIBLINGS, .result = &result) {
        ck_assert_int_eq(weft_scope_spawn(s, core_return, (void *)(intptr_t)-EIO), 0);
        for (int i = 0; i < 10; i++)
            ck_assert_int_eq(weft_scope_spawn(s, count_up, &count), 0);
        ck_assert_int_eq(weft_sleep(WEFT_MSEC(1)), 0);
    }
    ck_assert_int_eq(result, -EIO);
    ck_assert_uint_eq(wf_load_acq(&count), 10);
    return 0;
}

CORE_TEST(one_cancelled_child_is_no_failure_of_the_scope)
{
    core_flag count = 0;
    int result = 1;
    WEFT_SCOPE(s, .result = &result) {
        weft_task *t = weft_spawn(core_sleep_forever, NULL);
        ck_assert_int_eq(weft_cancel(t, "only this one"), 0);
        ck_assert_int_eq(weft_await(t), -ECANCELED);
        ck_assert_int_eq(weft_scope_spawn(s, count_up, &count), 0);
        ck_assert_int_eq(weft_yield(), 0);
    }
    ck_assert_int_eq(result, 0);
    ck_assert_uint_eq(wf_load_acq(&count), 1);
    return 0;
}

static intptr_t fail_in_place(void *arg)
{
    (void)arg;
    return -EIO;
}

CORE_TEST(the_failure_of_an_awaited_child_is_the_scopes_too)
{
    int result = 1;
    WEFT_SCOPE(s, .result = &result) {
        ck_assert_int_eq(weft_scope_spawn(s, core_sleep_forever, NULL), 0);
        ck_assert_int_eq(weft_await(weft_spawn(fail_in_place, NULL)), -EIO);
        ck_assert_int_eq(weft_yield(), -ECANCELED);
    }
    ck_assert_int_eq(result, -EIO);
    return 0;
}

static intptr_t stuck_in_inner_scope(void *arg)
{
    int result = 1;
    WEFT_SCOPE(s, .result = &result) {
        ck_assert_int_eq(weft_scope_spawn(s, core_sleep_forever, NULL), 0);
        wf_store_rel((core_flag *)arg, 1);
        ck_assert_int_eq(weft_sleep(WEFT_NEVER), -ECANCELED);
    }
    ck_assert_int_eq(result, -ECANCELED);
    return result;
}

CORE_TEST(a_failure_goes_down_into_scopes_of_children)
{
    core_flag inside = 0;
    int result = 1;
    WEFT_SCOPE(s, .result = &result) {
        ck_assert_int_eq(weft_scope_spawn(s, stuck_in_inner_scope, &inside), 0);
        core_await_flag(&inside, 1);
        ck_assert_int_eq(weft_scope_spawn(s, core_return, (void *)(intptr_t)-EIO), 0);
    }
    ck_assert_int_eq(result, -EIO);
    return 0;
}

/* ---- stops and cancels ---- */

static intptr_t stop_it(void *arg)
{
    return weft_scope_stop(arg);
}

CORE_TEST(a_scope_that_is_stopped_gives_success)
{
    int result = 1;
    WEFT_SCOPE(s, .result = &result) {
        ck_assert_int_eq(weft_scope_spawn(s, core_sleep_forever, NULL), 0);
        ck_assert_int_eq(weft_scope_stop(s), 0);
        ck_assert_int_eq(weft_yield(), -ECANCELED);
        ck_assert_int_eq(weft_scope_stop(s), 0);
    }
    ck_assert_int_eq(result, 0);
    ck_assert_int_eq(weft_yield(), 0);
    result = 1;
    WEFT_SCOPE(s, .result = &result) { /* by a child */
        ck_assert_int_eq(weft_scope_spawn(s, stop_it, s), 0);
        ck_assert_int_eq(weft_sleep(WEFT_NEVER), -ECANCELED);
    }
    ck_assert_int_eq(result, 0);
    result = 1;
    WEFT_SCOPE(s, .result = &result) { /* by a plain thread */
        ck_assert_int_eq(weft_scope_spawn(s, core_sleep_forever, NULL), 0);
        ck_assert_int_eq(core_on_thread(stop_it, s), 0);
    }
    ck_assert_int_eq(result, 0);
    return 0;
}

CORE_TEST(failures_after_a_stop_do_not_count_but_those_before_do)
{
    int result = 1;
    WEFT_SCOPE(s, .result = &result) {
        weft_task *t = weft_spawn(fail_when_cancelled, (void *)(intptr_t)-EDOM);
        core_await_parked(t);
        ck_assert_int_eq(weft_scope_stop(s), 0);
    }
    ck_assert_int_eq(result, 0);
    WEFT_SCOPE(s, .result = &result) {
        ck_assert_int_eq(weft_await(weft_spawn(fail_in_place, NULL)), -EIO);
        ck_assert_int_eq(weft_scope_stop(s), 0);
    }
    ck_assert_int_eq(result, -EIO);
    return 0;
}

CORE_TEST(tasks_spawned_into_a_cancelled_scope_do_not_run)
{
    core_flag count = 0;
    int result = 1;
    WEFT_SCOPE(s, .result = &result) {
        ck_assert_int_eq(weft_scope_stop(s), 0);
        ck_assert_int_eq(weft_scope_spawn(s, count_up, &count), 0);
        ck_assert_int_eq(weft_await(weft_spawn(count_up, &count)), -ECANCELED);
    }
    ck_assert_int_eq(result, 0);
    ck_assert_uint_eq(wf_load_acq(&count), 0);
    return 0;
}

static intptr_t own_a_scope(void *arg)
{
    int result = 1;
    WEFT_SCOPE(s, .result = &result) {
        ck_assert_int_eq(weft_scope_spawn(s, core_stuck_body, arg), 0);
        ck_assert_int_eq(weft_scope_spawn(s, core_sleep_forever, NULL), 0);
    }
    return result;
}

CORE_TEST(the_cancel_of_the_owner_reaches_the_children_and_they_are_joined)
{
    for (int i = 0; i < 30; i++) {
        struct core_stuck s;
        core_stuck_init(&s, 0);
        weft_task *t = weft_spawn(own_a_scope, &s);
        core_await_flag(&s.started, 1);
        core_await_parked(s.self);
        ck_assert_int_eq(weft_cancel(t, "test"), 0);
        ck_assert_int_eq(weft_await(t), -ECANCELED);
        core_stuck_fini(&s);
    }
    return 0;
}

CORE_TEST(a_block_deadline_around_a_scope_ends_its_children)
{
    struct core_stuck s;
    int rc, result = 1;
    core_stuck_init(&s, 0);
    WEFT_TIMEOUT(rc, WEFT_MSEC(5)) {
        WEFT_SCOPE(scope, .result = &result)
            ck_assert_int_eq(weft_scope_spawn(scope, core_stuck_body, &s), 0);
    }
    ck_assert_int_eq(rc, -ETIMEDOUT);
    ck_assert_int_eq(result, -ECANCELED);
    WEFT_SCOPE(scope, .result = &result) {
        WEFT_TIMEOUT(rc, WEFT_MSEC(5)) /* inside: it ends only the block's own waits */
            ck_assert_int_eq(weft_sleep(WEFT_NEVER), -ECANCELED);
        ck_assert_int_eq(rc, -ETIMEDOUT);
        ck_assert_int_eq(weft_yield(), 0);
    }
    ck_assert_int_eq(result, 0);
    core_stuck_fini(&s);
    return 0;
}

/* ---- limits, descendants ---- */

struct crowd {
    core_flag now, most;
};

static intptr_t join_crowd(void *arg)
{
    struct crowd *c = arg;
    uint32_t now = wf_add_sc(&c->now, 1) + 1;
    uint32_t most = wf_load_sc(&c->most);
    while (now > most && !wf_cas_sc(&c->most, &most, now))
        ;
    int rc = weft_sleep(WEFT_USEC(50));
    (void)wf_sub_sc(&c->now, 1);
    return rc;
}

CORE_TEST(a_limit_makes_spawns_wait_for_room)
{
    struct crowd c = {0, 0};
    int result = 1;
    WEFT_SCOPE(s, .limit = 3, .result = &result) {
        for (int i = 0; i < 40; i++)
            ck_assert_int_eq(weft_scope_spawn(s, join_crowd, &c), 0);
    }
    ck_assert_int_eq(result, 0);
    ck_assert_uint_le(wf_load_acq(&c.most), 3);
    ck_assert_uint_ge(wf_load_acq(&c.most), 1);
    return 0;
}

static intptr_t wait_for_room(void *arg)
{
    int result = 1, rc = 0;
    WEFT_SCOPE(s, .limit = 1, .result = &result) {
        ck_assert_int_eq(weft_scope_spawn(s, core_stuck_body, arg), 0);
        rc = weft_scope_spawn(s, core_return, NULL);
        ck_assert_int_eq(rc, -ECANCELED);
        ck_assert_ptr_null(weft_spawn(core_return, NULL));
    }
    ck_assert_int_eq(result, -ECANCELED);
    return rc;
}

CORE_TEST(a_spawn_that_waits_for_room_can_be_cancelled_and_timed_out)
{
    struct core_stuck s;
    int rc, result = 1;
    core_stuck_init(&s, 0);
    weft_task *t = weft_spawn(wait_for_room, &s);
    core_await_parked(t);
    ck_assert_int_eq(weft_cancel(t, "test"), 0);
    ck_assert_int_eq(weft_await(t), -ECANCELED);
    WEFT_SCOPE(scope, .limit = 1, .result = &result) {
        ck_assert_int_eq(weft_scope_spawn(scope, core_stuck_body, &s), 0);
        WEFT_TIMEOUT(rc, WEFT_MSEC(3))
            ck_assert_int_eq(weft_scope_spawn(scope, core_return, NULL), -ECANCELED);
        ck_assert_int_eq(rc, -ETIMEDOUT);
        ck_assert_int_eq(weft_chan_send(s.chan, NULL), 0);
        ck_assert_int_eq(weft_scope_spawn(scope, core_return, NULL), 0);
    }
    ck_assert_int_eq(result, 0);
    core_stuck_fini(&s);
    return 0;
}

CORE_TEST(a_failure_wakes_a_spawn_that_waits_for_room)
{
    struct core_stuck s;
    int result = 1;
    core_stuck_init(&s, -EIO);
    WEFT_SCOPE(scope, .limit = 2, .result = &result) {
        ck_assert_int_eq(weft_scope_spawn(scope, core_stuck_body, &s), 0);
        core_await_flag(&s.started, 1);
        core_await_parked(s.self);
        ck_assert_int_eq(weft_scope_spawn(scope, core_sleep_forever, NULL), 0);
        ck_assert_int_eq(weft_chan_close(s.chan), 0);
        int rc = weft_scope_spawn(scope, core_return, NULL); /* room, or cancelled */
        ck_assert(rc == 0 || rc == -ECANCELED);
    }
    ck_assert_int_eq(result, -EIO);
    core_stuck_fini(&s);
    return 0;
}

struct tree {
    core_flag count;
    weft_scope *scope;
};

struct branch {
    struct tree *tree;
    int depth;
};

static intptr_t grow(void *arg)
{
    struct branch b = *(struct branch *)arg;
    wf_add_rlx(&b.tree->count, 1);
    if (b.depth-- == 0)
        return 0;
    struct weft_spawn_options o = {.size = sizeof(o), .copy_size = sizeof(b), .detached = 1};
    ck_assert_ptr_nonnull(weft_spawn_with(&o, grow, &b)); /* the scope is inherited */
    o.scope = b.tree->scope;
    ck_assert_ptr_nonnull(weft_spawn_with(&o, grow, &b));
    return 0;
}

CORE_TEST(descendants_belong_to_the_scope_even_when_it_is_full)
{
    for (unsigned limit = 0; limit < 3; limit++) {
        struct tree tree = {0, NULL};
        int result = 1;
        WEFT_SCOPE(s, .limit = limit, .result = &result) {
            struct branch b = {&tree, 7};
            struct weft_spawn_options o = {
                .size = sizeof(o), .copy_size = sizeof(b), .detached = 1};
            tree.scope = s;
            ck_assert_ptr_nonnull(weft_spawn_with(&o, grow, &b));
        }
        ck_assert_int_eq(result, 0);
        ck_assert_uint_eq(wf_load_acq(&tree.count), 255);
    }
    return 0;
}

CORE_TEST(a_task_can_be_spawned_into_an_outer_scope)
{
    core_flag count = 0;
    WEFT_SCOPE(outer) {
        WEFT_SCOPE(inner) {
            struct weft_spawn_options o = {.size = sizeof(o), .scope = outer, .detached = 1};
            ck_assert_ptr_nonnull(weft_spawn_with(&o, count_up, &count));
            ck_assert_int_eq(weft_scope_stop(inner), 0); /* not the outer one's task */
        }
        ck_assert_int_eq(weft_yield(), 0);
    }
    ck_assert_uint_eq(wf_load_acq(&count), 1);
    return 0;
}
