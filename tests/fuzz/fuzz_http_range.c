/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_http_range.c: Range fields and conditions. The first two bytes are the size.
 */
#include <stdlib.h>
#include "http/http_range.h"

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void check_ranges(struct arena *a, struct str value, uint64_t size)
{
    struct http_range *v = NULL;
    size_t n = 0;
    enum http_range_result r = http_range_parse(a, value, size, &v, &n);
    if (r != HTTP_RANGE_OK) {
        check(n == 0);
        return;
    }
    check(n > 0 && n <= 50 && size > 0);
    for (size_t i = 0; i < n; i++)
        check(v[i].start <= v[i].end && v[i].end < size);
}

static void check_conditions(struct arena *a, struct str value)
{
    static const char *const names[] = {"If-None-Match", "If-Match", "If-Modified-Since",
                                        "If-Unmodified-Since"};
    for (size_t i = 0; i < 4; i++) {
        struct header_table t;
        header_init(&t, a);
        header_add(&t, str_from(names[i]), value);
        int r = http_conditions(&t, true, STR("abc"), 1700000010);
        check(r == 0 || (r == 304 && i % 2 == 0) || (r == 412 && i % 2 == 1));
        r = http_conditions(&t, false, STR("abc"), 0);
        check(r == 0 || (r == 412 && i == 1));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct arena *a = arena_new();
    struct str value = str_of(data + 2, size - 2);
    check_ranges(a, value, (uint64_t)data[0] << 8 | data[1]);
    check_ranges(a, value, UINT64_MAX / 2);
    check_conditions(a, value);
    arena_free(a);
    return 0;
}
