/* SPDX-License-Identifier: Apache-2.0
 *
 * vfs_dir.c: directories: made, listed, removed; and the removal of names in them.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/log.h"
#include "fs/vfs_internal.h"

struct vfs_dir {
    struct inode *inode;
    struct dir *listing;
};

/* --- make ------------------------------------------------------------------------------------------------------- */

static int mkdir_pinned(struct vfs *v, struct inode *parent, const char *name, const struct inode_path *path,
                        mode_t mode, struct vfs_caller who, struct vfs_entry *ret)
{
    struct attr at;
    int rc = vfs_check_name(v, path);

    if (rc == 0)
        rc = vfs_stat_path(v, path, &at);
    if (rc != -ENOENT)
        return rc == 0 ? -EEXIST : rc;
    at = vfs_new_attr(v, path, S_IFDIR | (mode & 07777), who);
    rc = vfs_put_marker(v, path, &at);
    if (rc < 0)
        return rc;
    vfs_remember(v, path, &at);
    fs_cache_new_dir(v->cache, path->key);
    vfs_make_entry(v, parent, name, &at, ret);
    return 0;
}

int vfs_mkdir(struct vfs *v, uint64_t parent, const char *name, mode_t mode, struct vfs_caller who,
              struct vfs_entry *ret)
{
    struct inode *dir = inode_get(v->inodes, parent);
    struct inode_path path;
    int rc;

    if (!dir)
        return -ESTALE;
    rc = inode_pin_child(v->inodes, dir, name, &path);
    if (rc == 0) {
        rc = mkdir_pinned(v, dir, name, &path, mode, who, ret);
        inode_path_release(&path);
        inode_unpin(v->inodes, dir);
    }
    inode_put(v->inodes, dir);
    return rc;
}

/* --- list -------------------------------------------------------------------------------------------------------- */

struct overlay {
    struct vfs *v;
    struct dir *listing;
};

/* A file that was created and not uploaded yet is in no listing. */
static void add_open_child(void *arg, struct inode *child)
{
    struct overlay *o = arg;
    struct dir_entry e = {.name = child->name, .kind = DIR_FILE};
    struct dir *copy;

    if (dir_find(o->listing, str_from(child->name)) >= 0 || open_file_exists(child->file))
        return;
    copy = dir_clone(o->listing); /* the other may be the cache's */
    dir_unref(o->listing);
    o->listing = copy;
    dir_set(o->listing, &e);
}

static void tell_oddities(const struct inode_path *path, const struct dir *d)
{
    if (d->skipped)
        log_info("%.*s: %zu object names cannot be shown as files", STR_ARG(path->key), d->skipped);
    if (d->hidden)
        log_info("%.*s: %zu objects are hidden by directories of the same name", STR_ARG(path->key),
                 d->hidden);
}

static int list_pinned(struct vfs *v, struct inode *inode, const struct inode_path *path, struct dir **ret)
{
    struct overlay o = {.v = v, .listing = fs_cache_dir(v->cache, path->key)};
    uint64_t ticket;
    bool complete;
    int rc;

    if (!o.listing) {
        ticket = fs_cache_begin_listing(v->cache, path->key);
        rc = dir_fetch(v->store, path->name.container, inode_path_prefix(path), 0, &o.listing, &complete);
        if (rc < 0)
            return rc;
        tell_oddities(path, o.listing);
        fs_cache_set_dir(v->cache, path->key, ticket, o.listing, complete);
    }
    inode_each_open_child(v->inodes, inode, add_open_child, &o);
    *ret = o.listing;
    return 0;
}

int vfs_opendir(struct vfs *v, uint64_t ino, struct vfs_dir **ret)
{
    struct inode *inode = inode_get(v->inodes, ino);
    struct inode_path path;
    struct dir *listing = NULL;
    int rc;

    if (!inode)
        return -ESTALE;
    rc = inode_pin(v->inodes, inode, &path);
    if (rc == 0) {
        rc = list_pinned(v, inode, &path, &listing);
        inode_path_release(&path);
        inode_unpin(v->inodes, inode);
    } else if (rc == -ENOENT) { /* removed, but open as somebody's working directory */
        listing = dir_new();
        rc = 0;
    }
    if (rc < 0) {
        inode_put(v->inodes, inode);
        return rc;
    }
    *ret = xcalloc(1, sizeof **ret);
    **ret = (struct vfs_dir){.inode = inode, .listing = listing};
    return 0;
}

void vfs_releasedir(struct vfs *v, struct vfs_dir *d)
{
    dir_unref(d->listing);
    inode_put(v->inodes, d->inode);
    free(d);
}

size_t vfs_dir_count(const struct vfs_dir *d)
{
    return d->listing->n + 2;
}

const char *vfs_dir_name(const struct vfs_dir *d, size_t i, mode_t *ret_type)
{
    const struct dir_entry *e;

    *ret_type = S_IFDIR;
    if (i < 2)
        return i == 0 ? "." : "..";
    e = &d->listing->v[i - 2];
    if (e->kind != DIR_DIRECTORY)
        *ret_type = e->kind == DIR_SYMLINK ? S_IFLNK : S_IFREG;
    return e->name;
}

void vfs_dir_prefetch(struct vfs *v, struct vfs_dir *d, size_t from, size_t n)
{
    struct inode_path path;

    if (from < 2) {
        n = n > 2 - from ? n - (2 - from) : 0;
        from = 2;
    }
    if (inode_pin(v->inodes, d->inode, &path) < 0)
        return;
    vfs_prefetch(v, &path, d->listing, from - 2, n);
    inode_path_release(&path);
    inode_unpin(v->inodes, d->inode);
}

int vfs_dir_lookup(struct vfs *v, struct vfs_dir *d, size_t i, struct vfs_entry *ret)
{
    return vfs_lookup(v, d->inode->ino, d->listing->v[i - 2].name, ret);
}

/* --- remove --------------------------------------------------------------------------------------------------------- */

/* A pin on the child if it is known, else on the parent; *ret_pinned is what to unpin. The child comes with a
 * reference, or NULL. */
static int pin_victim(struct vfs *v, struct inode *parent, const char *name, struct inode **ret_child,
                      struct inode **ret_pinned, struct inode_path *ret)
{
    struct inode *child = inode_find(v->inodes, parent, name);
    int rc;

    rc = child ? inode_pin(v->inodes, child, ret) : inode_pin_child(v->inodes, parent, name, ret);
    if (rc < 0) {
        inode_put(v->inodes, child);
        return rc;
    }
    *ret_child = child;
    *ret_pinned = child ? child : parent;
    return 0;
}

static int remove_object(struct vfs *v, const struct inode_path *path)
{
    int rc = vfs_ensure_marker(v, path);

    if (rc == 0)
        rc = v->store->remove(v->store, path->name);
    if (rc == 0 || rc == -ENOENT)
        vfs_remember(v, path, NULL);
    return rc;
}

static int unlink_pinned(struct vfs *v, struct inode *child, const struct inode_path *path)
{
    struct open_file *f = child ? vfs_file_borrow(v, child) : NULL;
    struct attr at;
    bool exists = true;
    int rc = f && open_file_attr(f, &at) ? 0 : vfs_stat_path(v, path, &at);

    if (rc == 0 && attr_is_dir(&at))
        rc = -EISDIR;
    if (rc == 0 && f) {
        exists = open_file_exists(f);
        rc = open_file_keep(f, path->name);
    }
    if (rc == 0 && exists)
        rc = remove_object(v, path);
    else if (rc == 0)
        vfs_remember(v, path, NULL);
    if (rc == 0 && child)
        inode_unlink(v->inodes, child);
    if (rc < 0 && f)
        open_file_unkeep(f);
    if (f)
        vfs_file_drop(v, child, f);
    return rc;
}

/* Finds and pins what is to go, and lets `take_away` decide and act. */
static int remove_entry(struct vfs *v, uint64_t parent, const char *name,
                        int (*take_away)(struct vfs *v, struct inode *child, const struct inode_path *path))
{
    struct inode *dir = inode_get(v->inodes, parent), *child, *pinned;
    struct inode_path path;
    int rc;

    if (!dir)
        return -ESTALE;
    rc = pin_victim(v, dir, name, &child, &pinned, &path);
    if (rc == 0) {
        rc = take_away(v, child, &path);
        inode_path_release(&path);
        inode_unpin(v->inodes, pinned);
        inode_put(v->inodes, child);
    }
    inode_put(v->inodes, dir);
    return rc;
}

int vfs_unlink(struct vfs *v, uint64_t parent, const char *name)
{
    return remove_entry(v, parent, name, unlink_pinned);
}

int vfs_check_empty(struct vfs *v, const struct inode_path *path)
{
    struct str prefix = inode_path_prefix(path);
    struct listing l;
    int rc;

    if (path->name.container.n == 0)
        return -ENOTEMPTY;
    listing_init(&l);
    rc = v->store->list(v->store, path->name.container, prefix, 0, STR_NONE, 2, &l);
    for (size_t i = 0; rc == 0 && i < l.n; i++)
        if (prefix.n == 0 || !str_eq(l.v[i].name, prefix))
            rc = -ENOTEMPTY;
    listing_release(&l);
    return rc;
}

/* Files in it that are not in the store yet. */
static void note_new_file(void *arg, struct inode *child)
{
    if (!open_file_exists(child->file))
        *(bool *)arg = true;
}

/* Both markers, as far as there are any. */
static int remove_directory(struct vfs *v, const struct inode_path *path, const struct attr *at)
{
    int rc = vfs_ensure_marker(v, path);

    if (rc == 0)
        rc = v->store->remove(v->store, inode_path_marker(path));
    if (!vfs_is_top(path)) {
        if (rc == -ENOENT)
            rc = 0;
        if (rc == 0 && at->marker == ATTR_MARKER_PLAIN)
            rc = v->store->remove(v->store, path->name);
    }
    return rc == -ENOENT ? 0 : rc;
}

static int rmdir_pinned(struct vfs *v, struct inode *child, const struct inode_path *path)
{
    struct attr at;
    bool new_files = false;
    int rc = vfs_stat_path(v, path, &at);

    if (rc == 0 && !attr_is_dir(&at))
        rc = -ENOTDIR;
    if (rc == 0 && child)
        inode_each_open_child(v->inodes, child, note_new_file, &new_files);
    if (rc == 0)
        rc = new_files ? -ENOTEMPTY : vfs_check_empty(v, path);
    if (rc == 0)
        rc = remove_directory(v, path, &at);
    if (rc == 0) {
        vfs_remember(v, path, NULL);
        fs_cache_drop_tree(v->cache, path->key);
        if (child)
            inode_unlink(v->inodes, child);
    }
    return rc;
}

int vfs_rmdir(struct vfs *v, uint64_t parent, const char *name)
{
    return remove_entry(v, parent, name, rmdir_pinned);
}
