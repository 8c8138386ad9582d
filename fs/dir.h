/* SPDX-License-Identifier: Apache-2.0
 *
 * dir.h: a listing as a directory: names in byte order, each once. Shared by counting references; changed
 * only by who holds the only one (see fs_cache).
 *
 * What a listing may hold that no directory can: empty parts ("a//b", a leading slash), "." and "..", names
 * over NAME_MAX or with NUL. Such entries are left out and counted. Where an object and a directory have the
 * same name, the directory is shown.
 */
#ifndef FS_DIR_H
#define FS_DIR_H

#include "fs/attr.h"

enum dir_kind { DIR_FILE, DIR_SYMLINK, DIR_DIRECTORY };

struct dir_entry {
    char *name;
    enum dir_kind kind;
    bool plain_marker; /* a directory because of an object "name" of type application/directory */
    uint64_t size;
    char hash[STORE_ETAG_SIZE]; /* as listed; "" if not */
    int64_t changed_us;         /* as listed; 0 if not */
};

struct dir {
    struct dir_entry *v; /* by name */
    size_t n, cap;
    size_t skipped; /* entries with names that no file can have */
    size_t hidden;  /* objects that share their name with a directory */
    atomic_uint refs;
};

struct dir *dir_new(void);
struct dir *dir_ref(struct dir *d);
void dir_unref(struct dir *d); /* NULL is fine */
struct dir *dir_clone(const struct dir *d);

/* The index of name, or -1. */
ssize_t dir_find(const struct dir *d, struct str name);
/* Adds or replaces; copies the name. */
void dir_set(struct dir *d, const struct dir_entry *e);
void dir_remove(struct dir *d, struct str name);

/* Takes a page's entries below prefix ("" or ending in a slash). Pages must come in order. */
void dir_add_listing(struct dir *d, const struct listing *l, struct str prefix);
/* A file name that a directory can show: see above. */
bool dir_name_valid(struct str name);

/* Lists prefix of a container (or the account's containers) into *ret, at most max_pages pages (0: all).
 * *ret_complete tells whether that was everything. */
int dir_fetch(struct store *store, struct str container, struct str prefix, unsigned max_pages,
              struct dir **ret, bool *ret_complete);

#endif
