/* SPDX-License-Identifier: Apache-2.0
 *
 * test_header.c: lookup in any case, repeated fields, replacement in place, Swift's title case.
 */
#include "common_test.h"
#include "common/header.h"

static struct arena *arena;
static struct header_table t;

static int setup(void **state)
{
    arena = arena_new();
    header_init(&t, arena);
    return 0;
}

static int teardown(void **state)
{
    arena_free(arena);
    return 0;
}

static void test_get(void **state)
{
    header_add(&t, STR("X-Foo"), STR("1"));
    header_add(&t, STR("Other"), STR("o"));
    header_add(&t, STR("x-foo"), STR(""));
    header_add(&t, STR("X-FOO"), STR("3"));
    header_add(&t, STR("Empty"), STR_NONE);
    assert_str(header_get(&t, STR("x-FOO")), "1");
    assert_str(header_get_joined(&t, STR("X-Foo")), "1, , 3");
    assert_str(header_get_joined(&t, STR("other")), "o");
    assert_null(header_get(&t, STR("X-Fo")).p);
    assert_null(header_get_joined(&t, STR("X-Fo")).p);
    assert_non_null(header_get(&t, STR("empty")).p);
    assert_int_equal(header_get(&t, STR("empty")).n, 0);
    assert_true(header_has(&t, STR("empty")) && !header_has(&t, STR("")));
    assert_str(t.v[2].name, "x-foo"); /* the spelling it came with */
}

static void test_copies(void **state)
{
    char name[] = "Name", value[] = "value";
    header_add(&t, str_from(name), str_from(value));
    header_addf(&t, STR("Number"), "%d", 5);
    name[0] = value[0] = '!';
    assert_str(header_get(&t, STR("Name")), "value");
    assert_str(header_get(&t, STR("Number")), "5");
    for (int i = 0; i < 100; i++)
        header_addf(&t, STR("Many"), "%d", i);
    assert_int_equal(t.n, 102);
    assert_str(t.v[101].value, "99");
    assert_str(header_get(&t, STR("Name")), "value");
}

static void test_set(void **state)
{
    header_add(&t, STR("A"), STR("1"));
    header_add(&t, STR("B"), STR("2"));
    header_add(&t, STR("a"), STR("3"));
    header_set(&t, STR("A"), STR("new"));
    assert_int_equal(t.n, 2);
    assert_str(t.v[0].value, "new");
    assert_str(t.v[1].name, "B");
    header_setf(&t, STR("C"), "%s", "added");
    assert_str(t.v[2].value, "added");
    /* Name and value from the field that is replaced. */
    header_set(&t, t.v[0].name, t.v[0].value);
    assert_str(header_get(&t, STR("a")), "new");
}

static void test_remove(void **state)
{
    header_add(&t, STR("X-Backend-A"), STR("1"));
    header_add(&t, STR("Keep"), STR("2"));
    header_add(&t, STR("x-backend-b"), STR("3"));
    header_add(&t, STR("keep"), STR("4"));
    assert_int_equal(header_remove_prefix(&t, STR("X-Backend-")), 2);
    assert_int_equal(t.n, 2);
    assert_str(t.v[1].value, "4");
    assert_int_equal(header_remove(&t, STR("KEEP")), 2);
    assert_int_equal(header_remove(&t, STR("KEEP")), 0);
    assert_int_equal(t.n, 0);
}

static void test_copy(void **state)
{
    struct arena *other_arena = arena_new();
    struct header_table other;
    header_init(&other, other_arena);
    header_add(&other, STR("A"), STR("1"));
    header_add(&t, STR("A"), STR("0"));
    header_copy(&t, &other);
    arena_free(other_arena);
    assert_int_equal(t.n, 2);
    assert_str(t.v[1].value, "1");
}

static void test_title(void **state)
{
    static const struct {
        struct str in, out;
    } v[] = {
        {STR_INIT("x-object-meta-foo2bar"), STR_INIT("X-Object-Meta-Foo2Bar")},
        {STR_INIT("UP_low"), STR_INIT("Up-Low")},
        {STR_INIT("it's"), STR_INIT("It'S")},
        {STR_INIT("ETAG"), STR_INIT("Etag")},
        {STR_INIT("x\xc3\xa9y"), STR_INIT("X\xc3\xa9Y")},
        {STR_INIT(""), STR_INIT("")},
    };
    for (size_t i = 0; i < COUNT(v); i++)
        assert_true(str_eq(header_title(arena, v[i].in), v[i].out));
}

static void test_valid(void **state)
{
    assert_true(header_name_valid(STR("X-Foo_1.~!#$%&'*+^`|")));
    static const struct str bad[] = {STR_INIT(""),         STR_INIT("a b"), STR_INIT("a:"),  STR_INIT("a\0b"),
                                     STR_INIT("\xc3\xa9"), STR_INIT("a/b"), STR_INIT("(a)"), STR_INIT("a\r")};
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(header_name_valid(bad[i]));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_get), T(test_copies), T(test_set), T(test_remove), T(test_copy), T(test_title), T(test_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
