/* SPDX-License-Identifier: Apache-2.0 */
/* uring_open_test.c - rings under small limits and filters: what starts, and what the reason
 * says */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/unit/uring_rig.h"

static char reason[512];

static int try_open(struct wf_driver **d, unsigned entries)
{
    struct wf_driver_config config = {.entries = entries, .workers = 1};
    *d = NULL;
    reason[0] = 0;
    return wf_uring_driver.open(d, &config, reason, sizeof reason);
}

/* Runs `body` in a child that may spoil itself; returns what it wrote to the shared page. */
struct outcome {
    int result;
    unsigned entries;
    char reason[512];
};

static struct outcome in_child(void (*body)(struct outcome *))
{
    struct outcome *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(shared, MAP_FAILED);
    shared->result = 1;
    pid_t pid = fork();
    if (pid == 0) {
        body(shared);
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    struct outcome copy = *shared;
    munmap(shared, sizeof *shared);
    return copy;
}

static void open_in_child(struct outcome *o)
{
    struct wf_driver *d;
    o->result = try_open(&d, 1024);
    memcpy(o->reason, reason, sizeof reason);
    if (o->result == 0) {
        o->entries = wf_uring_of(d)->sq_entries;
        struct rig_op r = rig_make(WF_OP_NOP, -1, NULL, 0);
        rig_submit(d, &r);
        while (!r.ended)
            d->ops->sleep(d, WEFT_NEVER);
        d->ops->close(d);
    }
}

TEST(reason_names_mode_size_wake_and_what_is_missing)
{
    struct wf_driver *d;
    unsetenv("WEFT_URING");
    ck_assert_int_eq(try_open(&d, 256), 0);
    ck_assert_ptr_nonnull(strstr(reason, "256 entries"));
    ck_assert_ptr_nonnull(strstr(reason, "wake, kernel "));
    rig_close(d);
    rig_mode("coop");
    ck_assert_int_eq(try_open(&d, 256), 0);
    ck_assert_ptr_nonnull(strstr(reason, "COOP_TASKRUN"));
    ck_assert_ptr_nonnull(strstr(reason, "missing: DEFER_TASKRUN"));
    rig_close(d);
    rig_mode("none");
    ck_assert_int_eq(try_open(&d, 256), 0);
    ck_assert_ptr_nonnull(strstr(reason, "no task work flags"));
    rig_close(d);
    unsetenv("WEFT_URING");
}

TEST(driver_is_chosen_by_name_and_environment)
{
    unsetenv("WEFT_DRIVER");
    ck_assert_ptr_eq(wf_driver_choose(NULL), &wf_uring_driver);
    ck_assert_ptr_eq(wf_driver_choose("auto"), &wf_uring_driver);
    ck_assert_ptr_eq(wf_driver_choose("uring"), &wf_uring_driver);
    ck_assert_ptr_null(wf_driver_choose("carrier pigeon"));
    setenv("WEFT_DRIVER", "mock", 1);
    ck_assert_str_eq(wf_driver_choose(NULL)->name, "mock");
    ck_assert_ptr_eq(wf_driver_choose("uring"), &wf_uring_driver);
    setenv("WEFT_DRIVER", "nonsense", 1);
    ck_assert_ptr_null(wf_driver_choose(NULL));
    unsetenv("WEFT_DRIVER");
}

TEST(opening_and_closing_leaves_no_descriptor)
{
    FOR_EACH_MODE(mode)
    {
        unsigned before = wf_test_open_fds();
        for (unsigned i = 0; i < 50; i++)
            rig_close(rig_open(64));
        ck_assert_uint_eq(wf_test_open_fds(), before);
    }
}

TEST(entries_of_any_size_are_accepted)
{
    static const unsigned sizes[] = {0, 1, 65, 4096, 1000000};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct wf_driver *d = rig_open(sizes[i]);
        struct rig_op r = rig_make(WF_OP_NOP, -1, NULL, 0);
        ck_assert_int_eq(rig_run(d, &r), 0);
        rig_close(d);
    }
}

/* ---- limits ---- */

static void small_memlock(struct outcome *o, rlim_t bytes)
{
    struct rlimit limit = {bytes, bytes};
    /* A user number of its own: the charge is per user, and other tests may run. */
    if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 || setuid(64000 + (unsigned)(getpid() % 1000)) != 0)
        return;
    open_in_child(o);
}

static void memlock_64k(struct outcome *o)
{
    small_memlock(o, 64 << 10);
}

static void memlock_4k(struct outcome *o)
{
    small_memlock(o, 4 << 10);
}

TEST(small_memlock_limit_gets_a_smaller_ring)
{
    if (getuid() != 0)
        TEST_SKIP("needs root to become a user whom the limit binds");
    struct outcome o = in_child(memlock_64k);
    ck_assert_msg(o.result == 0, "%s", o.reason);
    ck_assert_uint_ge(o.entries, WF_URING_ENTRIES_MIN);
    if (o.entries < 1024)
        ck_assert_ptr_nonnull(strstr(o.reason, "1024 wished, memlock limit"));
}

TEST(memlock_limit_that_allows_no_ring_is_named)
{
    if (getuid() != 0)
        TEST_SKIP("needs root to become a user whom the limit binds");
    struct outcome o = in_child(memlock_4k);
    if (o.result == 0)
        TEST_SKIP("this kernel does not charge rings to the memlock limit");
    ck_assert_int_eq(o.result, -ENOMEM);
    ck_assert_ptr_nonnull(strstr(o.reason, "memlock"));
    ck_assert_ptr_nonnull(strstr(o.reason, "4 KiB"));
}

static void no_descriptor(struct outcome *o)
{
    struct rlimit limit = {3, 3};
    setrlimit(RLIMIT_NOFILE, &limit);
    open_in_child(o);
}

TEST(no_free_descriptor_is_named)
{
    struct outcome o = in_child(no_descriptor);
    ck_assert_int_eq(o.result, -EMFILE);
    ck_assert_ptr_nonnull(strstr(o.reason, "descriptor"));
}

/* ---- filters ---- */

static bool filter_call(unsigned nr, unsigned error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void refused(struct outcome *o)
{
    if (filter_call(SYS_io_uring_setup, EPERM))
        open_in_child(o);
}

static void absent(struct outcome *o)
{
    if (filter_call(SYS_io_uring_setup, ENOSYS))
        open_in_child(o);
}

static void no_register(struct outcome *o)
{
    if (filter_call(SYS_io_uring_register, EPERM))
        open_in_child(o);
}

TEST(filter_that_refuses_the_ring_is_named)
{
    struct outcome o = in_child(refused);
    if (o.result == 1)
        TEST_SKIP("cannot install a seccomp filter");
    ck_assert_int_eq(o.result, -EPERM);
    ck_assert_ptr_nonnull(strstr(o.reason, "seccomp"));
    ck_assert_ptr_nonnull(strstr(o.reason, "io_uring_setup"));
}

TEST(filter_that_hides_the_ring_is_named)
{
    struct outcome o = in_child(absent);
    if (o.result == 1)
        TEST_SKIP("cannot install a seccomp filter");
    ck_assert_int_eq(o.result, -ENOSYS);
    ck_assert_ptr_nonnull(strstr(o.reason, "seccomp"));
    ck_assert_ptr_nonnull(strstr(o.reason, "Linux 5.11"));
}

/* Nothing can be asked then; what is known of the kernel's features has to do. */
TEST(filter_that_only_refuses_io_uring_register_is_survived)
{
    struct outcome o = in_child(no_register);
    if (o.result == 1)
        TEST_SKIP("cannot install a seccomp filter");
    ck_assert_msg(o.result == 0, "%s", o.reason);
    ck_assert_ptr_nonnull(strstr(o.reason, "registered ring descriptor"));
}

/* Where the driver cannot be filtered, the text for each error is read directly. */
TEST(every_failure_has_a_sentence)
{
    static const int errors[] = {EPERM, EACCES, ENOSYS, ENOMEM, EMFILE, ENFILE, EOPNOTSUPP, EIO};
    for (unsigned i = 0; i < sizeof errors / sizeof *errors; i++) {
        char text[512];
        wf_uring_why(text, sizeof text, -errors[i], 64);
        ck_assert_int_eq(strncmp(text, "uring: ", 7), 0);
        ck_assert_uint_gt(strlen(text), 30);
        ck_assert_uint_lt(strlen(text), 400);
    }
}

static const void *ring_memory;

static void look_for_ring(struct outcome *o)
{
    unsigned char resident;
    void *page = (void *)((uintptr_t)ring_memory & ~(uintptr_t)(sysconf(_SC_PAGESIZE) - 1));
    o->result = mincore(page, 1, &resident) == 0 ? 0 : -errno;
}

TEST(forked_child_does_not_have_the_ring)
{
    FOR_EACH_MODE(mode)
    {
        struct wf_driver *d = rig_open(64);
        struct rig_op r = rig_make(WF_OP_NOP, -1, NULL, 0);
        rig_submit(d, &r);
        ring_memory = wf_uring_of(d)->cqes;
        ck_assert_int_eq(in_child(look_for_ring).result, -ENOMEM);
        ring_memory = wf_uring_of(d)->sqes;
        ck_assert_int_eq(in_child(look_for_ring).result, -ENOMEM);
        ck_assert_int_eq(rig_wait(d, &r), 0);
        rig_close(d);
    }
}
