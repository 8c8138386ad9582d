/* SPDX-License-Identifier: Apache-2.0
 *
 * diskfile.h: one object on one disk: open, read, create, write, commit, delete, quarantine. The servers and daemons know
 * objects only through this, so that another engine (an append log) can stand behind it.
 *
 * Every function blocks on the disk: call it in an offload to the device's pool. A struct diskfile belongs to one task.
 *
 * What a commit does, in this order (facts: object 9), and what is true when it returns 0:
 *
 *   1 attributes   2 fsync of the file      the content and metadata are on the disk, the file has no name yet
 *   3 hashes.invalid                        whoever compares suffixes will look at this one again
 *   4 link                                  readers see it, whole
 *   5 fsync of the folder and new parents   it stays after a power cut: only now may the client be told
 *   6 clean-up                              older files go; failing here harms nothing, the next hashing does it again
 *
 * Until 4 the file is unnamed (O_TMPFILE): whatever fails, and a crash, leaves nothing behind.
 */
#ifndef OBJECT_DISKFILE_H
#define OBJECT_DISKFILE_H

#include "base/backend.h"
#include "object/diskfile_meta.h"
#include "object/objects_dir.h"
#include "object/ondisk.h"

/* --- the name of an object --------------------------------------------------------------------------------------- */

struct diskfile {
    const struct objects_dir *dir;
    struct arena *arena;
    uint32_t part;
    char hash[HASH_PATH_HEX_SIZE];
    struct str name;     /* "/account/container/object" */
    const char *path;    /* its hash folder */
    int next_part_power; /* of a ring whose partition power grows; -1: none */
};

void diskfile_init(struct diskfile *f, struct arena *a, const struct objects_dir *dir,
                   const struct hash_path_conf *conf, uint32_t part, struct str account, struct str container,
                   struct str object);

/* --- reading ----------------------------------------------------------------------------------------------------- */

enum diskfile_state {
    DISKFILE_MISSING,     /* nothing there */
    DISKFILE_DELETED,     /* a tombstone: timestamp */
    DISKFILE_EXPIRED,     /* there, but its X-Delete-At has passed: timestamp, meta */
    DISKFILE_LIVE,        /* everything is set */
    DISKFILE_QUARANTINED, /* it was wrong and has been moved away: why */
    DISKFILE_COLLISION,   /* another object's name has the same hash */
};

struct diskfile_info {
    enum diskfile_state state;
    const char *why;                  /* for the log */
    struct timestamp timestamp;       /* newest of data and .meta; of a tombstone its own */
    struct timestamp data_timestamp;  /* of the .data file */
    struct timestamp ctype_timestamp; /* since when it has its content type */
    int64_t size;
    struct diskfile_meta meta;      /* merged: what clients see */
    struct diskfile_meta data_meta; /* as the .data file has it */
    struct diskfile_meta post_meta; /* as the .meta files have it, without name; empty if there are none */
    bool has_post_meta;
    int fd; /* the open .data file if asked for, else -1: the caller's to close */
    /* What a later look can compare to know that nothing has changed (object_cache.h). */
    const char *data_name;
    struct diskfile_stamp {
        uint64_t device, inode, size;
        int64_t dir_mtime_ns, dir_ctime_ns, file_ctime_ns;
    } stamp;
};

struct diskfile_open_options {
    struct timestamp now; /* for X-Delete-At */
    bool open_expired;    /* an expired object is live */
    bool keep_fd;
};

/* 0 with ret->state, or -errno: -ENOTSUP (no attributes on this file system), -EAGAIN (the files changed under our hands
 * again and again), -EIO ... */
int diskfile_open(const struct diskfile *f, const struct diskfile_open_options *o, struct diskfile_info *ret);
/* The checks of an open that depend on the request: state LIVE or EXPIRED of an object whose metadata is at hand. */
enum diskfile_state diskfile_expiry(const struct diskfile_meta *meta, const struct diskfile_open_options *o);
/* X-Delete-At of metadata: 1 with *ret, 0 if there is none, -EINVAL. */
int diskfile_delete_at(const struct diskfile_meta *meta, int64_t *ret);
/* Moves the object's folder away: a reader met EIO or bytes that cannot be right. */
int diskfile_quarantine(const struct diskfile *f);

/* --- writing ----------------------------------------------------------------------------------------------------- */

struct diskfile_write_options {
    const struct device *device;
    const struct conf_reserve *reserve; /* free space to leave; NULL: tombstones may use it */
    bool preallocate;
    uint64_t sync_bytes;      /* dirty bytes to gather before writing them out */
    uint64_t keep_cache_size; /* files smaller than this stay in the page cache */
};

struct diskfile_writer {
    const struct diskfile *file;
    const struct diskfile_write_options *options;
    int fd;            /* -1: closed */
    const char *temp;  /* NULL with O_TMPFILE */
    unsigned created;  /* levels of folders that had to be made */
    uint64_t written;  /* bytes */
    uint64_t started;  /* writing out has been started up to here */
    uint64_t finished; /* and is over up to here */
    bool drop_cache;
};

/* Opens a file without a name. size: bytes that will come, -1 unknown. -ENOSPC, -EDQUOT, -EROFS, -ENODEV ... */
int diskfile_create(const struct diskfile *f, const struct diskfile_write_options *o, int64_t size,
                    struct diskfile_writer *ret);
int diskfile_write(struct diskfile_writer *w, const void *p, size_t n);
/* Makes it the file `name` of the object, with these attributes (the object's name is added), durable as said above. Then,
 * if `clean`, removes what it supersedes. */
int diskfile_commit(struct diskfile_writer *w, const char *name, struct diskfile_meta *meta, bool clean);
/* Drops what was not committed. Needed after every diskfile_create() that returned 0. */
void diskfile_close(struct diskfile_writer *w);

/* All of the above for content in memory. */
int diskfile_put(const struct diskfile *f, const struct diskfile_write_options *o, struct str content,
                 const char *name, struct diskfile_meta *meta);
/* Writes a tombstone. */
int diskfile_delete(const struct diskfile *f, const struct diskfile_write_options *o, struct timestamp time);

#endif
