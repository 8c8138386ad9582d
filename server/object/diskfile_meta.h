/* SPDX-License-Identifier: Apache-2.0
 *
 * diskfile_meta.h: an object's metadata: a pickled dict in the extended attributes of its file (facts: object 6-8).
 *
 *   user.swift.metadata, user.swift.metadata1, ...2 ...   the pickle, cut every 65536 bytes
 *   user.swift.metadata_checksum                          hex MD5 of the whole pickle; absent in very old files
 *
 * The trap is the level of text. In memory, here, names and values of fields are the bytes of the wire and the object's name
 * is its UTF-8 path. On disk a field is latin-1-to-UTF-8 of the wire bytes, then pickled as bytes (which adds the same
 * step once more); the name is pickled as bytes only. What Python 2 wrote has neither.
 */
#ifndef OBJECT_DISKFILE_META_H
#define OBJECT_DISKFILE_META_H

#include "common/buf.h"
#include "common/header.h"

struct diskfile_meta {
    struct str name;            /* "/account/container/object"; STR_NONE if absent */
    struct header_table fields; /* X-Timestamp, Content-Type, ETag, X-Object-Meta-* ...: spelled as on disk */
};

#define DISKFILE_META_MAX ((size_t)1 << 20) /* bytes of pickle that are read or written at most */

void diskfile_meta_init(struct diskfile_meta *m, struct arena *a);
struct str diskfile_meta_get(const struct diskfile_meta *m, const char *field); /* STR_NONE if absent */

/* The pickle, appended to out. */
void diskfile_meta_encode(const struct diskfile_meta *m, struct buf *out);
/* 0 or -EBADMSG: not a pickle of a dict of strings. Text lives in the arena or points into pickle. */
int diskfile_meta_decode(struct arena *a, struct str pickle, struct diskfile_meta *ret);

/* Reads and checks the attributes of an open file. -ENOTSUP: the file system has no attributes; -EBADMSG with a sentence in
 * *ret_why: checksum, missing or malformed: the file has to be quarantined. *ret_unsigned (may be NULL): there was no
 * checksum. */
int diskfile_meta_read(struct arena *a, int fd, struct diskfile_meta *ret, bool *ret_unsigned,
                       const char **ret_why);
/* Writes them. 0, -ENOSPC, -EDQUOT, -ENOTSUP, -E2BIG or another error. */
int diskfile_meta_write(int fd, const struct diskfile_meta *m);

#endif
