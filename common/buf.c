/* SPDX-License-Identifier: Apache-2.0
 *
 * buf.c: see buf.h. When p is not NULL, n < cap: there is always room for the NUL.
 */
#include "common/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "common/alloc.h"

#define SMALLEST 64

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_release(struct buf *b)
{
    free(b->p);
    buf_init(b, b->max);
}

void buf_reset(struct buf *b)
{
    b->n = 0;
    b->error = 0;
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (b->error)
        return NULL;
    if (n > b->max || b->n > b->max - n || b->n + n == SIZE_MAX) {
        b->error = -E2BIG;
        return NULL;
    }
    size_t need = b->n + n + 1;
    if (need > b->cap) {
        size_t cap = b->cap ? b->cap : SMALLEST;
        while (cap < need)
            cap = cap > SIZE_MAX / 2 ? need : cap * 2;
        /* A nearly full buf gets no more than its maximum. */
        if (b->max < SIZE_MAX && cap > b->max + 1)
            cap = b->max + 1;
        b->p = xrealloc(b->p, cap);
        b->cap = cap;
    }
    return b->p + b->n;
}

int buf_append(struct buf *b, const void *p, size_t n)
{
    char *to = buf_reserve(b, n);
    if (!to)
        return b->error;
    if (n)
        memcpy(to, p, n);
    to[n] = '\0';
    b->n += n;
    return 0;
}

int buf_str(struct buf *b, struct str s)
{
    return buf_append(b, s.p, s.n);
}

int buf_puts(struct buf *b, const char *s)
{
    return buf_append(b, s, strlen(s));
}

int buf_putc(struct buf *b, char c)
{
    return buf_append(b, &c, 1);
}

int buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int err = buf_vprintf(b, format, args);
    va_end(args);
    return err;
}

int buf_vprintf(struct buf *b, const char *format, va_list args)
{
    char *to = buf_reserve(b, 0);
    if (!to)
        return b->error;
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(to, b->cap - b->n, format, args);
    if (n < 0) {
        *to = '\0';
        b->error = -E2BIG; /* longer than INT_MAX: nothing else makes it fail */
    } else if ((size_t)n >= b->cap - b->n) {
        *to = '\0';
        to = buf_reserve(b, (size_t)n);
        if (to)
            vsnprintf(to, (size_t)n + 1, format, again);
    }
    va_end(again);
    if (!b->error)
        b->n += (size_t)n;
    return b->error;
}

void buf_consume(struct buf *b, size_t n)
{
    if (n >= b->n)
        n = b->n;
    b->n -= n;
    if (n && b->n)
        memmove(b->p, b->p + n, b->n);
    if (b->p)
        b->p[b->n] = '\0';
}

char *buf_take(struct buf *b, size_t *ret_n)
{
    char *p = b->p;
    if (!p)
        p = xmalloc(1);
    p[b->n] = '\0';
    if (ret_n)
        *ret_n = b->n;
    b->p = NULL;
    b->n = b->cap = 0;
    return p;
}
