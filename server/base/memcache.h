/* SPDX-License-Identifier: Apache-2.0
 *
 * memcache.h: a cache of small values with a time to live: tokens, account and container infos. In the process, for
 * all loops together, bounded in bytes: the least recently used value goes first. A value may vanish at any time,
 * and callers must be right without it.
 */
#ifndef BASE_MEMCACHE_H
#define BASE_MEMCACHE_H

#include "common/str.h"

struct memcache;

/* max_bytes: of keys and values with their bookkeeping; at least 64 KiB. */
struct memcache *memcache_new(size_t max_bytes);
void memcache_free(struct memcache *c); /* values handed out stay valid */

/* A value handed out: immutable, counted, any thread. */
struct memcache_value {
    struct str bytes;
};
/* A reference, or NULL if absent or too old. For the caller to memcache_unref(). */
struct memcache_value *memcache_get(struct memcache *c, struct str key);
void memcache_unref(struct memcache_value *v); /* NULL is fine */
/* Copies. ttl_ms > 0. A value over a sixteenth of the whole is not kept. */
void memcache_set(struct memcache *c, struct str key, struct str value, int64_t ttl_ms);
void memcache_delete(struct memcache *c, struct str key);

struct memcache_stats {
    uint64_t values, bytes;
    uint64_t hits, misses, evicted;
};
void memcache_stats(struct memcache *c, struct memcache_stats *ret);

#endif
