/* SPDX-License-Identifier: Apache-2.0
 *
 * db_broker.h: one account or container database during one job: where it lies, its locks, transactions, deferred rows,
 * timestamps, metadata and sync points. What the two kinds do differently is in a struct db_kind.
 *
 *     struct db_broker b;
 *     db_broker_init(&b, cache, &account_broker_kind, arena, device_path, partition, hash, account, STR_NONE);
 *     err = db_broker_open(&b);               -ENOENT: there is no such database
 *     ...
 *     db_broker_release(&b);
 *
 * A broker belongs to one thread; any number of brokers may work on one database. Everything waits for the disk: call
 * it inside an offload. Functions that need a connection open it themselves.
 *
 * Errors: -ENOENT no database; -EBUSY a lock could not be had in time; -ENOSPC, -EROFS; -EUCLEAN the file is damaged;
 * -EIO; -ESTALE it was replaced under our hands; -EINVAL the database says no (schema too old, ...). db_broker_error() has
 * SQLite's words. After -EUCLEAN or -EIO db_broker_release() moves the database into quarantine, as the reference does.
 */
#ifndef DB_DB_BROKER_H
#define DB_DB_BROKER_H

#include <sqlite3.h>

#include "common/timestamp.h"
#include "db/db_cache.h"
#include "db/db_metadata.h"
#include "db/db_pending.h"

#define DB_LOCK_TIMEOUT_MS 10000 /* .lock, for most */
#define DB_LOCK_TRANS_MS   3000  /* for an account's row with X-Trans-Id */
#define DB_LOCK_READ_MS    100   /* for HEAD and GET, which may show stale numbers */

struct db_broker;
struct db_kind {
    const char *type;                 /* "account", "container": folder names and log */
    const char *datadir;              /* "accounts" */
    const char *rows;                 /* table of the rows: "container", "object" */
    const char *stat;                 /* table with the one row: "account_stat", "container_info" */
    const char *const *kept_metadata; /* lower case keys that a delete leaves alone; NULL-terminated */
    bool epochs;                      /* H_<epoch>.db may exist */
    /* Tables, indexes, triggers and the stat row of a new database; in its transaction. An SQLite code. */
    int (*create)(struct db_broker *b, sqlite3 *conn, struct str put_timestamp, int64_t policy);
    /* Merges deferred rows in one transaction. */
    int (*merge_pending)(struct db_broker *b, const struct db_pending *rows);
    /* Whether the database counts as deleted; a connection is open. 1, 0 or -errno. */
    int (*is_deleted)(struct db_broker *b);
};

struct db_broker {
    struct db_cache *cache;
    const struct db_kind *kind;
    struct arena *arena;     /* paths and all that is read */
    const char *device_path; /* "/srv/node/sdb1" */
    const char *dir;         /* ".../accounts/7/f9c/<hash>" */
    const char *base;        /* dir/<hash>.db: names the pending file, whatever the epoch */
    const char *path;        /* the database in use; equals base as long as none exists */
    const char *retiring;    /* container while it is being sharded: the file before `path`; else NULL */
    struct str account, container;
    int lock_timeout_ms; /* DB_LOCK_TIMEOUT_MS after init */
    bool stale_reads_ok; /* reads go on when deferred rows cannot be merged */
    bool skip_pending;   /* this broker never merges deferred rows: the retiring half */

    struct db_entry *entry;
    struct db_handle *handle;
    bool in_transaction;
    bool damaged;
    char error[256];
};

/* partition and hash as text; they become parts of the path. */
void db_broker_init(struct db_broker *b, struct db_cache *cache, const struct db_kind *kind,
                    struct arena *arena, const char *device_path, struct str partition, const char *hash,
                    struct str account, struct str container);
/* From the path of a database file, as walks over a disk find it: .../<device>/<datadir>/<part>/<suffix>/<hash>/<file>.
 * -EINVAL: not such a path. */
int db_broker_init_file(struct db_broker *b, struct db_cache *cache, const struct db_kind *kind,
                        struct arena *arena, const char *file);
/* A second broker on the retiring file; release both. */
void db_broker_init_retiring(struct db_broker *b, const struct db_broker *of);
/* A broker on a file elsewhere on the device (<device>/tmp), of the same kind. End it with db_broker_drop(). */
void db_broker_init_at(struct db_broker *b, const struct db_broker *like, const char *path);
/* As release, but keeps no connection and never quarantines: the file moves. */
void db_broker_drop(struct db_broker *b);
/* Rolls an open transaction back, gives the connection back, puts a damaged database into quarantine. */
void db_broker_release(struct db_broker *b);
const char *db_broker_error(const struct db_broker *b); /* "" if SQLite had nothing to say */

/* Looks which files exist: sets path and retiring. 0 or -ENOENT. */
int db_broker_find(struct db_broker *b);
/* Makes sure a connection is there. */
int db_broker_open(struct db_broker *b);
/* A new database. 0; -EEXIST if somebody was faster. put_timestamp empty: 0000000000.00000. */
int db_broker_create(struct db_broker *b, struct str put_timestamp, int64_t policy);
/* Moves the hash folder to <device>/quarantined/<type>s and logs it. */
int db_broker_quarantine(struct db_broker *b, const char *reason);

/* A new id for a database on this device: "<uuid>-<device>", in the arena. */
struct str db_new_id(struct db_broker *b);

/* --- SQL: for the two kinds ----------------------------------------------------------------------------------- */

/* BEGIN IMMEDIATE, behind the writers of this process. */
int db_begin(struct db_broker *b);
/* COMMIT if err is 0, else ROLLBACK; the error of either. */
int db_end(struct db_broker *b, int err);
/* A statement of the connection (opened if need be), ready to be bound; kept with the connection under its text, so
 * values are bound, never formatted. */
int db_prepare(struct db_broker *b, sqlite3_stmt **ret, const char *sql);
int db_preparef(struct db_broker *b, sqlite3_stmt **ret, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int db_step(struct db_broker *b, sqlite3_stmt *stmt); /* 1: a row; 0: done; -errno */
/* Steps a statement that gives no rows. */
int db_run(struct db_broker *b, sqlite3_stmt *stmt);
/* -errno for an SQLite code; keeps the message, and remembers damage. */
int db_fail(struct db_broker *b, int rc);
/* Marks the database as damaged for a reason SQLite does not see (the stat row is missing): -EUCLEAN. */
int db_damaged(struct db_broker *b, const char *reason);
void db_bind(sqlite3_stmt *stmt, int i, struct str s); /* STR_NONE is NULL. s must live until the last step */
struct str db_column(struct db_broker *b, sqlite3_stmt *stmt, int i); /* in the arena; NULL is STR_NONE */
struct str db_column_ref(sqlite3_stmt *stmt, int i);                  /* valid until the next step */

/* --- deferred rows ---------------------------------------------------------------------------------------------- */

/* Appends the pickle of a row to .pending, or merges it with all that is deferred once the file is over
 * DB_PENDING_CAP. */
int db_put_record(struct db_broker *b, struct str pickle);
/* Merges what is deferred; every reader of counts or rows comes here first. With stale_reads_ok, locks and full
 * disks are no error. */
int db_commit_pending(struct db_broker *b);

/* --- the stat row ------------------------------------------------------------------------------------------------ */

int db_update_put_timestamp(struct db_broker *b, struct str timestamp);     /* if newer */
int db_update_status_changed_at(struct db_broker *b, struct str timestamp); /* if newer */
/* created_at to the older, the others to the newer, as text; notes when that changed whether it is deleted. */
int db_merge_timestamps(struct db_broker *b, struct str created_at, struct str put, struct str del);
/* Empties the metadata and marks the database deleted at this time, if newer. */
int db_delete(struct db_broker *b, struct str timestamp);

int db_metadata_text(struct db_broker *b, struct str *ret); /* the column as it is */
int db_metadata_read(struct db_broker *b, struct db_metadata *ret);
/* Merges. With limits the result is checked first: -E2BIG with the text of a 400 in error. */
int db_metadata_update(struct db_broker *b, const struct db_metadata *updates,
                       const struct constraints *limits, struct buf *error);

/* --- sync points: which rows of a peer are known to be here, and the other way round -------------------------------- */

int db_max_row(struct db_broker *b, const char *table, int64_t *ret);                    /* -1: none ever */
int db_get_sync(struct db_broker *b, bool incoming, struct str remote_id, int64_t *ret); /* -1: unknown */
/* max(old, point). Inside a transaction. */
int db_merge_sync(struct db_broker *b, bool incoming, struct str remote_id, int64_t point);

/* Makes a copy of a peer's file our own: a new id, and all rows in it count as merged from that peer. */
int db_new_identity(struct db_broker *b, struct str remote_id);

#endif
