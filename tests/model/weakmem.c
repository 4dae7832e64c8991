/* SPDX-License-Identifier: Apache-2.0 */
/* weakmem.c - what the accesses of atomic.h do in each memory model
 *
 * Words. A word that only one thread uses, or that nobody writes while threads run, is accessed
 * directly and is no scheduling point. The table of words outlives an execution; when a word turns
 * out to be shared after all, the search starts again: at its end the assumption held throughout.
 *
 * Memory always holds the newest value. In `ra` each word also has its last writes, each with the
 * clock that an acquire load of it obtains; a thread may read any write that is not older than what
 * its own clock has seen of the word. Writes are ordered as they are executed (no write is put
 * before one that was executed earlier), and no load returns a value that is written later: of the
 * C11 outcomes exactly those that need one of the two are not found (2+2W, load buffering). A
 * sequentially consistent load reads no older write than the last sequentially consistent store.
 *
 * In `tso` and `pso` a store waits in its thread's buffer. When it leaves matters only to another
 * access to the same word, so it is chosen there: before a thread reads or writes a word in memory,
 * buffered stores of other threads to that word may leave first (with all that must leave before).
 * Leaving is the default; each refusal counts against the bound on delays.
 */
#include "tests/model/engine_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS   4096
#define HISTORY 32
#define BUFFER  64

struct write {
    uint64_t value;
    struct wm_clock clock;
};

struct word {
    const void *address;
    unsigned size;
    unsigned users; /* bit per thread, over all executions of the case */
    bool written;
    bool shared;
    uint16_t index; /* in wm_clock.seen */
    uint32_t run;   /* the rest is of this execution */
    int newest;     /* number of the newest write; 0 is the value before the threads started */
    int oldest;     /* older writes cannot be read by anyone */
    int last_sc;
    struct write writes[HISTORY];
};

struct store {
    struct word *word;
    uint64_t value;
    uint64_t number;
    bool release;
    struct wm_clock clock;
};

struct buffer {
    struct store stores[BUFFER];
    unsigned count;
    bool busy; /* a store is just leaving */
};

static struct word *table[WORDS];
static struct word *pool[WORDS];
static unsigned pool_used;
static unsigned shared_count;
static struct buffer buffers[WM_THREADS];
static uint64_t store_number;
static struct wm_clock orders[WM_ORDERS];
static unsigned order_users[WM_ORDERS];
static int order_count;

static bool is_acquire(enum wf_model_order o)
{
    return o == WF_MODEL_ACQ || o == WF_MODEL_ACQREL || o == WF_MODEL_SC;
}

static bool is_release(enum wf_model_order o)
{
    return o == WF_MODEL_REL || o == WF_MODEL_ACQREL || o == WF_MODEL_SC;
}

static uint64_t peek(const void *p, unsigned size)
{
    uint64_t v = 0;

    memcpy(&v, p, size);
    return v;
}

static uint64_t truncated(uint64_t value, unsigned size)
{
    return size == 8 ? value : value & ((1ull << (8 * size)) - 1);
}

static struct wm_clock *my_clock(void)
{
    return &wm.threads[wm.current].clock;
}

void wm_clock_join(struct wm_clock *to, const struct wm_clock *from)
{
    for (int i = 0; i < WM_THREADS; i++) {
        if (to->hb[i] < from->hb[i])
            to->hb[i] = from->hb[i];
    }
    if (wm.model != WM_RA)
        return;
    for (unsigned i = 0; i < shared_count; i++) {
        if (to->seen[i] < from->seen[i])
            to->seen[i] = from->seen[i];
    }
}

static void clock_copy(struct wm_clock *to, const struct wm_clock *from)
{
    memcpy(to->hb, from->hb, sizeof to->hb);
    if (wm.model == WM_RA)
        memcpy(to->seen, from->seen, shared_count * sizeof to->seen[0]);
}

static void clock_clear(struct wm_clock *clock)
{
    memset(clock->hb, 0, sizeof clock->hb);
    if (wm.model == WM_RA)
        memset(clock->seen, 0, shared_count * sizeof clock->seen[0]);
}

/* ---- words ---- */

void wm_memory_forget(void)
{
    memset(table, 0, sizeof table);
    pool_used = 0;
    shared_count = 0;
}

void wm_memory_begin(void)
{
    for (int i = 0; i < WM_THREADS; i++) {
        buffers[i].count = 0;
        buffers[i].busy = false;
    }
    order_count = 0;
    store_number = 0;
}

static struct word *word_find(const void *p, unsigned size)
{
    uintptr_t hash = (uintptr_t)p * 0x9e3779b97f4a7c15ull >> 40;

    for (unsigned i = 0; i < WORDS; i++) {
        struct word **slot = &table[(hash + i) % WORDS];

        if (*slot == NULL) {
            if (pool_used == WORDS / 2)
                wm_fail("more than %d words are used", WORDS / 2);
            if (pool[pool_used] == NULL)
                pool[pool_used] = malloc(sizeof **slot);
            *slot = pool[pool_used++];
            memset(*slot, 0, offsetof(struct word, writes));
            (*slot)->address = p;
            (*slot)->size = size;
        }
        if ((*slot)->address == p)
            return *slot;
    }
    abort();
}

/* The word at p if it is shared, else NULL. */
static struct word *word_touch(const void *p, unsigned size, bool write)
{
    struct word *w = word_find(p, size);

    if (w->size != size)
        wm_fail("word %p is accessed with %u and with %u bytes", p, w->size, size);
    w->users |= 1u << wm.current;
    w->written |= write;
    if (w->shared)
        return w;
    if (w->written && (w->users & (w->users - 1)) != 0) {
        if (shared_count == WM_SHARED)
            wm_fail("more than %d words are shared", WM_SHARED);
        w->shared = true;
        w->index = (uint16_t)shared_count++;
        wm_restart();
    }
    return NULL;
}

static struct write *newest(struct word *w)
{
    return &w->writes[w->newest % HISTORY];
}

/* Brings the word up to this execution, and up to a plain write that initialised it. */
static void word_refresh(struct word *w)
{
    uint64_t value = peek(w->address, w->size);

    if (w->run == wm.run && newest(w)->value == value)
        return;
    w->newest = w->run == wm.run && wm.model == WM_RA ? w->newest + 1 : 0;
    w->oldest = w->newest;
    w->last_sc = w->newest;
    w->run = wm.run;
    newest(w)->value = value;
    clock_clear(&newest(w)->clock);
}

static void note_access(void)
{
    struct wm_thread *t = &wm.threads[wm.current];

    t->noticed = wm.writes - t->writes;
}

static void note_write(int thread)
{
    wm.writes++;
    wm.threads[thread].writes++;
}

/* A scheduling point before an access to w. */
static void point(struct word *w, bool write)
{
    wm_point(w->address, write, buffers[wm.current].count > 0);
    wm_touch(wm.current, w->address, write);
    note_access();
}

/* Puts a value into memory. `clock` is what an acquire load of it obtains. */
static struct write *word_write(struct word *w, uint64_t value)
{
    if (wm.model == WM_RA) {
        w->newest++;
        if (w->newest - w->oldest >= HISTORY)
            w->oldest = w->newest - HISTORY + 1;
    }
    newest(w)->value = value;
    memcpy((void *)(uintptr_t)w->address, &value, w->size);
    return newest(w);
}

/* ---- tso, pso: store buffers ---- */

static void leave_for(struct word *w, int self);

static int buffer_find(const struct buffer *b, const struct word *w, bool last)
{
    int found = -1;

    for (unsigned i = 0; i < b->count; i++) {
        if (b->stores[i].word == w) {
            found = (int)i;
            if (!last)
                break;
        }
    }
    return found;
}

static int buffer_find_number(const struct buffer *b, uint64_t number)
{
    for (unsigned i = 0; i < b->count; i++) {
        if (b->stores[i].number == number)
            return (int)i;
    }
    return -1;
}

static void buffer_pop(int thread, unsigned i)
{
    struct buffer *b = &buffers[thread];
    struct store *s = &b->stores[i];
    struct wm_event *e;

    leave_for(s->word, thread);
    word_refresh(s->word);
    wm_touch(thread, s->word->address, true);
    clock_copy(&word_write(s->word, s->value)->clock, &s->clock);
    note_write(thread);
    e = wm_event("  leaves buffer:", "", 0, "");
    e->thread = thread;
    e->value = s->number;
    e->value2 = s->value;
    b->count--;
    memmove(s, s + 1, (b->count - i) * sizeof *s);
}

/* Lets store i leave, after those that must leave before it. */
static void buffer_leave(int thread, unsigned i)
{
    struct buffer *b = &buffers[thread];
    uint64_t number = b->stores[i].number;
    bool was_busy = b->busy;

    b->busy = true;
    if (wm.model == WM_TSO || b->stores[i].release) {
        while (b->stores[0].number != number)
            buffer_leave(thread, 0);
    } else {
        int first;

        while (first = buffer_find(b, b->stores[buffer_find_number(b, number)].word, false),
               b->stores[first].number != number)
            buffer_leave(thread, (unsigned)first);
    }
    buffer_pop(thread, (unsigned)buffer_find_number(b, number));
    b->busy = was_busy;
}

/* Thread `self` is about to access w in memory: stores of others to w may leave first. */
static void leave_for(struct word *w, int self)
{
    for (;;) {
        int ready[WM_THREADS];
        unsigned n = 0, taken;

        for (int i = 0; i < wm.test->threads; i++) {
            if (i != self && !buffers[i].busy && buffer_find(&buffers[i], w, false) >= 0)
                ready[n++] = i;
        }
        if (n == 0)
            return;
        taken = wm_choose(n + (wm.delayed < wm.delays_max), WM_CHOOSE_VALUE);
        if (taken == n) {
            wm.delayed++;
            return;
        }
        buffer_leave(ready[taken], (unsigned)buffer_find(&buffers[ready[taken]], w, false));
    }
}

void wm_memory_drain(int thread)
{
    while (buffers[thread].count > 0)
        buffer_leave(thread, 0);
}

static void buffer_push(struct word *w, uint64_t value, bool release, struct wm_event *e)
{
    struct buffer *b = &buffers[wm.current];
    struct store *s;

    if (b->count == BUFFER)
        buffer_leave(wm.current, 0);
    s = &b->stores[b->count++];
    s->word = w;
    s->value = value;
    s->number = ++store_number;
    s->release = release;
    clock_clear(&s->clock);
    if (release)
        clock_copy(&s->clock, my_clock());
    e->value2 = s->number;
    e->note = "buffered";
    note_write(wm.current);
}

static bool has_buffers(void)
{
    return wm.model == WM_TSO || wm.model == WM_PSO;
}

bool wm_memory_settle(void)
{
    bool moved = false;

    if (has_buffers()) {
        for (int i = 0; i < wm.test->threads; i++) {
            moved |= buffers[i].count > 0;
            wm_memory_drain(i);
        }
        return moved;
    }
    if (wm.model != WM_RA || !wm.running)
        return false;
    for (unsigned i = 0; i < pool_used; i++) {
        struct word *w = pool[i];

        if (!w->shared || w->run != wm.run)
            continue;
        for (int t = 0; t < wm.test->threads; t++)
            wm.threads[t].clock.seen[w->index] = (uint16_t)w->newest;
    }
    return false;
}

/* ---- accesses ---- */

static const char *const load_names[] = {"load.rlx", "load.acq", "?", "?", "load.sc"};
static const char *const store_names[] = {"store.rlx", "?", "store.rel", "?", "store.sc"};
static const char *const rmw_names[][5] = {
    {"xchg.rlx", "xchg.acq", "xchg.rel", "xchg.acqrel", "xchg.sc"},
    {"add.rlx", "add.acq", "add.rel", "add.acqrel", "add.sc"},
    {"sub.rlx", "sub.acq", "sub.rel", "sub.acqrel", "sub.sc"},
    {"or.rlx", "or.acq", "or.rel", "or.acqrel", "or.sc"},
    {"and.rlx", "and.acq", "and.rel", "and.acqrel", "and.sc"},
};
static const char *const cas_names[] = {"cas.rlx", "cas.acq", "cas.rel", "cas.acqrel", "cas.sc"};

/* ra: the oldest write to w that the running thread may still read. */
static int oldest_readable(const struct word *w, bool sc)
{
    int oldest = my_clock()->seen[w->index];

    if (oldest < w->oldest)
        oldest = w->oldest;
    if (sc && oldest < w->last_sc)
        oldest = w->last_sc;
    return oldest;
}

static uint64_t read_write(struct word *w, int number, bool acquire, struct wm_event *e)
{
    struct write *from = &w->writes[number % HISTORY];

    if (number != w->newest) {
        wm.delayed++;
        e->note = "stale";
        e->value2 = newest(w)->value;
    }
    if (wm.model == WM_RA)
        my_clock()->seen[w->index] = (uint16_t)number;
    if (acquire)
        wm_clock_join(my_clock(), &from->clock);
    e->value = from->value;
    return from->value;
}

uint64_t wf_model_load(const void *p, unsigned size, enum wf_model_order order, WF_MODEL_SITE)
{
    struct word *w;
    struct wm_event *e;

    if (!wm.running)
        return peek(p, size);
    if ((w = word_touch(p, size, false)) == NULL) {
        note_access(); /* a spinning thread has looked at what is not known to be shared */
        return peek(p, size);
    }
    point(w, false);
    if (has_buffers()) {
        int own = buffer_find(&buffers[wm.current], w, true);

        if (own < 0)
            leave_for(w, wm.current);
        e = wm_event(load_names[order], file, line, text);
        if (own >= 0) {
            e->note = "own buffer";
            return e->value = buffers[wm.current].stores[own].value;
        }
        word_refresh(w);
        return read_write(w, w->newest, is_acquire(order), e);
    }
    word_refresh(w);
    e = wm_event(load_names[order], file, line, text);
    if (wm.model == WM_RA && wm.delayed < wm.delays_max) {
        int oldest = oldest_readable(w, order == WF_MODEL_SC);
        int age = (int)wm_choose((unsigned)(w->newest - oldest + 1), WM_CHOOSE_VALUE);

        return read_write(w, w->newest - age, is_acquire(order), e);
    }
    return read_write(w, w->newest, is_acquire(order), e);
}

/* The clock that a write hands on: of the whole past for a release, else of this write alone. */
static void publish(struct word *w, struct write *to, bool release, bool keep)
{
    struct wm_clock *mine = my_clock();

    if (wm.model == WM_RA)
        mine->seen[w->index] = (uint16_t)w->newest;
    if (!keep)
        clock_clear(&to->clock);
    if (release) {
        wm_clock_join(&to->clock, mine);
        mine->hb[wm.current]++;
    }
    if (wm.model == WM_RA)
        to->clock.seen[w->index] = (uint16_t)w->newest;
}

void wf_model_store(void *p, unsigned size, uint64_t value, enum wf_model_order order,
                    WF_MODEL_SITE)
{
    struct word *w;
    struct wm_event *e;

    value = truncated(value, size);
    if (!wm.running || (w = word_touch(p, size, true)) == NULL) {
        memcpy(p, &value, size);
        return;
    }
    point(w, true);
    e = wm_event(store_names[order], file, line, text);
    e->value = value;
    if (has_buffers()) {
        buffer_push(w, value, is_release(order), e);
        if (is_release(order))
            my_clock()->hb[wm.current]++;
        if (order == WF_MODEL_SC)
            wm_memory_drain(wm.current);
        return;
    }
    word_refresh(w);
    publish(w, word_write(w, value), is_release(order), false);
    note_write(wm.current);
    if (order == WF_MODEL_SC)
        w->last_sc = w->newest;
}

/* What must leave the store buffer before a read-modify-write of w. */
static void drain_for_rmw(struct word *w, enum wf_model_order order)
{
    int own;

    if (!has_buffers())
        return;
    if (wm.model == WM_TSO || is_release(order))
        wm_memory_drain(wm.current);
    while ((own = buffer_find(&buffers[wm.current], w, false)) >= 0)
        buffer_leave(wm.current, (unsigned)own);
    leave_for(w, wm.current);
}

static void rmw_write(struct word *w, uint64_t value, enum wf_model_order order)
{
    struct wm_clock before;
    struct write *to;
    bool changed = newest(w)->value != value;

    before = newest(w)->clock;
    to = word_write(w, value);
    to->clock = before;
    publish(w, to, is_release(order), true);
    if (changed)
        note_write(wm.current);
    if (order == WF_MODEL_SC)
        w->last_sc = w->newest;
}

uint64_t wf_model_rmw(void *p, unsigned size, enum wf_model_rmw op, uint64_t value,
                      enum wf_model_order order, WF_MODEL_SITE)
{
    struct word *w = NULL;
    uint64_t old, result;
    struct wm_event *e = NULL;

    if (wm.running && (w = word_touch(p, size, true)) != NULL) {
        point(w, true);
        drain_for_rmw(w, order);
        word_refresh(w);
        e = wm_event(rmw_names[op][order], file, line, text);
        old = read_write(w, w->newest, is_acquire(order), e);
    } else {
        old = peek(p, size);
    }
    switch (op) {
    case WF_MODEL_ADD:
        result = old + value;
        break;
    case WF_MODEL_SUB:
        result = old - value;
        break;
    case WF_MODEL_OR:
        result = old | value;
        break;
    case WF_MODEL_AND:
        result = old & value;
        break;
    default:
        result = value;
        break;
    }
    result = truncated(result, size);
    if (w == NULL) {
        memcpy(p, &result, size);
        return old;
    }
    e->value2 = result;
    e->note = "rmw";
    rmw_write(w, result, order);
    return old;
}

/* ra: the write that a compare-and-swap reads. One that it does not expect may be an old one. */
static int cas_reads(struct word *w, uint64_t expected, bool sc)
{
    int numbers[HISTORY];
    unsigned n = 0;

    if (wm.model != WM_RA || wm.delayed >= wm.delays_max)
        return w->newest;
    numbers[n++] = w->newest;
    for (int i = w->newest - 1; i >= oldest_readable(w, sc); i--) {
        if (w->writes[i % HISTORY].value != expected)
            numbers[n++] = i;
    }
    return numbers[wm_choose(n, WM_CHOOSE_VALUE)];
}

bool wf_model_cas(void *p, unsigned size, void *expected, uint64_t desired,
                  enum wf_model_order order, WF_MODEL_SITE)
{
    uint64_t want = peek(expected, size), found;
    struct word *w;
    struct wm_event *e;
    int number;

    desired = truncated(desired, size);
    if (!wm.running || (w = word_touch(p, size, true)) == NULL) {
        found = peek(p, size);
        memcpy(found == want ? p : expected, found == want ? &desired : &found, size);
        return found == want;
    }
    point(w, true);
    drain_for_rmw(w, order);
    word_refresh(w);
    number = cas_reads(w, want, order == WF_MODEL_SC);
    e = wm_event(cas_names[order], file, line, text);
    found = read_write(w, number, is_acquire(order), e);
    if (found != want) {
        e->note = number == w->newest ? "failed" : "failed, stale";
        e->value2 = want;
        memcpy(expected, &found, size);
        return false;
    }
    e->note = "rmw";
    e->value2 = desired;
    rmw_write(w, desired, order);
    return true;
}

/* ---- edges of locks and semaphores ---- */

int wm_order_new(void)
{
    if (order_count == WM_ORDERS)
        wm_fail("more than %d locks and semaphores are used", WM_ORDERS);
    memset(&orders[order_count], 0, sizeof orders[0]);
    order_users[order_count] = 0;
    return order_count++;
}

void wm_order_release(int order)
{
    wm_clock_join(&orders[order], my_clock());
    my_clock()->hb[wm.current]++;
    order_users[order] |= 1u << wm.current;
}

void wm_order_acquire(int order)
{
    for (int i = 0; i < wm.test->threads; i++) {
        if (i != wm.current && (order_users[order] & 1u << i) != 0)
            wm_memory_drain(i);
    }
    order_users[order] = 0;
    wm_clock_join(my_clock(), &orders[order]);
}
