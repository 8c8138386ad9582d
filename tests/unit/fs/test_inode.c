/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>
#include "fs/inode.h"

static bool path_is(struct inode_table *t, struct inode *inode, const char *text, const char *container,
                    const char *object)
{
    struct inode_path p;
    bool same;

    if (inode_pin(t, inode, &p) < 0)
        return false;
    same = strcmp(p.text, text) == 0 && str_eq(p.name.container, str_from(container)) &&
           str_eq(p.name.object, str_from(object));
    inode_path_release(&p);
    inode_unpin(t, inode);
    return same;
}

static void paths(void **state)
{
    struct inode_table *t = inode_table_new(NULL), *one = inode_table_new("c");
    struct inode *root = inode_get(t, INODE_ROOT), *c = inode_child(t, root, "c", true, true);
    struct inode *d = inode_child(t, c, "d", true, true), *f = inode_child(t, d, "f", false, true);
    struct inode *other = inode_get(one, INODE_ROOT), *g = inode_child(one, other, "g", false, true);
    struct inode_path p;

    assert_true(path_is(t, root, "", "", ""));
    assert_true(path_is(t, c, "c/", "c", ""));
    assert_true(path_is(t, f, "c/d/f/", "c", "d/f"));
    assert_true(path_is(one, other, "c/", "c", ""));
    assert_true(path_is(one, g, "c/g/", "c", "g"));
    assert_int_equal(inode_pin_child(t, d, "new", &p), 0);
    assert_true(str_eq(p.key, STR("c/d/new")) && str_eq(inode_path_prefix(&p), STR("d/new/")));
    inode_path_release(&p);
    inode_unpin(t, d);
    inode_pin(t, c, &p);
    assert_true(str_eq(inode_path_prefix(&p), STR("")) && str_eq(inode_path_marker(&p).container, STR("c")));
    inode_path_release(&p);
    inode_unpin(t, c);
    inode_put(t, f), inode_put(t, d), inode_put(t, c), inode_put(t, root);
    inode_put(one, g), inode_put(one, other);
    inode_table_free(t);
    inode_table_free(one);
}

static void an_inode_lives_as_long_as_it_is_known(void **state)
{
    struct inode_table *t = inode_table_new("c");
    struct inode *root = inode_get(t, INODE_ROOT), *d = inode_child(t, root, "d", true, true), *f;
    uint64_t d_ino = d->ino, f_ino;

    f = inode_child(t, d, "f", false, true);
    f_ino = f->ino;
    inode_looked_up(t, f);
    inode_looked_up(t, f);
    inode_put(t, f);
    inode_put(t, d); /* kept by its child */
    inode_forget(t, f_ino, 1);
    assert_ptr_equal(inode_find(t, d, "f"), f);
    inode_put(t, f);
    inode_forget(t, f_ino, 1);
    assert_null(inode_get(t, f_ino));
    assert_null(inode_get(t, d_ino));
    inode_forget(t, 4711, 1);
    inode_put(t, root);
    inode_table_free(t);
}

static void another_kind_is_another_inode(void **state)
{
    struct inode_table *t = inode_table_new("c");
    struct inode *root = inode_get(t, INODE_ROOT), *f = inode_child(t, root, "x", false, true), *d;
    struct inode_path p;

    assert_null(inode_child(t, root, "y", false, false));
    d = inode_child(t, root, "x", true, true);
    assert_ptr_not_equal(f, d);
    assert_int_equal(inode_pin(t, f, &p), -ENOENT);
    inode_put(t, f), inode_put(t, d), inode_put(t, root);
    inode_table_free(t);
}

struct mover {
    struct inode_table *t;
    struct inode *inode, *to;
    atomic_bool began;
};

static void *move(void *arg)
{
    struct mover *m = arg;

    inode_begin_move(m->t, m->inode);
    atomic_store(&m->began, true);
    usleep(20000);
    inode_end_move(m->t, m->inode, m->to, "moved");
    return NULL;
}

static void a_move_waits_for_pins_and_they_for_it(void **state)
{
    struct inode_table *t = inode_table_new("c");
    struct inode *root = inode_get(t, INODE_ROOT), *a = inode_child(t, root, "a", true, true);
    struct inode *f = inode_child(t, a, "f", false, true), *b = inode_child(t, root, "b", true, true);
    struct inode *taken = inode_child(t, b, "moved", true, true);
    struct mover m = {.t = t, .inode = a, .to = b};
    struct inode_path p;
    pthread_t thread;

    assert_int_equal(inode_pin(t, f, &p), 0);
    assert_int_equal(pthread_create(&thread, NULL, move, &m), 0);
    usleep(20000);
    assert_false(atomic_load(&m.began));
    inode_path_release(&p);
    inode_unpin(t, f);
    while (!atomic_load(&m.began))
        usleep(100);
    assert_true(path_is(t, b, "c/b/", "c", "b")); /* elsewhere nothing waits */
    assert_true(path_is(t, f, "c/b/moved/f/", "c", "b/moved/f"));
    pthread_join(thread, NULL);
    assert_int_equal(inode_pin(t, taken, &p), -ENOENT);
    assert_int_equal(inode_begin_move(t, taken), -ENOENT);
    inode_put(t, taken), inode_put(t, f), inode_put(t, a), inode_put(t, b), inode_put(t, root);
    inode_table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),
        cmocka_unit_test(an_inode_lives_as_long_as_it_is_known),
        cmocka_unit_test(another_kind_is_another_inode),
        cmocka_unit_test(a_move_waits_for_pins_and_they_for_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
