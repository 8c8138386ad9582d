/* SPDX-License-Identifier: Apache-2.0
 *
 * json.c: see json.h.
 */
#include "common/json.h"

#include "common/utf8.h"

#define REPLACEMENT 0xfffdu

/* The letter behind the backslash, or 0. */
static char short_escape(char c)
{
    switch (c) {
    case '"':
    case '\\':
        return c;
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    default:
        return '\0';
    }
}

static void put_code(struct buf *b, uint32_t code)
{
    if (code >= 0x10000) {
        code -= 0x10000;
        buf_printf(b, "\\u%04x\\u%04x", 0xd800 | code >> 10, 0xdc00 | (code & 0x3ff));
    } else {
        buf_printf(b, "\\u%04x", code);
    }
}

static size_t put_escaped(struct buf *b, const char *p, size_t n)
{
    char letter = short_escape(*p);
    if (letter) {
        char pair[2] = {'\\', letter};
        buf_append(b, pair, 2);
        return 1;
    }
    uint32_t code;
    size_t len = utf8_decode(p, n, &code);
    put_code(b, len ? code : REPLACEMENT);
    return len ? len : 1;
}

void json_put_string(struct buf *b, struct str s)
{
    buf_putc(b, '"');
    size_t from = 0, i = 0;
    while (i < s.n) {
        unsigned char c = (unsigned char)s.p[i];
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
            i++;
            continue;
        }
        buf_append(b, s.p + from, i - from);
        i += put_escaped(b, s.p + i, s.n - i);
        from = i;
    }
    if (from < s.n)
        buf_append(b, s.p + from, s.n - from);
    buf_putc(b, '"');
}
