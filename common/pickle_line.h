/* SPDX-License-Identifier: Apache-2.0
 *
 * pickle_line.h: the texts of pickle protocol 0, without their newline. For pickle.c only.
 */
#ifndef COMMON_PICKLE_LINE_H
#define COMMON_PICKLE_LINE_H

#include "common/arena.h"

/* Python's raw-unicode-escape as UTF-8: bytes are code points, \uXXXX and \UXXXXXXXX escapes, any other
 * backslash is itself. 0 or -EINVAL (no such code point, surrogates). */
int pickle_line_unicode(struct arena *a, struct str s, struct str *ret);
/* A Python 2 string literal with its quotes. 0 or -EINVAL. */
int pickle_line_string(struct arena *a, struct str s, struct str *ret);

#endif
