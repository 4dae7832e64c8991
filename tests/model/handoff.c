/* SPDX-License-Identifier: Apache-2.0 */
/* handoff.c - plain data, locks and semaphores of model threads
 *
 * A wm_data cell remembers who wrote and read it at which point of its own past; an access that is
 * not ordered after those by happens-before is a data race, in whatever order it was executed. This
 * is what finds a dropped release or acquire in every memory model.
 */
#include "tests/model/engine_state.h"

static uint32_t known_of(int thread)
{
    return wm.threads[wm.current].clock.hb[thread];
}

static void cell_begin(struct wm_data *cell)
{
    if (cell->run == wm.run)
        return;
    cell->run = wm.run;
    cell->writer = -1;
    for (int i = 0; i < WM_THREADS; i++)
        cell->read[i] = 0;
}

static void cell_check_writer(const struct wm_data *cell, const char *what)
{
    if (cell->writer >= 0 && known_of(cell->writer) < cell->written)
        wm_fail("data race: T%d %s what T%d wrote (value %llu) without being ordered after it",
                wm.current, what, cell->writer, (unsigned long long)cell->value);
}

void wm_data_write(struct wm_data *cell, uint64_t value)
{
    cell_begin(cell);
    if (wm.running) {
        cell_check_writer(cell, "overwrites");
        for (int i = 0; i < wm.test->threads; i++) {
            if (known_of(i) < cell->read[i])
                wm_fail("data race: T%d overwrites what T%d may still read", wm.current, i);
            cell->read[i] = 0;
        }
        cell->writer = wm.current;
        cell->written = known_of(wm.current);
        wm_event("data write", "", 0, "")->value = value;
    }
    cell->value = value;
}

uint64_t wm_data_read(struct wm_data *cell)
{
    cell_begin(cell);
    if (wm.running) {
        wm_event("data read", "", 0, "")->value = cell->value;
        cell_check_writer(cell, "reads");
        cell->read[wm.current] = known_of(wm.current);
    }
    return cell->value;
}

/* ---- lock ---- */

static void mutex_begin(struct wm_mutex *m)
{
    if (m->run != wm.run) {
        m->run = wm.run;
        m->owner = 0;
        m->order = -1;
    }
    if (wm.running && m->order < 0)
        m->order = wm_order_new();
}

static bool mutex_is_free(const void *m)
{
    return ((const struct wm_mutex *)m)->owner == 0;
}

static void mutex_take(struct wm_mutex *m)
{
    m->owner = wm.current + 2;
    if (wm.running) {
        wm_event("lock", "", 0, "");
        wm_order_acquire(m->order);
    }
}

void wm_lock(struct wm_mutex *m)
{
    mutex_begin(m);
    if (wm.running)
        wm_point(NULL, true, true);
    if (m->owner == wm.current + 2)
        wm_fail("T%d locks what it holds", wm.current);
    while (m->owner != 0) {
        if (!wm.running)
            wm_fail("a lock is still held");
        wm_block(WM_WAITING, mutex_is_free, m);
    }
    mutex_take(m);
}

bool wm_trylock(struct wm_mutex *m)
{
    mutex_begin(m);
    if (wm.running)
        wm_point(NULL, true, true);
    if (m->owner != 0)
        return false;
    mutex_take(m);
    return true;
}

void wm_unlock(struct wm_mutex *m)
{
    mutex_begin(m);
    if (m->owner != wm.current + 2)
        wm_fail("T%d unlocks what it does not hold", wm.current);
    if (wm.running) {
        wm_point(NULL, true, true);
        wm_event("unlock", "", 0, "");
        wm_order_release(m->order);
    }
    m->owner = 0;
}

/* ---- semaphore ---- */

static void sem_begin(struct wm_sem *s)
{
    if (s->run != wm.run) {
        s->run = wm.run;
        s->count = 0;
        s->order = -1;
    }
    if (wm.running && s->order < 0)
        s->order = wm_order_new();
}

static bool sem_is_posted(const void *s)
{
    return ((const struct wm_sem *)s)->count > 0;
}

void wm_post(struct wm_sem *s)
{
    sem_begin(s);
    if (wm.running) {
        wm_point(NULL, true, true);
        wm_event("post", "", 0, "")->value = s->count + 1;
        wm_order_release(s->order);
    }
    s->count++;
}

void wm_wait(struct wm_sem *s)
{
    sem_begin(s);
    if (wm.running)
        wm_point(NULL, true, true);
    while (s->count == 0) {
        if (!wm.running)
            wm_fail("nothing was posted");
        wm_event("sleeps", "", 0, "");
        wm_block(WM_WAITING, sem_is_posted, s);
    }
    s->count--;
    if (wm.running) {
        wm_event("wait done", "", 0, "");
        wm_order_acquire(s->order);
    }
}

bool wm_trywait(struct wm_sem *s)
{
    sem_begin(s);
    if (wm.running)
        wm_point(NULL, true, true);
    if (s->count == 0)
        return false;
    s->count--;
    if (wm.running) {
        wm_event("wait done", "", 0, "");
        wm_order_acquire(s->order);
    }
    return true;
}

unsigned wm_posts(const struct wm_sem *s)
{
    return s->run == wm.run ? s->count : 0;
}
