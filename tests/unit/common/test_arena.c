/* SPDX-License-Identifier: Apache-2.0
 *
 * test_arena.c: allocations of all sizes keep apart, are aligned and survive until the arena goes.
 */
#include "common_test.h"
#include "common/alloc.h"
#include "common/arena.h"

static void check_many(struct arena *a)
{
    enum { N = 2000 };
    static unsigned char *p[N];
    static size_t size[N];
    uint32_t x = 1;
    for (int i = 0; i < N; i++) {
        x = x * 1664525 + 1013904223;
        size[i] = x >> 16 & (i % 50 ? 0xff : 0x1ffff); /* some larger than any block */
        p[i] = arena_alloc(a, size[i]);
        assert_int_equal((uintptr_t)p[i] % 16, 0);
        memset(p[i], i, size[i]);
    }
    for (int i = 0; i < N; i++)
        for (size_t k = 0; k < size[i]; k++)
            assert_int_equal(p[i][k], (unsigned char)i);
}

static void test_alloc(void **state)
{
    struct arena *a = arena_new();
    check_many(a);
    arena_reset(a);
    check_many(a);
    arena_reset(a);
    arena_reset(a);
    char *z = arena_zalloc(a, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(z[i], 0);
    arena_free(a);
    arena_free(NULL);
}

static void test_first_is_large(void **state)
{
    struct arena *a = arena_new();
    memset(arena_alloc(a, 1 << 20), 1, 1 << 20);
    memset(arena_alloc(a, 10), 1, 10);
    arena_free(a);
}

static void test_strings(void **state)
{
    struct arena *a = arena_new();
    char changing[] = "abc";
    struct str s = arena_str(a, str_from(changing));
    changing[0] = 'x';
    assert_str(s, "abc");
    assert_int_equal(s.p[3], 0);
    assert_null(arena_str(a, STR_NONE).p);
    assert_non_null(arena_str(a, STR("")).p);
    assert_str(arena_printf(a, "%d %s", 5, "x"), "5 x");
    s = arena_printf(a, "%01000d", 1);
    assert_int_equal(s.n, 1000);
    assert_int_equal(s.p[999], '1');
    assert_int_equal(s.p[1000], 0);
    assert_str(arena_join(a, STR("/"), STR("a"), STR_NONE, STR("\0b"), STR_END), "/a\0b");
    assert_str(arena_join(a, STR_END), "");
    arena_free(a);
}

static char order[8];
static void note(void *arg)
{
    strncat(order, arg, 1);
}

static void test_on_free(void **state)
{
    struct arena *a = arena_new();
    arena_on_free(a, note, (void *)(uintptr_t) "1");
    arena_on_free(a, note, (void *)(uintptr_t) "2");
    arena_reset(a);
    assert_string_equal(order, "21");
    arena_on_free(a, note, (void *)(uintptr_t) "3");
    arena_free(a);
    assert_string_equal(order, "213");
}

static void test_xgrow(void **state)
{
    size_t cap = 0;
    int *v = NULL;
    for (int i = 0; i < 1000; i++) {
        v = xgrow(v, &cap, (size_t)i + 1, sizeof(*v));
        v[i] = i;
    }
    assert_true(cap >= 1000 && cap <= 2000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(v[i], i);
    free(v);
    char *s = xasprintf("%s-%d", "a", 1), *t = xstrdup(s);
    assert_string_equal(t, "a-1");
    free(s);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc),   cmocka_unit_test(test_first_is_large), cmocka_unit_test(test_strings),
        cmocka_unit_test(test_on_free), cmocka_unit_test(test_xgrow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
