/* SPDX-License-Identifier: Apache-2.0
 *
 * app_test.h: what the tests of middlewares and of the proxy share: configurations out of text, requests without a
 * connection, a next app that does as it is told. One file to include, as every unit test is a program of its own.
 *
 * cmocka's asserts jump, which must not cross tasks: CHECK counts and prints instead, and works everywhere.
 */
#ifndef TESTS_LIB_APP_TEST_H
#define TESTS_LIB_APP_TEST_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/app.h"
#include "base/env.h"
#include "base/error_page.h"
#include "base/memcache.h"
#include "common/alloc.h"
#include "common/file.h"
#include "common/log.h"
#include "rt/rt.h"

#define UNUSED_OK __attribute__((unused)) static

static atomic_int failures;

__attribute__((unused, format(printf, 3, 4))) static void failed(const char *file, int line,
                                                                 const char *format, ...)
{
    va_list args;
    char text[8192];
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fprintf(stderr, "%s:%d: %s\n", file, line, text);
    atomic_fetch_add(&failures, 1);
}

#define CHECK(cond) ((cond) ? (void)0 : failed(__FILE__, __LINE__, "%s", #cond))
#define CHECK_INT(got, want)                                                        \
    do {                                                                            \
        long long got_ = (long long)(got), want_ = (long long)(want);               \
        if (got_ != want_)                                                          \
            failed(__FILE__, __LINE__, "%s is %lld, want %lld", #got, got_, want_); \
    } while (0)
#define CHECK_STR(got, want)                                                                   \
    do {                                                                                       \
        struct str got_ = (got), want_ = str_from(want);                                       \
        if (!str_eq(got_, want_) || (got_.p == NULL) != (want_.p == NULL))                     \
            failed(__FILE__, __LINE__, "%s is \"%.*s\"%s, want \"%.*s\"", #got, STR_ARG(got_), \
                   got_.p ? "" : " (absent)", STR_ARG(want_));                                 \
    } while (0)
#define CHECK_HAS(text, part)                                                          \
    do {                                                                               \
        struct str text_ = (text);                                                     \
        if (str_find_str(text_, str_from(part), 0) < 0)                                \
            failed(__FILE__, __LINE__, "no \"%s\" in \"%.*s\"", part, STR_ARG(text_)); \
    } while (0)

/* A configuration out of text. */
UNUSED_OK struct conf *test_conf(const char *text)
{
    char path[] = "/tmp/martlet-app-test.XXXXXX";
    struct conf *conf = NULL;
    struct buf error;
    int fd = mkstemp(path);
    buf_init(&error, 4096);
    if (fd < 0 || file_write_all(fd, text, strlen(text)) || conf_load(path, &conf, &error))
        failed(__FILE__, __LINE__, "%.*s", STR_ARG(buf_view(&error)));
    if (fd >= 0)
        close(fd);
    unlink(path);
    buf_release(&error);
    return conf;
}

/* A swift.conf with the defaults, as far as middlewares look at it. */
UNUSED_OK const struct swift_conf *test_swift_conf(void)
{
    static struct swift_conf c;
    c.constraints = (struct constraints){.max_file_size = 5368709122,
                                         .max_meta_name_length = 128,
                                         .max_meta_value_length = 256,
                                         .max_meta_count = 90,
                                         .max_meta_overall_size = 4096,
                                         .max_header_size = 8192,
                                         .max_object_name_length = 1024,
                                         .container_listing_limit = 10000,
                                         .account_listing_limit = 10000,
                                         .max_account_name_length = 256,
                                         .max_container_name_length = 256,
                                         .valid_api_versions = "v1,v1.0",
                                         .auto_create_account_prefix = "."};
    return &c;
}

/* The app behind the one under test: counts, keeps the last request, and runs `answer`. */
struct next_app {
    struct http_app app;
    void (*answer)(struct http_request *req, struct http_response *rsp);
    int calls;
    struct http_request *last;
};

UNUSED_OK void next_handle(struct http_app *app, struct http_request *req, struct http_response *rsp)
{
    struct next_app *n = (struct next_app *)app;
    n->calls++;
    n->last = req;
    if (n->answer)
        n->answer(req, rsp);
    else
        error_page(rsp, 200);
}

/* One request at a time, with its answer. */
struct exchange {
    struct arena *arena;
    struct http_request req;
    struct http_response rsp;
    struct env *env;
    struct buf body;
};

UNUSED_OK void exchange_init(struct exchange *x, const char *method, const char *target)
{
    x->arena = arena_new();
    http_request_init(&x->req, x->arena, str_from(method), str_from(target));
    http_response_init(&x->rsp, x->arena);
    x->req.txn = STR("tx1");
    x->env = env_new(&x->req, NULL);
    buf_init(&x->body, 64 * 1024 * 1024);
}

UNUSED_OK void exchange_header(struct exchange *x, const char *name, const char *value)
{
    header_add(&x->req.headers, str_from(name), str_from(value));
}

UNUSED_OK void exchange_body(struct exchange *x, const char *text)
{
    x->req.body = http_body_memory(x->arena, str_from(text));
    x->req.content_length = (int64_t)strlen(text);
    x->req.has_length = true;
}

/* Calls the app and reads the answer's body. The error of reading, or 0. */
UNUSED_OK int exchange_run(struct exchange *x, struct http_app *app)
{
    int err = 0;
    http_app_call(app, &x->req, &x->rsp);
    if (x->rsp.body && !str_eq(x->req.method, STR("HEAD")))
        err = http_body_read_all(x->rsp.body, &x->body);
    http_body_close(x->rsp.body);
    x->rsp.body = NULL;
    return err;
}

UNUSED_OK void exchange_release(struct exchange *x)
{
    buf_release(&x->body);
    arena_free(x->arena);
}

UNUSED_OK struct str exchange_field(struct exchange *x, const char *name)
{
    return header_get(&x->rsp.headers, str_from(name));
}

UNUSED_OK struct str exchange_text(struct exchange *x)
{
    return buf_view(&x->body);
}

/* A middleware with its configuration. */
struct under_test {
    struct conf *conf;
    struct registry *registry;
    struct next_app next;
    struct http_app *app;
};

/* 0, or the error with its sentence in `error` (may be NULL). */
UNUSED_OK int under_test_try(struct under_test *u, app_filter_fn *make, const char *conf, struct buf *error)
{
    struct buf own;
    buf_init(&own, 4096);
    *u = (struct under_test){.conf = test_conf(conf), .registry = registry_new()};
    u->next.app.handle = next_handle;
    struct app_filter filter = {.conf = u->conf,
                                .section = "filter:x",
                                .swift = test_swift_conf(),
                                .registry = u->registry,
                                .next = &u->next.app};
    int err = make(&filter, &u->app, error ? error : &own);
    if (err && !error)
        failed(__FILE__, __LINE__, "%.*s", STR_ARG(buf_view(&own)));
    buf_release(&own);
    return err;
}

UNUSED_OK void under_test_init(struct under_test *u, app_filter_fn *make, const char *conf)
{
    under_test_try(u, make, conf, NULL);
}

UNUSED_OK void under_test_release(struct under_test *u)
{
    if (u->app)
        u->app->free(u->app);
    registry_free(u->registry);
    conf_free(u->conf);
}

/* Runs fn as a task; a test of cmocka. */
UNUSED_OK void in_task(void (*fn)(void *))
{
    struct rt_options options = {.loops = 1};
    atomic_store(&failures, 0);
    assert_int_equal(rt_run(&options, fn, NULL), 0);
    assert_int_equal(failures, 0);
}

#endif
