/* SPDX-License-Identifier: Apache-2.0
 *
 * diskfile_write.c: creating and committing the files of an object; see diskfile.h for the order and why.
 */
#include "object/diskfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "common/file.h"
#include "object/hash_dir.h"
#include "object/suffix_hashes.h"

#define LINK_TRIES      3
#define PREALLOCATE_MIN 65536 /* below, the one write says as well whether there is room */

/* A file system without unnamed files showed itself: named temporary files from now on. */
static atomic_bool no_tmpfile;

/* --- create ------------------------------------------------------------------------------------------------------ */

static int open_named(const struct diskfile *f, struct diskfile_writer *w)
{
    char folder[POLICY_DIR_SIZE];
    unsigned created;
    const char *dir =
        arena_printf(f->arena, "%s/%s", f->dir->device_path, policy_dir("tmp", f->dir->policy_index, folder))
            .p;
    int err = objects_dir_make(f->dir->device_path, dir, &created);
    if (err)
        return err;
    char *path = arena_alloc(f->arena, strlen(dir) + 16);
    snprintf(path, strlen(dir) + 16, "%s/tmpXXXXXX", dir);
    w->fd = mkostemp(path, O_CLOEXEC);
    if (w->fd < 0)
        return -errno;
    w->temp = path;
    return 0;
}

static int open_unnamed(const struct diskfile *f, struct diskfile_writer *w)
{
    int err = -ENOENT;
    /* Whoever cleans up may remove the empty folder between the two calls. */
    for (int i = 0; err == -ENOENT && i < LINK_TRIES; i++) {
        unsigned created;
        w->fd = open(f->path, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0777);
        if (w->fd >= 0)
            return 0;
        err = -errno;
        if (err == -ENOENT) {
            int made = objects_dir_make(f->dir->device_path, f->path, &created);
            if (made)
                return made;
            if (created > w->created)
                w->created = created;
        }
    }
    if (err != -EOPNOTSUPP && err != -EISDIR && err != -EINVAL)
        return err;
    atomic_store(&no_tmpfile, true);
    return open_named(f, w);
}

static int reserve_space(struct diskfile_writer *w, int64_t size)
{
    const struct diskfile_write_options *o = w->options;
    if (o->reserve && !device_has_space(o->device, o->reserve, size > 0 ? (uint64_t)size : 0))
        return -ENOSPC;
    if (!o->preallocate || size < PREALLOCATE_MIN)
        return 0;
    if (fallocate(w->fd, FALLOC_FL_KEEP_SIZE, 0, size) == 0 || errno == EOPNOTSUPP || errno == ENOSYS ||
        errno == EINVAL)
        return 0;
    return -errno;
}

int diskfile_create(const struct diskfile *f, const struct diskfile_write_options *o, int64_t size,
                    struct diskfile_writer *ret)
{
    *ret = (struct diskfile_writer){.file = f, .options = o, .fd = -1};
    int err = atomic_load(&no_tmpfile) ? open_named(f, ret) : open_unnamed(f, ret);
    if (!err)
        err = reserve_space(ret, size);
    ret->drop_cache = size >= 0 && (uint64_t)size >= o->keep_cache_size;
    if (err)
        diskfile_close(ret);
    return err;
}

void diskfile_close(struct diskfile_writer *w)
{
    if (w->fd >= 0)
        close(w->fd);
    if (w->temp)
        unlink(w->temp);
    w->fd = -1;
    w->temp = NULL;
}

/* --- write ------------------------------------------------------------------------------------------------------- */

/* Keeps the disk busy while bytes arrive and bounds what the final fsync has left to do: writing out of one stretch
 * starts when the next begins, and is waited for one stretch later. */
static int write_out(struct diskfile_writer *w)
{
    uint64_t pending = w->started - w->finished;
    if (pending && sync_file_range(w->fd, (off_t)w->finished, (off_t)pending,
                                   SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                                       SYNC_FILE_RANGE_WAIT_AFTER) != 0)
        return errno == ENOSYS || errno == EINVAL ? 0 : -errno;
    if (pending && w->drop_cache)
        posix_fadvise(w->fd, (off_t)w->finished, (off_t)pending, POSIX_FADV_DONTNEED);
    w->finished = w->started;
    if (sync_file_range(w->fd, (off_t)w->started, (off_t)(w->written - w->started), SYNC_FILE_RANGE_WRITE) !=
        0)
        return errno == ENOSYS || errno == EINVAL ? 0 : -errno;
    w->started = w->written;
    return 0;
}

int diskfile_write(struct diskfile_writer *w, const void *p, size_t n)
{
    int err = file_write_all(w->fd, p, n);
    if (err)
        return err;
    w->written += n;
    if (w->written >= w->options->keep_cache_size)
        w->drop_cache = true;
    return w->written - w->started >= w->options->sync_bytes ? write_out(w) : 0;
}

/* --- commit ------------------------------------------------------------------------------------------------------ */

static int give_name(struct diskfile_writer *w, const char *target)
{
    char self[40];
    if (w->temp) {
        if (rename(w->temp, target) != 0)
            return -errno;
        w->temp = NULL;
        return 0;
    }
    snprintf(self, sizeof self, "/proc/self/fd/%d", w->fd);
    return linkat(AT_FDCWD, self, AT_FDCWD, target, AT_SYMLINK_FOLLOW) == 0 ? 0 : -errno;
}

/* The same file may be there already (a PUT repeated), and the folder may have been removed as empty. */
static int link_file(struct diskfile_writer *w, const char *target)
{
    const struct diskfile *f = w->file;
    int err = 0;
    for (int i = 0; i < LINK_TRIES; i++) {
        unsigned created;
        err = give_name(w, target);
        if (err == -EEXIST) {
            if (unlink(target) != 0 && errno != ENOENT)
                return -errno;
        } else if (err == -ENOENT) {
            int made = objects_dir_make(f->dir->device_path, f->path, &created);
            if (made)
                return made;
            if (created > w->created)
                w->created = created;
        } else {
            return err;
        }
    }
    return err;
}

/* While the ring's partition power grows, the file also belongs where the new ring will look for it. */
static void relink(const struct diskfile *f, const char *name, bool clean)
{
    uint64_t top;
    if (f->next_part_power < 0 || str_hex_to_u64(str_of(f->hash, 8), &top) != 0)
        return;
    uint32_t next = (uint32_t)(top >> (32 - f->next_part_power));
    uint32_t other = next != f->part ? next : next >> 1;
    const char *path = objects_dir_hash(f->dir, f->arena, other, f->hash).p;
    unsigned created;
    if (next != f->part && objects_dir_make(f->dir->device_path, path, &created) == 0 &&
        link(arena_printf(f->arena, "%s/%s", f->path, name).p,
             arena_printf(f->arena, "%s/%s", path, name).p) == 0)
        objects_dir_sync(path, created);
    if (clean) {
        struct hash_dir dir;
        size_t left;
        hash_dir_clean(f->arena, f->dir, path, &dir, &left);
    }
}

int diskfile_commit(struct diskfile_writer *w, const char *name, struct diskfile_meta *meta, bool clean)
{
    const struct diskfile *f = w->file;
    const char *target = arena_printf(f->arena, "%s/%s", f->path, name).p;
    meta->name = f->name;
    int err = diskfile_meta_write(w->fd, meta);
    if (!err && fsync(w->fd) != 0)
        err = -errno;
    if (!err && w->drop_cache)
        posix_fadvise(w->fd, 0, 0, POSIX_FADV_DONTNEED);
    if (!err)
        err = suffix_hashes_invalidate(f->dir, f->part, str_of(f->hash + strlen(f->hash) - 3, 3));
    if (!err)
        err = link_file(w, target);
    if (!err)
        err = objects_dir_sync(f->path, w->created);
    if (err)
        return err;
    relink(f, name, clean);
    if (clean) {
        struct hash_dir dir;
        size_t left;
        hash_dir_clean(f->arena, f->dir, f->path, &dir, &left);
    }
    return 0;
}

int diskfile_put(const struct diskfile *f, const struct diskfile_write_options *o, struct str content,
                 const char *name, struct diskfile_meta *meta)
{
    struct diskfile_writer w;
    int err = diskfile_create(f, o, (int64_t)content.n, &w);
    if (err)
        return err;
    if (content.n)
        err = diskfile_write(&w, content.p, content.n);
    if (!err)
        err = diskfile_commit(&w, name, meta, true);
    diskfile_close(&w);
    return err;
}

int diskfile_delete(const struct diskfile *f, const struct diskfile_write_options *o, struct timestamp time)
{
    char text[TIMESTAMP_INTERNAL_SIZE], name[ONDISK_NAME_SIZE];
    struct diskfile_write_options exempt = *o;
    struct diskfile_meta meta;
    exempt.reserve = NULL; /* deleting is how a full disk gets better */
    diskfile_meta_init(&meta, f->arena);
    header_add(&meta.fields, STR("X-Timestamp"), str_from(timestamp_internal(time, text)));
    return diskfile_put(f, &exempt, STR_NONE, ondisk_name(time, ".ts", name), &meta);
}
