/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/app_test.h"

static bool holds(struct memcache *c, const char *key, const char *want)
{
    struct memcache_value *v = memcache_get(c, str_from(key));
    bool same = v && str_eq(v->bytes, str_from(want));
    memcache_unref(v);
    return same;
}

static bool absent(struct memcache *c, const char *key)
{
    struct memcache_value *v = memcache_get(c, str_from(key));
    memcache_unref(v);
    return !v;
}

static void test_basics(void **state)
{
    struct memcache *c = memcache_new(0);
    assert_true(absent(c, "a"));
    memcache_set(c, STR("a"), STR("1"), 10000);
    memcache_set(c, STR("b"), STR(""), 10000);
    memcache_set(c, STR("a"), STR("two"), 10000);
    assert_true(holds(c, "a", "two"));
    assert_true(holds(c, "b", ""));
    memcache_delete(c, STR("a"));
    memcache_delete(c, STR("nothing"));
    assert_true(absent(c, "a"));
    memcache_set(c, STR("b"), STR("x"), 0); /* no time left: gone */
    assert_true(absent(c, "b"));
    memcache_free(c);
}

static void test_time(void **state)
{
    struct memcache *c = memcache_new(0);
    memcache_set(c, STR("a"), STR("1"), 30);
    assert_true(holds(c, "a", "1"));
    usleep(45000);
    assert_true(absent(c, "a"));
    memcache_free(c);
}

/* A value in hand outlives its deletion, its replacement and the cache. */
static void test_references(void **state)
{
    struct memcache *c = memcache_new(0);
    memcache_set(c, STR("a"), STR("1"), 10000);
    struct memcache_value *v = memcache_get(c, STR("a"));
    memcache_set(c, STR("a"), STR("2"), 10000);
    memcache_free(c);
    assert_true(str_eq(v->bytes, STR("1")));
    memcache_unref(v);
}

static void test_bound(void **state)
{
    struct memcache *c = memcache_new(65536);
    struct memcache_stats s;
    char key[32], value[200];
    memset(value, 'x', sizeof(value));
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        memcache_set(c, str_from(key), str_of(value, sizeof(value)), 10000);
        assert_false(absent(c, key));
        if (i % 10 == 0) /* in use all the time: stays */
            memcache_unref(memcache_get(c, STR("k0")));
    }
    memcache_stats(c, &s);
    assert_true(s.bytes <= 65536 && s.values > 50 && s.evicted > 4000);
    assert_false(absent(c, "k0"));
    char *large = xcalloc(1, 65536);
    memcache_set(c, STR("k0"), str_of(large, 65536),
                 10000); /* too large: the old value must not stay either */
    assert_true(absent(c, "k0"));
    free(large);
    memcache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_basics),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
