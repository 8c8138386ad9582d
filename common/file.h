/* SPDX-License-Identifier: Apache-2.0
 *
 * file.h: whole files, durable writes, folders. All return 0 (or a count) or a negative errno, retry EINTR
 * and finish short writes. A failed fsync is an error, never retried.
 */
#ifndef COMMON_FILE_H
#define COMMON_FILE_H

#include <fcntl.h>
#include "common/buf.h"

/* Appends the whole file to b; -E2BIG past b->max. */
int file_read(const char *path, struct buf *b);
int file_read_at(int dirfd, const char *name, struct buf *b);
/* New content or old, never half: temporary file beside it, fsync, rename, fsync of the folder. */
int file_replace(const char *path, const void *p, size_t n, mode_t mode);
int file_write_all(int fd, const void *p, size_t n);
int file_pwrite_all(int fd, const void *p, size_t n, off_t offset);
/* Makes the folder and missing parents; each new level is made durable by an fsync of its parent when
 * `durable`. -ENOTDIR if a part exists as something else. */
int file_make_dirs(const char *path, mode_t mode, bool durable);
int file_sync_dir(const char *path); /* open, fsync, close */

/* flock(LOCK_EX) on the file made if missing, tried until timeout_ms is over (-ETIMEDOUT). Returns the
 * descriptor that holds the lock: close() releases it. Blocks the thread: call it inside an offload. */
int file_lock(const char *path, int timeout_ms);

/* Removes a tree, as rm -rf, without following links. */
int file_remove_tree(const char *path);

#endif
