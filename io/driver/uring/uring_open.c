/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uring_open.c - making a ring with the best flags and the size that the machine allows; closing it
 *
 * Flags, best first: deferred task work (6.1), cooperative task work (5.19), none: completions then
 * interrupt the running thread, which costs up to 2.5 times the processor time. A kernel that does
 * not know a flag answers EINVAL. WEFT_URING=defer|coop|none starts the search at that one.
 *
 * Rings are charged to RLIMIT_MEMLOCK of the user, and the charge of a process that has just ended
 * is given back late: so ENOMEM is first tried again, then with half the size, and so on.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/log.h"
#include "io/driver/uring/uring.h"

#define MEMORY_RETRIES  4
#define MEMORY_PAUSE_NS 5000000

static const struct {
    const char *word, *text;
    unsigned flags;
} modes[] = {
    [WF_URING_DEFER] = {"defer", "DEFER_TASKRUN",
                        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                            IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL},
    [WF_URING_COOP] = {"coop", "COOP_TASKRUN",
                       IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
                           IORING_SETUP_SUBMIT_ALL},
    [WF_URING_NONE] = {"none", "no task work flags", 0},
};

static enum wf_uring_mode first_mode(void)
{
    const char *wish = getenv("WEFT_URING");
    for (unsigned i = 0; wish != NULL && i < sizeof modes / sizeof *modes; i++)
        if (strcmp(wish, modes[i].word) == 0)
            return (enum wf_uring_mode)i;
    return WF_URING_DEFER;
}

static int try_size(struct wf_uring *u, unsigned entries, enum wf_uring_mode mode)
{
    int ret;
    for (;; mode++) {
        struct io_uring_params p = {
            .flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | modes[mode].flags,
            .cq_entries = 4 * entries,
        };
        memset(&u->ring, 0, sizeof u->ring);
        ret = io_uring_queue_init_params(entries, &u->ring, &p);
        if (ret != -EINVAL || mode == WF_URING_NONE)
            break;
    }
    u->mode = mode;
    return ret;
}

/* Returns 0 or -errno; *entries is what was tried last. */
static int make_ring(struct wf_uring *u, unsigned *entries)
{
    enum wf_uring_mode mode = first_mode();
    const struct timespec pause = {.tv_nsec = MEMORY_PAUSE_NS};
    for (;;) {
        int ret = try_size(u, *entries, mode);
        for (int i = 0; ret == -ENOMEM && i < MEMORY_RETRIES; i++) {
            nanosleep(&pause, NULL);
            ret = try_size(u, *entries, mode);
        }
        if (ret != -ENOMEM || *entries <= WF_URING_ENTRIES_MIN)
            return ret;
        *entries /= 2;
    }
}

static void map_ring(struct wf_uring *u)
{
    struct io_uring *r = &u->ring;
    u->sqes = r->sq.sqes;
    u->sq_entries = r->sq.ring_entries;
    u->sq_mask = r->sq.ring_mask;
    u->k_sq_tail = (wf_uring_word *)r->sq.ktail;
    u->k_sq_head = (wf_uring_word *)r->sq.khead;
    u->k_flags = (wf_uring_word *)r->sq.kflags;
    u->cqes = r->cq.cqes;
    u->cq_mask = r->cq.ring_mask;
    u->k_cq_head = (wf_uring_word *)r->cq.khead;
    u->k_cq_tail = (wf_uring_word *)r->cq.ktail;
    u->sq_head = u->sq_tail = wf_load_rlx(u->k_sq_head);
    u->cq_head = wf_load_rlx(u->k_cq_head);
    /* Entry i always stands in slot i: the indirection is set once. */
    for (unsigned i = 0; i < u->sq_entries; i++)
        r->sq.array[i] = i;
    u->ring_fd = r->ring_fd;
    u->enter_fd = r->ring_fd;
    if (io_uring_register_ring_fd(r) == 1) {
        u->enter_fd = r->enter_ring_fd;
        u->enter_flags = IORING_ENTER_REGISTERED_RING;
    }
}

/* Where a filter refuses the question, the features asked for before imply all but MSG_RING. */
static bool has_op(const struct io_uring_probe *p, int op)
{
    return p != NULL ? io_uring_opcode_supported(p, op) : op != IORING_OP_MSG_RING;
}

/* Flags of entries cannot be asked for. A kernel that knows one gets as far as the descriptor
 * -1. */
static void try_flags(struct wf_uring *u)
{
    static const uint8_t opcodes[] = {IORING_OP_RECV, IORING_OP_ACCEPT};
    static const uint16_t flags[] = {IORING_RECVSEND_POLL_FIRST, IORING_ACCEPT_MULTISHOT};
    bool known[2] = {false, false};
    for (unsigned i = 0; i < 2; i++) {
        struct io_uring_sqe *e = wf_uring_entry(u, 1);
        wf_uring_fill(e, opcodes[i], -1, 0, 0, 0, 0, (uint64_t)i << 3 | WF_TAG_TRIAL);
        e->ioprio = flags[i];
    }
    /* One call each: without SUBMIT_ALL a failing entry ends the batch. */
    for (unsigned seen = 0; seen < 2;) {
        int ret = wf_uring_enter(u, 1, IORING_ENTER_GETEVENTS, NULL, 0);
        if (ret < 0 && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY)
            break;
        for (; u->cq_head != wf_load_acq(u->k_cq_tail); u->cq_head++, seen++) {
            const struct io_uring_cqe *c = &u->cqes[u->cq_head & u->cq_mask];
            WF_ASSERT((c->user_data & WF_TAG_MASK) == WF_TAG_TRIAL);
            known[c->user_data >> 3 & 1] = c->res == -EBADF;
        }
        wf_store_rel(u->k_cq_head, u->cq_head);
    }
    u->has_poll_first = known[0];
    u->has_accept_multi = known[1];
}

/* Returns the missing operation without which the driver cannot work, or NULL. */
static const char *probe_ops(struct wf_uring *u)
{
    static const struct {
        int op;
        const char *name;
    } needed[] = {
        {IORING_OP_RECV, "RECV"},       {IORING_OP_SEND, "SEND"},
        {IORING_OP_SENDMSG, "SENDMSG"}, {IORING_OP_ACCEPT, "ACCEPT"},
        {IORING_OP_CONNECT, "CONNECT"}, {IORING_OP_POLL_ADD, "POLL_ADD"},
        {IORING_OP_READ, "READ"},       {IORING_OP_WRITE, "WRITE"},
        {IORING_OP_CLOSE, "CLOSE"},     {IORING_OP_ASYNC_CANCEL, "ASYNC_CANCEL"},
    };
    const char *missing = NULL;
    struct io_uring_probe *p = io_uring_get_probe_ring(&u->ring);
    for (unsigned i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!has_op(p, needed[i].op))
            missing = needed[i].name;
    u->has_msg_ring = has_op(p, IORING_OP_MSG_RING) && (u->ring.features & IORING_FEAT_CQE_SKIP);
    if (p != NULL)
        io_uring_free_probe(p);
    return missing;
}

static void describe(const struct wf_uring *u, unsigned wished, char *reason, size_t size)
{
    struct utsname host;
    char missing[160] = "";
    size_t len = 0;
    const struct {
        bool absent;
        const char *text;
    } parts[] = {
        {u->mode == WF_URING_COOP, "DEFER_TASKRUN"},
        {u->mode == WF_URING_NONE,
         "DEFER_TASKRUN and COOP_TASKRUN (costs up to 2.5x, Linux 6.1 has "
         "them)"},
        {!u->has_msg_ring, "MSG_RING"},
        {!u->has_accept_multi, "multishot accept"},
        {!u->has_poll_first, "POLL_FIRST"},
        {u->enter_flags == 0, "registered ring descriptor"},
    };
    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i].absent && len < sizeof missing)
            len += (size_t)snprintf(missing + len, sizeof missing - len, "%s%s",
                                    len ? ", " : "; missing: ", parts[i].text);
    uname(&host);
    char shrunk[64] = "";
    if (u->sq_entries < wished)
        snprintf(shrunk, sizeof shrunk, " (%u wished, memlock limit)", wished);
    snprintf(reason, size, "uring: %s, %u entries%s, %s wake, kernel %s%s", modes[u->mode].text,
             u->sq_entries, shrunk, u->has_msg_ring ? "MSG_RING" : "eventfd", host.release,
             missing);
}

static int fail(struct wf_uring *u, int error)
{
    if (u->ring.ring_fd > 0)
        io_uring_queue_exit(&u->ring);
    if (u->wake_fd >= 0)
        close(u->wake_fd);
    free(u);
    return error;
}

int wf_uring_open(struct wf_driver **out, const struct wf_driver_config *config, char *reason,
                  size_t size)
{
    unsigned entries = config->entries ? config->entries : WF_URING_ENTRIES_DEFAULT;
    if (entries > WF_URING_ENTRIES_MAX)
        entries = WF_URING_ENTRIES_MAX;
    unsigned wished = entries;
    struct wf_uring *u = calloc(1, sizeof *u);
    if (u == NULL) {
        snprintf(reason, size, "uring: out of memory");
        return -ENOMEM;
    }
    u->base.ops = &wf_uring_driver;
    u->ring.ring_fd = u->wake_fd = -1;
    int ret = make_ring(u, &entries);
    if (ret < 0) {
        u->ring.ring_fd = -1;
        wf_uring_why(reason, size, ret, entries);
        return fail(u, ret);
    }
    if ((u->ring.features & WF_URING_FEATURES_NEEDED) != WF_URING_FEATURES_NEEDED) {
        wf_uring_why(reason, size, -EOPNOTSUPP, entries);
        return fail(u, -EOPNOTSUPP);
    }
    map_ring(u);
    (void)io_uring_ring_dontfork(&u->ring);
    const char *missing = probe_ops(u);
    if (missing != NULL) {
        snprintf(reason, size,
                 "uring: the kernel refuses the operation %s: Linux 5.11 or newer is "
                 "needed, without restrictions on the ring",
                 missing);
        return fail(u, -EOPNOTSUPP);
    }
    u->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (u->wake_fd < 0) {
        ret = -errno;
        snprintf(reason, size, "uring: no eventfd: %s", strerror(-ret));
        return fail(u, ret);
    }
    try_flags(u);
    wf_uring_arm_event(u);
    wf_uring_flush(u);
    describe(u, wished, reason, size);
    *out = &u->base;
    return 0;
}

/* The read of the eventfd ends before its memory does; nothing else may be in flight. */
void wf_uring_close(struct wf_driver *d)
{
    struct wf_uring *u = wf_uring_of(d);
    WF_CHECK(u->inflight == 0);
    u->closing = true;
    wf_uring_wake(d, NULL);
    while (u->event_armed)
        (void)wf_uring_sleep(d, INT64_MAX);
    io_uring_queue_exit(&u->ring);
    close(u->wake_fd);
    free(u->stash.cqes);
    free(u);
}
