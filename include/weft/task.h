/* SPDX-License-Identifier: Apache-2.0 */
/* task.h - the runtime, tasks, awaiting, gathering, cancelling */
#ifndef WEFT_TASK_H
#define WEFT_TASK_H

#include <weft/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_scope weft_scope;

/* Options of weft_run. Zero means default everywhere; set .size = sizeof(struct weft_options). */
struct weft_options {
    size_t size;
    unsigned workers;       /* worker threads; 0: all usable CPUs (affinity mask, cgroup quota) */
    size_t stack_size;      /* bytes of stack of a task, guard not counted; 0: 64 KiB */
    unsigned pin_workers;   /* 1: bind worker i to the i-th usable CPU */
    int spin_us;            /* how long an idle worker spins before it sleeps; 0: adaptive up to
                               50 us, -1: never */
    unsigned ring_entries;  /* submission queue entries of each worker's ring; 0: 1024 */
    size_t buffer_size;     /* bytes of one leased receive buffer; 0: 16 KiB */
    unsigned buffers;       /* leased receive buffers per worker at most; 0: 1024 */
    int trace_level;        /* 0: library default (1) or WEFT_TRACE; 1..3: that level; -1: off */
    size_t trace_ring_size; /* bytes of event ring per worker, a power of two; 0: 1 MiB */
    weft_ns shutdown_grace; /* from the soft to the hard phase of a shutdown; 0: 10 s */
    unsigned quiet;         /* 1: no start line (WEFT_LOG=info shows it), no log of unobserved
                               failures and of a failed start */
    const char *driver;     /* "auto", "uring"; NULL: WEFT_DRIVER, else "auto" */
};

/**
 * weft_run - start the runtime, run one task and everything it spawned, stop the runtime
 * @fn: body of the main task
 * @arg: passed to @fn, borrowed until the return
 * @options: NULL for defaults
 *
 * The calling thread becomes worker 0. Tasks still running when @fn returns are cancelled and
 * joined before weft_run returns, so nothing of the run is left: threads, descriptors, memory.
 *
 * Return: what @fn returned; or, when the runtime cannot start, -ENOMEM, -EINVAL (bad options),
 * -EBUSY (a runtime is already running in this process), -EPERM/-ENOSYS (io_uring is not
 * available: the reason and what to do is on standard error and in weft_driver_reason()).
 * Context: a plain thread, not a task (-EBUSY). Blocks until the run is over.
 * Since: 0.1. Idea: asyncio.run
 */
WEFT_API intptr_t weft_run(weft_fn fn, void *arg, const struct weft_options *options);

/**
 * weft_spawn - start a task
 * @fn: body of the task
 * @arg: passed to @fn; must stay valid until @fn has read it (weft_spawn_with can copy it)
 *
 * The task is a child of the innermost open scope of the caller (the run itself if there is none)
 * and runs on any worker. Its handle must be given to weft_await, weft_gather or weft_detach once.
 *
 * Return: the handle; NULL when out of memory, outside a task, or when the innermost scope is
 * closed (the reason is the result of weft_await(NULL), see there).
 * Context: tasks. Suspends only in a scope with a .limit that is reached.
 * Since: 0.1. Idea: asyncio.create_task
 */
WEFT_API weft_task *weft_spawn(weft_fn fn, void *arg);

/* Options of weft_spawn_with; set .size = sizeof(struct weft_spawn_options). */
struct weft_spawn_options {
    size_t size;
    const char *name;   /* constant string, shown in dumps and messages; NULL: none */
    weft_scope *scope;  /* NULL: the innermost open scope of the caller */
    size_t stack_size;  /* bytes; 0: the runtime's default; rounded up to a stack class */
    size_t copy_size;   /* > 0: so many bytes at arg are copied in and fn gets the copy; <= 1024 */
    unsigned pinned;    /* 1: the task never leaves the worker that first runs it */
    unsigned detached;  /* 1: there will be no await; the result is thrown away (failures are
                           logged), the returned pointer only tells success */
    unsigned soft_stop; /* 1: a background loop, ended by the soft phase of a shutdown */
};

/**
 * weft_spawn_with - start a task with options
 * @options: see struct weft_spawn_options; read before the return
 * @fn: body of the task
 * @arg: passed to @fn, or copied when options->copy_size is set
 *
 * Return: as weft_spawn; NULL also for copy_size > 1024 or a stack_size above 8 MiB.
 * Context: tasks. Suspends only in a scope with a .limit that is reached.
 * Since: 0.1
 */
WEFT_API weft_task *weft_spawn_with(const struct weft_spawn_options *options, weft_fn fn,
                                    void *arg);

/**
 * weft_await - wait for a task and take its result
 * @task: handle from weft_spawn; consumed. NULL is accepted, so that calls nest
 *
 * A task that nobody has started yet runs right here on the caller's stack. When the caller is
 * cancelled, or its block deadline passes, the cancel is handed on to @task and weft_await returns
 * when @task has ended: its result if it is a value, else its failure.
 *
 * Return: the task's result; -ENOMEM for NULL; -EPERM outside a task; -EDEADLK for the caller's
 * own handle.
 * Context: tasks. Suspends; a cancellation point.
 * Since: 0.1. Idea: asyncio await
 */
WEFT_API intptr_t weft_await(weft_task *task);

/**
 * weft_gather - wait for several tasks; the first failure cancels and joins the rest
 * @tasks: n handles, all consumed; a NULL counts as a task that failed with -ENOMEM
 * @n: number of tasks
 * @results: room for n results in the order of @tasks, or NULL
 *
 * Return: 0 when all gave a value, else the first failure (in time) of a task.
 * Context: tasks. Suspends; a cancellation point.
 * Since: 0.1. Idea: asyncio.gather
 */
WEFT_API int weft_gather(weft_task *const tasks[], size_t n, intptr_t results[]);

/**
 * weft_gather_settled - wait until several tasks have all ended, failed or not
 * @tasks: n handles, all consumed; a NULL gives the result -ENOMEM
 * @n: number of tasks
 * @results: room for n results in the order of @tasks, or NULL
 *
 * Return: the number of tasks that failed; -ECANCELED when the caller was cancelled (the tasks were
 * then cancelled and joined); -EPERM outside a task.
 * Context: tasks. Suspends; a cancellation point.
 * Since: 0.1. Idea: asyncio.gather(return_exceptions=True)
 */
WEFT_API int weft_gather_settled(weft_task *const tasks[], size_t n, intptr_t results[]);

/**
 * weft_wait_for - run a function with a time limit
 * @fn: body; called in the calling task, inside of a block with a deadline
 * @arg: passed to @fn, borrowed until the return
 * @timeout: limit in ns; <= 0 expires at the first suspension of @fn
 *
 * On expiry the suspending calls of @fn fail with -ECANCELED, so it comes to its end. A value that
 * it returns all the same wins.
 *
 * Return: the result of @fn; -ETIMEDOUT when the limit ended it; -EINVAL for NULL; -EPERM outside a
 * task.
 * Context: tasks. Suspends; a cancellation point.
 * Since: 0.1. Idea: asyncio.wait_for
 */
WEFT_API intptr_t weft_wait_for(weft_fn fn, void *arg, weft_ns timeout);

/**
 * weft_cancel - ask a task to end
 * @task: a handle that has not been consumed
 * @reason: constant string shown in dumps, or NULL
 *
 * From now on each suspension of the task fails with -ECANCELED, also one it is in. Operations in
 * flight are taken back first; one that has already done its work returns its result. A task that
 * has not started ends with -ECANCELED without running. A second cancel changes nothing.
 *
 * Return: 0, also when the task has already ended; -EINVAL for NULL.
 * Context: any thread while the run lasts; never suspends, not a cancellation point.
 * Since: 0.1. Idea: asyncio.Task.cancel, made level-triggered as in trio
 */
WEFT_API int weft_cancel(weft_task *task, const char *reason);

/**
 * weft_detach - give up the handle of a task
 * @task: handle; consumed. NULL is accepted
 *
 * The task goes on; its scope still joins it. A failure will be logged.
 *
 * Return: 0; -EINVAL for NULL.
 * Context: any thread while the run lasts; never suspends.
 * Since: 0.1
 */
WEFT_API int weft_detach(weft_task *task);

/**
 * weft_yield - let other runnable tasks run
 *
 * Return: 0; -ECANCELED when the caller is cancelled; -EPERM outside a task.
 * Context: tasks. Suspends; a cancellation point.
 * Since: 0.1. Idea: asyncio.sleep(0)
 */
WEFT_API int weft_yield(void);

/**
 * weft_cancelled - is the calling task cancelled, and why
 * @reason: if not NULL, set to a constant string ("deadline", "scope failed", ...) or NULL
 *
 * Return: 1 when the next suspension would fail with -ECANCELED, else 0.
 * Context: tasks (0 elsewhere); never suspends.
 * Since: 0.1. Idea: trio's CancelScope.cancel_called
 */
WEFT_API int weft_cancelled(const char **reason);

/**
 * weft_shutdown - begin the two-phase shutdown of the run
 *
 * Soft: accept loops, idle keep-alive connections and soft_stop tasks end. After
 * options.shutdown_grace everything else is cancelled. A second call goes to the hard phase at
 * once.
 *
 * Return: 0; -EPERM when no runtime is running.
 * Context: any thread; signal handlers too. Never suspends.
 * Since: 0.1
 */
WEFT_API int weft_shutdown(void);

/**
 * weft_self - the calling task, for names and comparisons; not a handle to await
 *
 * Return: the task, NULL outside a task.
 * Context: anywhere; never suspends.
 * Since: 0.1. Idea: asyncio.current_task
 */
WEFT_API weft_task *weft_self(void);

/**
 * weft_name - name the calling task for dumps and messages
 * @name: constant string
 *
 * Return: 0; -EPERM outside a task.
 * Context: tasks; never suspends.
 * Since: 0.1
 */
WEFT_API int weft_name(const char *name);

/**
 * weft_driver_reason - which event driver is in use, with which features, or why none could start
 *
 * Return: one line of text; valid until the next weft_run.
 * Context: any thread; never suspends.
 * Since: 0.1
 */
WEFT_API const char *weft_driver_reason(void);

#ifdef __cplusplus
}
#endif
#endif
