/* SPDX-License-Identifier: Apache-2.0 */
/* global.c - the run queue that all workers share */
#include "runtime/sched/global.h"

#include <stdlib.h>

#include "runtime/base/assert.h"

enum { SPARES_MAX = 64 };

void wf_global_init(struct wf_global *g)
{
    *g = (struct wf_global){0};
}

static void free_list(struct wf_chunk *c)
{
    while (c != NULL) {
        struct wf_chunk *next = c->next;
        free(c);
        c = next;
    }
}

void wf_global_fini(struct wf_global *g)
{
    free_list(g->head);
    free_list(g->spare);
    g->head = g->tail = g->spare = NULL;
}

static struct wf_chunk *tail_with_room(struct wf_global *g)
{
    if (g->tail != NULL && g->tail->end < WF_CHUNK_CAP)
        return g->tail;
    struct wf_chunk *c = g->spare;
    if (c != NULL) {
        g->spare = c->next;
        g->spares--;
    } else {
        c = malloc(sizeof *c);
        WF_CHECK(c != NULL);
    }
    c->next = NULL;
    c->first = c->end = 0;
    if (g->tail != NULL)
        g->tail->next = c;
    else
        g->head = c;
    g->tail = c;
    return c;
}

void wf_global_push(struct wf_global *g, const uint64_t *entries, unsigned n)
{
    wf_spin_lock(&g->lock);
    for (unsigned i = 0; i < n; i++) {
        struct wf_chunk *c = tail_with_room(g);
        c->entry[c->end++] = entries[i];
    }
    wf_store_sc(&g->count, wf_load_rlx(&g->count) + n); /* order: idle-dekker */
    wf_spin_unlock(&g->lock);
}

unsigned wf_global_take(struct wf_global *g, uint64_t *out, unsigned max)
{
    unsigned n = 0;
    struct wf_chunk *drop = NULL;
    if (wf_load_rlx(&g->count) == 0)
        return 0;
    wf_spin_lock(&g->lock);
    struct wf_chunk *c;
    while (n < max && (c = g->head) != NULL) {
        if (c->first < c->end)
            out[n++] = c->entry[c->first++];
        if (c->first < c->end)
            continue;
        g->head = c->next;
        if (g->head == NULL)
            g->tail = NULL;
        if (g->spares < SPARES_MAX) {
            c->next = g->spare;
            g->spare = c;
            g->spares++;
        } else {
            c->next = drop;
            drop = c;
        }
    }
    wf_store_rlx(&g->count, wf_load_rlx(&g->count) - n);
    wf_spin_unlock(&g->lock);
    free_list(drop);
    return n;
}
