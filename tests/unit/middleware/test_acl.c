/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/app_test.h"

#include "middleware/acl.h"

static struct arena *arena;

static void cleans(const char *header, const char *value, const char *want)
{
    struct str got = STR_NONE;
    CHECK(acl_clean(arena, str_from(header), str_from(value), &got));
    CHECK_STR(got, want);
}

static void refuses(const char *header, const char *value, const char *want)
{
    struct str got = STR_NONE;
    CHECK(!acl_clean(arena, str_from(header), str_from(value), &got));
    CHECK_STR(got, want);
}

#define READ  "X-Container-Read"
#define WRITE "X-Container-Write"

static void test_clean(void **state)
{
    cleans(READ, "bob, sue", "bob,sue");
    cleans(READ, "bob , sue", "bob,sue");
    cleans(READ, "bob,,,sue", "bob,sue");
    cleans(READ, ".referrer : *", ".r:*");
    cleans(READ, ".ref:*.example.com", ".r:.example.com");
    cleans(READ, ".referer: - *.thief.com", ".r:-.thief.com");
    cleans(READ, ".r:*, .rlistings", ".r:*,.rlistings");
    cleans(READ, ".r: www.example.com ,test:tester", ".r:www.example.com,test:tester");
    cleans(READ, "", "");
    cleans(READ, " , ,", "");
    cleans(READ, ":a", ":a");
    cleans(WRITE, "test:tester,.rlistings", "test:tester,.rlistings");
    refuses(READ, ".r:", "No host/domain value after referrer designation in ACL: '.r:'");
    refuses(READ, ".r:-", "No host/domain value after referrer designation in ACL: '.r:-'");
    refuses(READ, "a,.r: . ", "No host/domain value after referrer designation in ACL: '.r: .'");
    refuses(READ, ".r:*.", "No host/domain value after referrer designation in ACL: '.r:*.'");
    refuses(WRITE, ".r:*", "Referrers not allowed in write ACL: '.r:*'");
    refuses("x-container-WRITE", ".ref:a", "Referrers not allowed in write ACL: '.ref:a'");
    refuses(READ, ".foo:bar", "Unknown designator '.foo' in ACL: '.foo:bar'");
    refuses(READ, ".fo'o:bar", "Unknown designator \".fo'o\" in ACL: \".fo'o:bar\"");
}

static bool allowed(const char *acl, const char *referer)
{
    return acl_referrer_allowed(str_from(acl), str_from(referer));
}

static void test_referrers(void **state)
{
    CHECK(allowed(".r:*", NULL));
    CHECK(allowed(".r:*", "http://anywhere/x"));
    CHECK(!allowed("", "http://anywhere/x"));
    CHECK(!allowed("test", "http://test/"));
    CHECK(allowed(".r:www.example.com", "http://www.example.com/index.html"));
    CHECK(allowed(".r:www.example.com", "https://user:pw@www.example.com:8080/"));
    CHECK(allowed(".r:www.example.com", "http://WWW.example.COM"));
    CHECK(!allowed(".r:www.example.com", "http://www.example.com.evil/"));
    CHECK(!allowed(".r:www.example.com", "www.example.com"));
    CHECK(!allowed(".r:www.example.com", "/path//www.example.com"));
    CHECK(allowed(".r:.example.com", "http://a.example.com"));
    CHECK(!allowed(".r:.example.com", "http://example.com"));
    CHECK(!allowed(".r:*,.r:-.thief.com", "http://www.thief.com"));
    CHECK(allowed(".r:*,.r:-.thief.com", "http://www.fence.com"));
    CHECK(allowed(".r:-.thief.com,.r:*", "http://www.thief.com"));
    CHECK(!allowed(".r:.example.com,.r:-thief.example.com", "http://thief.example.com"));
    CHECK(allowed(".r:unknown", NULL));
    CHECK(allowed(".r:unknown", "garbage"));
    CHECK(allowed(".r:::1", "http://[::1]:80/"));
}

static void test_groups(void **state)
{
    struct str acl = STR("test:tester,a%3Ab,.r:*,.rlistings,caf%C3%A9");
    CHECK(acl_has_group(arena, acl, STR("test:tester")));
    CHECK(acl_has_group(arena, acl, STR("a:b")));
    CHECK(!acl_has_group(arena, acl, STR("a%3Ab")));
    CHECK(acl_has_group(arena, acl, STR(".rlistings")));
    CHECK(acl_has_group(arena, acl, STR("caf\xc3\xa9")));
    CHECK(!acl_has_group(arena, acl, STR(".r:*")));
    CHECK(!acl_has_group(arena, acl, STR("test")));
    CHECK(!acl_has_group(arena, STR_NONE, STR("test")));
}

static void is_wrong(const char *value, const char *want)
{
    struct acl_account acl;
    struct str why = STR_NONE;
    CHECK_INT(acl_account_parse(arena, str_from(value), &acl, &why), -EINVAL);
    CHECK_STR(why, want);
}

static void test_account(void **state)
{
    struct acl_account acl;
    struct str why;
    CHECK_INT(
        acl_account_parse(arena, STR("{\"admin\":[\"a\"],\"read-only\":[\"b\",\"c\\u00e9\"]}"), &acl, &why),
        0);
    CHECK(acl_account_grants(&acl, ACL_ADMIN, STR("x,a")));
    CHECK(!acl_account_grants(&acl, ACL_ADMIN, STR("b")));
    CHECK(acl_account_grants(&acl, ACL_READ_ONLY, STR("c\xc3\xa9")));
    CHECK(!acl_account_grants(&acl, ACL_READ_WRITE, STR("a,b")));
    CHECK(!acl_account_grants(&acl, ACL_ADMIN, STR_NONE));
    CHECK_INT(acl_account_parse(arena, STR(""), &acl, &why), 0);
    CHECK_INT(acl_account_parse(arena, STR("{}"), &acl, &why), 0);
    is_wrong("{", "Syntax error in input ('{')");
    is_wrong("[]", "Syntax error in input ('[]')");
    is_wrong("\"a\"", "Syntax error in input ('\"a\"')");
    is_wrong("{\"x\":1}", "Key \"x\" not recognized");
    is_wrong("{\"admin\":1}", "Value for key \"admin\" must be a list");
    is_wrong("{\"read-write\":[\"a\",1]}", "Elements of \"read-write\" list must be strings");
}

static int setup(void **state)
{
    arena = arena_new();
    return 0;
}

static int teardown(void **state)
{
    arena_free(arena);
    return failures;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_referrers),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_account),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
