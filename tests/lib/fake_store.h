/* SPDX-License-Identifier: Apache-2.0
 *
 * fake_store.h: a store in memory for the unit tests of fs/, with counters, and failures on demand. One file to
 * include, as every unit test is a program of its own.
 */
#ifndef TESTS_FAKE_STORE_H
#define TESTS_FAKE_STORE_H

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "common/alloc.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/digest.h"
#include "fs/store.h"

enum fake_op { FAKE_HEAD, FAKE_GET, FAKE_PUT, FAKE_POST, FAKE_COPY, FAKE_REMOVE, FAKE_LIST, FAKE_OPS };

struct fake_object {
    char *key; /* "container/object", or "container" */
    struct arena *arena;
    struct header_table headers;
    struct buf data;
    char etag[STORE_ETAG_SIZE];
    int64_t changed_us;
};

struct fake_store {
    struct store store;
    pthread_mutex_t lock;
    struct fake_object **v; /* by key */
    size_t n, cap;
    unsigned count[FAKE_OPS];
    uint64_t bytes_got, bytes_put;
    /* The skip[op]-th next call and those after it fail with error[op], `times` of them. */
    int error[FAKE_OPS];
    unsigned skip[FAKE_OPS], times[FAKE_OPS];
    uint64_t cut_get_after; /* a GET breaks with -EAGAIN after so many bytes, once; 0: never */
    bool damage_put;        /* answers another ETag, once */
    bool no_copy;
    uint32_t page;
    int64_t now_us;
};

static inline struct fake_store *fake_of(struct store *s)
{
    return (struct fake_store *)s;
}

static inline char *fake_key(struct store_name name)
{
    return name.object.n ? xasprintf("%.*s/%.*s", STR_ARG(name.container), STR_ARG(name.object))
                         : xasprintf("%.*s", STR_ARG(name.container));
}

/* lock held */
static inline size_t fake_index(struct fake_store *f, const char *key, bool *ret_found)
{
    size_t i = 0;

    while (i < f->n && strcmp(f->v[i]->key, key) < 0)
        i++;
    *ret_found = i < f->n && strcmp(f->v[i]->key, key) == 0;
    return i;
}

static inline struct fake_object *fake_find(struct fake_store *f, struct store_name name)
{
    char *key = fake_key(name);
    bool found;
    size_t i = fake_index(f, key, &found);

    free(key);
    return found ? f->v[i] : NULL;
}

static inline int fake_fails(struct fake_store *f, enum fake_op op)
{
    f->count[op]++;
    if (f->error[op] == 0)
        return 0;
    if (f->skip[op]) {
        f->skip[op]--;
        return 0;
    }
    if (f->times[op] == 0)
        return 0;
    f->times[op]--;
    return f->error[op];
}

/* The next `times` calls of op fail, after `skip` that do not. */
static inline void fake_fail(struct fake_store *f, enum fake_op op, int error, unsigned skip, unsigned times)
{
    pthread_mutex_lock(&f->lock);
    f->error[op] = error;
    f->skip[op] = skip;
    f->times[op] = times;
    pthread_mutex_unlock(&f->lock);
}

static inline void fake_object_free(struct fake_object *o)
{
    free(o->key);
    arena_free(o->arena);
    buf_release(&o->data);
    free(o);
}

/* lock held; an empty object, replacing any */
static inline struct fake_object *fake_make(struct fake_store *f, struct store_name name)
{
    struct fake_object *o = xcalloc(1, sizeof *o);
    bool found;
    size_t i;

    o->key = fake_key(name);
    o->arena = arena_new();
    header_init(&o->headers, o->arena);
    buf_init(&o->data, 1u << 30);
    i = fake_index(f, o->key, &found);
    if (found) {
        fake_object_free(f->v[i]);
    } else {
        f->v = xgrow(f->v, &f->cap, f->n + 1, sizeof *f->v);
        memmove(&f->v[i + 1], &f->v[i], (f->n - i) * sizeof *f->v);
        f->n++;
    }
    f->v[i] = o;
    return o;
}

/* lock held: ETag and time of new content */
static inline void fake_stamp(struct fake_store *f, struct fake_object *o, bool content)
{
    if (content)
        md5_hex(buf_view(&o->data), o->etag);
    f->now_us += 10;
    o->changed_us = f->now_us;
}

static inline void fake_answer(const struct fake_object *o, struct arena *a, struct store_reply *r)
{
    *r = (struct store_reply){.size = o->data.n,
                              .changed_us = o->changed_us,
                              .changed_limit_s = (o->changed_us + 999999) / 1000000};
    memcpy(r->etag, o->etag, sizeof r->etag);
    header_init(&r->headers, a);
    header_copy(&r->headers, &o->headers);
}

static inline int fake_head(struct store *s, struct store_name name, struct arena *a, struct store_reply *ret)
{
    struct fake_store *f = fake_of(s);
    struct fake_object *o;
    int rc;

    pthread_mutex_lock(&f->lock);
    rc = fake_fails(f, FAKE_HEAD);
    o = rc < 0 ? NULL : fake_find(f, name);
    if (rc == 0 && !o && name.container.n)
        rc = -ENOENT;
    if (rc == 0 && o)
        fake_answer(o, a, ret);
    else if (rc == 0) {
        *ret = (struct store_reply){0};
        header_init(&ret->headers, a);
    }
    pthread_mutex_unlock(&f->lock);
    return rc;
}

static inline int fake_get(struct store *s, struct store_name name, const char *etag, uint64_t from,
                           uint64_t length, const struct store_sink *sink)
{
    struct fake_store *f = fake_of(s);
    struct fake_object *o;
    char *copy = NULL;
    uint64_t sent = 0, cut = UINT64_MAX;
    int rc;

    pthread_mutex_lock(&f->lock);
    rc = fake_fails(f, FAKE_GET);
    o = rc < 0 ? NULL : fake_find(f, name);
    if (rc == 0 && !o)
        rc = -ENOENT;
    if (rc == 0 && ((etag && etag[0] && strcmp(etag, o->etag) != 0) || from + length > o->data.n))
        rc = -ESTALE;
    if (rc == 0) {
        copy = xmalloc(length + 1);
        memcpy(copy, o->data.p + from, length);
        if (f->cut_get_after) {
            cut = f->cut_get_after;
            f->cut_get_after = 0;
        }
    }
    pthread_mutex_unlock(&f->lock);
    while (rc == 0 && sent < length) {
        size_t n = length - sent < 16384 ? (size_t)(length - sent) : 16384;

        if (sent >= cut)
            rc = -EAGAIN;
        else if (sink->cancel && atomic_load(sink->cancel))
            rc = -ECANCELED;
        else
            rc = sink->write(sink->arg, copy + sent, n);
        sent += rc == 0 ? n : 0;
    }
    free(copy);
    pthread_mutex_lock(&f->lock);
    f->bytes_got += sent;
    pthread_mutex_unlock(&f->lock);
    return rc;
}

static inline int fake_read_body(struct fake_store *f, const struct store_source *source, struct buf *body)
{
    char piece[16384];
    ssize_t n = 0;

    while (source && (n = source->read(source->arg, piece, sizeof piece)) > 0) {
        buf_append(body, piece, (size_t)n);
        pthread_mutex_lock(&f->lock);
        f->bytes_put += (uint64_t)n;
        pthread_mutex_unlock(&f->lock);
    }
    return n < 0 ? (int)n : 0;
}

static inline int fake_put(struct store *s, struct store_name name, const struct header_table *headers,
                           bool exclusive, const struct store_source *source, struct arena *a,
                           struct store_reply *ret)
{
    struct fake_store *f = fake_of(s);
    struct fake_object *o;
    struct buf body;
    int rc;

    buf_init(&body, 1u << 30);
    pthread_mutex_lock(&f->lock);
    rc = fake_fails(f, FAKE_PUT);
    pthread_mutex_unlock(&f->lock);
    if (rc == 0)
        rc = fake_read_body(f, source, &body);
    pthread_mutex_lock(&f->lock);
    if (rc == 0 && name.object.n && !fake_find(f, (struct store_name){.container = name.container}))
        rc = -ENOENT;
    if (rc == 0 && exclusive && fake_find(f, name))
        rc = -EEXIST;
    if (rc == 0) {
        o = fake_make(f, name);
        header_copy(&o->headers, headers);
        buf_append(&o->data, body.p ? body.p : "", body.n);
        fake_stamp(f, o, true);
        fake_answer(o, a, ret);
        ret->changed_us = 0; /* Swift does not tell */
        if (f->damage_put)
            ret->etag[0] = ret->etag[0] == '0' ? '1' : '0';
        f->damage_put = false;
    }
    pthread_mutex_unlock(&f->lock);
    buf_release(&body);
    return rc;
}

static inline int fake_post(struct store *s, struct store_name name, const struct header_table *headers,
                            struct arena *a, struct store_reply *ret)
{
    struct fake_store *f = fake_of(s);
    struct fake_object *o;
    struct str type;
    int rc;

    pthread_mutex_lock(&f->lock);
    rc = fake_fails(f, FAKE_POST);
    o = rc < 0 ? NULL : fake_find(f, name);
    if (rc == 0 && !o)
        rc = -ENOENT;
    if (rc == 0) {
        type = header_get(&o->headers, STR("Content-Type"));
        header_init(&o->headers, o->arena);
        header_copy(&o->headers, headers);
        if (type.p && !header_has(headers, STR("Content-Type")))
            header_add(&o->headers, STR("Content-Type"), type);
        fake_stamp(f, o, false);
        fake_answer(o, a, ret);
        ret->changed_us = 0;
        ret->etag[0] = '\0';
    }
    pthread_mutex_unlock(&f->lock);
    return rc;
}

static inline int fake_copy(struct store *s, struct store_name from, struct store_name to, struct arena *a,
                            struct store_reply *ret)
{
    struct fake_store *f = fake_of(s);
    struct fake_object *old, *o;
    int rc;

    pthread_mutex_lock(&f->lock);
    rc = fake_fails(f, FAKE_COPY);
    if (rc == 0 && f->no_copy) {
        fake_stamp(f, fake_make(f, to), true); /* as a server that does not know X-Copy-From */
        rc = -EOPNOTSUPP;
    }
    old = rc < 0 ? NULL : fake_find(f, from);
    if (rc == 0 && (!old || !fake_find(f, (struct store_name){.container = to.container})))
        rc = -ENOENT;
    if (rc == 0) {
        o = fake_make(f, to);
        header_copy(&o->headers, &old->headers);
        buf_append(&o->data, old->data.p ? old->data.p : "", old->data.n);
        fake_stamp(f, o, true);
        fake_answer(o, a, ret);
    }
    pthread_mutex_unlock(&f->lock);
    return rc;
}

static inline int fake_remove(struct store *s, struct store_name name)
{
    struct fake_store *f = fake_of(s);
    char *key = fake_key(name);
    bool found;
    size_t i;
    int rc;

    pthread_mutex_lock(&f->lock);
    rc = fake_fails(f, FAKE_REMOVE);
    i = fake_index(f, key, &found);
    if (rc == 0 && !found)
        rc = -ENOENT;
    if (rc == 0 && !name.object.n && i + 1 < f->n && strncmp(f->v[i + 1]->key, key, strlen(key)) == 0 &&
        f->v[i + 1]->key[strlen(key)] == '/')
        rc = -ENOTEMPTY;
    if (rc == 0) {
        fake_object_free(f->v[i]);
        f->n--;
        memmove(&f->v[i], &f->v[i + 1], (f->n - i) * sizeof *f->v);
    }
    pthread_mutex_unlock(&f->lock);
    free(key);
    return rc;
}

static inline void fake_list_add(struct listing *l, struct str name, bool subdir, const struct fake_object *o)
{
    struct listing_entry *e;

    l->v = xgrow(l->v, &l->cap, l->n + 1, sizeof *l->v);
    e = &l->v[l->n++];
    *e = (struct listing_entry){.name = arena_str(l->arena, name), .subdir = subdir};
    if (!subdir) {
        struct str type = header_get(&o->headers, STR("Content-Type"));

        e->directory = listing_type_is(type, STR(LISTING_TYPE_DIRECTORY));
        e->symlink = listing_type_is(type, STR(LISTING_TYPE_SYMLINK));
        e->bytes = o->data.n;
        memcpy(e->hash, o->etag, sizeof e->hash);
        e->changed_us = o->changed_us;
    }
    l->last = e->name;
}

static inline int fake_list(struct store *s, struct str container, struct str prefix, char delimiter,
                            struct str marker, uint32_t limit, struct listing *ret)
{
    struct fake_store *f = fake_of(s);
    char *last = str_dup(marker);
    uint32_t n = 0;
    int rc;

    pthread_mutex_lock(&f->lock);
    rc = fake_fails(f, FAKE_LIST);
    limit = limit ? limit : f->page;
    if (rc == 0 && container.n && !fake_find(f, (struct store_name){.container = container}))
        rc = -ENOENT;
    for (size_t i = 0; rc == 0 && i < f->n && n < limit; i++) {
        struct str head, name = STR_NONE, key = str_from(f->v[i]->key);
        bool below = str_cut(key, '/', &head, &name), subdir = false;
        ssize_t at;

        if (container.n ? !below || !str_eq(head, container) : below)
            continue;
        if (!container.n)
            name = key;
        if (!str_starts(name, prefix))
            continue;
        at = delimiter ? str_find(str_slice(name, prefix.n, name.n), delimiter) : -1;
        if (at >= 0) {
            name = str_slice(name, 0, prefix.n + (size_t)at + 1);
            subdir = true;
        }
        if (str_cmp(name, str_from(last)) <= 0)
            continue;
        fake_list_add(ret, name, subdir, f->v[i]);
        free(last);
        last = str_dup(name);
        n++;
    }
    ret->more = n == limit;
    pthread_mutex_unlock(&f->lock);
    free(last);
    return rc;
}

static inline void fake_free(struct store *s)
{
    struct fake_store *f = fake_of(s);

    for (size_t i = 0; i < f->n; i++)
        fake_object_free(f->v[i]);
    free(f->v);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

static inline struct fake_store *fake_store_new(void)
{
    struct fake_store *f = xcalloc(1, sizeof *f);

    pthread_mutex_init(&f->lock, NULL);
    f->page = 10000;
    f->now_us = clock_real_ns() / 1000;
    f->store = (struct store){
        .limits = {.max_file_size = 64u << 20, .max_object_name = 1024, .max_container_name = 256},
        .head = fake_head,
        .get = fake_get,
        .put = fake_put,
        .post = fake_post,
        .copy = fake_copy,
        .remove = fake_remove,
        .list = fake_list,
        .free = fake_free};
    return f;
}

/* --- what tests do behind the file system's back ------------------------------------------------------------ */

static inline struct store_name fake_name(const char *key)
{
    struct store_name name = {STR_NONE, STR_NONE};

    str_cut(str_from(key), '/', &name.container, &name.object);
    return name;
}

/* An object; header is "Name: value" or NULL. */
static inline void fake_write(struct fake_store *f, const char *key, struct str data, const char *header)
{
    struct fake_object *o;
    struct str name, value;

    pthread_mutex_lock(&f->lock);
    o = fake_make(f, fake_name(key));
    if (header && str_cut(str_from(header), ':', &name, &value))
        header_add(&o->headers, name, str_trim(value));
    buf_append(&o->data, data.p ? data.p : "", data.n);
    fake_stamp(f, o, true);
    pthread_mutex_unlock(&f->lock);
}

/* Only while nothing else runs. */
static inline struct fake_object *fake_object(struct fake_store *f, const char *key)
{
    return fake_find(f, fake_name(key));
}

static inline bool fake_holds(struct fake_store *f, const char *key, struct str data)
{
    struct fake_object *o;
    bool holds;

    pthread_mutex_lock(&f->lock);
    o = fake_find(f, fake_name(key));
    holds = o && str_eq(buf_view(&o->data), data);
    pthread_mutex_unlock(&f->lock);
    return holds;
}

static inline uint64_t fake_bytes_put(struct fake_store *f)
{
    uint64_t n;

    pthread_mutex_lock(&f->lock);
    n = f->bytes_put;
    pthread_mutex_unlock(&f->lock);
    return n;
}

static inline unsigned fake_count(struct fake_store *f, enum fake_op op)
{
    unsigned n;

    pthread_mutex_lock(&f->lock);
    n = f->count[op];
    pthread_mutex_unlock(&f->lock);
    return n;
}

#endif
