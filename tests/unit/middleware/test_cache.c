/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/app_test.h"

#include "middleware/middleware.h"

static struct memcache *seen;

static void answer(struct http_request *req, struct http_response *rsp)
{
    seen = env_of(req)->cache;
    error_page(rsp, 200);
}

static void test_cache(void **state)
{
    struct under_test u;
    struct exchange x;
    under_test_init(&u, cache_new, "[filter:x]\nmemcache_size = 1M\n");
    u.next.answer = answer;
    exchange_init(&x, "GET", "/");
    exchange_run(&x, u.app);
    assert_non_null(seen);
    memcache_set(seen, STR("k"), STR("v"), 10000);
    exchange_release(&x);
    exchange_init(&x, "GET", "/");
    exchange_run(&x, u.app);
    struct memcache_value *v = memcache_get(x.env->cache, STR("k"));
    assert_non_null(v);
    assert_true(str_eq(v->bytes, STR("v")));
    memcache_unref(v);
    exchange_release(&x);
    under_test_release(&u);
}

static void test_bad_size(void **state)
{
    struct under_test u;
    struct buf error;
    buf_init(&error, 4096);
    assert_int_equal(under_test_try(&u, cache_new, "[filter:x]\nmemcache_size = 1\n", &error), -EINVAL);
    assert_true(str_find_str(buf_view(&error), STR("memcache_size"), 0) >= 0);
    under_test_release(&u);
    buf_release(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cache),
        cmocka_unit_test(test_bad_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
