/* SPDX-License-Identifier: Apache-2.0 */
/* engine.h - the model checker: runs small concurrent programs through all their interleavings
 *
 * A case has 1 to 4 threads. They run as coroutines in one OS thread; each operation of
 * runtime/base/atomic.h on a word that two threads use is a scheduling point, and what a load may
 * return follows one of four memory models:
 *
 *   sc   every store is visible at once
 *   tso  one FIFO store buffer per thread (x86)
 *   pso  stores to different words leave the buffer in any order; a release store leaves last
 *   ra   C11's view of release and acquire: a load may return any old value that no happens-before
 *        edge has made invisible
 *
 * The search is depth-first over all choices, with at most `preemptions` switches away from a
 * thread that could go on and at most `delays` loads or flushes that miss a newer value. In every
 * model happens-before is tracked too: two unordered accesses to a wm_data cell are an error.
 */
#ifndef WF_MODEL_ENGINE_H
#define WF_MODEL_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/atomic.h"

#define WM_THREADS 4

enum wm_model { WM_SC, WM_TSO, WM_PSO, WM_RA, WM_MODELS };

#define WM_IN(model) (1u << (model))
#define WM_IN_ALL    (WM_IN(WM_SC) | WM_IN(WM_TSO) | WM_IN(WM_PSO) | WM_IN(WM_RA))

struct wm_case {
    const char *name;
    int threads;
    void (*setup)(void);                /* before the threads, alone */
    void (*run)(int thread);            /* 0 .. threads - 1 */
    void (*check)(void);                /* after all threads returned, alone; may be NULL */
    void (*after)(enum wm_model model); /* once the search of one model ended; may be NULL */
    int preemptions[WM_MODELS]; /* 0: the default of 3; a smaller bound where 3 is too long */
    int delays;                 /* 0: the default of 2 */
    unsigned must_fail;         /* WM_IN(...) of the models in which a failure must be found */
    unsigned skip;              /* WM_IN(...) of the models that are not searched */
};

/* Every program of tests/model: parses options, runs the cases, prints one line for each. */
int wm_main(int argc, char **argv, const struct wm_case *cases, size_t count);

/* In a thread: ends this execution as a failure, with the schedule that led to it. */
#define wm_assert(cond) \
    ((cond) ? (void)0 : wm_fail("%s:%d: assertion failed: %s", __FILE__, __LINE__, #cond))
_Noreturn void wm_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

int wm_self(void); /* the running thread; -1 in setup and check */
unsigned wm_choice(unsigned count, const char *what); /* all of 0 .. count - 1 are tried */

/* Plain data that a protocol hands from thread to thread: unordered accesses are an error. */
struct wm_data {
    uint64_t value;
    uint32_t run;
    int writer;
    uint32_t written;
    uint32_t read[WM_THREADS];
};
void wm_data_write(struct wm_data *cell, uint64_t value);
uint64_t wm_data_read(struct wm_data *cell);

/* What the kernel or a lock provides. Lock and semaphore order what came before like the real ones,
 * but a store before wm_unlock or wm_post may still be in the store buffer of its thread. */
struct wm_mutex {
    uint32_t run;
    int owner; /* thread + 1 */
    int order;
};
void wm_lock(struct wm_mutex *m);
bool wm_trylock(struct wm_mutex *m);
void wm_unlock(struct wm_mutex *m);

struct wm_sem {
    uint32_t run;
    unsigned count;
    int order;
};
void wm_post(struct wm_sem *s);
void wm_wait(struct wm_sem *s); /* blocks until a post is there; a wait without end is a deadlock */
bool wm_trywait(struct wm_sem *s);
unsigned wm_posts(const struct wm_sem *s);

#endif /* WF_MODEL_ENGINE_H */
