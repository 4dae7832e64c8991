/* SPDX-License-Identifier: Apache-2.0 */
/* inbox_model.c - runtime/sched/inbox: each message arrives once, in the order of its sender */
#include "runtime/sched/inbox.h"

#include <string.h>

#include "tests/model/engine.h"

#define LEN(a)   (sizeof(a) / sizeof((a)[0]))
#define SENDERS  2
#define MESSAGES 2

/* As in sched.h: the link comes first. */
struct wf_post {
    struct wf_post *next;
    struct wm_data payload;
    unsigned sender, number, arrived;
};

static struct wf_inbox inbox;
static struct wf_post posts[SENDERS][MESSAGES];
static unsigned arrived;
static unsigned last[SENDERS];

static void setup(void)
{
    memset(posts, 0, sizeof posts);
    memset(last, 0, sizeof last);
    arrived = 0;
    wf_store_rlx(&inbox.head, NULL);
}

static void send_all(unsigned sender)
{
    for (unsigned i = 0; i < MESSAGES; i++) {
        struct wf_post *p = &posts[sender][i];

        p->sender = sender;
        p->number = i + 1;
        wm_data_write(&p->payload, 10 * sender + i);
        wf_inbox_push(&inbox, p);
    }
}

static unsigned take_all(void)
{
    unsigned n = 0;

    for (struct wf_post *next, *p = wf_inbox_take(&inbox); p != NULL; p = next, n++) {
        next = p->next;
        wm_assert(p->arrived++ == 0);
        wm_assert(wm_data_read(&p->payload) == 10 * p->sender + p->number - 1);
        wm_assert(p->number == last[p->sender] + 1);
        last[p->sender] = p->number;
        wm_data_write(&p->payload, 0); /* the node is free again */
        arrived++;
    }
    return n;
}

/* The owner takes until it has all: a message that never arrives is a deadlock. */
static void run(int t)
{
    if (t > 0) {
        send_all((unsigned)t - 1);
        return;
    }
    while (arrived < SENDERS * MESSAGES) {
        if (take_all() == 0)
            wf_spin_hint();
    }
}

static void empty_after_all(void)
{
    wm_assert(wf_inbox_empty(&inbox));
    wm_assert(take_all() == 0);
}

/* A node that was handled is sent again at once: the push must not confuse the two uses. */
static void run_reuse(int t)
{
    if (t == 1) {
        for (unsigned i = 1; i <= 3; i++) {
            struct wf_post *p = &posts[0][0];

            while (i > 1 && wf_load_acq(&p->arrived) < i - 1)
                wf_spin_hint();
            wm_data_write(&p->payload, i);
            wf_inbox_push(&inbox, p);
        }
        return;
    }
    for (unsigned i = 1; i <= 3;) {
        struct wf_post *p = wf_inbox_take(&inbox);

        if (p == NULL) {
            wf_spin_hint();
            continue;
        }
        wm_assert(p->next == NULL);
        wm_assert(wm_data_read(&p->payload) == i);
        wf_store_rel(&p->arrived, i);
        i++;
    }
}

static const struct wm_case cases[] = {
    {.name = "two_senders", .threads = 3, .setup = setup, .run = run, .check = empty_after_all},
    {.name = "node_is_sent_again", .threads = 2, .setup = setup, .run = run_reuse},
};

int main(int argc, char **argv)
{
    return wm_main(argc, argv, cases, LEN(cases));
}
