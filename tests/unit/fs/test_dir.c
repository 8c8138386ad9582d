/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include "fs/dir.h"
#include "tests/lib/fake_store.h"

static void page(struct listing *l, const char *json)
{
    listing_init(l);
    assert_true(listing_parse(l, str_from(json)) >= 0);
}

static void names_that_no_file_can_have(void **state)
{
    struct dir *d = dir_new();
    struct listing l;

    page(&l,
         "[{\"subdir\":\"p//\"},{\"name\":\"p/.\"},{\"name\":\"p/..\"},{\"name\":\"p/\"},{\"name\":\"p/ok\"},"
         "{\"subdir\":\"p/../\"},{\"name\":\"p/x\\u0000y\"},{\"name\":\"q\"}]");
    dir_add_listing(d, &l, STR("p/"));
    assert_int_equal(d->n, 1);
    assert_string_equal(d->v[0].name, "ok");
    assert_int_equal(d->skipped, 5);
    listing_release(&l);
    dir_unref(d);
    assert_true(dir_name_valid(STR("...")));
    assert_false(dir_name_valid(STR("")));
    assert_false(dir_name_valid(STR("a/b")));
}

static void directories_win_over_objects(void **state)
{
    struct dir *d = dir_new();
    struct listing l;

    page(&l, "[{\"name\":\"a\",\"hash\":\"h\",\"content_type\":\"x\"},{\"name\":\"m\",\"content_type\":"
             "\"application/directory\"},{\"subdir\":\"a/\"},{\"subdir\":\"m/\"},{\"subdir\":\"z/\"}]");
    dir_add_listing(d, &l, STR(""));
    assert_int_equal(d->n, 3);
    assert_int_equal(d->hidden, 1);
    assert_true(d->v[0].kind == DIR_DIRECTORY && !d->v[0].plain_marker);
    assert_true(d->v[1].kind == DIR_DIRECTORY && d->v[1].plain_marker);
    assert_true(d->v[2].kind == DIR_DIRECTORY && !d->v[2].plain_marker);
    listing_release(&l);
    dir_unref(d);
}

static void names_are_kept_in_order(void **state)
{
    static const char *names[] = {"m", "a", "z", "b", "a.b", "m"};
    struct dir *d = dir_new(), *copy;

    for (size_t i = 0; i < 6; i++)
        dir_set(d, &(struct dir_entry){.name = (char *)names[i], .size = i});
    assert_int_equal(d->n, 5);
    for (size_t i = 1; i < d->n; i++)
        assert_true(strcmp(d->v[i - 1].name, d->v[i].name) < 0);
    assert_int_equal(d->v[dir_find(d, STR("m"))].size, 5);
    copy = dir_clone(d);
    dir_remove(d, STR("b"));
    dir_remove(d, STR("absent"));
    assert_int_equal(dir_find(d, STR("b")), -1);
    assert_int_equal(d->n, 4);
    assert_true(dir_find(copy, STR("b")) >= 0);
    dir_unref(copy);
    dir_unref(d);
}

static void pages_are_put_together(void **state)
{
    struct fake_store *f = fake_store_new();
    struct dir *d;
    bool complete;
    char key[32];

    fake_write(f, "c", STR(""), NULL);
    for (int i = 0; i < 25; i++) {
        snprintf(key, sizeof key, "c/d/%02d%s", i, i % 2 ? "" : "/x");
        fake_write(f, key, STR("x"), NULL);
    }
    f->page = 7;
    assert_int_equal(dir_fetch(&f->store, STR("c"), STR("d/"), 0, &d, &complete), 0);
    assert_true(complete);
    assert_int_equal(d->n, 25);
    dir_unref(d);
    assert_int_equal(dir_fetch(&f->store, STR("c"), STR("d/"), 2, &d, &complete), 0);
    assert_false(complete);
    assert_int_equal(d->n, 14);
    dir_unref(d);
    fake_fail(f, FAKE_LIST, -EAGAIN, 1, 1);
    assert_int_equal(dir_fetch(&f->store, STR("c"), STR("d/"), 0, &d, &complete), -EAGAIN);
    assert_int_equal(dir_fetch(&f->store, STR(""), STR(""), 0, &d, &complete), 0);
    assert_true(d->n == 1 && d->v[0].kind == DIR_DIRECTORY);
    dir_unref(d);
    f->store.free(&f->store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_no_file_can_have),
        cmocka_unit_test(directories_win_over_objects),
        cmocka_unit_test(names_are_kept_in_order),
        cmocka_unit_test(pages_are_put_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
