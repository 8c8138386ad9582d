/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/db/db_fixture.h"

#include <errno.h>

static void expect_text(const struct db_metadata *m, const char *expected)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    db_metadata_write(m, &out);
    assert_int_equal(buf_error(&out), 0);
    assert_str(buf_view(&out), expected);
    buf_release(&out);
}

static bool merge_one(struct db_metadata *m, const char *key, const char *value, const char *timestamp)
{
    struct db_metadata update;
    db_metadata_init(&update, m->arena);
    db_metadata_set(&update, str_from(key), str_from(value), str_from(timestamp));
    return db_metadata_merge(m, &update);
}

static void test_merge_by_timestamp(void **state)
{
    struct arena *a = arena_new();
    struct db_metadata m;

    db_metadata_init(&m, a);
    assert_true(merge_one(&m, "A", "1", "1700000010.00000"));
    assert_false(merge_one(&m, "A", "2", "1700000009.00000"));
    assert_false(merge_one(&m, "A", "3", "1700000010.00000"));
    expect_text(&m, "{\"A\": [\"1\", \"1700000010.00000\"]}");
    assert_true(merge_one(&m, "A", "", "1700000011.00000"));
    expect_text(&m, "{\"A\": [\"\", \"1700000011.00000\"]}");
    assert_true(merge_one(&m, "B", "x", "1700000001.00000"));
    assert_false(db_metadata_reclaim(&m, STR("1700000011.0")));
    assert_true(db_metadata_reclaim(&m, STR("1700000013.0")));
    expect_text(&m, "{\"B\": [\"x\", \"1700000001.00000\"]}");
    assert_null(db_metadata_find(&m, STR("b"))); /* case counts here */
    arena_free(a);
}

static void test_text_form(void **state)
{
    struct arena *a = arena_new();
    struct db_metadata m;
    const char *text = "{\"X-Container-Meta-Z\": [\"caf\\u00e9 \\ud83d\\ude00 \\u007f \\\"q\\\"\", \"1\"], "
                       "\"X-Container-Meta-A\": [\"\", \"2\"]}";

    assert_int_equal(db_metadata_parse(a, str_from(text), &m), 0);
    assert_int_equal(m.n, 2);
    assert_str(m.v[0].value, "caf\xc3\xa9 \xf0\x9f\x98\x80 \x7f \"q\"");
    expect_text(&m, text); /* order and escapes as they were */
    assert_int_equal(db_metadata_parse(a, STR(""), &m), 0);
    assert_int_equal(m.n, 0);
    expect_text(&m, "{}");
    assert_int_equal(db_metadata_parse(a, STR("{\"A\": [\"a\\u0000b\", \"1\"]}"), &m), 0);
    assert_int_equal(m.v[0].value.n, 3);
    arena_free(a);
}

static void test_bad_text(void **state)
{
    static const char *const bad[] = {"[]",
                                      "{",
                                      "null",
                                      "{\"A\": []}",
                                      "{\"A\": 1}",
                                      "{\"A\": [\"a\", 1]}",
                                      "{\"A\": [1, \"1\"]}",
                                      "{\"A\": [\"a\", \"1\", \"2\"]}"};
    struct arena *a = arena_new();
    struct db_metadata m;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(db_metadata_parse(a, str_from(bad[i]), &m), -EINVAL);
    arena_free(a);
}

static void test_limits(void **state)
{
    const struct constraints limits = {.max_meta_count = 3, .max_meta_overall_size = 20};
    struct arena *a = arena_new();
    struct db_metadata m;
    struct buf error;

    buf_init(&error, 1024);
    db_metadata_init(&m, a);
    db_metadata_set(&m, STR("X-Container-Meta-A"), STR("1"), STR("1"));
    db_metadata_set(&m, STR("X-Container-Meta-B"), STR("1"), STR("1"));
    db_metadata_set(&m, STR("X-Container-Meta-C"), STR("1"), STR("1"));
    db_metadata_set(&m, STR("X-Container-Meta-D"), STR(""), STR("1")); /* deleted */
    db_metadata_set(&m, STR("X-Container-Sysmeta-Long"), STR("0123456789012345678901234"), STR("1"));
    assert_int_equal(db_metadata_validate(&m, &limits, &error), 0);
    db_metadata_set(&m, STR("X-Container-Meta-D"), STR("1"), STR("1"));
    assert_int_equal(db_metadata_validate(&m, &limits, &error), -EINVAL);
    assert_str(buf_view(&error), "Too many metadata items; max 3");

    buf_reset(&error);
    db_metadata_init(&m, a);
    db_metadata_set(&m, STR("X-Account-Meta-Abcde"), STR("012345678901234"), STR("1"));
    assert_int_equal(db_metadata_validate(&m, &limits, &error), 0);
    db_metadata_set(&m, STR("X-Account-Meta-Abcde"), STR("0123456789012345"), STR("1"));
    assert_int_equal(db_metadata_validate(&m, &limits, &error), -EINVAL);
    assert_str(buf_view(&error), "Total metadata too large; max 20");

    buf_reset(&error);
    db_metadata_init(&m, a);
    db_metadata_set(&m, STR("X-Account-Sysmeta-A"), STR("\xff"), STR("1"));
    assert_int_equal(db_metadata_validate(&m, &limits, &error), -EINVAL);
    assert_str(buf_view(&error), "Metadata must be valid UTF-8");
    buf_release(&error);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge_by_timestamp),
        cmocka_unit_test(test_text_form),
        cmocka_unit_test(test_bad_text),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
