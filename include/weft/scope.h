/* SPDX-License-Identifier: Apache-2.0 */
/* scope.h - blocks that join the tasks spawned in them */
#ifndef WEFT_SCOPE_H
#define WEFT_SCOPE_H

#include <weft/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a failing child does to its scope. */
enum weft_on_error {
    WEFT_CANCEL_SIBLINGS = 0, /* cancel the block and the other children (TaskGroup) */
    WEFT_KEEP_SIBLINGS = 1,   /* let them finish; the first failure is the scope's result */
};

/* Options of a scope; set .size (WEFT_SCOPE does). Zero means default. */
struct weft_scope_options {
    size_t size;
    const char *name;           /* constant string for dumps */
    unsigned limit;             /* live children at most; the owner's spawns wait for room, those of
                                   children do not (they would wait for themselves); 0: no limit */
    enum weft_on_error on_error;
    int *result;                /* where leaving the scope stores its result, or NULL */
};

/* State of one scope, on the stack of the task that opened it. The fields belong to the runtime. */
struct weft_scope_block {
    void *frame[20];
};

/**
 * weft_scope_open - begin a scope (used by WEFT_SCOPE)
 * @block: caller's storage, untouched until the close
 * @options: NULL for defaults; read before the return
 *
 * Tasks that the caller spawns from now on, and tasks they spawn, are children of this scope.
 *
 * Return: the scope, valid until its close; NULL outside a task.
 * Context: tasks; never suspends.
 * Since: 0.1. Idea: trio.open_nursery, asyncio.TaskGroup
 */
WEFT_API weft_scope *weft_scope_open(struct weft_scope_block *block,
                                     const struct weft_scope_options *options);

/**
 * weft_scope_close - join all children and end the scope (used by WEFT_SCOPE)
 * @block: the innermost open scope of the calling task; closing twice gives the same result
 *
 * When the caller is cancelled meanwhile the children are cancelled too, and still joined.
 *
 * Return: 0; the first failure of a child (in time); -ECANCELED when the scope was cancelled from
 * outside. A scope stopped by weft_scope_stop gives 0 unless a child failed before.
 * Context: the task that opened it. Suspends; never returns before the last child has ended.
 * Since: 0.1
 */
WEFT_API int weft_scope_close(struct weft_scope_block *block);

/**
 * weft_scope_stop - cancel what still runs in a scope, as a normal way to end it
 * @scope: an open scope
 *
 * Every child, and the block itself, is cancelled; the scope's result stays 0.
 *
 * Return: 0; -EINVAL for NULL.
 * Context: any thread while the scope is open; never suspends.
 * Since: 0.1. Idea: trio's cancel_scope.cancel() from inside the nursery
 */
WEFT_API int weft_scope_stop(weft_scope *scope);

/**
 * weft_scope_spawn - start a task in a scope without keeping a handle
 * @scope: an open scope; the caller is its owner or one of its children
 * @fn: body of the task; its failure becomes the scope's
 * @arg: passed to @fn; must stay valid until @fn has read it
 *
 * Return: 0; -ENOMEM; -ECANCELED while waiting for room; -EINVAL; -EPERM outside a task.
 * Context: tasks. Suspends only when the scope's .limit is reached; then a cancellation point.
 * Since: 0.1. Idea: asyncio.TaskGroup.create_task, trio's nursery.start_soon
 */
WEFT_API int weft_scope_spawn(weft_scope *scope, weft_fn fn, void *arg);

/* The clean-up of WEFT_SCOPE: closes a scope that was left by `break` or `return`. */
WEFT_API void weft_scope_leave_(struct weft_scope_block *block);

/*
 * WEFT_SCOPE(s, .limit = 64) { ... } - a block that ends after all tasks spawned in it.
 *
 * The options are those of struct weft_scope_options. A child that fails cancels the others and the
 * block. `break`, `continue` and `return` leave the block and join as well.
 */
#define WEFT_SCOPE(...)                                                                            \
    WEFT_SCOPE_WITH_(__VA_ARGS__, .size = sizeof(struct weft_scope_options))

#define WEFT_SCOPE_WITH_(s, ...)                                                                   \
    for (struct weft_scope_block s##_block_ __attribute__((cleanup(weft_scope_leave_))) = {{0}},   \
                                 *s##_once_ = &s##_block_;                                         \
         s##_once_ != NULL; s##_once_ = NULL)                                                      \
        for (weft_scope *s =                                                                       \
                 weft_scope_open(&s##_block_, &(struct weft_scope_options){__VA_ARGS__});          \
             s != NULL; s = ((void)weft_scope_close(&s##_block_), (weft_scope *)NULL))

#ifdef __cplusplus
}
#endif
#endif
