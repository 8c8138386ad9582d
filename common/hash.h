/* SPDX-License-Identifier: Apache-2.0
 *
 * hash.h: a map from strings to pointers. Keys are copied. Not thread-safe.
 */
#ifndef COMMON_HASH_H
#define COMMON_HASH_H

#include "common/str.h"

struct hash;
struct hash *hash_new(void (*free_value)(void *)); /* free_value may be NULL */
void hash_free(struct hash *h);
void *hash_get(const struct hash *h, struct str key);       /* NULL if absent */
void hash_put(struct hash *h, struct str key, void *value); /* frees a value it replaces */
void *hash_take(struct hash *h, struct str key);            /* removes and hands over; NULL if absent */
size_t hash_count(const struct hash *h);
/* Walks in no particular order: start with *cursor = 0; false at the end. No put or take meanwhile, but
 * hash_remove_at() of the entry just returned is fine. */
bool hash_next(const struct hash *h, size_t *cursor, struct str *ret_key, void **ret_value);
void hash_remove_at(struct hash *h, size_t cursor);

#endif
