/* SPDX-License-Identifier: Apache-2.0 */
#include "container/container_replicator.h"

#include <errno.h>

#include "container/container_broker.h"
#include "container/container_update.h"
#include "container/shard_range.h"

/* --- policies ------------------------------------------------------------------------------------------------------------ */

static bool is_deleted(const struct container_policy_claim *c)
{
    return str_cmp(c->delete_timestamp, c->put_timestamp) > 0 && c->count == 0;
}

static bool was_recreated(const struct container_policy_claim *c)
{
    return str_cmp(c->put_timestamp, c->delete_timestamp) > 0 &&
           str_cmp(c->delete_timestamp, STR("0000000000.00000")) > 0;
}

bool container_policy_prefers_remote(const struct container_policy_claim *local,
                                     const struct container_policy_claim *remote)
{
    bool deleted = is_deleted(local), remote_deleted = is_deleted(remote);
    bool recreated = was_recreated(local), remote_recreated = was_recreated(remote);

    if (deleted || remote_deleted) {
        if (deleted != remote_deleted)
            return deleted; /* the live one is right */
        return str_cmp(remote->status_changed_at, local->status_changed_at) > 0;
    }
    if (recreated != remote_recreated)
        return remote_recreated;
    if (recreated) {
        /* One that was put before the last delete does not know of it. */
        struct str last_delete = str_cmp(local->delete_timestamp, remote->delete_timestamp) > 0
                                     ? local->delete_timestamp
                                     : remote->delete_timestamp;
        if (str_cmp(local->put_timestamp, last_delete) < 0)
            return true;
        if (str_cmp(remote->put_timestamp, last_delete) < 0)
            return false;
    }
    return str_cmp(local->status_changed_at, remote->status_changed_at) > 0;
}

static struct str text_at(struct db_broker *b, const json_t *info, const char *key)
{
    return db_json_text(b->arena, json_object_get(info, key));
}

/* Arguments 8, 9, 10: status_changed_at, count, storage_policy_index; only peers with several policies send them. */
static int sync_policy(struct db_broker *b, const json_t *info, const json_t *args)
{
    char now[TIMESTAMP_INTERNAL_SIZE];
    int64_t ours = db_json_int(json_object_get(info, "storage_policy_index"), NULL);

    if (json_array_size(args) < 11 || db_json_int(json_array_get(args, 10), NULL) == ours)
        return 0;
    const struct container_policy_claim local = {
        text_at(b, info, "put_timestamp"), text_at(b, info, "delete_timestamp"),
        text_at(b, info, "status_changed_at"), db_json_int(json_object_get(info, "count"), NULL)};
    const struct container_policy_claim remote = {
        db_json_text(b->arena, json_array_get(args, 5)), db_json_text(b->arena, json_array_get(args, 6)),
        db_json_text(b->arena, json_array_get(args, 8)), db_json_int(json_array_get(args, 9), NULL)};
    if (!container_policy_prefers_remote(&local, &remote))
        return 0;
    int err = container_set_policy(b, db_json_int(json_array_get(args, 10), NULL),
                                   str_from(timestamp_internal(timestamp_now(), now)));
    return err ? err : 1;
}

/* --- info ------------------------------------------------------------------------------------------------------------------ */

static int info(struct db_broker *b, json_t *ret)
{
    struct container_info i;
    int64_t shard_max_row;

    int err = container_info_read(b, &i);
    if (!err)
        err = db_max_row(b, "shard_range", &shard_max_row);
    if (err)
        return err;
    json_object_set_new(ret, "account", db_json_str(i.account));
    json_object_set_new(ret, "container", db_json_str(i.container));
    json_object_set_new(ret, "created_at", db_json_str(i.created_at));
    json_object_set_new(ret, "put_timestamp", db_json_str(i.put_timestamp));
    json_object_set_new(ret, "delete_timestamp", db_json_str(i.delete_timestamp));
    json_object_set_new(ret, "status", db_json_str(i.status));
    json_object_set_new(ret, "status_changed_at", db_json_str(i.status_changed_at));
    json_object_set_new(ret, "bytes_used", json_integer(i.bytes_used));
    json_object_set_new(ret, "reported_put_timestamp", db_json_str(i.reported_put_timestamp));
    json_object_set_new(ret, "reported_delete_timestamp", db_json_str(i.reported_delete_timestamp));
    json_object_set_new(ret, "reported_object_count", json_integer(i.reported_object_count));
    json_object_set_new(ret, "reported_bytes_used", json_integer(i.reported_bytes_used));
    json_object_set_new(ret, "hash", db_json_str(i.hash));
    json_object_set_new(ret, "id", db_json_str(i.id));
    json_object_set_new(ret, "x_container_sync_point1", json_integer(i.sync_point1));
    json_object_set_new(ret, "x_container_sync_point2", json_integer(i.sync_point2));
    json_object_set_new(ret, "storage_policy_index", json_integer(i.policy));
    json_object_set_new(ret, "db_state", json_string(container_state_name(i.state)));
    json_object_set_new(ret, "count", json_integer(i.object_count));
    json_object_set_new(ret, "shard_max_row", json_integer(shard_max_row));
    return 0;
}

/* --- rows -------------------------------------------------------------------------------------------------------------------- */

static int merge_items(struct db_broker *b, const json_t *list, struct str source)
{
    struct object_row *rows;
    size_t n;

    int err = container_update_rows(b->arena, list, &rows, &n);
    return err ? err : container_merge_rows(b, rows, n, source);
}

static int copy_rows(struct db_broker *from, struct db_broker *to, int64_t *point, int max)
{
    struct object_row *rows = arena_alloc(from->arena, (size_t)max * sizeof(*rows));
    sqlite3_stmt *stmt;
    int n = 0, got;

    int err =
        db_prepare(from, &stmt,
                   "SELECT ROWID, name, created_at, size, content_type, etag, deleted, storage_policy_index"
                   " FROM object WHERE ROWID > ?1 ORDER BY ROWID LIMIT ?2");
    if (err)
        return err;
    sqlite3_bind_int64(stmt, 1, *point);
    sqlite3_bind_int(stmt, 2, max);
    while ((got = db_step(from, stmt)) == 1 && n < max)
        rows[n++] = (struct object_row){.rowid = sqlite3_column_int64(stmt, 0),
                                        .name = db_column(from, stmt, 1),
                                        .created_at = db_column(from, stmt, 2),
                                        .size = sqlite3_column_int64(stmt, 3),
                                        .content_type = db_column(from, stmt, 4),
                                        .etag = db_column(from, stmt, 5),
                                        .deleted = sqlite3_column_int(stmt, 6) != 0,
                                        .policy = sqlite3_column_int64(stmt, 7)};
    if (got < 0 || n == 0)
        return got < 0 ? got : 0;
    *point = rows[n - 1].rowid;
    err = container_merge_rows(to, rows, (size_t)n, STR_NONE);
    return err ? err : n;
}

static int copy_ranges(struct db_broker *from, struct db_broker *to)
{
    struct shard_range *ranges;
    size_t n;

    int err = shard_range_read_all(from, &ranges, &n);
    return err ? err : shard_range_merge(to, ranges, n);
}

/* Nobody has told the account what a copied file says. */
static int new_id(struct db_broker *b)
{
    const struct container_info none = {.put_timestamp = STR("0"), .delete_timestamp = STR("0")};
    return container_set_reported(b, &none);
}

static int refuses_rows(struct db_broker *b)
{
    struct shard_range *ranges;
    struct container_info i;
    bool initiated = false, others = false;
    size_t n;

    int err = container_info_read(b, &i);
    if (!err)
        err = shard_range_read_all(b, &ranges, &n);
    if (err)
        return err;
    struct str own = arena_join(b->arena, i.account, STR("/"), i.container, STR_END);
    for (size_t k = 0; k < n; k++) {
        if (str_eq(ranges[k].name, own))
            initiated = ranges[k].state >= 50 && ranges[k].state <= 80;
        else
            others |= !ranges[k].deleted;
    }
    return initiated && others;
}

/* --- verbs of containers ---------------------------------------------------------------------------------------------------------- */

static int merge_ranges(struct db_job *job, const json_t *list)
{
    struct shard_range *ranges;
    struct buf error;
    size_t n;

    buf_init(&error, 1024);
    int err = shard_range_parse(job->req->arena, list, &ranges, &n, &error);
    buf_release(&error);
    if (!err)
        err = shard_range_merge(&job->broker, ranges, n);
    if (!err)
        error_page(job->rsp, 202);
    return err;
}

static int answer_ranges(struct db_job *job)
{
    struct shard_range *ranges;
    size_t n;

    int err = shard_range_read_all(&job->broker, &ranges, &n);
    if (err)
        return err;
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, shard_range_json(&ranges[i]));
    db_job_answer_json(job, list, "application/json");
    json_decref(list);
    return 0;
}

static bool verb(struct db_job *job, struct str name, const json_t *args, int *ret_err)
{
    if (str_eq(name, STR("merge_shard_ranges")))
        *ret_err = merge_ranges(job, json_array_get(args, 1));
    else if (str_eq(name, STR("get_shard_ranges")))
        *ret_err = answer_ranges(job);
    else
        return false;
    return true;
}

const struct db_replica_ops container_replica_ops = {
    .info = info,
    .sync_more = sync_policy,
    .merge_items = merge_items,
    .copy_rows = copy_rows,
    .copy_more = copy_ranges,
    .new_id = new_id,
    .refuses_rows = refuses_rows,
    .verb = verb,
};
