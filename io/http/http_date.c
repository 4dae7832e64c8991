/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_date.c - the Date header
 *
 * Each thread keeps the text of the current second, so a response costs a look at the coarse clock
 * (a few ns), a comparison and a copy. The thread-local is touched only inside one function that
 * never suspends and is not inlined: no address of it lives over a suspension.
 */
#include <time.h>

#include "io/http/http_reply.h"

static char *put_two(char *at, unsigned n)
{
    at[0] = (char)('0' + n / 10);
    at[1] = (char)('0' + n % 10);
    return at + 2;
}

/* Days since 1970-01-01 to year, month, day: years are counted from March, so that the leap day is
 * the last one of its year and the lengths of the months follow one formula. */
static void split_days(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    int64_t z = days + 719468; /* from 0000-03-01 */
    int64_t era = z / 146097;
    unsigned doe = (unsigned)(z - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;
    *day = doy - (153 * mp + 2) / 5 + 1;
    *month = mp < 10 ? mp + 3 : mp - 9;
    *year = yoe + (unsigned)era * 400 + (*month <= 2);
}

void wf_http_format_date(char *at, int64_t seconds)
{
    static const char weekdays[] = "ThuFriSatSunMonTueWed";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    unsigned year, month, day;
    seconds = seconds < 0 ? 0 : seconds;
    int64_t days = seconds / 86400;
    unsigned rest = (unsigned)(seconds % 86400);
    split_days(days, &year, &month, &day);
    at = wf_http_put(at, weekdays + days % 7 * 3, 3);
    at = WF_HTTP_PUT(at, ", ");
    at = put_two(at, day);
    *at++ = ' ';
    at = wf_http_put(at, months + (size_t)(month - 1) * 3, 3);
    *at++ = ' ';
    at = put_two(at, year / 100 % 100);
    at = put_two(at, year % 100);
    *at++ = ' ';
    at = put_two(at, rest / 3600);
    *at++ = ':';
    at = put_two(at, rest / 60 % 60);
    *at++ = ':';
    at = put_two(at, rest % 60);
    (void)WF_HTTP_PUT(at, " GMT");
}

__attribute__((noinline)) char *wf_http_put_date(char *at)
{
    static _Thread_local struct {
        int64_t second;
        char text[WF_HTTP_DATE_LEN];
    } cache;
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME_COARSE, &wall);
    if (wall.tv_sec != cache.second) {
        cache.second = wall.tv_sec;
        wf_http_format_date(cache.text, wall.tv_sec);
    }
    return wf_http_put(at, cache.text, WF_HTTP_DATE_LEN);
}
