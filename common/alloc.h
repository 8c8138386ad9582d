/* SPDX-License-Identifier: Apache-2.0
 *
 * alloc.h: malloc and friends that never return NULL: out of memory ends the process with a message.
 */
#ifndef COMMON_ALLOC_H
#define COMMON_ALLOC_H

#include <stddef.h>

void *xmalloc(size_t n);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *p, size_t n);
/* An array of *cap items grown to hold at least `need`: doubles, keeps the content. */
void *xgrow(void *p, size_t *cap, size_t need, size_t item_size);
char *xstrdup(const char *s);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
