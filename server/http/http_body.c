/* SPDX-License-Identifier: Apache-2.0
 *
 * http_body.c: the stages that need no connection.
 */
#include "http/http_body.h"

#include <errno.h>

#define DRAIN_BUFFER 4096

void http_body_close(struct http_body *b)
{
    if (b && b->ops->close)
        b->ops->close(b);
}

ssize_t http_body_read_full(struct http_body *b, void *p, size_t n)
{
    size_t have = 0;
    while (have < n) {
        ssize_t got = http_body_read(b, (char *)p + have, n - have);
        if (got < 0)
            return got;
        if (got == 0)
            break;
        have += (size_t)got;
    }
    return (ssize_t)have;
}

/* The buf is full: that is fine only if the body ends here. */
static int must_end(struct http_body *b, struct buf *out)
{
    char one;
    ssize_t got = http_body_read(b, &one, 1);
    return got > 0 ? buf_append(out, &one, 1) : (int)got;
}

int http_body_read_all(struct http_body *b, struct buf *out)
{
    for (size_t room = 4096;;) {
        if (out->error)
            return out->error;
        size_t left = out->max - out->n;
        if (left == 0)
            return must_end(b, out);
        if (b->length > 0 && room < (uint64_t)b->length)
            room = (uint64_t)b->length < 65536 ? (size_t)b->length : 65536;
        size_t want = room < left ? room : left;
        char *p = buf_reserve(out, want);
        if (!p)
            return -E2BIG;
        ssize_t got = http_body_read(b, p, want);
        if (got <= 0)
            return (int)got;
        out->n += (size_t)got;
        if ((size_t)got == want && room < 65536)
            room *= 2;
    }
}

int http_body_drain(struct http_body *b, uint64_t max)
{
    char unused[DRAIN_BUFFER];
    for (;;) {
        size_t want = max < sizeof unused ? (size_t)max + 1 : sizeof unused;
        ssize_t got = http_body_read(b, unused, want);
        if (got <= 0)
            return (int)got;
        if ((uint64_t)got > max)
            return -E2BIG;
        max -= (uint64_t)got;
    }
}

int http_body_status(int err)
{
    switch (err) {
    case -ETIMEDOUT:
        return 408;
    case -EFBIG:
        return 413;
    case -EPROTO:
        return 400;
    default:
        return 499;
    }
}

/* --- memory ------------------------------------------------------------------------------------------------ */

struct memory_body {
    struct http_body body;
    struct str left;
    struct buf owned;
};

static ssize_t memory_read(struct http_body *b, void *p, size_t n)
{
    struct memory_body *m = (struct memory_body *)b;
    if (n > m->left.n)
        n = m->left.n;
    if (n > 0)
        memcpy(p, m->left.p, n);
    m->left = str_slice(m->left, n, m->left.n);
    return (ssize_t)n;
}

static void memory_close(struct http_body *b)
{
    struct memory_body *m = (struct memory_body *)b;
    m->left = STR("");
    buf_release(&m->owned);
}

static const struct http_body_ops memory_ops = {.read = memory_read, .close = memory_close};

static struct memory_body *memory_new(struct arena *a, struct str bytes)
{
    struct memory_body *m = arena_alloc(a, sizeof *m);
    *m = (struct memory_body){{&memory_ops, (int64_t)bytes.n}, bytes, {0}};
    return m;
}

struct http_body *http_body_memory(struct arena *a, struct str bytes)
{
    return &memory_new(a, bytes)->body;
}

struct http_body *http_body_buf(struct arena *a, struct buf *b)
{
    struct memory_body *m = memory_new(a, buf_view(b));
    m->owned = *b;
    buf_init(b, b->max);
    return &m->body;
}

bool http_body_view(struct http_body *b, struct str *ret)
{
    if (b->ops != &memory_ops)
        return false;
    struct memory_body *m = (struct memory_body *)b;
    *ret = m->left;
    m->left = STR("");
    return true;
}

static ssize_t empty_read(struct http_body *b, void *p, size_t n)
{
    return 0;
}

struct http_body *http_body_empty(void)
{
    static const struct http_body_ops ops = {.read = empty_read};
    static struct http_body empty = {&ops, 0};
    return &empty;
}

/* --- limited ----------------------------------------------------------------------------------------------- */

struct limited_body {
    struct http_body body;
    struct http_body *inner;
    uint64_t left;
    int error;
};

static ssize_t limited_read(struct http_body *b, void *p, size_t n)
{
    struct limited_body *l = (struct limited_body *)b;
    if (l->error || n == 0)
        return l->error;
    char one;
    bool at_limit = l->left == 0;
    size_t want = n < l->left ? n : (size_t)l->left;
    ssize_t got = at_limit ? http_body_read(l->inner, &one, 1) : http_body_read(l->inner, p, want);
    if (got > 0 && at_limit)
        got = -EFBIG;
    if (got < 0)
        l->error = (int)got;
    else
        l->left -= (uint64_t)got;
    return got;
}

static int limited_file_range(struct http_body *b, size_t max, int *ret_fd, off_t *ret_offset, size_t *ret_n)
{
    struct limited_body *l = (struct limited_body *)b;
    if (l->error)
        return l->error;
    if (!l->inner->ops->file_range || l->left == 0)
        return 0;
    int r =
        l->inner->ops->file_range(l->inner, max < l->left ? max : (size_t)l->left, ret_fd, ret_offset, ret_n);
    if (r > 0)
        l->left -= *ret_n;
    return r;
}

static void limited_close(struct http_body *b)
{
    http_body_close(((struct limited_body *)b)->inner);
}

struct http_body *http_body_limited(struct arena *a, struct http_body *inner, uint64_t limit)
{
    static const struct http_body_ops ops = {limited_read, limited_file_range, limited_close};
    struct limited_body *l = arena_alloc(a, sizeof *l);
    *l = (struct limited_body){{&ops, inner->length}, inner, limit, 0};
    return &l->body;
}

/* --- counted ----------------------------------------------------------------------------------------------- */

struct counted_body {
    struct http_body body;
    struct http_body *inner;
    uint64_t *count;
    struct digest *digest;
};

static ssize_t counted_read(struct http_body *b, void *p, size_t n)
{
    struct counted_body *c = (struct counted_body *)b;
    ssize_t got = http_body_read(c->inner, p, n);
    if (got > 0 && c->count)
        *c->count += (uint64_t)got;
    if (got > 0 && c->digest)
        digest_update(c->digest, p, (size_t)got);
    return got;
}

/* Bytes that go from file to socket cannot be digested, so with a digest there are no ranges. */
static int counted_file_range(struct http_body *b, size_t max, int *ret_fd, off_t *ret_offset, size_t *ret_n)
{
    struct counted_body *c = (struct counted_body *)b;
    if (c->digest || !c->inner->ops->file_range)
        return 0;
    int r = c->inner->ops->file_range(c->inner, max, ret_fd, ret_offset, ret_n);
    if (r > 0 && c->count)
        *c->count += *ret_n;
    return r;
}

static void counted_close(struct http_body *b)
{
    http_body_close(((struct counted_body *)b)->inner);
}

struct http_body *http_body_counted(struct arena *a, struct http_body *inner, uint64_t *count,
                                    struct digest *digest)
{
    static const struct http_body_ops ops = {counted_read, counted_file_range, counted_close};
    struct counted_body *c = arena_alloc(a, sizeof *c);
    *c = (struct counted_body){{&ops, inner->length}, inner, count, digest};
    return &c->body;
}

/* --- chain ------------------------------------------------------------------------------------------------- */

struct chain_body {
    struct http_body body;
    struct http_body **parts;
    size_t n, at;
    int error;
};

/* A part that has ended is closed at once: it may hold a descriptor. */
static void chain_next(struct chain_body *c)
{
    http_body_close(c->parts[c->at++]);
}

static ssize_t chain_read(struct http_body *b, void *p, size_t n)
{
    struct chain_body *c = (struct chain_body *)b;
    while (c->at < c->n && !c->error && n > 0) {
        ssize_t got = http_body_read(c->parts[c->at], p, n);
        if (got > 0)
            return got;
        if (got < 0)
            c->error = (int)got;
        else
            chain_next(c);
    }
    return c->error;
}

static int chain_file_range(struct http_body *b, size_t max, int *ret_fd, off_t *ret_offset, size_t *ret_n)
{
    struct chain_body *c = (struct chain_body *)b;
    if (c->error || c->at == c->n)
        return c->error;
    struct http_body *part = c->parts[c->at];
    int r = part->ops->file_range ? part->ops->file_range(part, max, ret_fd, ret_offset, ret_n) : 0;
    if (r < 0)
        c->error = r;
    return r;
}

static void chain_close(struct http_body *b)
{
    struct chain_body *c = (struct chain_body *)b;
    while (c->at < c->n)
        chain_next(c);
}

struct http_body *http_body_chain(struct arena *a, struct http_body **parts, size_t n, int64_t length)
{
    static const struct http_body_ops ops = {chain_read, chain_file_range, chain_close};
    struct chain_body *c = arena_alloc(a, sizeof *c);
    *c = (struct chain_body){{&ops, length}, arena_alloc(a, n * sizeof *parts), n, 0, 0};
    if (n > 0)
        memcpy(c->parts, parts, n * sizeof *parts);
    return &c->body;
}
