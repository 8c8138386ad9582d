/* SPDX-License-Identifier: Apache-2.0
 *
 * test_str.c: strings that may be absent, empty or full of NULs; numbers at the edges of their types.
 */
#include "common_test.h"

static void test_compare(void **state)
{
    assert_true(str_eq(STR_NONE, STR("")));
    assert_true(str_ieq(STR("X-Timestamp"), STR("x-tIMESTAMP")));
    assert_false(str_ieq(STR("a["), STR("A{"))); /* differ in the case bit only */
    assert_false(str_ieq(STR("\xc3\xa9"), STR("\xc3\x89")));
    assert_true(str_cmp(STR("a"), STR("a\0")) < 0);
    assert_true(str_cmp(STR("\xff"), STR("a")) > 0);
    assert_int_equal(str_cmp(STR_NONE, STR("")), 0);
    assert_true(str_starts(STR("ab"), STR("")) && !str_starts(STR("a"), STR("ab")));
    assert_true(str_istarts(STR("X-Meta-a"), STR("x-meta-")) && !str_istarts(STR("X-M"), STR("x-meta-")));
    assert_true(str_ends(STR("a.conf"), STR(".conf")) && !str_ends(STR("conf"), STR(".conf")));
}

static void test_trim(void **state)
{
    assert_str(str_trim(STR(" \t a b \r\n")), "a b");
    assert_str(str_trim(STR(" \t ")), "");
    assert_null(str_trim(STR_NONE).p);
}

static void test_find(void **state)
{
    assert_int_equal(str_find(STR("a/b/c"), '/'), 1);
    assert_int_equal(str_rfind(STR("a/b/c"), '/'), 3);
    assert_int_equal(str_find(STR_NONE, '/'), -1);
    assert_int_equal(str_find(STR("a\0b"), 'b'), 2);
    assert_int_equal(str_find_str(STR("abcabc"), STR("bc"), 2), 4);
    assert_int_equal(str_find_str(STR("abc"), STR(""), 3), 3);
    assert_int_equal(str_find_str(STR("abc"), STR(""), 4), -1);
    assert_int_equal(str_find_str(STR("abc"), STR("abcd"), 0), -1);
}

static void test_cut(void **state)
{
    struct str head, tail;
    assert_true(str_cut(STR("a:b:c"), ':', &head, &tail));
    assert_str(head, "a");
    assert_str(tail, "b:c");
    assert_false(str_cut(STR("abc"), ':', &head, &tail));
    assert_str(head, "abc");
    assert_int_equal(tail.n, 0);
    /* head and tail may be the input itself */
    struct str s = STR("k=v");
    assert_true(str_cut(s, '=', &s, &tail));
    assert_str(s, "k");
    assert_str(tail, "v");
}

static void check_items(struct str list, const char *want)
{
    char got[64] = "";
    struct str item;
    while (str_next(&list, ',', &item)) {
        size_t n = strlen(got);
        snprintf(got + n, sizeof(got) - n, "<%.*s>", STR_ARG(item));
    }
    assert_string_equal(got, want);
    assert_false(str_next(&list, ',', &item)); /* stays at its end */
}

static void test_next(void **state)
{
    check_items(STR("a,b,c"), "<a><b><c>");
    check_items(STR("a,"), "<a><>");
    check_items(STR(","), "<><>");
    check_items(STR(",,a"), "<><><a>");
    check_items(STR(""), "");
    check_items(STR_NONE, "");
}

static void test_unsigned(void **state)
{
    uint64_t v = 7;
    assert_int_equal(str_to_u64(STR("18446744073709551615"), &v), 0);
    assert_true(v == UINT64_MAX);
    v = 7;
    assert_int_equal(str_to_u64(STR("18446744073709551616"), &v), -ERANGE);
    assert_int_equal(str_to_u64(STR("99999999999999999999999x"), &v), -EINVAL);
    static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "1.0", "0x1", "a"};
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(str_to_u64(str_from(bad[i]), &v), -EINVAL);
    assert_int_equal(str_to_u64(STR("1\0"), &v), -EINVAL);
    assert_int_equal(str_to_u64(STR_NONE, &v), -EINVAL);
    assert_true(v == 7);
    assert_int_equal(str_hex_to_u64(STR("fFfFFFFFffffffff"), &v), 0);
    assert_true(v == UINT64_MAX);
    assert_int_equal(str_hex_to_u64(STR("10000000000000000"), &v), -ERANGE);
    assert_int_equal(str_hex_to_u64(STR("0x1"), &v), -EINVAL);
    assert_int_equal(str_hex_to_u64(STR("g"), &v), -EINVAL);
}

static void test_signed(void **state)
{
    int64_t v = 7;
    assert_int_equal(str_to_i64(STR("-9223372036854775808"), &v), 0);
    assert_true(v == INT64_MIN);
    assert_int_equal(str_to_i64(STR("9223372036854775807"), &v), 0);
    assert_true(v == INT64_MAX);
    v = 7;
    assert_int_equal(str_to_i64(STR("9223372036854775808"), &v), -ERANGE);
    assert_int_equal(str_to_i64(STR("-9223372036854775809"), &v), -ERANGE);
    assert_int_equal(str_to_i64(STR("--1"), &v), -EINVAL);
    assert_int_equal(str_to_i64(STR("-"), &v), -EINVAL);
    assert_true(v == 7);
    assert_int_equal(str_to_i64(STR("-0"), &v), 0);
    assert_true(v == 0);
}

static void test_double(void **state)
{
    double v = 7;
    assert_int_equal(str_to_double(STR("-1.5e3"), &v), 0);
    assert_true(v == -1500);
    assert_int_equal(str_to_double(STR(".5"), &v), 0);
    assert_true(v == 0.5);
    v = 7;
    static const char *const bad[] = {"", "inf", "nan", "0x10", " 1", "1 ", "1e", "1,5", ".", "1.2.3"};
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(str_to_double(str_from(bad[i]), &v), -EINVAL);
    assert_int_equal(str_to_double(STR("1\0"), &v), -EINVAL);
    assert_int_equal(str_to_double(STR("1e999"), &v), -ERANGE);
    assert_true(v == 7);
    char many[300];
    memset(many, '1', sizeof(many));
    many[1] = '.';
    assert_int_equal(str_to_double(str_of(many, sizeof(many)), &v), 0);
    assert_true(v > 1.1 && v < 1.2);
}

static void test_truth(void **state)
{
    static const char *const yes[] = {"true", "1", "YES", "on", "T", "y"};
    static const char *const no[] = {"", "false", "0", "2", "yes ", "enabled"};
    for (size_t i = 0; i < COUNT(yes); i++)
        assert_true(str_is_true(str_from(yes[i])));
    for (size_t i = 0; i < COUNT(no); i++)
        assert_false(str_is_true(str_from(no[i])));
    assert_false(str_is_true(STR_NONE));
}

static void test_copies(void **state)
{
    char hex[9];
    char *p = str_dup(STR_NONE);
    assert_string_equal(p, "");
    free(p);
    p = str_dup(STR("a\0b"));
    assert_memory_equal(p, "a\0b", 4);
    free(p);
    str_hex("\x00\xff\x1a\xb0", 4, hex);
    assert_string_equal(hex, "00ff1ab0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare), cmocka_unit_test(test_trim),   cmocka_unit_test(test_find),
        cmocka_unit_test(test_cut),     cmocka_unit_test(test_next),   cmocka_unit_test(test_unsigned),
        cmocka_unit_test(test_signed),  cmocka_unit_test(test_double), cmocka_unit_test(test_truth),
        cmocka_unit_test(test_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
