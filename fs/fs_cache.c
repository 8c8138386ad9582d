/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/fs_cache.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "common/hash.h"

/* About 200 bytes an attribute and 150 an entry of a listing: some 70 MB at most. */
#define ATTRS_MAX   200000
#define ENTRIES_MAX 200000
#define DIRS_MAX    50000

struct attr_record {
    struct attr at;
    int64_t fresh_until;
};

struct dir_record {
    struct dir *listing; /* NULL: not known */
    bool large;
    int64_t fresh_until;
    uint64_t changes; /* of this directory by this mount: tickets are compared with it */
};

struct fs_cache {
    pthread_mutex_t lock;
    struct hash *attrs, *dirs;
    size_t entries; /* in all listings */
    uint64_t changes;
    int64_t fresh_ms;
};

static void dir_record_free(void *p)
{
    struct dir_record *r = p;

    dir_unref(r->listing);
    free(r);
}

struct fs_cache *fs_cache_new(int64_t fresh_ms)
{
    struct fs_cache *c = xcalloc(1, sizeof *c);

    pthread_mutex_init(&c->lock, NULL);
    c->attrs = hash_new(free);
    c->dirs = hash_new(dir_record_free);
    c->fresh_ms = fresh_ms;
    return c;
}

void fs_cache_free(struct fs_cache *c)
{
    if (!c)
        return;
    hash_free(c->attrs);
    hash_free(c->dirs);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* --- attributes ------------------------------------------------------------------------------------------- */

/* Makes room: stale ones go first, and all of them if that is not enough. */
static void trim_attrs(struct fs_cache *c, int64_t now)
{
    size_t cursor = 0;
    struct str key;
    void *value;

    while (hash_next(c->attrs, &cursor, &key, &value))
        if (((struct attr_record *)value)->fresh_until <= now)
            hash_remove_at(c->attrs, cursor);
    if (hash_count(c->attrs) > ATTRS_MAX / 4 * 3) {
        hash_free(c->attrs);
        c->attrs = hash_new(free);
    }
}

bool fs_cache_attr(struct fs_cache *c, struct str path, struct attr *ret, bool *ret_fresh)
{
    struct attr_record *r;

    pthread_mutex_lock(&c->lock);
    r = hash_get(c->attrs, path);
    if (r) {
        *ret = r->at;
        if (ret_fresh)
            *ret_fresh = clock_monotonic_ms() < r->fresh_until;
    }
    pthread_mutex_unlock(&c->lock);
    return r != NULL;
}

void fs_cache_set_attr(struct fs_cache *c, struct str path, const struct attr *at)
{
    int64_t now = clock_monotonic_ms();
    struct attr_record *r;

    pthread_mutex_lock(&c->lock);
    r = hash_get(c->attrs, path);
    if (!r) {
        if (hash_count(c->attrs) >= ATTRS_MAX)
            trim_attrs(c, now);
        r = xcalloc(1, sizeof *r);
        hash_put(c->attrs, path, r);
    }
    r->at = *at;
    r->fresh_until = now + c->fresh_ms;
    pthread_mutex_unlock(&c->lock);
}

void fs_cache_drop_attr(struct fs_cache *c, struct str path)
{
    pthread_mutex_lock(&c->lock);
    free(hash_take(c->attrs, path));
    pthread_mutex_unlock(&c->lock);
}

/* --- directories ------------------------------------------------------------------------------------------- */

static void forget_listing(struct fs_cache *c, struct dir_record *r)
{
    if (r->listing)
        c->entries -= r->listing->n;
    dir_unref(r->listing);
    r->listing = NULL;
    r->fresh_until = 0;
}

static void trim_dirs(struct fs_cache *c, int64_t now)
{
    size_t cursor = 0;
    struct str key;
    void *value;

    while (hash_next(c->dirs, &cursor, &key, &value)) {
        struct dir_record *r = value;

        if (r->fresh_until > now)
            continue;
        forget_listing(c, r);
        hash_remove_at(c->dirs, cursor);
    }
    if (hash_count(c->dirs) > DIRS_MAX / 4 * 3 || c->entries > ENTRIES_MAX / 4 * 3) {
        hash_free(c->dirs);
        c->dirs = hash_new(dir_record_free);
        c->entries = 0;
    }
}

/* The record, made if missing. It starts with a number no ticket has had. */
static struct dir_record *record_of(struct fs_cache *c, struct str dir)
{
    struct dir_record *r = hash_get(c->dirs, dir);

    if (r)
        return r;
    if (hash_count(c->dirs) >= DIRS_MAX)
        trim_dirs(c, clock_monotonic_ms());
    r = xcalloc(1, sizeof *r);
    r->changes = ++c->changes;
    hash_put(c->dirs, dir, r);
    return r;
}

static struct dir_record *fresh_record(struct fs_cache *c, struct str dir)
{
    struct dir_record *r = hash_get(c->dirs, dir);

    return r && clock_monotonic_ms() < r->fresh_until ? r : NULL;
}

enum fs_cache_answer fs_cache_entry(struct fs_cache *c, struct str dir, struct str name,
                                    struct dir_entry *ret)
{
    enum fs_cache_answer answer = FS_CACHE_UNKNOWN;
    struct dir_record *r;
    ssize_t i;

    pthread_mutex_lock(&c->lock);
    r = fresh_record(c, dir);
    if (r && r->listing) {
        i = dir_find(r->listing, name);
        answer = i < 0 ? FS_CACHE_ABSENT : FS_CACHE_PRESENT;
        if (i >= 0) {
            *ret = r->listing->v[i];
            ret->name = NULL;
        }
    }
    pthread_mutex_unlock(&c->lock);
    return answer;
}

struct dir *fs_cache_dir(struct fs_cache *c, struct str dir)
{
    struct dir_record *r;
    struct dir *listing = NULL;

    pthread_mutex_lock(&c->lock);
    r = fresh_record(c, dir);
    if (r && r->listing)
        listing = dir_ref(r->listing);
    pthread_mutex_unlock(&c->lock);
    return listing;
}

bool fs_cache_is_large(struct fs_cache *c, struct str dir)
{
    struct dir_record *r;
    bool large;

    pthread_mutex_lock(&c->lock);
    r = fresh_record(c, dir);
    large = r && !r->listing && r->large;
    pthread_mutex_unlock(&c->lock);
    return large;
}

uint64_t fs_cache_begin_listing(struct fs_cache *c, struct str dir)
{
    uint64_t ticket;

    pthread_mutex_lock(&c->lock);
    ticket = record_of(c, dir)->changes;
    pthread_mutex_unlock(&c->lock);
    return ticket;
}

void fs_cache_set_dir(struct fs_cache *c, struct str dir, uint64_t ticket, struct dir *listing, bool complete)
{
    int64_t now = clock_monotonic_ms();
    struct dir_record *r;

    pthread_mutex_lock(&c->lock);
    r = record_of(c, dir);
    if (r->changes == ticket && (!complete || listing->n <= ENTRIES_MAX / 2)) {
        forget_listing(c, r);
        if (complete && c->entries + listing->n > ENTRIES_MAX) {
            trim_dirs(c, now);
            r = record_of(c, dir);
        }
        r->large = !complete;
        r->fresh_until = now + c->fresh_ms;
        if (complete) {
            r->listing = dir_ref(listing);
            c->entries += listing->n;
        }
    }
    pthread_mutex_unlock(&c->lock);
}

void fs_cache_new_dir(struct fs_cache *c, struct str dir)
{
    struct dir *empty = dir_new();

    fs_cache_set_dir(c, dir, fs_cache_begin_listing(c, dir), empty, true);
    dir_unref(empty);
}

/* The record's listing, owned by it alone. */
static struct dir *writable(struct dir_record *r)
{
    struct dir *copy;

    if (atomic_load(&r->listing->refs) > 1) {
        copy = dir_clone(r->listing);
        dir_unref(r->listing);
        r->listing = copy;
    }
    return r->listing;
}

/* e NULL: the name goes. */
static void change(struct fs_cache *c, struct str dir, struct str name, const struct dir_entry *e)
{
    struct dir_record *r;

    pthread_mutex_lock(&c->lock);
    r = record_of(c, dir);
    r->changes = ++c->changes;
    if (r->listing) {
        c->entries -= r->listing->n;
        if (e)
            dir_set(writable(r), e);
        else
            dir_remove(writable(r), name);
        c->entries += r->listing->n;
    }
    pthread_mutex_unlock(&c->lock);
}

void fs_cache_add(struct fs_cache *c, struct str dir, const struct dir_entry *e)
{
    change(c, dir, str_from(e->name), e);
}

void fs_cache_remove(struct fs_cache *c, struct str dir, struct str name)
{
    change(c, dir, name, NULL);
}

static bool at_or_below(struct str key, struct str path)
{
    return path.n == 0 || str_eq(key, path) ||
           (key.n > path.n && str_starts(key, path) && key.p[path.n] == '/');
}

void fs_cache_drop_tree(struct fs_cache *c, struct str path)
{
    size_t cursor = 0;
    struct str key;
    void *value;

    pthread_mutex_lock(&c->lock);
    while (hash_next(c->attrs, &cursor, &key, &value))
        if (at_or_below(key, path))
            hash_remove_at(c->attrs, cursor);
    for (cursor = 0; hash_next(c->dirs, &cursor, &key, &value);)
        if (at_or_below(key, path)) {
            forget_listing(c, value);
            hash_remove_at(c->dirs, cursor);
        }
    pthread_mutex_unlock(&c->lock);
}
