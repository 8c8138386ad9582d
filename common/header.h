/* SPDX-License-Identifier: Apache-2.0
 *
 * header.h: an ordered table of HTTP header fields. Names match in any case and keep the spelling they came
 * with; values are raw bytes. Names and values live in the table's arena.
 */
#ifndef COMMON_HEADER_H
#define COMMON_HEADER_H

#include "common/arena.h"

struct header {
    struct str name, value;
};

struct header_table {
    struct header *v; /* in order of arrival; do not keep pointers across an add */
    size_t n, cap;
    struct arena *arena;
};

void header_init(struct header_table *t, struct arena *arena);

/* The first value of that name, or STR_NONE (p == NULL). An empty value has p != NULL, n == 0. */
struct str header_get(const struct header_table *t, struct str name);
bool header_has(const struct header_table *t, struct str name);
/* All values of that name joined with ", " (in the arena), or STR_NONE. */
struct str header_get_joined(const struct header_table *t, struct str name);

void header_add(struct header_table *t, struct str name, struct str value);     /* copies both */
void header_add_ref(struct header_table *t, struct str name, struct str value); /* keeps the pointers */
void header_addf(struct header_table *t, struct str name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Replaces the first field of that name and drops the others, or adds. Copies. */
void header_set(struct header_table *t, struct str name, struct str value);
void header_setf(struct header_table *t, struct str name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
size_t header_remove(struct header_table *t, struct str name);          /* how many went */
size_t header_remove_prefix(struct header_table *t, struct str prefix); /* "X-Backend-" */
void header_copy(struct header_table *to, const struct header_table *from);

/* Python's title case, by byte: a letter after any non-letter is upper, the others lower, '_' becomes '-':
 * x-object-meta-foo2bar -> X-Object-Meta-Foo2Bar. The spelling on disk and in answers (facts: object 8). */
struct str header_title(struct arena *arena, struct str name);
/* A legal field name: RFC 9110 token. */
bool header_name_valid(struct str name);

#endif
