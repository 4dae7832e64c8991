/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peek.c - reads the memory of a process, also the own one, without a fault and without stopping it
 *
 * The runtime reads itself this way too when it writes a snapshot: stacks and regions may be given
 * back by other threads at any moment, and the kernel answers EFAULT where a load would crash. No
 * sanitizer sees these reads, and they are races on purpose: the caller checks what it got.
 */
#include "runtime/trace/peek.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

void wf_peek_init(struct wf_peek *peek, pid_t pid)
{
    *peek = (struct wf_peek){.pid = pid, .mem_fd = -1};
}

void wf_peek_fini(struct wf_peek *peek)
{
    if (peek->mem_fd >= 0)
        close(peek->mem_fd);
    peek->mem_fd = -1;
}

/* Seccomp filters refuse the system call more often than the file. */
static int open_mem(struct wf_peek *peek)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/%ld/mem", (long)peek->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == EACCES ? -EPERM : -errno;
    peek->mem_fd = fd;
    return 0;
}

static ssize_t read_mem(struct wf_peek *peek, uint64_t addr, void *buf, size_t size)
{
    ssize_t got = pread(peek->mem_fd, buf, size, (off_t)addr);
    if (got < 0)
        return errno == EIO ? -EFAULT : -errno;
    return got == 0 ? -ESRCH : got;
}

ssize_t wf_peek_some(struct wf_peek *peek, uint64_t addr, void *buf, size_t size)
{
    if (size == 0)
        return 0;
    if (peek->mem_fd >= 0)
        return read_mem(peek, addr, buf, size);
    struct iovec local = {.iov_base = buf, .iov_len = size};
    struct iovec remote = {.iov_base = (void *)(uintptr_t)addr, .iov_len = size};
    ssize_t got = process_vm_readv(peek->pid, &local, 1, &remote, 1, 0);
    if (got > 0)
        return got;
    if (got == 0)
        return -EFAULT;
    if (errno != EPERM && errno != ENOSYS)
        return -errno;
    int rc = open_mem(peek);
    return rc != 0 ? rc : read_mem(peek, addr, buf, size);
}

int wf_peek(struct wf_peek *peek, uint64_t addr, void *buf, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = wf_peek_some(peek, addr + done, (char *)buf + done, size - done);
        if (got < 0)
            return (int)got;
        done += (size_t)got;
    }
    return 0;
}
