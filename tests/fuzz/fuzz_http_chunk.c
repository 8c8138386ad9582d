/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_http_chunk.c: bodies as they come off a connection. The first byte says how the body is framed and how the
 * bytes are cut up; the decoded bytes must not depend on the cuts, and what is behind the body must be left alone.
 */
#include <errno.h>
#include <stdlib.h>
#include "common/buf.h"
#include "http/http_input.h"

static void check(bool ok)
{
    if (!ok)
        abort();
}

struct wire {
    const uint8_t *p;
    size_t n, step;
};

static ssize_t wire_read(struct http_input *in, void *p, size_t n)
{
    struct wire *w = in->source_arg;
    n = n < w->step ? n : w->step;
    n = n < w->n ? n : w->n;
    if (n)
        memcpy(p, w->p, n);
    w->p += n;
    w->n -= n;
    return (ssize_t)n;
}

/* Decodes all; what read said last, the bytes, and how many of the wire's were used. */
static int decode(const uint8_t *data, size_t size, enum http_coding coding, size_t step, size_t piece,
                  struct buf *out, size_t *ret_used)
{
    struct http_input in;
    struct http_decoder d;
    struct wire w = {data, size, step};
    char p[64];
    ssize_t got;
    http_input_init(&in, -1, 0);
    in.source = wire_read;
    in.source_arg = &w;
    http_decoder_init(&d, &in, coding, 100);
    while ((got = http_decoder_read(&d, p, piece)) > 0) {
        check((size_t)got <= piece);
        buf_append(out, p, (size_t)got);
    }
    check(d.ended == (got == 0) && http_decoder_read(&d, p, piece) == got);
    check(in.cap <= 16384);
    *ret_used = size - w.n - http_input_buffered(&in);
    http_input_release(&in);
    return (int)got;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum http_coding codings[] = {HTTP_CODING_CHUNKED, HTTP_CODING_CHUNKED, HTTP_CODING_LENGTH,
                                               HTTP_CODING_CLOSE};
    struct buf whole, pieces;
    size_t used, used_again;
    if (size == 0)
        return 0;
    enum http_coding coding = codings[data[0] & 3];
    buf_init(&whole, size);
    buf_init(&pieces, size);
    int r = decode(data + 1, size - 1, coding, SIZE_MAX, 64, &whole, &used);
    int again =
        decode(data + 1, size - 1, coding, (data[0] >> 2 & 7) + 1, (data[0] >> 5) + 1, &pieces, &used_again);
    check(r == 0 || r == -EPROTO || r == -ECONNRESET);
    check(r == again && !whole.error && !pieces.error);
    check(str_eq(buf_view(&whole), buf_view(&pieces)));
    check(r != 0 || used == used_again);
    buf_release(&whole);
    buf_release(&pieces);
    return 0;
}
