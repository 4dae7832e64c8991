/* SPDX-License-Identifier: Apache-2.0 */
/* unwind_test.c - every unwinder walks a fiber's stack to its entry and stops there
 *
 * The chain is outer_call -> middle_call -> inner_call -> stop_here, on a fiber. In this process:
 * libgcc's unwinder and libunwind on the running fiber, a walk of frame pointers. From outside:
 * libdw on a parked child process, gdb on this program itself. */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <unwind.h>

#include "runtime/fiber/fiber.h"
#include "tests/support/test.h"

#if !defined(WF_TEST_LIBUNWIND)
#define WF_TEST_LIBUNWIND 0
#endif
#if !defined(WF_TEST_LIBDW)
#define WF_TEST_LIBDW 0
#endif
#if WF_TEST_LIBUNWIND
#define UNW_LOCAL_ONLY
#include <libunwind.h>
#endif
#if WF_TEST_LIBDW
#include <elfutils/libdwfl.h>
#endif

static struct wf_stack_pool pool;
static struct wf_stack_cache cache;
static struct wf_fiber thread, *fiber;
static void (*at_the_bottom)(void);

#define FRAMES_MAX 32
static uintptr_t found[FRAMES_MAX];
static unsigned found_count;

/* Not static, so that debuggers show these names. */
void stop_here(void);
void inner_call(void);
void middle_call(void);
void outer_call(void *pass);

__attribute__((noinline)) void stop_here(void)
{
    if (at_the_bottom != NULL)
        at_the_bottom();
    __asm__ volatile("" ::: "memory");
}

__attribute__((noinline)) void inner_call(void)
{
    volatile char local[100];

    local[0] = 1;
    stop_here();
    local[1] = local[0];
}

__attribute__((noinline)) void middle_call(void)
{
    inner_call();
    __asm__ volatile("" ::: "memory");
}

__attribute__((noinline)) void outer_call(void *pass)
{
    (void)pass;
    middle_call();
    wf_fiber_switch_final(fiber, &thread, NULL);
}

static void run_chain(void (*bottom)(void))
{
    at_the_bottom = bottom;
    found_count = 0;
    wf_stack_pool_init(&pool, NULL);
    wf_stack_cache_init(&cache, &pool);
    wf_fiber_init_thread(&thread);
    fiber = wf_fiber_new(&cache, WF_STACK_DEFAULT, outer_call);
    wf_fiber_switch(&thread, fiber, NULL);
    wf_fiber_free(&cache, fiber);
    wf_stack_cache_fini(&cache);
    wf_stack_pool_fini(&pool);
}

/* Starts of the functions found, innermost first, must hold the chain and end with the entry. */
static void check_chain(void)
{
    const uintptr_t want[] = {(uintptr_t)stop_here, (uintptr_t)inner_call, (uintptr_t)middle_call,
                              (uintptr_t)outer_call};
    unsigned at = 0;

    for (unsigned i = 0; i < found_count && at < 4; i++) {
        if (found[i] == want[at])
            at++;
    }
    ck_assert_uint_eq(at, 4);
    ck_assert_uint_ge(found_count, 5);
    ck_assert_uint_lt(found_count, FRAMES_MAX);
    ck_assert_uint_eq(found[found_count - 1], (uintptr_t)wf_arch_entry);
}

static _Unwind_Reason_Code on_frame(struct _Unwind_Context *context, void *arg)
{
    (void)arg;
    if (_Unwind_GetIP(context) == 0)
        return _URC_END_OF_STACK;
    if (found_count < FRAMES_MAX)
        found[found_count++] = (uintptr_t)_Unwind_GetRegionStart(context);
    return found_count < FRAMES_MAX ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static void walk_with_libgcc(void)
{
    _Unwind_Backtrace(on_frame, NULL);
}

TEST(libgcc_stops_at_the_entry)
{
    run_chain(walk_with_libgcc);
    check_chain();
}

#if WF_TEST_LIBUNWIND
static void walk_with_libunwind(void)
{
    unw_context_t context;
    unw_cursor_t cursor;
    unw_proc_info_t info;

    unw_getcontext(&context);
    unw_init_local(&cursor, &context);
    do {
        if (unw_get_proc_info(&cursor, &info) != 0)
            break;
        found[found_count++] = info.start_ip;
    } while (found_count < FRAMES_MAX && unw_step(&cursor) > 0);
}

TEST(libunwind_stops_at_the_entry)
{
    run_chain(walk_with_libunwind);
    check_chain();
}
#endif

static unsigned fp_frames;
static bool fp_ended;

static WF_NO_ASAN WF_NO_TSAN void walk_frame_pointers(void)
{
    const uintptr_t *fp = __builtin_frame_address(0);

    fp_frames = 0;
    while (fp != NULL && fp_frames < FRAMES_MAX) {
        fp_frames++;
        fp = (const uintptr_t *)fp[0];
    }
    fp_ended = fp == NULL;
}

TEST(frame_pointers_end_at_the_entry)
{
    run_chain(walk_frame_pointers);
    ck_assert(fp_ended);
    /* walk, stop_here, inner, middle, outer; under a sanitizer one more at the entry. */
    ck_assert_uint_ge(fp_frames, 5);
    ck_assert_uint_le(fp_frames, 6);
}

static bool is_in_debugger;

static void note_debugger(void)
{
    is_in_debugger = getenv("WEFT_TEST_IN_GDB") != NULL;
}

/* Run by the next case under gdb, which stops at stop_here. */
TEST(a_chain_of_named_calls)
{
    run_chain(note_debugger);
}

TEST(gdb_shows_the_chain_and_stops_at_the_entry)
{
    char command[600], program[256], line[512], text[8192] = "";
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);

    if (WF_ASAN || WF_TSAN)
        TEST_SKIP("sanitizers and debuggers exclude each other here");
    if (access("/usr/bin/gdb", X_OK) != 0)
        TEST_SKIP("gdb is not installed");
    ck_assert_int_gt(len, 0);
    program[len] = '\0';
    wf_test_timeout(60);
    snprintf(
        command, sizeof command,
        "WEFT_TEST_IN_GDB=1 timeout 40 gdb -nx -batch -ex 'set debuginfod enabled off' "
        "-ex 'break stop_here' -ex run -ex bt -ex kill --args '%s' a_chain_of_named_calls 2>&1",
        program);
    FILE *out = popen(command, "r");
    ck_assert_ptr_nonnull(out);
    while (fgets(line, sizeof line, out) != NULL) {
        if (strlen(text) + strlen(line) < sizeof text)
            strcat(text, line);
    }
    pclose(out);
    if (strstr(text, "ptrace") != NULL && strstr(text, "Operation not permitted") != NULL)
        TEST_SKIP("this environment forbids ptrace");
    if (strstr(text, "Exec format error") != NULL)
        TEST_SKIP("an emulator runs this program");
    const char *at = text;
    const char *names[] = {"#0 ",         "stop_here", "#1 ",        "inner_call", "#2 ",
                           "middle_call", "#3 ",       "outer_call", "#4 ",        "wf_arch_entry"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        at = strstr(at, names[i]);
        ck_assert_msg(at != NULL, "no %s in: %s", names[i], text);
    }
    ck_assert_msg(strstr(at, "#5 ") == NULL && strstr(text, "corrupt stack") == NULL, "%s", text);
}

#if WF_TEST_LIBDW
static int parked_pipe[2];

static void say_parked_and_wait(void)
{
    (void)!write(parked_pipe[1], "p", 1);
    for (;;)
        pause();
}

struct names {
    Dwfl *dwfl;
    unsigned count;
    char name[FRAMES_MAX][64];
};

static int on_dwfl_frame(Dwfl_Frame *frame, void *arg)
{
    struct names *names = arg;
    Dwarf_Addr pc;
    bool activation;

    if (names->count == FRAMES_MAX || !dwfl_frame_pc(frame, &pc, &activation))
        return DWARF_CB_ABORT;
    Dwfl_Module *module = dwfl_addrmodule(names->dwfl, pc - !activation);
    const char *name = module != NULL ? dwfl_module_addrname(module, pc - !activation) : NULL;
    snprintf(names->name[names->count++], 64, "%s", name != NULL ? name : "?");
    return DWARF_CB_OK;
}

TEST(libdw_walks_a_fiber_of_another_process)
{
    static const Dwfl_Callbacks callbacks = {.find_elf = dwfl_linux_proc_find_elf,
                                             .find_debuginfo = dwfl_standard_find_debuginfo};
    static struct names names;
    char byte;

    ck_assert_int_eq(pipe(parked_pipe), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(15);
        run_chain(say_parked_and_wait);
        _exit(1);
    }
    ck_assert_int_eq(read(parked_pipe[0], &byte, 1), 1);
    memset(&names, 0, sizeof names);
    names.dwfl = dwfl_begin(&callbacks);
    ck_assert_ptr_nonnull(names.dwfl);
    int reported = dwfl_linux_proc_report(names.dwfl, pid);
    dwfl_report_end(names.dwfl, NULL, NULL);
    int attached = reported == 0 ? dwfl_linux_proc_attach(names.dwfl, pid, false) : -1;
    int walked = attached == 0 ? dwfl_getthread_frames(names.dwfl, pid, on_dwfl_frame, &names) : -1;
    dwfl_end(names.dwfl);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(parked_pipe[0]);
    close(parked_pipe[1]);
    if (attached != 0 || (walked != 0 && names.count == 0))
        TEST_SKIP("libdw cannot attach here");
    const char *want[] = {"stop_here", "inner_call", "middle_call", "outer_call", "wf_arch_entry"};
    unsigned at = 0;
    for (unsigned i = 0; i < names.count && at < 5; i++) {
        if (strcmp(names.name[i], want[at]) == 0)
            at++;
    }
    ck_assert_uint_eq(at, 5);
    ck_assert_str_eq(names.name[names.count - 1], "wf_arch_entry");
}
#endif
