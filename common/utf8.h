/* SPDX-License-Identifier: Apache-2.0
 *
 * utf8.h: UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#ifndef COMMON_UTF8_H
#define COMMON_UTF8_H

#include "common/arena.h"

/* The code point at p: its length in bytes (1 .. 4), or 0 where the n bytes do not start with a valid one. */
size_t utf8_decode(const char *p, size_t n, uint32_t *ret_code);
/* Writes a code point of at most U+10FFFF (surrogates too: the caller knows); returns its length. */
size_t utf8_encode(uint32_t code, char out[4]);

/* Valid UTF-8 without NUL, surrogates and overlong forms (Swift's check_utf8; an empty string is not). */
bool utf8_check(struct str s);
/* The same, NUL allowed (reserved names), empty allowed. */
bool utf8_valid(struct str s);
/* Each byte taken as one code point, written as UTF-8; and back: -EINVAL where s is not UTF-8 of code
 * points below 256. The two levels of Swift's metadata on disk (facts: object 8). */
struct str utf8_from_latin1(struct arena *a, struct str s);
int utf8_to_latin1(struct arena *a, struct str s, struct str *ret);

#endif
