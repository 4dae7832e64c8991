/* SPDX-License-Identifier: Apache-2.0 */
/* spawn.c - making tasks */
#include <stdlib.h>
#include <string.h>

#include "runtime/base/assert.h"
#include "runtime/task/task.h"

enum { COPY_SIZE_MAX = 1024 };

static struct wf_task *new_task(struct wf_worker *w, weft_fn fn, void *arg, void *pc)
{
    struct wf_task *t = wf_slab_take(&w->rt->slab, &w->tasks);
    if (t == NULL)
        return NULL;
    struct wf_desc *d = &t->desc;
    struct wf_task *parent = w->task;
    wf_store_rlx(&d->seq, wf_load_rlx(&d->seq) | 1); /* changing: readers keep away */
    d->index = wf_task_index(t);
    d->fn = fn;
    d->arg = arg;
    d->spawn_pc = pc;
    d->name = NULL;
    d->fiber = NULL;
    d->outer = NULL;
    d->scope = NULL;
    d->parent = parent != NULL ? &parent->desc : NULL;
    d->parent_gen = parent != NULL ? parent->desc.gen : 0;
    d->live = 1;
    d->wait_kind = WF_WAIT_YIELD;
    d->switches = 0;
    wf_store_rlx(&d->cancel_reason, NULL);
    t->frames = NULL;
    t->inherited = WEFT_NEVER;
    t->timer.pprev = NULL;
    t->stack_class = w->rt->stack_class;
    t->park_cause = 0;
    wf_store_rlx(&t->flags, 0);
    wf_store_rlx(&t->cancel, 0);
    wf_store_rlx(&t->inner, NULL);
    wf_store_rlx(&t->joiner, 0);
    return t;
}

/* Queues a complete task. */
static void launch(struct wf_worker *w, struct wf_task *t, uint64_t state)
{
    wf_store_rlx(&w->spawned, wf_load_rlx(&w->spawned) + 1);
    wf_trace_spawn(&w->trace, t->desc.index, t->desc.fn);
    if (__builtin_expect(wf_load_rlx(&t->cancel) != 0, 0))
        state |= WF_TS_CANCEL;
    wf_store_rel(&t->desc.seq, wf_load_rlx(&t->desc.seq) + 1);
    uint64_t epoch = wf_ts_spawn(&t->state, state);
    wf_push_fresh(w, t, wf_entry_fresh((uint64_t)t->desc.index << WF_TASK_EPOCH_BITS | epoch));
}

weft_task *wf_spawn_first(struct wf_worker *w, weft_fn fn, void *arg)
{
    struct wf_task *t = new_task(w, fn, arg, __builtin_return_address(0));
    if (t == NULL)
        return NULL;
    t->desc.name = "main";
    wf_store_rlx(&t->flags, WF_TASK_SYSTEM);
    launch(w, t, 0);
    return (weft_task *)t;
}

/* Enters the scope, if there is one; on failure the block is given back. */
static bool enter_scope(struct wf_scope *scope, struct wf_task *t)
{
    if (scope == NULL)
        return true;
    t->desc.scope = scope;
    if (wf_scope_add(scope, t) == 0)
        return true;
    struct wf_worker *w = wf_worker();
    wf_slab_give(&w->rt->slab, &w->tasks, t);
    return false;
}

weft_task *weft_spawn(weft_fn fn, void *arg)
{
    struct wf_worker *w = wf_worker();
    if (__builtin_expect(w == NULL || w->task == NULL || fn == NULL, 0))
        return NULL;
    if (__builtin_expect(wf_load_rlx(&w->rt->no_spawn) != 0, 0))
        return NULL;
    struct wf_task *t = new_task(w, fn, arg, __builtin_return_address(0));
    if (__builtin_expect(t == NULL, 0))
        return NULL;
    struct wf_scope *scope = wf_scope_of(w->task);
    if (scope != NULL) {
        if (!enter_scope(scope, t))
            return NULL;
        w = wf_worker();
    }
    launch(w, t, WF_TS_HANDLE);
    return (weft_task *)t;
}

/* A soft_stop task: cancelled by the soft phase. */
struct soft_stop {
    struct wf_shutdown_hook hook;
    struct wf_task *task;
};

static void soft_stop_hook(struct wf_shutdown_hook *hook, int phase)
{
    struct soft_stop *s = (struct soft_stop *)(void *)hook;
    (void)phase;
    wf_cancel_task(s->task, "shutdown");
}

struct soft_call {
    weft_fn fn;
    void *arg;
};

/* The body of a soft_stop task; its argument is a copy. */
static intptr_t soft_stop_body(void *arg)
{
    struct soft_call *call = arg;
    struct soft_stop s = {.hook = {.fn = soft_stop_hook}, .task = wf_self()};
    if (wf_shutdown_subscribe(&s.hook) < 0)
        return -ECANCELED;
    intptr_t result = call->fn(call->arg);
    wf_shutdown_unsubscribe(&s.hook);
    return result;
}

/* Fills what the options say; false: bad options or no memory. */
static bool apply(struct wf_task *t, const struct weft_spawn_options *o, weft_fn fn, void *arg)
{
    uint16_t flags = o->pinned ? WF_TASK_PINNED : 0;
    t->desc.name = o->name;
    if (o->stack_size != 0) {
        int stack_class = wf_stack_class_for(o->stack_size);
        if (stack_class < 0)
            return false;
        t->stack_class = (uint8_t)stack_class;
    }
    if (o->soft_stop || o->copy_size > 0) {
        size_t head = o->soft_stop ? sizeof(struct soft_call) : 0;
        char *copy = malloc(head + o->copy_size);
        if (copy == NULL)
            return false;
        if (o->copy_size > 0)
            memcpy(copy + head, arg, o->copy_size);
        if (o->soft_stop) {
            struct soft_call *call = (struct soft_call *)(void *)copy;
            call->fn = fn;
            call->arg = o->copy_size > 0 ? copy + head : arg;
            t->desc.fn = soft_stop_body;
        }
        t->desc.arg = copy;
        flags |= WF_TASK_ARG_COPY;
    }
    wf_store_rlx(&t->flags, flags);
    return true;
}

weft_task *weft_spawn_with(const struct weft_spawn_options *options, weft_fn fn, void *arg)
{
    struct weft_spawn_options o = {0};
    struct wf_worker *w = wf_worker();
    if (w == NULL || w->task == NULL || fn == NULL)
        return NULL;
    if (options != NULL) {
        if (options->size < sizeof(size_t) || options->size > sizeof o)
            return NULL;
        memcpy(&o, options, options->size);
    }
    if (o.copy_size > COPY_SIZE_MAX || wf_load_rlx(&w->rt->no_spawn) != 0)
        return NULL;
    struct wf_task *t = new_task(w, fn, arg, __builtin_return_address(0));
    if (t == NULL)
        return NULL;
    if (!apply(t, &o, fn, arg)) {
        wf_slab_give(&w->rt->slab, &w->tasks, t);
        return NULL;
    }
    struct wf_scope *scope =
        o.scope != NULL ? (struct wf_scope *)(void *)o.scope : wf_scope_of(w->task);
    void *copy = wf_load_rlx(&t->flags) & WF_TASK_ARG_COPY ? t->desc.arg : NULL;
    if (!enter_scope(scope, t)) {
        free(copy);
        return NULL;
    }
    launch(wf_worker(), t, o.detached ? 0 : WF_TS_HANDLE);
    return (weft_task *)t;
}

int weft_name(const char *name)
{
    struct wf_task *t = wf_self();
    if (t == NULL)
        return -EPERM;
    t->desc.name = name;
    return 0;
}
