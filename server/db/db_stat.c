/* SPDX-License-Identifier: Apache-2.0
 *
 * db_stat.c: what both kinds of database do with their one stat row, its metadata, and the sync tables.
 */
#include <errno.h>

#include "common/url.h"
#include "db/db_broker.h"

static int update_if_newer(struct db_broker *b, const char *column, struct str timestamp)
{
    sqlite3_stmt *stmt;

    int err = db_begin(b);
    if (err)
        return err;
    err = db_preparef(b, &stmt, "UPDATE %s SET %s = ?1 WHERE %s < ?1", b->kind->stat, column, column);
    if (!err) {
        db_bind(stmt, 1, timestamp);
        err = db_run(b, stmt);
    }
    return db_end(b, err);
}

int db_update_put_timestamp(struct db_broker *b, struct str timestamp)
{
    return update_if_newer(b, "put_timestamp", timestamp);
}

int db_update_status_changed_at(struct db_broker *b, struct str timestamp)
{
    return update_if_newer(b, "status_changed_at", timestamp);
}

static int merge_timestamps(struct db_broker *b, struct str created_at, struct str put, struct str del)
{
    sqlite3_stmt *stmt;
    char now[TIMESTAMP_INTERNAL_SIZE];

    int before = b->kind->is_deleted(b);
    if (before < 0)
        return before;
    int err =
        db_preparef(b, &stmt,
                    "UPDATE %s SET created_at = min(?1, created_at), put_timestamp = max(?2, put_timestamp),"
                    " delete_timestamp = max(?3, delete_timestamp)",
                    b->kind->stat);
    if (err)
        return err;
    db_bind(stmt, 1, created_at);
    db_bind(stmt, 2, put);
    db_bind(stmt, 3, del);
    err = db_run(b, stmt);
    if (err)
        return err;
    int after = b->kind->is_deleted(b);
    if (after < 0 || after == before)
        return after < 0 ? after : 0;
    err = db_preparef(b, &stmt, "UPDATE %s SET status_changed_at = ?1 WHERE status_changed_at < ?1",
                      b->kind->stat);
    if (err)
        return err;
    db_bind(stmt, 1, str_from(timestamp_internal(timestamp_now(), now)));
    return db_run(b, stmt);
}

int db_merge_timestamps(struct db_broker *b, struct str created_at, struct str put, struct str del)
{
    int err = db_begin(b);
    return err ? err : db_end(b, merge_timestamps(b, created_at, put, del));
}

/* --- metadata -------------------------------------------------------------------------------------------------------- */

int db_metadata_text(struct db_broker *b, struct str *ret)
{
    sqlite3_stmt *stmt;

    int err = db_preparef(b, &stmt, "SELECT metadata FROM %s", b->kind->stat);
    if (err)
        return err;
    err = db_step(b, stmt);
    if (err < 0)
        return err;
    if (err == 0)
        return db_damaged(b, "missing row in stat table");
    *ret = db_column(b, stmt, 0);
    sqlite3_reset(stmt);
    return 0;
}

int db_metadata_read(struct db_broker *b, struct db_metadata *ret)
{
    struct str text;
    int err = db_metadata_text(b, &text);
    return err ? err : db_metadata_parse(b->arena, text, ret);
}

static int metadata_write(struct db_broker *b, const struct db_metadata *m)
{
    sqlite3_stmt *stmt;
    struct buf text;

    int err = db_preparef(b, &stmt, "UPDATE %s SET metadata = ?1", b->kind->stat);
    if (err)
        return err;
    buf_init(&text, 1u << 28);
    db_metadata_write(m, &text);
    err = buf_error(&text);
    if (!err) {
        db_bind(stmt, 1, buf_view(&text));
        err = db_run(b, stmt);
    }
    buf_release(&text);
    return err;
}

static bool any_newer(const struct db_metadata *m, const struct db_metadata *updates)
{
    for (size_t i = 0; i < updates->n; i++) {
        const struct db_metadata_item *old = db_metadata_find(m, updates->v[i].key);
        if (!old || str_cmp(updates->v[i].timestamp, old->timestamp) > 0)
            return true;
    }
    return false;
}

static int metadata_update(struct db_broker *b, const struct db_metadata *updates,
                           const struct constraints *limits, struct buf *error)
{
    struct db_metadata m;

    int err = db_metadata_read(b, &m);
    if (err)
        return err;
    db_metadata_merge(&m, updates);
    if (limits && db_metadata_validate(&m, limits, error) < 0)
        return -E2BIG;
    return metadata_write(b, &m);
}

int db_metadata_update(struct db_broker *b, const struct db_metadata *updates,
                       const struct constraints *limits, struct buf *error)
{
    struct db_metadata m;

    int err = db_metadata_read(b, &m);
    if (err || !any_newer(&m, updates))
        return err;
    err = db_begin(b);
    return err ? err : db_end(b, metadata_update(b, updates, limits, error));
}

/* --- deleting --------------------------------------------------------------------------------------------------------- */

static bool is_kept(const struct db_kind *kind, struct str key)
{
    for (const char *const *k = kind->kept_metadata; k && *k; k++)
        if (str_ieq(key, str_from(*k)))
            return true;
    return false;
}

static int delete_in_transaction(struct db_broker *b, struct str timestamp)
{
    struct db_metadata m, cleared;
    sqlite3_stmt *stmt;

    int err = db_metadata_read(b, &m);
    if (err)
        return err;
    db_metadata_init(&cleared, b->arena);
    for (size_t i = 0; i < m.n; i++)
        if (!is_kept(b->kind, m.v[i].key))
            db_metadata_set(&cleared, m.v[i].key, STR(""), timestamp);
    if (db_metadata_merge(&m, &cleared))
        err = metadata_write(b, &m);
    if (!err)
        err = db_preparef(b, &stmt,
                          "UPDATE %s SET delete_timestamp = ?1, status = 'DELETED', status_changed_at = ?1"
                          " WHERE delete_timestamp < ?1",
                          b->kind->stat);
    if (err)
        return err;
    db_bind(stmt, 1, timestamp);
    return db_run(b, stmt);
}

int db_delete(struct db_broker *b, struct str timestamp)
{
    int err = db_begin(b);
    return err ? err : db_end(b, delete_in_transaction(b, timestamp));
}

/* --- sync points ------------------------------------------------------------------------------------------------------- */

/* One number, or `none` without a row. */
static int read_number(struct db_broker *b, sqlite3_stmt *stmt, int64_t none, int64_t *ret)
{
    int err = db_step(b, stmt);
    if (err < 0)
        return err;
    *ret = err == 1 ? sqlite3_column_int64(stmt, 0) : none;
    sqlite3_reset(stmt);
    return 0;
}

int db_max_row(struct db_broker *b, const char *table, int64_t *ret)
{
    sqlite3_stmt *stmt;

    int err = db_prepare(b, &stmt, "SELECT seq FROM sqlite_sequence WHERE name = ?1 LIMIT 1");
    if (err)
        return err;
    db_bind(stmt, 1, str_from(table));
    return read_number(b, stmt, -1, ret);
}

int db_get_sync(struct db_broker *b, bool incoming, struct str remote_id, int64_t *ret)
{
    sqlite3_stmt *stmt;

    int err = db_prepare(b, &stmt,
                         incoming ? "SELECT sync_point FROM incoming_sync WHERE remote_id = ?1"
                                  : "SELECT sync_point FROM outgoing_sync WHERE remote_id = ?1");
    if (err)
        return err;
    db_bind(stmt, 1, remote_id);
    return read_number(b, stmt, -1, ret);
}

int db_merge_sync(struct db_broker *b, bool incoming, struct str remote_id, int64_t point)
{
    sqlite3_stmt *stmt;
    const char *table = incoming ? "incoming_sync" : "outgoing_sync";

    int err =
        db_preparef(b, &stmt, "UPDATE %s SET sync_point = max(?1, sync_point) WHERE remote_id = ?2", table);
    if (err)
        return err;
    sqlite3_bind_int64(stmt, 1, point);
    db_bind(stmt, 2, remote_id);
    err = db_run(b, stmt);
    if (err || sqlite3_changes(b->handle->conn) > 0)
        return err;
    err = db_preparef(b, &stmt, "INSERT INTO %s (sync_point, remote_id) VALUES (?1, ?2)", table);
    if (err)
        return err;
    sqlite3_bind_int64(stmt, 1, point);
    db_bind(stmt, 2, remote_id);
    return db_run(b, stmt);
}

static int new_identity(struct db_broker *b, struct str remote_id)
{
    sqlite3_stmt *stmt;
    int64_t last = -1;

    int err = db_preparef(b, &stmt, "UPDATE %s SET id = ?1", b->kind->stat);
    if (err)
        return err;
    db_bind(stmt, 1, db_new_id(b));
    err = db_run(b, stmt);
    if (!err)
        err = db_preparef(b, &stmt, "SELECT ROWID FROM %s ORDER BY ROWID DESC LIMIT 1", b->kind->rows);
    if (!err)
        err = read_number(b, stmt, -1, &last);
    if (!err)
        err = db_prepare(b, &stmt,
                         "INSERT OR REPLACE INTO incoming_sync (sync_point, remote_id) VALUES (?1, ?2)");
    if (err)
        return err;
    sqlite3_bind_int64(stmt, 1, last);
    db_bind(stmt, 2, remote_id);
    return db_run(b, stmt);
}

int db_new_identity(struct db_broker *b, struct str remote_id)
{
    int err = db_begin(b);
    return err ? err : db_end(b, new_identity(b, remote_id));
}
