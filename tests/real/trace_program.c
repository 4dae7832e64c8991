/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace_program.c - a program to be looked at: tasks parked in known functions, or busy ones
 *
 *   trace_program parked           named tasks wait; prints "ready", ends when its input does
 *   trace_program busy FILE        workers share work, a snapshot goes to FILE; prints the counts
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weft/weft.h>

#define NOINLINE __attribute__((noinline))
/* Behind a call, so that it is no tail call and its caller stays on the stack. */
#define STAY_ON_STACK() __asm__ __volatile__("" ::: "memory")

static weft_chan *never; /* nobody sends */

static NOINLINE intptr_t wait_for_item(void)
{
    int item;
    intptr_t rc = weft_chan_recv(never, &item);
    STAY_ON_STACK();
    return rc;
}

static NOINLINE intptr_t consumer_body(void *arg)
{
    (void)arg;
    intptr_t rc = wait_for_item();
    STAY_ON_STACK();
    return rc;
}

static NOINLINE int take_a_nap(void)
{
    int rc = weft_sleep(WEFT_SEC(3600));
    STAY_ON_STACK();
    return rc;
}

static NOINLINE intptr_t napper_body(void *arg)
{
    (void)arg;
    int rc = take_a_nap();
    STAY_ON_STACK();
    return rc;
}

/* Runs in place of its await, and parks there. */
static NOINLINE intptr_t inner_body(void *arg)
{
    intptr_t rc = napper_body(arg);
    STAY_ON_STACK();
    return rc;
}

static NOINLINE intptr_t outer_body(void *arg)
{
    weft_task *inner = weft_spawn(inner_body, arg);
    intptr_t rc = weft_await(inner);
    STAY_ON_STACK();
    return rc;
}

/* On its CPU until the input ends, whatever else happens. */
static NOINLINE void spin_until_input_ends(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char byte;
    for (;;) {
        if (poll(&input, 1, 1) > 0 && read(STDIN_FILENO, &byte, 1) <= 0)
            return;
        STAY_ON_STACK();
    }
}

static weft_task *named(const char *name, weft_fn fn)
{
    struct weft_spawn_options options = {.size = sizeof options, .name = name};
    return weft_spawn_with(&options, fn, NULL);
}

static intptr_t parked_main(void *arg)
{
    weft_task *task[4];
    (void)arg;
    if (weft_chan_new(&never, sizeof(int), 0) != 0)
        return 1;
    task[0] = named("consumer \"one\"", consumer_body);
    task[1] = named("consumer two", consumer_body);
    task[2] = weft_spawn(napper_body, NULL); /* known by its body */
    task[3] = named("outer", outer_body);
    printf("ready\n"); /* the other worker runs them; whoever looks waits until they are parked */
    fflush(stdout);
    spin_until_input_ends();
    for (int i = 0; i < 4; i++) {
        weft_cancel(task[i], "end of the test");
        (void)weft_await(task[i]);
    }
    weft_chan_unref(never);
    return 0;
}

/* ---- busy ---- */

enum { PRODUCERS = 4, ITEMS = 500, LEAVES = 2000 };

static weft_chan *items;

static intptr_t producer_body(void *arg)
{
    for (int i = 0; i < ITEMS; i++) {
        if (weft_chan_send(items, &i) != 0)
            return -EPIPE;
        if (i % 100 == 0)
            weft_mark("hundred \"items\"", (uint32_t)i);
        if (i % 16 == 0)
            weft_yield();
    }
    return (intptr_t)arg;
}

static intptr_t leaf_body(void *arg)
{
    if ((uintptr_t)arg % 64 == 0)
        weft_sleep(WEFT_USEC(200));
    return (intptr_t)arg;
}

/* Many short lives in few slots. */
static intptr_t spawner_body(void *arg)
{
    intptr_t sum = 0;
    (void)arg;
    for (uintptr_t i = 0; i < LEAVES; i++)
        sum += weft_await(weft_spawn(leaf_body, (void *)i));
    return sum;
}

static intptr_t busy_main(void *arg)
{
    weft_task *task[PRODUCERS + 1];
    int item, sum = 0;
    if (weft_chan_new(&items, sizeof(int), 8) != 0)
        return 1;
    for (int i = 0; i < PRODUCERS; i++)
        task[i] = named("producer", producer_body);
    task[PRODUCERS] = named("spawner", spawner_body);
    for (int i = 0; i < PRODUCERS * ITEMS; i++) {
        if (weft_chan_recv(items, &item) != 0)
            return 1;
        sum += item;
    }
    intptr_t leaves = weft_await(task[PRODUCERS]);
    for (int i = 0; i < PRODUCERS; i++)
        (void)weft_await(task[i]);
    int rc = weft_trace_snapshot(arg);
    printf("snapshot %d sum %d leaves %ld\n", rc, sum, (long)leaves);
    weft_chan_unref(items);
    return rc != 0;
}

int main(int argc, char **argv)
{
    struct weft_options options = {.size = sizeof options, .workers = 2};
    if (argc == 2 && strcmp(argv[1], "parked") == 0)
        return (int)weft_run(parked_main, NULL, &options);
    if (argc == 3 && strcmp(argv[1], "busy") == 0)
        return (int)weft_run(busy_main, argv[2], &options);
    fprintf(stderr, "usage: %s parked | busy FILE\n", argv[0]);
    return 2;
}
