/* SPDX-License-Identifier: Apache-2.0 */
/* serve_signal.c - SIGTERM and SIGINT begin the shutdown while a service runs */
#include "io/net/serve_signal.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>

#include <weft/task.h>

#include "runtime/base/spin.h"

static const int stop_signals[] = {SIGTERM, SIGINT};
enum { SIGNALS = sizeof(stop_signals) / sizeof(stop_signals[0]) };

static struct wf_spin lock;
static unsigned users;                   /* lock: services that run */
static struct sigaction before[SIGNALS]; /* lock: what the program had installed */

/* weft_shutdown may be called in a signal handler; it may use errno. */
static void on_signal(int signal_number)
{
    int saved = errno;
    (void)signal_number;
    (void)weft_shutdown();
    errno = saved;
}

static __attribute__((noinline)) int install(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < SIGNALS; i++) {
        if (sigaction(stop_signals[i], &action, &before[i]) == 0)
            continue;
        int rc = -errno;
        while (i-- > 0)
            (void)sigaction(stop_signals[i], &before[i], NULL);
        return rc;
    }
    return 0;
}

int wf_serve_signals_begin(void)
{
    int rc = 0;
    wf_spin_lock(&lock);
    if (users == 0)
        rc = install();
    if (rc == 0)
        users++;
    wf_spin_unlock(&lock);
    return rc;
}

void wf_serve_signals_end(void)
{
    wf_spin_lock(&lock);
    if (--users == 0) {
        for (int i = 0; i < SIGNALS; i++)
            (void)sigaction(stop_signals[i], &before[i], NULL);
    }
    wf_spin_unlock(&lock);
}
