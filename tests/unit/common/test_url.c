/* SPDX-License-Identifier: Apache-2.0
 *
 * test_url.c: quoting, queries and split_path, with answers taken from Python and swift.common.utils.
 */
#include "common_test.h"
#include "common/url.h"

static struct arena *arena;

static int setup(void **state)
{
    arena = arena_new();
    return 0;
}

static int teardown(void **state)
{
    arena_free(arena);
    return 0;
}

static void test_quote(void **state)
{
    assert_str(url_quote(arena, STR("/a b/\xc3\xa9~_.-"), "/"), "/a%20b/%C3%A9~_.-");
    assert_str(url_quote(arena, STR("/a"), ""), "%2Fa");
    assert_str(url_quote(arena, STR("\0\x7f%"), "/"), "%00%7F%25"); /* NUL is never safe */
    assert_str(url_quote(arena, STR_NONE, "/"), "");
}

static void test_unquote(void **state)
{
    assert_str(url_unquote(arena, STR("%2Fa%20b+%c3%A9")), "/a b+\xc3\xa9");
    assert_str(url_unquote(arena, STR("100%")), "100%");
    assert_str(url_unquote(arena, STR("%4")), "%4");
    assert_str(url_unquote(arena, STR("%zz%%41%4")), "%zz%A%4");
    assert_str(url_unquote(arena, STR("%2541")), "%41"); /* once */
    assert_str(url_unquote(arena, STR("%00")), "\0");
    assert_str(url_unquote(arena, STR("%+1")), "%+1");
}

static void test_every_byte(void **state)
{
    char all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    struct str back = url_unquote(arena, url_quote(arena, str_of(all, 256), "/"));
    assert_int_equal(back.n, 256);
    assert_memory_equal(back.p, all, 256);
}

static void test_query(void **state)
{
    struct url_query q;
    url_query_parse(arena, STR("prefix=a%2Fb&x&limit=1&&marker=a+b%2B&limit=2&e=&=v&k=1=2"), &q);
    assert_int_equal(q.n, 8);
    assert_str(url_query_get(&q, STR("prefix")), "a/b");
    assert_str(url_query_get(&q, STR("marker")), "a b+");
    assert_str(url_query_get(&q, STR("limit")), "2"); /* the last one, as in a dict */
    assert_str(url_query_get(&q, STR("k")), "1=2");
    assert_str(url_query_get(&q, STR("")), "v");
    assert_non_null(url_query_get(&q, STR("x")).p);
    assert_int_equal(url_query_get(&q, STR("x")).n, 0);
    assert_non_null(url_query_get(&q, STR("e")).p);
    assert_null(url_query_get(&q, STR("absent")).p);
    url_query_parse(arena, STR_NONE, &q);
    assert_int_equal(q.n, 0);
    url_query_parse(arena, STR("&&&"), &q);
    assert_int_equal(q.n, 0);
}

static void test_split_path(void **state)
{
    /* Answers of swift.common.utils.split_path; "-" is None, NULL an exception. */
    static const struct {
        struct str path;
        int min, max;
        bool rest;
        const char *want;
    } v[] = {
        {STR_INIT("/a"), 1, 1, false, "a"},
        {STR_INIT("/a"), 1, 2, false, "a|-"},
        {STR_INIT("/a/"), 1, 1, false, "a"},
        {STR_INIT("/a/"), 1, 2, false, "a|"},
        {STR_INIT("/a/c"), 1, 2, false, "a|c"},
        {STR_INIT("/a/c/"), 2, 2, false, "a|c"},
        {STR_INIT("/a/c//"), 2, 2, false, NULL},
        {STR_INIT("/a/c/o"), 2, 2, false, NULL},
        {STR_INIT("/a/c/o/r"), 1, 3, true, "a|c|o/r"},
        {STR_INIT("/a/c/o/r/"), 3, 3, true, "a|c|o/r/"},
        {STR_INIT("/a/c/"), 1, 3, true, "a|c|"},
        {STR_INIT("/a/c/"), 3, 3, true, NULL},
        {STR_INIT("/a/c//o"), 3, 3, true, "a|c|/o"},
        {STR_INIT("/a//o"), 1, 3, true, "a||o"},
        {STR_INIT("/a//o"), 2, 3, true, NULL},
        {STR_INIT("//a"), 1, 2, false, NULL},
        {STR_INIT("/"), 1, 1, false, NULL},
        {STR_INIT("/"), 1, 3, true, NULL},
        {STR_INIT(""), 1, 1, false, NULL},
        {STR_INIT("a"), 1, 1, false, NULL},
        {STR_INIT("a/b"), 1, 2, false, NULL},
        {STR_INIT("/a"), 2, 3, true, NULL},
        {STR_INIT("/a"), 1, 1, true, "a"},
        {STR_INIT("/a/b"), 1, 1, true, "a/b"},
        {STR_INIT("/d/0/a/c/o/x"), 5, 5, true, "d|0|a|c|o/x"},
    };
    for (size_t i = 0; i < COUNT(v); i++) {
        struct str out[5];
        char got[64] = "";
        int err = url_split_path(v[i].path, v[i].min, v[i].max, v[i].rest, out);
        assert_int_equal(err, v[i].want ? 0 : -EINVAL);
        for (int k = 0; k < v[i].max && !err; k++) {
            size_t n = strlen(got);
            snprintf(got + n, sizeof(got) - n, "%s%.*s", k ? "|" : "", out[k].p ? (int)out[k].n : 1,
                     out[k].p ? out[k].p : "-");
        }
        if (!err)
            assert_string_equal(got, v[i].want);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_quote), T(test_unquote), T(test_every_byte), T(test_query), T(test_split_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
