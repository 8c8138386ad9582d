/* SPDX-License-Identifier: Apache-2.0
 *
 * url.c: see url.h.
 */
#include "common/url.h"

#include <errno.h>

static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-' || c == '~';
}

static bool stays(unsigned char c, const char *safe)
{
    return is_unreserved(c) || (c && c < 0x80 && strchr(safe, c));
}

struct str url_quote(struct arena *a, struct str s, const char *safe)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t n = s.n;
    for (size_t i = 0; i < s.n; i++)
        if (!stays((unsigned char)s.p[i], safe))
            n += 2;
    char *p = arena_alloc(a, n + 1), *at = p;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (stays(c, safe)) {
            *at++ = (char)c;
        } else {
            *at++ = '%';
            *at++ = digits[c >> 4];
            *at++ = digits[c & 15];
        }
    }
    *at = '\0';
    return str_of(p, n);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static struct str unquote(struct arena *a, struct str s, bool plus_is_blank)
{
    char *p = arena_alloc(a, s.n + 1), *at = p;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '%' && s.n - i > 2) {
            int high = hex_digit(s.p[i + 1]), low = hex_digit(s.p[i + 2]);
            if (high >= 0 && low >= 0) {
                c = (char)(high << 4 | low);
                i += 2;
            }
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        *at++ = c;
    }
    *at = '\0';
    return str_of(p, (size_t)(at - p));
}

struct str url_unquote(struct arena *a, struct str s)
{
    return unquote(a, s, false);
}

void url_query_parse(struct arena *a, struct str query, struct url_query *ret)
{
    size_t most = query.n ? 1 : 0;
    for (size_t i = 0; i < query.n; i++)
        most += query.p[i] == '&';
    *ret = (struct url_query){.v = arena_alloc(a, most * sizeof(*ret->v))};
    struct str pair;
    while (str_next(&query, '&', &pair)) {
        if (!pair.n)
            continue;
        struct str key, value;
        str_cut(pair, '=', &key, &value);
        ret->v[ret->n++] = (struct url_param){unquote(a, key, true), unquote(a, value, true)};
    }
}

struct str url_query_get(const struct url_query *q, struct str key)
{
    for (size_t i = q->n; i-- > 0;)
        if (str_eq(q->v[i].key, key))
            return q->v[i].value;
    return STR_NONE;
}

int url_split_path(struct str path, int min, int max, bool rest_with_last, struct str out[])
{
    if (path.n == 0 || path.p[0] != '/')
        return -EINVAL;
    struct str rest = str_slice(path, 1, path.n);
    bool more = true;
    for (int i = 0; i < max; i++)
        out[i] = STR_NONE;
    for (int i = 0; i < max && more; i++) {
        if (rest_with_last && i == max - 1) {
            out[i] = rest;
            more = false;
        } else {
            more = str_cut(rest, '/', &out[i], &rest);
        }
    }
    /* One slash more than max segments need is fine, anything behind it is not. */
    if (more && rest.n)
        return -EINVAL;
    for (int i = 0; i < min; i++)
        if (out[i].n == 0)
            return -EINVAL;
    return 0;
}
