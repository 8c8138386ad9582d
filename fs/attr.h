/* SPDX-License-Identifier: Apache-2.0
 *
 * attr.h: attributes of a file as metadata of an object, and back.
 *
 *   X-Object-Meta-Mtime   seconds since 1970 with nine decimals, as rclone writes it: 1402464677.041880000
 *   X-Object-Meta-Mode    st_mode in octal with the file type: 100644, 120777, 40755
 *   X-Object-Meta-Uid     decimal
 *   X-Object-Meta-Gid     decimal
 *
 * A symbolic link is an object whose content is the target, with Content-Type inode/symlink and the type
 * S_IFLNK in its mode: any other client sees a small text. A directory's marker is an empty object with
 * Content-Type application/directory, named with a slash at the end (ours) or without (also read).
 */
#ifndef FS_ATTR_H
#define FS_ATTR_H

#include <sys/stat.h>
#include "fs/store.h"

/* Where the attributes of a directory are kept. */
enum attr_marker {
    ATTR_MARKER_NONE,  /* nowhere: it is there because something is below it */
    ATTR_MARKER_SLASH, /* object "name/", or the container or account itself */
    ATTR_MARKER_PLAIN  /* object "name" of type application/directory */
};

struct attr {
    uint32_t mode; /* with type */
    uint32_t uid, gid;
    uint64_t size;
    int64_t mtime_ns, ctime_ns; /* since 1970 */
    char etag[STORE_ETAG_SIZE]; /* of the object; "" while there is none */
    bool large;                 /* see store_reply */
    bool foreign;               /* the object carries metadata of others, to be kept */
    enum attr_marker marker;
    int64_t changed_us; /* as in store_reply: the version of the metadata */
    int64_t changed_limit_s;
};

/* For what the metadata do not say. */
struct attr_defaults {
    uint32_t uid, gid;
    mode_t umask;
    int64_t time_ns; /* of directories without marker */
};

/* A file or link from the answer to HEAD, PUT or POST. */
void attr_from_reply(struct attr *ret, const struct store_reply *r, const struct attr_defaults *d);
/* A directory from its marker; r NULL for one without. */
void attr_of_directory(struct attr *ret, const struct store_reply *r, const struct attr_defaults *d);
/* Takes over what a PUT or POST answered: version and times, not mode, owner, size. */
void attr_take_version(struct attr *at, const struct store_reply *r);

/* The four headers above and, for links and directories, Content-Type. */
void attr_to_headers(const struct attr *at, struct header_table *h);
/* Headers of r that a POST must repeat lest they be lost, but those of ours. with_type: Content-Type too, and
 * no X-Object-Manifest: for new content in the old object's place. */
void attr_keep_foreign(struct header_table *h, const struct store_reply *r, bool with_type);

void attr_to_stat(const struct attr *at, uint64_t ino, struct stat *ret);
static inline bool attr_is_dir(const struct attr *at)
{
    return S_ISDIR(at->mode);
}
/* Equal in what attr_to_headers() writes. */
bool attr_same_metadata(const struct attr *a, const struct attr *b);
/* Does the listing speak of the version that `at` describes? */
bool attr_matches(const struct attr *at, const char *hash, int64_t changed_us);

#define ATTR_TIME_SIZE 32
const char *attr_format_time(int64_t ns, char out[ATTR_TIME_SIZE]);
/* Decimals beyond the ninth are cut off. 0, or -EINVAL. */
int attr_parse_time(struct str s, int64_t *ret_ns);

#endif
