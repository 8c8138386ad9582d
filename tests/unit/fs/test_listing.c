/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include "fs/listing.h"

static void times(void **state)
{
    assert_int_equal(listing_parse_time(STR("1970-01-01T00:00:01.000002")), 1000002);
    assert_int_equal(listing_parse_time(STR("2023-11-14T22:13:30.123450")), 1700000010123450);
    assert_int_equal(listing_parse_time(STR("2023-11-14T22:13:30")), 1700000010000000);
    assert_int_equal(listing_parse_time(STR("2023-11-14T22:13:30.5")), 1700000010500000);
    assert_int_equal(listing_parse_time(STR("2023-11-14 22:13:30")), 0);
    assert_int_equal(listing_parse_time(STR("2023-11-14T22:13")), 0);
    assert_int_equal(listing_parse_time(STR_NONE), 0);
}

static void objects_and_subdirs(void **state)
{
    static const char json[] =
        "[{\"name\":\"a\",\"hash\":\"d41d\",\"bytes\":12,\"content_type\":\"text/plain\","
        "\"last_modified\":\"1970-01-01T00:00:01.000000\"},"
        "{\"subdir\":\"d/\"},"
        "{\"name\":\"l\\u00f6\",\"hash\":\"x\",\"bytes\":3,\"content_type\":\"inode/symlink\"},"
        "{\"name\":\"m\",\"hash\":\"y\",\"bytes\":0,\"content_type\":\"Application/Directory; "
        "charset=UTF-8\"},"
        "{\"name\":\"s\",\"hash\":\"z\",\"slo_etag\":\"\\\"q\\\"\",\"bytes\":99}]";
    struct listing l;

    listing_init(&l);
    assert_int_equal(listing_parse(&l, str_from(json)), 5);
    assert_int_equal(l.n, 5);
    assert_true(str_eq(l.v[0].name, STR("a")) && l.v[0].bytes == 12 && l.v[0].changed_us == 1000000);
    assert_string_equal(l.v[0].hash, "d41d");
    assert_true(l.v[1].subdir && str_eq(l.v[1].name, STR("d/")));
    assert_true(l.v[2].symlink && str_eq(l.v[2].name, STR("l\xc3\xb6")));
    assert_true(l.v[3].directory);
    assert_true(l.v[4].large);
    assert_string_equal(l.v[4].hash, "q");
    assert_true(str_eq(l.last, STR("s")));
    assert_int_equal(listing_parse(&l, STR("[]")), 0);
    assert_true(str_eq(l.last, STR("s")));
    listing_release(&l);
}

static void odd_items_are_passed_over(void **state)
{
    struct listing l;

    listing_init(&l);
    assert_int_equal(
        listing_parse(&l, STR("[1,null,{},{\"name\":7},{\"name\":\"\"},{\"bytes\":-5,\"name\":\"n\\u0000x\","
                              "\"hash\":5}]")),
        6);
    assert_int_equal(l.n, 1);
    assert_int_equal(l.v[0].name.n, 3);
    assert_int_equal(l.v[0].bytes, 0);
    listing_release(&l);
}

static void what_is_no_listing_is_refused(void **state)
{
    static const char *bad[] = {"", "{}", "[", "[{]", "null", "<html>", "[\"\\ud800\"]"};
    struct listing l;

    listing_init(&l);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(listing_parse(&l, str_from(bad[i])), -EBADMSG);
    assert_int_equal(l.n, 0);
    listing_release(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times),
        cmocka_unit_test(objects_and_subdirs),
        cmocka_unit_test(odd_items_are_passed_over),
        cmocka_unit_test(what_is_no_listing_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
