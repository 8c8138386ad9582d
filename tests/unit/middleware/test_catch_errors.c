/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/app_test.h"

#include "common/clock.h"
#include "middleware/middleware.h"

static void no_answer(struct http_request *req, struct http_response *rsp)
{
}

static bool is_hex(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
            return false;
    return true;
}

static void test_transaction_id(void **state)
{
    struct under_test u;
    struct exchange x;
    under_test_init(&u, catch_errors_new, "[filter:x]\ntrans_id_suffix = -my suffix\n");
    clock_fix(1795371391LL * 1000000000);
    exchange_init(&x, "GET", "/v1/a");
    exchange_header(&x, "X-Trans-Id-Extra", "0123456789012345678901234567890123456789");
    exchange_run(&x, u.app);
    struct str id = exchange_field(&x, "X-Trans-Id");
    CHECK(str_starts(id, STR("tx")));
    CHECK(is_hex(str_slice(id, 2, 23)));
    CHECK_STR(str_slice(id, 23, id.n), "-006b03317f-my%20suffix-01234567890123456789012345678901");
    CHECK(str_eq(exchange_field(&x, "X-Openstack-Request-Id"), id));
    CHECK(str_eq(x.req.txn, id));
    CHECK_INT(x.rsp.status, 200);
    exchange_release(&x);
    clock_fix(0);
    under_test_release(&u);
    assert_int_equal(failures, 0);
}

static void test_no_answer(void **state)
{
    struct under_test u;
    struct exchange x;
    under_test_init(&u, catch_errors_new, "[filter:x]\n");
    u.next.answer = no_answer;
    exchange_init(&x, "GET", "/v1/a");
    exchange_run(&x, u.app);
    CHECK_INT(x.rsp.status, 500);
    CHECK_STR(exchange_text(&x), "An error occurred");
    CHECK_STR(exchange_field(&x, "Content-Type"), "text/plain");
    CHECK(exchange_field(&x, "X-Trans-Id").n > 30);
    exchange_release(&x);
    under_test_release(&u);
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transaction_id),
        cmocka_unit_test(test_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
