/* SPDX-License-Identifier: Apache-2.0
 *
 * str.h: a string is a pointer and a length; it owns nothing and may hold any byte, NUL included.
 * Names in Swift may contain NUL and any UTF-8, so no code here looks for a terminator.
 */
#ifndef COMMON_STR_H
#define COMMON_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

struct str {
    const char *p; /* may be NULL: "absent", which compares equal to "" */
    size_t n;      /* bytes */
};

#define STR(literal)                    \
    (struct str)                        \
    {                                   \
        "" literal, sizeof(literal) - 1 \
    }
/* The same where a constant expression is needed (static tables). */
#define STR_INIT(literal)               \
    {                                   \
        "" literal, sizeof(literal) - 1 \
    }
#define STR_NONE ((struct str){NULL, 0})
/* printf("%.*s", STR_ARG(s)) */
#define STR_ARG(s) (int)(s).n, (s).p ? (s).p : ""

static inline struct str str_of(const void *p, size_t n)
{
    return (struct str){p, n};
}

/* From a C string; NULL gives STR_NONE. */
static inline struct str str_from(const char *s)
{
    return (struct str){s, s ? strlen(s) : 0};
}

static inline struct str str_slice(struct str s, size_t from, size_t to)
{
    return (struct str){s.p ? s.p + from : NULL, to - from};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool str_ieq(struct str a, struct str b); /* ASCII letters match in either case */
int str_cmp(struct str a, struct str b);  /* byte order, as strcmp: <0, 0, >0 */
bool str_starts(struct str s, struct str prefix);
bool str_istarts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
struct str str_trim(struct str s); /* without spaces, tabs, CR, LF at both ends */

/* Index of the first (last) byte c, or -1. */
ssize_t str_find(struct str s, char c);
ssize_t str_rfind(struct str s, char c);
/* Index of the first occurrence of needle at or after `from`, or -1. An empty needle is found at `from`. */
ssize_t str_find_str(struct str s, struct str needle, size_t from);

/* Splits at the first sep: false, with head = s and tail empty, where there is none. */
bool str_cut(struct str s, char sep, struct str *head, struct str *tail);
/* Walks a list: takes the next item (untrimmed, may be empty) off *rest. False at the end.
 * Start with rest = the whole; an absent or empty string has no item at all. */
bool str_next(struct str *rest, char sep, struct str *ret_item);

/* Whole-string numbers: 0, -EINVAL (not a number: no sign, no blanks, no empty text), -ERANGE.
 * str_to_i64 takes one leading '-'. ret_ stays as it was on error. */
int str_to_u64(struct str s, uint64_t *ret_value);
int str_to_i64(struct str s, int64_t *ret_value);
int str_hex_to_u64(struct str s, uint64_t *ret_value); /* both cases, no 0x */
int str_to_double(struct str s, double *ret_value);    /* "C" locale, finite */

/* Swift's truth: true, 1, yes, on, t, y in any case. */
bool str_is_true(struct str s);

/* A NUL-terminated heap copy, never NULL. The caller frees it. */
char *str_dup(struct str s);

/* Lower-case hex of n bytes; out has room for 2n + 1. */
void str_hex(const void *bytes, size_t n, char *out);

#endif
