/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/dir.h"

#include <limits.h>
#include <stdlib.h>

#include "common/alloc.h"

struct dir *dir_new(void)
{
    struct dir *d = xcalloc(1, sizeof *d);

    atomic_init(&d->refs, 1);
    return d;
}

struct dir *dir_ref(struct dir *d)
{
    atomic_fetch_add(&d->refs, 1);
    return d;
}

void dir_unref(struct dir *d)
{
    if (!d || atomic_fetch_sub(&d->refs, 1) != 1)
        return;
    for (size_t i = 0; i < d->n; i++)
        free(d->v[i].name);
    free(d->v);
    free(d);
}

struct dir *dir_clone(const struct dir *d)
{
    struct dir *copy = dir_new();

    copy->v = xgrow(NULL, &copy->cap, d->n + 1, sizeof *copy->v);
    copy->n = d->n;
    copy->skipped = d->skipped;
    copy->hidden = d->hidden;
    for (size_t i = 0; i < d->n; i++) {
        copy->v[i] = d->v[i];
        copy->v[i].name = xstrdup(d->v[i].name);
    }
    return copy;
}

/* The first index whose name is not below `name`. */
static size_t lower_bound(const struct dir *d, struct str name)
{
    size_t low = 0, high = d->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (str_cmp(str_from(d->v[middle].name), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

ssize_t dir_find(const struct dir *d, struct str name)
{
    size_t i = lower_bound(d, name);

    return i < d->n && str_eq(str_from(d->v[i].name), name) ? (ssize_t)i : -1;
}

void dir_set(struct dir *d, const struct dir_entry *e)
{
    struct str name = str_from(e->name);
    size_t i = lower_bound(d, name);
    char *copy;

    if (i == d->n || !str_eq(str_from(d->v[i].name), name)) {
        d->v = xgrow(d->v, &d->cap, d->n + 1, sizeof *d->v);
        memmove(&d->v[i + 1], &d->v[i], (d->n - i) * sizeof *d->v);
        d->n++;
        copy = str_dup(name);
    } else {
        copy = d->v[i].name;
    }
    d->v[i] = *e;
    d->v[i].name = copy;
}

void dir_remove(struct dir *d, struct str name)
{
    ssize_t i = dir_find(d, name);

    if (i < 0)
        return;
    free(d->v[i].name);
    d->n--;
    memmove(&d->v[i], &d->v[i + 1], (d->n - (size_t)i) * sizeof *d->v);
}

bool dir_name_valid(struct str name)
{
    return name.n > 0 && name.n <= NAME_MAX && !str_eq(name, STR(".")) && !str_eq(name, STR("..")) &&
           str_find(name, '/') < 0 && str_find(name, '\0') < 0;
}

static void add_entry(struct dir *d, const struct listing_entry *le, struct str name)
{
    bool directory = le->subdir || le->directory;
    ssize_t i = dir_find(d, name);
    struct dir_entry e = {.kind = directory     ? DIR_DIRECTORY
                                  : le->symlink ? DIR_SYMLINK
                                                : DIR_FILE,
                          .plain_marker = le->directory && !le->subdir,
                          .size = le->bytes,
                          .changed_us = le->changed_us};

    if (i >= 0) {
        bool was_directory = d->v[i].kind == DIR_DIRECTORY;

        d->hidden += was_directory != directory;
        if (was_directory && directory)
            e.plain_marker = e.plain_marker || d->v[i].plain_marker;
        else if (was_directory)
            return;
    }
    memcpy(e.hash, le->hash, sizeof e.hash);
    e.name = str_dup(name);
    dir_set(d, &e);
    free(e.name);
}

void dir_add_listing(struct dir *d, const struct listing *l, struct str prefix)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct listing_entry *le = &l->v[i];
        struct str name;

        if (!str_starts(le->name, prefix) || str_eq(le->name, prefix))
            continue; /* the directory's own marker */
        name = str_slice(le->name, prefix.n, le->name.n - (le->subdir ? 1 : 0));
        if (dir_name_valid(name))
            add_entry(d, le, name);
        else
            d->skipped++;
    }
}

/* Containers are directories. */
static void mark_containers(struct listing *l)
{
    for (size_t i = 0; i < l->n; i++)
        l->v[i].directory = true;
}

int dir_fetch(struct store *store, struct str container, struct str prefix, unsigned max_pages,
              struct dir **ret, bool *ret_complete)
{
    struct dir *d = dir_new();
    struct str marker = STR_NONE;
    char *last = NULL;
    bool more = true;
    int rc = 0;

    for (unsigned page = 0; rc == 0 && more && (max_pages == 0 || page < max_pages); page++) {
        struct listing l;

        listing_init(&l);
        rc = store->list(store, container, prefix, container.n ? '/' : 0, marker, 0, &l);
        if (rc == 0) {
            if (!container.n)
                mark_containers(&l);
            dir_add_listing(d, &l, prefix);
            more = l.more && l.last.n;
            free(last);
            last = str_dup(l.last);
            marker = str_of(last, l.last.n);
        }
        listing_release(&l);
    }
    free(last);
    if (rc < 0) {
        dir_unref(d);
        return rc;
    }
    *ret_complete = !more;
    *ret = d;
    return 0;
}
