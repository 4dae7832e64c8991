/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overflow.c - the fault handler that recognises stack overflows
 *
 * Everything in the handler is async-signal-safe: it reads the pool's published words, formats into
 * a buffer of its own, writes once to stderr. After the message the default action is restored and
 * the handler returns: the instruction faults again, and the core file shows the overflowing frame
 * on the fiber's stack, not the handler.
 *
 * A fault in a guard with the stack pointer in the same slot is an overflow; with the stack pointer
 * elsewhere it is a wild access, perhaps past the top of the slot below. A fault in the usable part
 * of a slot happens only to poisoned idle stacks: something wrote after its task had ended.
 *
 * order: overflow - `watched` is published after the fields that the handler reads with it.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "runtime/base/log.h"
#include "runtime/fiber/overflow.h"

#define SIGNAL_STACK_SIZE ((size_t)64 << 10)

static const int fault_signals[] = {SIGSEGV, SIGBUS};
#define FAULT_SIGNALS (sizeof fault_signals / sizeof fault_signals[0])

/* One per process, as signal handlers are. */
static WF_ATOMIC(const struct wf_stack_pool *) watched;
static wf_overflow_describe describe_task;
static struct sigaction previous[FAULT_SIGNALS];

/* ---- text without stdio ---- */

struct text {
    size_t len;
    char buf[WF_LOG_LINE_MAX];
};

static void put_string(struct text *text, const char *s)
{
    while (*s != '\0' && text->len < sizeof text->buf)
        text->buf[text->len++] = *s++;
}

static void put_number(struct text *text, uint64_t value, unsigned radix)
{
    char digits[24];
    size_t n = sizeof digits;

    digits[--n] = '\0';
    do {
        digits[--n] = "0123456789abcdef"[value % radix];
        value /= radix;
    } while (value != 0);
    put_string(text, digits + n);
}

static void put_task(struct text *text, const struct wf_fiber *fiber)
{
    char name[256];
    int len = 0;

    if (describe_task != NULL && fiber != NULL)
        len = describe_task(fiber, name, sizeof name - 1);
    if (len <= 0) {
        put_string(text, "a task without a name");
        return;
    }
    name[(size_t)len < sizeof name ? (size_t)len : sizeof name - 1] = '\0';
    put_string(text, "task ");
    put_string(text, name);
}

static void put_done(struct text *text)
{
    if (text->len > sizeof text->buf - 1)
        text->len = sizeof text->buf - 1;
    text->buf[text->len++] = '\n';
    wf_log_raw(text->buf, (uint32_t)text->len);
}

/* False: the fault has nothing to do with guards. */
static bool report(const struct wf_stack_pool *pool, unsigned size_class, uint32_t index,
                   uintptr_t address, uintptr_t sp)
{
    const struct wf_stack_class *class = &pool->classes[size_class];
    uintptr_t start = wf_load_rlx(&class->base) + ((uintptr_t)index << class->shift);
    uintptr_t end = start + ((uintptr_t)1 << class->shift);
    const struct wf_fiber *fiber = wf_fiber_at(end, index);
    struct text text = {0};

    if (address >= start + WF_STACK_GUARD) {
        if (!pool->config.poison_idle)
            return false;
        put_string(&text, "weft: access to an idle stack at 0x");
        put_number(&text, address, 16);
        put_string(&text, ": something used the frame of a task that had ended");
    } else if (sp >= start && sp < end) {
        put_string(&text, "weft: stack overflow in ");
        put_task(&text, fiber);
        put_string(&text, ", stack size ");
        put_number(&text, (end - start - WF_STACK_GUARD) >> 10, 10);
        put_string(&text, " KiB; give it more with weft_spawn_with .stack_size");
    } else {
        put_string(&text, "weft: access to 0x");
        put_number(&text, address, 16);
        put_string(&text, " in the guard below the stack of ");
        put_task(&text, fiber);
        put_string(&text, ", from another stack: a wild pointer");
    }
    put_done(&text);
    return true;
}

/* ---- the handler ---- */

static uintptr_t stack_pointer_of(const void *context)
{
    const ucontext_t *uc = context;
#if defined(__x86_64__)
    return (uintptr_t)uc->uc_mcontext.gregs[REG_RSP];
#else
    return (uintptr_t)uc->uc_mcontext.sp;
#endif
}

/* The next occurrence ends the process the way it would have without us. */
static void set_default(int signo)
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    sigemptyset(&action.sa_mask);
    sigaction(signo, &action, NULL);
}

static void chain(int signo, siginfo_t *info, void *context)
{
    const struct sigaction *old = &previous[signo == SIGSEGV ? 0 : 1];

    if (old->sa_flags & SA_SIGINFO) {
        old->sa_sigaction(signo, info, context);
    } else if (old->sa_handler == SIG_DFL || old->sa_handler == SIG_IGN) {
        set_default(signo);
        if (info->si_code <= 0) /* sent by somebody: no instruction will fault again */
            raise(signo);
    } else {
        old->sa_handler(signo);
    }
}

static void on_fault(int signo, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    const struct wf_stack_pool *pool = wf_load_acq(&watched); /* order: overflow */
    unsigned size_class;
    uint32_t index;

    if (pool != NULL && info->si_code > 0 &&
        wf_stack_find(pool, (uintptr_t)info->si_addr, &size_class, &index) &&
        report(pool, size_class, index, (uintptr_t)info->si_addr, stack_pointer_of(context))) {
        set_default(signo);
    } else {
        chain(signo, info, context);
    }
    errno = saved_errno;
}

int wf_overflow_install(const struct wf_stack_pool *pool, wf_overflow_describe describe)
{
    struct sigaction action;

    WF_ASSERT(pool != NULL);
    if (wf_load_rlx(&watched) != NULL)
        return -EBUSY;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    describe_task = describe;
    wf_store_rel(&watched, pool); /* order: overflow */
    for (size_t i = 0; i < FAULT_SIGNALS; i++) {
        if (sigaction(fault_signals[i], &action, &previous[i]) != 0) {
            int rc = -errno;
            while (i-- > 0)
                sigaction(fault_signals[i], &previous[i], NULL);
            wf_store_rel(&watched, NULL); /* order: overflow */
            return rc;
        }
    }
    return 0;
}

void wf_overflow_uninstall(void)
{
    struct sigaction now;

    if (wf_load_rlx(&watched) == NULL)
        return;
    for (size_t i = 0; i < FAULT_SIGNALS; i++) {
        if (sigaction(fault_signals[i], NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) &&
            now.sa_sigaction == on_fault)
            sigaction(fault_signals[i], &previous[i], NULL);
    }
    wf_store_rel(&watched, NULL); /* order: overflow */
}

/* ---- signal stacks ---- */

int wf_overflow_thread_init(struct wf_overflow_thread *thread)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = SIGNAL_STACK_SIZE + page;
    stack_t stack, old;

    memset(thread, 0, sizeof *thread);
    char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return -errno;
    (void)mprotect(map, page, PROT_NONE);
    stack = (stack_t){.ss_sp = map + page, .ss_size = SIGNAL_STACK_SIZE};
    if (sigaltstack(&stack, &old) != 0) {
        int rc = -errno;
        munmap(map, size);
        return rc;
    }
    thread->map = map;
    thread->map_size = size;
    thread->old_sp = old.ss_sp;
    thread->old_size = old.ss_size;
    thread->old_flags = old.ss_flags;
    return 0;
}

void wf_overflow_thread_fini(struct wf_overflow_thread *thread)
{
    stack_t old = {
        .ss_sp = thread->old_sp, .ss_size = thread->old_size, .ss_flags = thread->old_flags};

    if (thread->map == NULL)
        return;
    sigaltstack(&old, NULL);
    munmap(thread->map, thread->map_size);
    thread->map = NULL;
}

void wf_overflow_found(const struct wf_fiber *fiber)
{
    struct text text = {0};

    put_string(&text,
               "weft: stack overflow, found when the stack was released (it has no guard): ");
    put_task(&text, fiber);
    put_string(&text, ", stack size ");
    put_number(&text, (uint64_t)((char *)fiber->stack_hi - (char *)fiber->stack_lo + 1023) >> 10,
               10);
    put_string(&text, " KiB; give it more with weft_spawn_with .stack_size");
    put_done(&text);
    abort();
}
