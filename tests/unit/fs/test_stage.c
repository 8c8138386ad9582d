/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "fs/stage.h"

static void parts_are_joined(void **state)
{
    struct stage s;
    struct stage_extent gap;

    assert_int_equal(stage_open(&s, "/tmp", 100), 0);
    assert_true(stage_missing(&s, 0, 1000, &gap));
    assert_true(gap.from == 0 && gap.to == 100);
    assert_int_equal(stage_write(&s, "0123456789", 10, 20), 0);
    assert_int_equal(stage_fill(&s, "0123456789", 10, 50), 0);
    assert_int_equal(s.n, 2);
    assert_true(stage_missing(&s, 25, 100, &gap));
    assert_true(gap.from == 30 && gap.to == 50);
    assert_int_equal(stage_write(&s, "01234567890123456789", 20, 30), 0);
    assert_int_equal(s.n, 1);
    assert_false(stage_missing(&s, 20, 60, &gap));
    assert_true(stage_missing(&s, 0, 60, &gap));
    assert_true(gap.from == 0 && gap.to == 20);
    stage_close(&s);
}

static void beyond_the_end_are_zeros(void **state)
{
    struct stage s;
    struct stage_extent gap;
    char got[8];

    assert_int_equal(stage_open(&s, "/tmp", 0), 0);
    assert_int_equal(stage_write(&s, "x", 1, 5), 0);
    assert_false(stage_missing(&s, 0, 6, &gap));
    assert_int_equal(stage_read(&s, got, 8, 0), 6);
    assert_memory_equal(got, "\0\0\0\0\0x", 6);
    assert_int_equal(stage_read(&s, got, 8, 6), 0);
    stage_close(&s);
}

/* What was cut off must not come back from the object when the file grows again. */
static void cut_and_grown(void **state)
{
    struct stage s;
    struct stage_extent gap;

    assert_int_equal(stage_open(&s, "/tmp", 100), 0);
    assert_int_equal(stage_fill(&s, "0123456789", 10, 45), 0);
    assert_int_equal(stage_truncate(&s, 50), 0);
    assert_int_equal(stage_truncate(&s, 80), 0);
    assert_int_equal(s.size, 80);
    assert_true(stage_missing(&s, 0, 80, &gap));
    assert_true(gap.from == 0 && gap.to == 45);
    assert_false(stage_missing(&s, 45, 80, &gap));
    stage_close(&s);
    assert_int_equal(stage_open(&s, "/nowhere", 0), -ENOENT);
}

/* Random writes, fills and cuts against a plain array. */
static void as_a_model(void **state)
{
    enum { SIZE = 400, MISSING = 0xee };
    unsigned char model[SIZE], present[SIZE], got[SIZE];
    size_t size = 200;
    struct stage s;

    srandom(7);
    memset(present, 0, sizeof present);
    memset(model, MISSING, sizeof model);
    assert_int_equal(stage_open(&s, "/tmp", size), 0);
    for (int round = 0; round < 5000; round++) {
        size_t at = (size_t)random() % 300, n = (size_t)random() % 50 + 1;
        struct stage_extent gap;
        unsigned char c = (unsigned char)(random() % 200);

        if (random() % 20 == 0) {
            assert_int_equal(stage_truncate(&s, at), 0);
            if (at > size)
                memset(model + size, 0, at - size), memset(present + size, 1, at - size);
            size = at;
            memset(present + size, 0, SIZE - size);
        } else if (random() % 2 == 0 && stage_missing(&s, at, at + n, &gap)) {
            memset(got, c, gap.to - gap.from);
            assert_int_equal(stage_fill(&s, got, gap.to - gap.from, gap.from), 0);
            memset(model + gap.from, c, gap.to - gap.from);
            memset(present + gap.from, 1, gap.to - gap.from);
        } else {
            memset(got, c, n);
            assert_int_equal(stage_write(&s, got, n, at), 0);
            if (at > size)
                memset(model + size, 0, at - size), memset(present + size, 1, at - size);
            memset(model + at, c, n);
            memset(present + at, 1, n);
            size = at + n > size ? at + n : size;
        }
        assert_int_equal(s.size, size);
        assert_int_equal(stage_read(&s, got, SIZE, 0), size);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(stage_missing(&s, i, i + 1, &gap), !present[i]);
            if (present[i])
                assert_int_equal(got[i], model[i]);
        }
    }
    stage_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_joined),
        cmocka_unit_test(beyond_the_end_are_zeros),
        cmocka_unit_test(cut_and_grown),
        cmocka_unit_test(as_a_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
