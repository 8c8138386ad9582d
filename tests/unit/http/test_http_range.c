/* SPDX-License-Identifier: Apache-2.0
 *
 * test_http_range.c: the vectors of facts proxy 15, checked against swift.common.swob 2.30.1, and conditions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include "common/clock.h"
#include "http/http_range.h"

enum { IGNORED = -1, REFUSED = -2 };

struct vector {
    const char *value;
    uint64_t size;
    int n; /* of ranges, or IGNORED, REFUSED */
    struct http_range v[3];
};

static const struct vector vectors[] = {
    {"bytes=0-4", 100, 1, {{0, 4}}},
    {"bytes=-5", 100, 1, {{95, 99}}},
    {"bytes=95-", 100, 1, {{95, 99}}},
    {"bytes=-1000", 100, 1, {{0, 99}}},
    {"bytes=-100", 100, 1, {{0, 99}}},
    {"bytes=0-", 100, 1, {{0, 99}}},
    {"bytes=0-1000", 100, 1, {{0, 99}}},
    {"bytes=99-99", 100, 1, {{99, 99}}},
    {"bytes=99-100", 100, 1, {{99, 99}}},
    {"BYTES=0-4", 100, 1, {{0, 4}}},
    {" b y t e s = 0 - 4 , 6 - 7 ", 100, 2, {{0, 4}, {6, 7}}},
    {"bytes=+1-2", 100, 1, {{1, 2}}},
    {"bytes=\t1-2", 100, 1, {{1, 2}}},
    {"bytes=0-99999999999999999999999999", 100, 1, {{0, 99}}},
    {"bytes=-99999999999999999999999999", 100, 1, {{0, 99}}},
    {"bytes=-0", 100, REFUSED, {{0}}},
    {"bytes=100-", 100, REFUSED, {{0}}},
    {"bytes=100-200", 100, REFUSED, {{0}}},
    {"bytes=-0,100-,200-300", 100, REFUSED, {{0}}},
    {"bytes=99999999999999999999999999-", 100, REFUSED, {{0}}},
    {"bytes=100-,3-4", 100, 1, {{3, 4}}},
    {"bytes=-0,0-0", 100, 1, {{0, 0}}},
    {"bytes=9-9,0-1,4-5", 10, 3, {{9, 9}, {0, 1}, {4, 5}}},
    {"", 100, IGNORED, {{0}}},
    {"bytes", 100, IGNORED, {{0}}},
    {"bytes=", 100, IGNORED, {{0}}},
    {"bytes=,", 100, IGNORED, {{0}}},
    {"bytes=1-2,", 100, IGNORED, {{0}}},
    {"bytes=,1-2", 100, IGNORED, {{0}}},
    {"bytes=5-3", 100, IGNORED, {{0}}},
    {"bytes=0-1,5-3", 100, IGNORED, {{0}}},
    {"bytes=-", 100, IGNORED, {{0}}},
    {"bytes=45", 100, IGNORED, {{0}}},
    {"bytes=a-b", 100, IGNORED, {{0}}},
    {"bytes=1-b", 100, IGNORED, {{0}}},
    {"bytes=--5", 100, IGNORED, {{0}}},
    {"bytes=1--5", 100, IGNORED, {{0}}},
    {"bytes=1-+5", 100, IGNORED, {{0}}},
    {"bytes=+-5", 100, IGNORED, {{0}}},
    {"0-4", 100, IGNORED, {{0}}},
    {"items=0-4", 100, IGNORED, {{0}}},
    {"bytes=0-1,bytes=2-3", 100, IGNORED, {{0}}},
    {"bytes=-5", 0, IGNORED, {{0}}},
    {"bytes=-5,0-0", 0, IGNORED, {{0}}},
    {"bytes=0-", 0, REFUSED, {{0}}},
    {"bytes=0-0", 0, REFUSED, {{0}}},
    {"bytes=-0", 0, REFUSED, {{0}}},
    /* Two pairs may overlap, a third may not. */
    {"bytes=0-5,3-8", 100, 2, {{0, 5}, {3, 8}}},
    {"bytes=0-5,3-8,7-20", 100, 3, {{0, 5}, {3, 8}, {7, 20}}},
    {"bytes=0-50,10-60,20-70", 100, REFUSED, {{0}}},
    {"bytes=0-9,1-9,2-9", 100, REFUSED, {{0}}},
    {"bytes=0-9,0-9,0-9", 100, 3, {{0, 9}, {0, 9}, {0, 9}}}, /* equal ones do not count */
    {"bytes=0-4,5-9,10-14", 100, 3, {{0, 4}, {5, 9}, {10, 14}}},
};

static void test_vectors(void **state)
{
    struct arena *a = arena_new();
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        const struct vector *t = &vectors[i];
        struct http_range *v = NULL;
        size_t n = 77;
        enum http_range_result r = http_range_parse(a, str_from(t->value), t->size, &v, &n);
        enum http_range_result want = t->n == IGNORED   ? HTTP_RANGE_NONE
                                      : t->n == REFUSED ? HTTP_RANGE_UNSATISFIABLE
                                                        : HTTP_RANGE_OK;
        if (r != want)
            fail_msg("\"%s\" of %d: got %d, want %d", t->value, (int)t->size, r, want);
        assert_int_equal(n, t->n > 0 ? t->n : 77);
        for (int k = 0; k < t->n; k++) {
            assert_int_equal(v[k].start, t->v[k].start);
            assert_int_equal(v[k].end, t->v[k].end);
        }
    }
    arena_free(a);
}

/* n ranges of one byte, the i-th at at(i). */
static enum http_range_result many(int n, int (*at)(int i, int n))
{
    struct arena *a = arena_new();
    struct buf text;
    struct http_range *v;
    size_t got;
    buf_init(&text, 65536);
    buf_puts(&text, "bytes=");
    for (int i = 0; i < n; i++)
        buf_printf(&text, "%s%d-%d", i ? "," : "", at(i, n), at(i, n));
    enum http_range_result r = http_range_parse(a, buf_view(&text), 100000, &v, &got);
    if (r == HTTP_RANGE_OK)
        assert_int_equal(got, n);
    buf_release(&text);
    arena_free(a);
    return r;
}

static int up(int i, int n)
{
    return 2 * i;
}
static int down(int i, int n)
{
    return 2 * (n - i);
}
static int last_back(int i, int n)
{
    return i == n - 1 ? 0 : 2 * i + 2;
}

static void test_many(void **state)
{
    assert_int_equal(many(50, up), HTTP_RANGE_OK);
    assert_int_equal(many(51, up), HTTP_RANGE_UNSATISFIABLE);
    assert_int_equal(many(1000, up), HTTP_RANGE_UNSATISFIABLE);
    assert_int_equal(many(7, down), HTTP_RANGE_OK);
    assert_int_equal(many(8, down), HTTP_RANGE_UNSATISFIABLE);
    assert_int_equal(many(8, last_back), HTTP_RANGE_UNSATISFIABLE);
    assert_int_equal(many(8, up), HTTP_RANGE_OK);
}

/* --- conditions -------------------------------------------------------------------------------------------- */

#define T0 1700000010 /* Tue, 14 Nov 2023 22:13:30 GMT */

struct condition {
    int want;
    bool missing;
    const char *name, *value, *name2, *value2;
};

static const struct condition conditions[] = {
    {0, false, NULL, NULL, NULL, NULL},
    {304, false, "If-None-Match", "abc", NULL, NULL},
    {304, false, "If-None-Match", "\"abc\"", NULL, NULL},
    {304, false, "If-None-Match", "x, \"abc\" ,y", NULL, NULL},
    {304, false, "If-None-Match", "*", NULL, NULL},
    {0, false, "If-None-Match", "W/\"abc\"", NULL, NULL},
    {0, false, "If-None-Match", "\"\"abc\"\"", NULL, NULL},
    {0, false, "If-None-Match", "ABC", NULL, NULL},
    {0, false, "If-None-Match", "", NULL, NULL},
    {304, false, "If-None-Match", "x", "If-None-Match", "abc"},
    {0, false, "If-Match", "abc", NULL, NULL},
    {0, false, "If-Match", "x,\"abc\"", NULL, NULL},
    {0, false, "If-Match", "*", NULL, NULL},
    {412, false, "If-Match", "x", NULL, NULL},
    {412, false, "If-Match", "W/\"abc\"", NULL, NULL},
    {412, false, "If-Match", "", NULL, NULL},
    {412, true, "If-Match", "*", NULL, NULL},
    {412, true, "If-Match", "x, *", NULL, NULL},
    {0, true, "If-Match", "abc", NULL, NULL},
    {0, true, "If-None-Match", "*", NULL, NULL},
    {0, true, "If-Unmodified-Since", "Mon, 13 Nov 2023 22:13:30 GMT", NULL, NULL},
    {304, false, "If-Modified-Since", "Tue, 14 Nov 2023 22:13:30 GMT", NULL, NULL},
    {304, false, "If-Modified-Since", "Tue, 14 Nov 2023 22:13:31 GMT", NULL, NULL},
    {0, false, "If-Modified-Since", "Tue, 14 Nov 2023 22:13:29 GMT", NULL, NULL},
    {0, false, "If-Modified-Since", "yesterday", NULL, NULL},
    {0, false, "If-Unmodified-Since", "Tue, 14 Nov 2023 22:13:30 GMT", NULL, NULL},
    {412, false, "If-Unmodified-Since", "Tue, 14 Nov 2023 22:13:29 GMT", NULL, NULL},
    {0, false, "If-Unmodified-Since", "", NULL, NULL},
    /* The order: If-None-Match, If-Match, If-Modified-Since, If-Unmodified-Since. */
    {304, false, "If-Match", "x", "If-None-Match", "abc"},
    {412, false, "If-Modified-Since", "Tue, 14 Nov 2023 22:13:30 GMT", "If-Match", "x"},
    {304, false, "If-Unmodified-Since", "Tue, 14 Nov 2023 22:13:29 GMT", "If-Modified-Since",
     "Tue, 14 Nov 2023 22:13:30 GMT"},
};

static void test_conditions(void **state)
{
    struct arena *a = arena_new();
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
        const struct condition *c = &conditions[i];
        struct header_table t;
        header_init(&t, a);
        if (c->name)
            header_add(&t, str_from(c->name), str_from(c->value));
        if (c->name2)
            header_add(&t, str_from(c->name2), str_from(c->value2));
        int got = http_conditions(&t, !c->missing, STR("abc"), T0);
        if (got != c->want)
            fail_msg("case %zu: %s: %s: got %d, want %d", i, c->name, c->value, got, c->want);
    }
    arena_free(a);
}

/* --- answers ----------------------------------------------------------------------------------------------- */

static const char object[] = "0123456789abcdefghij";
static int opened;

static struct http_body *open_object(void *arg, uint64_t start, uint64_t end, int *ret_err)
{
    opened++;
    if (start == 13) {
        *ret_err = -ENOENT;
        return NULL;
    }
    /* A source that is too short from 15 on. */
    uint64_t n = start == 15 ? 1 : end - start + 1;
    return http_body_memory(arg, str_of(object + start, n));
}

struct exchange {
    struct arena *a;
    struct http_request req;
    struct http_response rsp;
    struct buf out;
};

static enum http_range_result ask(struct exchange *x, const char *method, const char *range)
{
    x->a = arena_new();
    opened = 0;
    buf_init(&x->out, 65536);
    http_request_init(&x->req, x->a, str_from(method), STR("/o"));
    if (range)
        header_add(&x->req.headers, STR("range"), str_from(range));
    http_response_init(&x->rsp, x->a);
    x->rsp.status = 200;
    header_add(&x->rsp.headers, STR("Content-Type"), STR("text/plain; charset=x"));
    header_add(&x->rsp.headers, STR("Content-Length"), STR("20"));
    header_add(&x->rsp.headers, STR("Etag"), STR("\"abc\""));
    return http_response_ranges(&x->req, &x->rsp, 20, STR("text/plain; charset=x"), open_object, x->a);
}

static void done(struct exchange *x)
{
    http_body_close(x->rsp.body);
    buf_release(&x->out);
    arena_free(x->a);
}

static void check_header(const struct exchange *x, const char *name, const char *want)
{
    struct str got = header_get(&x->rsp.headers, str_from(name));
    if ((want == NULL) != (got.p == NULL) || !str_eq(got, str_from(want)))
        fail_msg("%s: got \"%.*s\", want \"%s\"", name, STR_ARG(got), want);
}

static void check_body(struct exchange *x, const char *want)
{
    assert_int_equal(opened, 0); /* nothing before it is asked for */
    assert_int_equal(x->rsp.body->length, strlen(want));
    assert_int_equal(http_body_read_all(x->rsp.body, &x->out), 0);
    buf_putc(&x->out, '\0');
    assert_string_equal(x->out.p, want);
}

static void test_whole(void **state)
{
    struct exchange x;
    assert_int_equal(ask(&x, "GET", NULL), HTTP_RANGE_NONE);
    assert_int_equal(x.rsp.status, 200);
    assert_null(x.rsp.body);
    done(&x);
    assert_int_equal(ask(&x, "GET", "bytes=5-3"), HTTP_RANGE_NONE);
    assert_int_equal(x.rsp.status, 200);
    check_header(&x, "Content-Length", "20");
    done(&x);
    assert_int_equal(ask(&x, "HEAD", "bytes=0-3"), HTTP_RANGE_NONE);
    assert_int_equal(x.rsp.status, 200);
    check_header(&x, "Content-Range", NULL);
    done(&x);
}

static void test_one_range(void **state)
{
    struct exchange x;
    assert_int_equal(ask(&x, "GET", "bytes=-5"), HTTP_RANGE_OK);
    assert_int_equal(x.rsp.status, 206);
    check_header(&x, "Content-Range", "bytes 15-19/20");
    check_header(&x, "Content-Length", NULL);
    check_header(&x, "Content-Type", "text/plain; charset=x");
    check_header(&x, "Etag", "\"abc\"");
    done(&x);
    assert_int_equal(ask(&x, "GET", "bytes=2-5,40-"), HTTP_RANGE_OK);
    check_header(&x, "Content-Range", "bytes 2-5/20");
    check_body(&x, "2345");
    assert_int_equal(opened, 1);
    done(&x);
}

static void test_unsatisfiable(void **state)
{
    struct exchange x;
    assert_int_equal(ask(&x, "GET", "bytes=20-"), HTTP_RANGE_UNSATISFIABLE);
    assert_int_equal(x.rsp.status, 416);
    check_header(&x, "Content-Range", "bytes */20");
    check_header(&x, "Etag", "\"abc\"");
    check_header(&x, "Content-Length", NULL);
    check_body(&x, "<html><h1>Requested Range Not Satisfiable</h1><p>The Range requested is not available."
                   "</p></html>");
    done(&x);
}

static void test_multipart(void **state)
{
    struct exchange x;
    char want[512];
    random_fix(7);
    assert_int_equal(ask(&x, "GET", "bytes=10-12,0-1,-3"), HTTP_RANGE_OK);
    random_fix(0);
    assert_int_equal(x.rsp.status, 206);
    check_header(&x, "Content-Range", NULL);
    check_header(&x, "Content-Length", NULL);
    struct str type = header_get(&x.rsp.headers, STR("Content-Type"));
    assert_true(str_starts(type, STR("multipart/byteranges;boundary=")));
    struct str b = str_slice(type, 30, type.n);
    assert_int_equal(b.n, 32);
    snprintf(want, sizeof want,
             "--%.*s\r\nContent-Type: text/plain; charset=x\r\nContent-Range: bytes 10-12/20\r\n\r\nabc\r\n"
             "--%.*s\r\nContent-Type: text/plain; charset=x\r\nContent-Range: bytes 0-1/20\r\n\r\n01\r\n"
             "--%.*s\r\nContent-Type: text/plain; charset=x\r\nContent-Range: bytes 17-19/20\r\n\r\nhij\r\n"
             "--%.*s--",
             STR_ARG(b), STR_ARG(b), STR_ARG(b), STR_ARG(b));
    check_body(&x, want);
    assert_int_equal(opened, 3);
    done(&x);
}

/* A part that cannot be opened, or ends early, is an error, not a shorter body. */
static void test_part_fails(void **state)
{
    struct exchange x;
    assert_int_equal(ask(&x, "GET", "bytes=0-1,13-14"), HTTP_RANGE_OK);
    assert_int_equal(http_body_read_all(x.rsp.body, &x.out), -ENOENT);
    char byte;
    assert_int_equal(http_body_read(x.rsp.body, &byte, 1), -ENOENT);
    done(&x);
    assert_int_equal(ask(&x, "GET", "bytes=0-1,15-18"), HTTP_RANGE_OK);
    assert_int_equal(http_body_read_all(x.rsp.body, &x.out), -EPIPE);
    done(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),    cmocka_unit_test(test_many),
        cmocka_unit_test(test_conditions), cmocka_unit_test(test_whole),
        cmocka_unit_test(test_one_range),  cmocka_unit_test(test_unsatisfiable),
        cmocka_unit_test(test_multipart),  cmocka_unit_test(test_part_fails),
    };
    return cmocka_run_group_tests_name("http_range", tests, NULL, NULL);
}
