/* SPDX-License-Identifier: Apache-2.0
 *
 * http_test.h: what the tests of both sides share: checks that work inside tasks, a raw client, and an app with a
 * handler for every way to answer.
 */
#ifndef TESTS_UNIT_HTTP_TEST_H
#define TESTS_UNIT_HTTP_TEST_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include "common/alloc.h"
#include "common/clock.h"
#include "http/http_listen.h"
#include "http/http_range.h"
#include "rt/rt.h"

/* cmocka's asserts jump, which must not cross tasks: inside them failures are counted and printed. */
static atomic_int failures;

static void failed(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void failed(const char *file, int line, const char *format, ...)
{
    va_list args;
    char text[4096];
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
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
#define CHECK_HAS(text, part)                                                          \
    do {                                                                               \
        struct str text_ = (text);                                                     \
        if (str_find_str(text_, str_from(part), 0) < 0)                                \
            failed(__FILE__, __LINE__, "no \"%s\" in \"%.*s\"", part, STR_ARG(text_)); \
    } while (0)
#define CHECK_LACKS(text, part)                                                     \
    do {                                                                            \
        struct str text_ = (text);                                                  \
        if (str_find_str(text_, str_from(part), 0) >= 0)                            \
            failed(__FILE__, __LINE__, "\"%s\" in \"%.*s\"", part, STR_ARG(text_)); \
    } while (0)
#define CHECK_STARTS(text, part)                                                              \
    do {                                                                                      \
        struct str text_ = (text);                                                            \
        if (!str_starts(text_, str_from(part)))                                               \
            failed(__FILE__, __LINE__, "want \"%s...\", got \"%.*s\"", part, STR_ARG(text_)); \
    } while (0)

/* --- the app ----------------------------------------------------------------------------------------------- */

#define BIG_SIZE ((int64_t)3 * 1024 * 1024 + 17)

struct test_app {
    struct http_app app;
    int file; /* BIG_SIZE bytes of big_byte() */
    atomic_int handled, in_handler, bodies_closed;
};

static char big_byte(int64_t i)
{
    return (char)('a' + i % 23);
}

/* A body of `total` bytes 'x', step by step, that then ends, or fails; and from a file where `fd` >= 0. */
struct test_body {
    struct http_body body;
    struct test_app *app;
    int64_t left;
    size_t step;
    int end;
    int fd;
    int64_t at;
    int64_t sleep_ms;
};

static ssize_t test_body_read(struct http_body *b, void *p, size_t n)
{
    struct test_body *t = (struct test_body *)b;
    if (t->left == 0)
        return t->end;
    if (t->sleep_ms)
        rt_sleep(t->sleep_ms);
    n = n < t->step ? n : t->step;
    n = (int64_t)n < t->left ? n : (size_t)t->left;
    memset(p, 'x', n);
    for (size_t i = 0; t->fd >= 0 && i < n; i++)
        ((char *)p)[i] = big_byte(t->at + (int64_t)i);
    t->at += (int64_t)n;
    t->left -= (int64_t)n;
    return (ssize_t)n;
}

/* Every third time "not now", so that both ways of sending alternate. */
static int test_body_file_range(struct http_body *b, size_t max, int *ret_fd, off_t *ret_offset,
                                size_t *ret_n)
{
    struct test_body *t = (struct test_body *)b;
    if (t->fd < 0 || t->left == 0 || t->step-- % 3 == 0)
        return 0;
    *ret_fd = t->fd;
    *ret_offset = t->at;
    *ret_n = (int64_t)max < t->left ? max : (size_t)t->left;
    t->at += (int64_t)*ret_n;
    t->left -= (int64_t)*ret_n;
    return 1;
}

static void test_body_close(struct http_body *b)
{
    atomic_fetch_add(&((struct test_body *)b)->app->bodies_closed, 1);
}

static struct test_body *make_body(struct test_app *t, struct http_response *rsp, int64_t length,
                                   int64_t total, size_t step, int end)
{
    static const struct http_body_ops ops = {test_body_read, test_body_file_range, test_body_close};
    struct test_body *b = arena_alloc(rsp->arena, sizeof *b);
    *b = (struct test_body){{&ops, length}, t, total, step, end, -1, 0, 0};
    rsp->status = 200;
    rsp->body = &b->body;
    return b;
}

/* Answers with what was sent. */
static void handle_echo(struct http_request *req, struct http_response *rsp)
{
    struct buf all;
    buf_init(&all, 8 << 20);
    int r = http_body_read_all(req->body, &all);
    if (r < 0) {
        rsp->status = http_body_status(r);
        buf_release(&all);
        return;
    }
    rsp->status = 200;
    rsp->body = http_body_buf(req->arena, &all);
}

/* The object server's flow: first body, "100 Continue" again, second body. */
static void handle_two_phase(struct http_request *req, struct http_response *rsp)
{
    struct header_table extra;
    struct buf all;
    buf_init(&all, 1 << 20);
    header_init(&extra, req->arena);
    header_add(&extra, STR("X-Obj-Multiphase-Commit"), STR("yes"));
    CHECK_INT(http_request_continue(req, &extra), 0);
    int r = http_body_read_all(req->body, &all);
    buf_putc(&all, '+');
    if (r == 0)
        r = http_request_continue(req, &extra);
    if (r == 0)
        r = http_body_read_all(req->body, &all);
    rsp->status = r < 0 ? http_body_status(r) : 201;
    rsp->body = http_body_buf(req->arena, &all);
}

static struct http_body *open_big(void *arg, uint64_t start, uint64_t end, int *ret_err)
{
    struct http_response unused = {.arena = ((void **)arg)[0]};
    struct test_app *t = ((void **)arg)[1];
    int64_t n = (int64_t)(end - start + 1);
    struct test_body *b = make_body(t, &unused, n, n, 100000, 0);
    b->fd = t->file;
    b->at = (int64_t)start;
    return &b->body;
}

static void handle_ranges(struct test_app *t, struct http_request *req, struct http_response *rsp)
{
    void **arg = arena_alloc(req->arena, 2 * sizeof *arg);
    arg[0] = req->arena;
    arg[1] = t;
    rsp->status = 200;
    int err;
    if (http_response_ranges(req, rsp, (uint64_t)BIG_SIZE, STR("a/b"), open_big, arg) == HTTP_RANGE_NONE)
        rsp->body = open_big(arg, 0, (uint64_t)BIG_SIZE - 1, &err);
}

/* What is sent back while it comes in, after a first line, as SSYNC does. */
struct duplex_body {
    struct http_body body;
    struct http_body *in;
    bool begun;
};

static ssize_t duplex_read(struct http_body *b, void *p, size_t n)
{
    struct duplex_body *d = (struct duplex_body *)b;
    if (d->begun)
        return http_body_read(d->in, p, n);
    d->begun = true;
    memcpy(p, "\r\n", 2);
    return 2;
}

static void handle_duplex(struct http_request *req, struct http_response *rsp)
{
    static const struct http_body_ops ops = {.read = duplex_read};
    struct duplex_body *d = arena_alloc(req->arena, sizeof *d);
    *d = (struct duplex_body){{&ops, -1}, req->body, false};
    rsp->status = 200;
    rsp->body = &d->body;
}

static void handle_about(struct http_request *req, struct http_response *rsp)
{
    struct str text =
        arena_printf(req->arena, "%.*s|%.*s|%.*s|%.*s|%.*s|%d|%lld|%d|%d|%zu|%.*s", STR_ARG(req->method),
                     STR_ARG(req->target), STR_ARG(req->raw_path), STR_ARG(req->path), STR_ARG(req->query),
                     req->minor_version, (long long)req->content_length, req->chunked, req->has_length,
                     req->headers.n, STR_ARG(req->peer));
    http_response_text(rsp, 200, "text/plain", text);
}

static void handle_odd(struct test_app *t, struct str path, struct http_request *req,
                       struct http_response *rsp)
{
    if (str_eq(path, STR("/length-in-field"))) {
        make_body(t, rsp, -1, 9, 2, 0);
        header_add(&rsp->headers, STR("Content-Length"), STR("5"));
    } else if (str_eq(path, STR("/short"))) {
        make_body(t, rsp, 10, 4, 9, 0);
    } else if (str_eq(path, STR("/fails"))) {
        make_body(t, rsp, -1, 10, 4, -EIO);
    } else if (str_eq(path, STR("/fails-at-once"))) {
        make_body(t, rsp, 10, 0, 4, -EIO);
    } else if (str_eq(path, STR("/split"))) {
        http_response_text(rsp, 200, "a/b", STR("ok"));
        header_add(&rsp->headers, STR("X-A"), STR("1\r\nX-Evil: 2\n3\0004"));
        header_add(&rsp->headers, STR("X-B\r\nX-Evil"), STR("5"));
        header_add(&rsp->headers, STR("Connection"), STR("upgrade"));
        header_add(&rsp->headers, STR("Transfer-Encoding"), STR("gzip"));
        header_add(&rsp->headers, STR("Content-Length"), STR("77"));
        rsp->reason = STR("Fine\r\nX-Evil: 6");
    } else if (str_eq(path, STR("/204"))) {
        rsp->status = 204;
    } else if (str_eq(path, STR("/304"))) {
        http_response_text(rsp, 304, "a/b", STR("never sent"));
    } else if (str_eq(path, STR("/close"))) {
        http_response_text(rsp, 200, "a/b", STR("bye"));
        rsp->close = true;
    } else if (str_eq(path, STR("/empty"))) {
        rsp->status = 200;
    } else if (str_eq(path, STR("/head-length"))) {
        rsp->status = 200;
        header_add(&rsp->headers, STR("Content-Length"), STR("123"));
    } else if (str_eq(path, STR("/dated"))) {
        http_response_text(rsp, 200, "a/b", STR("x"));
        header_add(&rsp->headers, STR("Date"), STR("then"));
        header_add(&rsp->headers, STR("Server"), STR("mine"));
    }
}

static void test_app_handle(struct http_app *self, struct http_request *req, struct http_response *rsp)
{
    struct test_app *t = (struct test_app *)self;
    struct str path = req->path;
    atomic_fetch_add(&t->handled, 1);
    atomic_fetch_add(&t->in_handler, 1);
    if (str_eq(path, STR("/hello"))) {
        http_response_text(rsp, 200, "text/plain", STR("hello"));
    } else if (str_eq(path, STR("/echo"))) {
        handle_echo(req, rsp);
    } else if (str_eq(path, STR("/refuse"))) {
        http_response_text(rsp, 409, "text/plain", STR("no"));
    } else if (str_eq(path, STR("/slow"))) {
        rt_sleep(300);
        http_response_text(rsp, 200, "text/plain", STR("slow"));
    } else if (str_eq(path, STR("/slow-body"))) {
        make_body(t, rsp, 30, 30, 10, 0)->sleep_ms = 100;
    } else if (str_eq(path, STR("/stream"))) {
        make_body(t, rsp, -1, 25, 10, 0);
    } else if (str_eq(path, STR("/big"))) {
        handle_ranges(t, req, rsp);
    } else if (str_eq(path, STR("/duplex"))) {
        handle_duplex(req, rsp);
    } else if (str_eq(path, STR("/two-phase"))) {
        handle_two_phase(req, rsp);
    } else if (str_starts(path, STR("/about")) || str_eq(path, STR("*"))) {
        handle_about(req, rsp);
    } else {
        handle_odd(t, path, req, rsp);
    }
    atomic_fetch_sub(&t->in_handler, 1);
}

static void test_app_init(struct test_app *t)
{
    char name[] = "/tmp/http_test_XXXXXX", *text = xmalloc((size_t)BIG_SIZE);
    *t = (struct test_app){.app = {test_app_handle, NULL}};
    t->file = mkstemp(name);
    unlink(name);
    for (int64_t i = 0; i < BIG_SIZE; i++)
        text[i] = big_byte(i);
    if (t->file < 0 || write(t->file, text, (size_t)BIG_SIZE) != BIG_SIZE)
        abort();
    free(text);
}

/* --- a server and a raw client ----------------------------------------------------------------------------- */

static struct test_app test_app;
static struct http_server *server;
static int port;

static struct http_server *start_server(const struct http_server_options *options)
{
    struct http_server_options o = options ? *options : (struct http_server_options){0};
    struct http_server *s = NULL;
    struct buf error;
    buf_init(&error, 1000);
    if (!o.bind_ip)
        o.bind_ip = "127.0.0.1";
    o.app = &test_app.app;
    if (http_server_start(&o, &s, &error) < 0) {
        fprintf(stderr, "%s\n", error.p);
        abort();
    }
    buf_release(&error);
    return s;
}

static int raw_connect_to(int to)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)to)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = rt_connect((struct sockaddr *)&a, sizeof a, rt_deadline(5000));
    if (fd < 0)
        failed(__FILE__, __LINE__, "connect: %d", fd);
    return fd;
}

static int raw_connect(void)
{
    return raw_connect_to(port);
}

static void raw_send(int fd, struct str s)
{
    CHECK_INT(rt_write_all(fd, s.p, s.n, rt_deadline(5000)), 0);
}

/* Appends until the text ends in `until`; to the end of the connection with NULL. 0, or -errno. */
static int raw_receive(int fd, struct buf *out, const char *until)
{
    for (;;) {
        if (until && out->n > 0 && str_ends(buf_view(out), str_from(until)))
            return 0;
        char *p = buf_reserve(out, until ? 1 : 65536);
        ssize_t got = rt_read(fd, p, until ? 1 : 65536, rt_deadline(10000));
        if (got <= 0)
            return got < 0 ? (int)got : until ? -ENODATA : 0;
        out->n += (size_t)got;
    }
}

/* Runs fn as the first task with a server in place. */
static void (*scenario)(struct arena *a);

static void scenario_task(void *arg)
{
    struct arena *a = arena_new();
    server = start_server(arg);
    port = http_server_port(server);
    scenario(a);
    CHECK_INT(http_server_stop(server, 5000), 0);
    http_server_free(server);
    arena_free(a);
}

static void run_with(void (*fn)(struct arena *a), const struct http_server_options *options)
{
    struct rt_options o = {.loops = 2, .offload_threads = 2};
    scenario = fn;
    atomic_store(&failures, 0);
    assert_int_equal(rt_run(&o, scenario_task, (void *)(uintptr_t)options), 0);
    assert_int_equal(atomic_load(&failures), 0);
}

static void run(void (*fn)(struct arena *a))
{
    run_with(fn, NULL);
}

#endif
