/* SPDX-License-Identifier: Apache-2.0 */
/* address.h - socket addresses as text: "127.0.0.1:80", "[::1]:0", ":80" */
#ifndef WF_ADDRESS_H
#define WF_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct wf_address {
    union {
        struct sockaddr sa;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
    socklen_t len;
    bool any; /* ":port": no host was given; v6 is the unspecified address */
};

/*
 * wf_address_parse - read a numeric address
 * @why: set to a constant text that says what is wrong; may be NULL
 * Returns 0 or -EINVAL. Nothing but the forms above is accepted: no names, spaces, signs, or ports
 * in other bases.
 */
int wf_address_parse(struct wf_address *out, const char *text, const char **why);

/* wf_address_any_v4 - the same port on 0.0.0.0, for hosts without IPv6 */
void wf_address_any_v4(struct wf_address *address);

unsigned wf_address_port(const struct wf_address *address);
void wf_address_set_port(struct wf_address *address, unsigned port);

/* wf_address_format - the inverse; length of the text, -ENOSPC, -EAFNOSUPPORT */
int wf_address_format(const struct sockaddr *sa, char *buf, size_t size);

#endif
