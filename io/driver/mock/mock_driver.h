/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mock_driver.h - a driver without a kernel, for tests: nothing happens until the test says so
 *
 * Operations are recorded; the test completes them in any order, from any thread. done() runs, as
 * with every driver, in poll() or sleep() of the owner. A cancel completes its operation with
 * -ECANCELED, unless the test wants to decide that too (wf_mock_hold_cancels).
 */
#ifndef WF_MOCK_DRIVER_H
#define WF_MOCK_DRIVER_H

#include "runtime/sched/driver.h"

extern const struct wf_driver_ops wf_mock_driver;

struct wf_mock_counts {
    unsigned submits; /* operations; a pair counts as two */
    unsigned pairs;
    unsigned cancels;
    unsigned polls;
    unsigned sleeps;
    unsigned wakes;
    unsigned dones;
};

/*
 * wf_mock_complete - the next completion of an operation that was submitted and is not completed
 * @res: its result
 * @more: further completions will come; else it is the last one
 * A last completion of the first of a pair with less than `len` ends the second with -ECANCELED;
 * the second can only be completed after the first. Any thread.
 */
void wf_mock_complete(struct wf_op *op, int32_t res, bool more);

/* wf_mock_find - the oldest operation of a kind that waits for completion; fd -1: any. Any
 * thread. */
struct wf_op *wf_mock_find(struct wf_driver *d, enum wf_op_kind kind, int fd);

/* wf_mock_waiting - how many operations wait for the test to complete them. Any thread. */
unsigned wf_mock_waiting(struct wf_driver *d);

/* wf_mock_hold_cancels - from now on a cancel is only counted. Any thread. */
void wf_mock_hold_cancels(struct wf_driver *d, bool hold);

/* wf_mock_sleeping - is the owner blocked in sleep() now? Any thread. */
bool wf_mock_sleeping(struct wf_driver *d);

/* wf_mock_counts - calls so far. Any thread. */
struct wf_mock_counts wf_mock_counts(struct wf_driver *d);

#endif
