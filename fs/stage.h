/* SPDX-License-Identifier: Apache-2.0
 *
 * stage.h: the local content of a file being written: a nameless temporary file, and which parts of it are
 * there already. The others are still only in the object and are brought when needed. Not thread-safe.
 */
#ifndef FS_STAGE_H
#define FS_STAGE_H

#include "fs/store.h"

struct stage_extent {
    uint64_t from, to;
};

struct stage {
    int fd;
    uint64_t size;
    struct stage_extent *present; /* apart, in order */
    size_t n, cap;
};

/* size: of the object behind it, of which nothing is there yet. 0, or open()'s error. */
int stage_open(struct stage *s, const char *cache_dir, uint64_t size);
void stage_close(struct stage *s);

/* A gap between the end and `offset` becomes zeros. 0, or -ENOSPC and the like. */
int stage_write(struct stage *s, const void *p, size_t n, uint64_t offset);
int stage_truncate(struct stage *s, uint64_t size);
/* The object's content for a part that was missing. */
int stage_fill(struct stage *s, const void *p, size_t n, uint64_t offset);
/* The first missing part within [from, to) and the size; false if all is there. */
bool stage_missing(const struct stage *s, uint64_t from, uint64_t to, struct stage_extent *ret);
/* Brings what is missing there from version `etag` of the object. What came before an error stays. */
int stage_fetch(struct stage *s, struct store *store, struct store_name name, const char *etag, uint64_t from,
                uint64_t to);
ssize_t stage_read(const struct stage *s, void *p, size_t n, uint64_t offset);

#endif
