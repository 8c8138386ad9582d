/* SPDX-License-Identifier: Apache-2.0
 *
 * common_test.h: what the tests of common/ share.
 */
#ifndef COMMON_TEST_H
#define COMMON_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "common/str.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Content and length of a struct str; literal may have NULs in it. */
#define assert_str(s, literal) assert_str_(s, STR(literal), __FILE__, __LINE__)
static inline void assert_str_(struct str got, struct str want, const char *file, int line)
{
    if (str_eq(got, want))
        return;
    print_error("got  \"%.*s\" (%zu bytes)\nwant \"%.*s\" (%zu bytes)\n", STR_ARG(got), got.n, STR_ARG(want),
                want.n);
    _fail(file, line);
}

/* A copy at the end of its heap block, so that the address sanitizer sees a read past it. To be freed. */
static inline char *exact_copy(const void *p, size_t n)
{
    char *copy = malloc(n ? n : 1);
    if (n)
        memcpy(copy, p, n);
    return copy;
}

#endif
