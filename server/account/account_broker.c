/* SPDX-License-Identifier: Apache-2.0 */
#include "account/account_broker.h"

#include <errno.h>

#include "common/log.h"

/* --- schema ---------------------------------------------------------------------------------------------------------- */

static const char schema[] =
    "CREATE TABLE container (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, put_timestamp TEXT,"
    " delete_timestamp TEXT, object_count INTEGER, bytes_used INTEGER, deleted INTEGER DEFAULT 0,"
    " storage_policy_index INTEGER DEFAULT 0);"
    "CREATE INDEX ix_container_deleted_name ON container (deleted, name);"
    "CREATE TRIGGER container_insert AFTER INSERT ON container BEGIN"
    " UPDATE account_stat SET container_count = container_count + (1 - new.deleted),"
    " object_count = object_count + new.object_count, bytes_used = bytes_used + new.bytes_used,"
    " hash = chexor(hash, new.name, new.put_timestamp || '-' || new.delete_timestamp || '-' ||"
    " new.object_count || '-' || new.bytes_used); END;"
    "CREATE TRIGGER container_update BEFORE UPDATE ON container BEGIN"
    " SELECT RAISE(FAIL, 'UPDATE not allowed; DELETE and INSERT'); END;"
    "CREATE TRIGGER container_delete AFTER DELETE ON container BEGIN"
    " UPDATE account_stat SET container_count = container_count - (1 - old.deleted),"
    " object_count = object_count - old.object_count, bytes_used = bytes_used - old.bytes_used,"
    " hash = chexor(hash, old.name, old.put_timestamp || '-' || old.delete_timestamp || '-' ||"
    " old.object_count || '-' || old.bytes_used); END;"
    "CREATE TRIGGER container_insert_ps AFTER INSERT ON container BEGIN"
    " INSERT OR IGNORE INTO policy_stat (storage_policy_index, container_count, object_count, bytes_used)"
    " VALUES (new.storage_policy_index, 0, 0, 0);"
    " UPDATE policy_stat SET container_count = container_count + (1 - new.deleted),"
    " object_count = object_count + new.object_count, bytes_used = bytes_used + new.bytes_used"
    " WHERE storage_policy_index = new.storage_policy_index; END;"
    "CREATE TRIGGER container_delete_ps AFTER DELETE ON container BEGIN"
    " UPDATE policy_stat SET container_count = container_count - (1 - old.deleted),"
    " object_count = object_count - old.object_count, bytes_used = bytes_used - old.bytes_used"
    " WHERE storage_policy_index = old.storage_policy_index; END;"
    "CREATE TABLE account_stat (account TEXT, created_at TEXT, put_timestamp TEXT DEFAULT '0',"
    " delete_timestamp TEXT DEFAULT '0', container_count INTEGER, object_count INTEGER DEFAULT 0,"
    " bytes_used INTEGER DEFAULT 0, hash TEXT DEFAULT '00000000000000000000000000000000', id TEXT,"
    " status TEXT DEFAULT '', status_changed_at TEXT DEFAULT '0', metadata TEXT DEFAULT '');"
    "CREATE TABLE policy_stat (storage_policy_index INTEGER PRIMARY KEY, container_count INTEGER DEFAULT 0,"
    " object_count INTEGER DEFAULT 0, bytes_used INTEGER DEFAULT 0);";

static int create_schema(struct db_broker *b, sqlite3 *conn, struct str put_timestamp, int64_t policy)
{
    char now[TIMESTAMP_INTERNAL_SIZE];
    sqlite3_stmt *stmt;

    int rc = sqlite3_exec(conn, schema, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(conn,
                                "INSERT INTO account_stat (container_count, account, created_at, id,"
                                " put_timestamp, status_changed_at) VALUES (0, ?1, ?2, ?3, ?4, ?4)",
                                -1, &stmt, NULL);
    if (rc != SQLITE_OK)
        return rc;
    db_bind(stmt, 1, b->account);
    db_bind(stmt, 2, str_from(timestamp_internal(timestamp_now(), now)));
    db_bind(stmt, 3, db_new_id(b));
    db_bind(stmt, 4, put_timestamp);
    rc = sqlite3_step(stmt);
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* --- merging ------------------------------------------------------------------------------------------------------------ */

/* Is a later than b? Text that is no timestamp counts as zero. */
static bool is_later(struct str a, struct str b)
{
    struct timestamp ta = TIMESTAMP_ZERO, tb = TIMESTAMP_ZERO;

    timestamp_parse(a, &ta);
    timestamp_parse(b, &tb);
    return timestamp_cmp(ta, tb) > 0;
}

static bool is_zero(const struct account_row *row)
{
    return row->count_null || row->object_count == 0;
}

/* Completes the item from the row of the same name, if there is one. 1: found, 0, -errno. */
static int merge_with_existing(struct db_broker *b, struct account_row *row)
{
    sqlite3_stmt *stmt;

    int err = db_prepare(b, &stmt,
                         "SELECT put_timestamp, delete_timestamp, object_count, bytes_used FROM container"
                         " WHERE name = ?1 AND deleted IN (0, 1)");
    if (err)
        return err;
    db_bind(stmt, 1, row->name);
    err = db_step(b, stmt);
    if (err <= 0)
        return err;
    struct str put = db_column(b, stmt, 0), del = db_column(b, stmt, 1);
    if (!row->put_timestamp.p || is_later(put, row->put_timestamp))
        row->put_timestamp = put;
    if (!row->delete_timestamp.p || is_later(del, row->delete_timestamp))
        row->delete_timestamp = del;
    if (row->count_null && sqlite3_column_type(stmt, 2) != SQLITE_NULL) {
        row->object_count = sqlite3_column_int64(stmt, 2);
        row->count_null = false;
    }
    if (row->bytes_null && sqlite3_column_type(stmt, 3) != SQLITE_NULL) {
        row->bytes_used = sqlite3_column_int64(stmt, 3);
        row->bytes_null = false;
    }
    sqlite3_reset(stmt);
    row->deleted = is_later(row->delete_timestamp, row->put_timestamp) && is_zero(row);
    return 1;
}

static int delete_row(struct db_broker *b, struct str name)
{
    sqlite3_stmt *stmt;

    int err = db_prepare(b, &stmt, "DELETE FROM container WHERE name = ?1 AND deleted IN (0, 1)");
    if (err)
        return err;
    db_bind(stmt, 1, name);
    return db_run(b, stmt);
}

static void bind_int(sqlite3_stmt *stmt, int i, int64_t v, bool null)
{
    if (null)
        sqlite3_bind_null(stmt, i);
    else
        sqlite3_bind_int64(stmt, i, v);
}

static int insert_row(struct db_broker *b, const struct account_row *row)
{
    sqlite3_stmt *stmt;

    int err = db_prepare(b, &stmt,
                         "INSERT INTO container (name, put_timestamp, delete_timestamp, object_count,"
                         " bytes_used, deleted, storage_policy_index) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
    if (err)
        return err;
    db_bind(stmt, 1, row->name);
    db_bind(stmt, 2, row->put_timestamp);
    db_bind(stmt, 3, row->delete_timestamp);
    bind_int(stmt, 4, row->object_count, row->count_null);
    bind_int(stmt, 5, row->bytes_used, row->bytes_null);
    sqlite3_bind_int(stmt, 6, row->deleted);
    sqlite3_bind_int64(stmt, 7, row->policy);
    return db_run(b, stmt);
}

static int merge_in_transaction(struct db_broker *b, struct account_row *rows, size_t n, struct str source)
{
    int64_t max_rowid = -1;

    for (size_t i = 0; i < n; i++) {
        int err = merge_with_existing(b, &rows[i]);
        if (err == 1)
            err = delete_row(b, rows[i].name);
        if (!err)
            err = insert_row(b, &rows[i]);
        if (err)
            return err;
        if (rows[i].rowid > max_rowid)
            max_rowid = rows[i].rowid;
    }
    return source.p ? db_merge_sync(b, true, source, max_rowid) : 0;
}

int account_merge_rows(struct db_broker *b, struct account_row *rows, size_t n, struct str source)
{
    int err = db_begin(b);
    return err ? err : db_end(b, merge_in_transaction(b, rows, n, source));
}

static bool row_from_tuple(const struct pickle_value *t, struct account_row *row)
{
    *row = (struct account_row){.name = db_pending_text(t, 0),
                                .put_timestamp = db_pending_text(t, 1),
                                .delete_timestamp = db_pending_text(t, 2),
                                .deleted = db_pending_int(t, 5, 0, NULL) != 0,
                                .policy = db_pending_int(t, 6, 0, NULL)};
    row->object_count = db_pending_int(t, 3, 0, &row->count_null);
    row->bytes_used = db_pending_int(t, 4, 0, &row->bytes_null);
    return t->list.n >= 6 && row->name.p;
}

static int merge_pending(struct db_broker *b, const struct db_pending *pending)
{
    struct account_row *rows = arena_alloc(b->arena, pending->n * sizeof(*rows));
    size_t n = 0;

    for (size_t i = 0; i < pending->n; i++)
        if (row_from_tuple(pending->v[i], &rows[n]))
            n++;
    if (n < pending->n)
        log_error("%s: %zu deferred rows without a name dropped", b->path, pending->n - n);
    return n ? account_merge_rows(b, rows, n, STR_NONE) : 0;
}

int account_put_row(struct db_broker *b, struct account_row *row)
{
    struct timestamp put, del;
    struct buf pickle;

    if (timestamp_parse(row->put_timestamp, &put) < 0 || timestamp_parse(row->delete_timestamp, &del) < 0)
        return -EINVAL;
    row->deleted = timestamp_cmp(del, put) > 0 && is_zero(row);
    buf_init(&pickle, 1u << 20);
    pickle_begin(&pickle);
    pickle_tuple_begin(&pickle);
    pickle_text(&pickle, row->name);
    pickle_text(&pickle, row->put_timestamp);
    pickle_text(&pickle, row->delete_timestamp);
    pickle_int(&pickle, row->object_count);
    pickle_int(&pickle, row->bytes_used);
    pickle_int(&pickle, row->deleted);
    pickle_int(&pickle, row->policy);
    pickle_tuple_end(&pickle);
    pickle_end(&pickle);
    int err = buf_error(&pickle);
    if (!err)
        err = db_put_record(b, arena_str(b->arena, buf_view(&pickle)));
    buf_release(&pickle);
    return err;
}

/* --- reading ------------------------------------------------------------------------------------------------------------- */

static int read_stat(struct db_broker *b, struct account_info *info)
{
    sqlite3_stmt *stmt;

    int err =
        db_prepare(b, &stmt,
                   "SELECT account, created_at, put_timestamp, delete_timestamp, status, status_changed_at,"
                   " hash, id, container_count, object_count, bytes_used FROM account_stat");
    if (err)
        return err;
    err = db_step(b, stmt);
    if (err < 0)
        return err;
    if (err == 0)
        return db_damaged(b, "missing row in account_stat table");
    *info = (struct account_info){.account = db_column(b, stmt, 0),
                                  .created_at = db_column(b, stmt, 1),
                                  .put_timestamp = db_column(b, stmt, 2),
                                  .delete_timestamp = db_column(b, stmt, 3),
                                  .status = db_column(b, stmt, 4),
                                  .status_changed_at = db_column(b, stmt, 5),
                                  .hash = db_column(b, stmt, 6),
                                  .id = db_column(b, stmt, 7),
                                  .container_count = sqlite3_column_int64(stmt, 8),
                                  .object_count = sqlite3_column_int64(stmt, 9),
                                  .bytes_used = sqlite3_column_int64(stmt, 10)};
    sqlite3_reset(stmt);
    bool status = str_eq(info->status, STR("DELETED"));
    info->deleted =
        status || (info->container_count == 0 && is_later(info->delete_timestamp, info->put_timestamp));
    info->status_deleted = status || str_cmp(info->delete_timestamp, info->put_timestamp) > 0;
    return 0;
}

static int read_policies(struct db_broker *b, struct account_info *info)
{
    sqlite3_stmt *stmt;
    size_t cap = 0;
    int got;

    int err = db_prepare(b, &stmt,
                         "SELECT storage_policy_index, container_count, object_count, bytes_used"
                         " FROM policy_stat ORDER BY storage_policy_index");
    if (err)
        return err;
    while ((got = db_step(b, stmt)) == 1) {
        if (info->n_policies == cap) {
            cap = cap ? 2 * cap : 4;
            struct account_policy_stat *v = arena_alloc(b->arena, cap * sizeof(*v));
            if (info->n_policies)
                memcpy(v, info->policies, info->n_policies * sizeof(*v));
            info->policies = v;
        }
        info->policies[info->n_policies++] =
            (struct account_policy_stat){.policy = sqlite3_column_int64(stmt, 0),
                                         .container_count = sqlite3_column_int64(stmt, 1),
                                         .object_count = sqlite3_column_int64(stmt, 2),
                                         .bytes_used = sqlite3_column_int64(stmt, 3)};
    }
    return got;
}

int account_info_read(struct db_broker *b, struct account_info *ret)
{
    int err = db_broker_open(b);
    if (!err)
        err = db_commit_pending(b);
    if (!err)
        err = read_stat(b, ret);
    return err ? err : read_policies(b, ret);
}

static int is_deleted(struct db_broker *b)
{
    struct account_info info;
    int err = read_stat(b, &info);
    return err ? err : info.deleted;
}

int account_is_deleted(struct db_broker *b, bool *ret)
{
    struct account_info info;

    int err = read_stat(b, &info);
    /* By its numbers and not by its status: a container that was put since is still in the deferred rows. */
    if (!err && info.deleted && !str_eq(info.status, STR("DELETED"))) {
        err = db_commit_pending(b);
        if (!err)
            err = read_stat(b, &info);
    }
    if (!err)
        *ret = info.deleted;
    return err;
}

static void list_row(void *arg, struct str name, sqlite3_stmt *stmt)
{
    db_listing_container(arg, name, sqlite3_column_int64(stmt, 1), sqlite3_column_int64(stmt, 2),
                         db_column_ref(stmt, 3));
}

static void list_subdir(void *arg, struct str name)
{
    db_listing_subdir(arg, name);
}

int account_list(struct db_broker *b, const struct db_listing *q, struct db_listing_writer *w)
{
    struct db_listing_sink sink = {list_row, list_subdir, w};

    int err = db_broker_open(b);
    if (!err)
        err = db_commit_pending(b);
    return err ? err : db_list(b, "object_count, bytes_used, put_timestamp", -1, q, &sink);
}

const struct db_kind account_broker_kind = {
    .type = "account",
    .datadir = "accounts",
    .rows = "container",
    .stat = "account_stat",
    .create = create_schema,
    .merge_pending = merge_pending,
    .is_deleted = is_deleted,
};
