/* SPDX-License-Identifier: Apache-2.0
 *
 * hash_dir.h: the folder of one object: its files listed, judged (ondisk.h) and cleaned up (facts: object 5). Blocks.
 */
#ifndef OBJECT_HASH_DIR_H
#define OBJECT_HASH_DIR_H

#include "object/objects_dir.h"
#include "object/ondisk.h"

struct hash_dir {
    struct ondisk_file *files; /* names are NUL-terminated */
    size_t n;
    struct ondisk_choice choice;
};

/* Lists the folder open at dirfd and chooses. 0 or -errno. */
int hash_dir_read(struct arena *a, int dirfd, const struct ondisk_rules *rules, struct hash_dir *ret);
/* Lists, chooses, removes what is obsolete or reclaimable, and the folder when nothing is left. A missing folder is an
 * empty one. ret shows what was chosen before: files removed have fate OBSOLETE, and choice.ts is NULL if it was
 * reclaimed. *ret_left: files still there. -ENOTDIR, -ENODATA: for the caller to quarantine. */
int hash_dir_clean(struct arena *a, const struct objects_dir *d, const char *path, struct hash_dir *ret,
                   size_t *ret_left);

/* Calls fn for each name of the folder open at fd, but "." and "..", until it returns non-zero. 0, that value, or
 * -errno. */
int hash_dir_each(int fd, int (*fn)(const char *name, void *arg), void *arg);

#endif
