/* SPDX-License-Identifier: Apache-2.0
 *
 * test_timestamp.c: texts and answers of swift.common.utils.Timestamp, encode_timestamps and decode_timestamps.
 */
#include "common_test.h"
#include "common/clock.h"
#include "common/timestamp.h"

static struct timestamp ts(const char *text)
{
    struct timestamp t;
    assert_int_equal(timestamp_parse(str_from(text), &t), 0);
    return t;
}

static void test_parse(void **state)
{
    static const struct {
        const char *in, *internal;
    } v[] = {
        {"1402464677.04188", "1402464677.04188"},
        {"1402464677.041886", "1402464677.04189"},
        {"1402464677.041884999", "1402464677.04188"},
        {"1402464677.04188_1", "1402464677.04188_0000000000000001"},
        {"1402464677.04188_000000000000001F", "1402464677.04188_000000000000001f"},
        {"1402464677.04188_ffffffffffffffff", "1402464677.04188_ffffffffffffffff"},
        {"1402464677.04188_", "1402464677.04188"},
        {" 12.5 ", "0000000012.50000"},
        {"\t12.5 \n", "0000000012.50000"},
        {"1e9", "1000000000.00000"},
        {"+1.5E3", "0000001500.00000"},
        {"0", "0000000000.00000"},
        {"-0", "0000000000.00000"},
        {"-0.0", "0000000000.00000"},
        {".5", "0000000000.50000"},
        {"5.", "0000000005.00000"},
        {"1700000000.123456", "1700000000.12346"},
        {"9999999999.99999", "9999999999.99999"},
        {"000000000000000012.5", "0000000012.50000"},
        {"0.000001", "0000000000.00000"},
        {"999999.999999", "0001000000.00000"},
    };
    for (size_t i = 0; i < COUNT(v); i++) {
        char out[TIMESTAMP_INTERNAL_SIZE];
        assert_string_equal(timestamp_internal(ts(v[i].in), out), v[i].internal);
        /* The text is its own parse. */
        assert_string_equal(timestamp_internal(ts(out), out), v[i].internal);
    }
}

static void test_reject(void **state)
{
    static const char *const bad[] = {"",
                                      "abc",
                                      "nan",
                                      "inf",
                                      "-1",
                                      "-1.5",
                                      "10000000000",
                                      "1e10",
                                      "_1",
                                      "a_b_c",
                                      "12_-1",
                                      "1_2_3",
                                      "1__2",
                                      "12_12345678901234567",
                                      "9999999999.999999",
                                      "0x10",
                                      "1 2",
                                      "1.5.5",
                                      "99999999999999999999999999",
                                      "1e400",
                                      " ",
                                      "12_0x1",
                                      "12_g",
                                      "1,5"};
    struct timestamp t = {5, 6};
    for (size_t i = 0; i < COUNT(bad); i++)
        if (timestamp_parse(str_from(bad[i]), &t) != -EINVAL)
            fail_msg("accepted \"%s\"", bad[i]);
    assert_int_equal(timestamp_parse(STR("1\0"), &t), -EINVAL);
    assert_int_equal(timestamp_parse(STR_NONE, &t), -EINVAL);
    assert_true(t.raw == 5 && t.offset == 6);
}

static void test_forms(void **state)
{
    char out[TIMESTAMP_INTERNAL_SIZE];
    struct timestamp t = ts("1402464677.04188_1f");
    assert_string_equal(timestamp_normal(t, out), "1402464677.04188");
    assert_string_equal(timestamp_internal(t, out), "1402464677.04188_000000000000001f");
    assert_string_equal(timestamp_short(t, out), "1402464677.04188_1f");
    t.offset = 0;
    assert_string_equal(timestamp_short(t, out), "1402464677.04188");
    t.offset = UINT64_MAX;
    assert_string_equal(timestamp_short(t, out), "1402464677.04188_ffffffffffffffff");
}

static void test_order(void **state)
{
    assert_true(timestamp_cmp(ts("1.00001"), ts("1")) > 0);
    assert_true(timestamp_cmp(ts("1_2"), ts("1_10")) < 0);
    assert_true(timestamp_cmp(ts("1_ffffffffffffffff"), ts("1.00001")) < 0);
    assert_int_equal(timestamp_cmp(ts("1"), ts("1.000_0")), 0);
    assert_true(timestamp_ceil(ts("1402464677.04188")) == 1402464678);
    assert_true(timestamp_ceil(ts("1402464677")) == 1402464677);
}

static void check_encoded(const char *a, const char *b, const char *c, bool explicit, const char *want)
{
    char out[TIMESTAMP_ENCODED_SIZE];
    struct timestamp t[3] = {ts(a), ts(b ? b : a), ts(c ? c : a)};
    assert_string_equal(timestamp_encode(t, c ? 3 : b ? 2 : 1, explicit, out), want);
}

static void test_encode(void **state)
{
    static const char t1[] = "1402464677.04188", t2[] = "1402464677.05000", t3[] = "1402464600.00000";
    check_encoded(t1, NULL, NULL, false, "1402464677.04188");
    check_encoded(t1, t2, NULL, false, "1402464677.04188+32c");
    check_encoded(t1, t3, NULL, false, "1402464677.04188-758e7c");
    check_encoded(t1, t1, NULL, true, "1402464677.04188+0");
    check_encoded(t1, t1, NULL, false, "1402464677.04188");
    check_encoded(t1, t1, t2, false, "1402464677.04188+0+32c");
    check_encoded(t1, t2, t3, false, "1402464677.04188+32c-7591a8");
    check_encoded("1402464677.04188_1f", t2, NULL, false, "1402464677.04188_1f+32c");
    check_encoded("1700000000.12345", "1700000002", "1700000001", false, "1700000000.12345+2dd07-186a0");
    check_encoded("1700000000.12345_a", "1700000002", "1700000002", false, "1700000000.12345_a+2dd07+0");
    check_encoded("1700000005", "1700000002", "1700000002", false, "1700000005.00000-493e0+0");
    /* The longest there is. */
    check_encoded("0_ffffffffffffffff", "9999999999.99999", "0", false,
                  "0000000000.00000_ffffffffffffffff+38d7ea4c67fff-38d7ea4c67fff");
}

static void test_decode(void **state)
{
    static const struct {
        const char *in, *t1, *t2, *t3;
        int deltas;
    } v[] = {
        {"1402464677.04188", "1402464677.04188", "1402464677.04188", "1402464677.04188", 0},
        {"1402464677.04188_1f", "1402464677.04188_1f", "1402464677.04188_1f", "1402464677.04188_1f", 0},
        {"1402464677.04188_1f+0", "1402464677.04188_1f", "1402464677.04188_1f", "1402464677.04188_1f", 1},
        {"1402464677.04188_1f+32c", "1402464677.04188_1f", "1402464677.05", "1402464677.05", 1},
        {"1402464677.04188_1f+0+32c", "1402464677.04188_1f", "1402464677.04188_1f", "1402464677.05", 2},
        {"1402464677.04188+32c-7591a8", "1402464677.04188", "1402464677.05", "1402464600", 2},
        {"1402464677.04188-758E7C", "1402464677.04188", "1402464600", "1402464600", 1},
        {"1700000000.12345+2dd07+0", "1700000000.12345", "1700000002", "1700000002", 2},
        {"0", "0", "0", "0", 0},
    };
    for (size_t i = 0; i < COUNT(v); i++) {
        struct timestamp t[3];
        int deltas = -1;
        assert_int_equal(timestamp_decode(str_from(v[i].in), t, &deltas), 0);
        assert_int_equal(deltas, v[i].deltas);
        assert_int_equal(timestamp_cmp(t[0], ts(v[i].t1)), 0);
        assert_int_equal(timestamp_cmp(t[1], ts(v[i].t2)), 0);
        assert_int_equal(timestamp_cmp(t[2], ts(v[i].t3)), 0);
    }
    static const char *const bad[] = {"",
                                      "+1",
                                      "1+",
                                      "1+-1",
                                      "1+g",
                                      "5-fffff",
                                      "1+1+1+1",
                                      "1+0x1",
                                      "9999999999.99999+1",
                                      "1+ffffffffffffffff",
                                      "1+10000000000000000",
                                      "a+1"};
    struct timestamp t[3] = {{1, 1}};
    for (size_t i = 0; i < COUNT(bad); i++)
        if (timestamp_decode(str_from(bad[i]), t, NULL) != -EINVAL)
            fail_msg("accepted \"%s\"", bad[i]);
    assert_true(t[0].raw == 1);
}

static void test_now(void **state)
{
    clock_fix(INT64_C(1402464677041886000));
    char out[TIMESTAMP_NORMAL_SIZE];
    assert_string_equal(timestamp_normal(timestamp_now(), out), "1402464677.04189");
    clock_fix(0);
    assert_true(timestamp_now().raw > INT64_C(160000000000000));
}

static void test_iso(void **state)
{
    char out[TIMESTAMP_ISO_SIZE];
    assert_string_equal(timestamp_iso(ts("1700000010.12345_3"), out), "2023-11-14T22:13:30.123450");
    assert_string_equal(timestamp_iso(ts("0"), out), "1970-01-01T00:00:00.000000");
    assert_string_equal(timestamp_iso(ts("0.00001"), out), "1970-01-01T00:00:00.000010");
    assert_string_equal(timestamp_iso(ts("9999999999.99999"), out), "2286-11-20T17:46:39.999990");
}

static void test_http_date(void **state)
{
    char out[HTTP_DATE_SIZE];
    int64_t s = 0;
    assert_string_equal(http_date(1700000010, out), "Tue, 14 Nov 2023 22:13:30 GMT");
    assert_string_equal(http_date(0, out), "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_string_equal(http_date(INT64_MAX, out), "Fri, 31 Dec 9999 23:59:59 GMT");
    assert_string_equal(http_date(INT64_MIN, out), "Mon, 01 Jan 0001 00:00:00 GMT");
    static const char *const same[] = {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                                       "Sun Nov  6 08:49:37 1994", " sun, 06 nov 1994 08:49:37 gmt "};
    for (size_t i = 0; i < COUNT(same); i++) {
        s = 0;
        assert_int_equal(http_date_parse(str_from(same[i]), &s), 0);
        assert_true(s == 784111777);
    }
    assert_int_equal(http_date_parse(STR("Sun Nov 16 08:49:37 1994"), &s), 0);
    assert_true(s == 784975777);
    for (int64_t t = 1; t < INT64_C(250000000000); t = t * 3 + 12345) {
        assert_int_equal(http_date_parse(str_from(http_date(t, out)), &s), 0);
        assert_true(s == t);
    }
    static const char *const bad[] = {"",
                                      "Sun",
                                      "Sun, ",
                                      "1700000000",
                                      "Sun, 06 Nov 1994 08:49:37",
                                      "Sun, 06 Nov 1994 08:49:37 GMT+1",
                                      "Sun, 31 Feb 1994 08:49:37 GMT",
                                      "Sun, 29 Feb 1900 08:49:37 GMT",
                                      "Sun, 00 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 1994 24:49:37 GMT",
                                      "Sun, 06 Nov 1994 08:60:37 GMT",
                                      "Sun, 6 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 Foo 1994 08:49:37 GMT",
                                      "Xyz, 06 Nov 1994 08:49:37 GMT"};
    s = 5;
    for (size_t i = 0; i < COUNT(bad); i++)
        if (http_date_parse(str_from(bad[i]), &s) != -EINVAL)
            fail_msg("accepted \"%s\"", bad[i]);
    assert_true(s == 5);
    assert_int_equal(http_date_parse(STR("Mon, 29 Feb 2000 00:00:00 GMT"), &s), 0);
}

static void test_two_digit_year(void **state)
{
    int64_t s;
    char out[HTTP_DATE_SIZE];
    clock_fix(INT64_C(1700000000) * 1000000000); /* 2023 */
    assert_int_equal(http_date_parse(STR("Monday, 01-Jan-73 00:00:00 GMT"), &s), 0);
    assert_memory_equal(http_date(s, out) + 12, "2073", 4);
    assert_int_equal(http_date_parse(STR("Monday, 01-Jan-74 00:00:00 GMT"), &s), 0);
    assert_memory_equal(http_date(s, out) + 12, "1974", 4);
    clock_fix(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),     cmocka_unit_test(test_reject),
        cmocka_unit_test(test_forms),     cmocka_unit_test(test_order),
        cmocka_unit_test(test_encode),    cmocka_unit_test(test_decode),
        cmocka_unit_test(test_now),       cmocka_unit_test(test_iso),
        cmocka_unit_test(test_http_date), cmocka_unit_test(test_two_digit_year),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
