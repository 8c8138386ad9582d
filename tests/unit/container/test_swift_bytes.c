/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/db/db_fixture.h"

#include "container/swift_bytes.h"

struct vector {
    const char *text, *content_type, *bytes;
};

/* As extract_swift_bytes() of the reference answers. */
static const struct vector vectors[] = {
    {"text/plain", "text/plain", NULL},
    {"text/plain;swift_bytes=5", "text/plain", "5"},
    {"x/y; swift_bytes=12; a=b", "x/y;a=b", "12"},
    {"x/y;swift_bytes=1;swift_bytes=2", "x/y", "2"},
    {"x/y ; a = \"q;r\\\"s\" ;b", "x/y ;a=\"q;r\\\"s\";b=", NULL},
    {"text/html; charset=a/b", "text/html;charset=a", NULL},
    {"x/y;", "x/y", NULL},
    {"x/y;;=;a=\"open", "x/y;a=", NULL},
    {"", "", NULL},
};

static void test_split(void **state)
{
    struct arena *a = arena_new();
    struct str bytes;

    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        assert_str(swift_bytes_split(a, str_from(vectors[i].text), &bytes), vectors[i].content_type);
        assert_int_equal(bytes.p != NULL, vectors[i].bytes != NULL);
        if (vectors[i].bytes)
            assert_str(bytes, vectors[i].bytes);
    }
    assert_str(swift_bytes_join(a, STR("a/b"), STR("5")), "a/b;swift_bytes=5");
    assert_str(swift_bytes_join(a, STR("a/b"), STR("")), "a/b");
    assert_str(swift_bytes_join(a, STR("a/b"), STR_NONE), "a/b");
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_split)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
