/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>
#include "fs/fs_cache.h"

static struct dir *some_dir(void)
{
    struct dir *d = dir_new();

    dir_set(d, &(struct dir_entry){.name = (char *)"a", .size = 1});
    dir_set(d, &(struct dir_entry){.name = (char *)"b", .size = 2});
    return d;
}

static void attributes_age(void **state)
{
    struct fs_cache *c = fs_cache_new(30);
    struct attr at = {.size = 5}, got;
    bool fresh;

    assert_false(fs_cache_attr(c, STR("x"), &got, &fresh));
    fs_cache_set_attr(c, STR("x"), &at);
    assert_true(fs_cache_attr(c, STR("x"), &got, &fresh) && fresh && got.size == 5);
    usleep(40000);
    assert_true(fs_cache_attr(c, STR("x"), &got, &fresh) && !fresh);
    fs_cache_drop_attr(c, STR("x"));
    assert_false(fs_cache_attr(c, STR("x"), &got, NULL));
    fs_cache_free(c);
}

static void listings_answer_for_names(void **state)
{
    struct fs_cache *c = fs_cache_new(30);
    struct dir *d = some_dir(), *held;
    struct dir_entry e;

    assert_int_equal(fs_cache_entry(c, STR("d"), STR("a"), &e), FS_CACHE_UNKNOWN);
    fs_cache_set_dir(c, STR("d"), fs_cache_begin_listing(c, STR("d")), d, true);
    assert_int_equal(fs_cache_entry(c, STR("d"), STR("b"), &e), FS_CACHE_PRESENT);
    assert_int_equal(e.size, 2);
    assert_int_equal(fs_cache_entry(c, STR("d"), STR("z"), &e), FS_CACHE_ABSENT);
    held = fs_cache_dir(c, STR("d"));
    fs_cache_add(c, STR("d"), &(struct dir_entry){.name = (char *)"z"});
    fs_cache_remove(c, STR("d"), STR("a"));
    assert_int_equal(fs_cache_entry(c, STR("d"), STR("z"), &e), FS_CACHE_PRESENT);
    assert_int_equal(fs_cache_entry(c, STR("d"), STR("a"), &e), FS_CACHE_ABSENT);
    assert_int_equal(held->n, 2); /* whoever reads it is not disturbed */
    assert_true(dir_find(held, STR("a")) >= 0);
    dir_unref(held);
    usleep(40000);
    assert_int_equal(fs_cache_entry(c, STR("d"), STR("b"), &e), FS_CACHE_UNKNOWN);
    assert_null(fs_cache_dir(c, STR("d")));
    dir_unref(d);
    fs_cache_free(c);
}

static void an_overtaken_listing_is_not_kept(void **state)
{
    struct fs_cache *c = fs_cache_new(60000);
    struct dir *d = some_dir();
    struct dir_entry e;
    uint64_t ticket = fs_cache_begin_listing(c, STR("d"));

    fs_cache_add(c, STR("d"), &(struct dir_entry){.name = (char *)"new"});
    fs_cache_set_dir(c, STR("d"), ticket, d, true);
    assert_int_equal(fs_cache_entry(c, STR("d"), STR("new"), &e), FS_CACHE_UNKNOWN);
    ticket = fs_cache_begin_listing(c, STR("d"));
    fs_cache_drop_tree(c, STR("d"));
    fs_cache_set_dir(c, STR("d"), ticket, d, true);
    assert_int_equal(fs_cache_entry(c, STR("d"), STR("a"), &e), FS_CACHE_UNKNOWN);
    fs_cache_set_dir(c, STR("d"), fs_cache_begin_listing(c, STR("d")), d, false);
    assert_true(fs_cache_is_large(c, STR("d")));
    assert_int_equal(fs_cache_entry(c, STR("d"), STR("zz"), &e), FS_CACHE_UNKNOWN);
    fs_cache_new_dir(c, STR("d"));
    assert_int_equal(fs_cache_entry(c, STR("d"), STR("zz"), &e), FS_CACHE_ABSENT);
    dir_unref(d);
    fs_cache_free(c);
}

static void a_tree_goes_as_a_whole(void **state)
{
    static const char *keys[] = {"a", "a/b", "a/b/c", "ab", "a.b"};
    struct fs_cache *c = fs_cache_new(60000);
    struct attr at = {0};

    for (size_t i = 0; i < 5; i++)
        fs_cache_set_attr(c, str_from(keys[i]), &at);
    fs_cache_new_dir(c, STR("a/b"));
    fs_cache_drop_tree(c, STR("a"));
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(fs_cache_attr(c, str_from(keys[i]), &at, NULL), i >= 3);
    assert_null(fs_cache_dir(c, STR("a/b")));
    fs_cache_free(c);
}

static void it_is_bounded(void **state)
{
    struct fs_cache *c = fs_cache_new(60000);
    struct attr at = {0};
    char key[32];
    int known = 0;

    for (int i = 0; i < 250000; i++) {
        snprintf(key, sizeof key, "%d", i);
        fs_cache_set_attr(c, str_from(key), &at);
    }
    for (int i = 0; i < 250000; i++) {
        snprintf(key, sizeof key, "%d", i);
        known += fs_cache_attr(c, str_from(key), &at, NULL);
    }
    assert_true(known > 0 && known <= 200000);
    snprintf(key, sizeof key, "%d", 249999);
    assert_true(fs_cache_attr(c, str_from(key), &at, NULL));
    fs_cache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributes_age),
        cmocka_unit_test(listings_answer_for_names),
        cmocka_unit_test(an_overtaken_listing_is_not_kept),
        cmocka_unit_test(a_tree_goes_as_a_whole),
        cmocka_unit_test(it_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
