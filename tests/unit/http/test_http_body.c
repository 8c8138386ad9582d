/* SPDX-License-Identifier: Apache-2.0
 *
 * test_http_body.c: the stages, and the decoder that takes a body out of a connection's bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include "http/http_body.h"
#include "http/http_input.h"

/* A body that gives `step` bytes at a time, offers a file range if it has one, and then ends or fails. */
struct source {
    struct http_body body;
    struct str left;
    size_t step;
    int end; /* 0 or -errno */
    uint64_t file_left;
    unsigned closed;
};

static ssize_t source_read(struct http_body *b, void *p, size_t n)
{
    struct source *s = (struct source *)b;
    n = n < s->step ? n : s->step;
    n = n < s->left.n ? n : s->left.n;
    if (n == 0)
        return s->end;
    memcpy(p, s->left.p, n);
    s->left = str_slice(s->left, n, s->left.n);
    return (ssize_t)n;
}

static int source_file_range(struct http_body *b, size_t max, int *ret_fd, off_t *ret_offset, size_t *ret_n)
{
    struct source *s = (struct source *)b;
    *ret_fd = 42;
    *ret_offset = 1000;
    *ret_n = max < s->file_left ? max : s->file_left;
    s->file_left -= *ret_n;
    return *ret_n > 0;
}

static void source_close(struct http_body *b)
{
    ((struct source *)b)->closed++;
}

static const struct http_body_ops source_ops = {source_read, source_file_range, source_close};

static struct source make_source(const char *text, size_t step, int end)
{
    return (struct source){{&source_ops, -1}, str_from(text), step, end, 0, 0};
}

static void check_all(struct http_body *b, int want, const char *text)
{
    struct buf out;
    char byte;
    buf_init(&out, 4096);
    assert_int_equal(http_body_read_all(b, &out), want);
    assert_int_equal(out.n, strlen(text));
    assert_memory_equal(out.p ? out.p : "", text, out.n);
    assert_int_equal(http_body_read(b, &byte, 1), want); /* and ever after */
    buf_release(&out);
}

static void test_memory(void **state)
{
    struct arena *a = arena_new();
    struct http_body *b = http_body_memory(a, STR("hello"));
    char part[3];
    struct str rest;
    assert_int_equal(b->length, 5);
    assert_int_equal(http_body_read_full(b, part, 3), 3);
    assert_memory_equal(part, "hel", 3);
    assert_true(http_body_view(b, &rest));
    assert_true(str_eq(rest, STR("lo")));
    check_all(b, 0, "");
    assert_int_equal(b->length, 5);
    http_body_close(b);
    http_body_close(NULL);
    check_all(http_body_empty(), 0, "");
    assert_int_equal(http_body_empty()->length, 0);
    http_body_close(http_body_empty());
    arena_free(a);
}

static void test_buf(void **state)
{
    struct arena *a = arena_new();
    struct buf b;
    buf_init(&b, 100);
    buf_puts(&b, "taken over");
    struct http_body *body = http_body_buf(a, &b);
    assert_int_equal(body->length, 10);
    assert_int_equal(b.n, 0);
    buf_puts(&b, "again");
    check_all(body, 0, "taken over");
    http_body_close(body); /* the sanitizer sees what is not freed */
    buf_release(&b);
    arena_free(a);
}

static void test_read_all(void **state)
{
    struct buf out;
    struct source s = make_source("0123456789", 3, 0);
    buf_init(&out, 10);
    assert_int_equal(http_body_read_all(&s.body, &out), 0); /* exactly the maximum */
    assert_int_equal(out.n, 10);
    s = make_source("0123456789x", 3, 0);
    buf_reset(&out);
    assert_int_equal(http_body_read_all(&s.body, &out), -E2BIG);
    s = make_source("0123", 3, -EIO);
    buf_reset(&out);
    assert_int_equal(http_body_read_all(&s.body, &out), -EIO);
    assert_int_equal(s.closed, 0);
    buf_release(&out);
}

static void test_read_full(void **state)
{
    char p[16];
    struct source s = make_source("0123456789", 3, 0);
    assert_int_equal(http_body_read_full(&s.body, p, 7), 7);
    assert_int_equal(http_body_read_full(&s.body, p, 7), 3);
    assert_int_equal(http_body_read_full(&s.body, p, 7), 0);
    s = make_source("0123", 3, -EIO);
    assert_int_equal(http_body_read_full(&s.body, p, 7), -EIO);
}

static void test_drain(void **state)
{
    struct source s = make_source("0123456789", 3, 0);
    assert_int_equal(http_body_drain(&s.body, 10), 0);
    s = make_source("0123456789", 3, 0);
    assert_int_equal(http_body_drain(&s.body, 9), -E2BIG);
    s = make_source("", 3, 0);
    assert_int_equal(http_body_drain(&s.body, 0), 0);
    s = make_source("0123456789", 3, -EIO);
    assert_int_equal(http_body_drain(&s.body, 100), -EIO);
}

static void test_limited(void **state)
{
    struct arena *a = arena_new();
    struct source s = make_source("0123456789", 3, 0);
    struct http_body *b = http_body_limited(a, &s.body, 10);
    check_all(b, 0, "0123456789");
    http_body_close(b);
    assert_int_equal(s.closed, 1);
    s = make_source("0123456789", 3, 0);
    check_all(http_body_limited(a, &s.body, 9), -EFBIG, "012345678");
    s = make_source("0123", 3, -ECONNRESET);
    check_all(http_body_limited(a, &s.body, 9), -ECONNRESET, "0123");
    arena_free(a);
}

static void test_counted(void **state)
{
    struct arena *a = arena_new();
    struct digest *d = digest_new(DIGEST_MD5);
    uint64_t count = 0;
    char hex[DIGEST_HEX_SIZE];
    struct source s = make_source("hello", 2, 0);
    struct http_body *b = http_body_counted(a, &s.body, &count, d);
    check_all(b, 0, "hello");
    assert_int_equal(count, 5);
    assert_string_equal(digest_final_hex(d, hex), "5d41402abc4b2a76b9719d911017c592");
    http_body_close(b);
    assert_int_equal(s.closed, 1);
    digest_free(d);
    s = make_source("hello", 2, 0);
    check_all(http_body_counted(a, &s.body, NULL, NULL), 0, "hello");
    arena_free(a);
}

static void test_chain(void **state)
{
    struct arena *a = arena_new();
    struct source one = make_source("one", 2, 0), two = make_source("", 2, 0),
                  three = make_source("three", 9, 0);
    struct http_body *parts[] = {&one.body, &two.body, &three.body};
    struct http_body *b = http_body_chain(a, parts, 3, 8);
    parts[0] = NULL; /* the array was copied */
    assert_int_equal(b->length, 8);
    check_all(b, 0, "onethree");
    http_body_close(b);
    assert_int_equal(one.closed + two.closed + three.closed, 3);

    one = make_source("one", 2, -EIO), three = make_source("three", 9, 0);
    struct http_body *failing[] = {&one.body, &three.body};
    b = http_body_chain(a, failing, 2, -1);
    check_all(b, -EIO, "one");
    http_body_close(b);
    assert_int_equal(one.closed, 1);
    assert_int_equal(three.closed, 1);
    arena_free(a);
}

static void test_file_ranges(void **state)
{
    struct arena *a = arena_new();
    uint64_t count = 0;
    int fd = -1;
    off_t offset = 0;
    size_t n = 0;
    struct source s = make_source("tail", 9, 0);
    s.file_left = 100;
    struct http_body *parts[] = {&s.body};
    struct http_body *b = http_body_limited(a, &s.body, 60);
    b = http_body_counted(a, b, &count, NULL);
    parts[0] = b;
    b = http_body_chain(a, parts, 1, -1);
    assert_int_equal(b->ops->file_range(b, 40, &fd, &offset, &n), 1);
    assert_int_equal(n, 40);
    assert_int_equal(fd, 42);
    assert_int_equal(offset, 1000);
    assert_int_equal(b->ops->file_range(b, 40, &fd, &offset, &n), 1);
    assert_int_equal(n, 20); /* the limit */
    assert_int_equal(count, 60);
    assert_int_equal(b->ops->file_range(b, 40, &fd, &offset, &n), 0);
    check_all(b, -EFBIG, "");
    struct digest *d = digest_new(DIGEST_MD5);
    b = http_body_counted(a, &s.body, NULL, d);
    assert_int_equal(b->ops->file_range(b, 40, &fd, &offset, &n), 0); /* would pass the digest by */
    digest_free(d);
    arena_free(a);
}

/* --- decoder ----------------------------------------------------------------------------------------------- */

struct wire {
    struct str left;
    size_t step;
    int end;
};

static ssize_t wire_read(struct http_input *in, void *p, size_t n)
{
    struct wire *w = in->source_arg;
    n = n < w->step ? n : w->step;
    n = n < w->left.n ? n : w->left.n;
    if (n == 0)
        return w->end;
    memcpy(p, w->left.p, n);
    w->left = str_slice(w->left, n, w->left.n);
    return (ssize_t)n;
}

struct decoding {
    enum http_coding coding;
    uint64_t length;
    struct str wire;
    int want;
    const char *text;
    size_t behind; /* bytes of the wire that belong to the next message */
};

#define CHUNKED HTTP_CODING_CHUNKED, 0

static const struct decoding decodings[] = {
    {HTTP_CODING_NONE, 0, STR_INIT("next"), 0, "", 4},
    {HTTP_CODING_LENGTH, 0, STR_INIT("next"), 0, "", 4},
    {HTTP_CODING_LENGTH, 5, STR_INIT("hellonext"), 0, "hello", 4},
    {HTTP_CODING_LENGTH, 5, STR_INIT("hell"), -ECONNRESET, "hell", 0},
    {HTTP_CODING_CLOSE, 0, STR_INIT("hello"), 0, "hello", 0},
    {CHUNKED, STR_INIT("0\r\n\r\nnext"), 0, "", 4},
    {CHUNKED, STR_INIT("5\r\nhello\r\n0\r\n\r\nnext"), 0, "hello", 4},
    {CHUNKED, STR_INIT("2\r\nhe\r\n3;x=y\r\nllo\r\n000\r\n\r\nnext"), 0, "hello", 4},
    {CHUNKED, STR_INIT("5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\nnext"), 0, "hello", 4},
    {CHUNKED, STR_INIT("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"), 0, "01234567890123456789", 0},
    {CHUNKED, STR_INIT(""), -ECONNRESET, "", 0},
    {CHUNKED, STR_INIT("5"), -ECONNRESET, "", 0},
    {CHUNKED, STR_INIT("5\r\nhel"), -ECONNRESET, "hel", 0},
    {CHUNKED, STR_INIT("5\r\nhello"), -ECONNRESET, "hello", 0},
    {CHUNKED, STR_INIT("5\r\nhello\r\n"), -ECONNRESET, "hello", 0},
    {CHUNKED, STR_INIT("5\r\nhello\r\n0\r\n"), -ECONNRESET, "hello", 0},
    {CHUNKED, STR_INIT("5\r\nhello\r\n0\r\nA: b\r\n"), -ECONNRESET, "hello", 0},
    {CHUNKED, STR_INIT("5\r\nhelloX\r\n"), -EPROTO, "hello", 3},
    {CHUNKED, STR_INIT("5\r\nhello\n0\r\n\r\n"), -EPROTO, "hello", 6},
    {CHUNKED, STR_INIT("5\r\nhello\r0\r\n\r\n"), -EPROTO, "hello", 6},
    {CHUNKED, STR_INIT("x\r\n"), -EPROTO, "", 3},
    {CHUNKED, STR_INIT("-1\r\n"), -EPROTO, "", 4},
    {CHUNKED, STR_INIT("\r\n"), -EPROTO, "", 2},
    {CHUNKED, STR_INIT("5\n"), -EPROTO, "", 2},
    {CHUNKED, STR_INIT("ffffffffffffffff\r\n"), -EPROTO, "", 18},
    {CHUNKED, STR_INIT("0\r\nno colon\r\n\r\n"), -EPROTO, "", 12},
    {CHUNKED, STR_INIT("0\r\n A: b\r\n\r\n"), -EPROTO, "", 9},
    {CHUNKED, STR_INIT("0\r\n\n"), -EPROTO, "", 1},
};

static void check_decoding(const struct decoding *t, size_t step, size_t piece)
{
    struct http_input in;
    struct http_decoder d;
    struct wire w = {t->wire, step, 0};
    char out[64], *p = out;
    ssize_t got;
    http_input_init(&in, -1, 0);
    in.source = wire_read;
    in.source_arg = &w;
    http_decoder_init(&d, &in, t->coding, t->length);
    while ((got = http_decoder_read(&d, p, piece)) > 0)
        p += got;
    if (got != t->want)
        fail_msg("step %zu piece %zu: got %zd, want %d: %.*s", step, piece, got, t->want, STR_ARG(t->wire));
    assert_int_equal(http_decoder_read(&d, p, piece), t->want);
    assert_int_equal(d.ended, t->want == 0);
    assert_int_equal(p - out, strlen(t->text));
    assert_memory_equal(out, t->text, strlen(t->text));
    if (t->want == 0) /* nothing of the next message was touched */
        assert_int_equal(http_input_buffered(&in) + w.left.n, t->behind);
    http_input_release(&in);
}

static void test_decoder(void **state)
{
    for (size_t i = 0; i < sizeof decodings / sizeof *decodings; i++)
        for (size_t step = 1; step <= 30; step++)
            for (size_t piece = 1; piece <= 8; piece++)
                check_decoding(&decodings[i], step, piece);
}

/* The source's own error comes through, and sticks. */
static void test_decoder_error(void **state)
{
    struct http_input in;
    struct http_decoder d;
    struct wire w = {STR("5\r\nhe"), 100, -ETIMEDOUT};
    char p[8];
    http_input_init(&in, -1, 0);
    in.source = wire_read;
    in.source_arg = &w;
    http_decoder_init(&d, &in, HTTP_CODING_CHUNKED, 0);
    assert_int_equal(http_decoder_read(&d, p, sizeof p), 2);
    assert_int_equal(http_decoder_read(&d, p, sizeof p), -ETIMEDOUT);
    w.left = STR("llo\r\n0\r\n\r\n");
    assert_int_equal(http_decoder_read(&d, p, sizeof p), -ETIMEDOUT);
    http_input_release(&in);
}

static void test_trailer_bound(void **state)
{
    struct http_input in;
    struct http_decoder d;
    struct buf text;
    char p[8];
    buf_init(&text, 1 << 20);
    buf_puts(&text, "0\r\n");
    for (int i = 0; i < 20000; i++)
        buf_puts(&text, "Name: value\r\n");
    buf_puts(&text, "\r\n");
    struct wire w = {buf_view(&text), 1000, 0};
    http_input_init(&in, -1, 0);
    in.source = wire_read;
    in.source_arg = &w;
    http_decoder_init(&d, &in, HTTP_CODING_CHUNKED, 0);
    assert_int_equal(http_decoder_read(&d, p, sizeof p), -EPROTO);
    assert_true(in.cap <= 16384);
    http_input_release(&in);
    buf_release(&text);
}

static void test_status(void **state)
{
    assert_int_equal(http_body_status(-ETIMEDOUT), 408);
    assert_int_equal(http_body_status(-EFBIG), 413);
    assert_int_equal(http_body_status(-EPROTO), 400);
    assert_int_equal(http_body_status(-ECONNRESET), 499);
    assert_int_equal(http_body_status(-EPIPE), 499);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),        cmocka_unit_test(test_buf),
        cmocka_unit_test(test_read_all),      cmocka_unit_test(test_read_full),
        cmocka_unit_test(test_drain),         cmocka_unit_test(test_limited),
        cmocka_unit_test(test_counted),       cmocka_unit_test(test_chain),
        cmocka_unit_test(test_file_ranges),   cmocka_unit_test(test_decoder),
        cmocka_unit_test(test_decoder_error), cmocka_unit_test(test_trailer_bound),
        cmocka_unit_test(test_status),
    };
    return cmocka_run_group_tests_name("http_body", tests, NULL, NULL);
}
