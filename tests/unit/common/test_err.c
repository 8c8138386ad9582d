/* SPDX-License-Identifier: Apache-2.0
 *
 * test_err.c: the two tables of err.h, and that they agree.
 */
#include "common_test.h"
#include "common/err.h"

static void test_tables(void **state)
{
    static const struct {
        int err, status;
    } both[] = {{-EINVAL, 400},  {-EACCES, 403},     {-ENOENT, 404}, {-ETIMEDOUT, 408},
                {-EBUSY, 409},   {-EEXIST, 412},     {-EFBIG, 413},  {-ERANGE, 416},
                {-EBADMSG, 422}, {-EOPNOTSUPP, 501}, {-EAGAIN, 503}, {-ENOSPC, 507}};
    for (size_t i = 0; i < COUNT(both); i++) {
        assert_int_equal(err_http_status(both[i].err), both[i].status);
        assert_int_equal(err_from_http_status(both[i].status), both[i].err);
    }
    assert_int_equal(err_http_status(0), 200);
    assert_int_equal(err_http_status(-EDQUOT), 507);
    assert_int_equal(err_http_status(-EIO), 500);
    assert_int_equal(err_http_status(-12345), 500);
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
