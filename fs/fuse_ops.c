/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/fuse_ops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/log.h"

/* Entries whose attributes are asked for together, ahead of the kernel's reading. */
#define PREFETCH_ENTRIES 128
#define BACKGROUND_MAX   64

static const struct fuse_ops_mount *mount_of(fuse_req_t req)
{
    return fuse_req_userdata(req);
}

static struct vfs *vfs_of(fuse_req_t req)
{
    return mount_of(req)->vfs;
}

static struct vfs_caller caller_of(fuse_req_t req)
{
    const struct fuse_ctx *ctx = fuse_req_ctx(req);

    return (struct vfs_caller){.uid = ctx->uid, .gid = ctx->gid};
}

/* What programs expect of a file system. EAGAIN would make them try again for ever. */
static int errno_of(int rc)
{
    switch (rc) {
    case -EAGAIN:
    case -EBADMSG:
    case -EPROTO:
    case -ECONNRESET:
    case -ECONNREFUSED:
    case -ECANCELED:
    case -ENODATA:
    case -ERANGE:
        return EIO;
    default:
        return -rc;
    }
}

static void reply_error(fuse_req_t req, const char *op, int rc)
{
    static const int quiet[] = {0,     ENOENT, EEXIST,       ENOTEMPTY, EISDIR, ENOTDIR, EINVAL,
                                EPERM, EACCES, ENAMETOOLONG, EFBIG,     EILSEQ, ESTALE,  ENOSYS};
    int code = errno_of(rc);
    bool expected = false;

    for (size_t i = 0; i < sizeof quiet / sizeof *quiet; i++)
        expected = expected || quiet[i] == code;
    if (!expected)
        log_warning("%s: %s", op, strerrordesc_np(-rc));
    fuse_reply_err(req, code);
}

static void fill_entry(fuse_req_t req, const struct vfs_entry *e, struct fuse_entry_param *ret)
{
    *ret = (struct fuse_entry_param){.ino = e->ino,
                                     .attr = e->st,
                                     .attr_timeout = mount_of(req)->attr_timeout,
                                     .entry_timeout = mount_of(req)->entry_timeout};
}

/* If the kernel does not take the answer, it does not count the lookup either. */
static void reply_entry(fuse_req_t req, const char *op, int rc, const struct vfs_entry *e)
{
    struct fuse_entry_param p;
    struct vfs *v = vfs_of(req);

    if (rc < 0) {
        reply_error(req, op, rc);
        return;
    }
    fill_entry(req, e, &p);
    if (fuse_reply_entry(req, &p) < 0)
        vfs_forget(v, e->ino, 1);
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
    const struct fuse_ops_mount *m = userdata;

    conn->want &= ~(unsigned)FUSE_CAP_HANDLE_KILLPRIV; /* the kernel then clears set-id bits by setattr */
    conn->want |=
        conn->capable & (FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_PARALLEL_DIROPS |
                         FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_ASYNC_READ);
    conn->max_background = BACKGROUND_MAX;
    conn->congestion_threshold = BACKGROUND_MAX / 4 * 3;
    m->ready(m->ready_arg);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct vfs_entry e;
    int rc = vfs_lookup(vfs_of(req), parent, name, &e);

    reply_entry(req, "lookup", rc, &e);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n)
{
    vfs_forget(vfs_of(req), ino, n);
    fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
    for (size_t i = 0; i < count; i++)
        vfs_forget(vfs_of(req), forgets[i].ino, forgets[i].nlookup);
    fuse_reply_none(req);
}

static void reply_attr(fuse_req_t req, const char *op, int rc, const struct stat *st)
{
    if (rc < 0)
        reply_error(req, op, rc);
    else
        fuse_reply_attr(req, st, mount_of(req)->attr_timeout);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct stat st;
    int rc = vfs_getattr(vfs_of(req), ino, &st);

    reply_attr(req, "getattr", rc, &st);
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set, struct fuse_file_info *fi)
{
    static const struct {
        int fuse, vfs;
    } bits[] = {{FUSE_SET_ATTR_MODE, VFS_SET_MODE},   {FUSE_SET_ATTR_UID, VFS_SET_UID},
                {FUSE_SET_ATTR_GID, VFS_SET_GID},     {FUSE_SET_ATTR_SIZE, VFS_SET_SIZE},
                {FUSE_SET_ATTR_MTIME, VFS_SET_MTIME}, {FUSE_SET_ATTR_MTIME_NOW, VFS_SET_MTIME_NOW}};
    struct stat now;
    int set = 0, rc;

    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        set |= to_set & bits[i].fuse ? bits[i].vfs : 0;
    if (set == 0) /* times of access and change are not kept */
        rc = vfs_getattr(vfs_of(req), ino, &now);
    else
        rc = vfs_setattr(vfs_of(req), ino, st, set | (fi ? VFS_SET_BY_HANDLE : 0), &now);
    reply_attr(req, "setattr", rc, &now);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
    char *target;
    int rc = vfs_readlink(vfs_of(req), ino, &target);

    if (rc < 0) {
        reply_error(req, "readlink", rc);
        return;
    }
    fuse_reply_readlink(req, target);
    free(target);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
    struct vfs_entry e;
    int rc = vfs_mknod(vfs_of(req), parent, name, mode, caller_of(req), &e);

    reply_entry(req, "mknod", rc, &e);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    struct vfs_entry e;
    int rc = vfs_mkdir(vfs_of(req), parent, name, mode, caller_of(req), &e);

    reply_entry(req, "mkdir", rc, &e);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    reply_error(req, "unlink", vfs_unlink(vfs_of(req), parent, name));
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    reply_error(req, "rmdir", vfs_rmdir(vfs_of(req), parent, name));
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
    struct vfs_entry e;
    int rc = vfs_symlink(vfs_of(req), target, parent, name, caller_of(req), &e);

    reply_entry(req, "symlink", rc, &e);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
                      const char *new_name, unsigned flags)
{
    reply_error(req, "rename", vfs_rename(vfs_of(req), parent, name, new_parent, new_name, flags));
}

/* An object has one name. */
static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
    fuse_reply_err(req, EOPNOTSUPP);
}

/* --- files ---------------------------------------------------------------------------------------------------------------- */

static struct vfs_handle *handle_of(const struct fuse_file_info *fi)
{
    return (struct vfs_handle *)(uintptr_t)fi->fh;
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                      struct fuse_file_info *fi)
{
    struct vfs *v = vfs_of(req);
    struct vfs_entry e;
    struct vfs_handle *h;
    struct fuse_entry_param p;
    int rc = vfs_create(v, parent, name, mode, fi->flags, caller_of(req), &e, &h);

    if (rc < 0) {
        reply_error(req, "create", rc);
        return;
    }
    fi->fh = (uintptr_t)h;
    fill_entry(req, &e, &p);
    if (fuse_reply_create(req, &p, fi) < 0) {
        vfs_release(v, h);
        vfs_forget(v, e.ino, 1);
    }
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct vfs *v = vfs_of(req);
    struct vfs_handle *h;
    bool keep;
    int rc = vfs_open(v, ino, fi->flags, &h, &keep);

    if (rc < 0) {
        reply_error(req, "open", rc);
        return;
    }
    fi->fh = (uintptr_t)h;
    fi->keep_cache = keep;
    fi->noflush = (fi->flags & O_ACCMODE) == O_RDONLY && !(fi->flags & O_TRUNC);
    if (fuse_reply_open(req, fi) < 0)
        vfs_release(v, h);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    char *p = xmalloc(size);
    ssize_t n = vfs_read(vfs_of(req), handle_of(fi), p, size, (uint64_t)off);

    if (n < 0)
        reply_error(req, "read", (int)n);
    else
        fuse_reply_buf(req, p, (size_t)n);
    free(p);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *p, size_t size, off_t off,
                     struct fuse_file_info *fi)
{
    ssize_t n = vfs_write(vfs_of(req), handle_of(fi), p, size, (uint64_t)off);

    if (n < 0)
        reply_error(req, "write", (int)n);
    else
        fuse_reply_write(req, (size_t)n);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    reply_error(req, "close", vfs_flush(vfs_of(req), handle_of(fi)));
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    reply_error(req, "fsync", vfs_fsync(vfs_of(req), handle_of(fi)));
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    vfs_release(vfs_of(req), handle_of(fi));
    fuse_reply_err(req, 0);
}

/* --- directories ---------------------------------------------------------------------------------------------------------------- */

static struct vfs_dir *dir_of(const struct fuse_file_info *fi)
{
    return (struct vfs_dir *)(uintptr_t)fi->fh;
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct vfs_dir *d;
    int rc = vfs_opendir(vfs_of(req), ino, &d);

    if (rc < 0) {
        reply_error(req, "opendir", rc);
        return;
    }
    fi->fh = (uintptr_t)d;
    if (fuse_reply_open(req, fi) < 0)
        vfs_releasedir(vfs_of(req), d);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    struct vfs_dir *d = dir_of(fi);
    char *p = xmalloc(size);
    size_t used = 0;

    for (size_t i = (size_t)off; i < vfs_dir_count(d); i++) {
        struct stat st = {.st_ino = UINT32_MAX}; /* not known: libfuse's own convention */
        const char *name = vfs_dir_name(d, i, &st.st_mode);
        size_t n = fuse_add_direntry(req, p + used, size - used, name, &st, (off_t)i + 1);

        if (n > size - used)
            break;
        used += n;
    }
    fuse_reply_buf(req, p, used);
    free(p);
}

/* How many entries from i on fit into the kernel's buffer. */
static size_t count_fitting(fuse_req_t req, const struct vfs_dir *d, size_t i, size_t size)
{
    size_t used = 0, count = 0;
    mode_t type;

    for (; i < vfs_dir_count(d); i++, count++) {
        used += fuse_add_direntry_plus(req, NULL, 0, vfs_dir_name(d, i, &type), NULL, 0);
        if (used > size)
            break;
    }
    return count;
}

/* "." and ".." have no inode here; neither has a name that is gone by now, which the kernel then looks up. */
static size_t add_plus(fuse_req_t req, struct vfs_dir *d, size_t i, char *p, size_t size)
{
    struct vfs_entry e = {.st = {.st_ino = UINT32_MAX}};
    struct fuse_entry_param param = {0};
    const char *name = vfs_dir_name(d, i, &e.st.st_mode);

    if (i >= 2 && vfs_dir_lookup(vfs_of(req), d, i, &e) == 0)
        fill_entry(req, &e, &param);
    else
        param.attr = e.st;
    return fuse_add_direntry_plus(req, p, size, name, &param, (off_t)i + 1);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    struct vfs_dir *d = dir_of(fi);
    size_t from = (size_t)off, fitting = count_fitting(req, d, from, size), used = 0;
    char *p = xmalloc(size);

    /* The first part may be all that is wanted; who goes on wants the rest. */
    vfs_dir_prefetch(vfs_of(req), d, from,
                     off == 0 || fitting > PREFETCH_ENTRIES ? fitting : PREFETCH_ENTRIES);
    for (size_t i = from; i < from + fitting; i++)
        used += add_plus(req, d, i, p + used, size - used);
    fuse_reply_buf(req, p, used);
    free(p);
}

static void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    vfs_releasedir(vfs_of(req), dir_of(fi));
    fuse_reply_err(req, 0);
}

/* Every change of a directory is in the store when its call returns. */
static void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    fuse_reply_err(req, 0);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
    struct statvfs st;
    int rc = vfs_statfs(vfs_of(req), &st);

    if (rc < 0)
        reply_error(req, "statfs", rc);
    else
        fuse_reply_statfs(req, &st);
}

const struct fuse_lowlevel_ops fuse_ops = {
    .init = op_init,
    .lookup = op_lookup,
    .forget = op_forget,
    .forget_multi = op_forget_multi,
    .getattr = op_getattr,
    .setattr = op_setattr,
    .readlink = op_readlink,
    .mknod = op_mknod,
    .mkdir = op_mkdir,
    .unlink = op_unlink,
    .rmdir = op_rmdir,
    .symlink = op_symlink,
    .rename = op_rename,
    .link = op_link,
    .create = op_create,
    .open = op_open,
    .read = op_read,
    .write = op_write,
    .flush = op_flush,
    .fsync = op_fsync,
    .release = op_release,
    .opendir = op_opendir,
    .readdir = op_readdir,
    .readdirplus = op_readdirplus,
    .releasedir = op_releasedir,
    .fsyncdir = op_fsyncdir,
    .statfs = op_statfs,
};
