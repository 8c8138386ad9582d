/* SPDX-License-Identifier: Apache-2.0
 *
 * vfs.h: the file system: operations on inode numbers, over a store. Knows nothing of FUSE, so that tests call
 * it directly. Thread-safe. All return 0 (or a count) or a negative errno as POSIX names it; inside, a busy or
 * unreachable store is -EAGAIN.
 *
 * Content is in the store once vfs_flush() or vfs_fsync() returned 0, everything else when its call returned.
 */
#ifndef FS_VFS_H
#define FS_VFS_H

#include <sys/stat.h>
#include <sys/statvfs.h>
#include "fs/store.h"

struct vfs;
struct vfs_handle;
struct vfs_dir;

struct vfs_options {
    const char *container; /* the one to mount; NULL: the account, containers are directories */
    const char *cache_dir; /* for content being written; must exist */
    int64_t fresh_ms;      /* how long attributes and listings are believed */
    uint32_t uid, gid;     /* owner of what has none */
    mode_t umask;          /* for the mode of what has none */
    unsigned requests;     /* small requests at once, for one operation */
};

/* The store must outlive it; the options are copied. */
struct vfs *vfs_new(struct store *store, const struct vfs_options *o);
/* Uploads what is not uploaded yet and waits for all transfers. 0, or the first error. Only vfs_free() may
 * follow. */
int vfs_shutdown(struct vfs *v);
void vfs_free(struct vfs *v);

/* ino counts one lookup more, to be given back by vfs_forget(). */
struct vfs_entry {
    uint64_t ino;
    struct stat st;
};
/* Who asks; mode bits are already masked. */
struct vfs_caller {
    uint32_t uid, gid;
};

int vfs_lookup(struct vfs *v, uint64_t parent, const char *name, struct vfs_entry *ret);
void vfs_forget(struct vfs *v, uint64_t ino, uint64_t lookups);
int vfs_getattr(struct vfs *v, uint64_t ino, struct stat *ret);

enum {
    VFS_SET_MODE = 1,
    VFS_SET_UID = 2,
    VFS_SET_GID = 4,
    VFS_SET_SIZE = 8,
    VFS_SET_MTIME = 16,
    VFS_SET_MTIME_NOW = 32,
    VFS_SET_BY_HANDLE = 64 /* ftruncate(): a new size may wait for that handle's flush */
};
int vfs_setattr(struct vfs *v, uint64_t ino, const struct stat *st, int set, struct stat *ret);

int vfs_mkdir(struct vfs *v, uint64_t parent, const char *name, mode_t mode, struct vfs_caller who,
              struct vfs_entry *ret);
int vfs_rmdir(struct vfs *v, uint64_t parent, const char *name);
int vfs_unlink(struct vfs *v, uint64_t parent, const char *name);
int vfs_symlink(struct vfs *v, const char *target, uint64_t parent, const char *name, struct vfs_caller who,
                struct vfs_entry *ret);
/* The caller frees *ret_target. */
int vfs_readlink(struct vfs *v, uint64_t ino, char **ret_target);
/* flags as renameat2(): RENAME_NOREPLACE, others -EINVAL. */
int vfs_rename(struct vfs *v, uint64_t parent, const char *name, uint64_t new_parent, const char *new_name,
               unsigned flags);
/* An empty file. */
int vfs_mknod(struct vfs *v, uint64_t parent, const char *name, mode_t mode, struct vfs_caller who,
              struct vfs_entry *ret);

/* flags as open(): O_EXCL, O_TRUNC, O_APPEND, access mode. Every handle must be released. */
int vfs_create(struct vfs *v, uint64_t parent, const char *name, mode_t mode, int flags,
               struct vfs_caller who, struct vfs_entry *ret, struct vfs_handle **ret_handle);
/* *ret_keep_cache: what the kernel remembers of the content is still right. */
int vfs_open(struct vfs *v, uint64_t ino, int flags, struct vfs_handle **ret_handle, bool *ret_keep_cache);
ssize_t vfs_read(struct vfs *v, struct vfs_handle *h, void *p, size_t n, uint64_t offset);
ssize_t vfs_write(struct vfs *v, struct vfs_handle *h, const void *p, size_t n, uint64_t offset);
int vfs_flush(struct vfs *v, struct vfs_handle *h);
int vfs_fsync(struct vfs *v, struct vfs_handle *h);
void vfs_release(struct vfs *v, struct vfs_handle *h);

/* A directory as it was when opened: entry 0 is ".", 1 is "..", names follow in byte order. */
int vfs_opendir(struct vfs *v, uint64_t ino, struct vfs_dir **ret);
size_t vfs_dir_count(const struct vfs_dir *d);
/* The name, and the file type as in st_mode. */
const char *vfs_dir_name(const struct vfs_dir *d, size_t i, mode_t *ret_type);
/* Learns the attributes of entries [from, from + n), several at once, so that lookups need no request. */
void vfs_dir_prefetch(struct vfs *v, struct vfs_dir *d, size_t from, size_t n);
/* As vfs_lookup(); i >= 2. */
int vfs_dir_lookup(struct vfs *v, struct vfs_dir *d, size_t i, struct vfs_entry *ret);
void vfs_releasedir(struct vfs *v, struct vfs_dir *d);

int vfs_statfs(struct vfs *v, struct statvfs *ret);

#endif
