/* SPDX-License-Identifier: Apache-2.0
 *
 * inode.h: the files that the kernel or an operation knows, as a tree of names. An inode is kept as long as
 * the kernel counts lookups of it, somebody holds a reference, or it has children here.
 *
 * Names change only by a move, and a move waits until nothing works below what it moves: an operation that
 * needs a path pins the inode first (and with it all above). While a move waits or runs, new pins below it
 * wait. One thread holds at most one pin, and one move runs at a time; thus nobody waits in a circle.
 */
#ifndef FS_INODE_H
#define FS_INODE_H

#include <pthread.h>
#include "fs/store.h"

#define INODE_ROOT 1

struct open_file;

struct inode {
    uint64_t ino;
    bool is_dir;
    struct inode *parent; /* NULL: root, or unlinked */
    char *name;
    bool unlinked;
    uint64_t lookups; /* by the kernel */
    unsigned refs;    /* by operations and open handles */
    unsigned children;
    unsigned pins; /* of this one and all below */
    bool moving;
    struct open_file *file; /* while open; set by inode_set_file() */
    struct inode *next_open, **link_open;
    char cached_etag[STORE_ETAG_SIZE]; /* the version in the kernel's page cache; same guard */
};

/* A place in the store. */
struct inode_path {
    char *text;             /* "container/object/", "container/" or "" for the account */
    struct str key;         /* text without the slash at the end: what the caches go by */
    struct store_name name; /* within text */
};
/* The place of `name` in directory dir. */
void inode_path_join(const struct inode_path *dir, const char *name, struct inode_path *ret);
void inode_path_release(struct inode_path *p);
/* The object "name/" of a directory; the container or account itself. Lives as long as p. */
struct store_name inode_path_marker(const struct inode_path *p);
/* What the names of everything below start with: "" or ending in a slash. */
struct str inode_path_prefix(const struct inode_path *p);

struct inode_table;
/* container: the one mounted, or NULL for the account. */
struct inode_table *inode_table_new(const char *container);
void inode_table_free(struct inode_table *t);

/* With a reference, or NULL: no such inode. */
struct inode *inode_get(struct inode_table *t, uint64_t ino);
/* The child of that name, with a reference. If there is none or it is of the other kind (then it is unlinked
 * first): a new one if `create`, else NULL. */
struct inode *inode_child(struct inode_table *t, struct inode *parent, const char *name, bool is_dir,
                          bool create);
/* The child of that name whatever its kind, with a reference, or NULL. */
struct inode *inode_find(struct inode_table *t, struct inode *parent, const char *name);
void inode_put(struct inode_table *t, struct inode *inode); /* NULL is fine */
void inode_looked_up(struct inode_table *t, struct inode *inode);
void inode_forget(struct inode_table *t, uint64_t ino, uint64_t lookups);

/* Waits for moves above, then pins and tells the path. -ENOENT: unlinked. */
int inode_pin(struct inode_table *t, struct inode *inode, struct inode_path *ret);
/* Pins parent (and not the child); the path is that of `name` in it. */
int inode_pin_child(struct inode_table *t, struct inode *parent, const char *name, struct inode_path *ret);
void inode_unpin(struct inode_table *t, struct inode *inode);

/* Keeps new pins away from inode and what is below, and waits for the present ones to end. -ENOENT. */
int inode_begin_move(struct inode_table *t, struct inode *inode);
/* The path of something at or below what moves; for the thread that moves it. */
void inode_path_of_moving(struct inode_table *t, struct inode *inode, struct inode_path *ret);
/* Ends it; with a parent the inode gets that place, and what had it before is unlinked. */
void inode_end_move(struct inode_table *t, struct inode *inode, struct inode *parent, const char *name);
/* The name is gone, the inode lives on as long as it is used. */
void inode_unlink(struct inode_table *t, struct inode *inode);

/* All open files at or below `inode` (NULL: all), with references, at most `max`; returns how many there are. */
size_t inode_open_below(struct inode_table *t, struct inode *inode, struct inode **ret, size_t max);
/* Names of children that are open, for directories that must show what is not uploaded yet. Calls fn with the
 * table locked: it must not call back. */
void inode_each_open_child(struct inode_table *t, struct inode *parent,
                           void (*fn)(void *arg, struct inode *child), void *arg);
/* The file's data while it is open, NULL afterwards. The table is locked by the caller. */
void inode_set_file(struct inode_table *t, struct inode *inode, struct open_file *file);
/* Guards `file` and `cached_etag` of all inodes. */
void inode_table_lock(struct inode_table *t);
void inode_table_unlock(struct inode_table *t);

#endif
