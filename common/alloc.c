/* SPDX-License-Identifier: Apache-2.0
 *
 * alloc.c: see alloc.h.
 */
#include "common/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Noreturn void out_of_memory(void)
{
    static const char message[] = "out of memory\n";
    ssize_t ignored = write(STDERR_FILENO, message, sizeof(message) - 1);
    (void)ignored;
    abort();
}

void *xmalloc(size_t n)
{
    void *p = malloc(n ? n : 1);
    if (!p)
        out_of_memory();
    return p;
}

void *xcalloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (!p)
        out_of_memory();
    return p;
}

void *xrealloc(void *p, size_t n)
{
    p = realloc(p, n ? n : 1);
    if (!p)
        out_of_memory();
    return p;
}

void *xgrow(void *p, size_t *cap, size_t need, size_t item_size)
{
    if (need <= *cap)
        return p;
    size_t items = *cap < 8 ? 8 : *cap, bytes;
    while (items < need)
        if (__builtin_mul_overflow(items, 2, &items))
            out_of_memory();
    if (__builtin_mul_overflow(items, item_size, &bytes))
        out_of_memory();
    *cap = items;
    return xrealloc(p, bytes);
}

char *xstrdup(const char *s)
{
    size_t n = strlen(s) + 1;
    return memcpy(xmalloc(n), s, n);
}

char *xasprintf(const char *format, ...)
{
    char *p;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&p, format, args);
    va_end(args);
    if (n < 0)
        out_of_memory();
    return p;
}
