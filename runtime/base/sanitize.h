/* SPDX-License-Identifier: Apache-2.0 */
/* sanitize.h - which sanitizer this build runs under, and how to keep it off a function */
#ifndef WF_SANITIZE_H
#define WF_SANITIZE_H

#if defined(__SANITIZE_ADDRESS__)
#define WF_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WF_ASAN 1
#endif
#endif
#ifndef WF_ASAN
#define WF_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__)
#define WF_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WF_TSAN 1
#endif
#endif
#ifndef WF_TSAN
#define WF_TSAN 0
#endif

/* For code that reads what a sanitizer believes to be someone else's: stack scans, canaries. */
#if defined(__clang__)
#define WF_NO_ASAN  __attribute__((no_sanitize("address")))
#define WF_NO_TSAN  __attribute__((no_sanitize("thread")))
#define WF_NO_UBSAN __attribute__((no_sanitize("undefined")))
#else
#define WF_NO_ASAN  __attribute__((no_sanitize_address))
#define WF_NO_TSAN  __attribute__((no_sanitize_thread))
#define WF_NO_UBSAN __attribute__((no_sanitize_undefined))
#endif

#endif
