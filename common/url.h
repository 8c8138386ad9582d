/* SPDX-License-Identifier: Apache-2.0
 *
 * url.h: percent-encoding, queries and paths. Results live in the arena given.
 */
#ifndef COMMON_URL_H
#define COMMON_URL_H

#include "common/arena.h"

/* Percent-encodes all but letters, digits, "_.-~" and the bytes in `safe` (a C string, usually "/"). */
struct str url_quote(struct arena *a, struct str s, const char *safe);
/* Decodes %XX once; a '%' without two hex digits stays as it is, as in Python. Never fails. */
struct str url_unquote(struct arena *a, struct str s);

/* A query: key=value&key=value, '+' is a blank. */
struct url_param {
    struct str key, value; /* decoded */
};
struct url_query {
    struct url_param *v;
    size_t n;
};
void url_query_parse(struct arena *a, struct str query, struct url_query *ret);
/* The first value of key; STR_NONE if absent, p != NULL and n == 0 if empty or without '='. */
struct str url_query_get(const struct url_query *q, struct str key);

/* Splits "/seg/seg/rest" as swift.common.utils.split_path does: at least min and at most max segments into
 * out[] (unset ones STR_NONE); with rest_with_last the last takes everything that is left, slashes included.
 * 0, or -EINVAL: no leading slash, too few, too many, or an empty segment where one must be. */
int url_split_path(struct str path, int min, int max, bool rest_with_last, struct str out[]);

/* Valid UTF-8 without NUL, surrogates and overlong forms (Swift's check_utf8; an empty string is not). */
bool utf8_check(struct str s);
/* The same, NUL allowed (reserved names), empty allowed. */
bool utf8_valid(struct str s);
/* Each byte taken as one code point, written as UTF-8; and back: -EINVAL where s is not UTF-8 of code
 * points below 256. The two levels of Swift's metadata on disk (facts: object 8). */
struct str utf8_from_latin1(struct arena *a, struct str s);
int utf8_to_latin1(struct arena *a, struct str s, struct str *ret);

#endif
