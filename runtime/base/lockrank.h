/* SPDX-License-Identifier: Apache-2.0 */
/* lockrank.h - the one order in which locks may be taken
 *
 * A thread that holds a lock may only take locks of a higher rank. Two locks of one rank are taken
 * in the order of their addresses (a select locks several channels). Builds with WF_LOCK_DEBUG
 * check every acquisition; a try-lock cannot deadlock and is only recorded.
 */
#ifndef WF_LOCKRANK_H
#define WF_LOCKRANK_H

#include <stdint.h>

enum wf_lock_rank {
    WF_RANK_RUNTIME = 10,  /* start, stop, registry of runtimes */
    WF_RANK_REGISTRY = 20, /* lists of objects that dumps walk */
    WF_RANK_HTTP = 30,     /* server state of io/http */
    WF_RANK_SERVE = 32,    /* listeners and connection lists of io/net */
    WF_RANK_CONN = 34,     /* one connection */
    WF_RANK_SCOPE = 40,    /* a scope and its children */
    WF_RANK_TASK = 44,     /* one task: result, awaiters */
    WF_RANK_CHAN = 50,     /* channels, in address order */
    WF_RANK_SYNC = 52,     /* mutex, condition, semaphore, event, ... */
    WF_RANK_WAITQ = 56,    /* a queue of suspended fibers */
    WF_RANK_TIMER = 60,    /* a timer wheel that others reach */
    WF_RANK_DRIVER = 64,   /* an event loop that others reach */
    WF_RANK_INJECT = 70,   /* the global run queue */
    WF_RANK_IDLE = 72,     /* who sleeps */
    WF_RANK_STACK = 80,    /* stack reservations */
    WF_RANK_SLAB = 84,     /* slabs */
    WF_RANK_TRACE = 90,    /* descriptor area, event buffers */
    WF_RANK_LEAF = 100,    /* nothing is taken under it */
};

#endif
