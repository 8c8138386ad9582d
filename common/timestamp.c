/* SPDX-License-Identifier: Apache-2.0
 *
 * timestamp.c: see timestamp.h.
 */
#include "common/timestamp.h"

#include <errno.h>
#include <stdio.h>
#include "common/clock.h"

#define PER_SECOND 100000                   /* raw units */
#define RAW_MAX    INT64_C(999999999999999) /* 9999999999.99999 */

struct timestamp timestamp_now(void)
{
    return (struct timestamp){(clock_real_ns() + 5000) / 10000, 0};
}

/* What str.strip() takes away. */
static struct str strip(struct str s)
{
    static const char blanks[] = " \t\n\r\v\f";
    while (s.n && memchr(blanks, s.p[0], sizeof(blanks) - 1))
        s = str_slice(s, 1, s.n);
    while (s.n && memchr(blanks, s.p[s.n - 1], sizeof(blanks) - 1))
        s.n--;
    return s;
}

/* The usual text, up to 10 digits and 5 decimals, without floating point: false if s is anything else. */
static bool parse_plain(struct str s, int64_t *ret_raw)
{
    int64_t raw = 0;
    size_t i = 0, decimals = 0;
    for (; i < s.n && i < 10 && s.p[i] >= '0' && s.p[i] <= '9'; i++)
        raw = raw * 10 + (s.p[i] - '0');
    if (i == 0)
        return false;
    if (i < s.n && s.p[i] == '.')
        for (i++; i < s.n && decimals < 5 && s.p[i] >= '0' && s.p[i] <= '9'; i++, decimals++)
            raw = raw * 10 + (s.p[i] - '0');
    for (; decimals < 5; decimals++)
        raw *= 10;
    *ret_raw = raw;
    return i == s.n;
}

/* Any other float. Python rounds the double in printing it, so this goes through the same text. */
static int parse_float(struct str s, int64_t *ret_raw)
{
    double v;
    char text[40];
    if (str_to_double(s, &v) || !(v >= 0) || v >= 1e10)
        return -EINVAL;
    if (v == 0)
        v = 0; /* no "-0.00000" */
    int n = snprintf(text, sizeof(text), "%.5f", v < 0 ? 0 : v);
    if (n < 0 || (size_t)n >= sizeof(text))
        return -EINVAL;
    return parse_plain(str_of(text[0] == '-' ? text + 1 : text, (size_t)n - (text[0] == '-')), ret_raw)
               ? 0
               : -EINVAL;
}

int timestamp_parse(struct str s, struct timestamp *ret)
{
    struct timestamp t = TIMESTAMP_ZERO;
    struct str base, offset;
    str_cut(s, '_', &base, &offset);
    base = strip(base);
    offset = strip(offset);
    if (!parse_plain(base, &t.raw) && parse_float(base, &t.raw))
        return -EINVAL;
    if (offset.n > 16 || (offset.n && str_hex_to_u64(offset, &t.offset)))
        return -EINVAL;
    *ret = t;
    return 0;
}

const char *timestamp_normal(struct timestamp t, char out[TIMESTAMP_NORMAL_SIZE])
{
    uint64_t v = t.raw < 0 ? 0 : t.raw > RAW_MAX ? (uint64_t)RAW_MAX : (uint64_t)t.raw;
    out[TIMESTAMP_NORMAL_SIZE - 1] = '\0';
    for (int i = TIMESTAMP_NORMAL_SIZE - 2; i >= 0; i--) {
        if (i == 10) {
            out[i] = '.';
            continue;
        }
        out[i] = (char)('0' + v % 10);
        v /= 10;
    }
    return out;
}

const char *timestamp_internal(struct timestamp t, char out[TIMESTAMP_INTERNAL_SIZE])
{
    timestamp_normal(t, out);
    if (t.offset)
        snprintf(out + TIMESTAMP_NORMAL_SIZE - 1, TIMESTAMP_INTERNAL_SIZE - TIMESTAMP_NORMAL_SIZE + 1,
                 "_%016llx", (unsigned long long)t.offset);
    return out;
}

const char *timestamp_short(struct timestamp t, char out[TIMESTAMP_INTERNAL_SIZE])
{
    timestamp_normal(t, out);
    if (t.offset)
        snprintf(out + TIMESTAMP_NORMAL_SIZE - 1, TIMESTAMP_INTERNAL_SIZE - TIMESTAMP_NORMAL_SIZE + 1,
                 "_%llx", (unsigned long long)t.offset);
    return out;
}

int timestamp_cmp(struct timestamp a, struct timestamp b)
{
    if (a.raw != b.raw)
        return a.raw < b.raw ? -1 : 1;
    return (a.offset > b.offset) - (a.offset < b.offset);
}

int64_t timestamp_ceil(struct timestamp t)
{
    return (t.raw + PER_SECOND - 1) / PER_SECOND;
}

const char *timestamp_encode(const struct timestamp *t, int n, bool explicit_deltas,
                             char out[TIMESTAMP_ENCODED_SIZE])
{
    bool with_deltas = explicit_deltas;
    for (int i = 1; i < n; i++)
        with_deltas |= t[i].raw != t[i - 1].raw;
    timestamp_short(t[0], out);
    size_t at = strlen(out);
    for (int i = 1; i < n && with_deltas; i++) {
        int64_t delta = t[i].raw - t[i - 1].raw;
        at += (size_t)snprintf(out + at, TIMESTAMP_ENCODED_SIZE - at, "%c%llx", delta < 0 ? '-' : '+',
                               (unsigned long long)(delta < 0 ? -delta : delta));
    }
    return out;
}

/* Takes "+1f" or "-1f" off *rest. */
static int next_delta(struct str *rest, int64_t *ret_delta)
{
    uint64_t v;
    bool negative = rest->p[0] == '-';
    size_t end = 1;
    while (end < rest->n && rest->p[end] != '+' && rest->p[end] != '-')
        end++;
    if (str_hex_to_u64(str_slice(*rest, 1, end), &v) || v > (uint64_t)RAW_MAX)
        return -EINVAL;
    *ret_delta = negative ? -(int64_t)v : (int64_t)v;
    *rest = str_slice(*rest, end, rest->n);
    return 0;
}

int timestamp_decode(struct str s, struct timestamp ret[3], int *ret_explicit)
{
    struct timestamp t[3];
    size_t end = 0;
    int n = 0;
    while (end < s.n && s.p[end] != '+' && s.p[end] != '-')
        end++;
    if (timestamp_parse(str_slice(s, 0, end), &t[0]))
        return -EINVAL;
    struct str rest = str_slice(s, end, s.n);
    for (int i = 1; i < 3; i++) {
        int64_t delta = 0;
        if (rest.n) {
            if (next_delta(&rest, &delta))
                return -EINVAL;
            n++;
        }
        t[i] = delta ? (struct timestamp){t[i - 1].raw + delta, 0} : t[i - 1];
        if (t[i].raw < 0 || t[i].raw > RAW_MAX)
            return -EINVAL;
    }
    if (rest.n)
        return -EINVAL;
    memcpy(ret, t, sizeof(t));
    if (ret_explicit)
        *ret_explicit = n;
    return 0;
}

const char *timestamp_iso(struct timestamp t, char out[TIMESTAMP_ISO_SIZE])
{
    time_t seconds = (time_t)(t.raw / PER_SECOND);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    const struct {
        int value, digits;
        char behind;
    } parts[] = {{tm.tm_year + 1900, 4, '-'},
                 {tm.tm_mon + 1, 2, '-'},
                 {tm.tm_mday, 2, 'T'},
                 {tm.tm_hour, 2, ':'},
                 {tm.tm_min, 2, ':'},
                 {tm.tm_sec, 2, '.'},
                 {(int)(t.raw % PER_SECOND) * 10, 6, '\0'}};
    char *at = out;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        int v = parts[i].value;
        for (int k = parts[i].digits - 1; k >= 0; k--, v /= 10)
            at[k] = (char)('0' + v % 10);
        at += parts[i].digits;
        *at++ = parts[i].behind;
    }
    return out;
}
