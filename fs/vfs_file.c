/* SPDX-License-Identifier: Apache-2.0
 *
 * vfs_file.c: content: handles, reading, writing, and when it goes to the store.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "fs/vfs_internal.h"

struct vfs_handle {
    struct vfs_handle *next, **link; /* in vfs.handles, under misc_lock */
    struct inode *inode;
    struct open_file *file;
    struct open_handle *reader;
    bool append;
};

static const struct store_name no_name = {STR_INIT(""), STR_INIT("")};

/* --- open files of inodes --------------------------------------------------------------------------------------- */

struct open_file *vfs_file_take(struct vfs *v, struct inode *inode, const struct attr *at, bool exists,
                                bool exclusive)
{
    struct open_file *made = open_file_new(&v->env, at, exists, exclusive), *f;

    inode_table_lock(v->inodes);
    if (!inode->file) {
        inode_set_file(v->inodes, inode, made);
        made = NULL;
    }
    f = inode->file;
    f->handles++;
    inode_table_unlock(v->inodes);
    open_file_free(made);
    return f;
}

struct open_file *vfs_file_borrow(struct vfs *v, struct inode *inode)
{
    struct open_file *f;

    inode_table_lock(v->inodes);
    f = inode->file;
    if (f)
        f->handles++;
    inode_table_unlock(v->inodes);
    return f;
}

void vfs_file_drop(struct vfs *v, struct inode *inode, struct open_file *f)
{
    bool last;

    inode_table_lock(v->inodes);
    last = --f->handles == 0;
    if (last)
        inode_set_file(v->inodes, inode, NULL);
    inode_table_unlock(v->inodes);
    if (last)
        open_file_free(f);
}

/* The page cache of the kernel holds what was written here, so it stays right for the new version. */
static void remember_version(struct vfs *v, struct inode *inode, const struct attr *at)
{
    inode_table_lock(v->inodes);
    memcpy(inode->cached_etag, at->etag, sizeof inode->cached_etag);
    inode_table_unlock(v->inodes);
}

int vfs_file_sync(struct vfs *v, struct inode *inode, struct open_file *f, const struct inode_path *path)
{
    bool changed;
    struct attr at;
    int rc = open_file_flush(f, path->name, &changed);

    if (rc == 0 && changed) {
        open_file_attr(f, &at);
        vfs_remember(v, path, &at);
        remember_version(v, inode, &at);
    }
    return rc;
}

/* Uploads under the inode's present name; an unlinked file has none and needs no upload. */
static int sync_handle(struct vfs *v, struct vfs_handle *h)
{
    struct inode_path path;
    int rc;

    if (inode_pin(v->inodes, h->inode, &path) < 0)
        return 0;
    rc = vfs_file_sync(v, h->inode, h->file, &path);
    inode_path_release(&path);
    inode_unpin(v->inodes, h->inode);
    return rc;
}

/* --- open --------------------------------------------------------------------------------------------------------- */

static struct vfs_handle *new_handle(struct vfs *v, struct inode *inode, struct open_file *f, int flags)
{
    struct vfs_handle *h = xcalloc(1, sizeof *h);
    struct attr at;

    open_file_attr(f, &at);
    h->inode = inode_get(v->inodes, inode->ino);
    h->file = f;
    h->reader = open_handle_new(at.etag);
    h->append = flags & O_APPEND;
    pthread_mutex_lock(&v->misc_lock);
    h->next = v->handles;
    h->link = &v->handles;
    if (h->next)
        h->next->link = &h->next;
    v->handles = h;
    pthread_mutex_unlock(&v->misc_lock);
    return h;
}

static void free_handle(struct vfs *v, struct vfs_handle *h)
{
    pthread_mutex_lock(&v->misc_lock);
    *h->link = h->next;
    if (h->next)
        h->next->link = h->link;
    pthread_mutex_unlock(&v->misc_lock);
    open_handle_free(h->reader);
    vfs_file_drop(v, h->inode, h->file);
    inode_put(v->inodes, h->inode);
    free(h);
}

static bool cache_is_right(struct vfs *v, struct inode *inode, const struct attr *at)
{
    bool right;

    inode_table_lock(v->inodes);
    right = at->etag[0] && strcmp(inode->cached_etag, at->etag) == 0;
    memcpy(inode->cached_etag, at->etag, sizeof inode->cached_etag);
    inode_table_unlock(v->inodes);
    return right;
}

static int open_pinned(struct vfs *v, struct inode *inode, const struct inode_path *path, int flags,
                       struct vfs_handle **ret, bool *ret_keep_cache)
{
    struct attr at;
    struct open_file *f;
    int rc = vfs_stat_inode(v, inode, path, &at);

    if (rc < 0)
        return rc;
    if (attr_is_dir(&at))
        return -EISDIR;
    f = vfs_file_take(v, inode, &at, true, false);
    open_file_set_version(f, &at);
    *ret_keep_cache = cache_is_right(v, inode, &at);
    if (*ret_keep_cache)
        open_file_mark_used(f);
    if (flags & O_TRUNC)
        rc = open_file_truncate(f, path->name, 0);
    *ret = new_handle(v, inode, f, flags);
    if (rc < 0)
        free_handle(v, *ret);
    return rc;
}

int vfs_open(struct vfs *v, uint64_t ino, int flags, struct vfs_handle **ret_handle, bool *ret_keep_cache)
{
    struct inode *inode = inode_get(v->inodes, ino);
    struct inode_path path;
    int rc;

    if (!inode)
        return -ESTALE;
    rc = inode_pin(v->inodes, inode, &path);
    if (rc == 0) {
        rc = open_pinned(v, inode, &path, flags, ret_handle, ret_keep_cache);
        inode_path_release(&path);
        inode_unpin(v->inodes, inode);
    } else {
        struct open_file *f = vfs_file_borrow(v, inode); /* by /proc/PID/fd, after unlink */

        rc = f ? 0 : -ENOENT;
        if (f) {
            *ret_handle = new_handle(v, inode, f, flags);
            *ret_keep_cache = true;
        }
    }
    inode_put(v->inodes, inode);
    return rc;
}

/* Whether nothing is at path yet: 0, -EEXIST or another error. */
static int check_absent(struct vfs *v, struct inode *parent, const char *name, const struct inode_path *path)
{
    struct attr at;
    struct inode *child;
    int rc = vfs_check_name(v, path);

    if (rc < 0)
        return rc;
    child = inode_find(v->inodes, parent, name);
    rc = vfs_stat_child(v, child, path, &at);
    inode_put(v->inodes, child);
    return rc == 0 ? -EEXIST : rc == -ENOENT ? 0 : rc;
}

/* The object comes with the first flush; until then only this mount knows of it. */
static int create_pinned(struct vfs *v, struct inode *parent, const char *name, const struct inode_path *path,
                         mode_t mode, int flags, struct vfs_caller who, struct vfs_entry *ret,
                         struct vfs_handle **ret_handle)
{
    struct attr at = vfs_new_attr(v, path, S_IFREG | (mode & 07777), who);
    struct inode *inode = inode_find(v->inodes, parent, name);
    struct open_file *f;

    if (inode) { /* its object is gone: whoever has it open goes on with that one */
        inode_unlink(v->inodes, inode);
        inode_put(v->inodes, inode);
    }
    vfs_make_entry(v, parent, name, &at, ret);
    inode = inode_get(v->inodes, ret->ino);
    f = vfs_file_take(v, inode, &at, false, flags & O_EXCL);
    vfs_remember(v, path, &at);
    *ret_handle = new_handle(v, inode, f, flags);
    inode_put(v->inodes, inode);
    return 0;
}

int vfs_create(struct vfs *v, uint64_t parent, const char *name, mode_t mode, int flags,
               struct vfs_caller who, struct vfs_entry *ret, struct vfs_handle **ret_handle)
{
    struct inode *dir = inode_get(v->inodes, parent);
    struct inode_path path;
    bool exists = false, keep;
    int rc;

    if (!dir)
        return -ESTALE;
    rc = inode_pin_child(v->inodes, dir, name, &path);
    if (rc == 0) {
        rc = vfs_is_top(&path) ? -EPERM : check_absent(v, dir, name, &path);
        exists = rc == -EEXIST && !(flags & O_EXCL);
        if (rc == 0)
            rc = create_pinned(v, dir, name, &path, mode, flags, who, ret, ret_handle);
        inode_path_release(&path);
        inode_unpin(v->inodes, dir);
    }
    inode_put(v->inodes, dir);
    if (!exists)
        return rc;
    /* Somebody was faster: it is an ordinary open then. */
    rc = vfs_lookup(v, parent, name, ret);
    if (rc == 0) {
        rc = vfs_open(v, ret->ino, flags, ret_handle, &keep);
        if (rc < 0)
            vfs_forget(v, ret->ino, 1);
    }
    return rc;
}

int vfs_mknod(struct vfs *v, uint64_t parent, const char *name, mode_t mode, struct vfs_caller who,
              struct vfs_entry *ret)
{
    struct vfs_handle *h;
    int rc;

    if (!S_ISREG(mode))
        return -EPERM;
    rc = vfs_create(v, parent, name, mode, O_EXCL | O_WRONLY, who, ret, &h);
    if (rc < 0)
        return rc;
    rc = vfs_flush(v, h);
    vfs_release(v, h);
    if (rc < 0)
        vfs_forget(v, ret->ino, 1);
    return rc;
}

/* --- read and write --------------------------------------------------------------------------------------------------- */

/* The name in the store, pinned; or none for an unlinked file. */
static bool pin_name(struct vfs *v, struct vfs_handle *h, struct inode_path *path, struct store_name *name)
{
    bool named = inode_pin(v->inodes, h->inode, path) == 0;

    *name = named ? path->name : no_name;
    return named;
}

static void unpin_name(struct vfs *v, struct vfs_handle *h, struct inode_path *path)
{
    inode_path_release(path);
    inode_unpin(v->inodes, h->inode);
}

/* The object was replaced; if nobody has seen any of the old one, the new one is what was opened. */
static ssize_t read_new_version(struct vfs *v, struct vfs_handle *h, const struct inode_path *path, void *p,
                                size_t n, uint64_t offset)
{
    struct attr at;
    int rc = vfs_fetch_attr(v, path, false, false, &at);

    if (rc < 0 || attr_is_dir(&at) || !open_file_renew(h->file, h->reader, &at))
        return -ESTALE;
    remember_version(v, h->inode, &at);
    return open_file_read(h->file, h->reader, path->name, p, n, offset);
}

ssize_t vfs_read(struct vfs *v, struct vfs_handle *h, void *p, size_t n, uint64_t offset)
{
    struct inode_path path;
    struct store_name name;
    bool named = pin_name(v, h, &path, &name);
    ssize_t rc = open_file_read(h->file, h->reader, name, p, n, offset);

    if (named && (rc == -ESTALE || rc == -ENOENT))
        rc = read_new_version(v, h, &path, p, n, offset);
    if (named)
        unpin_name(v, h, &path);
    return rc;
}

ssize_t vfs_write(struct vfs *v, struct vfs_handle *h, const void *p, size_t n, uint64_t offset)
{
    struct inode_path path;
    struct store_name name;
    bool named = pin_name(v, h, &path, &name);
    ssize_t rc = open_file_write(h->file, name, p, n, h->append ? -1 : (int64_t)offset);

    if (rc == -EFBIG)
        log_warning("%.*s: the store takes no object over %llu bytes",
                    STR_ARG(named ? path.key : STR("(unlinked)")),
                    (unsigned long long)v->store->limits.max_file_size);
    if (named)
        unpin_name(v, h, &path);
    return rc;
}

int vfs_flush(struct vfs *v, struct vfs_handle *h)
{
    return sync_handle(v, h);
}

int vfs_fsync(struct vfs *v, struct vfs_handle *h)
{
    return sync_handle(v, h);
}

/* After a flush that failed: the last chance, as nobody is left to tell. */
static void release_dirty(struct vfs *v, struct vfs_handle *h)
{
    struct inode_path path;
    int rc;

    if (inode_pin(v->inodes, h->inode, &path) < 0)
        return;
    rc = vfs_file_sync(v, h->inode, h->file, &path);
    if (rc < 0) {
        log_error("%.*s: closed without having been uploaded (%s): what was written since is lost",
                  STR_ARG(path.key), strerrordesc_np(-rc));
        fs_cache_drop_tree(v->cache, vfs_parent_key(path.key)); /* whatever is there now */
    }
    unpin_name(v, h, &path);
}

void vfs_release(struct vfs *v, struct vfs_handle *h)
{
    struct attr at;

    if (open_file_attr(h->file, &at))
        release_dirty(v, h);
    free_handle(v, h);
}

/* --- links -------------------------------------------------------------------------------------------------------------- */

struct text {
    struct str s;
    size_t sent;
};

static ssize_t text_read(void *arg, void *p, size_t n)
{
    struct text *t = arg;

    n = n < t->s.n - t->sent ? n : t->s.n - t->sent;
    memcpy(p, t->s.p + t->sent, n);
    t->sent += n;
    return (ssize_t)n;
}

static int text_rewind(void *arg)
{
    ((struct text *)arg)->sent = 0;
    return 0;
}

static int put_link(struct vfs *v, const struct inode_path *path, struct str target, struct attr *at)
{
    struct arena *a = arena_new();
    struct text text = {.s = target};
    struct store_source source = {
        .length = (int64_t)target.n, .read = text_read, .rewind = text_rewind, .arg = &text};
    struct header_table h;
    struct store_reply reply = {0};
    int rc;

    header_init(&h, a);
    attr_to_headers(at, &h);
    rc = v->store->put(v->store, path->name, &h, false, &source, a, &reply);
    if (rc == 0) {
        at->size = target.n;
        attr_take_version(at, &reply);
        vfs_remember(v, path, at);
    }
    arena_free(a);
    return rc;
}

int vfs_symlink(struct vfs *v, const char *target, uint64_t parent, const char *name, struct vfs_caller who,
                struct vfs_entry *ret)
{
    struct inode *dir = inode_get(v->inodes, parent);
    struct inode_path path;
    struct attr at;
    int rc;

    if (!dir)
        return -ESTALE;
    rc = inode_pin_child(v->inodes, dir, name, &path);
    if (rc == 0) {
        rc = vfs_is_top(&path) ? -EPERM : check_absent(v, dir, name, &path);
        if (rc == 0) {
            at = vfs_new_attr(v, &path, S_IFLNK | 0777, who);
            rc = put_link(v, &path, str_from(target), &at);
        }
        if (rc == 0)
            vfs_make_entry(v, dir, name, &at, ret);
        inode_path_release(&path);
        inode_unpin(v->inodes, dir);
    }
    inode_put(v->inodes, dir);
    return rc;
}

static int target_write(void *arg, const void *p, size_t n)
{
    return buf_append(arg, p, n);
}

static int read_target(struct vfs *v, const struct inode_path *path, const struct attr *at, char **ret)
{
    struct buf b;
    struct store_sink sink = {.write = target_write, .arg = &b};
    int rc;

    if (!S_ISLNK(at->mode) || at->size == 0 || at->size >= PATH_MAX)
        return -EINVAL;
    buf_init(&b, PATH_MAX);
    rc = v->store->get(v->store, path->name, NULL, 0, at->size, &sink);
    if (rc == 0)
        *ret = buf_take(&b, NULL);
    buf_release(&b);
    return rc;
}

int vfs_readlink(struct vfs *v, uint64_t ino, char **ret_target)
{
    struct inode *inode = inode_get(v->inodes, ino);
    struct inode_path path;
    struct attr at;
    int rc;

    if (!inode)
        return -ESTALE;
    rc = inode_pin(v->inodes, inode, &path);
    if (rc == 0) {
        rc = vfs_stat_inode(v, inode, &path, &at);
        if (rc == 0)
            rc = read_target(v, &path, &at, ret_target);
        inode_path_release(&path);
        inode_unpin(v->inodes, inode);
    }
    inode_put(v->inodes, inode);
    return rc;
}

/* --- the end --------------------------------------------------------------------------------------------------------------- */

#define SHUTDOWN_OPEN_MAX 65536

static int sync_inode(struct vfs *v, struct inode *inode)
{
    struct open_file *f = vfs_file_borrow(v, inode);
    struct inode_path path;
    int rc = 0;

    if (f && inode_pin(v->inodes, inode, &path) == 0) {
        rc = vfs_file_sync(v, inode, f, &path);
        if (rc < 0)
            log_error("%.*s: not uploaded at the end: %s", STR_ARG(path.key), strerrordesc_np(-rc));
        inode_path_release(&path);
        inode_unpin(v->inodes, inode);
    }
    if (f)
        vfs_file_drop(v, inode, f);
    return rc;
}

int vfs_shutdown(struct vfs *v)
{
    struct inode **open = xcalloc(SHUTDOWN_OPEN_MAX, sizeof *open);
    size_t n = inode_open_below(v->inodes, NULL, open, SHUTDOWN_OPEN_MAX);
    int rc = 0, one;

    for (size_t i = 0; i < n && i < SHUTDOWN_OPEN_MAX; i++) {
        one = sync_inode(v, open[i]);
        rc = rc ? rc : one;
        inode_put(v->inodes, open[i]);
    }
    free(open);
    while (v->handles) /* the kernel will not release them any more */
        free_handle(v, v->handles);
    return rc;
}
