/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/app_test.h"

#include "middleware/middleware.h"

static struct under_test u;

/* The store behind: one source, and what was put last. */
static struct {
    int source_status, put_status;
    bool large_object, dynamic_object, unknown_length;
    char get_path[256], put_path[256], get_query[256], put_query[256], range[64], newest[16], source_tag[16];
    char body[256], etag[64], type[64], meta_a[64], meta_b[64], length[32], manifest[64];
    int puts, gets;
} store;

static void keep(char *into, size_t n, struct str s)
{
    snprintf(into, n, "%.*s", STR_ARG(s));
}
#define KEEP(field, s) keep(store.field, sizeof(store.field), s)

static void answer_get(struct http_request *req, struct http_response *rsp)
{
    store.gets++;
    KEEP(get_path, req->path);
    KEEP(get_query, req->query);
    KEEP(range, header_get(&req->headers, STR("Range")));
    KEEP(newest, header_get(&req->headers, STR("X-Newest")));
    KEEP(source_tag, str_from(env_of(req)->source));
    if (store.source_status >= 300) {
        error_page(rsp, store.source_status);
        return;
    }
    http_response_text(rsp, store.source_status, "t/x", STR("0123456789"));
    header_add(&rsp->headers, STR("Etag"), STR("781e5e245d69b566979b86e28d23f2c7"));
    header_add(&rsp->headers, STR("Last-Modified"), STR("Sun, 22 Nov 2026 18:16:54 GMT"));
    header_add(&rsp->headers, STR("X-Object-Meta-A"), STR("of the source"));
    header_add(&rsp->headers, STR("X-Object-Meta-B"), STR("b"));
    header_add(&rsp->headers, STR("X-Timestamp"), STR("1.0"));
    if (store.large_object)
        header_add(&rsp->headers, STR("X-Static-Large-Object"), STR("True"));
    if (store.dynamic_object)
        header_add(&rsp->headers, STR("X-Object-Manifest"), STR("c/segments"));
    if (store.unknown_length)
        rsp->body->length = -1;
}

static void answer_put(struct http_request *req, struct http_response *rsp)
{
    struct buf body;
    store.puts++;
    buf_init(&body, 1000);
    CHECK_INT(http_body_read_all(req->body, &body), 0);
    KEEP(body, buf_view(&body));
    buf_release(&body);
    KEEP(put_path, req->path);
    KEEP(put_query, req->query);
    KEEP(etag, header_get(&req->headers, STR("Etag")));
    KEEP(type, header_get(&req->headers, STR("Content-Type")));
    KEEP(meta_a, header_get(&req->headers, STR("X-Object-Meta-A")));
    KEEP(meta_b, header_get(&req->headers, STR("X-Object-Meta-B")));
    KEEP(length, header_get(&req->headers, STR("Content-Length")));
    KEEP(manifest, header_get(&req->headers, STR("X-Object-Manifest")));
    CHECK(!header_has(&req->headers, STR("X-Copy-From")));
    CHECK(!header_has(&req->headers, STR("X-Timestamp")));
    error_page(rsp, store.put_status);
}

static void answer(struct http_request *req, struct http_response *rsp)
{
    if (str_eq(req->method, STR("GET")))
        answer_get(req, rsp);
    else if (str_eq(req->method, STR("PUT")))
        answer_put(req, rsp);
    else {
        error_page(rsp, 200);
        header_add(&rsp->headers, STR("Allow"), STR("GET, PUT"));
    }
}

static void start(struct exchange *x, const char *method, const char *target)
{
    memset(&store, 0, sizeof(store));
    store.source_status = 200;
    store.put_status = 201;
    exchange_init(x, method, target);
}

static void test_copy(void **state)
{
    struct exchange x;
    start(&x, "COPY", "/v1/AUTH_test/c/src%20x");
    exchange_header(&x, "Destination", "/d%20c/dir/o");
    exchange_header(&x, "X-Object-Meta-A", "new");
    exchange_run(&x, u.app);
    CHECK_INT(x.rsp.status, 201);
    CHECK_STR(str_from(store.get_path), "/v1/AUTH_test/c/src x");
    CHECK_STR(str_from(store.newest), "true");
    CHECK_STR(str_from(store.source_tag), "SSC");
    CHECK_STR(str_from(store.put_path), "/v1/AUTH_test/d c/dir/o");
    CHECK_STR(str_from(store.body), "0123456789");
    CHECK_STR(str_from(store.length), "10");
    CHECK_STR(str_from(store.etag), "781e5e245d69b566979b86e28d23f2c7");
    CHECK_STR(str_from(store.type), "t/x");
    CHECK_STR(str_from(store.meta_a), "new");
    CHECK_STR(str_from(store.meta_b), "b");
    CHECK_STR(exchange_field(&x, "X-Copied-From"), "c/src%20x");
    CHECK_STR(exchange_field(&x, "X-Copied-From-Account"), "AUTH_test");
    CHECK_STR(exchange_field(&x, "X-Copied-From-Last-Modified"), "Sun, 22 Nov 2026 18:16:54 GMT");
    CHECK_STR(exchange_field(&x, "X-Object-Meta-A"), "new");
    CHECK_STR(x.env->orig_method, "COPY");
    exchange_release(&x);
}

static void test_put(void **state)
{
    struct exchange x;
    start(&x, "PUT", "/v1/AUTH_test/d/o");
    exchange_header(&x, "X-Copy-From", "c/src");
    exchange_header(&x, "X-Copy-From-Account", "AUTH_other");
    exchange_header(&x, "X-Fresh-Metadata", "true");
    exchange_header(&x, "Content-Type", "mine/own");
    exchange_run(&x, u.app);
    CHECK_INT(x.rsp.status, 201);
    CHECK_STR(str_from(store.get_path), "/v1/AUTH_other/c/src");
    CHECK_STR(str_from(store.put_path), "/v1/AUTH_test/d/o");
    CHECK_STR(str_from(store.type), "mine/own");
    CHECK_STR(str_from(store.meta_a), "");
    CHECK_STR(exchange_field(&x, "X-Copied-From-Account"), "AUTH_other");
    exchange_release(&x);
}

static void test_parts_are_not_verified(void **state)
{
    struct exchange x;
    start(&x, "COPY", "/v1/a/c/o");
    store.source_status = 206;
    exchange_header(&x, "Destination", "d/o");
    exchange_header(&x, "Range", "bytes=0-9");
    exchange_run(&x, u.app);
    CHECK_STR(str_from(store.range), "bytes=0-9");
    CHECK_STR(str_from(store.etag), "");
    exchange_release(&x);
    start(&x, "COPY", "/v1/a/c/o");
    store.large_object = true;
    exchange_header(&x, "Destination", "d/o");
    exchange_run(&x, u.app);
    CHECK_STR(str_from(store.etag), "");
    exchange_release(&x);
}

static void test_manifests(void **state)
{
    struct exchange x;
    start(&x, "COPY", "/v1/a/c/o?multipart-manifest=get");
    store.large_object = true;
    exchange_header(&x, "Destination", "d/o");
    exchange_run(&x, u.app);
    CHECK_STR(str_from(store.get_query), "multipart-manifest=get&format=raw");
    CHECK_STR(str_from(store.put_query), "multipart-manifest=put");
    exchange_release(&x);
    start(&x, "COPY", "/v1/a/c/o?multipart-manifest=get");
    store.dynamic_object = true;
    exchange_header(&x, "Destination", "d/o");
    exchange_run(&x, u.app);
    CHECK_STR(str_from(store.put_query), "");
    CHECK_STR(str_from(store.manifest), "c/segments");
    CHECK_STR(str_from(store.etag), "781e5e245d69b566979b86e28d23f2c7");
    exchange_release(&x);
}

static void refused(const char *method, const char *target, const char *name, const char *value,
                    const char *body, int status, const char *text)
{
    struct exchange x;
    start(&x, method, target);
    if (name)
        exchange_header(&x, name, value);
    if (body)
        exchange_body(&x, body);
    exchange_run(&x, u.app);
    CHECK_INT(x.rsp.status, status);
    CHECK_STR(exchange_text(&x), text);
    CHECK_INT(store.puts, 0);
    exchange_release(&x);
}

static void test_refusals(void **state)
{
    refused("COPY", "/v1/a/c/o", NULL, NULL, NULL, 412, "Destination header required");
    refused("COPY", "/v1/a/c/o", "Destination", "only", NULL, 412,
            "Destination header must be of the form <container name>/<object name>");
    refused("PUT", "/v1/a/c/o", "X-Copy-From", "/only", NULL, 412,
            "X-Copy-From header must be of the form <container name>/<object name>");
    refused("PUT", "/v1/a/c/o", "X-Copy-From", "c/o", "body", 400, "Copy requests require a zero byte body");
    struct exchange x;
    start(&x, "COPY", "/v1/a/c/o");
    exchange_header(&x, "Destination", "c/o");
    exchange_header(&x, "Destination-Account", "a%2Fb");
    exchange_run(&x, u.app);
    CHECK_INT(x.rsp.status, 412);
    CHECK_STR(exchange_text(&x), "Account name cannot contain slashes");
    exchange_release(&x);
}

static void test_source_fails(void **state)
{
    struct exchange x;
    static const int statuses[] = {404, 403, 416, 304, 503};
    for (size_t i = 0; i < 5; i++) {
        start(&x, "COPY", "/v1/a/c/o");
        store.source_status = statuses[i];
        exchange_header(&x, "Destination", "c/o");
        exchange_run(&x, u.app);
        CHECK_INT(x.rsp.status, statuses[i]);
        CHECK_INT(store.puts, 0);
        exchange_release(&x);
    }
    start(&x, "COPY", "/v1/a/c/o");
    store.unknown_length = true;
    exchange_header(&x, "Destination", "c/o");
    exchange_run(&x, u.app);
    CHECK_INT(x.rsp.status, 413);
    exchange_release(&x);
    start(&x, "COPY", "/v1/a/c/o");
    store.put_status = 404;
    exchange_header(&x, "Destination", "c/o");
    exchange_run(&x, u.app);
    CHECK_INT(x.rsp.status, 404);
    CHECK(!exchange_field(&x, "X-Copied-From").p);
    exchange_release(&x);
}

static void test_options(void **state)
{
    struct exchange x;
    start(&x, "OPTIONS", "/v1/a/c/o");
    exchange_run(&x, u.app);
    CHECK_STR(exchange_field(&x, "Allow"), "GET, PUT, COPY");
    exchange_release(&x);
    start(&x, "OPTIONS", "/v1/a/c");
    exchange_run(&x, u.app);
    CHECK_STR(exchange_field(&x, "Allow"), "GET, PUT");
    exchange_release(&x);
}

static int setup(void **state)
{
    under_test_init(&u, copy_new, "[filter:x]\n");
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
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_put),
        cmocka_unit_test(test_parts_are_not_verified),
        cmocka_unit_test(test_manifests),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_source_fails),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
