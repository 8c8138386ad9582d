/* SPDX-License-Identifier: Apache-2.0
 *
 * arena.h: memory with one lifetime, such as a request's. Everything is freed at once. Not thread-safe: an
 * arena belongs to one task at a time.
 *
 * Memory exhaustion: here and in alloc.h it ends the process with a message. What a peer can make grow is
 * bounded where it is read (header bytes, body sizes, listing limits), never by a failing allocation.
 */
#ifndef COMMON_ARENA_H
#define COMMON_ARENA_H

#include <stdarg.h>
#include "common/str.h"

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *a);  /* NULL is fine */
void arena_reset(struct arena *a); /* forgets all but keeps at most one small block */

void *arena_alloc(struct arena *a, size_t n);  /* aligned for any type, not cleared, never NULL */
void *arena_zalloc(struct arena *a, size_t n); /* cleared */
/* Copies; the result is NUL-terminated (the NUL not counted). STR_NONE stays STR_NONE. */
struct str arena_str(struct arena *a, struct str s);
struct str arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct str arena_vprintf(struct arena *a, const char *format, va_list args);
/* The parts joined, up to the terminating STR_END. */
struct str arena_join(struct arena *a, ...);
#define STR_END ((struct str){NULL, (size_t)-1})
/* Runs fn(arg) when the arena is freed or reset, last registered first. */
void arena_on_free(struct arena *a, void (*fn)(void *arg), void *arg);

#endif
