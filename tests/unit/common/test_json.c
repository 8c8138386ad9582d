/* SPDX-License-Identifier: Apache-2.0
 *
 * test_json.c: the texts that Python's json.dumps writes.
 */
#include "common_test.h"
#include "common/json.h"

static void test_string(void **state)
{
    static const struct {
        struct str in;
        const char *out;
    } v[] = {
        {STR_INIT(""), "\"\""},
        {STR_INIT("plain"), "\"plain\""},
        {STR_INIT("a\"\\/\b\f\n\r\t\0\x1f\x7f"), "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\\u007f\""},
        {STR_INIT("\xc3\xa9\xe2\x98\x83\xf0\x9f\x98\x80"), "\"\\u00e9\\u2603\\ud83d\\ude00\""},
        {STR_INIT("a\xff"
                  "b\xe2\x98"),
         "\"a\\ufffdb\\ufffd\\ufffd\""},
        {STR_INIT("<&>'"), "\"<&>'\""},
    };
    for (size_t i = 0; i < COUNT(v); i++) {
        struct buf b;
        buf_init(&b, 1000);
        char *p = exact_copy(v[i].in.p, v[i].in.n);
        json_put_string(&b, str_of(p, v[i].in.n));
        assert_string_equal(b.p, v[i].out);
        free(p);
        buf_release(&b);
    }
}

static void test_full(void **state)
{
    struct buf b;
    buf_init(&b, 3);
    json_put_string(&b, STR("ab"));
    assert_int_equal(buf_error(&b), -E2BIG);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_string), cmocka_unit_test(test_full)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
