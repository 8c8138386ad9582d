/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/app_test.h"

#include "middleware/middleware.h"

static const char *const hidden[] = {"X-Backend-Storage-Policy-Index",
                                     "x-backend-",
                                     "X-Backendish",
                                     "X-Account-Sysmeta-A",
                                     "x-container-sysmeta-b",
                                     "X-Object-Sysmeta-C",
                                     "X-Object-Transient-Sysmeta-D",
                                     "X-Account-Host",
                                     "X-Container-Device",
                                     "x-container-partition",
                                     "X-Container-Root-Db-State",
                                     "X-Delete-At-Container",
                                     "X-Delete-At-Host"};
static const char *const shown[] = {
    "X-Object-Meta-Backend", "X-Delete-At", "X-Container-Hostess", "X-Container-Read", "X-Account-Meta-Host",
    "Content-Type",          "X-Back"};
#define COUNT(a) (sizeof(a) / sizeof(a[0]))

static void answer(struct http_request *req, struct http_response *rsp)
{
    error_page(rsp, 200);
    for (size_t i = 0; i < COUNT(hidden); i++)
        header_set(&rsp->headers, str_from(hidden[i]), STR("v"));
    for (size_t i = 0; i < COUNT(shown); i++)
        header_set(&rsp->headers, str_from(shown[i]), STR("v"));
}

static void test_both_ways(void **state)
{
    struct under_test u;
    struct exchange x;
    under_test_init(&u, gatekeeper_new, "[filter:x]\n");
    u.next.answer = answer;
    exchange_init(&x, "GET", "/v1/a");
    for (size_t i = 0; i < COUNT(hidden); i++)
        exchange_header(&x, hidden[i], "v");
    for (size_t i = 0; i < COUNT(shown); i++)
        exchange_header(&x, shown[i], "v");
    exchange_run(&x, u.app);
    for (size_t i = 0; i < COUNT(hidden); i++) {
        CHECK(!header_has(&x.req.headers, str_from(hidden[i])));
        CHECK(!header_has(&x.rsp.headers, str_from(hidden[i])));
    }
    for (size_t i = 0; i < COUNT(shown); i++) {
        CHECK_STR(header_get(&x.req.headers, str_from(shown[i])), "v");
        CHECK_STR(exchange_field(&x, shown[i]), "v");
    }
    exchange_release(&x);
    under_test_release(&u);
    assert_int_equal(failures, 0);
}

static void timestamp(const char *conf, const char *plain, const char *shunted)
{
    struct under_test u;
    struct exchange x;
    under_test_init(&u, gatekeeper_new, conf);
    exchange_init(&x, "PUT", "/v1/a/c/o");
    exchange_header(&x, "x-timestamp", "1.0");
    exchange_header(&x, "X-Backend-Inbound-X-Timestamp", "2.0");
    exchange_run(&x, u.app);
    CHECK_STR(header_get(&x.req.headers, STR("X-Timestamp")), plain);
    CHECK_STR(header_get(&x.req.headers, STR("X-Backend-Inbound-X-Timestamp")), shunted);
    exchange_release(&x);
    under_test_release(&u);
}

static void test_timestamp(void **state)
{
    timestamp("[filter:x]\n", NULL, "1.0");
    timestamp("[filter:x]\nshunt_inbound_x_timestamp = no\n", "1.0", NULL);
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_timestamp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
