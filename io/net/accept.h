/* SPDX-License-Identifier: Apache-2.0 */
/* accept.h - the accepting half of a listener */
#ifndef WF_ACCEPT_H
#define WF_ACCEPT_H

#include "io/net/listener.h"

/* wf_accept_init - fields of a zero-filled listener */
void wf_accept_init(weft_listener *listener);

/* wf_accept_keep - body of the keeper task; it counts as a user of the listener */
intptr_t wf_accept_keep(void *arg);

/*
 * wf_accept_close - end all accepts: waiting tasks get -EBADF, pending connections are closed
 * Returns when no operation, message or waiting task refers to the listener any more. Suspends; not
 * a cancellation point.
 */
void wf_accept_close(weft_listener *listener);

#endif
