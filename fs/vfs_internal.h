/* SPDX-License-Identifier: Apache-2.0
 *
 * vfs_internal.h: what the files of the vfs share: vfs.c (names and attributes), vfs_dir.c (directories),
 * vfs_file.c (content), vfs_rename.c.
 *
 * Lock order: rename_lock, a pin of an inode, open_file.io, open_file.lock, and below those, never held while
 * taking another: the inode table's lock, the cache's, a handle's, the workers'.
 */
#ifndef FS_VFS_INTERNAL_H
#define FS_VFS_INTERNAL_H

#include <pthread.h>
#include "fs/fs_cache.h"
#include "fs/inode.h"
#include "fs/open_file.h"
#include "fs/vfs.h"

struct vfs {
    struct store *store;
    struct inode_table *inodes;
    struct fs_cache *cache;
    struct workers *workers;
    struct open_file_env env;
    struct attr_defaults defaults;
    char *cache_dir;
    bool whole_account;
    pthread_mutex_t rename_lock; /* one rename at a time: see inode.h */
    pthread_mutex_t misc_lock;   /* guards what follows */
    struct vfs_handle *handles;
    uint64_t missed_dir; /* of the last attributes that had to be asked for one by one */
    unsigned missed;
    struct statvfs usage;
    int64_t usage_fresh_until;
};

/* Is it the account or a container, which always have a place for their attributes? */
static inline bool vfs_is_top(const struct inode_path *p)
{
    return p->name.object.n == 0;
}
/* The key of the directory that holds key, and the name in it. */
struct str vfs_parent_key(struct str key);
struct str vfs_base_name(struct str key);

/* Is there something, and what? Asks the caches, then the store. -ENOENT. */
int vfs_stat_path(struct vfs *v, const struct inode_path *path, struct attr *ret);
/* Asks the store, not the caches, about something known to be a directory or not. */
int vfs_fetch_attr(struct vfs *v, const struct inode_path *path, bool is_dir, bool plain_marker,
                   struct attr *ret);
/* As vfs_stat_path(), for an inode, whose open file knows better. */
int vfs_stat_inode(struct vfs *v, struct inode *inode, const struct inode_path *path, struct attr *ret);
/* The same where the inode may be unknown (NULL) or of another kind. */
int vfs_stat_child(struct vfs *v, struct inode *inode, const struct inode_path *path, struct attr *ret);
/* What a new file, link or directory starts with; a set-group-id directory hands its group on. */
struct attr vfs_new_attr(struct vfs *v, const struct inode_path *path, mode_t mode, struct vfs_caller who);
/* Writes the attributes of an existing object, directory, container or account. */
int vfs_post_attr(struct vfs *v, const struct inode_path *path, struct attr *at);
/* Makes a directory's marker, or the container. */
int vfs_put_marker(struct vfs *v, const struct inode_path *path, struct attr *at);
/* Lest a directory that is there only because of its entries vanish with the last of them. */
int vfs_ensure_marker(struct vfs *v, const struct inode_path *child);
/* May there be such a name? 0, -ENAMETOOLONG, -EILSEQ (not UTF-8), -EINVAL. */
int vfs_check_name(struct vfs *v, const struct inode_path *path);
/* Enters into the caches that path now is this, or (at NULL) is no more. */
void vfs_remember(struct vfs *v, const struct inode_path *path, const struct attr *at);
/* Reply for a child that is there: an inode with one lookup more. */
void vfs_make_entry(struct vfs *v, struct inode *parent, const char *name, const struct attr *at,
                    struct vfs_entry *ret);
/* A directory without anything below it but its markers? 0, -ENOTEMPTY. */
int vfs_check_empty(struct vfs *v, const struct inode_path *path);
/* Learns attributes of entries of a listing of `dir`, as vfs_dir_prefetch(). */
void vfs_prefetch(struct vfs *v, const struct inode_path *dir, const struct dir *listing, size_t from,
                  size_t n);

/* The open file of an inode with a handle more, made if need be; given back by vfs_file_drop(). */
struct open_file *vfs_file_take(struct vfs *v, struct inode *inode, const struct attr *at, bool exists,
                                bool exclusive);
/* The same if it is open already, else NULL. */
struct open_file *vfs_file_borrow(struct vfs *v, struct inode *inode);
/* Gives a handle back; what is not uploaded by then is lost with the last one. */
void vfs_file_drop(struct vfs *v, struct inode *inode, struct open_file *f);
/* Uploads; the inode must be pinned or moving, path its path. */
int vfs_file_sync(struct vfs *v, struct inode *inode, struct open_file *f, const struct inode_path *path);

#endif
