/* SPDX-License-Identifier: Apache-2.0
 *
 * timestamp.h: Swift's timestamps: a fixed-point count of 10 microseconds and an offset. Source of the text
 * forms: swift.common.utils.Timestamp (facts: object 2, database 2).
 *
 *   normal    1402464677.04188                    10 digits, dot, 5 digits
 *   internal  normal, or normal_000000000000001f  when the offset is not 0
 *   short     normal, or normal_1f                inside .meta names and encoded triples
 */
#ifndef COMMON_TIMESTAMP_H
#define COMMON_TIMESTAMP_H

#include <time.h>
#include "common/buf.h"

struct timestamp {
    int64_t raw;     /* 1e-5 s since 1970, 0 .. 999999999999999 */
    uint64_t offset; /* later of two with the same raw */
};

#define TIMESTAMP_NORMAL_SIZE   17 /* with the NUL */
#define TIMESTAMP_INTERNAL_SIZE 34
#define TIMESTAMP_ENCODED_SIZE  80
#define TIMESTAMP_ZERO          ((struct timestamp){0, 0})

struct timestamp timestamp_now(void); /* clock.h's real time, rounded to 1e-5 s */
/* "float[_hex]", blanks around allowed, rounded to 5 decimals. 0, or -EINVAL (negative, >= 1e10, nan). */
int timestamp_parse(struct str s, struct timestamp *ret);
const char *timestamp_normal(struct timestamp t, char out[TIMESTAMP_NORMAL_SIZE]);
const char *timestamp_internal(struct timestamp t, char out[TIMESTAMP_INTERNAL_SIZE]);
const char *timestamp_short(struct timestamp t, char out[TIMESTAMP_INTERNAL_SIZE]);
int timestamp_cmp(struct timestamp a, struct timestamp b); /* <0, 0, >0 */
int64_t timestamp_ceil(struct timestamp t);                /* whole seconds, rounded up: Last-Modified */

/* t1[+-delta[+-delta]]: the created_at of a container row and the name of a .meta file. Deltas that are all
 * zero are left out unless `explicit_deltas`. n = 2 encodes t1, t2; n = 3 all. */
const char *timestamp_encode(const struct timestamp *t, int n, bool explicit_deltas,
                             char out[TIMESTAMP_ENCODED_SIZE]);
/* A missing part equals the one before; a zero delta keeps the offset, another drops it. 0 or -EINVAL.
 * *ret_explicit (may be NULL) counts the deltas present. */
int timestamp_decode(struct str s, struct timestamp ret[3], int *ret_explicit);

/* "2023-11-14T22:13:30.123450": UTC, six decimals, as listings show it. */
#define TIMESTAMP_ISO_SIZE 32
const char *timestamp_iso(struct timestamp t, char out[TIMESTAMP_ISO_SIZE]);
/* "Tue, 14 Nov 2023 22:13:30 GMT" */
#define HTTP_DATE_SIZE 32
const char *http_date(int64_t seconds, char out[HTTP_DATE_SIZE]);
/* RFC 9110's three forms. 0 or -EINVAL. */
int http_date_parse(struct str s, int64_t *ret_seconds);

#endif
