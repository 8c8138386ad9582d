/* SPDX-License-Identifier: Apache-2.0
 *
 * db_cache.h: open SQLite connections, kept for the next job on the same database.
 *
 * A connection belongs to one job at a time, from db_cache_lease() to db_cache_return(). Between jobs it lies idle in
 * the cache, at most `max_idle` of them over all databases; the one unused for longest is closed first. Before a
 * connection is used again the file's device and inode are compared with those it was opened on, so that a database
 * that was replaced (rsync_then_merge), unlinked (sharding, reclaim) or moved (quarantine) is opened anew.
 *
 * Nothing here or elsewhere may open() a database file by itself while connections to it may exist: POSIX locks are
 * lost when any descriptor of the file is closed by the process. stat() is fine.
 *
 * Everything waits for disks: call it inside an offload. Any number of threads.
 */
#ifndef DB_DB_CACHE_H
#define DB_DB_CACHE_H

#include <pthread.h>
#include <sqlite3.h>
#include <sys/types.h>

#include "common/str.h"

#define DB_CACHE_IDLE_DEFAULT 64
#define DB_BUSY_TIMEOUT_MS    25000

struct db_cache;
struct db_cache *db_cache_new(unsigned max_idle);
void db_cache_free(struct db_cache *c); /* nothing may be leased */

/* What the jobs on one database of this process share. Lock order: pending, then the lock file, then write, then
 * SQLite's own locks. Only the two mutexes are for others. */
struct db_handle;
struct db_entry {
    pthread_mutex_t pending; /* held with the flock of .lock: threads queue here, not in a polling loop */
    pthread_mutex_t write; /* held from BEGIN IMMEDIATE to the end of the transaction, for the same reason */
    char *key;
    unsigned refs;
    struct db_handle *idle; /* newest first */
};
/* Takes one of the two mutexes; -EBUSY if it could not be had within timeout_ms. */
int db_entry_lock(pthread_mutex_t *m, int timeout_ms);
/* The entry of a database (its path without an epoch). Every get wants a put. */
struct db_entry *db_cache_entry(struct db_cache *c, const char *base_path);
void db_cache_entry_put(struct db_cache *c, struct db_entry *e);

#define DB_HANDLE_STATEMENTS 32
struct db_handle {
    sqlite3 *conn;
    char *path;
    dev_t dev;
    ino_t ino;
    sqlite3_stmt *statements[DB_HANDLE_STATEMENTS];
    unsigned n_statements;
    struct db_entry *entry;
    struct db_handle *entry_next, **entry_link; /* idle list of the entry */
    struct db_handle *lru_next, *lru_prev;
};

/* A connection to the file `path` of an entry: 0; -ENOENT if there is no such file; a positive SQLite code if it
 * cannot be opened as a database. */
int db_cache_lease(struct db_cache *c, struct db_entry *e, const char *path, struct db_handle **ret);
/* Gives it back, to be kept, or closed if keep is false. No transaction may be open. NULL is fine. */
void db_cache_return(struct db_cache *c, struct db_handle *h, bool keep);
/* Closes the idle connections of an entry. */
void db_cache_drop(struct db_cache *c, struct db_entry *e);

/* The statement of an SQL text, reset and without bindings; compiled at first use. Beyond DB_HANDLE_STATEMENTS texts
 * the oldest is dropped. An SQLite code. */
int db_handle_statement(struct db_handle *h, const char *sql, sqlite3_stmt **ret);

unsigned db_cache_idle(struct db_cache *c);   /* kept now */
uint64_t db_cache_opened(struct db_cache *c); /* since start */

#endif
