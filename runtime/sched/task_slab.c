/* SPDX-License-Identifier: Apache-2.0 */
/* task_slab.c - memory of task blocks */
#include "runtime/sched/task_slab.h"

#include <errno.h>
#include <sys/mman.h>

#include "runtime/base/assert.h"

#define HUGE_PAGE (UINT64_C(2) << 20)

char *wf_task_base;

int wf_slab_open(struct wf_task_slab *slab)
{
    size_t size = WF_TASKS_MAX * WF_TASK_SIZE;
    char *p = MAP_FAILED;
    for (; size >= HUGE_PAGE; size /= 2) {
        p = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p != MAP_FAILED)
            break;
    }
    if (p == MAP_FAILED)
        return -ENOMEM;
    char *base = (char *)(((uintptr_t)p + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
    if (base > p)
        munmap(p, (size_t)(base - p));
    munmap(base + size, HUGE_PAGE - (size_t)(base - p));
    madvise(base, size, MADV_HUGEPAGE); /* refused: small pages do as well, more slowly */
    /* A core has the blocks that were handed out: gcore, and the kernel when it writes into a pipe,
     * would fill the rest of the reservation with zeros. */
    madvise(base, size, MADV_DONTDUMP);
    madvise(base, HUGE_PAGE, MADV_DODUMP);
    slab->base = base;
    slab->size = size;
    slab->dump_end = HUGE_PAGE;
    slab->depot = NULL;
    wf_store_rlx(&slab->lock.word, 0);
    wf_store_rlx(&slab->used, 1); /* index 0 means "no task" */
    slab->published = NULL;
    wf_task_base = base;
    return 0;
}

void wf_slab_close(struct wf_task_slab *slab)
{
    munmap(slab->base, slab->size);
    wf_task_base = NULL;
}

/* Fresh blocks are zero: phase FREE, epoch 0. */
static bool take_fresh(struct wf_task_slab *slab, struct wf_task_cache *cache)
{
    uint64_t used = wf_load_rlx(&slab->used);
    uint64_t end = slab->size / WF_TASK_SIZE;
    unsigned n = end - used < WF_SLAB_BATCH ? (unsigned)(end - used) : WF_SLAB_BATCH;
    if (n == 0)
        return false;
    for (unsigned i = n; i-- > 0;) {
        struct wf_task *t = wf_task_at(used + i);
        t->next = cache->free;
        cache->free = t;
    }
    cache->count += n;
    if ((used + n) * WF_TASK_SIZE > slab->dump_end) {
        madvise(slab->base + slab->dump_end, slab->dump_end, MADV_DODUMP);
        slab->dump_end *= 2;
    }
    wf_store_rel(&slab->used, used + n);
    if (slab->published != NULL)
        wf_store_rel(slab->published, used + n);
    return true;
}

bool wf_slab_refill(struct wf_task_slab *slab, struct wf_task_cache *cache)
{
    WF_ASSERT(cache->free == NULL && cache->count == 0);
    bool ok = true;
    wf_spin_lock(&slab->lock);
    struct wf_task *chain = slab->depot;
    if (chain != NULL) {
        slab->depot = chain->prev;
        cache->free = chain;
        cache->count = WF_SLAB_BATCH;
    } else {
        ok = take_fresh(slab, cache);
    }
    wf_spin_unlock(&slab->lock);
    return ok;
}

void wf_slab_spill(struct wf_task_slab *slab, struct wf_task_cache *cache)
{
    WF_ASSERT(cache->count > WF_SLAB_BATCH);
    struct wf_task *chain = cache->free, *last = chain;
    for (unsigned i = 1; i < WF_SLAB_BATCH; i++)
        last = last->next;
    cache->free = last->next;
    cache->count -= WF_SLAB_BATCH;
    last->next = NULL;
    wf_spin_lock(&slab->lock);
    chain->prev = slab->depot;
    slab->depot = chain;
    wf_spin_unlock(&slab->lock);
}
