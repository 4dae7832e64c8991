/* SPDX-License-Identifier: Apache-2.0 */
/* address.c - socket addresses as text */
#include "io/net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { HOST_MAX = INET6_ADDRSTRLEN, PORT_DIGITS = 5, PORT_MAX = 65535 };

static int refuse(const char **why, const char *text)
{
    if (why != NULL)
        *why = text;
    return -EINVAL;
}

/* 1 to 5 decimal digits, nothing after them. */
static int parse_port(const char *text)
{
    int port = 0, digits = 0;
    for (; *text >= '0' && *text <= '9'; text++) {
        port = port * 10 + (*text - '0');
        if (++digits > PORT_DIGITS)
            return -EINVAL;
    }
    return digits > 0 && *text == '\0' && port <= PORT_MAX ? port : -EINVAL;
}

static int parse_host(struct wf_address *out, const char *host, size_t len, bool v6,
                      const char **why)
{
    char copy[HOST_MAX];
    if (len >= sizeof(copy))
        return refuse(why, "the host is too long for a numeric address");
    memcpy(copy, host, len);
    copy[len] = '\0';
    if (v6) {
        out->v6.sin6_family = AF_INET6;
        out->len = sizeof(out->v6);
        if (inet_pton(AF_INET6, copy, &out->v6.sin6_addr) != 1)
            return refuse(why, "not an IPv6 address between [ and ]");
    } else {
        out->v4.sin_family = AF_INET;
        out->len = sizeof(out->v4);
        if (inet_pton(AF_INET, copy, &out->v4.sin_addr) != 1)
            return refuse(why, "the host is not a numeric IPv4 address (names are not resolved; "
                               "IPv6 goes between [ and ])");
    }
    return 0;
}

int wf_address_parse(struct wf_address *out, const char *text, const char **why)
{
    memset(out, 0, sizeof(*out));
    if (text == NULL)
        return refuse(why, "no address");
    const char *colon;
    int rc = 0;
    if (text[0] == '[') {
        const char *end = strchr(text, ']');
        if (end == NULL || end[1] != ':')
            return refuse(why, "expected [address]:port");
        rc = parse_host(out, text + 1, (size_t)(end - text - 1), true, why);
        colon = end + 1;
    } else {
        colon = strchr(text, ':');
        if (colon == NULL)
            return refuse(why, "expected host:port");
        if (colon == text) {
            out->any = true;
            out->v6.sin6_family = AF_INET6;
            out->v6.sin6_addr = in6addr_any;
            out->len = sizeof(out->v6);
        } else {
            rc = parse_host(out, text, (size_t)(colon - text), false, why);
        }
    }
    if (rc < 0)
        return rc;
    int port = parse_port(colon + 1);
    if (port < 0)
        return refuse(why, "the port is not a number from 0 to 65535");
    wf_address_set_port(out, (unsigned)port);
    return 0;
}

void wf_address_any_v4(struct wf_address *address)
{
    unsigned port = wf_address_port(address);
    memset(address, 0, sizeof(*address));
    address->any = true;
    address->v4.sin_family = AF_INET;
    address->v4.sin_addr.s_addr = htonl(INADDR_ANY);
    address->len = sizeof(address->v4);
    wf_address_set_port(address, port);
}

unsigned wf_address_port(const struct wf_address *address)
{
    return ntohs(address->sa.sa_family == AF_INET ? address->v4.sin_port : address->v6.sin6_port);
}

void wf_address_set_port(struct wf_address *address, unsigned port)
{
    if (address->sa.sa_family == AF_INET)
        address->v4.sin_port = htons((uint16_t)port);
    else
        address->v6.sin6_port = htons((uint16_t)port);
}

int wf_address_format(const struct sockaddr *sa, char *buf, size_t size)
{
    char host[INET6_ADDRSTRLEN];
    int n;
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)sa;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
        n = snprintf(buf, size, "%s:%u", host, (unsigned)ntohs(v4->sin_port));
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)sa;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
        n = snprintf(buf, size, "[%s]:%u", host, (unsigned)ntohs(v6->sin6_port));
    } else if (sa->sa_family == AF_UNIX) {
        n = snprintf(buf, size, "unix");
    } else {
        return -EAFNOSUPPORT;
    }
    return (size_t)n < size ? n : -ENOSPC;
}
