/* SPDX-License-Identifier: Apache-2.0
 *
 * str.c: see str.h.
 */
#include "common/str.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include "common/alloc.h"

static inline unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

static bool same_letters(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (lower((unsigned char)a[i]) != lower((unsigned char)b[i]))
            return false;
    return true;
}

bool str_ieq(struct str a, struct str b)
{
    return a.n == b.n && same_letters(a.p, b.p, a.n);
}

int str_cmp(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool str_istarts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && same_letters(s.p, prefix.p, prefix.n);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.n >= suffix.n && (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
    size_t from = 0, to = s.n;
    while (from < to && is_blank(s.p[from]))
        from++;
    while (to > from && is_blank(s.p[to - 1]))
        to--;
    return str_slice(s, from, to);
}

ssize_t str_find(struct str s, char c)
{
    const char *at = s.n ? memchr(s.p, c, s.n) : NULL;
    return at ? at - s.p : -1;
}

ssize_t str_rfind(struct str s, char c)
{
    const char *at = s.n ? memrchr(s.p, c, s.n) : NULL;
    return at ? at - s.p : -1;
}

ssize_t str_find_str(struct str s, struct str needle, size_t from)
{
    if (from > s.n)
        return -1;
    if (needle.n == 0)
        return (ssize_t)from;
    if (s.n - from < needle.n)
        return -1;
    const char *at = memmem(s.p + from, s.n - from, needle.p, needle.n);
    return at ? at - s.p : -1;
}

bool str_cut(struct str s, char sep, struct str *head, struct str *tail)
{
    ssize_t at = str_find(s, sep);
    if (at < 0) {
        *head = s;
        *tail = str_slice(s, s.n, s.n);
        return false;
    }
    *head = str_slice(s, 0, (size_t)at);
    *tail = str_slice(s, (size_t)at + 1, s.n);
    return true;
}

/* What str_next leaves in *rest behind a separator at the very end: one empty item is still to come, which an
 * empty string alone could not say. */
static const char one_empty_item[1];

bool str_next(struct str *rest, char sep, struct str *ret_item)
{
    if (rest->p == one_empty_item) {
        *ret_item = *rest;
        *rest = STR_NONE;
        return true;
    }
    if (rest->n == 0)
        return false;
    struct str tail;
    bool more = str_cut(*rest, sep, ret_item, &tail);
    if (!more)
        *rest = STR_NONE;
    else if (tail.n == 0)
        *rest = str_of(one_empty_item, 0);
    else
        *rest = tail;
    return true;
}

static int digits_to_u64(struct str s, unsigned base, uint64_t *ret_value)
{
    uint64_t v = 0;
    bool too_big = false;
    if (s.n == 0)
        return -EINVAL;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = lower((unsigned char)s.p[i]);
        unsigned digit = c >= '0' && c <= '9' ? c - 48u : c >= 'a' && c <= 'f' ? c - 87u : 99;
        if (digit >= base)
            return -EINVAL;
        too_big |= __builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, digit, &v);
    }
    if (too_big)
        return -ERANGE;
    *ret_value = v;
    return 0;
}

int str_to_u64(struct str s, uint64_t *ret_value)
{
    return digits_to_u64(s, 10, ret_value);
}

int str_hex_to_u64(struct str s, uint64_t *ret_value)
{
    return digits_to_u64(s, 16, ret_value);
}

int str_to_i64(struct str s, int64_t *ret_value)
{
    bool negative = s.n && s.p[0] == '-';
    uint64_t v;
    int err = digits_to_u64(negative ? str_slice(s, 1, s.n) : s, 10, &v);
    if (err)
        return err;
    if (v > (uint64_t)INT64_MAX + negative)
        return -ERANGE;
    *ret_value = negative ? (int64_t)(0 - v) : (int64_t)v;
    return 0;
}

static locale_t c_locale;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

int str_to_double(struct str s, double *ret_value)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    char small[64];
    char *text = s.n < sizeof(small) ? small : xmalloc(s.n + 1);
    int err = s.n ? 0 : -EINVAL;
    for (size_t i = 0; i < s.n && !err; i++) {
        /* Neither "inf", "nan", hex, blanks nor NUL. */
        char c = s.p[i];
        if (!((c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E'))
            err = -EINVAL;
        text[i] = c;
    }
    if (!err) {
        text[s.n] = '\0';
        char *end;
        pthread_once(&once, make_c_locale);
        double v = strtod_l(text, &end, c_locale);
        if (end != text + s.n)
            err = -EINVAL;
        else if (!isfinite(v))
            err = -ERANGE;
        else
            *ret_value = v;
    }
    if (text != small)
        free(text);
    return err;
}

bool str_is_true(struct str s)
{
    static const struct str words[] = {STR_INIT("true"), STR_INIT("1"), STR_INIT("yes"),
                                       STR_INIT("on"),   STR_INIT("t"), STR_INIT("y")};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (str_ieq(s, words[i]))
            return true;
    return false;
}

char *str_dup(struct str s)
{
    char *p = xmalloc(s.n + 1);
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return p;
}

void str_hex(const void *bytes, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *in = bytes;
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[in[i] >> 4];
        out[2 * i + 1] = digits[in[i] & 15];
    }
    out[2 * n] = '\0';
}
