/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listener.h - listening sockets, for the files of io/net
 *
 * A listener has one socket per worker, each with an accept operation on that worker's driver. What
 * they accept goes into one queue, from which tasks (weft_accept, or those of weft_serve) take it.
 */
#ifndef WF_LISTENER_H
#define WF_LISTENER_H

#include <weft/net.h>

#include "runtime/base/list.h"
#include "runtime/base/spin.h"
#include "runtime/sched/sched.h"

struct wf_acceptor {
    struct wf_op op;          /* owner: worker's thread */
    struct wf_post post;      /* in the worker's inbox while `posted` */
    struct wf_acceptor *next; /* whoever set `posted`: its list of messages to send */
    bool posted;              /* lock: the listener's */
    weft_listener *listener;  /* const: */
    int fd;                   /* const: */
    unsigned worker;          /* const: */
    bool armed;               /* owner: worker's thread; the operation is in flight */
    bool retired;             /* owner: worker's thread; closing, and never armed again */
};

/* Figures for tests and dumps. */
struct wf_listener_stats {
    uint64_t accepted;
    uint64_t failures; /* accepts that ended for want of descriptors or memory */
    uint64_t pauses;   /* times that accepting stopped because there was no room */
};

struct weft_listener {
    struct wf_spin lock;    /* covers everything that has no other remark */
    struct wf_list pending; /* connections that nobody has taken, oldest first */
    struct wf_list waiters; /* tasks in wf_listener_take, oldest first */
    unsigned pending_count;
    unsigned live;  /* serving: connections taken and not yet ended */
    unsigned max;   /* pending + live at most */
    unsigned users; /* tasks in wf_listener_take, and the keeper */
    unsigned left;  /* closing: acceptors not yet retired */
    unsigned failures_in_a_row;
    int error;              /* a failure that no weft_accept has reported yet */
    int fatal;              /* the sockets cannot accept any more */
    weft_ns backoff;        /* after the next failure */
    weft_deadline retry_at; /* 0, or no accepts before that */
    uint64_t closer;        /* ticket of weft_listener_close */
    uint64_t keeper;        /* ticket of the keeper task */
    bool started, serving, stopping, closing, paused;
    struct wf_listener_stats stats;
    int port;       /* const: */
    unsigned count; /* const: */
    struct wf_acceptor acceptor[];
};

/*
 * wf_listener_take - wait for the next connection
 * @near: worker whose connections are preferred
 * @serving: it counts as live until wf_listener_ended; -ESHUTDOWN after wf_listener_serve_stop;
 * failures that pass by themselves are waited for instead of returned
 * Context: tasks; a cancellation point.
 */
int wf_listener_take(weft_listener *listener, unsigned near, bool serving, weft_conn **out);

/* wf_listener_ended - a connection taken by a service has been closed; any worker, never
 * suspends */
void wf_listener_ended(weft_listener *listener);

/* wf_listener_serve_start - 0; -EBUSY: another service is using it; -EBADF */
int wf_listener_serve_start(weft_listener *listener, unsigned max);

/* wf_listener_serve_stop - no more accepts for the service; what is pending is closed */
void wf_listener_serve_stop(weft_listener *listener);

/* wf_listener_serve_end - after the last wf_listener_take of the service has returned */
void wf_listener_serve_end(weft_listener *listener);

#endif
