/* SPDX-License-Identifier: Apache-2.0
 *
 * vfs.c: names and attributes. Where an answer comes from, in this order:
 *
 *   an open file that is ahead of the store
 *   fresh attributes in the cache
 *   the directory's listing, cached or fetched: absent; or present, with the version that makes older
 *     attributes in the cache good again
 *   HEAD of the object or marker
 *
 * A directory of more than one page of names is not listed for a lookup; its names are asked for singly.
 */
#include "fs/vfs.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/url.h"
#include "fs/vfs_internal.h"

/* So many lookups in a row that each needed a HEAD look like a walk through the directory. */
#define WALK_MISSES   2
#define WALK_PREFETCH 64

struct vfs *vfs_new(struct store *store, const struct vfs_options *o)
{
    struct vfs *v = xcalloc(1, sizeof *v);

    v->store = store;
    v->whole_account = !o->container;
    v->inodes = inode_table_new(o->container);
    v->cache = fs_cache_new(o->fresh_ms);
    v->workers = workers_new(o->requests);
    v->cache_dir = xstrdup(o->cache_dir);
    v->env = (struct open_file_env){.store = store, .workers = v->workers, .cache_dir = v->cache_dir};
    v->defaults =
        (struct attr_defaults){.uid = o->uid, .gid = o->gid, .umask = o->umask, .time_ns = clock_real_ns()};
    pthread_mutex_init(&v->rename_lock, NULL);
    pthread_mutex_init(&v->misc_lock, NULL);
    return v;
}

void vfs_free(struct vfs *v)
{
    if (!v)
        return;
    workers_free(v->workers);
    inode_table_free(v->inodes);
    fs_cache_free(v->cache);
    pthread_mutex_destroy(&v->rename_lock);
    pthread_mutex_destroy(&v->misc_lock);
    free(v->cache_dir);
    free(v);
}

struct str vfs_parent_key(struct str key)
{
    ssize_t slash = str_rfind(key, '/');

    return slash < 0 ? str_of(key.p, 0) : str_slice(key, 0, (size_t)slash);
}

struct str vfs_base_name(struct str key)
{
    ssize_t slash = str_rfind(key, '/');

    return str_slice(key, (size_t)(slash + 1), key.n);
}

int vfs_check_name(struct vfs *v, const struct inode_path *path)
{
    struct str base = vfs_base_name(path->key);

    if (vfs_is_top(path))
        return base.n > v->store->limits.max_container_name ? -ENAMETOOLONG : utf8_check(base) ? 0 : -EILSEQ;
    if (base.n > NAME_MAX || path->name.object.n + 1 > v->store->limits.max_object_name)
        return -ENAMETOOLONG;
    if (!dir_name_valid(base))
        return -EINVAL;
    return utf8_check(base) ? 0 : -EILSEQ;
}

/* --- attributes from the store -------------------------------------------------------------------------------- */

static int fetch_marker(struct vfs *v, struct store_name marker, enum attr_marker kind, struct attr *ret)
{
    struct arena *a = arena_new();
    struct store_reply reply;
    int rc = v->store->head(v->store, marker, a, &reply);

    if (rc == 0) {
        attr_of_directory(ret, &reply, &v->defaults);
        ret->marker = kind;
    }
    arena_free(a);
    return rc;
}

static int fetch_directory(struct vfs *v, const struct inode_path *path, bool plain_marker, struct attr *ret)
{
    int rc = fetch_marker(v, inode_path_marker(path), ATTR_MARKER_SLASH, ret);

    if (rc == -ENOENT && plain_marker)
        rc = fetch_marker(v, path->name, ATTR_MARKER_PLAIN, ret);
    if (rc == -ENOENT && !vfs_is_top(path)) {
        attr_of_directory(ret, NULL, &v->defaults);
        rc = 0;
    }
    return rc;
}

static int fetch_file(struct vfs *v, const struct inode_path *path, struct attr *ret)
{
    struct arena *a = arena_new();
    struct store_reply reply;
    int rc = v->store->head(v->store, path->name, a, &reply);

    if (rc == 0 &&
        listing_type_is(header_get(&reply.headers, STR("Content-Type")), STR(LISTING_TYPE_DIRECTORY))) {
        attr_of_directory(ret, &reply, &v->defaults);
        ret->marker = ATTR_MARKER_PLAIN;
    } else if (rc == 0) {
        attr_from_reply(ret, &reply, &v->defaults);
    }
    arena_free(a);
    return rc;
}

/* The time of a change of our own is known to the second when it is made, and exactly only later. It must not
 * seem to move for that (tar complains): as long as nothing else differs it stays. */
static void keep_change_time(struct vfs *v, struct str key, struct attr *at)
{
    struct attr old;

    if (fs_cache_attr(v->cache, key, &old, NULL) && attr_same_metadata(&old, at) && old.size == at->size &&
        strcmp(old.etag, at->etag) == 0)
        at->ctime_ns = old.ctime_ns;
}

int vfs_fetch_attr(struct vfs *v, const struct inode_path *path, bool is_dir, bool plain_marker,
                   struct attr *ret)
{
    int rc = is_dir ? fetch_directory(v, path, plain_marker, ret) : fetch_file(v, path, ret);

    if (rc == 0) {
        keep_change_time(v, path->key, ret);
        fs_cache_set_attr(v->cache, path->key, ret);
    } else if (rc == -ENOENT) {
        vfs_remember(v, path, NULL);
    }
    return rc;
}

void vfs_remember(struct vfs *v, const struct inode_path *path, const struct attr *at)
{
    struct str dir = vfs_parent_key(path->key), base = vfs_base_name(path->key);
    struct dir_entry e = {.size = at ? at->size : 0};

    if (path->key.n == 0)
        return;
    if (!at) {
        fs_cache_drop_attr(v->cache, path->key);
        fs_cache_remove(v->cache, dir, base);
        return;
    }
    e.kind = attr_is_dir(at) ? DIR_DIRECTORY : S_ISLNK(at->mode) ? DIR_SYMLINK : DIR_FILE;
    e.plain_marker = at->marker == ATTR_MARKER_PLAIN;
    memcpy(e.hash, at->etag, sizeof e.hash);
    e.name = str_dup(base);
    fs_cache_set_attr(v->cache, path->key, at);
    fs_cache_add(v->cache, dir, &e);
    free(e.name);
}

/* --- attributes from the caches --------------------------------------------------------------------------------- */

/* Those in the cache, if they describe what the listing speaks of. */
static bool known_attr(struct vfs *v, struct str key, const struct dir_entry *e, struct attr *ret)
{
    bool fresh;

    if (!fs_cache_attr(v->cache, key, ret, &fresh) || attr_is_dir(ret) != (e->kind == DIR_DIRECTORY))
        return false;
    if (!fresh && (attr_is_dir(ret) || !attr_matches(ret, e->hash, e->changed_us)))
        return false;
    if (!fresh) {
        ret->changed_us = e->changed_us;
        fs_cache_set_attr(v->cache, key, ret);
    }
    return true;
}

struct prefetch {
    struct vfs *v;
    const struct inode_path *dir;
    const struct dir *listing;
    size_t *wanted;
};

static void prefetch_one(void *arg, size_t i)
{
    struct prefetch *p = arg;
    const struct dir_entry *e = &p->listing->v[p->wanted[i]];
    struct inode_path path;
    struct attr at;

    inode_path_join(p->dir, e->name, &path);
    vfs_fetch_attr(p->v, &path, e->kind == DIR_DIRECTORY, e->plain_marker, &at);
    inode_path_release(&path);
}

void vfs_prefetch(struct vfs *v, const struct inode_path *dir, const struct dir *listing, size_t from,
                  size_t n)
{
    struct prefetch p = {.v = v, .dir = dir, .listing = listing};
    size_t count = 0;

    n = from >= listing->n ? 0 : n > listing->n - from ? listing->n - from : n;
    p.wanted = xmalloc((n + 1) * sizeof *p.wanted);
    for (size_t i = from; i < from + n; i++) {
        struct inode_path path;
        struct attr at;

        inode_path_join(dir, listing->v[i].name, &path);
        if (!known_attr(v, path.key, &listing->v[i], &at))
            p.wanted[count++] = i;
        inode_path_release(&path);
    }
    workers_each(v->workers, count, prefetch_one, &p);
    free(p.wanted);
}

static uint64_t fingerprint(struct str s)
{
    uint64_t h = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (uint8_t)s.p[i]) * UINT64_C(1099511628211);
    return h;
}

/* Whoever asks for one name after the other in a directory will ask for the next ones too. */
static void prefetch_on_walk(struct vfs *v, const struct inode_path *dir, struct str base)
{
    uint64_t print = fingerprint(dir->key);
    struct dir *listing;
    bool walk;

    pthread_mutex_lock(&v->misc_lock);
    v->missed = v->missed_dir == print ? v->missed + 1 : 1;
    v->missed_dir = print;
    walk = v->missed >= WALK_MISSES;
    pthread_mutex_unlock(&v->misc_lock);
    listing = walk ? fs_cache_dir(v->cache, dir->key) : NULL;
    if (!listing)
        return;
    vfs_prefetch(v, dir, listing, (size_t)dir_find(listing, base), WALK_PREFETCH);
    dir_unref(listing);
}

/* The directory of a path, as a path. */
static void parent_path(const struct inode_path *path, struct inode_path *ret)
{
    struct inode_path none = {.text = (char *)""};
    struct str parent = vfs_parent_key(path->key);
    char *text = str_dup(parent);

    if (parent.n)
        inode_path_join(&none, text, ret);
    else
        *ret = (struct inode_path){.text = xstrdup("")};
    free(text);
}

/* --- what is at a path? -------------------------------------------------------------------------------------------- */

/* Asks the listing of the directory, fetching its first page if need be. */
static int ask_listing(struct vfs *v, const struct inode_path *dir, struct str base,
                       enum fs_cache_answer *ret, struct dir_entry *e)
{
    struct dir *listing;
    uint64_t ticket;
    bool complete;
    ssize_t i;
    int rc;

    *ret = fs_cache_entry(v->cache, dir->key, base, e);
    if (*ret != FS_CACHE_UNKNOWN || fs_cache_is_large(v->cache, dir->key))
        return 0;
    ticket = fs_cache_begin_listing(v->cache, dir->key);
    rc = dir_fetch(v->store, dir->name.container, inode_path_prefix(dir), 1, &listing, &complete);
    if (rc < 0)
        return rc;
    fs_cache_set_dir(v->cache, dir->key, ticket, listing, complete);
    if (complete) {
        i = dir_find(listing, base);
        *ret = i < 0 ? FS_CACHE_ABSENT : FS_CACHE_PRESENT;
        if (i >= 0)
            *e = listing->v[i];
        e->name = NULL;
    }
    dir_unref(listing);
    return 0;
}

static bool something_below(struct vfs *v, const struct inode_path *path, int *ret_rc)
{
    struct listing l;
    bool found;

    listing_init(&l);
    *ret_rc = v->store->list(v->store, path->name.container, inode_path_prefix(path), 0, STR_NONE, 1, &l);
    found = *ret_rc == 0 && l.n > 0;
    listing_release(&l);
    return found;
}

/* Without a listing: directories come first, as they do in listings. */
static int stat_singly(struct vfs *v, const struct inode_path *path, struct attr *ret)
{
    bool fresh;
    int rc;

    if (fs_cache_attr(v->cache, path->key, ret, &fresh) && fresh)
        return 0;
    if (vfs_is_top(path))
        return vfs_fetch_attr(v, path, true, false, ret);
    if (something_below(v, path, &rc))
        return vfs_fetch_attr(v, path, true, true, ret);
    return rc < 0 ? rc : vfs_fetch_attr(v, path, false, false, ret);
}

static int stat_listed(struct vfs *v, const struct inode_path *path, const struct inode_path *dir,
                       const struct dir_entry *e, struct attr *ret)
{
    if (known_attr(v, path->key, e, ret))
        return 0;
    prefetch_on_walk(v, dir, vfs_base_name(path->key));
    if (known_attr(v, path->key, e, ret))
        return 0;
    return vfs_fetch_attr(v, path, e->kind == DIR_DIRECTORY, e->plain_marker, ret);
}

int vfs_stat_path(struct vfs *v, const struct inode_path *path, struct attr *ret)
{
    enum fs_cache_answer answer;
    struct inode_path dir;
    struct dir_entry e = {0};
    bool fresh;
    int rc;

    if (fs_cache_attr(v->cache, path->key, ret, &fresh) && fresh)
        return 0;
    if (path->key.n == 0 || (!v->whole_account && vfs_is_top(path)))
        return vfs_fetch_attr(v, path, true, false, ret);
    parent_path(path, &dir);
    rc = ask_listing(v, &dir, vfs_base_name(path->key), &answer, &e);
    if (rc == 0 && answer == FS_CACHE_PRESENT)
        rc = stat_listed(v, path, &dir, &e, ret);
    else if (rc == 0)
        rc = answer == FS_CACHE_ABSENT ? -ENOENT : stat_singly(v, path, ret);
    inode_path_release(&dir);
    return rc;
}

int vfs_stat_child(struct vfs *v, struct inode *inode, const struct inode_path *path, struct attr *ret)
{
    struct open_file *f = inode ? vfs_file_borrow(v, inode) : NULL;
    bool ahead = f && open_file_attr(f, ret);

    if (f)
        vfs_file_drop(v, inode, f);
    return ahead ? 0 : vfs_stat_path(v, path, ret);
}

int vfs_stat_inode(struct vfs *v, struct inode *inode, const struct inode_path *path, struct attr *ret)
{
    int rc = vfs_stat_child(v, inode, path, ret);

    return rc == 0 && attr_is_dir(ret) != inode->is_dir ? -ESTALE : rc;
}

/* --- writing attributes --------------------------------------------------------------------------------------------- */

int vfs_put_marker(struct vfs *v, const struct inode_path *path, struct attr *at)
{
    struct arena *a = arena_new();
    struct header_table h;
    struct store_reply reply = {0};
    int rc;

    header_init(&h, a);
    attr_to_headers(at, &h);
    rc = v->store->put(v->store, inode_path_marker(path), &h, false, NULL, a, &reply);
    if (rc == 0) {
        at->marker = ATTR_MARKER_SLASH;
        attr_take_version(at, &reply);
    }
    arena_free(a);
    return rc;
}

int vfs_post_attr(struct vfs *v, const struct inode_path *path, struct attr *at)
{
    struct store_name name =
        attr_is_dir(at) && at->marker != ATTR_MARKER_PLAIN ? inode_path_marker(path) : path->name;
    struct arena *a;
    struct header_table h;
    struct store_reply reply;
    int rc = 0;

    if (attr_is_dir(at) && at->marker == ATTR_MARKER_NONE)
        return vfs_put_marker(v, path, at);
    a = arena_new();
    header_init(&h, a);
    if (at->foreign && name.object.n) {
        rc = v->store->head(v->store, name, a, &reply);
        if (rc == 0)
            attr_keep_foreign(&h, &reply, false);
    }
    attr_to_headers(at, &h);
    if (rc == 0)
        rc = v->store->post(v->store, name, &h, a, &reply);
    if (rc == 0)
        attr_take_version(at, &reply);
    arena_free(a);
    return rc;
}

int vfs_ensure_marker(struct vfs *v, const struct inode_path *child)
{
    struct inode_path dir;
    struct attr at;
    int rc = 0;

    parent_path(child, &dir);
    if (!vfs_is_top(&dir)) {
        if (!fs_cache_attr(v->cache, dir.key, &at, NULL))
            rc = vfs_fetch_attr(v, &dir, true, true, &at);
        if (rc == 0 && at.marker == ATTR_MARKER_NONE) {
            rc = vfs_put_marker(v, &dir, &at);
            if (rc == 0)
                fs_cache_set_attr(v->cache, dir.key, &at);
        }
    }
    inode_path_release(&dir);
    return rc;
}

struct attr vfs_new_attr(struct vfs *v, const struct inode_path *path, mode_t mode, struct vfs_caller who)
{
    struct attr at = {.mode = mode, .uid = who.uid, .gid = who.gid}, dir;

    if (fs_cache_attr(v->cache, vfs_parent_key(path->key), &dir, NULL) && (dir.mode & S_ISGID)) {
        at.gid = dir.gid;
        at.mode |= S_ISDIR(mode) ? S_ISGID : 0;
    }
    at.mtime_ns = at.ctime_ns = clock_real_ns();
    return at;
}

/* --- operations ------------------------------------------------------------------------------------------------------- */

void vfs_make_entry(struct vfs *v, struct inode *parent, const char *name, const struct attr *at,
                    struct vfs_entry *ret)
{
    struct inode *child = inode_child(v->inodes, parent, name, attr_is_dir(at), true);

    inode_looked_up(v->inodes, child);
    ret->ino = child->ino;
    attr_to_stat(at, child->ino, &ret->st);
    inode_put(v->inodes, child);
}

static int lookup_child(struct vfs *v, struct inode *parent, const char *name, const struct inode_path *path,
                        struct attr *ret)
{
    struct inode *child = inode_find(v->inodes, parent, name);
    int rc = vfs_stat_child(v, child, path, ret);

    inode_put(v->inodes, child);
    return rc;
}

int vfs_lookup(struct vfs *v, uint64_t parent, const char *name, struct vfs_entry *ret)
{
    struct inode *dir = inode_get(v->inodes, parent);
    struct inode_path path;
    struct attr at;
    int rc;

    if (!dir)
        return -ESTALE;
    rc = inode_pin_child(v->inodes, dir, name, &path);
    if (rc == 0) {
        rc = vfs_check_name(v, &path);
        rc = rc == -EILSEQ || rc == -EINVAL ? -ENOENT : rc;
        if (rc == 0)
            rc = lookup_child(v, dir, name, &path, &at);
        if (rc == 0)
            vfs_make_entry(v, dir, name, &at, ret);
        inode_path_release(&path);
        inode_unpin(v->inodes, dir);
    }
    inode_put(v->inodes, dir);
    return rc;
}

void vfs_forget(struct vfs *v, uint64_t ino, uint64_t lookups)
{
    inode_forget(v->inodes, ino, lookups);
}

/* An unlinked file lives in its open file only. */
static int stat_unlinked(struct vfs *v, struct inode *inode, struct attr *ret)
{
    struct open_file *f = vfs_file_borrow(v, inode);

    if (!f)
        return -ENOENT;
    open_file_attr(f, ret);
    vfs_file_drop(v, inode, f);
    return 0;
}

int vfs_getattr(struct vfs *v, uint64_t ino, struct stat *ret)
{
    struct inode *inode = inode_get(v->inodes, ino);
    struct inode_path path;
    struct attr at;
    bool named;
    int rc;

    if (!inode)
        return -ESTALE;
    named = inode_pin(v->inodes, inode, &path) == 0;
    if (named) {
        rc = vfs_stat_inode(v, inode, &path, &at);
        inode_path_release(&path);
        inode_unpin(v->inodes, inode);
    } else {
        rc = stat_unlinked(v, inode, &at);
    }
    if (rc == 0) {
        attr_to_stat(&at, ino, ret);
        ret->st_nlink = named ? ret->st_nlink : 0;
    }
    inode_put(v->inodes, inode);
    return rc;
}

static void apply(struct attr *at, const struct stat *st, int set)
{
    if (set & VFS_SET_MODE)
        at->mode = (at->mode & S_IFMT) | (st->st_mode & 07777);
    if (set & VFS_SET_UID)
        at->uid = st->st_uid;
    if (set & VFS_SET_GID)
        at->gid = st->st_gid;
    if (set & VFS_SET_MTIME)
        at->mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
    if (set & VFS_SET_MTIME_NOW)
        at->mtime_ns = clock_real_ns();
}

/* at: as they are now; afterwards as they became. */
static int set_size(struct vfs *v, struct inode *inode, const struct inode_path *path, uint64_t size,
                    bool upload_later, struct attr *at)
{
    struct open_file *f = vfs_file_borrow(v, inode);
    int rc;

    if (!f)
        f = vfs_file_take(v, inode, at, true, false);
    rc = open_file_truncate(f, path->name, size);
    if (rc == -EFBIG)
        log_warning("%.*s: the store takes no object over %llu bytes", STR_ARG(path->key),
                    (unsigned long long)v->store->limits.max_file_size);
    if (rc == 0 && !upload_later)
        rc = vfs_file_sync(v, inode, f, path);
    open_file_attr(f, at);
    vfs_file_drop(v, inode, f);
    return rc;
}

static int set_others(struct vfs *v, struct inode *inode, const struct inode_path *path, struct attr *at)
{
    struct open_file *f = vfs_file_borrow(v, inode);
    int rc = 0;

    if (!f || !open_file_set_attr(f, at)) {
        rc = vfs_post_attr(v, path, at);
        if (rc == 0)
            vfs_remember(v, path, at);
        if (rc == -ENOENT)
            vfs_remember(v, path, NULL);
    }
    if (f)
        vfs_file_drop(v, inode, f);
    return rc;
}

static int setattr_pinned(struct vfs *v, struct inode *inode, const struct inode_path *path,
                          const struct stat *st, int set, struct attr *at)
{
    int rc = vfs_stat_inode(v, inode, path, at);

    if (rc == 0 && (set & VFS_SET_SIZE) && !S_ISREG(at->mode))
        rc = inode->is_dir ? -EISDIR : -EINVAL;
    if (rc == 0 && (set & VFS_SET_SIZE))
        rc = set_size(v, inode, path, (uint64_t)st->st_size, set & VFS_SET_BY_HANDLE, at);
    if (rc == 0 && (set & ~(VFS_SET_SIZE | VFS_SET_BY_HANDLE))) {
        apply(at, st, set);
        rc = set_others(v, inode, path, at);
    }
    return rc;
}

static int setattr_unlinked(struct vfs *v, struct inode *inode, const struct stat *st, int set,
                            struct attr *at)
{
    struct open_file *f = vfs_file_borrow(v, inode);
    struct store_name none = {STR_NONE, STR_NONE};
    int rc = 0;

    if (!f)
        return -ENOENT;
    if (set & VFS_SET_SIZE)
        rc = open_file_truncate(f, none, (uint64_t)st->st_size);
    open_file_attr(f, at);
    apply(at, st, set);
    open_file_set_attr(f, at);
    vfs_file_drop(v, inode, f);
    return rc;
}

int vfs_setattr(struct vfs *v, uint64_t ino, const struct stat *st, int set, struct stat *ret)
{
    struct inode *inode = inode_get(v->inodes, ino);
    struct inode_path path;
    struct attr at;
    int rc;

    if (!inode)
        return -ESTALE;
    rc = inode_pin(v->inodes, inode, &path);
    if (rc == 0) {
        rc = setattr_pinned(v, inode, &path, st, set, &at);
        inode_path_release(&path);
        inode_unpin(v->inodes, inode);
    } else {
        rc = setattr_unlinked(v, inode, st, set, &at);
    }
    if (rc == 0)
        attr_to_stat(&at, ino, ret);
    inode_put(v->inodes, inode);
    return rc;
}

/* --- use ----------------------------------------------------------------------------------------------------------------- */

#define USAGE_BLOCK     4096u
#define USAGE_UNLIMITED (UINT64_C(1) << 60) /* shown where nobody set a quota */
#define USAGE_FRESH_MS  10000

static int fetch_usage(struct vfs *v, struct statvfs *ret)
{
    struct arena *a = arena_new();
    struct inode_path path;
    struct inode *root = inode_get(v->inodes, INODE_ROOT);
    struct store_reply reply;
    uint64_t quota = 0, total;
    int rc = inode_pin(v->inodes, root, &path);

    rc = rc < 0 ? rc : v->store->head(v->store, path.name, a, &reply);
    if (rc == 0) {
        str_to_u64(header_get(&reply.headers, STR("X-Object-Meta-Quota-Bytes")), &quota);
        total = quota ? quota : reply.size + USAGE_UNLIMITED;
        *ret = (struct statvfs){.f_bsize = USAGE_BLOCK,
                                .f_frsize = USAGE_BLOCK,
                                .f_blocks = total / USAGE_BLOCK,
                                .f_bfree = (total > reply.size ? total - reply.size : 0) / USAGE_BLOCK,
                                .f_files = UINT32_MAX,
                                .f_ffree = UINT32_MAX,
                                .f_favail = UINT32_MAX,
                                .f_namemax = NAME_MAX};
        ret->f_bavail = ret->f_bfree;
    }
    inode_path_release(&path);
    inode_unpin(v->inodes, root);
    inode_put(v->inodes, root);
    arena_free(a);
    return rc;
}

int vfs_statfs(struct vfs *v, struct statvfs *ret)
{
    int64_t now = clock_monotonic_ms();
    bool fresh;
    int rc;

    pthread_mutex_lock(&v->misc_lock);
    fresh = now < v->usage_fresh_until;
    *ret = v->usage;
    pthread_mutex_unlock(&v->misc_lock);
    if (fresh)
        return 0;
    rc = fetch_usage(v, ret);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&v->misc_lock);
    v->usage = *ret;
    v->usage_fresh_until = now + USAGE_FRESH_MS;
    pthread_mutex_unlock(&v->misc_lock);
    return 0;
}
