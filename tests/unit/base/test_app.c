/* SPDX-License-Identifier: Apache-2.0
 *
 * Pipelines: order, names, what is added, what is refused; and the env every request gets.
 */
#include "tests/lib/app_test.h"

/* Middlewares that write their section's name into the answer on the way in. */
struct stage {
    struct http_app app, *next;
    char name[64];
};

static struct str passed;

static void stage_handle(struct http_app *app, struct http_request *req, struct http_response *rsp)
{
    struct stage *s = (struct stage *)app;
    CHECK(req->env != NULL);
    passed = arena_join(req->arena, passed, passed.n ? STR(" ") : STR(""), str_from(s->name), STR_END);
    http_app_call(s->next, req, rsp);
}

static void stage_free(struct http_app *app)
{
    free(app);
}

static int stage_new(const struct app_filter *f, struct http_app **ret, struct buf *error)
{
    struct stage *s = xcalloc(1, sizeof(*s));
    s->app = (struct http_app){stage_handle, stage_free};
    s->next = f->next;
    snprintf(s->name, sizeof(s->name), "%s", f->section + 7);
    registry_set(f->registry, s->name, "there", "true");
    *ret = &s->app;
    return 0;
}

static int failing_new(const struct app_filter *f, struct http_app **ret, struct buf *error)
{
    buf_printf(error, "[%s] does not like it", f->section);
    return -EINVAL;
}

static int mode;

static void server_handle(struct http_app *app, struct http_request *req, struct http_response *rsp)
{
    if (mode == 0)
        error_page(rsp, 404);
    else if (mode == 1)
        error_text(rsp, 412, NULL, "Bad URL");
    else
        error_page(rsp, 200);
    if (mode == 2)
        header_add(&rsp->headers, STR("Content-Length"), STR("77"));
}

static int server_new(const struct server_context *c, struct http_app **ret, struct buf *error)
{
    struct http_app *app = xcalloc(1, sizeof(*app));
    *app = (struct http_app){server_handle, stage_free};
    *ret = app;
    return 0;
}

static const struct app_middleware middlewares[] = {{"catch_errors", NULL, stage_new},
                                                    {"gatekeeper", NULL, stage_new},
                                                    {"proxy_logging", NULL, stage_new},
                                                    {"memcache", "cache", stage_new},
                                                    {"listing_formats", NULL, stage_new},
                                                    {"tempauth", NULL, stage_new},
                                                    {"copy", NULL, stage_new},
                                                    {"failing", NULL, failing_new},
                                                    {NULL, NULL, NULL}};
static const struct app_server servers[] = {{"proxy", server_new}, {"object", server_new}, {NULL, NULL}};

static int make(const char *text, struct conf **ret_conf, struct http_app **ret, struct buf *error)
{
    *ret_conf = test_conf(text);
    struct app_pipeline p = {
        .conf = *ret_conf, .swift = test_swift_conf(), .middlewares = middlewares, .servers = servers};
    return app_pipeline_new(&p, ret, error);
}

static void becomes(const char *text, const char *want)
{
    struct conf *conf;
    struct http_app *app;
    struct buf error;
    buf_init(&error, 4096);
    if (make(text, &conf, &app, &error)) {
        failed(__FILE__, __LINE__, "%.*s", STR_ARG(buf_view(&error)));
    } else {
        CHECK_STR(str_from(app_pipeline_text(app)), want);
        app->free(app);
    }
    conf_free(conf);
    buf_release(&error);
}

#define PROXY "[app:p]\nuse = egg:swift#proxy\n"

static void test_pipelines(void **state)
{
    becomes("[pipeline:main]\npipeline = catch_errors gatekeeper proxy-logging cache listing_formats "
            "tempauth copy "
            "proxy-logging p\n" PROXY,
            "catch_errors gatekeeper proxy-logging cache listing_formats tempauth copy proxy-logging p");
    /* what is missing is added in its place */
    becomes("[pipeline:main]\npipeline = p\n" PROXY, "catch_errors gatekeeper listing_formats copy p");
    becomes("[pipeline:main]\npipeline = proxy-logging cache tempauth proxy-logging p\n" PROXY,
            "catch_errors gatekeeper proxy-logging cache listing_formats tempauth copy proxy-logging p");
    becomes("[pipeline:main]\npipeline = cache catch_errors tempauth p\n" PROXY,
            "gatekeeper cache catch_errors listing_formats tempauth copy p");
    /* sections may be called as one likes */
    becomes("[pipeline:main]\npipeline = log catch_errors gatekeeper listing_formats copy p\n"
            "[filter:log]\nuse = egg:swift#proxy_logging\n" PROXY,
            "log catch_errors gatekeeper listing_formats copy p");
    /* only to a proxy */
    becomes("[pipeline:main]\npipeline = cache o\n[app:o]\nuse = egg:swift#object\n", "cache o");
    assert_int_equal(failures, 0);
}

static void refuses(const char *text, const char *part)
{
    struct conf *conf;
    struct http_app *app;
    struct buf error;
    buf_init(&error, 4096);
    CHECK_INT(make(text, &conf, &app, &error), -EINVAL);
    CHECK_HAS(buf_view(&error), part);
    CHECK_HAS(buf_view(&error),
              str_find_str(str_from(part), STR("like it"), 0) < 0 ? conf_path(conf) : "[filter:");
    conf_free(conf);
    buf_release(&error);
}

static void test_refusals(void **state)
{
    refuses("[pipeline:main]\npipeline = slo p\n" PROXY,
            "unknown entry 'slo'; there are: catch_errors gatekeeper");
    refuses("[pipeline:main]\npipeline = x p\n[filter:x]\nuse = egg:swift#bulk\n" PROXY,
            "unknown entry 'x' ([filter:x] use = egg:swift#bulk)");
    refuses("[pipeline:main]\npipeline = copy p\n[filter:copy]\nuse = egg:other#copy\n" PROXY,
            "unknown entry 'copy'");
    refuses("[pipeline:main]\npipeline = copy p\n", "the last entry 'p' needs a section [app:p]");
    refuses("[pipeline:main]\npipeline = copy p\n[app:p]\nuse = egg:swift#nope\n",
            "egg:swift#proxy or egg:swift#object");
    refuses("[pipeline:main]\n", "pipeline is missing or empty");
    refuses("[app:p]\nuse = egg:swift#proxy\n", "pipeline is missing or empty");
    refuses("[pipeline:main]\npipeline = failing p\n" PROXY, "[filter:failing] does not like it");
    assert_int_equal(failures, 0);
}

static int64_t head_length(struct http_app *app)
{
    struct exchange x;
    int64_t n = 0;
    exchange_init(&x, "HEAD", "/");
    http_app_call(app, &x.req, &x.rsp);
    CHECK(!x.rsp.body || header_has(&x.rsp.headers, STR("Content-Length")));
    str_to_i64(exchange_field(&x, "Content-Length"), &n);
    http_body_close(x.rsp.body);
    exchange_release(&x);
    return n;
}

static void test_requests(void **state)
{
    struct conf *conf;
    struct http_app *app;
    struct buf error;
    struct exchange x;
    buf_init(&error, 4096);
    CHECK_INT(make("[pipeline:main]\npipeline = p\n" PROXY, &conf, &app, &error), 0);
    exchange_init(&x, "GET", "/");
    passed = STR("");
    mode = 0;
    exchange_run(&x, app);
    CHECK_STR(passed, "catch_errors gatekeeper listing_formats copy");
    CHECK_INT(x.rsp.status, 404);
    exchange_release(&x);
    /* to HEAD a standard page is no body, an own text says its length, a length of the app's stays */
    passed = STR("");
    CHECK_INT(head_length(app), 0);
    mode = 1;
    passed = STR("");
    CHECK_INT(head_length(app), 7);
    mode = 2;
    passed = STR("");
    CHECK_INT(head_length(app), 77);
    app->free(app);
    conf_free(conf);
    buf_release(&error);
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pipelines),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_requests),
    };
    log_set_level(LOG_LEVEL_WARNING);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
