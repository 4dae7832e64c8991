/* SPDX-License-Identifier: Apache-2.0 */
/* uring_rig.h - a ring, operations that count their completions, and socket pairs, for driver
 * tests */
#ifndef WF_URING_RIG_H
#define WF_URING_RIG_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weft/base.h>

#include "io/driver/uring/uring.h"
#include "runtime/time/clock.h"
#include "tests/support/test.h"

/* The ways to run a ring: each case that says so runs on all of them. */
#define FOR_EACH_MODE(mode) \
    for (const char *const *mode = rig_modes; *mode != NULL && rig_mode(*mode); mode++)

static const char *const rig_modes[] = {"defer", "coop", "none", NULL};

static inline bool rig_mode(const char *mode)
{
    return setenv("WEFT_URING", mode, 1) == 0;
}

struct rig_op {
    struct wf_op op;
    unsigned dones; /* completions */
    bool ended;     /* the last one came */
    struct wf_driver *driver;
    struct rig_op *next;
};

static inline void rig_done(struct wf_op *op)
{
    struct rig_op *r = (struct rig_op *)op;
    r->dones++;
    r->ended = !op->more;
}

static inline struct wf_driver *rig_open(unsigned entries)
{
    char reason[512] = "";
    struct wf_driver *d = NULL;
    struct wf_driver_config config = {.entries = entries, .workers = 1};
    ck_assert_msg(wf_uring_driver.open(&d, &config, reason, sizeof reason) == 0, "%s", reason);
    return d;
}

static inline void rig_close(struct wf_driver *d)
{
    ck_assert_uint_eq(d->ops->inflight(d), 0);
    d->ops->close(d);
}

static inline struct rig_op rig_make(enum wf_op_kind kind, int fd, void *buf, uint32_t len)
{
    struct rig_op r = {
        .op = {.done = rig_done, .kind = (uint8_t)kind, .fd = fd, .buf = buf, .len = len}};
    return r;
}

static inline void rig_submit(struct wf_driver *d, struct rig_op *r)
{
    r->ended = false;
    d->ops->submit(d, &r->op);
}

/* Runs the loop until the operation has ended; the case's watchdog bounds it. */
static inline int rig_wait(struct wf_driver *d, struct rig_op *r)
{
    while (!r->ended)
        d->ops->sleep(d, WEFT_NEVER);
    return r->op.res;
}

static inline int rig_run(struct wf_driver *d, struct rig_op *r)
{
    rig_submit(d, r);
    return rig_wait(d, r);
}

/* Hands over what is queued and runs what has come, without waiting. */
static inline void rig_turns(struct wf_driver *d, unsigned turns)
{
    for (unsigned i = 0; i < turns; i++)
        d->ops->poll(d);
}

static inline void rig_pair(int fds[2])
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static inline void rig_close_fds(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

#endif
