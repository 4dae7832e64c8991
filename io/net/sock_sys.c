/* SPDX-License-Identifier: Apache-2.0 */
/* sock_sys.c - socket system calls that never block and return -errno */
#include "io/net/sock_sys.h"

#include <errno.h>
#include <unistd.h>

#define OUT_OF_LINE __attribute__((noinline))

OUT_OF_LINE ssize_t wf_sys_recv(int fd, void *buf, size_t n)
{
    ssize_t r = recv(fd, buf, n, MSG_DONTWAIT);
    return r >= 0 ? r : -errno;
}

OUT_OF_LINE ssize_t wf_sys_send(int fd, const void *buf, size_t n)
{
    ssize_t r = send(fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    return r >= 0 ? r : -errno;
}

OUT_OF_LINE ssize_t wf_sys_sendmsg(int fd, const struct msghdr *msg)
{
    ssize_t r = sendmsg(fd, msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    return r >= 0 ? r : -errno;
}

/* Blocking mode: the ring answers -EAGAIN on a non-blocking socket instead of waiting. */
OUT_OF_LINE int wf_sys_socket(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 ? fd : -errno;
}

OUT_OF_LINE int wf_sys_bind(int fd, const struct sockaddr *sa, socklen_t len)
{
    return bind(fd, sa, len) == 0 ? 0 : -errno;
}

OUT_OF_LINE int wf_sys_listen(int fd, int backlog)
{
    return listen(fd, backlog) == 0 ? 0 : -errno;
}

OUT_OF_LINE int wf_sys_shutdown(int fd, int how)
{
    return shutdown(fd, how) == 0 ? 0 : -errno;
}

OUT_OF_LINE int wf_sys_close(int fd)
{
    return close(fd) == 0 ? 0 : -errno;
}

OUT_OF_LINE int wf_sys_set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) == 0 ? 0 : -errno;
}

OUT_OF_LINE int wf_sys_local(int fd, struct sockaddr *sa, socklen_t len)
{
    return getsockname(fd, sa, &len) == 0 ? 0 : -errno;
}

OUT_OF_LINE int wf_sys_peer(int fd, struct sockaddr *sa, socklen_t len)
{
    return getpeername(fd, sa, &len) == 0 ? 0 : -errno;
}
