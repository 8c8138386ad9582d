/* SPDX-License-Identifier: Apache-2.0
 *
 * test_clock.c: time that tests can stop, numbers that tests can repeat, from any thread.
 */
#include "common_test.h"
#include "common/clock.h"

#include <pthread.h>

static void test_clock(void **state)
{
    int64_t before = clock_real_ns();
    assert_true(before > INT64_C(1600000000) * 1000000000);
    clock_fix(123);
    assert_true(clock_real_ns() == 123);
    clock_fix(0);
    assert_true(clock_real_ns() >= before);
    int64_t last = clock_monotonic_ns();
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_monotonic_ns();
        assert_true(now >= last);
        last = now;
    }
}

static void test_repeatable(void **state)
{
    uint64_t a[4], b[4];
    random_fix(42);
    random_bytes(a, sizeof(a));
    random_fix(42);
    random_bytes(b, sizeof(b));
    assert_memory_equal(a, b, sizeof(a));
    random_fix(43);
    random_bytes(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    random_fix(0);
    random_bytes(a, sizeof(a));
    random_bytes(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
}

static void test_below(void **state)
{
    unsigned seen[6] = {0};
    random_fix(1);
    for (int i = 0; i < 6000; i++) {
        uint32_t v = random_below(6);
        assert_in_range(v, 0, 5);
        seen[v]++;
    }
    for (int i = 0; i < 6; i++)
        assert_in_range(seen[i], 850, 1150);
    for (int i = 0; i < 100; i++)
        assert_int_equal(random_below(1), 0);
    /* For this limit a third of the numbers drawn has to be thrown away. */
    uint32_t large = 0;
    for (int i = 0; i < 1000; i++)
        large += random_below(0xc0000000u) >= 0x60000000u;
    assert_in_range(large, 420, 580);
    random_fix(0);
}

static void test_uuid(void **state)
{
    char a[37], b[37];
    random_uuid(a);
    random_uuid(b);
    assert_string_not_equal(a, b);
    assert_int_equal(strlen(a), 36);
    for (int i = 0; i < 36; i++)
        if (i == 8 || i == 13 || i == 18 || i == 23)
            assert_int_equal(a[i], '-');
        else
            assert_non_null(strchr("0123456789abcdef", a[i]));
    assert_int_equal(a[14], '4');
    assert_non_null(strchr("89ab", a[19]));
}

enum { THREADS = 4, DRAWS = 2000 };
static uint64_t drawn[THREADS * DRAWS];

static void *draw(void *arg)
{
    uint64_t *to = arg;
    for (int i = 0; i < DRAWS; i++)
        random_bytes(&to[i], sizeof(to[i]));
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void test_threads(void **state)
{
    pthread_t t[THREADS];
    random_fix(7);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, draw, &drawn[i * DRAWS]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    random_fix(0);
    /* No state of the generator was handed out twice. */
    qsort(drawn, COUNT(drawn), sizeof(drawn[0]), by_value);
    for (size_t i = 1; i < COUNT(drawn); i++)
        assert_true(drawn[i] != drawn[i - 1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock), cmocka_unit_test(test_repeatable), cmocka_unit_test(test_below),
        cmocka_unit_test(test_uuid),  cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
