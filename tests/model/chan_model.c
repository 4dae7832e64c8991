/* SPDX-License-Identifier: Apache-2.0 */
/* chan_model.c - channels: no item is lost or doubled, everybody who waits is woken
 *
 * Real are sync/chan, sync/waitq, sched/park, sched/cancel and the waking of sched/ready. Items are
 * numbers; each stands for a payload that its sender wrote, which the receiver reads.
 */
#include <string.h>
#include <weft/chan.h>

#include "runtime/sched/frame_stack.h"
#include "tests/model/shims/model_tasks.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define ITEMS  8

static weft_chan *chan;

/* Named by definitions in place of calloc and free: an execution must find the channel where the
 * one before had it, and one that is cut short does not give it back. */
static _Alignas(16) char chan_memory[512];

void *model_calloc(size_t count, size_t size);
void model_free(void *p);

void *model_calloc(size_t count, size_t size)
{
    wm_assert(count * size <= sizeof chan_memory);
    return memset(chan_memory, 0, count * size);
}

void model_free(void *p)
{
    wm_assert(p == chan_memory || p == NULL);
}

static struct wm_data payload[ITEMS];
static int sent[ITEMS]; /* result of the send; 1: not tried */
static unsigned received[ITEMS];

static void setup(unsigned threads, size_t capacity)
{
    model_tasks_setup(threads);
    wm_assert(weft_chan_new(&chan, sizeof(uint64_t), capacity) == 0);
    memset(received, 0, sizeof received);
    for (unsigned i = 0; i < ITEMS; i++)
        sent[i] = 1;
}

static int send_item(uint64_t item)
{
    wm_data_write(&payload[item], item + 20);
    sent[item] = weft_chan_send(chan, &item);
    model_tasks_run();
    return sent[item];
}

static void got(uint64_t item)
{
    wm_assert(item > 0 && item < ITEMS);
    wm_assert(++received[item] == 1);
    wm_assert(wm_data_read(&payload[item]) == item + 20);
}

static int recv_item(void)
{
    uint64_t item = 0;
    int rc = weft_chan_recv(chan, &item);

    if (rc == 0)
        got(item);
    else
        wm_assert(item == 0);
    model_tasks_run();
    return rc;
}

static void close_chan(void)
{
    wm_assert(weft_chan_close(chan) == 0);
    model_tasks_run();
}

/* Every item is where the results of the calls say. */
static void items_are_accounted_for(void)
{
    uint64_t item;

    while (weft_chan_try_recv(chan, &item) == 0)
        got(item);
    for (unsigned i = 1; i < ITEMS; i++)
        wm_assert(received[i] == (sent[i] == 0));
    model_tasks_check();
    weft_chan_unref(chan);
    chan = NULL;
}

static void setup_2_0(void)
{
    setup(2, 0);
}

static void setup_3_0(void)
{
    setup(3, 0);
}

static void setup_3_1(void)
{
    setup(3, 1);
}

static void setup_2_2(void)
{
    setup(2, 2);
}

static void setup_3_2(void)
{
    setup(3, 2);
}

/* One sends three items, the other receives them. */
static void one_to_one(int t)
{
    for (uint64_t i = 1; i <= 3; i++)
        wm_assert((t == 0 ? send_item(i) : recv_item()) == 0);
}

/* A slot that becomes free is filled by the sender that waits for it, though nobody receives
 * more. */
static void free_slot_wakes_a_sender(int t)
{
    if (t == 0) {
        wm_assert(send_item(1) == 0);
        wm_assert(send_item(2) == 0);
    } else {
        wm_assert(recv_item() == 0);
    }
}

static void setup_2_1(void)
{
    setup(2, 1);
}

static void two_to_one(int t)
{
    if (t < 2) {
        wm_assert(send_item((uint64_t)t + 1) == 0);
        wm_assert(send_item((uint64_t)t + 3) == 0);
    } else {
        for (int i = 0; i < 4; i++)
            wm_assert(recv_item() == 0);
    }
}

static void one_to_two(int t)
{
    if (t == 0) {
        for (uint64_t i = 1; i <= 4; i++)
            wm_assert(send_item(i) == 0);
    } else {
        wm_assert(recv_item() == 0);
        wm_assert(recv_item() == 0);
    }
}

/* Close ends waiting senders and receivers; what was sent before is still received. */
static void close_against_send_and_recv(int t)
{
    if (t == 0) {
        for (uint64_t i = 1; i <= 2; i++) {
            int rc = send_item(i);

            wm_assert(rc == 0 || rc == -EPIPE);
        }
    } else if (t == 1) {
        int rc;

        do
            rc = recv_item();
        while (rc == 0);
        wm_assert(rc == -EPIPE);
    } else {
        close_chan();
    }
}

static void close_against_two_receivers(int t)
{
    if (t < 2)
        wm_assert(recv_item() == -EPIPE);
    else
        close_chan();
}

static void close_against_two_senders(int t)
{
    if (t < 2)
        wm_assert(send_item((uint64_t)t + 1) == -EPIPE);
    else
        close_chan();
}

/* A receiver is cancelled while an item arrives: it has the item, or another receiver gets it. */
static void cancel_against_send(int t)
{
    if (t == 0) {
        int rc = recv_item();

        wm_assert(rc == 0 || rc == -ECANCELED);
    } else if (t == 1) {
        wf_cancel_task(model_task_of_thread(0), "test");
        model_tasks_run();
    } else {
        wm_assert(send_item(1) == 0);
    }
}

/* Nothing but the cancel: the receiver gives up and is no longer in the queue. */
static void cancel_leaves_no_trace(int t)
{
    if (t == 0) {
        wm_assert(recv_item() == -ECANCELED);
    } else {
        wf_cancel_task(model_task_of_thread(0), "test");
        model_tasks_run();
    }
}

/* The same for a sender: its item arrived, or was never sent. */
static void cancel_against_recv(int t)
{
    if (t == 0) {
        int rc = send_item(1);

        wm_assert(rc == 0 || rc == -ECANCELED);
        if (rc != 0)
            close_chan();
    } else if (t == 1) {
        wf_cancel_task(model_task_of_thread(0), "test");
        model_tasks_run();
    } else {
        int rc = recv_item();

        wm_assert(rc == 0 || rc == -EPIPE);
    }
}

/* A cancelled receiver must not swallow the item of the one behind it. */
static void cancelled_receiver_passes_on(int t)
{
    int rc;

    if (t == 2) {
        wf_cancel_task(model_task_of_thread(0), "test");
        model_tasks_run();
        wm_assert(send_item(1) == 0);
        close_chan();
        return;
    }
    rc = recv_item();
    wm_assert(rc == 0 || rc == -EPIPE || (t == 0 && rc == -ECANCELED));
}

/* A block deadline passes while an item arrives. */
static void deadline_against_send(int t)
{
    if (t == 0) {
        struct wf_frame frame;
        struct wf_task *self = model_task_of_thread(0);
        int rc;

        wf_frame_push(self, &frame, WF_FRAME_TIMEOUT, 1000000);
        rc = recv_item();
        wm_assert(rc == 0 || rc == -ECANCELED);
        wf_frame_pop(self, &frame);
        wm_assert((wf_load_rlx(&self->state) & WF_TS_CANCEL) == 0);
    } else if (t == 1) {
        /* This thread plays the loop of worker 0, whose timers these are. */
        model_now = model_workers[0].now = 2000000;
        wf_timers_run(&model_workers[0]);
        model_tasks_run();
    } else {
        wm_assert(send_item(1) == 0);
    }
}

#define CASE(n, t, s, f)                                                                \
    {                                                                                   \
        .name = n, .threads = t, .setup = s, .run = f, .check = items_are_accounted_for \
    }

/* Three threads with several calls each: at three preemptions these take minutes. */
#define LONG(n, t, s, f)                                                                 \
    {                                                                                    \
        .name = n, .threads = t, .setup = s, .run = f, .check = items_are_accounted_for, \
        .preemptions = {2, 2, 2, 2}, .delays = 1                                         \
    }
#define MEDIUM(n, t, s, f)                                                               \
    {                                                                                    \
        .name = n, .threads = t, .setup = s, .run = f, .check = items_are_accounted_for, \
        .preemptions = {3, 3, 3, 2}, .delays = 1                                         \
    }

static const struct wm_case cases[] = {
    CASE("one_to_one_unbuffered", 2, setup_2_0, one_to_one),
    CASE("one_to_one_buffered", 2, setup_2_2, one_to_one),
    LONG("two_to_one_unbuffered", 3, setup_3_0, two_to_one),
    LONG("two_to_one_buffered", 3, setup_3_1, two_to_one),
    LONG("one_to_two_unbuffered", 3, setup_3_0, one_to_two),
    LONG("one_to_two_buffered", 3, setup_3_2, one_to_two),
    MEDIUM("close_unbuffered", 3, setup_3_0, close_against_send_and_recv),
    MEDIUM("close_buffered", 3, setup_3_1, close_against_send_and_recv),
    CASE("close_ends_two_receivers", 3, setup_3_1, close_against_two_receivers),
    CASE("close_ends_two_senders", 3, setup_3_0, close_against_two_senders),
    CASE("free_slot_wakes_a_sender", 2, setup_2_1, free_slot_wakes_a_sender),
    CASE("cancel_leaves_no_trace", 2, setup_2_0, cancel_leaves_no_trace),
    CASE("cancel_against_send", 3, setup_3_1, cancel_against_send),
    CASE("cancel_against_recv", 3, setup_3_0, cancel_against_recv),
    MEDIUM("cancelled_receiver_passes_on", 3, setup_3_0, cancelled_receiver_passes_on),
    CASE("deadline_against_send", 3, setup_3_1, deadline_against_send),
};

int main(int argc, char **argv)
{
    return wm_main(argc, argv, cases, LEN(cases));
}
