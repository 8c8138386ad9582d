/* SPDX-License-Identifier: Apache-2.0
 *
 * test_buf.c: growth up to exactly the maximum, the error that sticks, the NUL behind the bytes.
 */
#include "common_test.h"
#include "common/buf.h"

static void test_append(void **state)
{
    struct buf b;
    buf_init(&b, 1000);
    assert_int_equal(buf_str(&b, STR("a\0b")), 0);
    assert_int_equal(buf_puts(&b, "cd"), 0);
    assert_int_equal(buf_putc(&b, 'e'), 0);
    assert_int_equal(buf_append(&b, NULL, 0), 0);
    assert_str(buf_view(&b), "a\0bcde");
    assert_int_equal(b.p[b.n], 0);
    buf_consume(&b, 2);
    assert_str(buf_view(&b), "bcde");
    assert_int_equal(b.p[b.n], 0);
    buf_consume(&b, 100);
    assert_int_equal(b.n, 0);
    buf_release(&b);
}

static void test_maximum(void **state)
{
    struct buf b;
    buf_init(&b, 5);
    assert_int_equal(buf_puts(&b, "12345"), 0);
    assert_true(b.cap <= 6);
    assert_int_equal(buf_putc(&b, '6'), -E2BIG);
    assert_str(buf_view(&b), "12345");
    /* Sticks, even for what would fit. */
    assert_int_equal(buf_append(&b, "", 0), -E2BIG);
    assert_int_equal(buf_printf(&b, "%s", ""), -E2BIG);
    assert_null(buf_reserve(&b, 0));
    assert_int_equal(buf_error(&b), -E2BIG);
    buf_reset(&b);
    assert_int_equal(buf_puts(&b, "abc"), 0);
    assert_str(buf_view(&b), "abc");
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_release(&b);
    buf_init(&b, SIZE_MAX);
    buf_putc(&b, 'x');
    assert_null(buf_reserve(&b, SIZE_MAX - 1));
    buf_release(&b);
}

static void test_doubles(void **state)
{
    struct buf b;
    size_t grown = 0, cap = 0;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 1 << 20; i++) {
        assert_int_equal(buf_putc(&b, (char)i), 0);
        grown += b.cap != cap;
        cap = b.cap;
    }
    assert_true(grown <= 16);
    for (int i = 0; i < 1 << 20; i++)
        assert_int_equal(b.p[i], (char)i);
    buf_release(&b);
}

static void test_printf(void **state)
{
    struct buf b;
    buf_init(&b, 300);
    assert_int_equal(buf_printf(&b, "%d-%s", 1, "a"), 0);
    assert_int_equal(buf_printf(&b, "%0200d", 7), 0); /* longer than what is allocated */
    assert_int_equal(b.n, 203);
    assert_memory_equal(b.p, "1-a000", 6);
    assert_int_equal(buf_printf(&b, "%98d", 7), -E2BIG);
    assert_int_equal(b.n, 203);
    assert_int_equal(b.p[203], 0);
    buf_reset(&b);
    assert_int_equal(buf_printf(&b, "%300d", 7), 0); /* exactly the maximum */
    assert_int_equal(b.n, 300);
    buf_release(&b);
}

static void test_take(void **state)
{
    struct buf b;
    size_t n = 9;
    buf_init(&b, 10);
    char *p = buf_take(&b, &n);
    assert_string_equal(p, "");
    assert_int_equal(n, 0);
    free(p);
    buf_puts(&b, "abc");
    p = buf_take(&b, NULL);
    assert_string_equal(p, "abc");
    assert_null(b.p);
    assert_int_equal(buf_puts(&b, "0123456789"), 0); /* the maximum is still known */
    assert_int_equal(buf_putc(&b, 'x'), -E2BIG);
    free(p);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append), cmocka_unit_test(test_maximum), cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_printf), cmocka_unit_test(test_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
