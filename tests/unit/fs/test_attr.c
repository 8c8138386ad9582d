/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include "fs/attr.h"

static const struct attr_defaults defaults = {.uid = 7, .gid = 8, .umask = 022, .time_ns = 5};

static void times_are_written_and_read(void **state)
{
    static const struct {
        int64_t ns;
        const char *text;
    } t[] = {{0, "0.000000000"},
             {1402464677041880000, "1402464677.041880000"},
             {-500000000, "-0.500000000"},
             {-1500000001, "-1.500000001"},
             {999999999, "0.999999999"}};
    char out[ATTR_TIME_SIZE];
    int64_t ns;

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        assert_string_equal(attr_format_time(t[i].ns, out), t[i].text);
        assert_int_equal(attr_parse_time(str_from(t[i].text), &ns), 0);
        assert_int_equal(ns, t[i].ns);
    }
    assert_int_equal(attr_parse_time(STR("12"), &ns), 0);
    assert_int_equal(ns, 12000000000);
    assert_int_equal(attr_parse_time(STR("1.0000000019"), &ns), 0);
    assert_int_equal(ns, 1000000001);
}

static void bad_times_are_refused(void **state)
{
    static const char *bad[] = {"", "-", ".5", "x", "1.x", "1e3", " 1", "99999999999", "--1", "1-2"};
    int64_t ns = 42;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(attr_parse_time(str_from(bad[i]), &ns), -EINVAL);
    assert_int_equal(ns, 42);
}

static void a_file_comes_back_as_it_was(void **state)
{
    struct arena *a = arena_new();
    struct attr at = {.mode = S_IFREG | 04751, .uid = 1000, .gid = 4000000000u, .mtime_ns = -1}, back;
    struct store_reply r = {.size = 9, .etag = "e", .changed_us = 1500000, .changed_limit_s = 2};

    header_init(&r.headers, a);
    attr_to_headers(&at, &r.headers);
    assert_true(str_eq(header_get(&r.headers, STR("x-object-meta-mode")), STR("104751")));
    attr_from_reply(&back, &r, &defaults);
    assert_int_equal(back.mode, at.mode);
    assert_int_equal(back.uid, at.uid);
    assert_int_equal(back.gid, at.gid);
    assert_int_equal(back.mtime_ns, -1);
    assert_int_equal(back.ctime_ns, 2000000000);
    assert_int_equal(back.size, 9);
    assert_false(back.foreign);
    arena_free(a);
}

static void defaults_and_nonsense(void **state)
{
    struct arena *a = arena_new();
    struct store_reply r = {.changed_limit_s = 3};
    struct attr at;

    header_init(&r.headers, a);
    header_add(&r.headers, STR("X-Object-Meta-Mode"), STR("9"));
    header_add(&r.headers, STR("X-Object-Meta-Uid"), STR("-1"));
    header_add(&r.headers, STR("X-Object-Meta-Gid"), STR("4294967295"));
    header_add(&r.headers, STR("X-Object-Meta-Mtime"), STR("soon"));
    header_add(&r.headers, STR("X-Object-Meta-Color"), STR("blue"));
    attr_from_reply(&at, &r, &defaults);
    assert_int_equal(at.mode, S_IFREG | 0644);
    assert_int_equal(at.uid, 7);
    assert_int_equal(at.gid, 8);
    assert_int_equal(at.mtime_ns, 3000000000);
    assert_true(at.foreign);
    attr_of_directory(&at, NULL, &defaults);
    assert_int_equal(at.mode, S_IFDIR | 0755);
    assert_int_equal(at.marker, ATTR_MARKER_NONE);
    arena_free(a);
}

static void links_are_known_by_type_or_mode(void **state)
{
    struct arena *a = arena_new();
    struct store_reply r = {0};
    struct attr at;

    header_init(&r.headers, a);
    header_add(&r.headers, STR("Content-Type"), STR("inode/symlink; charset=x"));
    attr_from_reply(&at, &r, &defaults);
    assert_true(S_ISLNK(at.mode));
    header_init(&r.headers, a);
    header_add(&r.headers, STR("Content-Type"), STR("text/plain"));
    header_add(&r.headers, STR("X-Object-Meta-Mode"), STR("120777"));
    attr_from_reply(&at, &r, &defaults);
    assert_true(S_ISLNK(at.mode));
    /* A mode cannot make a device or directory of an object. */
    header_set(&r.headers, STR("X-Object-Meta-Mode"), STR("60644"));
    attr_from_reply(&at, &r, &defaults);
    assert_true(S_ISREG(at.mode));
    arena_free(a);
}

static void a_post_repeats_what_is_not_ours(void **state)
{
    struct arena *a = arena_new();
    struct store_reply r = {0};
    struct header_table h;

    header_init(&r.headers, a);
    header_add(&r.headers, STR("X-Object-Meta-Mtime"), STR("1"));
    header_add(&r.headers, STR("X-Object-Meta-Color"), STR("blue"));
    header_add(&r.headers, STR("Content-Encoding"), STR("gzip"));
    header_add(&r.headers, STR("Content-Type"), STR("text/x-odd"));
    header_add(&r.headers, STR("X-Object-Manifest"), STR("c/p"));
    header_add(&r.headers, STR("Etag"), STR("x"));
    header_init(&h, a);
    attr_keep_foreign(&h, &r, false);
    assert_int_equal(h.n, 3);
    assert_true(header_has(&h, STR("X-Object-Meta-Color")) && header_has(&h, STR("Content-Encoding")) &&
                header_has(&h, STR("X-Object-Manifest")));
    header_init(&h, a);
    attr_keep_foreign(&h, &r, true);
    assert_int_equal(h.n, 3);
    assert_true(header_has(&h, STR("Content-Type")) && !header_has(&h, STR("X-Object-Manifest")));
    arena_free(a);
}

static void versions_match(void **state)
{
    struct attr at = {.etag = "abc", .changed_us = 5000010};

    assert_true(attr_matches(&at, "abc", 5000010));
    assert_false(attr_matches(&at, "abc", 5000020));
    assert_false(attr_matches(&at, "abd", 5000010));
    at.large = true; /* its hash in the listing may be another */
    assert_true(attr_matches(&at, "abd", 5000010));
    at = (struct attr){.etag = "abc", .changed_limit_s = 6};
    assert_true(attr_matches(&at, "abc", 5000010));
    assert_true(attr_matches(&at, "abc", 6000000));
    assert_false(attr_matches(&at, "abc", 6000001));
    assert_false(attr_matches(&at, "abc", 0));
    at.etag[0] = '\0';
    assert_false(attr_matches(&at, "", 5000010));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written_and_read),
        cmocka_unit_test(bad_times_are_refused),
        cmocka_unit_test(a_file_comes_back_as_it_was),
        cmocka_unit_test(defaults_and_nonsense),
        cmocka_unit_test(links_are_known_by_type_or_mode),
        cmocka_unit_test(a_post_repeats_what_is_not_ours),
        cmocka_unit_test(versions_match),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
