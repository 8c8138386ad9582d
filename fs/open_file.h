/* SPDX-License-Identifier: Apache-2.0
 *
 * open_file.h: the content of a file while it is open. One struct open_file an inode, however many handles.
 *
 *   clean    no stage: reads come from the object, in the version the file was opened at
 *   staged   a stage holds what was written, and as much of the object as was needed
 *   dirty    staged and not uploaded as it is; `exists` says whether any object is there
 *   kept     the name is gone: the stage holds everything, nothing is uploaded any more
 *
 * Locks: `io` while the stage changes, is filled or uploaded (it may be held long); `lock` for the attributes
 * and flags, never held while waiting. io before lock. `at` changes only with io or, for attributes, lock.
 *
 * Whoever calls has pinned the inode and passes its name in the store; with an unlinked file the name is not
 * used.
 */
#ifndef FS_OPEN_FILE_H
#define FS_OPEN_FILE_H

#include <pthread.h>
#include "fs/attr.h"
#include "fs/read_ahead.h"
#include "fs/upload.h"

/* What all open files of a mount share. */
struct open_file_env {
    struct store *store;
    struct workers *workers;
    const char *cache_dir;
};

struct open_file {
    const struct open_file_env *env;
    unsigned handles; /* guarded by the inode table's lock */
    pthread_mutex_t io;
    pthread_mutex_t lock;
    struct attr at;
    bool staged;
    struct stage stage;
    bool exists;
    bool exclusive;  /* created with O_EXCL and not uploaded yet: shall not replace anybody's object */
    bool dirty;      /* content */
    bool attr_dirty; /* attributes that the next upload takes along */
    bool kept;
    bool used; /* somebody may have seen some of this version's content, be it from the kernel's cache */
    uint64_t in_order; /* bytes written one after the other from the start, the only writes so far */
    struct upload_stream *early;
    struct attr early_at; /* the attributes that `early` carries */
    bool no_early;        /* it failed once */
};

struct open_file *open_file_new(const struct open_file_env *env, const struct attr *at, bool exists,
                                bool exclusive);
/* Ends an upload still running. */
void open_file_free(struct open_file *f);

/* A snapshot of attributes; true if they are ahead of the object's (not yet in the store). */
bool open_file_attr(struct open_file *f, struct attr *ret);
/* Attributes the next upload takes along. False if the file is clean: then they are to be posted. */
bool open_file_set_attr(struct open_file *f, const struct attr *at);
bool open_file_exists(struct open_file *f);
/* What the object was found to be: another version replaces what a clean file holds, else it is ignored. */
void open_file_set_version(struct open_file *f, const struct attr *at);

/* offset < 0: at the end (O_APPEND). n or a negative errno; -EFBIG past the store's limit. */
ssize_t open_file_write(struct open_file *f, struct store_name name, const void *p, size_t n, int64_t offset);
int open_file_truncate(struct open_file *f, struct store_name name, uint64_t size);
/* Uploads what is not uploaded. *ret_changed: the object is new or another now, see open_file_attr(). */
int open_file_flush(struct open_file *f, struct store_name name, bool *ret_changed);
/* Brings everything here, as the object is about to go; afterwards the name is not needed any more. */
int open_file_keep(struct open_file *f, struct store_name name);

/* The object stayed after all. */
void open_file_unkeep(struct open_file *f);

struct open_handle;
/* A handle sees one version of the object, that which the file was opened at. */
struct open_handle *open_handle_new(const char *etag);
void open_handle_free(struct open_handle *h);
/* Less than n only at the end of the file. -ESTALE: the object was replaced since it was opened. */
ssize_t open_file_read(struct open_file *f, struct open_handle *h, struct store_name name, void *p, size_t n,
                       uint64_t offset);
/* Content may have been seen; from now on another version is another file. */
void open_file_mark_used(struct open_file *f);
/* Nothing was, so file and handle may go on with another version of the object. */
bool open_file_renew(struct open_file *f, struct open_handle *h, const struct attr *at);

#endif
