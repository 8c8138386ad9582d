/* SPDX-License-Identifier: Apache-2.0
 *
 * The lines are caught by sending the log, which goes to stderr, into a file.
 */
#include "tests/lib/app_test.h"

#include "common/clock.h"
#include "middleware/middleware.h"

static struct under_test u;
static int saved_stderr, log_fd;
static char log_path[] = "/tmp/martlet-access-log.XXXXXX";

static void catch_log(void)
{
    fflush(stderr);
    saved_stderr = dup(2);
    log_fd = open(log_path, O_RDWR | O_TRUNC);
    dup2(log_fd, 2);
}

/* What was logged since, without time and level. */
static struct str caught(struct arena *arena)
{
    struct buf b;
    fflush(stderr);
    dup2(saved_stderr, 2);
    close(saved_stderr);
    close(log_fd);
    buf_init(&b, 65536);
    CHECK_INT(file_read(log_path, &b), 0);
    struct str text = str_trim(buf_view(&b));
    ssize_t at = str_find_str(text, STR("INFO: "), 0);
    text = arena_str(arena, at < 0 ? text : str_slice(text, (size_t)at + 6, text.n));
    buf_release(&b);
    return text;
}

static int body_mode; /* 0: whole, 1: breaks off, 2: reads the request's body first */

static ssize_t broken_read(struct http_body *b, void *p, size_t n)
{
    return -EIO;
}
static const struct http_body_ops broken_ops = {.read = broken_read};

static void answer(struct http_request *req, struct http_response *rsp)
{
    struct buf in;
    static struct http_body broken;
    error_text(rsp, 200, "text/plain", "hello");
    header_add(&rsp->headers, STR("X-Backend-Storage-Policy-Index"), STR("1"));
    if (body_mode == 1) {
        broken = (struct http_body){&broken_ops, 5};
        rsp->body = &broken;
    }
    if (body_mode == 2) {
        buf_init(&in, 65536);
        http_body_read_all(req->body, &in);
        buf_release(&in);
        error_page(rsp, 201);
    }
    clock_fix(1795372858271995815LL + 12345678);
}

static void begin(struct exchange *x, const char *method, const char *target)
{
    clock_fix(1795372858271995815LL);
    exchange_init(x, method, target);
    x->req.peer = STR("10.0.0.9");
    x->req.txn = STR("tx2d5a5c12abf1a4ceccdbe-006b03373a");
}

static void expect(struct exchange *x, const char *want)
{
    catch_log();
    exchange_run(x, u.app);
    struct str got = caught(x->arena);
    CHECK_STR(got, want);
    exchange_release(x);
    clock_fix(0);
}

static void test_lines(void **state)
{
    struct exchange x;
    body_mode = 0;
    begin(&x, "GET", "/v1/AUTH_a/c%20d/o?x=y&z=%2f");
    exchange_header(&x, "User-Agent", "curl/7.88.1 (x)");
    exchange_header(&x, "Referer", "http://a/b?c");
    exchange_header(&x, "X-Auth-Token", "AUTH_tk0123456789abcdef");
    exchange_header(&x, "X-Forwarded-For", " 1.2.3.4 , 5.6.7.8");
    exchange_header(&x, "Etag", "e\"t");
    expect(&x,
           "1.2.3.4 10.0.0.9 22/Nov/2026/18/40/58 GET /v1/AUTH_a/c%2520d/o%3Fx%3Dy%26z%3D%252f HTTP/1.1 200 "
           "http://a/b%3Fc curl/7.88.1%20%28x%29 AUTH_tk012345678... - 5 e%22t "
           "tx2d5a5c12abf1a4ceccdbe-006b03373a - 0.0123 - - 1795372858.271995815 1795372858.284341493 1 -");

    begin(&x, "COPY", "/");
    x.env->orig_method = STR("MOVE");
    x.env->source = "SSC";
    env_log_info(&x.req, STR("a"));
    env_log_info(&x.req, STR("x-delete-at:12"));
    x.req.minor_version = 0;
    exchange_header(&x, "X-Cluster-Client-Ip", "9.9.9.9");
    expect(&x, "9.9.9.9 10.0.0.9 22/Nov/2026/18/40/58 MOVE / HTTP/1.0 200 - - - - 5 - "
               "tx2d5a5c12abf1a4ceccdbe-006b03373a - 0.0123 SSC a%2Cx-delete-at:12 1795372858.271995815 "
               "1795372858.284341493 1 -");

    begin(&x, "HEAD", "/x");
    expect(&x,
           "10.0.0.9 10.0.0.9 22/Nov/2026/18/40/58 HEAD /x HTTP/1.1 200 - - - - - - "
           "tx2d5a5c12abf1a4ceccdbe-006b03373a - 0.0123 - - 1795372858.271995815 1795372858.284341493 1 -");

    body_mode = 2;
    begin(&x, "PUT", "/v1/a/c/o");
    exchange_body(&x, "1234567");
    expect(&x,
           "10.0.0.9 10.0.0.9 22/Nov/2026/18/40/58 PUT /v1/a/c/o HTTP/1.1 201 - - - 7 - - "
           "tx2d5a5c12abf1a4ceccdbe-006b03373a - 0.0123 - - 1795372858.271995815 1795372858.284341493 1 -");
    assert_int_equal(failures, 0);
}

/* 500 where the answer broke off, 499 where nobody wanted the rest, or where the client's body did. */
static void test_breaks(void **state)
{
    struct exchange x;
    static struct http_body broken;
    body_mode = 1;
    begin(&x, "GET", "/x");
    catch_log();
    CHECK_INT(exchange_run(&x, u.app), -EIO);
    CHECK_HAS(caught(x.arena), " GET /x HTTP/1.1 500 - - - - - - ");
    exchange_release(&x);

    body_mode = 0;
    begin(&x, "GET", "/x");
    catch_log();
    http_app_call(u.app, &x.req, &x.rsp);
    http_body_close(x.rsp.body);
    CHECK_HAS(caught(x.arena), " GET /x HTTP/1.1 499 - - - - - - ");
    exchange_release(&x);

    body_mode = 2;
    begin(&x, "PUT", "/x");
    broken = (struct http_body){&broken_ops, 5};
    x.req.body = &broken;
    catch_log();
    exchange_run(&x, u.app);
    CHECK_HAS(caught(x.arena), " PUT /x HTTP/1.1 499 - - - - - - ");
    exchange_release(&x);
    clock_fix(0);
    assert_int_equal(failures, 0);
}

/* The second proxy-logging of a pipeline keeps quiet. */
static void test_once(void **state)
{
    struct exchange x;
    body_mode = 0;
    begin(&x, "GET", "/x");
    x.env->logged = true;
    catch_log();
    exchange_run(&x, u.app);
    CHECK_STR(caught(x.arena), "");
    exchange_release(&x);
    clock_fix(0);
    assert_int_equal(failures, 0);
}

static void test_template(void **state)
{
    struct under_test own;
    struct exchange x;
    struct buf error;
    under_test_init(
        &own, proxy_logging_new,
        "[filter:x]\naccess_log_headers = yes\naccess_log_headers_only = x-a, x-auth-token\n"
        "reveal_sensitive_prefix = 4\n"
        "log_msg_template = <{account}|{container}|{object}> {domain} {headers} {end_time.iso8601}.\n");
    own.next.answer = answer;
    begin(&x, "GET", "/v1/a/c/o/p");
    exchange_header(&x, "Host", "h:80");
    exchange_header(&x, "X-A", "1");
    exchange_header(&x, "X-B", "2");
    exchange_header(&x, "X-Auth-Token", "AUTH_tk1");
    catch_log();
    exchange_run(&x, own.app);
    CHECK_STR(caught(x.arena), "<a|c|o/p> h X-A:%201%0AX-Auth-Token:%20AUTH... 2026-11-22T18:40:58.");
    exchange_release(&x);
    under_test_release(&own);
    buf_init(&error, 4096);
    CHECK_INT(under_test_try(&own, proxy_logging_new, "[filter:x]\nlog_msg_template = {nope}\n", &error),
              -EINVAL);
    CHECK_HAS(buf_view(&error), "unknown field '{nope}'");
    under_test_release(&own);
    buf_release(&error);
    clock_fix(0);
    assert_int_equal(failures, 0);
}

static int setup(void **state)
{
    int fd = mkstemp(log_path);
    close(fd);
    under_test_init(&u, proxy_logging_new, "[filter:x]\n");
    u.next.answer = answer;
    return failures;
}

static int teardown(void **state)
{
    under_test_release(&u);
    unlink(log_path);
    return failures;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_breaks),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_template),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
