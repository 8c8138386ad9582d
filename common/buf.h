/* SPDX-License-Identifier: Apache-2.0
 *
 * buf.h: bytes that grow up to a maximum fixed at init. A failure (the maximum reached) sticks: later calls
 * do nothing, so that a writer appends freely and asks once, at the end, with buf_error().
 */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include <stdarg.h>
#include "common/str.h"

struct buf {
    char *p;    /* the bytes; always followed by a NUL that is not counted once anything was appended */
    size_t n;   /* bytes in use */
    size_t cap; /* bytes allocated */
    size_t max; /* n never exceeds this */
    int error;  /* 0, or -E2BIG once an append did not fit */
};

void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b); /* frees the bytes; the buf may be used again */
void buf_reset(struct buf *b);   /* n = 0, error = 0, memory kept */

/* All return 0 or the sticky error. */
int buf_append(struct buf *b, const void *p, size_t n);
int buf_str(struct buf *b, struct str s);
int buf_puts(struct buf *b, const char *s);
int buf_putc(struct buf *b, char c);
int buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *b, const char *format, va_list args);

/* Room for n more bytes at p + n, which the caller fills and then adds to b->n. NULL if it exceeds max. */
char *buf_reserve(struct buf *b, size_t n);
/* Drops the first n bytes. */
void buf_consume(struct buf *b, size_t n);

static inline int buf_error(const struct buf *b)
{
    return b->error;
}
static inline struct str buf_view(const struct buf *b)
{
    return (struct str){b->p, b->n};
}
/* Hands the bytes over as a NUL-terminated heap string (never NULL); the buf is empty afterwards. */
char *buf_take(struct buf *b, size_t *ret_n);

#endif
