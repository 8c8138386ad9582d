/* SPDX-License-Identifier: Apache-2.0
 *
 * test_store_swift.c: the store over HTTP against a server that says what the test wrote down: tokens, repetition,
 * statuses, and answers that must not be believed. auth.c and transfer.c are tested along with it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include <curl/curl.h>
#include "common/alloc.h"
#include "common/buf.h"
#include "fs/store_swift.h"

/* Answers in order, each to one request; NULL ends them. "" closes without an answer. */
struct script {
    int listener;
    unsigned short port;
    const char *const *answers;
    char requests[32][2048]; /* heads, as they came */
    size_t n;
    pthread_t thread;
};

/* Reads a head, then as much body as Content-Length says. */
static bool read_request(int fd, char *out, size_t size)
{
    size_t n = 0, body = 0, length = 0;
    char c;

    while (n < size - 1 && read(fd, &c, 1) == 1) {
        out[n++] = c;
        if (n >= 4 && memcmp(out + n - 4, "\r\n\r\n", 4) == 0)
            break;
    }
    out[n] = '\0';
    if (strstr(out, "Content-Length: "))
        length = strtoul(strstr(out, "Content-Length: ") + 16, NULL, 10);
    while (body < length && read(fd, &c, 1) == 1)
        body++;
    return n > 0;
}

static void *serve(void *arg)
{
    struct script *s = arg;
    int fd = -1;

    for (const char *const *answer = s->answers; *answer; answer++) {
        for (;;) {
            if (fd < 0)
                fd = accept(s->listener, NULL, NULL);
            if (fd < 0)
                return NULL;
            if (read_request(fd, s->requests[s->n], sizeof s->requests[0]))
                break;
            close(fd);
            fd = -1;
        }
        s->n++;
        if (**answer && send(fd, *answer, strlen(*answer), MSG_NOSIGNAL) > 0 && !strstr(*answer, "CUT"))
            continue;
        close(fd);
        fd = -1;
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

static void script_start(struct script *s, const char *const *answers)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;

    *s = (struct script){.answers = answers};
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(s->listener, 8), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&at, &size), 0);
    s->port = ntohs(at.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

struct client {
    struct script script;
    struct transfer_pool *pool;
    struct auth *auth;
    struct store *store;
    struct arena *a;
    struct store_reply reply;
};

#define OK_HEAD   "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
#define TOKEN(t)  OK_HEAD "X-Auth-Token: " t "\r\nX-Storage-Url: http://elsewhere/v1/AUTH_x\r\n\r\n"
#define INFO      "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
#define STATUS(s) "HTTP/1.1 " s "\r\nContent-Length: 0\r\n\r\n"

/* The first two answers of each script are for the token and /info. */
static void client_start(struct client *c, const char *const *answers)
{
    char url[64], storage[64], token[AUTH_TOKEN_SIZE];
    struct auth_options o = {.url = url, .user = "u:v", .key = "secret", .storage_url = storage};
    uint64_t generation;

    memset(c, 0, sizeof *c);
    script_start(&c->script, answers);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/auth/v1.0", c->script.port);
    snprintf(storage, sizeof storage, "http://127.0.0.1:%d/v1/A/", c->script.port);
    c->a = arena_new();
    c->pool = transfer_pool_new(NULL);
    c->auth = auth_new(c->pool, &o);
    assert_int_equal(auth_token(c->auth, token, &generation), 0);
    c->store = store_swift_new(c->pool, c->auth);
}

static void client_end(struct client *c, size_t requests)
{
    c->store->free(c->store);
    auth_free(c->auth);
    transfer_pool_free(c->pool);
    shutdown(c->script.listener, SHUT_RDWR);
    close(c->script.listener);
    pthread_join(c->script.thread, NULL);
    assert_int_equal(c->script.n, requests);
    arena_free(c->a);
}

static const struct store_name object = {STR_INIT("c o"), STR_INIT("d/../\xc3\xbc?#")};

static bool asked(const struct client *c, size_t i, const char *what)
{
    return strstr(c->script.requests[i], what) != NULL;
}

static void names_token_and_answer(void **state)
{
    static const char *const answers[] = {
        TOKEN("one"), INFO,
        OK_HEAD
        "Etag: \"abc\"\r\nX-Timestamp: 1700000010.12345\r\nLast-Modified: Tue, 14 Nov 2023 22:13:31 GMT\r\n"
        "X-Object-Meta-Mode: 100644\r\nX-Static-Large-Object: True\r\n\r\n",
        OK_HEAD "X-Container-Meta-Quota-Bytes: 5\r\nX-Container-Bytes-Used: 77\r\n\r\n", NULL};
    struct client c;

    client_start(&c, answers);
    assert_int_equal(c.store->head(c.store, object, c.a, &c.reply), 0);
    assert_true(asked(&c, 0, "X-Auth-User: u:v\r\n") && asked(&c, 0, "X-Auth-Key: secret\r\n"));
    assert_true(asked(&c, 2, "HEAD /v1/A/c%20o/d/../%C3%BC%3F%23 HTTP/1.1\r\n"));
    assert_true(asked(&c, 2, "X-Auth-Token: one\r\n"));
    assert_string_equal(c.reply.etag, "abc");
    assert_true(c.reply.large);
    assert_int_equal(c.reply.changed_us, 1700000010123450);
    assert_int_equal(c.reply.changed_limit_s, 1700000011);
    assert_int_equal(c.store->head(c.store, (struct store_name){STR("c"), STR_NONE}, c.a, &c.reply), 0);
    assert_true(asked(&c, 3, "HEAD /v1/A/c HTTP/1.1\r\n"));
    assert_int_equal(c.reply.size, 77);
    assert_true(str_eq(header_get(&c.reply.headers, STR("X-Object-Meta-Quota-Bytes")), STR("5")));
    client_end(&c, 4);
}

static void a_refused_token_is_renewed_once(void **state)
{
    static const char *const answers[] = {TOKEN("one"),
                                          INFO,
                                          STATUS("401 Unauthorized"),
                                          TOKEN("two"),
                                          STATUS("200 OK"),
                                          STATUS("401 Unauthorized"),
                                          TOKEN("three"),
                                          STATUS("401 Unauthorized"),
                                          NULL};
    struct client c;

    client_start(&c, answers);
    assert_int_equal(c.store->head(c.store, object, c.a, &c.reply), 0);
    assert_true(asked(&c, 4, "X-Auth-Token: two\r\n"));
    assert_int_equal(c.store->head(c.store, object, c.a, &c.reply), -EACCES);
    client_end(&c, 8);
}

static void what_did_not_get_through_is_repeated(void **state)
{
    static const char *const answers[] = {
        TOKEN("one"), INFO, STATUS("503 Service Unavailable"), "", STATUS("404 Not Found"), NULL};
    struct client c;

    client_start(&c, answers);
    assert_int_equal(c.store->head(c.store, object, c.a, &c.reply), -ENOENT);
    client_end(&c, 5);
}

static void repetition_is_bounded(void **state)
{
    static const char *const answers[] = {TOKEN("one"),
                                          INFO,
                                          STATUS("503 x"),
                                          STATUS("503 x"),
                                          STATUS("503 x"),
                                          STATUS("503 x"),
                                          STATUS("503 x"),
                                          STATUS("503 x"),
                                          NULL};
    struct client c;

    client_start(&c, answers);
    assert_int_equal(c.store->remove(c.store, object), -EAGAIN);
    client_end(&c, 2 + STORE_SWIFT_ATTEMPTS);
}

/* --- bodies -------------------------------------------------------------------------------------------------------- */

static int to_buf(void *arg, const void *p, size_t n)
{
    return buf_append(arg, p, n);
}

static void bodies_are_what_was_asked_for(void **state)
{
    static const char *const answers[] = {
        TOKEN("one"),
        INFO,
        "HTTP/1.1 206 x\r\nContent-Length: 3\r\nContent-Range: bytes 5-7/10\r\n\r\nabc",
        "HTTP/1.1 206 x\r\nContent-Length: 3\r\nContent-Range: bytes 4-6/10\r\n\r\nabc",
        "HTTP/1.1 200 x\r\nContent-Length: 10\r\n\r\n0123456789",
        "HTTP/1.1 206 x\r\nContent-Length: 4\r\nContent-Range: bytes 5-8/10\r\n\r\nabcd",
        STATUS("412 Precondition Failed"),
        STATUS("416 x"),
        "HTTP/1.1 206 x\r\nContent-Length: 3\r\nContent-Range: bytes 5-7/10\r\nX: CUT\r\n\r\nab",
        NULL};
    static const int want[] = {0, -EBADMSG, -EBADMSG, -EBADMSG, -ESTALE, -ESTALE, -EAGAIN};
    struct client c;
    struct buf b;
    struct store_sink sink = {.write = to_buf, .arg = &b};

    client_start(&c, answers);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        buf_init(&b, 100);
        assert_int_equal(c.store->get(c.store, object, "E", 5, 3, &sink), want[i]);
        assert_true(asked(&c, 2 + i, "Range: bytes=5-7\r\n") && asked(&c, 2 + i, "If-Match: \"E\"\r\n"));
        if (want[i] == 0)
            assert_true(str_eq(buf_view(&b), STR("abc")));
        buf_release(&b);
    }
    client_end(&c, 9);
}

struct body {
    struct str s;
    size_t at;
    unsigned rewinds;
};

static ssize_t body_read(void *arg, void *p, size_t n)
{
    struct body *b = arg;

    n = n < b->s.n - b->at ? n : b->s.n - b->at;
    memcpy(p, b->s.p + b->at, n);
    b->at += n;
    return (ssize_t)n;
}

static int body_rewind(void *arg)
{
    struct body *b = arg;

    b->at = 0;
    b->rewinds++;
    return 0;
}

static void uploads(void **state)
{
    static const char *const answers[] = {
        TOKEN("one"),    INFO,
        STATUS("503 x"), "HTTP/1.1 201 Created\r\nContent-Length: 0\r\nEtag: e\r\n\r\n",
        STATUS("412 x"), STATUS("413 x"),
        STATUS("507 x"), NULL};
    static const int want[] = {0, -EEXIST, -EDQUOT, -ENOSPC};
    struct body body = {.s = STR("hello")};
    struct store_source source = {.length = 5, .read = body_read, .rewind = body_rewind, .arg = &body};
    struct client c;
    struct header_table h;

    client_start(&c, answers);
    header_init(&h, c.a);
    header_add(&h, STR("X-Object-Meta-Empty"), STR(""));
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        body.at = 0;
        assert_int_equal(c.store->put(c.store, object, &h, true, &source, c.a, &c.reply), want[i]);
    }
    assert_int_equal(body.rewinds, 1);
    assert_true(asked(&c, 3, "If-None-Match: *\r\n") && asked(&c, 3, "X-Object-Meta-Empty:"));
    header_add(&h, STR("X-Bad"), STR("a\r\nX-Injected: b"));
    assert_int_equal(c.store->put(c.store, object, &h, true, NULL, c.a, &c.reply), -EINVAL);
    client_end(&c, 7);
}

static void copies_are_confirmed(void **state)
{
    static const char *const answers[] = {
        TOKEN("one"), INFO, "HTTP/1.1 201 x\r\nContent-Length: 0\r\nEtag: e\r\nX-Copied-From: c/o\r\n\r\n",
        "HTTP/1.1 201 x\r\nContent-Length: 0\r\nEtag: d41d8cd98f00b204e9800998ecf8427e\r\n\r\n", NULL};
    struct store_name to = {STR("c"), STR("to")};
    struct client c;

    client_start(&c, answers);
    assert_int_equal(c.store->copy(c.store, object, to, c.a, &c.reply), 0);
    assert_string_equal(c.reply.etag, "e");
    assert_true(asked(&c, 2, "PUT /v1/A/c/to?multipart-manifest=get HTTP/1.1\r\n"));
    assert_true(asked(&c, 2, "X-Copy-From: /c%20o/d/../%C3%BC%3F%23\r\n"));
    assert_int_equal(c.store->copy(c.store, object, to, c.a, &c.reply), -EOPNOTSUPP);
    assert_int_equal(c.store->copy(c.store, object, to, c.a, &c.reply), -EOPNOTSUPP); /* not asked again */
    client_end(&c, 4);
}

static void listings(void **state)
{
    static const char *const answers[] = {
        TOKEN("one"),
        "HTTP/1.1 200 x\r\nContent-Length: 60\r\n\r\n{\"swift\":{\"container_listing_limit\":2,"
        "\"max_file_size\":999}}   ",
        "HTTP/1.1 200 x\r\nContent-Length: 27\r\n\r\n[{\"name\":\"a\"},{\"name\":\"b\"}]",
        "HTTP/1.1 200 x\r\nContent-Length: 14\r\n\r\n[{\"name\":\"c\"}]",
        "HTTP/1.1 200 x\r\nContent-Length: 6\r\n\r\n<html>",
        STATUS("409 x"),
        NULL};
    struct client c;
    struct listing l;

    client_start(&c, answers);
    assert_int_equal(c.store->limits.max_file_size, 999);
    listing_init(&l);
    assert_int_equal(c.store->list(c.store, STR("c"), STR("p/"), '/', STR_NONE, 0, &l), 0);
    assert_true(l.more);
    assert_true(asked(&c, 2, "GET /v1/A/c?format=json&prefix=p%2F&delimiter=%2F&limit=2 HTTP/1.1\r\n"));
    assert_int_equal(c.store->list(c.store, STR("c"), STR("p/"), '/', l.last, 0, &l), 0);
    assert_true(asked(&c, 3, "&marker=b&limit=2"));
    assert_false(l.more);
    assert_int_equal(l.n, 3);
    assert_int_equal(c.store->list(c.store, STR("c"), STR(""), 0, STR_NONE, 0, &l), -EBADMSG);
    assert_int_equal(c.store->remove(c.store, (struct store_name){STR("c"), STR_NONE}), -ENOTEMPTY);
    listing_release(&l);
    client_end(&c, 6);
}

static void a_wrong_key_is_told(void **state)
{
    static const char *const answers[] = {STATUS("401 Unauthorized"), STATUS("200 OK"), NULL};
    struct script s;
    char url[64], token[AUTH_TOKEN_SIZE], message[256];
    struct auth_options o = {.url = url, .user = "u:v", .key = "k"};
    struct transfer_pool *pool = transfer_pool_new(NULL);
    struct auth *auth;
    uint64_t generation;

    script_start(&s, answers);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/auth/v1.0", s.port);
    auth = auth_new(pool, &o);
    assert_int_equal(auth_token(auth, token, &generation), -EACCES);
    auth_message(auth, message, sizeof message);
    assert_non_null(strstr(message, "refused user u:v"));
    assert_int_equal(auth_token(auth, token, &generation), -EPROTO);
    auth_free(auth);
    transfer_pool_free(pool);
    pthread_join(s.thread, NULL);
    close(s.listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_token_and_answer),
        cmocka_unit_test(a_refused_token_is_renewed_once),
        cmocka_unit_test(what_did_not_get_through_is_repeated),
        cmocka_unit_test(repetition_is_bounded),
        cmocka_unit_test(bodies_are_what_was_asked_for),
        cmocka_unit_test(uploads),
        cmocka_unit_test(copies_are_confirmed),
        cmocka_unit_test(listings),
        cmocka_unit_test(a_wrong_key_is_told),
    };
    int failed;

    curl_global_init(CURL_GLOBAL_DEFAULT);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return failed;
}
