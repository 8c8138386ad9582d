/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/app_test.h"

#include "base/error_limiter.h"

static void test_error_limiter(void **state)
{
    struct error_limiter *l = error_limiter_new(60, 3);
    const struct ring_device a = {.ip = "10.0.0.1", .port = 6200, .device = "sda"},
                             b = {.ip = "10.0.0.1", .port = 6200, .device = "sdb"};
    assert_false(error_limiter_is_limited(l, &a));
    for (int i = 0; i < 3; i++)
        error_limiter_count(l, &a);
    assert_false(error_limiter_is_limited(l, &a)); /* more than the limit, not as many */
    error_limiter_count(l, &a);
    assert_true(error_limiter_is_limited(l, &a));
    assert_false(error_limiter_is_limited(l, &b));
    usleep(90000);
    assert_false(error_limiter_is_limited(l, &a));
    error_limiter_count(l, &a); /* and counted from the start */
    assert_false(error_limiter_is_limited(l, &a));
    error_limiter_limit(l, &b);
    assert_true(error_limiter_is_limited(l, &b));
    error_limiter_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_error_limiter)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
