/* SPDX-License-Identifier: Apache-2.0
 *
 * pickle_write.c: the writer of pickle.h. Memo-less protocol 2, which every Python reads.
 */
#include "common/pickle.h"

#include <errno.h>
#include "common/utf8.h"

static void put_u32(struct buf *b, uint32_t v)
{
    char le[4] = {(char)v, (char)(v >> 8), (char)(v >> 16), (char)(v >> 24)};
    buf_append(b, le, sizeof(le));
}

void pickle_begin(struct buf *b)
{
    buf_append(b, "\x80\x02", 2);
}

void pickle_end(struct buf *b)
{
    buf_putc(b, '.');
}

void pickle_none(struct buf *b)
{
    buf_putc(b, 'N');
}

void pickle_bool(struct buf *b, bool v)
{
    buf_putc(b, v ? '\x88' : '\x89');
}

/* LONG1: the fewest bytes of two's complement, little end first. */
static void put_long(struct buf *b, int64_t v)
{
    char out[2 + 8];
    int n = 0;
    int64_t rest = v;
    do {
        out[2 + n++] = (char)rest;
        rest >>= 8;
    } while (rest != ((signed char)out[1 + n] < 0 ? -1 : 0));
    out[0] = '\x8a';
    out[1] = (char)n;
    buf_append(b, out, (size_t)n + 2);
}

void pickle_int(struct buf *b, int64_t v)
{
    if (v >= 0 && v <= 0xff) {
        char op[2] = {'K', (char)v};
        buf_append(b, op, sizeof(op));
    } else if (v >= 0 && v <= 0xffff) {
        char op[3] = {'M', (char)v, (char)(v >> 8)};
        buf_append(b, op, sizeof(op));
    } else if (v >= INT32_MIN && v <= INT32_MAX) {
        buf_putc(b, 'J');
        put_u32(b, (uint32_t)v);
    } else {
        put_long(b, v);
    }
}

void pickle_float(struct buf *b, double v)
{
    uint64_t bits;
    char op[9] = {'G'};
    memcpy(&bits, &v, sizeof(bits));
    for (int i = 0; i < 8; i++)
        op[1 + i] = (char)(bits >> (56 - 8 * i));
    buf_append(b, op, sizeof(op));
}

static bool put_text_head(struct buf *b, size_t n)
{
    if (n > UINT32_MAX) {
        b->error = -E2BIG;
        return false;
    }
    buf_putc(b, 'X');
    put_u32(b, (uint32_t)n);
    return true;
}

void pickle_text(struct buf *b, struct str utf8)
{
    if (put_text_head(b, utf8.n))
        buf_str(b, utf8);
}

/* Each byte as the code point of the same number. */
static void put_latin1(struct buf *b, struct str bytes)
{
    size_t high = 0;
    for (size_t i = 0; i < bytes.n; i++)
        high += (unsigned char)bytes.p[i] >> 7;
    if (!put_text_head(b, bytes.n + high))
        return;
    char *at = buf_reserve(b, bytes.n + high);
    if (!at)
        return;
    for (size_t i = 0; i < bytes.n; i++)
        at += utf8_encode((unsigned char)bytes.p[i], at);
    *at = '\0';
    b->n += bytes.n + high;
}

void pickle_bytes(struct buf *b, struct str bytes)
{
    static const char head[] = "c_codecs\nencode\n", latin1[] = "X\x06\0\0\0latin1\x86R";
    static const char empty[] = "c__builtin__\nbytes\n)R";
    if (bytes.n == 0) {
        buf_append(b, empty, sizeof(empty) - 1);
        return;
    }
    buf_append(b, head, sizeof(head) - 1);
    put_latin1(b, bytes);
    buf_append(b, latin1, sizeof(latin1) - 1);
}

void pickle_dict_begin(struct buf *b)
{
    buf_append(b, "}(", 2);
}

void pickle_dict_end(struct buf *b)
{
    buf_putc(b, 'u');
}

void pickle_list_begin(struct buf *b)
{
    buf_append(b, "](", 2);
}

void pickle_list_end(struct buf *b)
{
    buf_putc(b, 'e');
}

void pickle_tuple_begin(struct buf *b)
{
    buf_putc(b, '(');
}

void pickle_tuple_end(struct buf *b)
{
    buf_putc(b, 't');
}

void pickle_array(struct buf *b, char typecode, size_t n, int64_t (*get)(size_t i, void *arg), void *arg)
{
    buf_puts(b, "carray\narray\n");
    pickle_text(b, str_of(&typecode, 1));
    pickle_list_begin(b);
    for (size_t i = 0; i < n; i++)
        pickle_int(b, get(i, arg));
    pickle_list_end(b);
    buf_append(b, "\x86R", 2);
}
