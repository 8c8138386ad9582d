/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/app_test.h"

#include "middleware/middleware.h"

static struct under_test u;
static const char *listing; /* what the servers answer */
static int status = 200;

static void answer(struct http_request *req, struct http_response *rsp)
{
    http_response_text(rsp, status, "application/json; charset=utf-8", str_from(listing));
    header_add(&rsp->headers, STR("X-Container-Object-Count"), STR("3"));
}

static void get(struct exchange *x, const char *method, const char *target, const char *accept)
{
    exchange_init(x, method, target);
    if (accept)
        exchange_header(x, "Accept", accept);
    CHECK_INT(exchange_run(x, u.app), 0);
}

static void shows(const char *target, const char *accept, int want_status, const char *type, const char *body)
{
    struct exchange x;
    get(&x, "GET", target, accept);
    CHECK_INT(x.rsp.status, want_status);
    CHECK_STR(exchange_field(&x, "Content-Type"), type);
    CHECK_STR(x.body.n ? exchange_text(&x) : STR(""), body);
    exchange_release(&x);
}

#define OBJECTS                                                                                         \
    "[{\"bytes\": 5, \"hash\": \"h1\", \"name\": \"a<&>\\\"\", \"content_type\": \"t/x;a=\\\"b\\\"\", " \
    "\"last_modified\": \"2026-11-22T18:46:53.000000\"}, {\"subdir\": \"d\\\"\\n/\"}, "                 \
    "{\"bytes\": 0, \"hash\": \"h2\", \"name\": \"\\u00e4\", \"content_type\": \"\", "                  \
    "\"last_modified\": \"2026-11-22T18:46:54.000000\"}]"

static void test_objects(void **state)
{
    listing = OBJECTS;
    shows("/v1/a/c", NULL, 200, "text/plain; charset=utf-8", "a<&>\"\nd\"\n/\n\xc3\xa4\n");
    shows("/v1/a/c?format=json", "text/xml", 200, "application/json; charset=utf-8", OBJECTS);
    shows("/v1/a/c?format=xml", NULL, 200, "application/xml; charset=utf-8",
          "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<container name=\"c\">"
          "<object><name>a&lt;&amp;&gt;\"</name><hash>h1</hash><bytes>5</bytes>"
          "<content_type>t/x;a=\"b\"</content_type>"
          "<last_modified>2026-11-22T18:46:53.000000</last_modified></object>"
          "<subdir name=\"d&quot;&#10;/\"><name>d\"\n/</name></subdir>"
          "<object><name>\xc3\xa4</name><hash>h2</hash><bytes>0</bytes><content_type />"
          "<last_modified>2026-11-22T18:46:54.000000</last_modified></object></container>");
    struct exchange x;
    get(&x, "GET", "/v1/a/c%3C%22?format=XML", NULL);
    CHECK_HAS(exchange_text(&x), "<container name=\"c&lt;&quot;\">");
    exchange_release(&x);
}

static void test_containers(void **state)
{
    listing =
        "[{\"name\": \"c1\", \"count\": 2, \"bytes\": 7, \"last_modified\": \"T\"}, {\"subdir\": \"s/\"}]";
    shows("/v1/a%26b?format=xml", NULL, 200, "application/xml; charset=utf-8",
          "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<account name=\"a&amp;b\">\n"
          "<container><name>c1</name><count>2</count><bytes>7</bytes><last_modified>T</last_modified></"
          "container>\n"
          "<subdir name=\"s/\" />\n</account>");
    shows("/v1/a/", NULL, 200, "text/plain; charset=utf-8", "c1\ns/\n");
}

static void test_empty(void **state)
{
    listing = "[]";
    shows("/v1/a/c", NULL, 204, "text/plain; charset=utf-8", "");
    shows("/v1/a/c", "application/json", 200, "application/json; charset=utf-8", "[]");
    shows("/v1/a/c?format=xml", NULL, 200, "application/xml; charset=utf-8",
          "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<container name=\"c\" />");
    shows("/v1/a?format=xml", NULL, 200, "application/xml; charset=utf-8",
          "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<account name=\"a\">\n</account>");
}

static void test_accept(void **state)
{
    static const struct {
        const char *accept, *type;
    } cases[] = {
        {"*/*", "text/plain"},
        {"text/*", "text/plain"},
        {"application/*", "application/json"},
        {"text/xml", "text/xml"},
        {"application/xml;q=0.5, application/json;q=0.9", "application/json"},
        {"text/plain;q=0.1,text/xml", "text/xml"},
        {"*/*;q=0.9,text/xml;q=0.9", "text/xml"},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/xml"},
        {"application/json; charset=\"utf-8\"", "application/json"},
    };
    listing = "[{\"name\": \"c1\", \"count\": 2, \"bytes\": 7, \"last_modified\": \"T\"}]";
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct exchange x;
        char *want = xasprintf("%s; charset=utf-8", cases[i].type);
        get(&x, "HEAD", "/v1/a", cases[i].accept);
        CHECK_STR(exchange_field(&x, "Content-Type"), want);
        CHECK_STR(exchange_field(&x, "Vary"), "Accept");
        free(want);
        exchange_release(&x);
    }
}

static void test_refusals(void **state)
{
    static const char *const bad[] = {"foo", "a/b,",  "text/plain;q=x", "text/plain;q=1;q=1",
                                      "/x",  "a/b;c", "a/b c"};
    listing = "[]";
    int calls = u.next.calls;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        shows("/v1/a/c", bad[i], 400, "text/html; charset=UTF-8", "Invalid Accept header");
    shows("/v1/a/c", "image/png", 406, "text/html; charset=UTF-8",
          "<html><h1>Not Acceptable</h1><p>The resource is not available in a format acceptable to your "
          "browser.</p></html>");
    shows("/v1/a/c?format=%ff", NULL, 400, "text/plain", "\"format\" parameter not valid UTF-8");
    CHECK_INT(u.next.calls, calls);
}

static void test_what_passes(void **state)
{
    struct exchange x;
    listing = "not json";
    shows("/v1/a/c", NULL, 200, "application/json; charset=utf-8", "not json");
    listing = "{\"a\": 1}";
    shows("/v1/a/c?format=xml", NULL, 200, "application/json; charset=utf-8", listing);
    listing = "[{\"nothing\": 1}]";
    shows("/v1/a/c?format=xml", NULL, 200, "application/json; charset=utf-8", listing);
    listing = "[]";
    shows("/v1/a/c/o", NULL, 200, "application/json; charset=utf-8", "[]");
    status = 404;
    shows("/v1/a/c", NULL, 404, "application/json; charset=utf-8", "[]");
    status = 200;
    get(&x, "GET", "/v1/a/c?limit=2&prefix=b+c%26&format=xml&limit=3", NULL);
    CHECK_STR(x.req.query, "limit=3&prefix=b+c%26&format=json");
    CHECK(!exchange_field(&x, "Vary").p);
    CHECK_STR(exchange_field(&x, "X-Container-Object-Count"), "3");
    exchange_release(&x);
}

static void test_reserved_names(void **state)
{
    listing =
        "[{\"name\": \"\\u0000x\", \"count\": 2, \"bytes\": 7, \"last_modified\": \"T\"}, {\"name\": \"y\", "
        "\"count\": 1, \"bytes\": 1, \"last_modified\": \"T\"}]";
    shows("/v1/a", NULL, 200, "text/plain; charset=utf-8", "y\n");
    shows("/v1/a?format=json", NULL, 200, "application/json; charset=utf-8",
          "[{\"name\": \"y\", \"count\": 1, \"bytes\": 1, \"last_modified\": \"T\"}]");
    struct exchange x;
    exchange_init(&x, "GET", "/v1/a");
    exchange_header(&x, "X-Backend-Allow-Reserved-Names", "true");
    exchange_run(&x, u.app);
    CHECK_INT(x.body.n, 5);
    exchange_release(&x);
}

/* Long listings are converted on another thread. */
static void large_listing(void *arg)
{
    struct buf big;
    struct exchange x;
    buf_init(&big, 1 << 24);
    buf_putc(&big, '[');
    for (int i = 0; i < 10000; i++)
        buf_printf(&big, "%s{\"name\": \"n%05d\", \"count\": 1, \"bytes\": 1, \"last_modified\": \"T\"}",
                   i ? ", " : "", i);
    buf_putc(&big, ']');
    listing = big.p;
    get(&x, "GET", "/v1/a", NULL);
    CHECK_INT(x.body.n, 10000 * 7);
    CHECK(str_starts(exchange_text(&x), STR("n00000\nn00001\n")));
    exchange_release(&x);
    buf_release(&big);
}

static void test_large(void **state)
{
    in_task(large_listing);
}

static int setup(void **state)
{
    under_test_init(&u, listing_formats_new, "[filter:x]\n");
    u.next.answer = answer;
    return failures;
}

static int teardown(void **state)
{
    under_test_release(&u);
    return failures;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects),        cmocka_unit_test(test_containers),
        cmocka_unit_test(test_empty),          cmocka_unit_test(test_accept),
        cmocka_unit_test(test_refusals),       cmocka_unit_test(test_what_passes),
        cmocka_unit_test(test_reserved_names), cmocka_unit_test(test_large),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
