/* SPDX-License-Identifier: Apache-2.0
 *
 * test_xml.c: the texts that xml.sax.saxutils writes.
 */
#include "common_test.h"
#include "common/xml.h"

static void test_escape(void **state)
{
    static const struct {
        const char *in, *text, *attribute;
    } v[] = {
        {"", "", "\"\""},
        {"plain", "plain", "\"plain\""},
        {"a<&>b", "a&lt;&amp;&gt;b", "\"a&lt;&amp;&gt;b\""},
        {"has \"double\"", "has \"double\"", "'has \"double\"'"},
        {"has 'single'", "has 'single'", "\"has 'single'\""},
        {"both \" and '", "both \" and '", "\"both &quot; and '\""},
        {"\t\n\r&", "\t\n\r&amp;", "\"&#9;&#10;&#13;&amp;\""},
        {"&lt;", "&amp;lt;", "\"&amp;lt;\""},
        {"\xc3\xa9", "\xc3\xa9", "\"\xc3\xa9\""},
    };
    for (size_t i = 0; i < COUNT(v); i++) {
        struct buf b;
        buf_init(&b, 1000);
        xml_text(&b, str_from(v[i].in));
        assert_true(str_eq(buf_view(&b), str_from(v[i].text)));
        buf_reset(&b);
        xml_attribute(&b, str_from(v[i].in));
        assert_true(str_eq(buf_view(&b), str_from(v[i].attribute)));
        buf_release(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_escape)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
