/* SPDX-License-Identifier: Apache-2.0 */
#include "container/container_broker.h"

#include <errno.h>

#include "common/url.h"
#include "container/container_rows.h"
#include "container/swift_bytes.h"

/* --- schema --------------------------------------------------------------------------------------------------------------- */

static const char schema[] =
    "CREATE TABLE object (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, created_at TEXT, size INTEGER,"
    " content_type TEXT, etag TEXT, deleted INTEGER DEFAULT 0, storage_policy_index INTEGER DEFAULT 0);"
    "CREATE INDEX ix_object_deleted_name ON object (deleted, name);"
    "CREATE TRIGGER object_update BEFORE UPDATE ON object BEGIN"
    " SELECT RAISE(FAIL, 'UPDATE not allowed; DELETE and INSERT'); END;"
    "CREATE TRIGGER object_insert_policy_stat AFTER INSERT ON object BEGIN"
    " UPDATE policy_stat SET object_count = object_count + (1 - new.deleted), bytes_used = bytes_used + "
    "new.size"
    " WHERE storage_policy_index = new.storage_policy_index;"
    " INSERT INTO policy_stat (storage_policy_index, object_count, bytes_used)"
    " SELECT new.storage_policy_index, (1 - new.deleted), new.size"
    " WHERE NOT EXISTS (SELECT changes() AS change FROM policy_stat WHERE change <> 0);"
    " UPDATE container_info SET hash = chexor(hash, new.name, new.created_at); END;"
    "CREATE TRIGGER object_delete_policy_stat AFTER DELETE ON object BEGIN"
    " UPDATE policy_stat SET object_count = object_count - (1 - old.deleted), bytes_used = bytes_used - "
    "old.size"
    " WHERE storage_policy_index = old.storage_policy_index;"
    " UPDATE container_info SET hash = chexor(hash, old.name, old.created_at); END;"
    "CREATE TABLE policy_stat (storage_policy_index INTEGER PRIMARY KEY, object_count INTEGER DEFAULT 0,"
    " bytes_used INTEGER DEFAULT 0);"
    "CREATE TABLE container_info (account TEXT, container TEXT, created_at TEXT, put_timestamp TEXT DEFAULT "
    "'0',"
    " delete_timestamp TEXT DEFAULT '0', reported_put_timestamp TEXT DEFAULT '0',"
    " reported_delete_timestamp TEXT DEFAULT '0', reported_object_count INTEGER DEFAULT 0,"
    " reported_bytes_used INTEGER DEFAULT 0, hash TEXT DEFAULT '00000000000000000000000000000000', id TEXT,"
    " status TEXT DEFAULT '', status_changed_at TEXT DEFAULT '0', metadata TEXT DEFAULT '',"
    " x_container_sync_point1 INTEGER DEFAULT -1, x_container_sync_point2 INTEGER DEFAULT -1,"
    " storage_policy_index INTEGER DEFAULT 0, reconciler_sync_point INTEGER DEFAULT -1);"
    "CREATE VIEW container_stat AS SELECT ci.account, ci.container, ci.created_at, ci.put_timestamp,"
    " ci.delete_timestamp, ci.reported_put_timestamp, ci.reported_delete_timestamp, ci.reported_object_count,"
    " ci.reported_bytes_used, ci.hash, ci.id, ci.status, ci.status_changed_at, ci.metadata,"
    " ci.x_container_sync_point1, ci.x_container_sync_point2, ci.reconciler_sync_point, "
    "ci.storage_policy_index,"
    " coalesce(ps.object_count, 0) AS object_count, coalesce(ps.bytes_used, 0) AS bytes_used"
    " FROM container_info ci LEFT JOIN policy_stat ps ON ci.storage_policy_index = ps.storage_policy_index;"
    "CREATE TRIGGER container_stat_update INSTEAD OF UPDATE ON container_stat BEGIN"
    " UPDATE container_info SET account = NEW.account, container = NEW.container, created_at = "
    "NEW.created_at,"
    " put_timestamp = NEW.put_timestamp, delete_timestamp = NEW.delete_timestamp,"
    " reported_put_timestamp = NEW.reported_put_timestamp,"
    " reported_delete_timestamp = NEW.reported_delete_timestamp,"
    " reported_object_count = NEW.reported_object_count, reported_bytes_used = NEW.reported_bytes_used,"
    " hash = NEW.hash, id = NEW.id, status = NEW.status, status_changed_at = NEW.status_changed_at,"
    " metadata = NEW.metadata, x_container_sync_point1 = NEW.x_container_sync_point1,"
    " x_container_sync_point2 = NEW.x_container_sync_point2, storage_policy_index = NEW.storage_policy_index,"
    " reconciler_sync_point = NEW.reconciler_sync_point; END;"
    "CREATE TABLE shard_range (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, timestamp TEXT, lower "
    "TEXT,"
    " upper TEXT, object_count INTEGER DEFAULT 0, bytes_used INTEGER DEFAULT 0, meta_timestamp TEXT,"
    " deleted INTEGER DEFAULT 0, state INTEGER, state_timestamp TEXT, epoch TEXT, reported INTEGER DEFAULT 0,"
    " tombstones INTEGER DEFAULT -1);"
    "CREATE TRIGGER shard_range_update BEFORE UPDATE ON shard_range BEGIN"
    " SELECT RAISE(FAIL, 'UPDATE not allowed; DELETE and INSERT'); END;";

static int create_schema(struct db_broker *b, sqlite3 *conn, struct str put_timestamp, int64_t policy)
{
    char now[TIMESTAMP_INTERNAL_SIZE];
    sqlite3_stmt *stmt;

    int rc = sqlite3_exec(conn, schema, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(conn, "INSERT INTO policy_stat (storage_policy_index) VALUES (?1)", -1, &stmt,
                                NULL);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_bind_int64(stmt, 1, policy);
    rc = sqlite3_step(stmt);
    sqlite3_finalize(stmt);
    if (rc != SQLITE_DONE)
        return rc;
    rc = sqlite3_prepare_v2(conn,
                            "INSERT INTO container_info (account, container, created_at, id, put_timestamp,"
                            " status_changed_at, storage_policy_index) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)",
                            -1, &stmt, NULL);
    if (rc != SQLITE_OK)
        return rc;
    db_bind(stmt, 1, b->account);
    db_bind(stmt, 2, b->container);
    db_bind(stmt, 3, str_from(timestamp_internal(timestamp_now(), now)));
    db_bind(stmt, 4, db_new_id(b));
    db_bind(stmt, 5, put_timestamp);
    sqlite3_bind_int64(stmt, 6, policy);
    rc = sqlite3_step(stmt);
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int read_stat(struct db_broker *b, struct container_info *info)
{
    sqlite3_stmt *stmt;

    int err = db_prepare(b, &stmt,
                         "SELECT account, container, created_at, put_timestamp, delete_timestamp, status,"
                         " status_changed_at, hash, id, reported_put_timestamp, reported_delete_timestamp,"
                         " reported_object_count, reported_bytes_used, object_count, bytes_used,"
                         " storage_policy_index, x_container_sync_point1, x_container_sync_point2"
                         " FROM container_stat");
    if (err)
        return err;
    err = db_step(b, stmt);
    if (err < 0)
        return err;
    if (err == 0)
        return db_damaged(b, "missing row in container_stat table");
    *info = (struct container_info){.account = db_column(b, stmt, 0),
                                    .container = db_column(b, stmt, 1),
                                    .created_at = db_column(b, stmt, 2),
                                    .put_timestamp = db_column(b, stmt, 3),
                                    .delete_timestamp = db_column(b, stmt, 4),
                                    .status = db_column(b, stmt, 5),
                                    .status_changed_at = db_column(b, stmt, 6),
                                    .hash = db_column(b, stmt, 7),
                                    .id = db_column(b, stmt, 8),
                                    .reported_put_timestamp = db_column(b, stmt, 9),
                                    .reported_delete_timestamp = db_column(b, stmt, 10),
                                    .reported_object_count = sqlite3_column_int64(stmt, 11),
                                    .reported_bytes_used = sqlite3_column_int64(stmt, 12),
                                    .object_count = sqlite3_column_int64(stmt, 13),
                                    .bytes_used = sqlite3_column_int64(stmt, 14),
                                    .policy = sqlite3_column_int64(stmt, 15),
                                    .sync_point1 = sqlite3_column_int64(stmt, 16),
                                    .sync_point2 = sqlite3_column_int64(stmt, 17)};
    sqlite3_reset(stmt);
    return 0;
}

/* --- shard ranges, as far as counts and states need them ------------------------------------------------------------------ */

static struct str own_path(struct db_broker *b, const struct container_info *info)
{
    return arena_join(b->arena, info->account, STR("/"), info->container, STR_END);
}

struct own_range {
    bool exists, deleted;
    int64_t state;
    struct str epoch;
};

static int read_own_range(struct db_broker *b, struct str path, struct own_range *ret)
{
    sqlite3_stmt *stmt;

    *ret = (struct own_range){0};
    int err = db_prepare(b, &stmt, "SELECT deleted, state, epoch FROM shard_range WHERE name = ?1");
    if (err)
        return err;
    db_bind(stmt, 1, path);
    err = db_step(b, stmt);
    if (err <= 0)
        return err;
    *ret = (struct own_range){true, sqlite3_column_int(stmt, 0) != 0, sqlite3_column_int64(stmt, 1),
                              db_column(b, stmt, 2)};
    sqlite3_reset(stmt);
    return 0;
}

static int has_other_ranges(struct db_broker *b, struct str path, bool *ret)
{
    sqlite3_stmt *stmt;

    int err = db_prepare(b, &stmt, "SELECT 1 FROM shard_range WHERE deleted = 0 AND name <> ?1 LIMIT 1");
    if (err)
        return err;
    db_bind(stmt, 1, path);
    err = db_step(b, stmt);
    *ret = err == 1;
    sqlite3_reset(stmt);
    return err < 0 ? err : 0;
}

/* Sums over the shards that report: active, shrinking, sharding. */
static int read_shard_usage(struct db_broker *b, struct str path, int64_t *objects, int64_t *bytes)
{
    sqlite3_stmt *stmt;

    int err =
        db_prepare(b, &stmt,
                   "SELECT coalesce(sum(object_count), 0), coalesce(sum(bytes_used), 0) FROM shard_range"
                   " WHERE deleted = 0 AND state IN (40, 50, 60) AND name <> ?1");
    if (err)
        return err;
    db_bind(stmt, 1, path);
    err = db_step(b, stmt);
    if (err == 1) {
        *objects = sqlite3_column_int64(stmt, 0);
        *bytes = sqlite3_column_int64(stmt, 1);
        sqlite3_reset(stmt);
    }
    return err < 0 ? err : 0;
}

/* The epoch in "<hash>_<epoch>.db". */
static struct str epoch_of(const char *path)
{
    struct str s = str_from(path);
    ssize_t underscore = str_rfind(s, '_');

    return underscore < 0 ? STR_NONE : str_slice(s, (size_t)underscore + 1, s.n - 3);
}

static int read_state(struct db_broker *b, struct str path, enum container_state *ret)
{
    struct own_range own;
    bool others;

    *ret = CONTAINER_UNSHARDED;
    if (b->retiring)
        *ret = CONTAINER_SHARDING;
    if (b->retiring || strcmp(b->path, b->base) == 0 || b->skip_pending)
        return 0;
    int err = read_own_range(b, path, &own);
    if (err || !own.exists || !str_eq(own.epoch, epoch_of(b->path)))
        return err;
    err = has_other_ranges(b, path, &others);
    if (!err)
        *ret = others ? CONTAINER_SHARDED : CONTAINER_COLLAPSED;
    return err;
}

static int is_root(struct db_broker *b, struct str path, bool *ret)
{
    struct db_metadata m;
    struct own_range own;

    int err = db_metadata_read(b, &m);
    if (err)
        return err;
    const struct db_metadata_item *root = db_metadata_find(&m, STR("X-Container-Sysmeta-Shard-Quoted-Root"));
    if (root && root->value.n) {
        *ret = str_eq(url_unquote(b->arena, root->value), path);
        return 0;
    }
    root = db_metadata_find(&m, STR("X-Container-Sysmeta-Shard-Root"));
    if (root && root->value.n) {
        *ret = str_eq(root->value, path);
        return 0;
    }
    err = read_own_range(b, path, &own);
    *ret = !(own.exists && own.deleted);
    return err;
}

int container_find_shard(struct db_broker *b, struct str object, struct container_shard *ret)
{
    struct container_info info;
    sqlite3_stmt *stmt;

    int err = read_stat(b, &info);
    /* Several: the smallest upper bound ('' is above all), then the lowest state. */
    if (!err)
        err = db_prepare(
            b, &stmt,
            "SELECT name, timestamp FROM shard_range WHERE deleted = 0 AND state IN (20, 30, 40, 60)"
            " AND name <> ?1 AND lower < ?2 AND (upper = '' OR upper >= ?2)"
            " ORDER BY upper = '', upper, state, lower, name LIMIT 1");
    if (err)
        return err;
    db_bind(stmt, 1, own_path(b, &info));
    db_bind(stmt, 2, object);
    err = db_step(b, stmt);
    if (err == 1) {
        *ret = (struct container_shard){db_column(b, stmt, 0), db_column(b, stmt, 1)};
        sqlite3_reset(stmt);
    }
    return err;
}

/* --- info ------------------------------------------------------------------------------------------------------------------- */

const char *container_state_name(enum container_state s)
{
    static const char *const names[] = {"unsharded", "sharding", "sharded", "collapsed"};
    return names[s];
}

/* Counts of the older file, which listings are made from while sharding. */
static int read_retiring_counts(struct db_broker *b, struct container_info *info)
{
    struct db_broker older;
    struct container_info other;

    db_broker_init_retiring(&older, b);
    int err = read_stat(&older, &other);
    db_broker_release(&older);
    if (!err) {
        info->object_count = other.object_count;
        info->bytes_used = other.bytes_used;
    }
    return err;
}

static int read_info(struct db_broker *b, struct container_info *info)
{
    struct timestamp put = TIMESTAMP_ZERO, del = TIMESTAMP_ZERO;
    bool root = false;

    int err = read_stat(b, info);
    if (!err)
        err = read_state(b, own_path(b, info), &info->state);
    if (!err && info->state == CONTAINER_SHARDING)
        err = read_retiring_counts(b, info);
    if (!err && info->state == CONTAINER_SHARDED)
        err = is_root(b, own_path(b, info), &root);
    if (!err && root)
        err = read_shard_usage(b, own_path(b, info), &info->object_count, &info->bytes_used);
    if (err)
        return err;
    timestamp_parse(info->put_timestamp, &put);
    timestamp_parse(info->delete_timestamp, &del);
    info->deleted = info->object_count == 0 && timestamp_cmp(del, put) > 0;
    return 0;
}

static int open_merged(struct db_broker *b)
{
    int err = db_broker_open(b);
    return err ? err : db_commit_pending(b);
}

int container_info_read(struct db_broker *b, struct container_info *ret)
{
    int err = open_merged(b);
    return err ? err : read_info(b, ret);
}

static int is_deleted(struct db_broker *b)
{
    struct container_info info;
    int err = read_info(b, &info);
    return err ? err : info.deleted;
}

int container_is_root(struct db_broker *b, bool *ret)
{
    struct container_info info;
    int err = db_broker_open(b);
    if (!err)
        err = read_stat(b, &info);
    return err ? err : is_root(b, own_path(b, &info), ret);
}

static int max_count(struct db_broker *b, int64_t *ret)
{
    sqlite3_stmt *stmt;

    int err = db_prepare(b, &stmt, "SELECT max(object_count) FROM policy_stat");
    if (err)
        return err;
    err = db_step(b, stmt);
    if (err < 0)
        return err;
    *ret = err == 1 ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    return 0;
}

/* A root whose objects are in shards: their numbers count. */
static int shards_are_empty(struct db_broker *b, bool *ret)
{
    struct container_info info;
    struct own_range own;
    int64_t objects = 0, bytes = 0;
    bool root, others;

    int err = read_stat(b, &info);
    struct str path = own_path(b, &info);
    if (!err)
        err = is_root(b, path, &root);
    if (err || !root)
        return err;
    err = read_own_range(b, path, &own);
    if (err || !own.exists || own.state < 50 || own.state > 80)
        return err;
    err = has_other_ranges(b, path, &others);
    if (!err && others)
        err = read_shard_usage(b, path, &objects, &bytes);
    *ret = objects <= 0;
    return err;
}

int container_is_empty(struct db_broker *b, bool *ret)
{
    int64_t count = 0, older_count = 0;

    int err = open_merged(b);
    if (!err)
        err = max_count(b, &count);
    if (!err && b->retiring) {
        struct db_broker older;
        db_broker_init_retiring(&older, b);
        err = max_count(&older, &older_count);
        db_broker_release(&older);
    }
    *ret = count == 0 && older_count == 0;
    return err || !*ret ? err : shards_are_empty(b, ret);
}

/* --- changes ------------------------------------------------------------------------------------------------------------------ */

static int set_policy(struct db_broker *b, int64_t policy, struct str timestamp)
{
    sqlite3_stmt *stmt;

    int err = db_prepare(b, &stmt, "INSERT OR IGNORE INTO policy_stat (storage_policy_index) VALUES (?1)");
    if (err)
        return err;
    sqlite3_bind_int64(stmt, 1, policy);
    err = db_run(b, stmt);
    if (!err)
        err = db_prepare(b, &stmt,
                         "UPDATE container_info SET storage_policy_index = ?1,"
                         " status_changed_at = max(?2, status_changed_at) WHERE storage_policy_index <> ?1");
    if (err)
        return err;
    sqlite3_bind_int64(stmt, 1, policy);
    db_bind(stmt, 2, timestamp);
    return db_run(b, stmt);
}

int container_set_policy(struct db_broker *b, int64_t policy, struct str timestamp)
{
    int err = db_begin(b);
    return err ? err : db_end(b, set_policy(b, policy, timestamp));
}

int container_set_sync_points(struct db_broker *b, int64_t point1, int64_t point2)
{
    sqlite3_stmt *stmt;

    int err = db_begin(b);
    if (err)
        return err;
    err = db_prepare(b, &stmt,
                     "UPDATE container_info SET x_container_sync_point1 = ?1, x_container_sync_point2 = ?2");
    if (!err) {
        sqlite3_bind_int64(stmt, 1, point1);
        sqlite3_bind_int64(stmt, 2, point2);
        err = db_run(b, stmt);
    }
    return db_end(b, err);
}

int container_set_reported(struct db_broker *b, const struct container_info *reported)
{
    sqlite3_stmt *stmt;

    int err = db_begin(b);
    if (err)
        return err;
    err = db_prepare(b, &stmt,
                     "UPDATE container_info SET reported_put_timestamp = ?1, reported_delete_timestamp = ?2,"
                     " reported_object_count = ?3, reported_bytes_used = ?4");
    if (!err) {
        db_bind(stmt, 1, reported->put_timestamp);
        db_bind(stmt, 2, reported->delete_timestamp);
        sqlite3_bind_int64(stmt, 3, reported->object_count);
        sqlite3_bind_int64(stmt, 4, reported->bytes_used);
        err = db_run(b, stmt);
    }
    return db_end(b, err);
}

/* --- listing ------------------------------------------------------------------------------------------------------------------- */

struct list_arg {
    struct db_listing_writer *w;
    struct arena *scratch; /* forgotten after each row */
};

/* Columns: created_at, size, content_type, etag. */
static void list_row(void *arg, struct str name, sqlite3_stmt *stmt)
{
    struct list_arg *l = arg;
    struct timestamp t[3] = {TIMESTAMP_ZERO, TIMESTAMP_ZERO, TIMESTAMP_ZERO};
    struct str swift_bytes;
    int64_t bytes = sqlite3_column_int64(stmt, 2);

    timestamp_decode(db_column_ref(stmt, 1), t, NULL);
    struct str content_type = swift_bytes_split(l->scratch, db_column_ref(stmt, 3), &swift_bytes);
    if (swift_bytes.p)
        str_to_i64(str_trim(swift_bytes), &bytes);
    db_listing_object(l->w, name, db_column_ref(stmt, 4), bytes, content_type, t[2]);
    arena_reset(l->scratch);
}

static void list_subdir(void *arg, struct str name)
{
    struct list_arg *l = arg;
    db_listing_subdir(l->w, name);
}

int container_list(struct db_broker *b, int64_t policy, const struct db_listing *q,
                   struct db_listing_writer *w)
{
    static const char columns[] = "created_at, size, content_type, etag";
    struct list_arg arg = {w, NULL};
    struct db_listing_sink sink = {list_row, list_subdir, &arg};

    int err = open_merged(b);
    if (err)
        return err;
    arg.scratch = arena_new();
    if (b->retiring) {
        struct db_broker older;
        db_broker_init_retiring(&older, b);
        err = db_list(&older, columns, policy, q, &sink);
        db_broker_release(&older);
    } else {
        err = db_list(b, columns, policy, q, &sink);
    }
    arena_free(arg.scratch);
    return err;
}

static const char *const kept_metadata[] = {"x-container-sysmeta-shard-quoted-root",
                                            "x-container-sysmeta-shard-root", "x-container-sysmeta-sharding",
                                            NULL};

const struct db_kind container_broker_kind = {
    .type = "container",
    .datadir = "containers",
    .rows = "object",
    .stat = "container_info",
    .kept_metadata = kept_metadata,
    .epochs = true,
    .create = create_schema,
    .merge_pending = container_merge_pending,
    .is_deleted = is_deleted,
};
