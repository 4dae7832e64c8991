/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uring_compat.h - liburing.h, and what its older versions lack
 *
 * The build takes any liburing from 2.3 on; what the running kernel can do is asked at run time.
 * Functions that 2.3 declares and does not export are never called.
 */
#ifndef WF_URING_COMPAT_H
#define WF_URING_COMPAT_H

#include <liburing.h>

#include "runtime/base/atomic.h"

/* Without these an operation's memory or completion would not be safe; Linux 5.11 has them all. */
#define WF_URING_FEATURES_NEEDED                                                \
    (IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | \
     IORING_FEAT_RW_CUR_POS | IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG)

/* The words that the kernel shares with us, as the type that atomic.h wants. */
typedef WF_ATOMIC(unsigned) wf_uring_word;

WF_STATIC_ASSERT(sizeof(wf_uring_word) == sizeof(unsigned), "ring words are plain 32-bit words");

#endif
