/* SPDX-License-Identifier: Apache-2.0
 *
 * hash.c: see hash.h. Open addressing with linear probing: an array of slots, each empty, removed (it keeps the
 * probe chains of others whole) or holding an entry. SipHash-1-3 (Aumasson, Bernstein: SipHash, a fast
 * short-input PRF) with a key of this process: nobody outside can choose names that collide.
 */
#include "common/hash.h"

#include <pthread.h>
#include <stdlib.h>
#include "common/alloc.h"
#include "common/clock.h"

#define FIRST_SLOTS 16 /* a power of two, as all sizes */

struct entry {
    void *value;
    size_t n;
    char key[];
};

struct slot {
    uint64_t hash;
    struct entry *entry; /* NULL: empty */
};

struct hash {
    struct slot *slots;
    size_t size;   /* number of slots */
    size_t count;  /* entries */
    size_t filled; /* entries and removed */
    void (*free_value)(void *);
};

static struct entry removed_entry;
#define REMOVED (&removed_entry)

static uint64_t secret[2];

static void make_secret(void)
{
    random_bytes(secret, sizeof(secret));
}

static inline uint64_t rotate(uint64_t v, int by)
{
    return v << by | v >> (64 - by);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static uint64_t hash_of(struct str s)
{
    uint64_t v[4] = {secret[0] ^ 0x736f6d6570736575u, secret[1] ^ 0x646f72616e646f6du,
                     secret[0] ^ 0x6c7967656e657261u, secret[1] ^ 0x7465646279746573u};
    size_t i = 0;
    uint64_t word;
    for (; s.n - i >= 8; i += 8) {
        memcpy(&word, s.p + i, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    word = 0;
    if (s.n > i)
        memcpy(&word, s.p + i, s.n - i);
    word |= (uint64_t)s.n << 56;
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    for (int k = 0; k < 3; k++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct hash *hash_new(void (*free_value)(void *))
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_secret);
    struct hash *h = xcalloc(1, sizeof(*h));
    h->free_value = free_value;
    return h;
}

static bool is_live(const struct slot *s)
{
    return s->entry && s->entry != REMOVED;
}

static void drop_value(struct hash *h, void *value)
{
    if (h->free_value && value)
        h->free_value(value);
}

void hash_free(struct hash *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->size; i++)
        if (is_live(&h->slots[i])) {
            drop_value(h, h->slots[i].entry->value);
            free(h->slots[i].entry);
        }
    free(h->slots);
    free(h);
}

/* The slot of key, or NULL. */
static struct slot *find(const struct hash *h, struct str key, uint64_t hash)
{
    if (!h->size)
        return NULL;
    for (size_t i = hash & (h->size - 1);; i = (i + 1) & (h->size - 1)) {
        struct slot *s = &h->slots[i];
        if (!s->entry)
            return NULL;
        if (s->entry != REMOVED && s->hash == hash && str_eq(str_of(s->entry->key, s->entry->n), key))
            return s;
    }
}

void *hash_get(const struct hash *h, struct str key)
{
    struct slot *s = find(h, key, hash_of(key));
    return s ? s->entry->value : NULL;
}

static void place(struct hash *h, uint64_t hash, struct entry *entry)
{
    size_t i = hash & (h->size - 1);
    while (h->slots[i].entry)
        i = (i + 1) & (h->size - 1);
    h->slots[i] = (struct slot){hash, entry};
    h->filled++;
}

/* Room for one more: at most three quarters are filled, so every probe ends. */
static void make_room(struct hash *h)
{
    if (h->size && h->filled + 1 <= h->size / 4 * 3)
        return;
    struct slot *old = h->slots;
    size_t old_size = h->size, size = old_size ? old_size : FIRST_SLOTS;
    while (h->count + 1 > size / 2)
        size *= 2;
    h->slots = xcalloc(size, sizeof(*h->slots));
    h->size = size;
    h->filled = 0;
    for (size_t i = 0; i < old_size; i++)
        if (is_live(&old[i]))
            place(h, old[i].hash, old[i].entry);
    free(old);
}

void hash_put(struct hash *h, struct str key, void *value)
{
    uint64_t hash = hash_of(key);
    struct slot *s = find(h, key, hash);
    if (s) {
        void *old = s->entry->value;
        s->entry->value = value;
        if (old != value)
            drop_value(h, old);
        return;
    }
    struct entry *e = xmalloc(sizeof(*e) + key.n);
    e->value = value;
    e->n = key.n;
    if (key.n)
        memcpy(e->key, key.p, key.n);
    make_room(h);
    place(h, hash, e);
    h->count++;
}

static void *remove_slot(struct hash *h, struct slot *s)
{
    void *value = s->entry->value;
    free(s->entry);
    s->entry = REMOVED;
    h->count--;
    return value;
}

void *hash_take(struct hash *h, struct str key)
{
    struct slot *s = find(h, key, hash_of(key));
    return s ? remove_slot(h, s) : NULL;
}

size_t hash_count(const struct hash *h)
{
    return h->count;
}

bool hash_next(const struct hash *h, size_t *cursor, struct str *ret_key, void **ret_value)
{
    while (*cursor < h->size) {
        const struct slot *s = &h->slots[(*cursor)++];
        if (!is_live(s))
            continue;
        if (ret_key)
            *ret_key = str_of(s->entry->key, s->entry->n);
        if (ret_value)
            *ret_value = s->entry->value;
        return true;
    }
    return false;
}

void hash_remove_at(struct hash *h, size_t cursor)
{
    if (cursor && cursor <= h->size && is_live(&h->slots[cursor - 1]))
        drop_value(h, remove_slot(h, &h->slots[cursor - 1]));
}
