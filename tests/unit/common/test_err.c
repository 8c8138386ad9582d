/* SPDX-License-Identifier: Apache-2.0
 *
 * test_err.c: statuses as an HTTP client takes them.
 */
#include "common_test.h"
#include "common/err.h"

static void test_tables(void **state)
{
    static const struct {
        int err, status;
    } table[] = {{-EINVAL, 400},  {-EACCES, 403},     {-ENOENT, 404}, {-ETIMEDOUT, 408},
                 {-EBUSY, 409},   {-EEXIST, 412},     {-EFBIG, 413},  {-ERANGE, 416},
                 {-EBADMSG, 422}, {-EOPNOTSUPP, 501}, {-EAGAIN, 503}, {-ENOSPC, 507}};
    for (size_t i = 0; i < COUNT(table); i++) {
        assert_int_equal(err_from_http_status(table[i].status), table[i].err);
    }
    for (int s = 200; s <= 299; s++)
        assert_int_equal(err_from_http_status(s), 0);
    assert_int_equal(err_from_http_status(401), -EACCES);
    assert_int_equal(err_from_http_status(429), -EAGAIN);
    assert_int_equal(err_from_http_status(498), -EAGAIN);
    assert_int_equal(err_from_http_status(500), -EIO);
    assert_int_equal(err_from_http_status(304), -EIO);
    assert_int_equal(err_from_http_status(0), -EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tables)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
