/* SPDX-License-Identifier: Apache-2.0
 *
 * vfs_rename.c: renames. A store has no rename: every object is copied (on the server where it can), the copy
 * confirmed, and only when all are there the old ones are removed. Whatever goes wrong, the data is under the
 * old names, the new names, or both.
 *
 * The source is kept from all other operations meanwhile (inode_begin_move), so its open files are flushed
 * once and stay as they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/log.h"
#include "fs/vfs_internal.h"

struct side {
    struct inode *parent;
    const char *name;
    struct inode_path path;
    struct inode *inode; /* with a reference; NULL if not known */
};

/* --- one object ------------------------------------------------------------------------------------------------------ */

/* Down and up again, where the server has no COPY. */
static int copy_through(struct vfs *v, struct store_name from, struct store_name to)
{
    struct arena *a = arena_new();
    struct store_reply there, put;
    struct header_table h;
    struct stage stage;
    int rc = v->store->head(v->store, from, a, &there);

    if (rc == 0)
        rc = stage_open(&stage, v->cache_dir, there.size);
    if (rc == 0) {
        header_init(&h, a);
        attr_keep_foreign(&h, &there, true);
        for (size_t i = 0; i < there.headers.n; i++)
            if (str_istarts(there.headers.v[i].name, STR("X-Object-Meta-")))
                header_set(&h, there.headers.v[i].name, there.headers.v[i].value);
        rc = stage_fetch(&stage, v->store, from, there.etag, 0, there.size);
        if (rc == 0)
            rc = upload_stage(v->store, to, &h, false, &stage, a, &put);
        stage_close(&stage);
    }
    arena_free(a);
    return rc;
}

/* Is the copy what the source is? */
static int confirm(struct vfs *v, struct store_name from, const struct store_reply *copy, struct arena *a)
{
    struct store_reply source;
    int rc = v->store->head(v->store, from, a, &source);

    if (rc < 0)
        return rc;
    return source.large || strcmp(source.etag, copy->etag) == 0 ? 0 : -EBUSY;
}

static int copy_object(struct vfs *v, struct store_name from, struct store_name to, const char *etag)
{
    struct arena *a = arena_new();
    struct store_reply copy = {0};
    int rc = v->store->copy(v->store, from, to, a, &copy);

    if (rc == -EOPNOTSUPP)
        rc = copy_through(v, from, to);
    else if (rc == 0 && (!etag[0] || strcmp(etag, copy.etag) != 0))
        rc = confirm(v, from, &copy, a);
    arena_free(a);
    return rc;
}

/* --- a tree of objects ------------------------------------------------------------------------------------------------ */

struct tree_move {
    struct vfs *v;
    struct str from_container, to_container;
    struct str from_prefix, to_prefix;
    struct listing objects;
    atomic_int rc; /* the first error */
};

static void note_error(struct tree_move *m, int rc)
{
    int none = 0;

    if (rc < 0)
        atomic_compare_exchange_strong(&m->rc, &none, rc);
}

static struct store_name old_name(const struct tree_move *m, size_t i)
{
    return (struct store_name){m->from_container, m->objects.v[i].name};
}

/* The caller frees .object.p. Empty where a directory's marker would become that of a container. */
static struct store_name new_name(const struct tree_move *m, size_t i)
{
    struct str tail = str_slice(m->objects.v[i].name, m->from_prefix.n, m->objects.v[i].name.n);
    char *p = xasprintf("%.*s%.*s", STR_ARG(m->to_prefix), STR_ARG(tail));

    return (struct store_name){m->to_container, str_of(p, m->to_prefix.n + tail.n)};
}

static void copy_one(void *arg, size_t i)
{
    struct tree_move *m = arg;
    struct store_name to;

    if (atomic_load(&m->rc) < 0)
        return;
    to = new_name(m, i);
    if (to.object.n > m->v->store->limits.max_object_name)
        note_error(m, -ENAMETOOLONG);
    else if (to.object.n)
        note_error(m, copy_object(m->v, old_name(m, i), to, m->objects.v[i].hash));
    free((char *)to.object.p);
}

static void remove_old(void *arg, size_t i)
{
    struct tree_move *m = arg;
    int rc = m->v->store->remove(m->v->store, old_name(m, i));

    note_error(m, rc == -ENOENT ? 0 : rc);
}

/* Copies made before one failed; they are complete, but the old names stay. */
static void remove_new(void *arg, size_t i)
{
    struct tree_move *m = arg;
    struct store_name to = new_name(m, i);

    if (to.object.n)
        m->v->store->remove(m->v->store, to);
    free((char *)to.object.p);
}

static int list_all(struct tree_move *m)
{
    int rc;

    do
        rc = m->v->store->list(m->v->store, m->from_container, m->from_prefix, 0, m->objects.last, 0,
                               &m->objects);
    while (rc == 0 && m->objects.more);
    return rc;
}

static int move_tree(struct vfs *v, const struct inode_path *from, const struct inode_path *to)
{
    struct tree_move m = {.v = v,
                          .from_container = from->name.container,
                          .to_container = to->name.container,
                          .from_prefix = inode_path_prefix(from),
                          .to_prefix = inode_path_prefix(to)};
    int rc;

    atomic_init(&m.rc, 0);
    listing_init(&m.objects);
    rc = list_all(&m);
    if (rc == 0) {
        workers_each(v->workers, m.objects.n, copy_one, &m);
        rc = atomic_load(&m.rc);
        workers_each(v->workers, m.objects.n, rc == 0 ? remove_old : remove_new, &m);
        rc = atomic_load(&m.rc);
    }
    listing_release(&m.objects);
    return rc;
}

/* The new name's marker comes first, so that the directory is never without one; the old one's goes with the
 * tree, or apart where it stands beside it. */
static int move_directory(struct vfs *v, const struct inode_path *from, const struct inode_path *to,
                          struct attr *at)
{
    enum attr_marker marker = at->marker;
    int rc = vfs_put_marker(v, to, at);

    if (rc == 0)
        rc = move_tree(v, from, to);
    if (rc == 0 && marker == ATTR_MARKER_PLAIN)
        rc = v->store->remove(v->store, from->name);
    if (rc == 0 && vfs_is_top(from))
        rc = v->store->remove(v->store, from->name);
    return rc == -ENOENT ? 0 : rc;
}

/* The listing may be some seconds old. */
static int check_absent_now(struct vfs *v, struct store_name name)
{
    struct arena *a = arena_new();
    struct store_reply reply;
    int rc = v->store->head(v->store, name, a, &reply);

    arena_free(a);
    return rc == 0 ? -EEXIST : rc == -ENOENT ? 0 : rc;
}

static int move_file(struct vfs *v, const struct inode_path *from, const struct inode_path *to,
                     const struct attr *at, bool exclusive)
{
    int rc = exclusive ? check_absent_now(v, to->name) : 0;

    if (rc == 0)
        rc = copy_object(v, from->name, to->name, at->etag);
    if (rc < 0)
        return rc;
    rc = v->store->remove(v->store, from->name);
    return rc == -ENOENT ? 0 : rc;
}

/* --- the rename ------------------------------------------------------------------------------------------------------------ */

/* Uploads what open files below the source have, as their path is about to change. */
static int flush_below(struct vfs *v, struct inode *top, const struct inode_path *path)
{
    size_t n = inode_open_below(v->inodes, top, NULL, 0), max = n;
    struct inode **open = xcalloc(n + 1, sizeof *open);
    int rc = 0;

    n = inode_open_below(v->inodes, top, open, max);
    for (size_t i = 0; i < n && i < max; i++) {
        struct open_file *f = vfs_file_borrow(v, open[i]);
        struct inode_path below;

        if (f && rc == 0) {
            inode_path_of_moving(v->inodes, open[i], &below);
            rc = vfs_file_sync(v, open[i], f, &below);
            inode_path_release(&below);
        }
        if (f)
            vfs_file_drop(v, open[i], f);
        inode_put(v->inodes, open[i]);
    }
    free(open);
    return rc;
}

/* What stands at the new name must be replaceable. */
static int check_target(struct vfs *v, const struct side *to, const struct attr *from_at, unsigned flags,
                        bool *ret_exists)
{
    struct attr at;
    int rc = vfs_stat_child(v, to->inode, &to->path, &at);

    *ret_exists = rc == 0;
    if (rc < 0)
        return rc == -ENOENT ? 0 : rc;
    if (flags & RENAME_NOREPLACE)
        return -EEXIST;
    if (attr_is_dir(&at) != attr_is_dir(from_at))
        return attr_is_dir(&at) ? -EISDIR : -ENOTDIR;
    return attr_is_dir(&at) ? vfs_check_empty(v, &to->path) : 0;
}

/* Handles of the file that is replaced keep its content. */
static int keep_target(struct vfs *v, const struct side *to)
{
    struct open_file *f = to->inode ? vfs_file_borrow(v, to->inode) : NULL;
    int rc = f ? open_file_keep(f, to->path.name) : 0;

    if (f)
        vfs_file_drop(v, to->inode, f);
    return rc;
}

static void unkeep_target(struct vfs *v, const struct side *to)
{
    struct open_file *f = to->inode ? vfs_file_borrow(v, to->inode) : NULL;

    if (!f)
        return;
    open_file_unkeep(f);
    vfs_file_drop(v, to->inode, f);
}

static int move_objects(struct vfs *v, struct side *from, struct side *to, struct attr *at, unsigned flags)
{
    bool exists;
    int rc = check_target(v, to, at, flags, &exists);

    if (rc == 0)
        rc = vfs_ensure_marker(v, &from->path);
    if (rc == 0 && exists)
        rc = keep_target(v, to);
    if (rc == 0)
        rc = attr_is_dir(at) ? move_directory(v, &from->path, &to->path, at)
                             : move_file(v, &from->path, &to->path, at, flags & RENAME_NOREPLACE);
    if (rc < 0 && exists)
        unkeep_target(v, to);
    else if (rc < 0 && rc != -EEXIST && attr_is_dir(at))
        v->store->remove(v->store, inode_path_marker(&to->path)); /* made by us and empty again */
    return rc;
}

/* Versions under the new name are learnt anew, as the copies have later times. */
static void forget_both(struct vfs *v, struct side *from, struct side *to)
{
    vfs_remember(v, &from->path, NULL);
    fs_cache_drop_tree(v->cache, from->path.key);
    fs_cache_drop_tree(v->cache, to->path.key);
}

/* Both parents are pinned, the source (and target, where known) moving. */
static int rename_locked(struct vfs *v, struct side *from, struct side *to, unsigned flags)
{
    struct attr at;
    int rc = flush_below(v, from->inode, &from->path);

    if (rc == 0)
        rc = vfs_stat_path(v, &from->path, &at);
    if (rc == 0 && vfs_is_top(&to->path) && !attr_is_dir(&at))
        rc = -EPERM;
    if (rc == 0)
        rc = move_objects(v, from, to, &at, flags);
    forget_both(v, from, to);
    if (rc == 0) {
        at.changed_us = at.changed_limit_s = 0;
        if (attr_is_dir(&at))
            at.marker = ATTR_MARKER_SLASH;
        vfs_remember(v, &to->path, &at);
    } else {
        fs_cache_drop_tree(v->cache, vfs_parent_key(to->path.key));
        fs_cache_drop_tree(v->cache, vfs_parent_key(from->path.key));
    }
    return rc;
}

static bool is_within(struct str key, struct str top)
{
    return key.n > top.n && str_starts(key, top) && key.p[top.n] == '/';
}

static int rename_pinned(struct vfs *v, struct side *from, struct side *to, unsigned flags)
{
    int rc = vfs_check_name(v, &to->path);

    if (rc < 0 || str_eq(from->path.key, to->path.key))
        return rc;
    if (is_within(to->path.key, from->path.key))
        return -EINVAL;
    if (is_within(from->path.key, to->path.key))
        return -ENOTEMPTY;
    rc = inode_begin_move(v->inodes, from->inode);
    if (rc < 0)
        return rc;
    rc = to->inode ? inode_begin_move(v->inodes, to->inode) : 0;
    if (rc == 0)
        rc = rename_locked(v, from, to, flags);
    inode_end_move(v->inodes, from->inode, rc == 0 ? to->parent : NULL, to->name);
    if (to->inode)
        inode_end_move(v->inodes, to->inode, NULL, NULL);
    return rc;
}

static int side_init(struct vfs *v, struct side *s, uint64_t parent, const char *name)
{
    int rc;

    *s = (struct side){.parent = inode_get(v->inodes, parent), .name = name};
    if (!s->parent)
        return -ESTALE;
    rc = inode_pin_child(v->inodes, s->parent, name, &s->path);
    if (rc < 0) {
        inode_put(v->inodes, s->parent);
        return rc;
    }
    s->inode = inode_find(v->inodes, s->parent, name);
    return 0;
}

static void side_release(struct vfs *v, struct side *s)
{
    inode_put(v->inodes, s->inode);
    inode_path_release(&s->path);
    inode_unpin(v->inodes, s->parent);
    inode_put(v->inodes, s->parent);
}

int vfs_rename(struct vfs *v, uint64_t parent, const char *name, uint64_t new_parent, const char *new_name,
               unsigned flags)
{
    struct side from, to;
    struct vfs_entry entry;
    int rc;

    if (flags & ~(unsigned)RENAME_NOREPLACE)
        return -EINVAL;
    rc = vfs_lookup(v, parent, name, &entry); /* the source has an inode from here on */
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&v->rename_lock);
    rc = side_init(v, &from, parent, name);
    if (rc == 0) {
        rc = side_init(v, &to, new_parent, new_name);
        if (rc == 0) {
            rc = from.inode ? rename_pinned(v, &from, &to, flags) : -ENOENT;
            side_release(v, &to);
        }
        side_release(v, &from);
    }
    pthread_mutex_unlock(&v->rename_lock);
    vfs_forget(v, entry.ino, 1);
    return rc;
}
