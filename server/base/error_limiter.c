/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error_limiter.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "common/hash.h"

struct errors {
    int64_t count;
    int64_t last_ms;
};

struct error_limiter {
    int64_t interval_ms, limit;
    _Atomic(size_t) known; /* devices in the map: 0 is the usual case and needs no lock */
    pthread_mutex_t lock;
    struct hash *map; /* of struct errors */
};

#define KEY_SIZE 512

static struct str node_key(const struct ring_device *node, char out[KEY_SIZE])
{
    int n = snprintf(out, KEY_SIZE, "%s:%u/%s", node->ip, node->port, node->device);
    return str_of(out, n < KEY_SIZE ? (size_t)n : KEY_SIZE - 1);
}

struct error_limiter *error_limiter_new(int64_t interval_ms, int64_t limit)
{
    struct error_limiter *l = xcalloc(1, sizeof(*l));
    l->interval_ms = interval_ms;
    l->limit = limit;
    l->map = hash_new(free);
    pthread_mutex_init(&l->lock, NULL);
    return l;
}

void error_limiter_free(struct error_limiter *l)
{
    if (!l)
        return;
    hash_free(l->map);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

bool error_limiter_is_limited(struct error_limiter *l, const struct ring_device *node)
{
    char text[KEY_SIZE];
    bool limited = false;
    if (atomic_load_explicit(&l->known, memory_order_relaxed) == 0)
        return false;
    struct str key = node_key(node, text);
    pthread_mutex_lock(&l->lock);
    struct errors *e = hash_get(l->map, key);
    if (e && e->last_ms < clock_monotonic_ms() - l->interval_ms) {
        free(hash_take(l->map, key));
        atomic_store(&l->known, hash_count(l->map));
    } else if (e) {
        limited = e->count > l->limit;
    }
    pthread_mutex_unlock(&l->lock);
    return limited;
}

/* at_least: what the count is raised to. */
static void record(struct error_limiter *l, const struct ring_device *node, int64_t more, int64_t at_least)
{
    char text[KEY_SIZE];
    struct str key = node_key(node, text);
    pthread_mutex_lock(&l->lock);
    struct errors *e = hash_get(l->map, key);
    if (!e) {
        e = xcalloc(1, sizeof(*e));
        hash_put(l->map, key, e);
        atomic_store(&l->known, hash_count(l->map));
    }
    e->count += more;
    if (e->count < at_least)
        e->count = at_least;
    e->last_ms = clock_monotonic_ms();
    pthread_mutex_unlock(&l->lock);
}

void error_limiter_count(struct error_limiter *l, const struct ring_device *node)
{
    record(l, node, 1, 0);
}

void error_limiter_limit(struct error_limiter *l, const struct ring_device *node)
{
    record(l, node, 0, l->limit + 1);
}
