/* SPDX-License-Identifier: Apache-2.0 */
/* overflow_test.c - a stack overflow ends the process with a message that names the task
 *
 * Each case runs its fault in a forked child and reads the child's stderr. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/fiber/overflow.h"
#include "tests/support/test.h"

static struct wf_stack_pool pool;
static struct wf_stack_cache cache;
static struct wf_fiber thread;
static struct wf_overflow_thread signal_stack;

static int describe(const struct wf_fiber *fiber, char *buf, size_t size)
{
    const char *name = fiber->task;

    return snprintf(buf, size, "'%s' (spawned at 0x%x)", name != NULL ? name : "?", 0x401234);
}

static void set_up(const struct wf_stack_pool_config *config)
{
    wf_stack_pool_init(&pool, config);
    wf_stack_cache_init(&cache, &pool);
    wf_fiber_init_thread(&thread);
    ck_assert_int_eq(wf_overflow_thread_init(&signal_stack), 0);
    ck_assert_int_eq(wf_overflow_install(&pool, describe), 0);
}

static void tear_down(void)
{
    wf_overflow_uninstall();
    wf_overflow_thread_fini(&signal_stack);
    wf_stack_cache_fini(&cache);
    wf_stack_pool_fini(&pool);
}

/* What a child wrote to stderr, and how it ended. */
static char said[8192];

static int run_child(void (*body)(void))
{
    int fd[2], status;
    size_t len = 0;
    ssize_t n;

    ck_assert_int_eq(pipe(fd), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        alarm(15);
        dup2(fd[1], 2);
        close(fd[0]);
        close(fd[1]);
        body();
        _exit(0);
    }
    close(fd[1]);
    while (len < sizeof said - 1 && (n = read(fd[0], said + len, sizeof said - 1 - len)) > 0)
        len += (size_t)n;
    said[len] = '\0';
    close(fd[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

static bool killed_by(int status, int signo)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == signo;
}

static bool guards_here(void)
{
    wf_stack_pool_init(&pool, NULL);
    return pool.guard != WF_STACK_GUARD_CANARY;
}

/* ---- bodies ---- */

#pragma GCC diagnostic push
#if defined(__clang__)
#pragma GCC diagnostic ignored "-Winfinite-recursion"
#elif __GNUC__ >= 12
#pragma GCC diagnostic ignored "-Winfinite-recursion"
#endif
static __attribute__((noinline)) unsigned recurse(unsigned depth)
{
    volatile char frame[700];

    frame[0] = (char)depth;
    unsigned deeper = recurse(depth + 1);
    return deeper + (unsigned)frame[0];
}
#pragma GCC diagnostic pop

static void recursing_task(void *pass)
{
    (void)pass;
    recurse(0);
    __builtin_trap();
}

/* One frame larger than the guard: without stack probes it would step over it. */
static __attribute__((noinline)) void large_frame(void)
{
    volatile char frame[76 << 10];

    frame[0] = 1;
    __asm__ volatile("" ::"r"(frame) : "memory");
}

static void large_frame_task(void *pass)
{
    (void)pass;
    large_frame();
    wf_fiber_switch(thread.link, &thread, NULL);
}

static void run_named(unsigned size_class, void (*entry)(void *), const char *name)
{
    struct wf_fiber *fiber = wf_fiber_new(&cache, size_class, entry);

    fiber->task = (void *)(uintptr_t)name;
    thread.link = fiber;
    wf_fiber_switch(&thread, fiber, NULL);
}

static void overflow_default(void)
{
    set_up(NULL);
    run_named(WF_STACK_DEFAULT, recursing_task, "reader");
}

static void overflow_1m(void)
{
    set_up(NULL);
    run_named(WF_STACK_1M, recursing_task, "parser");
}

static void overflow_mprotect(void)
{
    set_up(&(struct wf_stack_pool_config){.guard = WF_STACK_GUARD_MPROTECT});
    run_named(WF_STACK_DEFAULT, recursing_task, "reader");
}

static void overflow_large_frame(void)
{
    set_up(NULL);
    /* The neighbours' stacks are in use and must not be reached. */
    wf_fiber_new(&cache, WF_STACK_DEFAULT, recursing_task);
    run_named(WF_STACK_DEFAULT, large_frame_task, "formatter");
}

static WF_NO_ASAN void write_below(void *pass)
{
    struct wf_fiber *self = thread.link;
    char *below = (char *)self->stack_lo - 100;

    (void)pass;
    __asm__ volatile("" : "+r"(below));
    *below = 1;
    wf_fiber_switch_final(self, &thread, NULL);
}

static void canary_broken(void)
{
    set_up(&(struct wf_stack_pool_config){.guard = WF_STACK_GUARD_CANARY});
    run_named(WF_STACK_DEFAULT, write_below, "writer");
    wf_fiber_free(&cache, thread.link);
}

static void ending_task(void *pass)
{
    (void)pass;
    wf_fiber_switch_final(thread.link, &thread, NULL);
}

static void canary_intact(void)
{
    set_up(&(struct wf_stack_pool_config){.guard = WF_STACK_GUARD_CANARY});
    for (unsigned i = 0; i < 100; i++) {
        run_named(WF_STACK_DEFAULT, ending_task, "quiet");
        wf_fiber_free(&cache, thread.link);
    }
    tear_down();
}

static WF_NO_ASAN void touch(char *p)
{
    __asm__ volatile("" : "+r"(p));
    *p = 1;
}

static void wild_access(void)
{
    set_up(NULL);
    run_named(WF_STACK_DEFAULT, ending_task, "victim");
    touch((char *)((struct wf_fiber *)thread.link)->stack_lo - 5000);
}

static void late_write(void)
{
    set_up(&(struct wf_stack_pool_config){.poison_idle = true});
    run_named(WF_STACK_DEFAULT, ending_task, "gone");
    char *frame = (char *)thread.link - 200;
    wf_fiber_free(&cache, thread.link);
    touch(frame);
}

/* ---- cases ---- */

TEST(an_overflow_names_the_task_and_what_to_do)
{
    if (!guards_here())
        TEST_SKIP("no guards on this kernel");
    int status = run_child(overflow_default);
    ck_assert_msg(killed_by(status, SIGSEGV), "status %x: %s", status, said);
    ck_assert_msg(strstr(said, "weft: stack overflow in task 'reader' (spawned at 0x401234), "
                               "stack size ") != NULL,
                  "%s", said);
    ck_assert_msg(strstr(said, "weft_spawn_with .stack_size\n") != NULL, "%s", said);
}

TEST(an_overflow_of_a_large_stack_gives_its_size)
{
    if (!guards_here())
        TEST_SKIP("no guards on this kernel");
    int status = run_child(overflow_1m);
    ck_assert_msg(killed_by(status, SIGSEGV), "status %x: %s", status, said);
    ck_assert_msg(strstr(said, "'parser' (spawned at 0x401234), stack size 960 KiB") != NULL, "%s",
                  said);
}

TEST(an_overflow_meets_an_mprotect_guard)
{
    int status = run_child(overflow_mprotect);
    ck_assert_msg(killed_by(status, SIGSEGV), "status %x: %s", status, said);
    ck_assert_msg(strstr(said, "stack overflow in task 'reader'") != NULL, "%s", said);
}

TEST(a_frame_larger_than_the_guard_does_not_jump_over_it)
{
#ifndef WF_TEST_STACK_PROBES
    TEST_SKIP("built without -fstack-clash-protection");
#endif
    if (!guards_here())
        TEST_SKIP("no guards on this kernel");
    if (wf_stack_usable(WF_STACK_DEFAULT) > 76 << 10)
        TEST_SKIP("stacks are larger under a sanitizer");
    int status = run_child(overflow_large_frame);
    ck_assert_msg(killed_by(status, SIGSEGV), "status %x: %s", status, said);
    ck_assert_msg(strstr(said, "stack overflow in task 'formatter'") != NULL, "%s", said);
}

TEST(a_broken_canary_is_reported_when_the_stack_is_released)
{
    int status = run_child(canary_broken);
    ck_assert_msg(killed_by(status, SIGABRT), "status %x: %s", status, said);
    ck_assert_msg(strstr(said, "found when the stack was released") != NULL, "%s", said);
    ck_assert_msg(strstr(said, "task 'writer'") != NULL, "%s", said);
}

TEST(stacks_without_guards_work_and_warn_once)
{
    int status = run_child(canary_intact);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x: %s", status, said);
    const char *first = strstr(said, "no more guards");
    ck_assert_msg(first != NULL, "%s", said);
    ck_assert_ptr_null(strstr(first + 1, "no more guards"));
}

TEST(a_wild_pointer_into_a_guard_is_not_called_an_overflow)
{
    if (!guards_here())
        TEST_SKIP("no guards on this kernel");
    int status = run_child(wild_access);
    ck_assert_msg(killed_by(status, SIGSEGV), "status %x: %s", status, said);
    ck_assert_msg(strstr(said, "in the guard below the stack of task 'victim'") != NULL, "%s",
                  said);
}

TEST(a_write_to_the_stack_of_an_ended_task_is_reported_when_poisoned)
{
    int status = run_child(late_write);
    ck_assert_msg(killed_by(status, SIGSEGV), "status %x: %s", status, said);
    ck_assert_msg(strstr(said, "access to an idle stack") != NULL, "%s", said);
}

#if !WF_ASAN && !WF_TSAN
static void null_access(void)
{
    set_up(NULL);
    touch((char *)16);
}

static void old_handler(int signo, siginfo_t *info, void *context)
{
    (void)context;
    static const char text[] = "old handler ran\n";
    if (signo == SIGSEGV && info->si_addr == (void *)16)
        (void)!write(2, text, sizeof text - 1);
    _exit(42);
}

static void chained_access(void)
{
    struct sigaction action = {.sa_sigaction = old_handler, .sa_flags = SA_SIGINFO};

    sigaction(SIGSEGV, &action, NULL);
    set_up(NULL);
    touch((char *)16);
}

TEST(other_faults_end_the_process_as_ever)
{
    int status = run_child(null_access);
    ck_assert_msg(killed_by(status, SIGSEGV), "status %x: %s", status, said);
    ck_assert_ptr_null(strstr(said, "weft"));
}

TEST(other_faults_go_to_the_handler_that_was_there)
{
    int status = run_child(chained_access);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 42, "status %x: %s", status, said);
    ck_assert_str_eq(said, "old handler ran\n");
}
#endif

TEST(uninstall_puts_the_old_handlers_and_signal_stack_back)
{
    struct sigaction before, after;
    stack_t stack_before, stack_after;

    sigaction(SIGSEGV, NULL, &before);
    sigaltstack(NULL, &stack_before);
    set_up(NULL);
    ck_assert_int_eq(wf_overflow_install(&pool, describe), -EBUSY);
    tear_down();
    sigaction(SIGSEGV, NULL, &after);
    sigaltstack(NULL, &stack_after);
    ck_assert_ptr_eq((void *)(uintptr_t)before.sa_sigaction, (void *)(uintptr_t)after.sa_sigaction);
    ck_assert_ptr_eq(stack_before.ss_sp, stack_after.ss_sp);
    ck_assert_int_eq(stack_before.ss_flags, stack_after.ss_flags);
}
