/* SPDX-License-Identifier: Apache-2.0
 *
 * fs_cache.h: what was last heard of the store: attributes by path, listings by directory. Bounded and
 * thread-safe; never waits for anything.
 *
 * A fresh entry is believed. A stale one still spares a request when a fresh listing names the same version
 * of the object (attr_matches()). The mount's own changes are entered as they are made, so that a directory
 * being filled needs no listing; a listing that was asked for before such a change is not kept.
 */
#ifndef FS_FS_CACHE_H
#define FS_FS_CACHE_H

#include "fs/dir.h"

struct fs_cache;
/* How long an entry is fresh. */
struct fs_cache *fs_cache_new(int64_t fresh_ms);
void fs_cache_free(struct fs_cache *c);

/* True if known; *ret_fresh (may be NULL) says whether still fresh. */
bool fs_cache_attr(struct fs_cache *c, struct str path, struct attr *ret, bool *ret_fresh);
void fs_cache_set_attr(struct fs_cache *c, struct str path, const struct attr *at);
void fs_cache_drop_attr(struct fs_cache *c, struct str path);

enum fs_cache_answer { FS_CACHE_UNKNOWN, FS_CACHE_ABSENT, FS_CACHE_PRESENT };
/* Asks a fresh listing for a name; ret->name is not set. */
enum fs_cache_answer fs_cache_entry(struct fs_cache *c, struct str dir, struct str name,
                                    struct dir_entry *ret);
/* A fresh listing with a reference, or NULL. */
struct dir *fs_cache_dir(struct fs_cache *c, struct str dir);
/* The last listing was not complete: names are to be asked for one by one. Known until stale. */
bool fs_cache_is_large(struct fs_cache *c, struct str dir);

/* Before a listing is asked for: a ticket for fs_cache_set_dir(). */
uint64_t fs_cache_begin_listing(struct fs_cache *c, struct str dir);
/* Takes a reference. An incomplete one only marks the directory as large. Kept only if nothing in that
 * directory was changed since the ticket. */
void fs_cache_set_dir(struct fs_cache *c, struct str dir, uint64_t ticket, struct dir *listing,
                      bool complete);
/* The mount's own changes. */
void fs_cache_add(struct fs_cache *c, struct str dir, const struct dir_entry *e);
void fs_cache_remove(struct fs_cache *c, struct str dir, struct str name);
/* A new directory: empty and complete. */
void fs_cache_new_dir(struct fs_cache *c, struct str dir);
/* Everything at and below a path. */
void fs_cache_drop_tree(struct fs_cache *c, struct str path);

#endif
