/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/app_test.h"

#include "base/request_helpers.h"

static void query_becomes(const char *target, const char *name, const char *value, const char *want)
{
    struct exchange x;
    exchange_init(&x, "GET", target);
    request_set_param(&x.req, str_from(name), str_from(value));
    CHECK_STR(x.req.query, want);
    exchange_release(&x);
}

static void test_set_param(void **state)
{
    query_becomes("/", "format", "json", "format=json");
    query_becomes("/?", "format", "json", "format=json");
    query_becomes("/?a=b+c%2f&format=xml&d", "format", "json", "a=b+c%2F&format=json&d=");
    query_becomes("/?a=1&b=2&a=3", "b", NULL, "a=3");
    query_becomes("/?a=1", "a", NULL, NULL);
    query_becomes("/?x=%20%26 ", "y", " a&b ", "x=+%26+&y=+a%26b+");
    assert_int_equal(failures, 0);
}

static void limit_is(const char *target, int status, int64_t want)
{
    struct exchange x;
    int64_t limit = -1;
    exchange_init(&x, "GET", target);
    CHECK_INT(request_limit(&x.req, 100, &limit, &x.rsp), status == 0);
    CHECK_INT(x.rsp.status, status);
    if (!status)
        CHECK_INT(limit, want);
    http_body_close(x.rsp.body);
    exchange_release(&x);
}

static void test_limit(void **state)
{
    limit_is("/", 0, 100);
    limit_is("/?limit=", 0, 100);
    limit_is("/?limit=5", 0, 5);
    limit_is("/?limit=0", 0, 0);
    limit_is("/?limit=100", 0, 100);
    limit_is("/?limit=101", 412, 0);
    limit_is("/?limit=99999999999999999999999", 412, 0);
    limit_is("/?limit=-1", 0, 100);
    limit_is("/?limit=x", 0, 100);
    limit_is("/?limit=%ff", 400, 0);
    assert_int_equal(failures, 0);
}

static void test_names(void **state)
{
    assert_true(header_is_user_meta("object", STR("x-object-META-a")));
    assert_false(header_is_user_meta("object", STR("X-Object-Meta-")));
    assert_false(header_is_user_meta("object", STR("X-Container-Meta-a")));
    assert_true(header_is_sys_meta("container", STR("X-Container-Sysmeta-a")));
    assert_false(header_is_sys_meta("container", STR("X-Container-Sysmeta")));
    assert_true(header_is_transient_sysmeta(STR("X-Object-Transient-Sysmeta-a")));
    assert_false(header_is_transient_sysmeta(STR("X")));
}

static void realm_is(const char *target, const char *want)
{
    struct exchange x;
    exchange_init(&x, "GET", target);
    answer_denied(&x.req, &x.rsp);
    CHECK_INT(x.rsp.status, 401);
    CHECK_STR(exchange_field(&x, "Www-Authenticate"), want);
    http_body_close(x.rsp.body);
    exchange_release(&x);
}

static void test_denials(void **state)
{
    struct exchange x;
    realm_is("/v1/AUTH_a/c/o", "Swift realm=\"AUTH_a\"");
    realm_is("/v1/a%22%0ab", "Swift realm=\"a%22%0Ab\"");
    realm_is("/v1", "Swift realm=\"unknown\"");
    realm_is("/auth/v1.0", "Swift realm=\"unknown\"");
    exchange_init(&x, "GET", "/v1/a");
    x.env->remote_user = STR("a,a:b");
    answer_denied(&x.req, &x.rsp);
    CHECK_INT(x.rsp.status, 403);
    http_body_close(x.rsp.body);
    exchange_release(&x);
    assert_int_equal(failures, 0);
}

static void test_paths(void **state)
{
    struct exchange x;
    struct api_path p;
    exchange_init(&x, "GET", "/v1/a/c/o/with//slashes/");
    CHECK(request_api_path(&x.req, 4, 4, &p));
    CHECK_STR(p.object, "o/with//slashes/");
    CHECK(!request_api_path(&x.req, 2, 3, &p));
    exchange_release(&x);
    exchange_init(&x, "GET", "/v1/a/");
    CHECK(request_api_path(&x.req, 2, 3, &p));
    CHECK(!p.container.n);
    CHECK(!request_api_path(&x.req, 3, 3, &p));
    exchange_release(&x);
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_param), cmocka_unit_test(test_limit), cmocka_unit_test(test_names),
        cmocka_unit_test(test_denials),   cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
