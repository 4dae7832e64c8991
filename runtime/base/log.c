/* SPDX-License-Identifier: Apache-2.0 */
/* log.c - lines on stderr, one write each */
#include "runtime/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/assert.h"

#define LEVEL_UNKNOWN UINT32_C(0xff)

/* any: the level in force; read from the environment at the first line. */
static WF_ATOMIC(uint32_t) log_level = LEVEL_UNKNOWN;

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static const char *const level_prefixes[] = {"error: ", "warning: ", "", "debug: "};

static uint32_t level_from_environment(void)
{
    const char *wanted = getenv("WEFT_LOG");
    for (uint32_t i = 0; wanted != NULL && i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (strcmp(wanted, level_names[i]) == 0)
            return i;
    }
    return WF_LOG_WARN;
}

bool wf_log_enabled(enum wf_log_level level)
{
    uint32_t limit = wf_load_rlx(&log_level);
    if (limit == LEVEL_UNKNOWN) {
        limit = level_from_environment();
        wf_store_rlx(&log_level, limit);
    }
    return (uint32_t)level <= limit;
}

void wf_log_set_level(enum wf_log_level level)
{
    wf_store_rlx(&log_level, (uint32_t)level);
}

void wf_log_raw(const char *text, uint32_t len)
{
    int saved = errno;
    while (len > 0) {
        ssize_t written = write(STDERR_FILENO, text, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            break;
        text += written;
        len -= (uint32_t)written;
    }
    errno = saved;
}

void wf_log(enum wf_log_level level, const char *format, ...)
{
    if (!wf_log_enabled(level))
        return;
    int saved = errno;
    char line[WF_LOG_LINE_MAX];
    size_t len = (size_t)snprintf(line, sizeof(line), "weft: %s", level_prefixes[level]);
    size_t room = sizeof(line) - len;
    va_list arguments;
    va_start(arguments, format);
    int wanted = vsnprintf(line + len, room, format, arguments);
    va_end(arguments);
    if (wanted < 0)
        wanted = 0;
    if ((size_t)wanted < room) {
        len += (size_t)wanted;
    } else {
        len = sizeof(line) - 1;
        memcpy(line + len - 3, "...", 3);
    }
    line[len++] = '\n';
    wf_log_raw(line, (uint32_t)len);
    errno = saved;
}

bool wf_log_allowed(struct wf_log_limit *limit, uint64_t now_ns, uint64_t *suppressed)
{
    WF_ASSERT(limit->burst > 0);
    uint64_t start = wf_load_rlx(&limit->period_start);
    if (start == 0 || now_ns - start >= limit->period_ns) {
        if (wf_cas_rlx(&limit->period_start, &start, now_ns))
            wf_store_rlx(&limit->count, 0);
    }
    if (wf_add_rlx(&limit->count, 1) >= limit->burst) {
        wf_add_rlx(&limit->suppressed, 1);
        return false;
    }
    *suppressed = wf_xchg_rlx(&limit->suppressed, 0);
    return true;
}

void wf_assert_failed(const char *file, int line, const char *function, const char *what)
{
    char text[WF_LOG_LINE_MAX];
    int len = snprintf(text, sizeof(text), "%s:%d: %s: assertion failed: %s\n", file, line,
                       function, what);
    if (len > 0)
        wf_log_raw(text, len < (int)sizeof(text) ? (uint32_t)len : (uint32_t)sizeof(text) - 1);
    abort();
}
