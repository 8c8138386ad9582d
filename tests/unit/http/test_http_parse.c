/* SPDX-License-Identifier: Apache-2.0
 *
 * test_http_parse.c: tables of heads and chunk lines. Every input stands right before an unreadable page, so that
 * a read past its end is a crash; each is also fed byte by byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include "http/http_parse.h"

#define GUARD_ROOM (64 * 1024)
#define MAX_FIELDS 8

static const struct http_limits limits = {64, 64, MAX_FIELDS};
static char *guard; /* GUARD_ROOM readable bytes, then an unreadable page */

static int setup(void **state)
{
    guard = mmap(NULL, GUARD_ROOM + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (guard == MAP_FAILED)
        return -1;
    return mprotect(guard + GUARD_ROOM, 4096, PROT_NONE);
}

static int teardown(void **state)
{
    return munmap(guard, GUARD_ROOM + 4096);
}

static const char *guarded(const char *p, size_t n)
{
    assert_true(n <= GUARD_ROOM);
    return memcpy(guard + GUARD_ROOM - n, p, n);
}

typedef enum http_parse_result (*parse_fn)(const char *p, size_t n, size_t seen,
                                           const struct http_limits *limits, struct http_head *ret);

/* The result of the whole at once. */
static enum http_parse_result at_once(parse_fn parse, struct str in, struct http_head *head)
{
    return parse(guarded(in.p, in.n), in.n, 0, &limits, head);
}

/* Feeds one byte more at a time until the answer is not "incomplete". */
static enum http_parse_result by_bytes(parse_fn parse, struct str in, size_t step, struct http_head *head,
                                       size_t *ret_fed)
{
    size_t seen = 0;
    for (size_t n = step < in.n ? step : in.n;; n = n + step < in.n ? n + step : in.n) {
        enum http_parse_result r = parse(guarded(in.p, n), n, seen, &limits, head);
        *ret_fed = n;
        if (r != HTTP_PARSE_INCOMPLETE || n == in.n)
            return r;
        seen = n;
    }
}

static void check_str(struct str got, const char *want)
{
    if (!str_eq(got, str_from(want)))
        fail_msg("got \"%.*s\", want \"%s\"", STR_ARG(got), want);
}

struct good {
    struct str in;
    const char *a, *b; /* method and target, or reason */
    int minor, status;
    size_t n_fields;
    const char *names[4], *values[4];
};

static const struct good good_requests[] = {
    {STR_INIT("GET / HTTP/1.1\r\n\r\n"), "GET", "/", 1, 0, 0, {0}, {0}},
    {STR_INIT("GET / HTTP/1.0\r\n\r\n"), "GET", "/", 0, 0, 0, {0}, {0}},
    {STR_INIT("GET / HTTP/1.7\r\n\r\n"), "GET", "/", 1, 0, 0, {0}, {0}},
    {STR_INIT("\r\n\r\nGET /x HTTP/1.1\r\nA: b\r\n\r\n"), "GET", "/x", 1, 0, 1, {"A"}, {"b"}},
    {STR_INIT("PUT /v1/a/c/o%20x?q=1&r HTTP/1.1\r\nHost: h:80\r\nX-Empty:\r\nX:  two words \t\r\n\r\n"),
     "PUT",
     "/v1/a/c/o%20x?q=1&r",
     1,
     0,
     3,
     {"Host", "X-Empty", "X"},
     {"h:80", "", "two words"}},
    {STR_INIT("M-SEARCH http://h/\xc3\xa4 HTTP/1.1\r\nx!#$%&'*+-.^_`|~: a:\tb\x01\x7f\xff\r\n\r\n"),
     "M-SEARCH",
     "http://h/\xc3\xa4",
     1,
     0,
     1,
     {"x!#$%&'*+-.^_`|~"},
     {"a:\tb\x01\x7f\xff"}},
    {STR_INIT("OPTIONS * HTTP/1.1\r\nA:b\r\na:c\r\n\r\n"), "OPTIONS", "*", 1, 0, 2, {"A", "a"}, {"b", "c"}},
    {STR_INIT("GET / HTTP/1.1\r\nA: \t \r\nB:0123456789abcdef\x1f"
              "0123456789\r\n\r\n"),
     "GET",
     "/",
     1,
     0,
     2,
     {"A", "B"},
     {"", "0123456789abcdef\x1f"
          "0123456789"}},
};

static const struct good good_responses[] = {
    {STR_INIT("HTTP/1.1 200 OK\r\n\r\n"), "OK", NULL, 1, 200, 0, {0}, {0}},
    {STR_INIT("HTTP/1.0 404 Not Found\r\nA: b\r\n\r\n"), "Not Found", NULL, 0, 404, 1, {"A"}, {"b"}},
    {STR_INIT("HTTP/1.1 100 \r\n\r\n"), "", NULL, 1, 100, 0, {0}, {0}},
    {STR_INIT("HTTP/1.1 507\r\n\r\n"), "", NULL, 1, 507, 0, {0}, {0}},
};

static void check_good(const struct good *g, const char *base, bool request, const struct http_head *head)
{
    assert_int_equal(head->bytes, g->in.n);
    assert_int_equal(head->minor_version, g->minor);
    assert_int_equal(head->n_fields, g->n_fields);
    if (request) {
        check_str(head->method, g->a);
        check_str(head->target, g->b);
    } else {
        check_str(head->reason, g->a);
        assert_int_equal(head->status, g->status);
    }
    for (size_t i = 0; i < g->n_fields; i++) {
        check_str(head->fields[i].name, g->names[i]);
        check_str(head->fields[i].value, g->values[i]);
        assert_true(head->fields[i].name.p > base);
    }
}

static void check_all_ways(const struct good *g, parse_fn parse, bool request)
{
    struct http_field fields[MAX_FIELDS];
    struct http_head head = {.fields = fields};
    if (at_once(parse, g->in, &head) != HTTP_PARSE_OK)
        fail_msg("refused: %.*s", STR_ARG(g->in));
    check_good(g, guard, request, &head);
    for (size_t step = 1; step <= 7; step++) {
        size_t fed;
        head = (struct http_head){.fields = fields};
        if (by_bytes(parse, g->in, step, &head, &fed) != HTTP_PARSE_OK || fed != g->in.n)
            fail_msg("step %zu: refused or too early: %.*s", step, STR_ARG(g->in));
        check_good(g, guard, request, &head);
    }
    /* What follows the head is not looked at. */
    char more[512];
    memcpy(more, g->in.p, g->in.n);
    memcpy(more + g->in.n, "\0\n\rGET", 6);
    head = (struct http_head){.fields = fields};
    assert_int_equal(at_once(parse, str_of(more, g->in.n + 6), &head), HTTP_PARSE_OK);
    check_good(g, guard, request, &head);
}

static void test_good_requests(void **state)
{
    for (size_t i = 0; i < sizeof good_requests / sizeof *good_requests; i++)
        check_all_ways(&good_requests[i], http_parse_request, true);
}

static void test_good_responses(void **state)
{
    for (size_t i = 0; i < sizeof good_responses / sizeof *good_responses; i++)
        check_all_ways(&good_responses[i], http_parse_response, false);
}

struct bad {
    enum http_parse_result want;
    struct str in;
};

#define X16 "xxxxxxxxxxxxxxxx"
#define X64 X16 X16 X16 X16

static const struct bad bad_requests[] = {
    {HTTP_PARSE_BAD, STR_INIT("\nGET / HTTP/1.1\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("\r \nGET / HTTP/1.1\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT(" GET / HTTP/1.1\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("get / HTTP/1.1\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("G@T / HTTP/1.1\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET\t/ HTTP/1.1\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET  / HTTP/1.1\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET /  HTTP/1.1\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET / x HTTP/1.1\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET / HTTP/1.1 \r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET /\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET /\0 HTTP/1.1\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET /\x01 HTTP/1.1\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET /\x7f HTTP/1.1\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET / http/1.1\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET / HTTP/0.9\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET / HTTP/1.\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET / HTTP/1.10\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET / HTTP/1,1\r\n\r\n")},
    {HTTP_PARSE_VERSION, STR_INIT("GET / HTTP/2.0\r\n\r\n")},
    {HTTP_PARSE_VERSION, STR_INIT("PRI * HTTP/2.0\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET / HTTP/1.1\n\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET / HTTP/1.1\r\rx\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET / HTTP/1.1\r\nA: b\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET / HTTP/1.1\r\nA: b\r\n\rx")},
    {HTTP_PARSE_BAD, STR_INIT("GET / HTTP/1.1\r\nA: b\r\n\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET / HTTP/1.1\r\nA: b\0c\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET / HTTP/1.1\r\nA : b\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET / HTTP/1.1\r\nA\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET / HTTP/1.1\r\n: b\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET / HTTP/1.1\r\n A: b\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET / HTTP/1.1\r\nA(: b\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("GET / HTTP/1.1\r\nA\xc3: b\r\n\r\n")},
    {HTTP_PARSE_LINE_TOO_LONG, STR_INIT("GET /" X64 " HTTP/1.1\r\n\r\n")},
    {HTTP_PARSE_LINE_TOO_LONG, STR_INIT("GET /" X64)},
    {HTTP_PARSE_HEADER_TOO_LONG, STR_INIT("GET / HTTP/1.1\r\nA: " X64 "\r\n\r\n")},
    {HTTP_PARSE_HEADER_TOO_LONG, STR_INIT("GET / HTTP/1.1\r\nA: b\r\nA: " X64)},
    {HTTP_PARSE_HEADER_TOO_LONG, STR_INIT("GET / HTTP/1.1\r\n" X64 "x: b\r\n\r\n")},
    {HTTP_PARSE_TOO_MANY,
     STR_INIT("GET / HTTP/1.1\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\n\r\n")},
};

static const struct bad bad_responses[] = {
    {HTTP_PARSE_BAD, STR_INIT("\r\nHTTP/1.1 200 OK\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("HTTP/1.1  200 OK\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("HTTP/1.1 20 OK\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("HTTP/1.1 2000 OK\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("HTTP/1.1 099 OK\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("HTTP/1.1 abc OK\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("HTTP/1.1\t200 OK\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("HTTP/1.1 200 O\0K\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("HTTP/1.1 200 OK\n\n")},
    {HTTP_PARSE_BAD, STR_INIT("HTTP/1.1 200 OK\r\nA b\r\n\r\n")},
    {HTTP_PARSE_VERSION, STR_INIT("HTTP/2.0 200 OK\r\n\r\n")},
    {HTTP_PARSE_BAD, STR_INIT("ICY 200 OK\r\n\r\n")},
    {HTTP_PARSE_LINE_TOO_LONG, STR_INIT("HTTP/1.1 200 " X64 "\r\n\r\n")},
    {HTTP_PARSE_LINE_TOO_LONG, STR_INIT("HTTP/1.1 200 " X64)},
};

static void check_bad(const struct bad *b, parse_fn parse)
{
    struct http_field fields[MAX_FIELDS];
    struct http_head head = {.fields = fields};
    size_t fed;
    enum http_parse_result r = at_once(parse, b->in, &head);
    if (r != b->want)
        fail_msg("got %d, want %d: %.*s", r, b->want, STR_ARG(b->in));
    assert_int_equal(head.n_fields, 0); /* nothing is written on failure */
    r = by_bytes(parse, b->in, 1, &head, &fed);
    if (r != b->want)
        fail_msg("by bytes: got %d, want %d: %.*s", r, b->want, STR_ARG(b->in));
}

static void test_bad(void **state)
{
    for (size_t i = 0; i < sizeof bad_requests / sizeof *bad_requests; i++)
        check_bad(&bad_requests[i], http_parse_request);
    for (size_t i = 0; i < sizeof bad_responses / sizeof *bad_responses; i++)
        check_bad(&bad_responses[i], http_parse_response);
}

/* A wrong line is found when it is complete, not at the end of the head. */
static void test_found_early(void **state)
{
    struct str in = STR("GET / HTTP/1.1\r\nA: b\r\nB : c\r\n");
    struct http_field fields[MAX_FIELDS];
    struct http_head head = {.fields = fields};
    size_t fed;
    assert_int_equal(by_bytes(http_parse_request, in, 1, &head, &fed), HTTP_PARSE_BAD);
    assert_int_equal(fed, in.n - 5); /* at the blank before the colon */
}

static void test_limits_exact(void **state)
{
    struct http_field fields[MAX_FIELDS];
    struct http_head head = {.fields = fields};
    char line[256];
    for (int extra = -2; extra <= 2; extra++) {
        int n = snprintf(line, sizeof line, "GET /%.*s HTTP/1.1\r\n\r\n", (int)(64 - 14 + extra), X64);
        size_t fed;
        enum http_parse_result want = extra <= 0 ? HTTP_PARSE_OK : HTTP_PARSE_LINE_TOO_LONG;
        assert_int_equal(at_once(http_parse_request, str_of(line, (size_t)n), &head), want);
        assert_int_equal(by_bytes(http_parse_request, str_of(line, (size_t)n), 1, &head, &fed), want);
        n = snprintf(line, sizeof line, "GET / HTTP/1.1\r\nA:%.*s\r\n\r\n", (int)(62 + extra), X64);
        want = extra <= 0 ? HTTP_PARSE_OK : HTTP_PARSE_HEADER_TOO_LONG;
        assert_int_equal(at_once(http_parse_request, str_of(line, (size_t)n), &head), want);
        assert_int_equal(by_bytes(http_parse_request, str_of(line, (size_t)n), 1, &head, &fed), want);
    }
    static const char eight[] = "GET / HTTP/1.1\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\n\r\n";
    assert_int_equal(at_once(http_parse_request, str_from(eight), &head), HTTP_PARSE_OK);
    assert_int_equal(head.n_fields, 8);
}

enum { NO_LENGTH = -1, WRONG = -2 };

struct framing_case {
    const char *fields;
    int64_t length; /* or NO_LENGTH, WRONG */
    bool chunked, unsupported, keep_alive, close, expect;
};

static const struct framing_case framings[] = {
    {"", NO_LENGTH, 0, 0, 0, 0, 0},
    {"Content-Length: 0\r\n", 0, 0, 0, 0, 0, 0},
    {"content-LENGTH: 00012\r\n", 12, 0, 0, 0, 0, 0},
    {"Content-Length: 4611686018427387904\r\n", INT64_C(1) << 62, 0, 0, 0, 0, 0},
    {"Content-Length: 4611686018427387905\r\n", WRONG, 0, 0, 0, 0, 0},
    {"Content-Length: 99999999999999999999\r\n", WRONG, 0, 0, 0, 0, 0},
    {"Content-Length:\r\n", WRONG, 0, 0, 0, 0, 0},
    {"Content-Length: -1\r\n", WRONG, 0, 0, 0, 0, 0},
    {"Content-Length: +1\r\n", WRONG, 0, 0, 0, 0, 0},
    {"Content-Length: 0x1\r\n", WRONG, 0, 0, 0, 0, 0},
    {"Content-Length: 1 1\r\n", WRONG, 0, 0, 0, 0, 0},
    {"Content-Length: 1,1\r\n", WRONG, 0, 0, 0, 0, 0},
    {"Content-Length: 1\r\nContent-Length: 1\r\n", WRONG, 0, 0, 0, 0, 0},
    {"Content-Length: 1\r\nContent-Length: 2\r\n", WRONG, 0, 0, 0, 0, 0},
    {"Transfer-Encoding: CHUNKED\r\n", NO_LENGTH, 1, 0, 0, 0, 0},
    {"Transfer-Encoding: gzip, chunked\r\n", NO_LENGTH, 0, 1, 0, 0, 0},
    {"Transfer-Encoding: identity\r\n", NO_LENGTH, 0, 1, 0, 0, 0},
    {"Transfer-Encoding:\r\n", NO_LENGTH, 0, 1, 0, 0, 0},
    {"Transfer-Encoding: xchunked\r\n", NO_LENGTH, 0, 1, 0, 0, 0},
    {"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", WRONG, 0, 0, 0, 0, 0},
    {"Content-Length: 1\r\nTransfer-Encoding: gzip\r\n", WRONG, 0, 0, 0, 0, 0},
    {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", WRONG, 0, 0, 0, 0, 0},
    {"Connection: close\r\n", NO_LENGTH, 0, 0, 0, 1, 0},
    {"Connection: Keep-Alive , foo\r\n", NO_LENGTH, 0, 0, 1, 0, 0},
    {"Connection: foo,,close\r\nconnection: keep-alive\r\n", NO_LENGTH, 0, 0, 1, 1, 0},
    {"Connection: closed\r\n", NO_LENGTH, 0, 0, 0, 0, 0},
    {"Expect: 100-Continue\r\nContent-Length: 5\r\n", 5, 0, 0, 0, 0, 1},
    {"Expect: 200-ok\r\n", NO_LENGTH, 0, 0, 0, 0, 0},
};

static void check_framing(const struct framing_case *c, int minor)
{
    char text[512];
    struct http_field fields[MAX_FIELDS];
    struct http_head head = {.fields = fields};
    struct http_framing f = {0};
    int n = snprintf(text, sizeof text, "PUT / HTTP/1.%d\r\n%s\r\n", minor, c->fields);
    struct http_limits wide = {64, 128, MAX_FIELDS};
    assert_int_equal(http_parse_request(text, (size_t)n, 0, &wide, &head), HTTP_PARSE_OK);
    enum http_parse_result r = http_parse_framing(&head, &f);
    bool wrong = c->length == WRONG || (minor == 0 && (c->chunked || c->unsupported));
    if (r != (wrong ? HTTP_PARSE_BAD : HTTP_PARSE_OK))
        fail_msg("result %d for HTTP/1.%d %s", r, minor, c->fields);
    if (wrong)
        return;
    assert_int_equal(f.has_length, c->length >= 0);
    assert_int_equal(f.length, c->length >= 0 ? c->length : 0);
    assert_int_equal(f.chunked, c->chunked);
    assert_int_equal(f.unsupported_coding, c->unsupported);
    assert_int_equal(f.keep_alive, c->keep_alive);
    assert_int_equal(f.close, c->close);
    assert_int_equal(f.expect_continue, c->expect && minor == 1);
}

static void test_framing(void **state)
{
    for (size_t i = 0; i < sizeof framings / sizeof *framings; i++) {
        check_framing(&framings[i], 1);
        check_framing(&framings[i], 0);
    }
}

struct chunk_case {
    enum http_parse_result want;
    uint64_t size;
    struct str in;
};

static const struct chunk_case chunks[] = {
    {HTTP_PARSE_OK, 0, STR_INIT("0\r\n")},
    {HTTP_PARSE_OK, 0xabcDEF, STR_INIT("abcDEF\r\n")},
    {HTTP_PARSE_OK, 1, STR_INIT("00000000000000000000000000000001\r\n")},
    {HTTP_PARSE_OK, UINT64_C(1) << 62, STR_INIT("4000000000000000\r\n")},
    {HTTP_PARSE_OK, 5, STR_INIT("5;name=\"value\"\r\n")},
    {HTTP_PARSE_OK, 5, STR_INIT("5 ; name\r\n")},
    {HTTP_PARSE_OK, 5, STR_INIT("5 \t\r\n")},
    {HTTP_PARSE_BAD, 0, STR_INIT("4000000000000001\r\n")},
    {HTTP_PARSE_BAD, 0, STR_INIT("ffffffffffffffffffff\r\n")},
    {HTTP_PARSE_BAD, 0, STR_INIT("\r\n")},
    {HTTP_PARSE_BAD, 0, STR_INIT(" 5\r\n")},
    {HTTP_PARSE_BAD, 0, STR_INIT("-5\r\n")},
    {HTTP_PARSE_BAD, 0, STR_INIT("+5\r\n")},
    {HTTP_PARSE_BAD, 0, STR_INIT("0x5\r\n")},
    {HTTP_PARSE_BAD, 0, STR_INIT("5 5\r\n")},
    {HTTP_PARSE_BAD, 0, STR_INIT("g\r\n")},
    {HTTP_PARSE_BAD, 0, STR_INIT("5g\r\n")},
    {HTTP_PARSE_BAD, 0, STR_INIT(";x\r\n")},
    {HTTP_PARSE_BAD, 0, STR_INIT("5\n")},
    {HTTP_PARSE_BAD, 0, STR_INIT("5\rx")},
    {HTTP_PARSE_BAD, 0, STR_INIT("5;a\rb\r\n")},
    {HTTP_PARSE_BAD, 0, STR_INIT("5;a\0b\r\n")},
    {HTTP_PARSE_BAD, 0, STR_INIT("5;a\n")},
};

static void test_chunk_lines(void **state)
{
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        const struct chunk_case *c = &chunks[i];
        uint64_t size = 77;
        size_t bytes = 77;
        enum http_parse_result r = HTTP_PARSE_INCOMPLETE;
        for (size_t n = 0; n <= c->in.n && r == HTTP_PARSE_INCOMPLETE; n++) {
            r = http_parse_chunk_line(guarded(c->in.p, n), n, &size, &bytes);
            if (c->want == HTTP_PARSE_OK && n < c->in.n)
                assert_int_equal(r, HTTP_PARSE_INCOMPLETE);
        }
        if (r != c->want)
            fail_msg("got %d, want %d: %.*s", r, c->want, STR_ARG(c->in));
        assert_int_equal(size, r == HTTP_PARSE_OK ? c->size : 77);
        assert_int_equal(bytes, r == HTTP_PARSE_OK ? c->in.n : 77);
    }
}

static void test_chunk_line_limit(void **state)
{
    char line[5000];
    uint64_t size;
    size_t bytes;
    memset(line, '0', sizeof line);
    assert_int_equal(http_parse_chunk_line(line, 4095, &size, &bytes), HTTP_PARSE_INCOMPLETE);
    assert_int_equal(http_parse_chunk_line(line, 4096, &size, &bytes), HTTP_PARSE_BAD);
    assert_int_equal(http_parse_chunk_line(line, 5000, &size, &bytes), HTTP_PARSE_BAD);
    memcpy(line + 4094, "\r\n", 2);
    assert_int_equal(http_parse_chunk_line(line, 5000, &size, &bytes), HTTP_PARSE_OK);
    assert_int_equal(bytes, 4096);
}

static void test_trailer_lines(void **state)
{
    struct http_field f;
    size_t bytes;
    struct str in = STR("ETag: \"x\" \r\n\r\n");
    for (size_t n = 0; n < 12; n++)
        assert_int_equal(http_parse_trailer_line(guarded(in.p, n), n, 64, &f, &bytes), HTTP_PARSE_INCOMPLETE);
    assert_int_equal(http_parse_trailer_line(in.p, in.n, 64, &f, &bytes), HTTP_PARSE_OK);
    check_str(f.name, "ETag");
    check_str(f.value, "\"x\"");
    assert_int_equal(bytes, 12);
    assert_int_equal(http_parse_trailer_line(in.p + 12, 2, 64, &f, &bytes), HTTP_PARSE_OK);
    assert_int_equal(f.name.n, 0);
    assert_int_equal(bytes, 2);
    assert_int_equal(http_parse_trailer_line("no colon\r\n", 10, 64, &f, &bytes), HTTP_PARSE_BAD);
    assert_int_equal(http_parse_trailer_line("\rx", 2, 64, &f, &bytes), HTTP_PARSE_BAD);
    assert_int_equal(http_parse_trailer_line(in.p, in.n, 4, &f, &bytes), HTTP_PARSE_HEADER_TOO_LONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_requests), cmocka_unit_test(test_good_responses),
        cmocka_unit_test(test_bad),           cmocka_unit_test(test_found_early),
        cmocka_unit_test(test_limits_exact),  cmocka_unit_test(test_framing),
        cmocka_unit_test(test_chunk_lines),   cmocka_unit_test(test_chunk_line_limit),
        cmocka_unit_test(test_trailer_lines),
    };
    return cmocka_run_group_tests_name("http_parse", tests, setup, teardown);
}
