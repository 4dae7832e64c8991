/* SPDX-License-Identifier: Apache-2.0 */
/* planted_race_stress.c - the thread sanitizer must see a race between two tasks on two workers
 *
 * A clean run of the other tests says something only if a real race would have been reported. The
 * test runs itself again with a race in it and expects the sanitizer's exit status.
 */
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <weft/weft.h>

#include "runtime/base/atomic.h"
#include "runtime/base/sanitize.h"
#include "tests/support/test.h"

extern char **environ;

enum { ROUNDS = 200, EXIT_STATUS_OF_A_REPORT = 66 };

static WF_ATOMIC(uint32_t) arrived;
static unsigned unprotected;

/* Meets the other task while both are on a CPU, with nothing that orders them, and writes. */
static intptr_t writer(void *arg)
{
    uint32_t goal = (uint32_t)(uintptr_t)arg;
    wf_add_rlx(&arrived, 1);
    for (unsigned tries = 0; wf_load_rlx(&arrived) < goal; tries++)
        if (tries % 1000 == 999)
            weft_yield(); /* the other one may be queued on this worker */
    unprotected++;
    return 0;
}

static intptr_t race(void *arg)
{
    (void)arg;
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        weft_task *tasks[2];
        for (int i = 0; i < 2; i++)
            tasks[i] = weft_spawn(writer, (void *)(uintptr_t)(2 * round));
        weft_gather(tasks, 2, NULL);
    }
    return 0;
}

TEST(a_planted_race_is_reported)
{
    if (getenv("WEFT_PLANTED_RACE") != NULL) {
        struct weft_options options = {.size = sizeof options, .workers = 2};
        weft_run(race, NULL, &options);
        return;
    }
    if (!WF_TSAN)
        TEST_SKIP("only the thread sanitizer reports races");
    setenv("WEFT_PLANTED_RACE", "1", 1);
    setenv("TSAN_OPTIONS", "halt_on_error=1:exitcode=66:log_path=/dev/null", 1);
    char *argv[] = {"planted_race", NULL};
    pid_t pid;
    int status;
    ck_assert_int_eq(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), EXIT_STATUS_OF_A_REPORT);
}
