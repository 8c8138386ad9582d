/* SPDX-License-Identifier: Apache-2.0
 *
 * test_http_conn.c: a real server on real sockets: answers byte for byte, malformed requests, bodies both ways,
 * limits, timeouts, stopping and handing over.
 */
#include "http_test.h"

#include "http/http_conn.h"

#define HOST "Host: h\r\n"

/* True if the other side closes within a second, without having sent anything more. */
static bool raw_closed(int fd)
{
    char c;
    return rt_read(fd, &c, 1, rt_deadline(1000)) == 0;
}

/* Sends all, then ours is closed for sending if half_close; all that comes until the server closes. */
static struct str talk(struct arena *a, struct str request, bool half_close)
{
    struct buf out;
    int fd = raw_connect();
    buf_init(&out, 16 << 20);
    raw_send(fd, request);
    if (half_close)
        shutdown(fd, SHUT_WR);
    int r = raw_receive(fd, &out, NULL);
    if (r < 0)
        failed(__FILE__, __LINE__, "receive: %d after \"%.*s\"", r, STR_ARG(request));
    rt_close(fd);
    struct str s = arena_str(a, buf_view(&out));
    buf_release(&out);
    return s.p ? s : STR("");
}

/* --- answers ----------------------------------------------------------------------------------------------- */

static void simple_answers(struct arena *a)
{
    struct str s = talk(a, STR("GET /hello HTTP/1.1\r\n" HOST "\r\n"), true);
    CHECK_STARTS(s, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: ");
    CHECK(str_ends(s, STR(" GMT\r\nContent-Length: 5\r\n\r\nhello")));
    CHECK_LACKS(s, "Connection");
    CHECK_LACKS(s, "Server");

    s = talk(a, STR("HEAD /hello HTTP/1.1\r\n" HOST "\r\n"), true);
    CHECK(str_ends(s, STR("Content-Length: 5\r\n\r\n")));
    s = talk(a, STR("HEAD /head-length HTTP/1.1\r\n" HOST "\r\n"), true);
    CHECK(str_ends(s, STR("Content-Length: 123\r\n\r\n")));
    s = talk(a, STR("GET /head-length HTTP/1.1\r\n" HOST "\r\n"), true); /* says more than there is */
    CHECK(str_ends(s, STR("Content-Length: 0\r\n\r\n")));
    s = talk(a, STR("HEAD /stream HTTP/1.1\r\n" HOST "\r\n"), true);
    CHECK(str_ends(s, STR("GMT\r\n\r\n")));
    s = talk(a, STR("HEAD /empty HTTP/1.1\r\n" HOST "\r\n"), true);
    CHECK(str_ends(s, STR("Content-Length: 0\r\n\r\n")));
    s = talk(a, STR("GET /204 HTTP/1.1\r\n" HOST "\r\n"), true);
    CHECK_STARTS(s, "HTTP/1.1 204 No Content\r\n");
    CHECK(str_ends(s, STR("Content-Length: 0\r\n\r\n")));
    s = talk(a, STR("GET /304 HTTP/1.1\r\n" HOST "\r\n"), true);
    CHECK_STARTS(s, "HTTP/1.1 304 Not Modified\r\nContent-Type: a/b\r\n");
    CHECK(str_ends(s, STR("Content-Length: 0\r\n\r\n")));
    s = talk(a, STR("GET /nothing-set HTTP/1.1\r\n" HOST "\r\n"), true);
    CHECK_STARTS(s, "HTTP/1.1 500 Internal Error\r\n");
    s = talk(a, STR("GET /dated HTTP/1.1\r\n" HOST "\r\n"), true);
    CHECK_HAS(s, "Date: then\r\nServer: mine\r\nContent-Length");
    CHECK_LACKS(s, "GMT");
}

static void test_simple_answers(void **state)
{
    run(simple_answers);
}

static void server_name(struct arena *a)
{
    struct str s = talk(a, STR("GET /hello HTTP/1.1\r\n" HOST "\r\n"), true);
    CHECK_HAS(s, "Server: Martlet\r\n");
    s = talk(a, STR("GET /dated HTTP/1.1\r\n" HOST "\r\n"), true);
    CHECK_LACKS(s, "Martlet");
}

static void test_server_name(void **state)
{
    struct http_server_options o = {.server_name = "Martlet"};
    run_with(server_name, &o);
}

static void check_about(struct arena *a, const char *head, const char *want)
{
    struct str s = talk(a, str_from(head), true);
    if (!str_ends(s, str_from(want)))
        failed(__FILE__, __LINE__, "want \"%s\" at the end of \"%.*s\"", want, STR_ARG(s));
}

static void what_handlers_see(struct arena *a)
{
    check_about(a, "GET /about/a%20b%2Fc?x=%20&y HTTP/1.1\r\n" HOST "A: b\r\n\r\n",
                "GET|/about/a%20b%2Fc?x=%20&y|/about/a%20b%2Fc|/about/a b/c|x=%20&y|1|0|0|0|2|127.0.0.1");
    check_about(a, "GET http://other:1/about?x HTTP/1.1\r\n" HOST "\r\n",
                "GET|http://other:1/about?x|/about|/about|x|1|0|0|0|1|127.0.0.1");
    check_about(a, "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "OPTIONS|*|*|*||1|0|0|0|1|127.0.0.1");
    check_about(a, "GET /about%%zz%4 HTTP/1.0\r\n\r\n",
                "GET|/about%%zz%4|/about%%zz%4|/about%%zz%4||0|0|0|0|0|127.0.0.1");
    check_about(a, "PUT /about HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc",
                "PUT|/about|/about|/about||1|3|0|1|2|127.0.0.1");
    check_about(a, "PUT /about HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "PUT|/about|/about|/about||1|-1|1|0|2|127.0.0.1");
}

static void test_what_handlers_see(void **state)
{
    run(what_handlers_see);
}

static void test_inside(void **state)
{
    struct arena *a = arena_new();
    struct http_request req;
    http_request_init(&req, a, STR("GET"), STR("/a%20b?c=d"));
    assert_true(str_eq(req.path, STR("/a b")) && str_eq(req.query, STR("c=d")));
    assert_int_equal(req.minor_version, 1);
    assert_int_equal(req.content_length, 0);
    assert_int_equal(http_body_read(req.body, a, 1), 0);
    assert_int_equal(http_request_continue(&req, NULL), 0);
    assert_int_equal(http_request_set_target(&req, STR("no/slash")), -EINVAL);
    assert_int_equal(http_request_set_target(&req, STR("")), -EINVAL);
    assert_true(str_eq(req.target, STR("/a%20b?c=d")));
    assert_int_equal(http_request_set_target(&req, STR("HTTPS://h?")), 0);
    assert_true(str_eq(req.raw_path, STR("/")));
    assert_true(req.query.p && req.query.n == 0);
    assert_string_equal(http_reason(416), "Requested Range Not Satisfiable");
    assert_string_equal(http_reason(100), "Continue");
    assert_string_equal(http_reason(529), "Too Many Backend Requests");
    assert_string_equal(http_reason(799), "Unknown");
    arena_free(a);
}

static void no_splitting(struct arena *a)
{
    struct str s = talk(a, STR("GET /split HTTP/1.1\r\n" HOST "\r\n"), true);
    CHECK_STARTS(s, "HTTP/1.1 200 Fine  X-Evil: 6\r\n");
    CHECK_HAS(s, "\r\nX-A: 1  X-Evil: 2 3 4\r\n");
    CHECK_LACKS(s, "\nX-Evil");
    CHECK_LACKS(s, "X-B");
    CHECK_LACKS(s, "upgrade");
    CHECK_LACKS(s, "gzip");
    CHECK_LACKS(s, "77");
    CHECK(str_ends(s, STR("Content-Length: 2\r\n\r\nok")));
}

static void test_no_splitting(void **state)
{
    run(no_splitting);
}

/* --- connections that go on or not ------------------------------------------------------------------------- */

static void keep_alive(struct arena *a)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    int fd = raw_connect();
    for (int i = 0; i < 3; i++) {
        buf_reset(&out);
        raw_send(fd, STR("GET /hello HTTP/1.1\r\n" HOST "\r\n"));
        CHECK_INT(raw_receive(fd, &out, "hello"), 0);
    }
    CHECK_INT(http_server_connections(server), 1);
    raw_send(fd, STR("GET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"));
    buf_reset(&out);
    CHECK_INT(raw_receive(fd, &out, NULL), 0);
    CHECK_HAS(buf_view(&out), "Connection: close\r\n");
    rt_close(fd);

    struct str s = talk(a, STR("GET /close HTTP/1.1\r\n" HOST "\r\n"), false);
    CHECK_HAS(s, "Connection: close\r\n");
    s = talk(a, STR("GET /hello HTTP/1.0\r\n\r\n"), false);
    CHECK_HAS(s, "Connection: close\r\n");
    CHECK_STARTS(s, "HTTP/1.1 200 OK");
    s = talk(a, STR("GET /hello HTTP/1.1\r\n" HOST "Connection: keep-alive\r\n\r\n"), true);
    CHECK_HAS(s, "Connection: keep-alive\r\n");

    fd = raw_connect();
    for (int i = 0; i < 2; i++) {
        buf_reset(&out);
        raw_send(fd, STR("GET /hello HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
        CHECK_INT(raw_receive(fd, &out, "hello"), 0);
        CHECK_HAS(buf_view(&out), "Connection: keep-alive\r\n");
    }
    rt_close(fd);
    buf_release(&out);
}

static void test_keep_alive(void **state)
{
    run(keep_alive);
}

static unsigned count(struct str s, const char *part)
{
    unsigned n = 0;
    for (ssize_t at = 0; (at = str_find_str(s, str_from(part), (size_t)at)) >= 0; at++)
        n++;
    return n;
}

static void pipelining(struct arena *a)
{
    struct buf all;
    buf_init(&all, 1 << 20);
    for (int i = 0; i < 300; i++) {
        buf_puts(&all, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
        buf_puts(&all, "PUT /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc\r\n");
        buf_puts(&all,
                 "PUT /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n");
        buf_puts(&all, "PUT /refuse HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nGET ");
    }
    struct str s = talk(a, buf_view(&all), true);
    CHECK_INT(count(s, "HTTP/1.1 200 OK"), 900);
    CHECK_INT(count(s, "\r\n\r\nhello"), 300);
    CHECK_INT(count(s, "\r\n\r\nabc"), 300);
    CHECK_INT(count(s, "\r\n\r\nde"), 300);
    CHECK_INT(count(s, "HTTP/1.1 409 Conflict"), 300);
    /* In order. */
    ssize_t hello = str_find_str(s, STR("hello"), 0), abc = str_find_str(s, STR("\nabc"), 0);
    ssize_t de = str_find_str(s, STR("\nde"), 0), conflict = str_find_str(s, STR("409"), 0);
    CHECK(hello < abc && abc < de && de < conflict);
    buf_release(&all);
}

static void test_pipelining(void **state)
{
    run(pipelining);
}

static void byte_by_byte(struct arena *a)
{
    struct str request = STR("\r\nPUT /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                             "3;x\r\nabc\r\n2\r\nde\r\n0\r\nT: x\r\n\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n");
    struct buf out;
    buf_init(&out, 1 << 20);
    int fd = raw_connect();
    for (size_t i = 0; i < request.n; i++) {
        raw_send(fd, str_slice(request, i, i + 1));
        rt_yield();
    }
    CHECK_INT(raw_receive(fd, &out, "hello"), 0);
    CHECK_HAS(buf_view(&out), "\r\n\r\nabcde");
    rt_close(fd);
    buf_release(&out);
}

static void test_byte_by_byte(void **state)
{
    run(byte_by_byte);
}

/* --- malformed --------------------------------------------------------------------------------------------- */

struct malformed {
    const char *want;
    struct str request;
};

#define PUT  "PUT /echo HTTP/1.1\r\n" HOST
#define CODE "Transfer-Encoding: chunked\r\n"
#define X64  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct malformed malformed[] = {
    {"400 Bad Request", STR_INIT("\n\n\n")},
    {"400 Bad Request", STR_INIT("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")}, /* TLS */
    {"400 Bad Request", STR_INIT("GET /hello\r\n\r\n")},
    {"400 Bad Request", STR_INIT("GET /hello HTTP/1.1\n" HOST "\n")},
    {"400 Bad Request", STR_INIT("GET  /hello HTTP/1.1\r\n" HOST "\r\n")},
    {"400 Bad Request", STR_INIT("GET hello HTTP/1.1\r\n" HOST "\r\n")},
    {"400 Bad Request", STR_INIT("GET ftp://x/hello HTTP/1.1\r\n" HOST "\r\n")},
    {"400 Bad Request", STR_INIT("GET http:///hello HTTP/1.1\r\n" HOST "\r\n")},
    {"400 Bad Request", STR_INIT("CONNECT h:1 HTTP/1.1\r\n" HOST "\r\n")},
    {"400 Bad Request", STR_INIT("get /hello HTTP/1.1\r\n" HOST "\r\n")},
    {"400 Bad Request", STR_INIT("GET /hello HTTP/0.9\r\n" HOST "\r\n")},
    {"505 HTTP Version Not Supported", STR_INIT("GET /hello HTTP/2.0\r\n" HOST "\r\n")},
    {"505 HTTP Version Not Supported", STR_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")},
    {"400 Bad Request", STR_INIT("GET /hello HTTP/1.1\r\n\r\n")},
    {"400 Bad Request", STR_INIT("GET /hello HTTP/1.1\r\nHost:\r\n\r\n")},
    {"400 Bad Request", STR_INIT("GET /hello HTTP/1.1\r\nHost: a/b\r\n\r\n")},
    {"400 Bad Request", STR_INIT("GET /hello HTTP/1.1\r\nHost: a b\r\n\r\n")},
    {"400 Bad Request", STR_INIT("GET /hello HTTP/1.1\r\n" HOST HOST "\r\n")},
    {"400 Bad Request", STR_INIT("GET /hello HTTP/1.0\r\n" HOST HOST "\r\n")},
    {"400 Bad Request", STR_INIT("GET /hello HTTP/1.1\r\n" HOST "A : b\r\n\r\n")},
    {"400 Bad Request", STR_INIT("GET /hello HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n")},
    {"400 Bad Request", STR_INIT("GET /hello HTTP/1.1\r\n" HOST "A: b\0c\r\n\r\n")},
    {"400 Bad Request", STR_INIT("GET /hello HTTP/1.1\r\n" HOST "A: b\rc\r\n\r\n")},
    {"400 Bad Request", STR_INIT("GET /hello HTTP/1.1\r\n" HOST "A: b\nC: d\r\n\r\n")},
    {"400 Bad Request", STR_INIT("GET /hello HTTP/1.1\r\n" HOST "A\r\n\r\n")},
    {"414 Request URI Too Long", STR_INIT("GET /" X64 X64 X64 X64 " HTTP/1.1\r\n" HOST "\r\n")},
    {"400 Header Line Too Long", STR_INIT("GET /hello HTTP/1.1\r\n" HOST "A: " X64 X64 X64 X64 "\r\n\r\n")},
    {"431 Too many headers",
     STR_INIT("GET /hello HTTP/1.1\r\n" HOST "a:\r\na:\r\na:\r\na:\r\na:\r\na:\r\n\r\n")},
    {"400 Bad Request", STR_INIT(PUT "Content-Length: 3\r\n" CODE "\r\n3\r\nabc\r\n0\r\n\r\n")},
    {"400 Bad Request", STR_INIT(PUT "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd")},
    {"400 Bad Request", STR_INIT(PUT "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc")},
    {"400 Bad Request", STR_INIT(PUT "Content-Length: 3x\r\n\r\nabc")},
    {"400 Bad Request", STR_INIT(PUT "Content-Length: -3\r\n\r\nabc")},
    {"400 Bad Request", STR_INIT(PUT CODE CODE "\r\n0\r\n\r\n")},
    {"400 Bad Request", STR_INIT("PUT /echo HTTP/1.0\r\n" CODE "\r\n0\r\n\r\n")},
    {"501 Not Implemented", STR_INIT(PUT "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")},
    {"400 Bad Request", STR_INIT(PUT CODE "\r\nx\r\n")},
    {"400 Bad Request", STR_INIT(PUT CODE "\r\n-1\r\n")},
    {"400 Bad Request", STR_INIT(PUT CODE "\r\n3\r\nabcd\r\n0\r\n\r\n")},
    {"400 Bad Request", STR_INIT(PUT CODE "\r\n3\nabc\r\n0\r\n\r\n")},
    {"400 Bad Request", STR_INIT(PUT CODE "\r\nfffffffffffffffff\r\n")},
    {"400 Bad Request", STR_INIT(PUT CODE "\r\n0\r\nbad trailer\r\n\r\n")},
};

static void malformed_requests(struct arena *a)
{
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        const struct malformed *m = &malformed[i];
        /* A good one in front must be answered, one behind must not. */
        struct buf all;
        buf_init(&all, 1 << 20);
        buf_puts(&all, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
        buf_str(&all, m->request);
        buf_puts(&all, "GET /about-behind HTTP/1.1\r\n" HOST "\r\n");
        struct str s = talk(a, buf_view(&all), false); /* returns: the server has closed */
        char want[128];
        int n = snprintf(want, sizeof want, "helloHTTP/1.1 %s\r\n", m->want);
        ssize_t at = str_find_str(s, str_of(want, (size_t)n), 0);
        if (at < 0 || count(s, "HTTP/1.1 ") != 2 || count(s, "about") != 0)
            failed(__FILE__, __LINE__, "case %zu, want \"%s\": %.*s", i, want, STR_ARG(s));
        else
            CHECK_HAS(str_slice(s, (size_t)at, s.n), "Connection: close\r\n");
        buf_release(&all);
    }
}

static void test_malformed(void **state)
{
    struct http_server_options o = {.max_request_line = 200, .max_header_line = 200, .max_headers = 6};
    run_with(malformed_requests, &o);
}

static void head_too_large(struct arena *a)
{
    struct buf all;
    buf_init(&all, 1 << 20);
    buf_puts(&all, "GET /hello HTTP/1.1\r\n" HOST);
    for (int i = 0; i < 400; i++)
        buf_puts(&all, "A: " X64 "\r\n");
    struct str s = talk(a, buf_view(&all), false);
    CHECK_STARTS(s, "HTTP/1.1 431 Request Header Fields Too Large\r\n");
    buf_release(&all);
}

static void test_head_too_large(void **state)
{
    struct http_server_options o = {.max_headers = 500, .max_head = 20000};
    run_with(head_too_large, &o);
}

/* --- bodies ------------------------------------------------------------------------------------------------ */

static void bodies_out(struct arena *a)
{
    struct str s = talk(a, STR("GET /stream HTTP/1.1\r\n" HOST "\r\n"), true);
    CHECK_HAS(s, "Transfer-Encoding: chunked\r\n");
    CHECK_LACKS(s, "Content-Length");
    CHECK(str_ends(s, STR("\r\n\r\na\r\nxxxxxxxxxx\r\na\r\nxxxxxxxxxx\r\n5\r\nxxxxx\r\n0\r\n\r\n")));
    s = talk(a, STR("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), false);
    CHECK_HAS(s, "Connection: close\r\n");
    CHECK_LACKS(s, "chunked");
    CHECK(str_ends(s, STR("\r\n\r\nxxxxxxxxxxxxxxxxxxxxxxxxx")));
    s = talk(a, STR("GET /length-in-field HTTP/1.1\r\n" HOST "\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n"),
             true);
    CHECK_HAS(s, "Content-Length: 5\r\n\r\nxxxxxHTTP/1.1 200 OK\r\n"); /* cut at the length */
    CHECK(str_ends(s, STR("hello")));
}

static void test_bodies_out(void **state)
{
    run(bodies_out);
}

/* What cannot be sent whole must not look whole, and ends the connection. */
static void failing_bodies(struct arena *a)
{
    const char *next = "GET /hello HTTP/1.1\r\n" HOST "\r\n";
    int before = atomic_load(&test_app.bodies_closed);
    struct str s = talk(a, arena_printf(a, "GET /short HTTP/1.1\r\n" HOST "\r\n%s", next), false);
    CHECK_HAS(s, "Content-Length: 10\r\n");
    CHECK(str_ends(s, STR("\r\n\r\nxxxx")));
    s = talk(a, arena_printf(a, "GET /fails HTTP/1.1\r\n" HOST "\r\n%s", next), false);
    CHECK_HAS(s, "chunked");
    CHECK(str_ends(s, STR("2\r\nxx\r\n")));
    s = talk(a, arena_printf(a, "GET /fails-at-once HTTP/1.1\r\n" HOST "\r\n%s", next), false);
    CHECK_STARTS(s, "HTTP/1.1 500 Internal Error\r\n");
    CHECK_HAS(s, "Connection: close");
    CHECK_LACKS(s, "hello");
    CHECK_INT(atomic_load(&test_app.bodies_closed) - before, 3);

    /* Up to the end of the connection: only a reset can tell. */
    struct buf out;
    buf_init(&out, 1 << 20);
    int fd = raw_connect();
    raw_send(fd, STR("GET /fails HTTP/1.0\r\n\r\n"));
    CHECK_INT(raw_receive(fd, &out, NULL), -ECONNRESET);
    rt_close(fd);
    buf_release(&out);
}

static void test_failing_bodies(void **state)
{
    run(failing_bodies);
}

static void check_big(struct str body, int64_t from, int64_t n)
{
    CHECK_INT(body.n, n);
    for (int64_t i = 0; i < n && i < (int64_t)body.n; i++)
        if (body.p[i] != big_byte(from + i)) {
            failed(__FILE__, __LINE__, "byte %lld differs", (long long)i);
            return;
        }
}

static void files(struct arena *a)
{
    struct str s = talk(a, STR("GET /big HTTP/1.1\r\n" HOST "\r\n"), true);
    ssize_t at = str_find_str(s, STR("\r\n\r\n"), 0);
    check_big(str_slice(s, (size_t)at + 4, s.n), 0, BIG_SIZE);
    s = talk(a, STR("GET /big HTTP/1.1\r\n" HOST "Range: bytes=1000-1499999\r\n\r\n"), true);
    CHECK_STARTS(s, "HTTP/1.1 206 Partial Content\r\n");
    at = str_find_str(s, STR("\r\n\r\n"), 0);
    check_big(str_slice(s, (size_t)at + 4, s.n), 1000, 1499000);
    s = talk(
        a,
        STR("GET /big HTTP/1.1\r\n" HOST "Range: bytes=0-2,5-6\r\n\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n"),
        true);
    CHECK_HAS(s, "Content-Range: bytes 0-2/3145745\r\n\r\nabc\r\n--");
    CHECK_HAS(s, "Content-Range: bytes 5-6/3145745\r\n\r\nfg\r\n--");
    CHECK_HAS(s, "--HTTP/1.1 200 OK"); /* the length was right */
}

static void test_files(void **state)
{
    run(files);
}

static void bodies_in(struct arena *a)
{
    struct buf all;
    buf_init(&all, 16 << 20);
    buf_printf(&all, "PUT /echo HTTP/1.1\r\n" HOST "Content-Length: %lld\r\n\r\n", (long long)BIG_SIZE);
    for (int64_t i = 0; i < BIG_SIZE; i++)
        buf_putc(&all, big_byte(i));
    struct str s = talk(a, buf_view(&all), true);
    check_big(str_slice(s, (size_t)str_find_str(s, STR("\r\n\r\n"), 0) + 4, s.n), 0, BIG_SIZE);

    buf_reset(&all);
    buf_puts(&all, "PUT /echo HTTP/1.1\r\n" HOST CODE "\r\n");
    for (int64_t i = 0, n = 1; i < BIG_SIZE; i += n, n = n * 3 % 100003) {
        n = n < BIG_SIZE - i ? n : BIG_SIZE - i;
        buf_printf(&all, "%llX\r\n", (long long)n);
        for (int64_t k = 0; k < n; k++)
            buf_putc(&all, big_byte(i + k));
        buf_puts(&all, "\r\n");
    }
    buf_puts(&all, "0\r\n\r\n");
    s = talk(a, buf_view(&all), true);
    check_big(str_slice(s, (size_t)str_find_str(s, STR("\r\n\r\n"), 0) + 4, s.n), 0, BIG_SIZE);
    buf_release(&all);

    /* The sender stops early. */
    s = talk(a, STR(PUT "Content-Length: 10\r\n\r\nabc"), true);
    CHECK_STARTS(s, "HTTP/1.1 499 Client Disconnect\r\n");
    s = talk(a, STR(PUT CODE "\r\n5\r\nabc"), true);
    CHECK_STARTS(s, "HTTP/1.1 499 Client Disconnect\r\n");
}

static void test_bodies_in(void **state)
{
    run(bodies_in);
}

/* A refused body: a moderate one is read over, a large one ends the connection, but the answer arrives. */
static void unread_bodies(struct arena *a)
{
    struct buf all;
    buf_init(&all, 16 << 20);
    for (int size = 100000; size <= 1600000; size *= 4) {
        bool moderate = size < 256 * 1024;
        buf_reset(&all);
        buf_printf(&all, "PUT /refuse HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n", size);
        for (int i = 0; i < size; i++)
            buf_putc(&all, 'x');
        buf_puts(&all, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
        struct str s = talk(a, buf_view(&all), true);
        CHECK_STARTS(s, "HTTP/1.1 409 Conflict\r\n");
        CHECK_INT(count(s, "Connection: close"), !moderate);
        CHECK_INT(count(s, "hello"), moderate);
    }
    buf_reset(&all);
    buf_puts(&all, "PUT /refuse HTTP/1.1\r\n" HOST CODE "\r\n");
    for (int i = 0; i < 40; i++)
        buf_printf(&all, "2000\r\n%08192d\r\n", 0);
    buf_puts(&all, "0\r\n\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n");
    struct str s = talk(a, buf_view(&all), true);
    CHECK_STARTS(s, "HTTP/1.1 409 Conflict\r\n");
    CHECK_LACKS(s, "hello");
    buf_release(&all);
}

static void test_unread_bodies(void **state)
{
    run(unread_bodies);
}

/* --- 100 Continue ------------------------------------------------------------------------------------------ */

static void expectations(struct arena *a)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    int fd = raw_connect();
    raw_send(fd, STR(PUT "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"));
    CHECK_INT(raw_receive(fd, &out, "\r\n\r\n"), 0);
    CHECK(str_eq(buf_view(&out), STR("HTTP/1.1 100 Continue\r\n\r\n")));
    raw_send(fd, STR("abc"));
    buf_reset(&out);
    CHECK_INT(raw_receive(fd, &out, "abc"), 0);
    CHECK_STARTS(buf_view(&out), "HTTP/1.1 200 OK\r\n");
    rt_close(fd);

    /* Answered without a look at the body: no 100, and the connection ends. */
    fd = raw_connect();
    raw_send(fd, STR("PUT /refuse HTTP/1.1\r\n" HOST "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"));
    buf_reset(&out);
    CHECK_INT(raw_receive(fd, &out, NULL), 0);
    CHECK_STARTS(buf_view(&out), "HTTP/1.1 409 Conflict\r\n");
    CHECK_HAS(buf_view(&out), "Connection: close\r\n");
    rt_close(fd);

    /* Nothing to wait for; HTTP/1.0 does not know it. */
    struct str s = talk(a, STR(PUT "Content-Length: 0\r\nExpect: 100-continue\r\n\r\n"), true);
    CHECK_STARTS(s, "HTTP/1.1 200 OK\r\n");
    CHECK_LACKS(s, "Connection: close");
    s = talk(a, STR("PUT /echo HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc"), true);
    CHECK_STARTS(s, "HTTP/1.1 200 OK\r\n");
    buf_release(&out);
}

static void test_expectations(void **state)
{
    run(expectations);
}

static void two_phases(struct arena *a)
{
    static const char again[] = "HTTP/1.1 100 Continue\r\nX-Obj-Multiphase-Commit: yes\r\n\r\n";
    struct buf out;
    buf_init(&out, 1 << 20);
    int fd = raw_connect();
    for (int round = 0; round < 2; round++) { /* the connection stays usable */
        buf_reset(&out);
        raw_send(fd, STR("PUT /two-phase HTTP/1.1\r\n" HOST CODE "Expect: 100-continue\r\n\r\n"));
        CHECK_INT(raw_receive(fd, &out, "\r\n\r\n"), 0);
        CHECK(str_eq(buf_view(&out), str_from(again)));
        raw_send(fd, STR("4\r\nbody\r\n0\r\n\r\n"));
        buf_reset(&out);
        CHECK_INT(raw_receive(fd, &out, "\r\n\r\n"), 0);
        CHECK(str_eq(buf_view(&out), str_from(again)));
        raw_send(fd, STR("3\r\ncom\r\n3\r\nmit\r\n0\r\n\r\n"));
        buf_reset(&out);
        CHECK_INT(raw_receive(fd, &out, "body+commit"), 0);
        CHECK_STARTS(buf_view(&out), "HTTP/1.1 201 Created\r\n");
    }
    rt_close(fd);

    /* The sender goes before the second phase. */
    fd = raw_connect();
    raw_send(fd, STR("PUT /two-phase HTTP/1.1\r\n" HOST CODE
                     "Expect: 100-continue\r\n\r\n4\r\nbody\r\n0\r\n\r\n"));
    shutdown(fd, SHUT_WR);
    buf_reset(&out);
    CHECK_INT(raw_receive(fd, &out, NULL), 0);
    CHECK_INT(count(buf_view(&out), again), 2);
    CHECK_HAS(buf_view(&out), "HTTP/1.1 499 Client Disconnect\r\n");
    rt_close(fd);

    /* Not chunked: there is no second body. */
    struct str s = talk(a, STR("PUT /two-phase HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nab"), true);
    CHECK_STARTS(s, "HTTP/1.1 499");
    buf_release(&out);
}

static void test_two_phases(void **state)
{
    run(two_phases);
}

/* Both bodies under way at the same time; the connection goes on afterwards. */
static void duplex(struct arena *a)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    int fd = raw_connect();
    for (int i = 0; i < 2; i++) {
        buf_reset(&out);
        raw_send(fd, STR("SSYNC /duplex HTTP/1.1\r\n" HOST CODE "\r\n"));
        CHECK_INT(raw_receive(fd, &out, "\r\n\r\n2\r\n\r\n\r\n"), 0);
        raw_send(fd, STR("5\r\nfirst\r\n"));
        CHECK_INT(raw_receive(fd, &out, "5\r\nfirst\r\n"), 0);
        raw_send(fd, STR("6\r\nsecond\r\n"));
        CHECK_INT(raw_receive(fd, &out, "6\r\nsecond\r\n"), 0);
        raw_send(fd, STR("0\r\n\r\n"));
        CHECK_INT(raw_receive(fd, &out, "\r\n0\r\n\r\n"), 0);
    }
    rt_close(fd);
    buf_release(&out);
}

static void test_duplex(void **state)
{
    run(duplex);
}

/* --- timeouts ---------------------------------------------------------------------------------------------- */

static void timeouts(struct arena *a)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    int fd = raw_connect(); /* no byte: closed without a word */
    CHECK(raw_closed(fd));
    rt_close(fd);

    fd = raw_connect(); /* a head that never ends, however often something comes */
    int64_t start = clock_monotonic_ms();
    raw_send(fd, STR("GET /hello HTTP/1.1\r\n"));
    for (int i = 0; i < 20 && !rt_readable_now(fd); i++) {
        rt_write_all(fd, "A: b\r\n", 6, rt_deadline(1000));
        rt_sleep(50);
    }
    CHECK(clock_monotonic_ms() - start < 900);
    CHECK_INT(raw_receive(fd, &out, NULL), 0);
    CHECK_STARTS(buf_view(&out), "HTTP/1.1 408 Request Timeout\r\n");
    rt_close(fd);

    buf_reset(&out); /* a body that stops */
    fd = raw_connect();
    raw_send(fd, STR(PUT "Content-Length: 10\r\n\r\nabc"));
    CHECK_INT(raw_receive(fd, &out, NULL), 0);
    CHECK_STARTS(buf_view(&out), "HTTP/1.1 408 Request Timeout\r\n");
    rt_close(fd);

    buf_reset(&out); /* idle after a request */
    fd = raw_connect();
    raw_send(fd, STR("GET /hello HTTP/1.1\r\n" HOST "\r\n"));
    CHECK_INT(raw_receive(fd, &out, "hello"), 0);
    CHECK(raw_closed(fd));
    rt_close(fd);
    buf_release(&out);
}

static void test_timeouts(void **state)
{
    struct http_server_options o = {
        .head_timeout_ms = 300, .client_timeout_ms = 200, .keepalive_timeout_ms = 250};
    run_with(timeouts, &o);
}

/* A connection idle for longer than its memory is kept goes on. */
static void idle_for_long(struct arena *a)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    int fd = raw_connect();
    for (int i = 0; i < 2; i++) {
        buf_reset(&out);
        rt_sleep(1200);
        raw_send(fd, STR("GET /hello HTTP/1.1\r\n" HOST "\r\n"));
        CHECK_INT(raw_receive(fd, &out, "hello"), 0);
    }
    rt_close(fd);
    buf_release(&out);
}

static void test_idle_for_long(void **state)
{
    run(idle_for_long);
}

/* A client that reads nothing is given up. */
static void slow_reader(struct arena *a)
{
    int before = atomic_load(&test_app.bodies_closed);
    int fd = raw_connect();
    int small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    for (int i = 0; i < 8; i++)
        raw_send(fd, STR("GET /big HTTP/1.1\r\n" HOST "\r\n"));
    rt_sleep(100);
    CHECK_INT(http_server_connections(server), 1);
    for (int i = 0; i < 100 && http_server_connections(server) > 0; i++)
        rt_sleep(50);
    CHECK_INT(http_server_connections(server), 0);
    CHECK(atomic_load(&test_app.bodies_closed) - before >= 1);
    rt_close(fd);
}

static void test_slow_reader(void **state)
{
    struct http_server_options o = {.client_timeout_ms = 300};
    run_with(slow_reader, &o);
}

static void most_connections(struct arena *a)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    int fd[3] = {raw_connect(), raw_connect(), raw_connect()};
    for (int i = 0; i < 3; i++)
        raw_send(fd[i], STR("GET /hello HTTP/1.1\r\n" HOST "\r\n"));
    rt_sleep(200);
    CHECK_INT(http_server_connections(server), 2);
    int answered = rt_readable_now(fd[0]) + rt_readable_now(fd[1]) + rt_readable_now(fd[2]);
    CHECK_INT(answered, 2);
    int last = 0;
    while (last < 2 && rt_readable_now(fd[last]))
        last++;
    rt_close(fd[last == 0 ? 1 : 0]); /* makes room */
    CHECK_INT(raw_receive(fd[last], &out, "hello"), 0);
    for (int i = 0; i < 3; i++)
        if (i != (last == 0 ? 1 : 0))
            rt_close(fd[i]);
    buf_release(&out);
}

static void test_most_connections(void **state)
{
    struct http_server_options o = {.max_connections = 2};
    run_with(most_connections, &o);
}

/* --- stopping and handing over ----------------------------------------------------------------------------- */

struct asking {
    int fd;
    struct buf out;
    int result;
};

static void ask_task(void *arg)
{
    struct asking *q = arg;
    q->result = raw_receive(q->fd, &q->out, NULL);
}

static struct asking *ask(const char *request)
{
    struct asking *q = xcalloc(1, sizeof *q);
    buf_init(&q->out, 16 << 20);
    q->fd = raw_connect();
    raw_send(q->fd, str_from(request));
    return q;
}

static void asked(struct asking *q)
{
    rt_close(q->fd);
    buf_release(&q->out);
    free(q);
}

static void wait_in_handler(int n)
{
    for (int i = 0; i < 200 && atomic_load(&test_app.in_handler) < n; i++)
        rt_sleep(5);
    CHECK_INT(atomic_load(&test_app.in_handler), n);
}

static void late_task(void *arg)
{
    struct asking *q = arg;
    rt_sleep(100); /* the stop has begun */
    raw_send(q->fd, STR("GET /hello HTTP/1.1\r\n" HOST "\r\n"));
    q->result = raw_receive(q->fd, &q->out, NULL);
}

static void graceful_stop(struct arena *a)
{
    struct http_server *s = start_server(NULL);
    int outer = port;
    port = http_server_port(s);
    struct asking *idle = ask("GET /hello HTTP/1.1\r\n" HOST "\r\n");
    struct asking *fresh = ask(""), *late = ask("");
    struct asking *slow = ask("GET /slow HTTP/1.1\r\n" HOST "\r\n");
    struct asking *body = ask("GET /slow-body HTTP/1.1\r\n" HOST "\r\n");
    CHECK_INT(raw_receive(idle->fd, &idle->out, "hello"), 0);
    CHECK_INT(raw_receive(body->fd, &body->out, "\r\n\r\n"), 0);
    wait_in_handler(1);
    struct rt_task *tasks[] = {rt_spawn(ask_task, idle), rt_spawn(ask_task, fresh), rt_spawn(ask_task, slow),
                               rt_spawn(ask_task, body), rt_spawn(late_task, late)};
    int64_t start = clock_monotonic_ms();
    CHECK_INT(http_server_stop(s, 5000), 0);
    int64_t took = clock_monotonic_ms() - start;
    CHECK(took < 3000);
    CHECK_INT(http_server_connections(s), 0);
    for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; i++)
        rt_join(tasks[i]);
    CHECK(str_ends(buf_view(&late->out), STR("hello")));
    CHECK_HAS(buf_view(&late->out), "Connection: close\r\n");
    CHECK_INT(slow->result, 0);
    CHECK(str_ends(buf_view(&slow->out), STR("slow")));
    CHECK_HAS(buf_view(&slow->out), "Connection: close\r\n");
    CHECK(str_ends(buf_view(&body->out), STR("\r\n\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")));
    CHECK_INT(fresh->out.n, 0);
    CHECK(str_ends(buf_view(&idle->out), STR("hello")));
    /* Nobody listens any more. */
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_INT(rt_connect((struct sockaddr *)&to, sizeof to, rt_deadline(1000)), -ECONNREFUSED);
    http_server_free(s);
    asked(idle), asked(fresh), asked(late), asked(slow), asked(body);
    port = outer;
}

static void test_graceful_stop(void **state)
{
    run(graceful_stop);
}

static void stop_cuts(struct arena *a)
{
    struct http_server *s = start_server(NULL);
    int outer = port;
    port = http_server_port(s);
    struct asking *stuck = ask("PUT /echo HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nabc");
    wait_in_handler(1);
    int64_t start = clock_monotonic_ms();
    CHECK_INT(http_server_stop(s, 200), 1);
    CHECK(clock_monotonic_ms() - start < 1000);
    CHECK_INT(http_server_connections(s), 0); /* the handler has noticed */
    http_server_free(s);
    asked(stuck);
    port = outer;
}

static void test_stop_cuts(void **state)
{
    run(stop_cuts);
}

static void many_while_stopping_task(void *arg)
{
    struct asking *q = arg;
    for (;;) { /* until the server is gone */
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        q->fd = rt_connect((struct sockaddr *)&to, sizeof to, rt_deadline(1000));
        if (q->fd < 0)
            return;
        for (int i = 0; i < 20; i++) {
            buf_reset(&q->out);
            if (rt_write_all(q->fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 32, rt_deadline(1000)) < 0)
                break;
            int r = raw_receive(q->fd, &q->out, "hello");
            /* Closed while idle is fine; half an answer is not. */
            if (r < 0 && q->out.n > 0)
                failed(__FILE__, __LINE__, "cut: %.*s", STR_ARG(buf_view(&q->out)));
            if (r < 0)
                break;
            q->result++;
        }
        rt_close(q->fd);
    }
}

static void stop_under_load(struct arena *a)
{
    struct http_server *s = start_server(NULL);
    int outer = port;
    port = http_server_port(s);
    struct asking q[8] = {0};
    struct rt_task *tasks[8];
    for (int i = 0; i < 8; i++) {
        buf_init(&q[i].out, 1 << 20);
        tasks[i] = rt_spawn(many_while_stopping_task, &q[i]);
    }
    rt_sleep(200);
    CHECK_INT(http_server_stop(s, 5000), 0);
    for (int i = 0; i < 8; i++) {
        rt_join(tasks[i]);
        CHECK(q[i].result > 0);
        buf_release(&q[i].out);
    }
    http_server_free(s);
    port = outer;
}

static void test_stop_under_load(void **state)
{
    run(stop_under_load);
}

/* One connection by itself, found idle by a server that stops just when its next request comes. */
struct alone {
    struct http_conn conn;
    struct http_conn_config config;
    atomic_bool stopping;
    struct rt_task *task;
    int fd; /* our end */
};

static void alone_task(void *arg)
{
    struct alone *x = arg;
    http_conn_serve(&x->conn);
    rt_close(x->conn.fd);
}

static void alone_start(struct alone *x)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), outer = port;
    CHECK(fd >= 0 && listen(fd, 1) == 0 && getsockname(fd, (struct sockaddr *)&addr, &len) == 0);
    rt_attach(fd);
    x->fd = raw_connect_to(ntohs(((struct sockaddr_in *)&addr)->sin_port));
    int accepted = rt_accept(fd, &addr, &len, rt_deadline(1000));
    CHECK(accepted >= 0);
    rt_close(fd);
    port = outer;
    atomic_store(&x->stopping, false);
    x->config = (struct http_conn_config){
        .app = &test_app.app,
        .limits = {8192, 8192, 100},
        .max_head = 65536,
        .head_timeout_ms = 1000,
        .client_timeout_ms = 1000,
        .keepalive_timeout_ms = 1000,
        .stopping = &x->stopping,
    };
    http_conn_init(&x->conn, &x->config, accepted, &addr);
    x->task = rt_spawn(alone_task, x);
}

static void alone_end(struct alone *x)
{
    rt_join(x->task);
    rt_close(x->fd);
    http_conn_release(&x->conn);
}

static void check_stopped(const char *request, const char *want, bool cut_off)
{
    struct alone x;
    struct buf out;
    int idle = HTTP_CONN_NEW;
    buf_init(&out, 1 << 20);
    alone_start(&x);
    rt_sleep(50);
    atomic_store(&x.stopping, true);
    CHECK(atomic_compare_exchange_strong(&x.conn.state, &idle, HTTP_CONN_STOPPED));
    raw_send(x.fd, str_from(request));
    if (cut_off)
        shutdown(x.conn.fd, SHUT_RD);
    shutdown(x.fd, SHUT_WR);
    CHECK_INT(raw_receive(x.fd, &out, NULL), 0);
    CHECK_STARTS(buf_view(&out), want);
    CHECK_INT(count(buf_view(&out), "HTTP/1.1"), want[0] ? 1 : 0);
    CHECK_INT(count(buf_view(&out), "Connection: close"), want[0] ? 1 : 0);
    alone_end(&x);
    buf_release(&out);
}

static void stop_meets_request(struct arena *a)
{
    const char *hello = "GET /hello HTTP/1.1\r\n" HOST "\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n";
    check_stopped(hello, "HTTP/1.1 200 OK\r\n", true);
    check_stopped(PUT "Content-Length: 3\r\n\r\nabc", "HTTP/1.1 200 OK\r\n", true);
    check_stopped(PUT "Content-Length: 3\r\n\r\n", "HTTP/1.1 503 Service Unavailable\r\n", true);
    check_stopped(PUT CODE "\r\n", "HTTP/1.1 503 Service Unavailable\r\n", true);
    check_stopped("", "", true);
}

static void test_stop_meets_request(void **state)
{
    run(stop_meets_request);
}

/* The descriptor that a new process would find in its environment. */
static void hand_over(struct arena *a)
{
    struct http_server *old = start_server(NULL), *next;
    int outer = port;
    port = http_server_port(old);
    CHECK_INT(http_server_export(&old, 1), 0);
    CHECK_INT(fcntl(http_server_fd(old), F_GETFD), 0);
    struct str want = arena_printf(a, "127.0.0.1:%d=%d", port, http_server_fd(old));
    CHECK(str_eq(str_from(getenv("MARTLET_LISTEN_FDS")), want));

    /* As in the new process: its own copy of the descriptor. */
    int copy = dup(http_server_fd(old));
    setenv("MARTLET_LISTEN_FDS", arena_printf(a, "1.2.3.4:1=0,127.0.0.1:%d=%d", port, copy).p, 1);
    struct http_server_options o = {.port = port};
    next = start_server(&o);
    CHECK_INT(http_server_fd(next), copy);
    CHECK_INT(fcntl(copy, F_GETFD), FD_CLOEXEC);

    struct str request = STR("GET /hello HTTP/1.1\r\n" HOST "\r\n");
    int before = atomic_load(&test_app.handled);
    for (int i = 0; i < 20; i++)
        CHECK(str_ends(talk(a, request, true), STR("hello")));
    CHECK_INT(http_server_stop(old, 1000), 0);
    http_server_free(old);
    for (int i = 0; i < 20; i++) /* the socket goes on */
        CHECK(str_ends(talk(a, request, true), STR("hello")));
    CHECK_INT(atomic_load(&test_app.handled) - before, 40);

    /* Taken once only: a second server on the address fails, naming it. */
    struct buf error;
    struct http_server *third = NULL;
    buf_init(&error, 1000);
    o.bind_ip = "127.0.0.1";
    o.app = &test_app.app;
    CHECK_INT(http_server_start(&o, &third, &error), -EADDRINUSE);
    CHECK_HAS(buf_view(&error), arena_printf(a, "127.0.0.1 port %d", port).p);
    buf_release(&error);
    CHECK_INT(http_server_stop(next, 1000), 0);
    http_server_free(next);
    unsetenv("MARTLET_LISTEN_FDS");
    port = outer;
}

static void test_hand_over(void **state)
{
    run(hand_over);
}

static void bad_addresses(struct arena *a)
{
    struct http_server *s = NULL;
    struct buf error;
    buf_init(&error, 1000);
    struct http_server_options o = {.bind_ip = "example.org", .app = &test_app.app};
    CHECK_INT(http_server_start(&o, &s, &error), -EINVAL);
    CHECK_HAS(buf_view(&error), "example.org");
    o = (struct http_server_options){.bind_ip = "::1", .app = &test_app.app};
    buf_reset(&error);
    if (http_server_start(&o, &s, &error) == 0) { /* where there is IPv6 */
        CHECK(http_server_port(s) > 0);
        CHECK_INT(http_server_stop(s, 100), 0);
        http_server_free(s);
    }
    buf_release(&error);
}

static void test_bad_addresses(void **state)
{
    run(bad_addresses);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_simple_answers),
        cmocka_unit_test(test_server_name),
        cmocka_unit_test(test_what_handlers_see),
        cmocka_unit_test(test_no_splitting),
        cmocka_unit_test(test_inside),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_pipelining),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_head_too_large),
        cmocka_unit_test(test_bodies_out),
        cmocka_unit_test(test_failing_bodies),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_bodies_in),
        cmocka_unit_test(test_unread_bodies),
        cmocka_unit_test(test_expectations),
        cmocka_unit_test(test_two_phases),
        cmocka_unit_test(test_duplex),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_idle_for_long),
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_most_connections),
        cmocka_unit_test(test_graceful_stop),
        cmocka_unit_test(test_stop_cuts),
        cmocka_unit_test(test_stop_meets_request),
        cmocka_unit_test(test_stop_under_load),
        cmocka_unit_test(test_hand_over),
        cmocka_unit_test(test_bad_addresses),
    };
    test_app_init(&test_app);
    return cmocka_run_group_tests_name("http_conn", tests, NULL, NULL);
}
