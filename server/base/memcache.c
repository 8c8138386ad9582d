/* SPDX-License-Identifier: Apache-2.0
 *
 * memcache.c: the cache is cut into shards by the key's hash, each a map and a list in order of use under its own
 * mutex, which is held for some hundred nanoseconds and never across anything that waits.
 */
#include "base/memcache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "common/hash.h"

#define SHARDS         16
#define MIN_BYTES      65536
#define ENTRY_OVERHEAD 160 /* entry, map slot, allocator */

struct entry {
    struct memcache_value value; /* first: what callers hold */
    _Atomic(unsigned) refs;      /* the shard's, and one per caller */
    int64_t expires_ms;          /* monotonic */
    size_t cost;
    struct str key;
    TAILQ_ENTRY(entry) use;
    char bytes[]; /* key, then value */
};
TAILQ_HEAD(entry_list, entry);

struct shard {
    pthread_mutex_t lock;
    struct hash *map;
    struct entry_list order; /* most recently used first */
    size_t bytes;
    uint64_t hits, misses, evicted;
};

struct memcache {
    struct shard shards[SHARDS];
    size_t shard_max;
};

static void entry_unref(struct entry *e)
{
    if (atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) == 1)
        free(e);
}

struct memcache *memcache_new(size_t max_bytes)
{
    struct memcache *c = xcalloc(1, sizeof(*c));
    c->shard_max = (max_bytes < MIN_BYTES ? MIN_BYTES : max_bytes) / SHARDS;
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_init(&c->shards[i].lock, NULL);
        c->shards[i].map = hash_new(NULL);
        TAILQ_INIT(&c->shards[i].order);
    }
    return c;
}

static void drop(struct shard *s, struct entry *e)
{
    hash_take(s->map, e->key);
    TAILQ_REMOVE(&s->order, e, use);
    s->bytes -= e->cost;
    entry_unref(e);
}

void memcache_free(struct memcache *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *s = &c->shards[i];
        while (!TAILQ_EMPTY(&s->order))
            drop(s, TAILQ_FIRST(&s->order));
        hash_free(s->map);
        pthread_mutex_destroy(&s->lock);
    }
    free(c);
}

static struct shard *shard_of(struct memcache *c, struct str key)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < key.n; i++)
        h = (h ^ (unsigned char)key.p[i]) * 16777619u;
    return &c->shards[(h ^ h >> 16) % SHARDS];
}

struct memcache_value *memcache_get(struct memcache *c, struct str key)
{
    struct shard *s = shard_of(c, key);
    int64_t now = clock_monotonic_ms();
    pthread_mutex_lock(&s->lock);
    struct entry *e = hash_get(s->map, key);
    if (e && e->expires_ms <= now) {
        drop(s, e);
        e = NULL;
    }
    if (e) {
        atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
        if (e != TAILQ_FIRST(&s->order)) {
            TAILQ_REMOVE(&s->order, e, use);
            TAILQ_INSERT_HEAD(&s->order, e, use);
        }
        s->hits++;
    } else {
        s->misses++;
    }
    pthread_mutex_unlock(&s->lock);
    return e ? &e->value : NULL;
}

void memcache_unref(struct memcache_value *v)
{
    if (v)
        entry_unref((struct entry *)v);
}

static struct entry *entry_new(struct str key, struct str value, int64_t ttl_ms)
{
    struct entry *e = xmalloc(sizeof(*e) + key.n + value.n + 1);
    char *at = e->bytes;
    e->key = str_of(at, key.n);
    if (key.n)
        memcpy(at, key.p, key.n);
    at += key.n;
    e->value.bytes = str_of(at, value.n);
    if (value.n)
        memcpy(at, value.p, value.n);
    at[value.n] = '\0';
    atomic_init(&e->refs, 1);
    e->expires_ms = clock_monotonic_ms() + ttl_ms;
    e->cost = ENTRY_OVERHEAD + key.n + value.n;
    return e;
}

void memcache_set(struct memcache *c, struct str key, struct str value, int64_t ttl_ms)
{
    struct shard *s = shard_of(c, key);
    if (ENTRY_OVERHEAD + key.n + value.n > c->shard_max || ttl_ms <= 0) {
        memcache_delete(c, key); /* what is there is no longer true */
        return;
    }
    struct entry *e = entry_new(key, value, ttl_ms);
    pthread_mutex_lock(&s->lock);
    struct entry *old = hash_get(s->map, key);
    if (old)
        drop(s, old);
    while (s->bytes + e->cost > c->shard_max) {
        drop(s, TAILQ_LAST(&s->order, entry_list));
        s->evicted++;
    }
    hash_put(s->map, e->key, e);
    TAILQ_INSERT_HEAD(&s->order, e, use);
    s->bytes += e->cost;
    pthread_mutex_unlock(&s->lock);
}

void memcache_delete(struct memcache *c, struct str key)
{
    struct shard *s = shard_of(c, key);
    pthread_mutex_lock(&s->lock);
    struct entry *e = hash_get(s->map, key);
    if (e)
        drop(s, e);
    pthread_mutex_unlock(&s->lock);
}

void memcache_stats(struct memcache *c, struct memcache_stats *ret)
{
    *ret = (struct memcache_stats){0};
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *s = &c->shards[i];
        pthread_mutex_lock(&s->lock);
        ret->values += hash_count(s->map);
        ret->bytes += s->bytes;
        ret->hits += s->hits;
        ret->misses += s->misses;
        ret->evicted += s->evicted;
        pthread_mutex_unlock(&s->lock);
    }
}
