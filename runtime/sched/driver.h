/* SPDX-License-Identifier: Apache-2.0 */
/*
 * driver.h - what a worker asks of its event loop
 *
 * One driver instance per worker, created, used and closed by that worker's thread; only wake() may
 * be called from elsewhere. The implementations are in io/driver; the scheduler knows this file.
 *
 * An operation (struct wf_op) stands in the frame of the suspended caller, or in an object that
 * outlives it. From submit() on it belongs to the driver, until done() is called with `more` == 0:
 * only then has the kernel let go of its buffer. A cancel is a request: the operation's own
 * completion is the only truth about what happened.
 *
 * States of an op: idle -> (submit) queued -> in flight -> (last completion) done = idle.
 * done() runs on the owner's thread inside poll() or sleep(), must not suspend, and may submit.
 */
#ifndef WF_DRIVER_H
#define WF_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wf_worker;
struct wf_driver;
struct wf_op;

/* (NAME, "text") */
#define WF_OP_KINDS(X)                                                                             \
    X(NOP, "nop")                                                                                  \
    X(RECV, "recv")           /* buf, len, msg_flags; arg 1: poll first */                         \
    X(SEND, "send")           /* buf, len, msg_flags (MSG_WAITALL, MSG_NOSIGNAL) */                \
    X(SENDMSG, "sendmsg")     /* buf = struct msghdr, msg_flags */                                 \
    X(ACCEPT, "accept")       /* res = descriptor, CLOEXEC set */                                  \
    X(ACCEPT_MULTI, "accept") /* many completions; ends with more == 0 */                          \
    X(CONNECT, "connect")     /* buf = sockaddr, len */                                            \
    X(POLL, "poll")           /* arg = poll events; res = ready events */                          \
    X(READ, "read")           /* buf, len, offset */                                               \
    X(WRITE, "write")         /* buf, len, offset */                                               \
    X(CLOSE, "close")

enum wf_op_kind {
#define WF_OP_ENUM(name, text) WF_OP_##name,
    WF_OP_KINDS(WF_OP_ENUM)
#undef WF_OP_ENUM
        WF_OP_COUNT
};

struct wf_op {
    void (*done)(struct wf_op *op); /* every completion; op->res, op->more are set */
    void *buf;
    uint64_t offset;
    uint32_t len;
    uint32_t msg_flags;
    uint32_t arg;
    int32_t fd;
    int32_t res;              /* >= 0 or -errno */
    uint8_t kind;             /* enum wf_op_kind */
    uint8_t more;             /* set by the driver: further completions will come */
    uint8_t sock_nonempty;    /* set by the driver: more data was waiting (hint) */
    uint8_t cancel_requested; /* set by cancel, cleared by submit; owner: driver's thread */
    struct wf_driver *driver; /* whose it is from submit on; NULL again before its last done() */
    uint64_t ticket;          /* the scheduler's: the park that waits for it */
    void *user;               /* the submitter's */
    struct wf_op *pair;       /* set by submit_pair: `second` in `first`, else NULL */
    uint32_t state;           /* the driver's */
};

struct wf_driver_config {
    unsigned entries;         /* submission entries wished; the driver may take fewer */
    unsigned worker_index;
    unsigned workers;
};

struct wf_driver_ops {
    const char *name;
    /*
     * open: 0 or -errno; *out is the driver. reason (size bytes) gets one line of text: on success
     * what is in use and what is missing, on failure why and what to do about it.
     */
    int (*open)(struct wf_driver **out, const struct wf_driver_config *config, char *reason,
                size_t size);
    void (*close)(struct wf_driver *d); /* nothing may be in flight */
    /* submit: queue an operation. Never fails: a full queue is flushed, errors are completions. */
    void (*submit)(struct wf_driver *d, struct wf_op *op);
    /*
     * submit_pair: `second` starts after `first` moved all its bytes; -ECANCELED for it otherwise.
     * Each has its own completion, and both must stay until both have come. To end the pair, cancel
     * each: a cancelled `second` that has not started ends as soon as `first` has.
     */
    void (*submit_pair)(struct wf_driver *d, struct wf_op *first, struct wf_op *second);
    /*
     * cancel: ask for the end of an operation. It always gets through, however many are cancelled
     * at once. Does nothing for one that is idle or was asked before.
     */
    void (*cancel)(struct wf_driver *d, struct wf_op *op);
    /* poll: hand queued operations to the kernel, run completions, never block. Count of done(). */
    unsigned (*poll)(struct wf_driver *d);
    /* sleep: as poll, but blocks until a completion, a wake() or `deadline` (weft_now,
     * WEFT_NEVER). */
    unsigned (*sleep)(struct wf_driver *d, int64_t deadline);
    /* ready: from memory only, would poll() have something to run? */
    bool (*ready)(struct wf_driver *d);
    /* queued: operations not yet handed to the kernel */
    unsigned (*queued)(struct wf_driver *d);
    /* inflight: operations whose last completion has not come yet */
    unsigned (*inflight)(struct wf_driver *d);
    /* wake: end the sleep of d. `from`: the calling worker's own driver or NULL. Any thread. */
    void (*wake)(struct wf_driver *d, struct wf_driver *from);
};

/* First member of every driver. */
struct wf_driver {
    const struct wf_driver_ops *ops;
};

extern const struct wf_driver_ops wf_uring_driver;

/*
 * wf_driver_choose - the implementation for a name ("auto", "uring"), NULL: WEFT_DRIVER or auto
 * Returns NULL for an unknown name.
 */
const struct wf_driver_ops *wf_driver_choose(const char *name);

#endif
