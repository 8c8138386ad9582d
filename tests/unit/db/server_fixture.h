/* SPDX-License-Identifier: Apache-2.0
 *
 * server_fixture.h: an account or container server without a network: requests are made in memory, each in a run of
 * the runtime of its own, so that the assertions stand outside of tasks.
 */
#ifndef TESTS_UNIT_DB_SERVER_FIXTURE_H
#define TESTS_UNIT_DB_SERVER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/servers.h"
#include "common/alloc.h"
#include "common/conf.h"
#include "common/file.h"
#include "common/log.h"
#include "http/http_request.h"
#include "rt/rt.h"

struct server {
    char root[48];
    struct conf *conf;
    struct swift_conf *swift;
    server_new_fn *make;
    const char *section;
    struct http_app *app;
    struct arena *arena; /* of the last answer */
    struct http_response rsp;
    char *body; /* NUL-terminated */
    const char *method, *target, *fields, *request_body;
};

static void server_write(const char *root, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", root, name);
    assert_int_equal(file_replace(path, text, strlen(text), 0644), 0);
}

static void server_make(void *arg)
{
    struct server *s = arg;
    struct server_context context = {.conf = s->conf, .section = s->section, .swift = s->swift};
    struct buf error;

    buf_init(&error, 4096);
    if (s->make(&context, &s->app, &error)) {
        fprintf(stderr, "%.*s\n", STR_ARG(buf_view(&error)));
        abort();
    }
    buf_release(&error);
}

__attribute__((unused)) static struct server *server_start(server_new_fn *make, const char *section)
{
    struct server *s = xcalloc(1, sizeof(*s));
    struct rt_options options = {.loops = 1, .offload_threads = 2};
    struct buf error;
    char path[128];

    log_set_level(LOG_LEVEL_ERROR);
    buf_init(&error, 4096);
    snprintf(s->root, sizeof(s->root), "/tmp/martlet-srv-test.XXXXXX");
    assert_non_null(mkdtemp(s->root));
    snprintf(path, sizeof(path), "%s/node/sda1", s->root);
    assert_int_equal(file_make_dirs(path, 0755, false), 0);
    server_write(s->root, "swift.conf",
                 "[swift-hash]\nswift_hash_path_suffix = changeme\n"
                 "[storage-policy:0]\nname = gold\ndefault = yes\n[storage-policy:1]\nname = silver\n");
    char *conf = xasprintf("[DEFAULT]\ndevices = %s/node\nmount_check = false\n[%s]\nfallocate_reserve = 0\n"
                           "log_requests = no\n",
                           s->root, section);
    server_write(s->root, "server.conf", conf);
    free(conf);
    snprintf(path, sizeof(path), "%s/server.conf", s->root);
    assert_int_equal(conf_load(path, &s->conf, &error), 0);
    assert_int_equal(swift_conf_load(s->root, &s->swift, &error), 0);
    s->make = make;
    s->section = section;
    assert_int_equal(rt_run(&options, server_make, s), 0);
    buf_release(&error);
    return s;
}

static void server_forget(struct server *s)
{
    if (s->arena)
        http_response_clear(&s->rsp);
    arena_free(s->arena);
    free(s->body);
    s->arena = NULL;
    s->body = NULL;
}

static void server_free_app(void *arg)
{
    struct server *s = arg;
    s->app->free(s->app);
}

__attribute__((unused)) static void server_stop(struct server *s)
{
    struct rt_options options = {.loops = 1, .offload_threads = 2};

    server_forget(s);
    assert_int_equal(rt_run(&options, server_free_app, s), 0);
    conf_free(s->conf);
    swift_conf_free(s->swift);
    assert_int_equal(file_remove_tree(s->root), 0);
    free(s);
}

/* "Name: value\nName: value" */
static void server_add_fields(struct http_request *req, const char *fields)
{
    struct str rest = str_from(fields), line, name, value;

    while (str_next(&rest, '\n', &line))
        if (str_cut(line, ':', &name, &value))
            header_add(&req->headers, name, str_trim(value));
}

static void server_handle(void *arg)
{
    struct server *s = arg;
    struct http_request req;
    struct buf body;

    s->arena = arena_new();
    http_request_init(&req, s->arena, str_from(s->method), str_from(s->target));
    server_add_fields(&req, s->fields);
    if (s->request_body) {
        req.body = http_body_memory(s->arena, str_from(s->request_body));
        req.content_length = (int64_t)strlen(s->request_body);
        req.has_length = true;
    }
    http_response_init(&s->rsp, s->arena);
    http_app_call(s->app, &req, &s->rsp);
    buf_init(&body, 1u << 30);
    if (s->rsp.body)
        http_body_read_all(s->rsp.body, &body);
    s->body = buf_take(&body, NULL);
}

/* The status; the answer's fields and body stay in s until the next request. */
__attribute__((unused)) static int request_with(struct server *s, const char *method, const char *target,
                                                const char *fields, const char *body)
{
    struct rt_options options = {.loops = 1, .offload_threads = 2};

    server_forget(s);
    s->method = method;
    s->target = target;
    s->fields = fields;
    s->request_body = body;
    assert_int_equal(rt_run(&options, server_handle, s), 0);
    return s->rsp.status;
}

__attribute__((unused)) static int request(struct server *s, const char *method, const char *target,
                                           const char *fields)
{
    return request_with(s, method, target, fields, NULL);
}

#define assert_field(s, name, expected)                             \
    do {                                                            \
        struct str got_ = header_get(&(s)->rsp.headers, STR(name)); \
        char *text_ = str_dup(got_);                                \
        assert_non_null(got_.p);                                    \
        assert_string_equal(text_, expected);                       \
        free(text_);                                                \
    } while (0)
#define assert_no_field(s, name) assert_null(header_get(&(s)->rsp.headers, STR(name)).p)

#endif
