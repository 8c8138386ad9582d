/* SPDX-License-Identifier: Apache-2.0
 *
 * object_cache.h: metadata of objects read lately, so that a hot GET or HEAD needs no thread of the disk.
 *
 * Nothing in it is believed without a look at the disk, and that look cannot wait: folder and file are opened with
 * openat2(RESOLVE_CACHED), which fails rather than read a directory, and fstat() of an open file is memory. The entry counts
 * only if the folder's mtime and ctime (no file came or went) and the file's inode, size and ctime (nothing of it changed) are
 * what they were when the metadata was read. So changes by anybody, upstream's daemons on the same disk included, are seen.
 * A folder that changed less than a second before it was read is not kept: its next change might bear the same time. Nor are
 * objects with .meta files, whose content the stamp does not cover.
 *
 * No descriptor is kept open between requests: disks can be unmounted.
 */
#ifndef OBJECT_OBJECT_CACHE_H
#define OBJECT_OBJECT_CACHE_H

#include "object/diskfile.h"

struct object_cache;
/* bytes: memory for entries; 0: none are kept. */
struct object_cache *object_cache_new(size_t bytes);
void object_cache_free(struct object_cache *c); /* NULL is fine */

/* Never waits. True: ret is what diskfile_open() would say now (LIVE or EXPIRED; with fd if LIVE and asked for). What
 * ret points to lives until the diskfile's arena is freed. */
bool object_cache_open(struct object_cache *c, const struct diskfile *f,
                       const struct diskfile_open_options *o, struct diskfile_info *ret);
/* Keeps what diskfile_open() found. before_ns: clock_real_ns() from before it looked. */
void object_cache_put(struct object_cache *c, const struct diskfile *f, const struct diskfile_info *info,
                      int64_t before_ns);

#endif
