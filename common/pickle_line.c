/* SPDX-License-Identifier: Apache-2.0
 *
 * pickle_line.c: see pickle_line.h.
 */
#include "common/pickle_line.h"

#include <errno.h>
#include "common/utf8.h"

/* The code point of \uXXXX or \UXXXXXXXX, whose first `digits` digits are in s. */
static int escaped_code(struct str s, size_t digits, uint32_t *ret)
{
    uint64_t v;
    if (s.n < digits || str_hex_to_u64(str_slice(s, 0, digits), &v) || v > 0x10ffff ||
        (v >= 0xd800 && v <= 0xdfff))
        return -EINVAL;
    *ret = (uint32_t)v;
    return 0;
}

int pickle_line_unicode(struct arena *a, struct str s, struct str *ret)
{
    char *out = arena_alloc(a, 2 * s.n + 1), *at = out;
    for (size_t i = 0; i < s.n;) {
        uint32_t code = (unsigned char)s.p[i++];
        char next = code == '\\' && i < s.n ? s.p[i] : '\0';
        if (next == 'u' || next == 'U') {
            size_t digits = next == 'u' ? 4 : 8;
            if (escaped_code(str_slice(s, i + 1, s.n), digits, &code))
                return -EINVAL;
            i += 1 + digits;
        } else if (next == '\\') {
            /* Two backslashes are two, and the second starts no escape. */
            *at++ = '\\';
            i++;
        }
        at += utf8_encode(code, at);
    }
    *at = '\0';
    *ret = str_of(out, (size_t)(at - out));
    return 0;
}

/* What stands for one letter behind a backslash, or -1. */
static int string_escape(char c)
{
    static const char letters[] = "\\'\"nrtabfv", values[] = "\\'\"\n\r\t\a\b\f\v";
    const char *at = c ? strchr(letters, c) : NULL;
    return at ? values[at - letters] : -1;
}

/* A \-escape of a Python 2 string literal, behind the backslash; returns the bytes taken, 0 if malformed. */
static size_t unescape(struct str s, char *ret)
{
    int letter = s.n ? string_escape(s.p[0]) : -1;
    uint64_t v;
    if (letter >= 0) {
        *ret = (char)letter;
        return 1;
    }
    if (s.n >= 3 && s.p[0] == 'x') {
        if (str_hex_to_u64(str_slice(s, 1, 3), &v))
            return 0;
        *ret = (char)v;
        return 3;
    }
    size_t n = 0;
    int octal = 0;
    for (; n < 3 && n < s.n && s.p[n] >= '0' && s.p[n] <= '7'; n++)
        octal = octal * 8 + (s.p[n] - '0');
    *ret = (char)octal;
    return n;
}

int pickle_line_string(struct arena *a, struct str s, struct str *ret)
{
    if (s.n < 2 || (s.p[0] != '\'' && s.p[0] != '"') || s.p[s.n - 1] != s.p[0])
        return -EINVAL;
    s = str_slice(s, 1, s.n - 1);
    char *out = arena_alloc(a, s.n + 1), *at = out;
    for (size_t i = 0; i < s.n; at++) {
        *at = s.p[i++];
        if (*at != '\\')
            continue;
        size_t taken = unescape(str_slice(s, i, s.n), at);
        if (!taken)
            return -EINVAL;
        i += taken;
    }
    *at = '\0';
    *ret = str_of(out, (size_t)(at - out));
    return 0;
}
