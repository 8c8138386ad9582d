/* SPDX-License-Identifier: Apache-2.0
 *
 * http_date.c: dates in HTTP headers, see timestamp.h. Own tables of names: no locale takes part.
 */
#include "common/timestamp.h"

#include <errno.h>
#include "common/clock.h"

#define SECONDS_MIN INT64_C(-62135596800) /* year 1 */
#define SECONDS_MAX INT64_C(253402300799) /* end of year 9999 */

static const char *const day_names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                        "Thursday", "Friday", "Saturday"};
static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static char *put_digits(char *at, int v, int digits)
{
    for (int i = digits - 1; i >= 0; i--, v /= 10)
        at[i] = (char)('0' + v % 10);
    return at + digits;
}

const char *http_date(int64_t seconds, char out[HTTP_DATE_SIZE])
{
    struct tm tm;
    time_t t = (time_t)(seconds < SECONDS_MIN ? SECONDS_MIN : seconds > SECONDS_MAX ? SECONDS_MAX : seconds);
    gmtime_r(&t, &tm);
    char *at = stpncpy(out, day_names[tm.tm_wday], 3);
    at = mempcpy(at, ", ", 2);
    at = put_digits(at, tm.tm_mday, 2);
    *at++ = ' ';
    at = mempcpy(at, month_names[tm.tm_mon], 3);
    *at++ = ' ';
    at = put_digits(at, tm.tm_year + 1900, 4);
    *at++ = ' ';
    at = put_digits(at, tm.tm_hour, 2);
    *at++ = ':';
    at = put_digits(at, tm.tm_min, 2);
    *at++ = ':';
    at = put_digits(at, tm.tm_sec, 2);
    memcpy(at, " GMT", 5);
    return out;
}

/* The pieces of a date text, taken off the front one by one. Each returns false if it is not there. */
static bool take_text(struct str *s, const char *text)
{
    struct str t = str_from(text);
    if (!str_istarts(*s, t))
        return false;
    *s = str_slice(*s, t.n, s->n);
    return true;
}

static bool take_number(struct str *s, size_t digits, int *ret)
{
    int v = 0;
    if (s->n < digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return false;
        v = v * 10 + (s->p[i] - '0');
    }
    *ret = v;
    *s = str_slice(*s, digits, s->n);
    return true;
}

static bool take_month(struct str *s, int *ret)
{
    for (int i = 0; i < 12; i++)
        if (take_text(s, month_names[i])) {
            *ret = i;
            return true;
        }
    return false;
}

static bool take_day_name(struct str *s)
{
    for (int i = 0; i < 7; i++) {
        char three[4] = {day_names[i][0], day_names[i][1], day_names[i][2], '\0'};
        if (take_text(s, day_names[i]) || take_text(s, three))
            return true;
    }
    return false;
}

static bool take_time(struct str *s, struct tm *tm)
{
    return take_number(s, 2, &tm->tm_hour) && take_text(s, ":") && take_number(s, 2, &tm->tm_min) &&
           take_text(s, ":") && take_number(s, 2, &tm->tm_sec);
}

/* "06 Nov 1994 08:49:37 GMT" behind "Sun, " */
static bool take_fixdate(struct str s, struct tm *tm)
{
    int year;
    if (!(take_number(&s, 2, &tm->tm_mday) && take_text(&s, " ") && take_month(&s, &tm->tm_mon) &&
          take_text(&s, " ") && take_number(&s, 4, &year) && take_text(&s, " ") && take_time(&s, tm) &&
          take_text(&s, " GMT")))
        return false;
    tm->tm_year = year - 1900;
    return s.n == 0;
}

/* Two digits mean the year that is at most 50 years ahead (RFC 9110, 5.6.7). */
static int full_year(int two_digits)
{
    struct tm now;
    time_t t = (time_t)(clock_real_ns() / 1000000000);
    gmtime_r(&t, &now);
    int this_year = now.tm_year + 1900, year = this_year - this_year % 100 + two_digits;
    return year > this_year + 50 ? year - 100 : year;
}

/* "06-Nov-94 08:49:37 GMT" behind "Sunday, " */
static bool take_rfc850(struct str s, struct tm *tm)
{
    int year;
    if (!(take_number(&s, 2, &tm->tm_mday) && take_text(&s, "-") && take_month(&s, &tm->tm_mon) &&
          take_text(&s, "-") && take_number(&s, 2, &year) && take_text(&s, " ") && take_time(&s, tm) &&
          take_text(&s, " GMT")))
        return false;
    tm->tm_year = full_year(year) - 1900;
    return s.n == 0;
}

/* "Nov  6 08:49:37 1994" behind "Sun " */
static bool take_asctime(struct str s, struct tm *tm)
{
    int year;
    if (!(take_month(&s, &tm->tm_mon) && take_text(&s, " ")))
        return false;
    bool day = take_text(&s, " ") ? take_number(&s, 1, &tm->tm_mday) : take_number(&s, 2, &tm->tm_mday);
    if (!(day && take_text(&s, " ") && take_time(&s, tm) && take_text(&s, " ") && take_number(&s, 4, &year)))
        return false;
    tm->tm_year = year - 1900;
    return s.n == 0;
}

static bool is_real(const struct tm *tm)
{
    static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = tm->tm_year + 1900;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    int last = days[tm->tm_mon] + (tm->tm_mon == 1 && leap);
    return tm->tm_mday >= 1 && tm->tm_mday <= last && tm->tm_hour <= 23 && tm->tm_min <= 59 &&
           tm->tm_sec <= 60; /* a leap second */
}

int http_date_parse(struct str s, int64_t *ret_seconds)
{
    struct tm tm = {0};
    s = str_trim(s);
    if (!take_day_name(&s))
        return -EINVAL;
    bool ok = take_text(&s, ", ") ? take_fixdate(s, &tm) || take_rfc850(s, &tm)
                                  : take_text(&s, " ") && take_asctime(s, &tm);
    if (!ok || !is_real(&tm))
        return -EINVAL;
    *ret_seconds = (int64_t)timegm(&tm);
    return 0;
}
