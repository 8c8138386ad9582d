/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/app_test.h"

#include "base/info.h"

static int heads, status = 204;
static struct memcache *cache;

static void answer(struct http_request *req, struct http_response *rsp)
{
    const struct env *env = env_of(req);
    heads++;
    CHECK(str_eq(req->method, STR("HEAD")));
    CHECK(env->authorize_override && env->swift_owner && !env->authorize);
    error_page(rsp, status);
    header_add(&rsp->headers, STR("X-Container-Object-Count"), STR("12"));
    header_add(&rsp->headers, STR("X-Container-Bytes-Used"), STR("345"));
    header_add(&rsp->headers, STR("X-Backend-Storage-Policy-Index"), STR("2"));
    header_add(&rsp->headers, STR("X-Container-Read"), STR(".r:*"));
    header_add(&rsp->headers, STR("X-Container-Write"), STR(""));
    header_add(&rsp->headers, STR("X-Container-Meta-Quota-BYTES"), STR("9"));
    header_add(&rsp->headers, STR("X-Container-Sysmeta-S"), STR("t"));
    header_add(&rsp->headers, STR("X-Account-Container-Count"), STR("7"));
    header_add(&rsp->headers, STR("X-Account-Sysmeta-Core-Access-Control"), STR("{}"));
    header_add(&rsp->headers, STR("X-Backend-Fake-Account-Listing"), STR("no"));
}

static struct next_app app = {.app = {next_handle, NULL}, .answer = answer};

static void begin(struct exchange *x, bool with_cache)
{
    exchange_init(x, "GET", "/v1/a/c/o");
    x->env->cache = with_cache ? cache : NULL;
}

static void look(struct exchange *x)
{
    const struct container_info *c = info_container(&app.app, &x->req, STR("a"), STR("c"), NULL);
    CHECK_INT(c->status, 204);
    CHECK_INT(c->object_count, 12);
    CHECK_INT(c->bytes, 345);
    CHECK_INT(c->policy_index, 2);
    CHECK_STR(c->read_acl, ".r:*");
    CHECK_STR(c->write_acl, "");
    CHECK_STR(c->sync_key, NULL);
    CHECK_STR(c->sharding_state, "unsharded");
    CHECK_STR(info_meta_get(&c->meta, STR("quota-bytes")), "9");
    CHECK_STR(info_meta_get(&c->sysmeta, STR("s")), "t");
    CHECK_STR(info_meta_get(&c->meta, STR("nope")), NULL);
    const struct account_info *a = info_account(&app.app, &x->req, STR("a"), NULL);
    CHECK(a->really_exists);
    CHECK_INT(a->container_count, 7);
    CHECK_STR(info_meta_get(&a->sysmeta, STR("core-access-control")), "{}");
}

static void test_caches(void **state)
{
    struct exchange x;
    cache = memcache_new(1 << 20);
    heads = 0;
    begin(&x, true);
    CHECK(!info_container_cached(&x.req, STR("a"), STR("c")));
    look(&x);
    look(&x);
    CHECK_INT(heads, 2); /* account and container, once */
    exchange_release(&x);
    begin(&x, true);
    look(&x); /* out of the memcache */
    CHECK(info_container_cached(&x.req, STR("a"), STR("c")) != NULL);
    CHECK_INT(heads, 2);
    const struct container_info *old = info_container(&app.app, &x.req, STR("a"), STR("c"), NULL);
    info_forget(&x.req, STR("a"), STR("c"));
    CHECK_STR(old->read_acl, ".r:*"); /* good while the request lasts */
    CHECK(!info_container_cached(&x.req, STR("a"), STR("c")));
    look(&x);
    CHECK_INT(heads, 3);
    exchange_release(&x);
    begin(&x, false);
    look(&x);
    look(&x);
    CHECK_INT(heads, 5);
    exchange_release(&x);
    memcache_free(cache);
    assert_int_equal(failures, 0);
}

static void test_failures(void **state)
{
    struct exchange x;
    cache = memcache_new(1 << 20);
    status = 503;
    begin(&x, true);
    CHECK_INT(info_account(&app.app, &x.req, STR("a"), NULL)->status, 503);
    CHECK_INT(info_container(&app.app, &x.req, STR("a"), STR("c"), NULL)->status, 0);
    CHECK_INT(info_container(&app.app, &x.req, STR(".a"), STR("c"), NULL)->status, 503); /* asks no account */
    heads = 0;
    info_account(&app.app, &x.req, STR("a"), NULL);
    CHECK_INT(heads, 1); /* a failure is not kept */
    status = 404;
    CHECK_INT(info_account(&app.app, &x.req, STR("a"), NULL)->status, 404);
    CHECK_INT(info_account(&app.app, &x.req, STR("a"), NULL)->status, 404);
    CHECK_INT(heads, 2); /* that it is not there is */
    CHECK(!info_account(&app.app, &x.req, STR("a"), NULL)->really_exists);
    exchange_release(&x);
    memcache_free(cache);
    status = 204;
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_caches),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
