/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sock_sys.h - socket system calls that never block and return -errno
 *
 * Out of line on purpose: compilers keep the address of errno over a suspension, and the task may
 * wake on another thread. In here no suspension lies between the call and errno.
 */
#ifndef WF_SOCK_SYS_H
#define WF_SOCK_SYS_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

/* recv and send with MSG_DONTWAIT (and MSG_NOSIGNAL); -EAGAIN when it would block. */
ssize_t wf_sys_recv(int fd, void *buf, size_t n);
ssize_t wf_sys_send(int fd, const void *buf, size_t n);
ssize_t wf_sys_sendmsg(int fd, const struct msghdr *msg);

int wf_sys_socket(int family);
int wf_sys_bind(int fd, const struct sockaddr *sa, socklen_t len);
int wf_sys_listen(int fd, int backlog);
int wf_sys_shutdown(int fd, int how);
int wf_sys_close(int fd);
int wf_sys_set(int fd, int level, int option, int value);
/* wf_sys_local - the address a socket is bound to; wf_sys_peer - the other side's */
int wf_sys_local(int fd, struct sockaddr *sa, socklen_t len);
int wf_sys_peer(int fd, struct sockaddr *sa, socklen_t len);

#endif
