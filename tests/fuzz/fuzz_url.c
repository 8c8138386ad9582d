/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_url.c: unquoting, queries, split_path and UTF-8: what comes out lies within what went in, and quoting
 * undoes unquoting.
 */
#include <stdlib.h>
#include "common/json.h"
#include "common/url.h"
#include "common/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void check_quote(struct arena *a, struct str s)
{
    struct str plain = url_unquote(a, s);
    check(plain.n <= s.n);
    check(str_eq(url_unquote(a, url_quote(a, s, "/")), s));
    check(str_eq(url_unquote(a, url_quote(a, plain, "")), plain));
}

static void check_query(struct arena *a, struct str s)
{
    struct url_query q;
    size_t total = 0;
    url_query_parse(a, s, &q);
    for (size_t i = 0; i < q.n; i++) {
        total += q.v[i].key.n + q.v[i].value.n + 1;
        check(url_query_get(&q, q.v[i].key).p != NULL);
    }
    check(total <= s.n + 1);
}

/* The segments joined again are the path, but for one slash that may have gone at the end. */
static void check_split(struct arena *a, struct str s, int min, int max, bool rest)
{
    struct str out[5], whole = STR("");
    if (url_split_path(s, min, max, rest, out))
        return;
    for (int i = 0; i < max; i++) {
        check(i >= min || out[i].n > 0);
        if (out[i].p)
            whole = arena_join(a, whole, STR("/"), out[i], STR_END);
        else
            check(i >= min);
    }
    check(str_starts(s, whole) && s.n - whole.n <= !rest);
}

static void check_utf8(struct arena *a, struct str s)
{
    struct str back;
    check(utf8_check(s) == (s.n && utf8_valid(s) && str_find(s, '\0') < 0));
    check(!utf8_to_latin1(a, utf8_from_latin1(a, s), &back) && str_eq(back, s));
    if (!utf8_to_latin1(a, s, &back))
        check(utf8_valid(s) && str_eq(utf8_from_latin1(a, back), s));
    for (size_t i = 0, len; i < s.n; i += len) {
        uint32_t code;
        char text[4];
        len = utf8_decode(s.p + i, s.n - i, &code);
        if (!len)
            break;
        check(len <= s.n - i && utf8_encode(code, text) == len && !memcmp(text, s.p + i, len));
    }
}

static void check_writers(struct str s)
{
    struct buf b;
    buf_init(&b, 64 << 20);
    json_put_string(&b, s);
    check(!buf_error(&b));
    for (size_t i = 0; i < b.n; i++)
        check(b.p[i] >= 0x20 && b.p[i] < 0x7f);
    buf_reset(&b);
    xml_attribute(&b, s);
    check(!buf_error(&b) && b.n >= 2 && b.p[0] == b.p[b.n - 1]);
    check(str_find(str_slice(buf_view(&b), 1, b.n - 1), b.p[0]) < 0 && str_find(buf_view(&b), '<') < 0);
    buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena *a = arena_new();
    struct str s = str_of(data, n);
    check_quote(a, s);
    check_query(a, s);
    for (int max = 1; max <= 5; max++)
        for (int min = 1; min <= max; min++) {
            check_split(a, s, min, max, false);
            check_split(a, s, min, max, true);
        }
    check_utf8(a, s);
    check_writers(s);
    arena_free(a);
    return 0;
}
