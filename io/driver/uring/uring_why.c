/* SPDX-License-Identifier: Apache-2.0 */
/* uring_why.c - why a ring cannot be had here, and what to do, in one line for the operator */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "io/driver/uring/uring.h"

/* The first bytes of a small file as text; false when it cannot be read. */
static bool read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, size - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    return n > 0;
}

/* kernel.io_uring_disabled; 0 where it does not exist (before Linux 6.6). */
static int sysctl_disabled(void)
{
    char text[16];
    return read_text("/proc/sys/kernel/io_uring_disabled", text, sizeof text) ? atoi(text) : 0;
}

/* Does a seccomp filter stand before the system calls of this process? */
static bool filtered(void)
{
    char text[4096];
    if (!read_text("/proc/self/status", text, sizeof text))
        return false;
    const char *line = strstr(text, "\nSeccomp:");
    return line != NULL && atoi(line + strlen("\nSeccomp:")) == 2;
}

static const char filter_advice[] =
    "allow io_uring_setup, io_uring_enter and io_uring_register in its profile (docker: "
    "--security-opt seccomp=profile.json or seccomp=unconfined)";

static void why_forbidden(char *reason, size_t size)
{
    int disabled = sysctl_disabled();
    if (disabled >= 2)
        snprintf(reason, size,
                 "uring: forbidden for every process by kernel.io_uring_disabled=%d: "
                 "set it to 0 (sysctl -w kernel.io_uring_disabled=0)",
                 disabled);
    else if (disabled == 1 && !filtered())
        snprintf(reason, size,
                 "uring: forbidden by kernel.io_uring_disabled=1 for processes outside "
                 "kernel.io_uring_group: add this user's group there, or set "
                 "kernel.io_uring_disabled=0");
    else
        snprintf(reason, size,
                 "uring: forbidden (EPERM), probably by a seccomp filter, as containers "
                 "have by default: %s",
                 filter_advice);
}

static void why_absent(char *reason, size_t size)
{
    struct utsname host;
    uname(&host);
    if (filtered())
        snprintf(reason, size,
                 "uring: io_uring_setup does not exist here (ENOSYS): either a seccomp "
                 "filter hides it: %s, or kernel %s has none: use Linux 5.11 or newer",
                 filter_advice, host.release);
    else
        snprintf(reason, size,
                 "uring: kernel %s has no io_uring (ENOSYS): use Linux 5.11 or newer, "
                 "6.1 or newer for full speed, built with CONFIG_IO_URING; emulators "
                 "and gVisor do not have it",
                 host.release);
}

static void why_memory(char *reason, size_t size, unsigned entries)
{
    struct rlimit limit = {0, 0};
    getrlimit(RLIMIT_MEMLOCK, &limit);
    if (limit.rlim_cur == RLIM_INFINITY) {
        snprintf(reason, size,
                 "uring: the kernel has no memory for a ring of %u entries (memlock is unlimited): "
                 "see the memory limit of this host or container",
                 entries);
        return;
    }
    snprintf(reason, size,
             "uring: no memory for a ring of %u entries: the memlock limit is %llu "
             "KiB for all processes of user %u together: raise it (ulimit -l, "
             "LimitMEMLOCK= in a systemd unit, docker run --ulimit memlock=-1)",
             entries, (unsigned long long)limit.rlim_cur / 1024, (unsigned)getuid());
}

void wf_uring_why(char *reason, size_t size, int error, unsigned entries)
{
    struct utsname host;
    uname(&host);
    switch (error) {
    case -EPERM:
    case -EACCES:
        why_forbidden(reason, size);
        break;
    case -ENOSYS:
        why_absent(reason, size);
        break;
    case -ENOMEM:
        why_memory(reason, size, entries);
        break;
    case -EMFILE:
    case -ENFILE:
        snprintf(reason, size,
                 "uring: no descriptor left for a ring: raise the limit of open files "
                 "(ulimit -n)");
        break;
    case -EOPNOTSUPP:
        snprintf(reason, size,
                 "uring: the io_uring of kernel %s is too old: Linux 5.11 or newer is "
                 "needed, 6.1 or newer for full speed",
                 host.release);
        break;
    default:
        snprintf(reason, size, "uring: cannot make a ring of %u entries on kernel %s: %s", entries,
                 host.release, strerror(-error));
        break;
    }
}
