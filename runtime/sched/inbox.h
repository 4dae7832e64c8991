/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inbox.h - messages from other threads to one worker (mpsc)
 *
 * A stack of nodes that the senders own until they are handled: any thread, a signal handler too,
 * pushes with a compare-and-swap; the worker takes all with one exchange and reverses them, so they
 * are handled in the order of their pushes. There is no ABA: the head is never popped singly.
 *
 * order: inbox - the push releases the node's fields and, being seq_cst, stands before the sender's
 * look at the worker's sleeping word (order: idle-dekker); the taking exchange acquires.
 */
#ifndef WF_INBOX_H
#define WF_INBOX_H

#include <stddef.h>

#include "runtime/base/atomic.h"

struct wf_post;

struct wf_inbox {
    WF_ATOMIC(struct wf_post *) head; /* any: newest message */
};

struct wf_inbox_node {
    struct wf_post *next;
};

/* wf_inbox_push - hand a node over; never fails */
static inline void wf_inbox_push(struct wf_inbox *inbox, struct wf_post *post)
{
    struct wf_inbox_node *node = (struct wf_inbox_node *)(void *)post;
    struct wf_post *head = wf_load_rlx(&inbox->head);
    do {
        node->next = head;
    } while (!wf_cas_sc(&inbox->head, &head, post)); /* order: inbox, idle-dekker */
}

static inline bool wf_inbox_empty(struct wf_inbox *inbox)
{
    return wf_load_sc(&inbox->head) == NULL; /* order: idle-dekker */
}

/* wf_inbox_take - owner: all messages, oldest first, linked by next */
static inline struct wf_post *wf_inbox_take(struct wf_inbox *inbox)
{
    if (wf_load_rlx(&inbox->head) == NULL)
        return NULL;
    struct wf_post *post = wf_xchg_acq(&inbox->head, NULL); /* order: inbox */
    struct wf_post *first = NULL;
    while (post != NULL) {
        struct wf_inbox_node *node = (struct wf_inbox_node *)(void *)post;
        struct wf_post *next = node->next;
        node->next = first;
        first = post;
        post = next;
    }
    return first;
}

#endif
