/* SPDX-License-Identifier: Apache-2.0
 *
 * test_hash.c: against a plain array of what should be in the map; walks that remove; values freed once.
 */
#include "common_test.h"
#include "common/alloc.h"
#include "common/hash.h"

static int freed;
static void count_free(void *value)
{
    freed++;
    free(value);
}

static void test_basic(void **state)
{
    struct hash *h = hash_new(count_free);
    freed = 0;
    assert_null(hash_get(h, STR("a")));
    assert_null(hash_take(h, STR("a")));
    char key[] = "a\0b";
    hash_put(h, str_of(key, 3), xstrdup("1"));
    key[0] = 'x'; /* keys are copied */
    assert_string_equal(hash_get(h, STR("a\0b")), "1");
    assert_null(hash_get(h, STR("a")));
    hash_put(h, STR("a\0b"), xstrdup("2"));
    assert_int_equal(freed, 1);
    assert_int_equal(hash_count(h), 1);
    void *same = hash_get(h, STR("a\0b"));
    hash_put(h, STR("a\0b"), same); /* replaces itself */
    assert_int_equal(freed, 1);
    char *taken = hash_take(h, STR("a\0b"));
    assert_string_equal(taken, "2");
    assert_int_equal(freed, 1);
    free(taken);
    hash_put(h, STR(""), xstrdup("empty"));
    assert_string_equal(hash_get(h, STR_NONE), "empty");
    hash_free(h);
    assert_int_equal(freed, 2);
    hash_free(NULL);
}

static struct str number(uint32_t i, char out[16])
{
    return str_of(out, (size_t)snprintf(out, 16, "key-%u", i));
}

static void test_against_array(void **state)
{
    enum { N = 500 };
    struct hash *h = hash_new(NULL);
    static int values[N];
    bool in[N] = {false};
    size_t count = 0;
    uint32_t x = 1;
    char key[16];
    for (int step = 0; step < 100000; step++) {
        x = x * 1664525 + 1013904223;
        uint32_t i = (x >> 8) % N;
        if (x >> 31) {
            hash_put(h, number(i, key), &values[i]);
            count += !in[i];
            in[i] = true;
        } else {
            assert_ptr_equal(hash_take(h, number(i, key)), in[i] ? &values[i] : NULL);
            count -= in[i];
            in[i] = false;
        }
        assert_int_equal(hash_count(h), count);
    }
    for (uint32_t i = 0; i < N; i++)
        assert_ptr_equal(hash_get(h, number(i, key)), in[i] ? &values[i] : NULL);
    hash_free(h);
}

static void test_walk(void **state)
{
    enum { N = 300 };
    struct hash *h = hash_new(count_free);
    char key[16];
    bool seen[N] = {false};
    freed = 0;
    for (uint32_t i = 0; i < N; i++) {
        int *v = xmalloc(sizeof(*v));
        *v = (int)i;
        hash_put(h, number(i, key), v);
    }
    size_t cursor = 0, n = 0;
    struct str k;
    void *v;
    while (hash_next(h, &cursor, &k, &v)) {
        int i = *(int *)v;
        assert_true(str_eq(k, number((uint32_t)i, key)));
        assert_false(seen[i]);
        seen[i] = true;
        n++;
        if (i % 2)
            hash_remove_at(h, cursor);
    }
    assert_int_equal(n, N);
    assert_int_equal(hash_count(h), N / 2);
    assert_int_equal(freed, N / 2);
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(hash_get(h, number(i, key)) != NULL, i % 2 == 0);
    hash_free(h);
    assert_int_equal(freed, N);
}

static void test_empty_walk(void **state)
{
    struct hash *h = hash_new(NULL);
    size_t cursor = 0;
    assert_false(hash_next(h, &cursor, NULL, NULL));
    hash_put(h, STR("a"), NULL);
    assert_true(hash_next(h, &cursor, NULL, NULL));
    assert_false(hash_next(h, &cursor, NULL, NULL));
    hash_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_basic),
        cmocka_unit_test(test_against_array),
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_empty_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
