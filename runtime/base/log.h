/* SPDX-License-Identifier: Apache-2.0 */
/* log.h - lines on stderr, one write each; for what an operator must see, never for a hot path */
#ifndef WF_LOG_H
#define WF_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/atomic.h"

enum wf_log_level {
    WF_LOG_ERROR,
    WF_LOG_WARN,
    WF_LOG_INFO,
    WF_LOG_DEBUG,
};

/* Longest line with its newline; what is longer is cut and ends in "...". */
#define WF_LOG_LINE_MAX 1024

/* Prints "weft: warning: text" if the level is at most the one in force: WEFT_LOG=error|warn|info|
 * debug in the environment, else warn. Keeps errno. Any thread or fiber; not signal handlers. */
__attribute__((format(printf, 2, 3))) void wf_log(enum wf_log_level level, const char *format, ...);

/* Would a line of this level be printed? For callers whose arguments are costly. */
bool wf_log_enabled(enum wf_log_level level);

/* Overrides the environment. Any thread. */
void wf_log_set_level(enum wf_log_level level);

/* Prints a text of known length as it is; the only one for signal handlers. */
void wf_log_raw(const char *text, uint32_t len);

/* A limit for one place that could fill the log: at most `burst` lines in each period. Zero-filled
 * apart from these two. any: */
struct wf_log_limit {
    uint64_t period_ns;
    uint32_t burst;
    WF_ATOMIC(uint32_t) count;
    WF_ATOMIC(uint64_t) period_start;
    WF_ATOMIC(uint64_t) suppressed;
};

#define WF_LOG_LIMIT_INIT(burst_, period_ns_)        \
    {                                                \
        .period_ns = (period_ns_), .burst = (burst_) \
    }

/* May this line be printed at `now_ns`? If so, `*suppressed` is how many were swallowed since the
 * last one that was printed. Two threads at the turn of a period may print one line too many. */
bool wf_log_allowed(struct wf_log_limit *limit, uint64_t now_ns, uint64_t *suppressed);

#endif
