/* SPDX-License-Identifier: Apache-2.0
 *
 * utf8.c: see utf8.h.
 */
#include "common/utf8.h"

#include <errno.h>

size_t utf8_decode(const char *p, size_t n, uint32_t *ret_code)
{
    if (n == 0)
        return 0;
    const unsigned char *u = (const unsigned char *)p;
    if (u[0] < 0x80) {
        *ret_code = u[0];
        return 1;
    }
    size_t len;
    uint32_t code, smallest;
    if (u[0] >= 0xc2 && u[0] <= 0xdf) {
        len = 2, code = u[0] & 0x1f, smallest = 0x80;
    } else if ((u[0] & 0xf0) == 0xe0) {
        len = 3, code = u[0] & 0x0f, smallest = 0x800;
    } else if (u[0] >= 0xf0 && u[0] <= 0xf4) {
        len = 4, code = u[0] & 0x07, smallest = 0x10000;
    } else {
        return 0;
    }
    if (n < len)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((u[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (u[i] & 0x3f);
    }
    if (code < smallest || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    *ret_code = code;
    return len;
}

size_t utf8_encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* The number of leading ASCII bytes, by eights: nearly every name is ASCII. */
static size_t ascii_run(const char *p, size_t n)
{
    size_t i = 0;
    for (; n - i >= 8; i += 8) {
        uint64_t w;
        memcpy(&w, p + i, 8);
        if (w & 0x8080808080808080u)
            break;
    }
    while (i < n && !(p[i] & 0x80))
        i++;
    return i;
}

bool utf8_valid(struct str s)
{
    for (size_t i = 0; i < s.n;) {
        i += ascii_run(s.p + i, s.n - i);
        if (i == s.n)
            break;
        uint32_t code;
        size_t len = utf8_decode(s.p + i, s.n - i, &code);
        if (!len)
            return false;
        i += len;
    }
    return true;
}

bool utf8_check(struct str s)
{
    return s.n && str_find(s, '\0') < 0 && utf8_valid(s);
}

struct str utf8_from_latin1(struct arena *a, struct str s)
{
    size_t high = 0;
    for (size_t i = 0; i < s.n; i++)
        high += (unsigned char)s.p[i] >> 7;
    char *p = arena_alloc(a, s.n + high + 1), *at = p;
    for (size_t i = 0; i < s.n; i++)
        at += utf8_encode((unsigned char)s.p[i], at);
    *at = '\0';
    return str_of(p, s.n + high);
}

int utf8_to_latin1(struct arena *a, struct str s, struct str *ret)
{
    char *p = arena_alloc(a, s.n + 1), *at = p;
    for (size_t i = 0; i < s.n;) {
        uint32_t code;
        size_t len = utf8_decode(s.p + i, s.n - i, &code);
        if (!len || code > 0xff)
            return -EINVAL;
        *at++ = (char)code;
        i += len;
    }
    *at = '\0';
    *ret = str_of(p, (size_t)(at - p));
    return 0;
}
