/* SPDX-License-Identifier: Apache-2.0
 *
 * http_input.c: see http_input.h. Body bytes go straight to the reader's memory once the buffer is empty; only heads,
 * chunk lines and what came along with them pass through the buffer.
 */
#include "http/http_input.h"

#include <errno.h>
#include <stdlib.h>
#include "common/alloc.h"
#include "rt/rt.h"

#define FIRST_CAP         ((size_t)8192 - 64)
#define LINE_BUFFER_MAX   ((size_t)16384) /* a chunk line or trailer line fits well */
#define TRAILER_LINE_MAX  ((size_t)8192)
#define TRAILER_BYTES_MAX ((size_t)65536)

void http_input_init(struct http_input *in, int fd, int64_t timeout_ms)
{
    *in = (struct http_input){.fd = fd, .timeout_ms = timeout_ms};
}

void http_input_release(struct http_input *in)
{
    free(in->p);
    in->p = NULL;
    in->from = in->to = in->cap = 0;
}

static ssize_t source_read(struct http_input *in, void *p, size_t n, int64_t deadline)
{
    return in->source ? in->source(in, p, n) : rt_read(in->fd, p, n, deadline);
}

/* Room behind the buffered bytes, in a buffer of at most max bytes. */
static int make_room(struct http_input *in, size_t max)
{
    if (in->from > 0) {
        memmove(in->p, in->p + in->from, in->to - in->from);
        in->to -= in->from;
        in->from = 0;
    }
    if (in->to >= max)
        return -E2BIG;
    if (in->to == in->cap) {
        size_t cap = in->cap ? 2 * in->cap : FIRST_CAP;
        in->cap = cap < max ? cap : max;
        in->p = xrealloc(in->p, in->cap);
    }
    return 0;
}

ssize_t http_input_fill(struct http_input *in, size_t max, int64_t deadline)
{
    if (in->to == in->cap || in->to >= max) {
        int r = make_room(in, max);
        if (r < 0)
            return r;
    }
    size_t room = (in->cap < max ? in->cap : max) - in->to;
    ssize_t got = source_read(in, in->p + in->to, room, deadline);
    if (got > 0)
        in->to += (size_t)got;
    return got;
}

static struct str moved(struct str s, ptrdiff_t by)
{
    return s.n ? str_of(s.p + by, s.n) : STR("");
}

void http_input_take_head(struct http_input *in, struct http_head *head, struct arena *arena,
                          struct header_table *table)
{
    const char *from = in->p + in->from;
    ptrdiff_t by = (char *)memcpy(arena_alloc(arena, head->bytes), from, head->bytes) - from;
    header_init(table, arena);
    table->cap = head->n_fields + 4;
    table->v = arena_alloc(arena, table->cap * sizeof *table->v);
    for (size_t i = 0; i < head->n_fields; i++) {
        const struct http_field *f = &head->fields[i];
        table->v[table->n++] = (struct header){moved(f->name, by), moved(f->value, by)};
    }
    head->method = moved(head->method, by);
    head->target = moved(head->target, by);
    head->reason = moved(head->reason, by);
    http_input_consume(in, head->bytes);
}

void http_decoder_init(struct http_decoder *d, struct http_input *in, enum http_coding coding,
                       uint64_t length)
{
    *d = (struct http_decoder){
        .in = in, .coding = coding, .length = length, .left = coding == HTTP_CODING_LENGTH ? length : 0};
    d->ended = coding == HTTP_CODING_NONE || (coding == HTTP_CODING_LENGTH && length == 0);
}

/* Up to n bytes, from the buffer first. */
static ssize_t read_some(struct http_input *in, void *p, size_t n)
{
    size_t have = http_input_buffered(in);
    if (have == 0)
        return source_read(in, p, n, rt_deadline(in->timeout_ms));
    if (n > have)
        n = have;
    memcpy(p, in->p + in->from, n);
    http_input_consume(in, n);
    return (ssize_t)n;
}

/* As read_some, of the `left` bytes; the end of the stream is an error. */
static ssize_t read_counted(struct http_decoder *d, void *p, size_t n)
{
    ssize_t got = read_some(d->in, p, n < d->left ? n : (size_t)d->left);
    if (got == 0)
        return -ECONNRESET;
    if (got > 0)
        d->left -= (uint64_t)got;
    return got;
}

static int fill_line(struct http_input *in)
{
    ssize_t got = http_input_fill(in, LINE_BUFFER_MAX, rt_deadline(in->timeout_ms));
    return got > 0 ? 0 : got == 0 ? -ECONNRESET : got == -E2BIG ? -EPROTO : (int)got;
}

static int chunk_line(struct http_decoder *d)
{
    struct http_input *in = d->in;
    size_t bytes;
    struct str line = http_input_view(in);
    enum http_parse_result r = http_parse_chunk_line(line.p, line.n, &d->left, &bytes);
    if (r == HTTP_PARSE_INCOMPLETE)
        return fill_line(in);
    if (r != HTTP_PARSE_OK)
        return -EPROTO;
    http_input_consume(in, bytes);
    d->state = d->left > 0 ? HTTP_CHUNK_DATA : HTTP_CHUNK_TRAILER;
    return 0;
}

static int chunk_data_end(struct http_decoder *d)
{
    struct http_input *in = d->in;
    size_t have = http_input_buffered(in);
    if ((have >= 1 && in->p[in->from] != '\r') || (have >= 2 && in->p[in->from + 1] != '\n'))
        return -EPROTO;
    if (have < 2)
        return fill_line(in);
    http_input_consume(in, 2);
    d->state = HTTP_CHUNK_LINE;
    return 0;
}

static int chunk_trailer(struct http_decoder *d)
{
    struct http_input *in = d->in;
    struct http_field field;
    size_t bytes;
    struct str line = http_input_view(in);
    enum http_parse_result r = http_parse_trailer_line(line.p, line.n, TRAILER_LINE_MAX, &field, &bytes);
    if (r == HTTP_PARSE_INCOMPLETE)
        return fill_line(in);
    d->trailer_bytes += r == HTTP_PARSE_OK ? bytes : 0;
    if (r != HTTP_PARSE_OK || d->trailer_bytes > TRAILER_BYTES_MAX)
        return -EPROTO;
    d->ended = field.name.n == 0;
    http_input_consume(in, bytes);
    return 0;
}

static ssize_t read_chunked(struct http_decoder *d, void *p, size_t n)
{
    int r = 0;
    while (r == 0 && !d->ended) {
        switch (d->state) {
        case HTTP_CHUNK_LINE:
            r = chunk_line(d);
            break;
        case HTTP_CHUNK_DATA: {
            ssize_t got = read_counted(d, p, n);
            if (d->left == 0)
                d->state = HTTP_CHUNK_DATA_END;
            return got;
        }
        case HTTP_CHUNK_DATA_END:
            r = chunk_data_end(d);
            break;
        case HTTP_CHUNK_TRAILER:
            r = chunk_trailer(d);
            break;
        }
    }
    return r;
}

ssize_t http_decoder_read(struct http_decoder *d, void *p, size_t n)
{
    if (d->error || d->ended || n == 0)
        return d->error;
    ssize_t got = 0;
    switch (d->coding) {
    case HTTP_CODING_NONE:
        break;
    case HTTP_CODING_LENGTH:
        got = read_counted(d, p, n);
        d->ended = d->left == 0;
        break;
    case HTTP_CODING_CHUNKED:
        got = read_chunked(d, p, n);
        break;
    case HTTP_CODING_CLOSE:
        got = read_some(d->in, p, n);
        d->ended = got == 0;
        break;
    }
    if (got < 0)
        d->error = (int)got;
    return got;
}
