/* SPDX-License-Identifier: Apache-2.0
 *
 * test_utf8.c: the edges of RFC 3629, and the Latin-1 detour of Swift's metadata.
 */
#include "common_test.h"
#include "common/utf8.h"

static void test_check(void **state)
{
    static const struct str good[] = {
        STR_INIT("a"),                /* */
        STR_INIT("\x7f"),             /* U+007F */
        STR_INIT("\xc2\x80"),         /* U+0080 */
        STR_INIT("\xdf\xbf"),         /* U+07FF */
        STR_INIT("\xe0\xa0\x80"),     /* U+0800 */
        STR_INIT("\xed\x9f\xbf"),     /* U+D7FF */
        STR_INIT("\xee\x80\x80"),     /* U+E000 */
        STR_INIT("\xef\xbf\xbf"),     /* U+FFFF */
        STR_INIT("\xf0\x90\x80\x80"), /* U+10000 */
        STR_INIT("\xf4\x8f\xbf\xbf"), /* U+10FFFF */
        STR_INIT("plain ASCII of more than eight bytes, then \xc3\xa9 and more of it"),
    };
    static const struct str bad[] = {
        STR_INIT("\x80"),             /* continuation first */
        STR_INIT("\xc0\x80"),         /* overlong NUL */
        STR_INIT("\xc1\xbf"),         /* overlong */
        STR_INIT("\xe0\x9f\xbf"),     /* overlong */
        STR_INIT("\xf0\x8f\xbf\xbf"), /* overlong */
        STR_INIT("\xed\xa0\x80"),     /* surrogate D800 */
        STR_INIT("\xed\xbf\xbf"),     /* surrogate DFFF */
        STR_INIT("\xf4\x90\x80\x80"), /* beyond U+10FFFF */
        STR_INIT("\xf5\x80\x80\x80"), /* beyond */
        STR_INIT("\xff"),             /* never */
        STR_INIT("\xc3"),             /* cut */
        STR_INIT("\xe2\x98"),         /* cut */
        STR_INIT("\xf0\x90\x80"),     /* cut */
        STR_INIT("\xc3(") /* no continuation */,
        STR_INIT("eight bytes and \xe2\x28\xa1 more"),
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        char *p = exact_copy(good[i].p, good[i].n);
        assert_true(utf8_valid(str_of(p, good[i].n)));
        assert_true(utf8_check(str_of(p, good[i].n)));
        free(p);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        char *p = exact_copy(bad[i].p, bad[i].n);
        assert_false(utf8_valid(str_of(p, bad[i].n)));
        assert_false(utf8_check(str_of(p, bad[i].n)));
        free(p);
    }
    assert_true(utf8_valid(STR("a\0b")) && !utf8_check(STR("a\0b")));
    assert_true(utf8_valid(STR_NONE) && !utf8_check(STR("")));
}

static void test_every_code_point(void **state)
{
    for (uint32_t code = 0; code <= 0x10ffff; code++) {
        char text[4];
        uint32_t back = 0;
        size_t n = utf8_encode(code, text);
        bool surrogate = code >= 0xd800 && code <= 0xdfff;
        if (utf8_decode(text, n, &back) != (surrogate ? 0 : n) || (!surrogate && back != code))
            fail_msg("code point %x", code);
    }
}

static void test_latin1(void **state)
{
    struct arena *a = arena_new();
    struct str back;
    /* A header value: wire C3 A9, once for the WSGI string, once for the pickle. */
    struct str once = utf8_from_latin1(a, STR("\xc3\xa9"));
    assert_str(once, "\xc3\x83\xc2\xa9");
    assert_str(utf8_from_latin1(a, once), "\xc3\x83\xc2\x83\xc3\x82\xc2\xa9");
    char all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    assert_int_equal(utf8_to_latin1(a, utf8_from_latin1(a, str_of(all, 256)), &back), 0);
    assert_int_equal(back.n, 256);
    assert_memory_equal(back.p, all, 256);
    assert_int_equal(utf8_to_latin1(a, STR("\xc4\x80"), &back), -EINVAL); /* U+0100 */
    assert_int_equal(utf8_to_latin1(a, STR("\xc3"), &back), -EINVAL);
    assert_int_equal(utf8_to_latin1(a, STR(""), &back), 0);
    assert_int_equal(back.n, 0);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_latin1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
