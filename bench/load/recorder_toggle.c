/* SPDX-License-Identifier: Apache-2.0 */
/* recorder_toggle.c - the recorder's cost under load, from turns of a few milliseconds */
/*
 * The watched thread is the caller of toggle_start: with one worker, the thread that does all the
 * work. Two neighbouring turns make a pair; the order of on and off alternates from pair to pair.
 */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <weft/trace.h>

#include "bench/load/weft_server.h"

enum { LEVEL_OFF = -1, LEVEL_ON = 1, REQUESTS_MIN = 50 };

struct turn {
    double cpu_ns;
    double requests;
};

static struct {
    struct weft_server *server;
    pthread_t thread;
    clockid_t clock; /* CPU time of the watched thread */
    WF_ATOMIC(int) stop;
    struct turn sum[2]; /* off, on; owner: the toggling thread */
    double pairs, ratio_sum, ratio_squares;
} state;

static double cpu_ns(void)
{
    struct timespec ts;

    clock_gettime(state.clock, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static struct turn take_turn(int level)
{
    uint64_t us = state.server->options.toggle_us;
    struct timespec span = {.tv_sec = (time_t)(us / 1000000),
                            .tv_nsec = (long)(us % 1000000) * 1000};
    struct turn t;

    weft_trace_level(level);
    t.cpu_ns = cpu_ns();
    t.requests = (double)wf_load_rlx(&state.server->requests);
    nanosleep(&span, NULL);
    t.cpu_ns = cpu_ns() - t.cpu_ns;
    t.requests = (double)wf_load_rlx(&state.server->requests) - t.requests;
    return t;
}

static void add_pair(const struct turn pair[2])
{
    double ratio;

    if (pair[0].requests < REQUESTS_MIN || pair[1].requests < REQUESTS_MIN)
        return; /* no load, or its start or end */
    for (int i = 0; i < 2; i++) {
        state.sum[i].cpu_ns += pair[i].cpu_ns;
        state.sum[i].requests += pair[i].requests;
    }
    ratio = pair[1].cpu_ns / pair[1].requests / (pair[0].cpu_ns / pair[0].requests);
    state.pairs++;
    state.ratio_sum += ratio;
    state.ratio_squares += ratio * ratio;
}

static void *toggle(void *arg)
{
    (void)arg;
    for (unsigned i = 0; wf_load_rlx(&state.stop) == 0; i++) {
        struct turn pair[2];
        int first = i % 2 != 0;

        pair[first] = take_turn(first ? LEVEL_ON : LEVEL_OFF);
        pair[!first] = take_turn(first ? LEVEL_OFF : LEVEL_ON);
        add_pair(pair);
    }
    return NULL;
}

int toggle_start(struct weft_server *s)
{
    state.server = s;
    if (pthread_getcpuclockid(pthread_self(), &state.clock) != 0)
        return -ENOTSUP;
    return -pthread_create(&state.thread, NULL, toggle, NULL);
}

void toggle_stop(void)
{
    const struct turn *off = &state.sum[0], *on = &state.sum[1];
    double mean, variance;

    wf_store_rlx(&state.stop, 1);
    pthread_join(state.thread, NULL);
    if (state.pairs < 2)
        return;
    mean = state.ratio_sum / state.pairs;
    variance = state.ratio_squares / state.pairs - mean * mean;
    printf("{\"recorder\":\"toggle\",\"off_us\":%.4f,\"on_us\":%.4f,\"cost_percent\":%.2f,"
           "\"error_percent\":%.2f,\"pairs\":%.0f}\n",
           off->cpu_ns / off->requests / 1e3, on->cpu_ns / on->requests / 1e3,
           (on->cpu_ns / on->requests / (off->cpu_ns / off->requests) - 1) * 100,
           sqrt(variance / state.pairs) * 100, state.pairs);
    fflush(stdout);
}
