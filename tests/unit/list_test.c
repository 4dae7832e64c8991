/* SPDX-License-Identifier: Apache-2.0 */
/* list_test.c - the intrusive list */
#include "runtime/base/list.h"

#include "tests/support/test.h"

struct element {
    int value;
    struct wf_list link;
};

static struct element *first_of(struct wf_list *head)
{
    struct wf_list *link = wf_list_first(head);
    return link != NULL ? wf_list_entry(link, struct element, link) : NULL;
}

TEST(an_initialised_head_is_empty)
{
    struct wf_list head = WF_LIST_INIT(head);
    ck_assert(wf_list_empty(&head));
    ck_assert_ptr_null(wf_list_first(&head));
    ck_assert_ptr_null(wf_list_last(&head));
    ck_assert_ptr_null(wf_list_pop_front(&head));
}

TEST(push_back_keeps_order_and_push_front_turns_it)
{
    struct wf_list head = WF_LIST_INIT(head);
    struct element a = {.value = 1}, b = {.value = 2}, c = {.value = 3};
    wf_list_push_back(&head, &a.link);
    wf_list_push_back(&head, &b.link);
    wf_list_push_front(&head, &c.link);
    int digits = 0;
    wf_list_for_each (link, &head)
        digits = digits * 10 + wf_list_entry(link, struct element, link)->value;
    ck_assert_int_eq(digits, 312);
    ck_assert_ptr_eq(wf_list_last(&head), &b.link);
}

TEST(removal_from_the_middle_unlinks_only_that_element)
{
    struct wf_list head = WF_LIST_INIT(head);
    struct element elements[3];
    for (int i = 0; i < 3; i++) {
        elements[i].value = i;
        wf_list_push_back(&head, &elements[i].link);
    }
    wf_list_remove(&elements[1].link);
    ck_assert(!wf_list_linked(&elements[1].link));
    wf_list_remove(&elements[1].link);
    ck_assert_int_eq(first_of(&head)->value, 0);
    ck_assert_ptr_eq(wf_list_pop_front(&head), &elements[0].link);
    ck_assert_int_eq(first_of(&head)->value, 2);
    wf_list_remove(&elements[2].link);
    ck_assert(wf_list_empty(&head));
}

TEST(append_moves_all_elements_and_empties_the_source)
{
    struct wf_list head = WF_LIST_INIT(head);
    struct wf_list from = WF_LIST_INIT(from);
    struct element elements[4];
    for (int i = 0; i < 4; i++) {
        elements[i].value = i + 1;
        wf_list_push_back(i < 2 ? &head : &from, &elements[i].link);
    }
    wf_list_append(&head, &from);
    wf_list_append(&head, &from);
    ck_assert(wf_list_empty(&from));
    int digits = 0;
    wf_list_for_each (link, &head)
        digits = digits * 10 + wf_list_entry(link, struct element, link)->value;
    ck_assert_int_eq(digits, 1234);
}

TEST(safe_iteration_survives_removal_of_the_current_element)
{
    struct wf_list head = WF_LIST_INIT(head);
    struct element elements[5];
    for (int i = 0; i < 5; i++) {
        elements[i].value = i;
        wf_list_push_back(&head, &elements[i].link);
    }
    int seen = 0;
    wf_list_for_each_safe (link, after, &head) {
        wf_list_remove(link);
        seen++;
    }
    ck_assert_int_eq(seen, 5);
    ck_assert(wf_list_empty(&head));
}
