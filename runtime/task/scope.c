/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scope.c - scopes: the list of children, failures, limits, the join
 *
 * A scope stands in its owner's frame. Its lock orders everything: a child enters before it is
 * queued and is finished (task_state.h) under the lock; ended children whose handle is not consumed
 * stay in the list until the await, the detach or the close. The owner never returns from the close
 * before it has held the lock after the last unlock of a child, so a child's unlock is always its
 * last touch. Waits hand the lock over the switch: it is released when the waiter may be woken.
 *
 * A failure cancels first and is counted off last (`live`), so the scope outlives its own cancel.
 * Lock order: cancel lock -> scope lock.
 */
#include <string.h>

#include "runtime/base/assert.h"
#include "runtime/task/task.h"

struct wf_scope_wait {
    struct wf_scope_wait *next;
    uint64_t ticket;
    bool granted; /* lock: scope */
};

struct wf_scope *wf_scope_of(const struct wf_task *t)
{
    for (struct wf_frame *f = t->frames; f != NULL; f = f->outer)
        if (f->kind == WF_FRAME_SCOPE)
            return (struct wf_scope *)(void *)f;
    return t->desc.scope;
}

static void link_locked(struct wf_scope *scope, struct wf_task *t)
{
    t->prev = NULL;
    t->next = scope->children;
    if (t->next != NULL)
        t->next->prev = t;
    scope->children = t;
    wf_or_rlx(&t->flags, WF_TASK_LISTED);
}

static void unlink_locked(struct wf_scope *scope, struct wf_task *t)
{
    if (t->prev != NULL)
        t->prev->next = t->next;
    else
        scope->children = t->next;
    if (t->next != NULL)
        t->next->prev = t->prev;
    wf_and_rlx(&t->flags, (uint16_t)~WF_TASK_LISTED);
}

/* Waits for room with the lock held; returns with the lock held and the place counted, or
 * -errno. */
static int wait_for_room_locked(struct wf_scope *scope)
{
    struct wf_scope_wait node = {.ticket = wf_park_ticket()};
    struct wf_scope_wait **end = &scope->waiting;
    while (*end != NULL)
        end = &(*end)->next;
    *end = &node;
    struct wf_park park = {.kind = WF_WAIT_SCOPE_LIMIT,
                           .mode = WF_PARK_DIRECT,
                           .obj = scope,
                           .deadline = WEFT_NEVER,
                           .unlock = &scope->lock};
    int rc = (int)wf_park(&park);
    wf_spin_lock(&scope->lock);
    if (node.granted)
        return 0;
    for (struct wf_scope_wait **p = &scope->waiting; *p != NULL; p = &(*p)->next) {
        if (*p == &node) {
            *p = node.next;
            break;
        }
    }
    return rc < 0 ? rc : -ECANCELED;
}

int wf_scope_add(struct wf_scope *scope, struct wf_task *t)
{
    /* A child that waited for room would hold the place it waits for. */
    bool bounded = scope->limit != 0 && wf_self()->desc.scope != scope;
    if (bounded) {
        int rc = wf_suspend_check();
        if (rc < 0)
            return rc;
    }
    wf_spin_lock(&scope->lock);
    if (bounded && scope->live >= scope->limit) {
        int rc = wait_for_room_locked(scope);
        if (rc < 0) {
            wf_spin_unlock(&scope->lock);
            return rc;
        }
    } else {
        scope->live++;
    }
    if (wf_load_acq(&scope->frame.cancelled) != 0) { /* born cancelled */
        wf_store_rlx(&t->cancel, WF_CANCEL_SELF);
        wf_store_rlx(&t->desc.cancel_reason, scope->frame.reason);
    }
    link_locked(scope, t);
    wf_spin_unlock(&scope->lock);
    return 0;
}

void wf_scope_remove(struct wf_scope *scope, struct wf_task *t)
{
    wf_spin_lock(&scope->lock);
    if ((wf_load_rlx(&t->flags) & WF_TASK_LISTED) != 0)
        unlink_locked(scope, t);
    wf_spin_unlock(&scope->lock);
}

static void cancel_scope(struct wf_scope *scope, const char *reason)
{
    wf_cancel_begin();
    wf_cancel_frame_locked(&scope->frame, reason);
    wf_spin_lock(&scope->lock);
    for (struct wf_task *t = scope->children; t != NULL; t = t->next)
        wf_cancel_task_locked(t, reason);
    wf_spin_unlock(&scope->lock);
    wf_cancel_end();
}

/* One child less. Hands its place to a waiting spawner, or wakes the owner; unlocks. */
static void count_off(struct wf_scope *scope)
{
    struct wf_task *spawner = NULL;
    scope->live--;
    while (spawner == NULL && scope->waiting != NULL && scope->live < scope->limit) {
        struct wf_scope_wait *node = scope->waiting;
        scope->waiting = node->next;
        spawner = wf_wake_begin(node->ticket);
        if (spawner != NULL) {
            node->granted = true;
            scope->live++;
        }
    }
    uint64_t joiner = scope->live == 0 ? scope->joiner : 0;
    if (joiner != 0)
        scope->joiner = 0;
    wf_spin_unlock(&scope->lock); /* the last touch */
    if (spawner != NULL)
        wf_wake_end(spawner, WF_WOKEN, false);
    if (joiner != 0)
        (void)wf_wake_soon(joiner, WF_WOKEN);
}

static uint64_t child_ended(struct wf_task *t, intptr_t result, bool in_place)
{
    struct wf_scope *scope = t->desc.scope;
    bool failed = WEFT_FAILED(result) && result != -ECANCELED;
    wf_spin_lock(&scope->lock);
    uint64_t before = in_place ? 0 : wf_ts_finish(&t->state);
    if ((before & WF_TS_HANDLE) == 0)
        unlink_locked(scope, t);
    if (__builtin_expect(failed, 0) && scope->first_error == 0 && !scope->stopped) {
        scope->first_error = (int)result;
        if (!scope->keep_siblings) {
            wf_spin_unlock(&scope->lock);
            cancel_scope(scope, "a sibling failed");
            wf_spin_lock(&scope->lock);
        }
    }
    count_off(scope);
    return before;
}

/* ---- the public calls ---- */

weft_scope *weft_scope_open(struct weft_scope_block *block,
                            const struct weft_scope_options *options)
{
    struct wf_task *t = wf_self();
    struct wf_scope *scope = (struct wf_scope *)(void *)block;
    struct weft_scope_options o = {0};
    if (block == NULL || (options != NULL &&
                          (options->size < sizeof(size_t) || options->size > sizeof o)))
        return NULL;
    memset(block, 0, sizeof *block);
    if (options != NULL)
        memcpy(&o, options, options->size);
    if (o.result != NULL)
        *o.result = t != NULL ? 0 : -EPERM;
    if (t == NULL)
        return NULL;
    scope->name = o.name;
    scope->limit = o.limit;
    scope->keep_siblings = o.on_error == WEFT_KEEP_SIBLINGS;
    scope->result_out = o.result;
    scope->open = 1;
    wf_frame_push(t, &scope->frame, WF_FRAME_SCOPE, WEFT_NEVER);
    return (weft_scope *)scope;
}

/* Joins the children; true when the owner was cancelled meanwhile. Ends having held the lock. */
static bool join_children(struct wf_scope *scope)
{
    struct wf_park park = {.kind = WF_WAIT_SCOPE,
                           .mode = WF_PARK_DIRECT,
                           .obj = scope,
                           .deadline = WEFT_NEVER,
                           .unlock = &scope->lock};
    for (;;) {
        wf_spin_lock(&scope->lock);
        if (scope->live == 0)
            break;
        scope->joiner = wf_park_ticket();
        intptr_t code = wf_park(&park);
        if (code < 0 && park.mode == WF_PARK_DIRECT) {
            park.mode = WF_PARK_FIRM;
            cancel_scope(scope, "scope's owner cancelled");
        }
    }
    scope->joiner = 0;
    wf_spin_unlock(&scope->lock);
    return park.mode == WF_PARK_FIRM;
}

static void reap(struct wf_scope *scope)
{
    struct wf_task *t;
    while ((t = scope->children) != NULL) {
        unlink_locked(scope, t);
        uint64_t before = wf_ts_drop_handle(&t->state);
        if ((before & WF_TS_HANDLE) != 0)
            wf_task_free(wf_worker(), t);
    }
}

int weft_scope_close(struct weft_scope_block *block)
{
    struct wf_scope *scope = (struct wf_scope *)(void *)block;
    struct wf_task *t = wf_self();
    if (block == NULL || t == NULL)
        return -EPERM;
    if (!scope->open || scope->closed)
        return scope->first_error;
    WF_CHECK(scope->frame.task == t && t->frames == &scope->frame);
    bool cut = join_children(scope);
    reap(scope);
    scope->closed = 1;
    wf_frame_pop(t, &scope->frame);
    bool cancelled = wf_load_acq(&scope->frame.cancelled) != 0 && !scope->stopped;
    if (scope->first_error == 0 && (cut || cancelled) && !scope->stopped)
        scope->first_error = -ECANCELED;
    if (scope->result_out != NULL)
        *scope->result_out = scope->first_error;
    return scope->first_error;
}

void weft_scope_leave_(struct weft_scope_block *block)
{
    struct wf_scope *scope = (struct wf_scope *)(void *)block;
    if (scope->open && !scope->closed)
        (void)weft_scope_close(block);
}

int weft_scope_stop(weft_scope *handle)
{
    struct wf_scope *scope = (struct wf_scope *)(void *)handle;
    if (scope == NULL)
        return -EINVAL;
    if (wf_worker() == NULL)
        wf_solo_leave();
    wf_spin_lock(&scope->lock);
    if (wf_load_rlx(&scope->frame.cancelled) == 0)
        scope->stopped = 1;
    wf_spin_unlock(&scope->lock);
    cancel_scope(scope, "scope stopped");
    return 0;
}

int weft_scope_spawn(weft_scope *scope, weft_fn fn, void *arg)
{
    struct weft_spawn_options o = {.size = sizeof o, .scope = scope, .detached = 1};
    if (scope == NULL || fn == NULL)
        return -EINVAL;
    if (wf_self() == NULL)
        return -EPERM;
    if (weft_spawn_with(&o, fn, arg) != NULL)
        return 0;
    return weft_cancelled(NULL) ? -ECANCELED : -ENOMEM;
}

__attribute__((constructor)) static void set_hook(void)
{
    wf_scope_child_ended = child_ended;
}
