/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/app_test.h"

#include "common/clock.h"
#include "middleware/middleware.h"

#define CONF                                                                   \
    "[filter:x]\n"                                                             \
    "use = egg:swift#tempauth\n"                                               \
    "reseller_prefix = AUTH, SERVICE\n"                                        \
    "SERVICE_require_group = service\n"                                        \
    "user_admin_admin = adminkey .admin .reseller_admin\n"                     \
    "user_admin_auditor = auditkey .reseller_reader\n"                         \
    "user_test_tester = testing .admin\n"                                      \
    "user_test_plain = plainkey friends http://elsewhere:8080/v1/AUTH_other\n" \
    "user64_dW5kZXJfc2NvcmU_YV9i = testing4 .admin\n"                          \
    "user_svc_svc = svckey service\n"                                          \
    "user_exp_exp = expkey\n"

static struct under_test u;
static struct memcache *cache;

/* What the proxy behind would ask for: lets the middleware decide, with this container ACL. */
static const char *acl, *account_acl;
static bool owner;

static void decide(struct http_request *req, struct http_response *rsp)
{
    struct env *env = env_of(req);
    if (str_eq(req->method, STR("HEAD")) && env->authorize_override) { /* an info is looked up */
        error_page(rsp, 204);
        if (account_acl)
            header_add(&rsp->headers, STR("X-Account-Sysmeta-Core-Access-Control"), str_from(account_acl));
        return;
    }
    env->acl = str_from(acl);
    if (env->authorize && !env->authorize(env->authorize_arg, req, rsp))
        return;
    owner = env->swift_owner;
    error_page(rsp, 200);
}

static struct str token_of(struct exchange *x, const char *user, const char *key)
{
    exchange_init(x, "GET", "/auth/v1.0");
    exchange_header(x, "X-Auth-User", user);
    exchange_header(x, "X-Auth-Key", key);
    exchange_header(x, "Host", "proxy:8080");
    x->env->cache = cache;
    exchange_run(x, u.app);
    return exchange_field(x, "X-Auth-Token");
}

struct asked {
    const char *user, *key, *service_user, *service_key, *referer;
};

/* The status of a request by that user. */
static int ask(const struct asked *who, const char *method, const char *target)
{
    struct exchange x, login, service;
    bool has_login = who && who->user, has_service = who && who->service_user;
    exchange_init(&x, method, target);
    x.env->cache = cache;
    if (has_login)
        header_add(&x.req.headers, STR("X-Auth-Token"), token_of(&login, who->user, who->key));
    if (has_service)
        header_add(&x.req.headers, STR("X-Service-Token"),
                   token_of(&service, who->service_user, who->service_key));
    if (who && who->referer)
        exchange_header(&x, "Referer", who->referer);
    owner = false;
    exchange_run(&x, u.app);
    int status = x.rsp.status;
    exchange_release(&x);
    if (has_login)
        exchange_release(&login);
    if (has_service)
        exchange_release(&service);
    return status;
}

static const struct asked tester = {"test:tester", "testing"}, plain = {"test:plain", "plainkey"},
                          admin = {"admin:admin", "adminkey"}, auditor = {"admin:auditor", "auditkey"},
                          scored = {"under_score:a_b", "testing4"};

static void test_login(void **state)
{
    struct exchange x, y;
    struct str token = token_of(&x, "test:tester", "testing");
    CHECK_INT(x.rsp.status, 200);
    CHECK(str_starts(token, STR("AUTH_tk")));
    CHECK_INT(token.n, 39);
    CHECK_STR(exchange_field(&x, "X-Storage-Url"), "http://proxy:8080/v1/AUTH_test");
    CHECK(str_eq(exchange_field(&x, "X-Storage-Token"), token));
    CHECK_STR(exchange_field(&x, "X-Auth-Token-Expires"), "86399");
    struct str again = token_of(&y, "test:tester", "testing");
    CHECK(str_eq(again, token));
    exchange_release(&y);
    exchange_release(&x);
    token_of(&x, "test:plain", "plainkey");
    CHECK_STR(exchange_field(&x, "X-Storage-Url"), "http://elsewhere:8080/v1/AUTH_other");
    exchange_release(&x);
    token_of(&x, "under_score:a_b", "testing4");
    CHECK_INT(x.rsp.status, 200);
    CHECK_STR(exchange_field(&x, "X-Storage-Url"), "http://proxy:8080/v1/AUTH_under_score");
    exchange_release(&x);
}

static void login_fails(const char *method, const char *target, const char *user, const char *key, int status,
                        const char *realm)
{
    struct exchange x;
    exchange_init(&x, method, target);
    x.env->cache = cache;
    if (user)
        exchange_header(&x, "X-Auth-User", user);
    if (key)
        exchange_header(&x, "X-Auth-Key", key);
    exchange_run(&x, u.app);
    CHECK_INT(x.rsp.status, status);
    CHECK_STR(exchange_field(&x, "Www-Authenticate"), realm);
    CHECK(!exchange_field(&x, "X-Auth-Token").p);
    exchange_release(&x);
}

static void test_login_failures(void **state)
{
    login_fails("GET", "/auth/v1.0", "test:tester", "wrong", 401, "Swift realm=\"test\"");
    login_fails("GET", "/auth/v1.0", "test:nobody", "wrong", 401, "Swift realm=\"test\"");
    login_fails("GET", "/auth/v1.0", "tester", "testing", 401, "Swift realm=\"unknown\"");
    login_fails("GET", "/auth/v1.0", "test:tester", NULL, 401, "Swift realm=\"test\"");
    login_fails("GET", "/auth/v1.0", NULL, NULL, 401, "Swift realm=\"unknown\"");
    login_fails("GET", "/auth/v1/other/auth", "test:tester", "testing", 401, "Swift realm=\"other\"");
    login_fails("POST", "/auth/v1.0", "test:tester", "testing", 405, NULL);
    login_fails("GET", "/auth/v9", "test:tester", "testing", 400, NULL);
    login_fails("GET", "/auth/", "test:tester", "testing", 404, NULL);
}

static void test_owner(void **state)
{
    CHECK_INT(ask(&tester, "GET", "/v1/AUTH_test/c/o"), 200);
    CHECK(owner);
    CHECK_INT(ask(&tester, "PUT", "/v1/AUTH_test/c"), 200);
    CHECK_INT(ask(&tester, "PUT", "/v1/AUTH_test"), 403);
    CHECK_INT(ask(&tester, "DELETE", "/v1/AUTH_test"), 403);
    CHECK_INT(ask(&tester, "GET", "/v1/AUTH_admin/c"), 403);
    CHECK_INT(ask(&tester, "GET", "/v1/OTHER_test"), 403);
    CHECK_INT(ask(&tester, "OPTIONS", "/v1/AUTH_admin/c"), 200);
    CHECK_INT(ask(&plain, "GET", "/v1/AUTH_test"), 403);
    CHECK_INT(ask(&scored, "GET", "/v1/AUTH_under_score/c"), 200);
    CHECK_INT(ask(NULL, "GET", "/v1/AUTH_test"), 401);
}

static void test_resellers(void **state)
{
    CHECK_INT(ask(&admin, "PUT", "/v1/AUTH_test"), 200);
    CHECK(owner);
    CHECK_INT(ask(&admin, "DELETE", "/v1/AUTH_anything"), 200);
    CHECK_INT(ask(&admin, "GET", "/v1/AUTH_"), 403);
    CHECK_INT(ask(&admin, "GET", "/v1/AUTH_.dot/c"), 403);
    CHECK_INT(ask(&auditor, "GET", "/v1/AUTH_test/c/o"), 200);
    CHECK(!owner);
    CHECK_INT(ask(&auditor, "PUT", "/v1/AUTH_test/c/o"), 403);
}

static void test_services(void **state)
{
    struct asked with = {"test:tester", "testing", "svc:svc", "svckey"};
    CHECK_INT(ask(&tester, "GET", "/v1/SERVICE_test"), 403);
    CHECK_INT(ask(&with, "GET", "/v1/SERVICE_test"), 200);
    CHECK(owner);
    CHECK_INT(ask(&with, "GET", "/v1/AUTH_test"), 200);
}

static void test_container_acls(void **state)
{
    struct asked from = {.referer = "http://www.example.com/"};
    acl = "test:plain";
    CHECK_INT(ask(&plain, "GET", "/v1/AUTH_admin/c/o"), 200);
    CHECK(!owner);
    CHECK_INT(ask(&scored, "GET", "/v1/AUTH_admin/c/o"), 403);
    acl = "friends";
    CHECK_INT(ask(&plain, "GET", "/v1/AUTH_admin/c"), 200);
    acl = ".r:*";
    CHECK_INT(ask(NULL, "GET", "/v1/AUTH_admin/c/o"), 200);
    CHECK_INT(ask(NULL, "GET", "/v1/AUTH_admin/c"), 401);
    acl = ".r:*,.rlistings";
    CHECK_INT(ask(NULL, "GET", "/v1/AUTH_admin/c"), 200);
    acl = ".r:.example.com";
    CHECK_INT(ask(&from, "GET", "/v1/AUTH_admin/c/o"), 200);
    CHECK_INT(ask(NULL, "GET", "/v1/AUTH_admin/c/o"), 401);
    acl = NULL;
}

static void set_account_acl(const char *value)
{
    account_acl = value;
    memcache_delete(cache, STR("account/AUTH_admin"));
}

static void test_account_acls(void **state)
{
    set_account_acl("{\"read-only\":[\"test:plain\"]}");
    CHECK_INT(ask(&plain, "GET", "/v1/AUTH_admin"), 200);
    CHECK_INT(ask(&plain, "GET", "/v1/AUTH_admin/c/o"), 200);
    CHECK_INT(ask(&plain, "PUT", "/v1/AUTH_admin/c/o"), 403);
    set_account_acl("{\"read-write\":[\"friends\"]}");
    CHECK_INT(ask(&plain, "PUT", "/v1/AUTH_admin/c"), 200);
    CHECK_INT(ask(&plain, "POST", "/v1/AUTH_admin"), 403);
    CHECK(!owner);
    set_account_acl("{\"admin\":[\"test:plain\"]}");
    CHECK_INT(ask(&plain, "POST", "/v1/AUTH_admin"), 200);
    CHECK(owner);
    set_account_acl("nonsense");
    CHECK_INT(ask(&plain, "GET", "/v1/AUTH_admin"), 403);
    set_account_acl(NULL);
}

static void test_new_account_acl(void **state)
{
    struct exchange x, login;
    exchange_init(&x, "POST", "/v1/AUTH_test");
    x.env->cache = cache;
    header_add(&x.req.headers, STR("X-Auth-Token"), token_of(&login, "test:tester", "testing"));
    exchange_header(&x, "X-Account-Access-Control", "{\"x\":1}");
    exchange_run(&x, u.app);
    CHECK_INT(x.rsp.status, 400);
    CHECK_STR(exchange_text(&x),
              "X-Account-Access-Control invalid: Key \"x\" not recognized\n\nInput: {\"x\":1}\n");
    exchange_release(&x);
    exchange_init(&x, "POST", "/v1/AUTH_test");
    x.env->cache = cache;
    header_add(&x.req.headers, STR("X-Auth-Token"), exchange_field(&login, "X-Auth-Token"));
    exchange_header(&x, "X-Account-Access-Control", "{\"admin\":[\"a\"]}");
    exchange_run(&x, u.app);
    CHECK_INT(x.rsp.status, 200);
    CHECK_STR(header_get(&x.req.headers, STR("X-Account-Sysmeta-Core-Access-Control")),
              "{\"admin\":[\"a\"]}");
    CHECK(!header_has(&x.req.headers, STR("X-Account-Access-Control")));
    exchange_release(&x);
    exchange_release(&login);
}

/* A token that is not good is refused even where nobody would need one. */
static void test_bad_tokens(void **state)
{
    struct exchange x;
    const char *bad[] = {"AUTH_tk00000000000000000000000000000000", "AUTH_"};
    acl = ".r:*";
    for (int i = 0; i < 2; i++) {
        exchange_init(&x, "GET", "/v1/AUTH_te%22st/c/o");
        x.env->cache = cache;
        exchange_header(&x, "X-Auth-Token", bad[i]);
        exchange_run(&x, u.app);
        CHECK_INT(x.rsp.status, 401);
        CHECK_STR(exchange_field(&x, "Www-Authenticate"), "Swift realm=\"AUTH_te%22st\"");
        exchange_release(&x);
    }
    exchange_init(&x, "GET", "/v1/AUTH_test/c/o");
    x.env->cache = cache;
    exchange_header(&x, "X-Auth-Token", "somebody else's");
    exchange_run(&x, u.app);
    CHECK_INT(x.rsp.status, 200); /* as anonymous */
    exchange_release(&x);
    acl = NULL;
}

static void test_expiry(void **state)
{
    struct exchange x, y;
    clock_fix(1700000000LL * 1000000000);
    struct str token = token_of(&x, "exp:exp", "expkey");
    clock_fix(1700086399LL * 1000000000);
    struct str later = token_of(&y, "exp:exp", "expkey");
    CHECK(str_eq(token, later));
    CHECK_STR(exchange_field(&y, "X-Auth-Token-Expires"), "1");
    exchange_release(&y);
    clock_fix(1700086401LL * 1000000000);
    later = token_of(&y, "exp:exp", "expkey");
    CHECK(!str_eq(token, later));
    exchange_release(&y);
    exchange_release(&x);
    clock_fix(0);
}

static void test_configuration_errors(void **state)
{
    struct under_test bad;
    struct buf error;
    buf_init(&error, 4096);
    CHECK_INT(under_test_try(&bad, tempauth_new, "[filter:x]\nuser_a_b_c = key\n", &error), -EINVAL);
    CHECK_HAS(buf_view(&error), "user_a_b_c");
    under_test_release(&bad);
    buf_reset(&error);
    CHECK_INT(under_test_try(&bad, tempauth_new, "[filter:x]\nuser_a_b =\n", &error), -EINVAL);
    CHECK_HAS(buf_view(&error), "has no key set");
    under_test_release(&bad);
    buf_release(&error);
}

static int setup(void **state)
{
    cache = memcache_new(1 << 20);
    under_test_init(&u, tempauth_new, CONF);
    u.next.answer = decide;
    return failures;
}

static int teardown(void **state)
{
    under_test_release(&u);
    memcache_free(cache);
    return failures;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_login),
        cmocka_unit_test(test_login_failures),
        cmocka_unit_test(test_owner),
        cmocka_unit_test(test_resellers),
        cmocka_unit_test(test_services),
        cmocka_unit_test(test_container_acls),
        cmocka_unit_test(test_account_acls),
        cmocka_unit_test(test_new_account_acl),
        cmocka_unit_test(test_bad_tokens),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_configuration_errors),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
