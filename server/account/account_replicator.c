/* SPDX-License-Identifier: Apache-2.0 */
#include "account/account_replicator.h"

#include <errno.h>

#include "account/account_broker.h"

static int info(struct db_broker *b, json_t *ret)
{
    struct account_info i;

    int err = account_info_read(b, &i);
    if (err)
        return err;
    json_object_set_new(ret, "account", db_json_str(i.account));
    json_object_set_new(ret, "created_at", db_json_str(i.created_at));
    json_object_set_new(ret, "put_timestamp", db_json_str(i.put_timestamp));
    json_object_set_new(ret, "delete_timestamp", db_json_str(i.delete_timestamp));
    json_object_set_new(ret, "status_changed_at", db_json_str(i.status_changed_at));
    json_object_set_new(ret, "count", json_integer(i.container_count));
    json_object_set_new(ret, "object_count", json_integer(i.object_count));
    json_object_set_new(ret, "bytes_used", json_integer(i.bytes_used));
    json_object_set_new(ret, "hash", db_json_str(i.hash));
    json_object_set_new(ret, "id", db_json_str(i.id));
    return 0;
}

static bool row_from_json(struct arena *a, const json_t *o, struct account_row *row)
{
    *row = (struct account_row){.name = db_json_text(a, json_object_get(o, "name")),
                                .put_timestamp = db_json_text(a, json_object_get(o, "put_timestamp")),
                                .delete_timestamp = db_json_text(a, json_object_get(o, "delete_timestamp")),
                                .deleted = db_json_int(json_object_get(o, "deleted"), NULL) != 0,
                                .policy = db_json_int(json_object_get(o, "storage_policy_index"), NULL),
                                .rowid = db_json_int(json_object_get(o, "ROWID"), NULL)};
    row->object_count = db_json_int(json_object_get(o, "object_count"), &row->count_null);
    row->bytes_used = db_json_int(json_object_get(o, "bytes_used"), &row->bytes_null);
    return row->name.p;
}

static int merge_items(struct db_broker *b, const json_t *list, struct str source)
{
    size_t n = json_array_size(list);
    struct account_row *rows = arena_alloc(b->arena, (n ? n : 1) * sizeof(*rows));

    for (size_t i = 0; i < n; i++)
        if (!row_from_json(b->arena, json_array_get(list, i), &rows[i]))
            return -EINVAL;
    return account_merge_rows(b, rows, n, source);
}

static int copy_rows(struct db_broker *from, struct db_broker *to, int64_t *point, int max)
{
    struct account_row *rows = arena_alloc(from->arena, (size_t)max * sizeof(*rows));
    sqlite3_stmt *stmt;
    int n = 0, got;

    int err =
        db_prepare(from, &stmt,
                   "SELECT ROWID, name, put_timestamp, delete_timestamp, object_count, bytes_used, deleted,"
                   " storage_policy_index FROM container WHERE ROWID > ?1 ORDER BY ROWID LIMIT ?2");
    if (err)
        return err;
    sqlite3_bind_int64(stmt, 1, *point);
    sqlite3_bind_int(stmt, 2, max);
    while ((got = db_step(from, stmt)) == 1 && n < max)
        rows[n++] = (struct account_row){.rowid = sqlite3_column_int64(stmt, 0),
                                         .name = db_column(from, stmt, 1),
                                         .put_timestamp = db_column(from, stmt, 2),
                                         .delete_timestamp = db_column(from, stmt, 3),
                                         .object_count = sqlite3_column_int64(stmt, 4),
                                         .count_null = sqlite3_column_type(stmt, 4) == SQLITE_NULL,
                                         .bytes_used = sqlite3_column_int64(stmt, 5),
                                         .bytes_null = sqlite3_column_type(stmt, 5) == SQLITE_NULL,
                                         .deleted = sqlite3_column_int(stmt, 6) != 0,
                                         .policy = sqlite3_column_int64(stmt, 7)};
    if (got < 0 || n == 0)
        return got < 0 ? got : 0;
    *point = rows[n - 1].rowid;
    err = account_merge_rows(to, rows, (size_t)n, STR_NONE);
    return err ? err : n;
}

const struct db_replica_ops account_replica_ops = {
    .info = info, .merge_items = merge_items, .copy_rows = copy_rows};
