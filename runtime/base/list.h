/* SPDX-License-Identifier: Apache-2.0 */
/* list.h - intrusive doubly linked list, circular with a head; not thread safe by itself */
#ifndef WF_LIST_H
#define WF_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/assert.h"

/* A link inside an element, and also the head. An initialised link points to itself: a head is then
 * empty, an element is then in no list. */
struct wf_list {
    struct wf_list *next;
    struct wf_list *prev;
};

#define WF_LIST_INIT(name) \
    {                      \
        &(name), &(name)   \
    }

static inline void wf_list_init(struct wf_list *link)
{
    link->next = link;
    link->prev = link;
}

static inline bool wf_list_empty(const struct wf_list *head)
{
    return head->next == head;
}

/* Is this element in some list? Asks the element, not the head. */
static inline bool wf_list_linked(const struct wf_list *link)
{
    return link->next != link;
}

static inline void wf_list_insert_between(struct wf_list *prev, struct wf_list *next,
                                          struct wf_list *link)
{
    link->prev = prev;
    link->next = next;
    prev->next = link;
    next->prev = link;
}

static inline void wf_list_push_front(struct wf_list *head, struct wf_list *link)
{
    wf_list_insert_between(head, head->next, link);
}

static inline void wf_list_push_back(struct wf_list *head, struct wf_list *link)
{
    wf_list_insert_between(head->prev, head, link);
}

/* Takes the element out and leaves it pointing to itself, so that a second removal is harmless. */
static inline void wf_list_remove(struct wf_list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    wf_list_init(link);
}

static inline struct wf_list *wf_list_first(const struct wf_list *head)
{
    return wf_list_empty(head) ? NULL : head->next;
}

static inline struct wf_list *wf_list_last(const struct wf_list *head)
{
    return wf_list_empty(head) ? NULL : head->prev;
}

static inline struct wf_list *wf_list_pop_front(struct wf_list *head)
{
    struct wf_list *link = wf_list_first(head);
    if (link != NULL)
        wf_list_remove(link);
    return link;
}

/* Moves all elements of `from` behind those of `head`; `from` is empty afterwards. */
static inline void wf_list_append(struct wf_list *head, struct wf_list *from)
{
    if (wf_list_empty(from))
        return;
    from->next->prev = head->prev;
    from->prev->next = head;
    head->prev->next = from->next;
    head->prev = from->prev;
    wf_list_init(from);
}

#define wf_list_entry(link, type, member) WF_CONTAINER_OF(link, type, member)

#define wf_list_for_each(link, head) \
    for (struct wf_list *link = (head)->next; link != (head); link = link->next)

/* The body may remove `link`, and only `link`. */
#define wf_list_for_each_safe(link, after, head)                                   \
    for (struct wf_list *link = (head)->next, *after = link->next; link != (head); \
         link = after, after = link->next)

#endif
