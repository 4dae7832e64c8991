/* SPDX-License-Identifier: Apache-2.0 */
/* inbox_test.c - messages of many senders to one owner */
#include "runtime/sched/inbox.h"

#include <pthread.h>
#include <stdlib.h>

#include "runtime/sched/sched.h"
#include "tests/support/test.h"

struct message {
    struct wf_post post;
    unsigned sender, number;
};

TEST(an_empty_inbox_gives_nothing)
{
    struct wf_inbox inbox = {NULL};
    ck_assert(wf_inbox_empty(&inbox));
    ck_assert_ptr_null(wf_inbox_take(&inbox));
}

TEST(messages_are_taken_all_at_once_in_the_order_of_their_pushes)
{
    struct wf_inbox inbox = {NULL};
    struct message m[5];
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 5; i++)
            wf_inbox_push(&inbox, &m[i].post);
        ck_assert(!wf_inbox_empty(&inbox));
        struct wf_post *post = wf_inbox_take(&inbox);
        ck_assert(wf_inbox_empty(&inbox));
        for (unsigned i = 0; i < 5; i++, post = post->next)
            ck_assert_ptr_eq(post, &m[i].post);
        ck_assert_ptr_null(post);
    }
}

enum { SENDERS = 4 };

struct sender {
    struct wf_inbox *inbox;
    struct message *messages;
    unsigned index, count;
};

static void *send_all(void *arg)
{
    struct sender *s = arg;
    for (unsigned i = 0; i < s->count; i++) {
        s->messages[i].sender = s->index;
        s->messages[i].number = i;
        wf_inbox_push(s->inbox, &s->messages[i].post);
    }
    return NULL;
}

TEST(nothing_is_lost_and_each_senders_order_is_kept)
{
    struct wf_inbox inbox = {NULL};
    unsigned count = (unsigned)wf_test_scale(200000), next[SENDERS] = {0}, total = 0;
    struct sender s[SENDERS];
    pthread_t thread[SENDERS];
    for (unsigned i = 0; i < SENDERS; i++) {
        s[i] = (struct sender){&inbox, calloc(count, sizeof(struct message)), i, count};
        ck_assert_int_eq(pthread_create(&thread[i], NULL, send_all, &s[i]), 0);
    }
    while (total < SENDERS * count) {
        for (struct wf_post *post = wf_inbox_take(&inbox); post != NULL;) {
            struct message *m = (struct message *)(void *)post;
            post = post->next;
            if (m->number != next[m->sender]++)
                ck_abort_msg("sender %u: message %u out of order", m->sender, m->number);
            total++;
        }
    }
    ck_assert(wf_inbox_empty(&inbox));
    for (unsigned i = 0; i < SENDERS; i++) {
        pthread_join(thread[i], NULL);
        free(s[i].messages);
    }
}
