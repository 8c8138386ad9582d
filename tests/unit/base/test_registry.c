/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/app_test.h"

static void shows(const struct registry *a, const struct registry *b, const char *disallowed, bool admin,
                  const char *want)
{
    const struct registry *both[] = {a, b};
    struct registry_view view = {both, b ? 2 : 1, str_from(disallowed), admin};
    struct buf out;
    buf_init(&out, 65536);
    registry_write(&view, &out);
    CHECK_STR(buf_view(&out), want);
    buf_release(&out);
}

static void test_registry(void **state)
{
    struct registry *a = registry_new(), *b = registry_new();
    shows(a, NULL, "", false, "{}");
    registry_set(a, "swift", "version", "\"1\"");
    registry_set(a, "swift", "n", "1");
    registry_set(a, "swift", "n", "2");
    registry_section(b, "crossdomain");
    registry_set(b, "tempauth", "account_acls", "true");
    registry_set(b, "swift", "more", "[]");
    registry_set_admin(b, "encryption", "enabled", "true");
    shows(a, b, "", false,
          "{\"swift\": {\"version\": \"1\", \"n\": 2, \"more\": []}, \"crossdomain\": {}, "
          "\"tempauth\": {\"account_acls\": true}}");
    shows(a, b, "swift.n, tempauth", false,
          "{\"swift\": {\"version\": \"1\", \"more\": []}, \"crossdomain\": {}}");
    shows(a, b, "swift, tempauth, crossdomain", true,
          "{\"admin\": {\"encryption\": {\"enabled\": true}, \"disallowed_sections\": [\"swift\", "
          "\"tempauth\", "
          "\"crossdomain\"]}}");
    registry_free(a);
    registry_free(b);
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_registry)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
