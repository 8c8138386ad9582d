/* SPDX-License-Identifier: Apache-2.0
 *
 * url.h: percent-encoding, queries and paths. Results live in the arena given.
 */
#ifndef COMMON_URL_H
#define COMMON_URL_H

#include "common/arena.h"
#include "common/utf8.h" /* utf8_check and the rest */

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
/* The last value of key, as in Swift (a dict of the pairs); STR_NONE if absent, p != NULL and n == 0 if empty or
 * without '='. */
struct str url_query_get(const struct url_query *q, struct str key);

/* Splits "/seg/seg/rest" as swift.common.utils.split_path does: at least min and at most max segments into
 * out[] (unset ones STR_NONE); with rest_with_last the last takes everything that is left, slashes included.
 * 0, or -EINVAL: no leading slash, too few, too many, or an empty segment where one must be. */
int url_split_path(struct str path, int min, int max, bool rest_with_last, struct str out[]);

#endif
