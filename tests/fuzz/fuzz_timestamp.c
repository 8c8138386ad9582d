/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_timestamp.c: an accepted text is within bounds, and its written form reads as the same time.
 */
#include <stdlib.h>
#include "common/timestamp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void check_in_range(struct timestamp t)
{
    check(t.raw >= 0 && t.raw <= INT64_C(999999999999999));
}

static void check_parse(struct str s)
{
    struct timestamp t, again;
    char text[TIMESTAMP_INTERNAL_SIZE], iso[TIMESTAMP_ISO_SIZE];
    if (timestamp_parse(s, &t))
        return;
    check_in_range(t);
    check(!timestamp_parse(str_from(timestamp_internal(t, text)), &again) && !timestamp_cmp(t, again));
    check(!timestamp_parse(str_from(timestamp_short(t, text)), &again) && !timestamp_cmp(t, again));
    check(strlen(timestamp_normal(t, text)) == 16);
    check(strlen(timestamp_iso(t, iso)) == 26);
    check(timestamp_ceil(t) >= t.raw / 100000);
}

static void check_decode(struct str s)
{
    struct timestamp t[3], again[3];
    char text[TIMESTAMP_ENCODED_SIZE];
    int deltas;
    if (timestamp_decode(s, t, &deltas))
        return;
    check(deltas >= 0 && deltas <= 2);
    for (int i = 0; i < 3; i++)
        check_in_range(t[i]);
    timestamp_encode(t, 3, true, text);
    check(!timestamp_decode(str_from(text), again, &deltas) && deltas == 2);
    for (int i = 0; i < 3; i++)
        check(!timestamp_cmp(t[i], again[i]));
}

static void check_date(struct str s)
{
    int64_t seconds, again;
    char text[HTTP_DATE_SIZE];
    if (http_date_parse(s, &seconds) || seconds < INT64_C(-62135596800))
        return; /* year 0 has no text of its own */
    check(!http_date_parse(str_from(http_date(seconds, text)), &again) && again == seconds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str s = str_of(data, n);
    check_parse(s);
    check_decode(s);
    check_date(s);
    return 0;
}
