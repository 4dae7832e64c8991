/* SPDX-License-Identifier: Apache-2.0 */
/* engine_state.h - what the parts of the model checker share: engine, weakmem, model_main */
#ifndef WF_MODEL_ENGINE_STATE_H
#define WF_MODEL_ENGINE_STATE_H

#include "tests/model/coro.h"
#include "tests/model/engine.h"

#define WM_SHARED  96    /* words that two threads use */
#define WM_CHOICES 8192  /* choices in one execution */
#define WM_STEPS   20000 /* scheduling points in one execution; more is a livelock */
#define WM_EVENTS  4096  /* the printed tail of a failing schedule */
#define WM_ORDERS  64    /* locks and semaphores used in one execution */

/* What a thread knows: how far each thread's past is ordered before it, and for each shared word
 * the oldest write that it may still read (ra only). */
struct wm_clock {
    uint32_t hb[WM_THREADS];
    uint16_t seen[WM_SHARED];
};

enum wm_thread_state { WM_RUNNABLE, WM_SPINNING, WM_WAITING, WM_FINISHED };

struct wm_thread {
    struct wm_coro coro;
    enum wm_thread_state state;
    bool (*ready)(const void *arg); /* WM_WAITING: may go on when true */
    const void *ready_arg;
    uint64_t writes;     /* by this thread */
    uint64_t noticed;    /* writes by others up to its last access */
    uint64_t settled;    /* all writes when it was last woken because nothing else could run */
    int priority;        /* random mode */
    const void *pending; /* preempted: what it was about to access; NULL: running or anything */
    bool pending_write;
    bool disturbed; /* preempted: another thread's access conflicts with the pending one */
    struct wm_clock clock;
};

enum wm_choice_kind { WM_CHOOSE_SWITCH, WM_CHOOSE_NEXT, WM_CHOOSE_VALUE, WM_CHOOSE_INPUT };

struct wm_choice {
    uint16_t count;
    uint16_t taken;
};

struct wm_event {
    const char *what;
    const char *file;
    const char *text;
    const char *note;
    uint64_t value;
    uint64_t value2;
    int line;
    int thread;
};

enum wm_outcome { WM_PASSED, WM_FAILED, WM_RESTART, WM_PRUNED };

struct wm_state {
    const struct wm_case *test;
    enum wm_model model;
    bool running; /* threads are running: accesses are modelled */
    bool quiet;   /* a failure is expected: print nothing */
    bool random;  /* choices come from the seed */
    bool prune;   /* leave out executions that are equal to another one */
    int current;  /* running thread, or -1 */
    uint32_t run; /* number of this execution, from 1: state of older ones is void */
    int preempted, preemptions_max;
    int delayed, delays_max;
    uint64_t rng;
    int changes[8]; /* random mode: the steps at which the running thread loses its priority */
    unsigned steps;
    unsigned steps_usual; /* random mode: length of an execution without preemption */
    uint64_t writes;      /* by all threads */
    struct wm_thread threads[WM_THREADS];
    struct wm_coro main;
    enum wm_outcome outcome;
    char message[512];

    struct wm_choice choices[WM_CHOICES];
    int depth;  /* choices made in this execution */
    int prefix; /* choices to repeat before new ones are made */

    struct wm_event events[WM_EVENTS];
    unsigned event_count;
    uint64_t steps_total;
};

extern struct wm_state wm;

/* engine.c */
unsigned wm_choose(unsigned count, enum wm_choice_kind kind);
/* The running thread is about to access `object`, which others can notice; `pinned`: also something
 * else happens, so the access cannot be moved. */
void wm_point(const void *object, bool write, bool pinned);
void wm_touch(int thread, const void *object, bool write); /* an access has been made */
void wm_block(enum wm_thread_state state, bool (*ready)(const void *), const void *arg);
_Noreturn void wm_restart(void); /* a word turned out to be shared: the search starts again */
struct wm_event *wm_event(const char *what, WF_MODEL_SITE);
enum wm_outcome wm_execute(void);
void wm_search_begin(const struct wm_case *test, enum wm_model model);

/* weakmem.c */
void wm_memory_forget(void); /* before the search of a case: no word is known to be shared */
void wm_memory_begin(void);  /* before each execution */
bool wm_memory_settle(void); /* every store becomes visible; true when one was not */
void wm_memory_drain(int thread);
void wm_clock_join(struct wm_clock *to, const struct wm_clock *from);
int wm_order_new(void);           /* an edge carrier for a lock or semaphore */
void wm_order_release(int order); /* by the running thread */
void wm_order_acquire(int order);

/* model_main.c */
void wm_report(void);

#endif /* WF_MODEL_ENGINE_STATE_H */
