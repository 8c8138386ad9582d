/* SPDX-License-Identifier: Apache-2.0 */
#include "container/shard_range.h"

#include <errno.h>

#include "db/db_replicate.h"

/* --- JSON ------------------------------------------------------------------------------------------------------------- */

static bool has_keys(const json_t *o, const char **ret_missing)
{
    static const char *const keys[] = {"name",         "timestamp",       "lower",          "upper",
                                       "object_count", "bytes_used",      "meta_timestamp", "deleted",
                                       "state",        "state_timestamp", "epoch"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (!json_object_get(o, keys[i])) {
            *ret_missing = keys[i];
            return false;
        }
    return true;
}

/* A timestamp in its normal form, whatever form it came in. */
static bool normal_time(struct arena *a, const json_t *v, struct str *ret)
{
    struct timestamp t;
    char text[TIMESTAMP_NORMAL_SIZE];

    if (timestamp_parse(db_json_text(a, v), &t) < 0)
        return false;
    *ret = arena_str(a, str_from(timestamp_normal(t, text)));
    return true;
}

static bool parse_one(struct arena *a, const json_t *o, struct shard_range *r, struct buf *error)
{
    const char *missing = NULL;
    const json_t *tombstones = json_object_get(o, "tombstones"), *epoch = json_object_get(o, "epoch");

    if (!has_keys(o, &missing)) {
        buf_printf(error, "'%s'", missing);
        return false;
    }
    *r = (struct shard_range){.name = db_json_text(a, json_object_get(o, "name")),
                              .lower = db_json_text(a, json_object_get(o, "lower")),
                              .upper = db_json_text(a, json_object_get(o, "upper")),
                              .object_count = db_json_int(json_object_get(o, "object_count"), NULL),
                              .bytes_used = db_json_int(json_object_get(o, "bytes_used"), NULL),
                              .deleted = db_json_int(json_object_get(o, "deleted"), NULL) != 0,
                              .state = db_json_int(json_object_get(o, "state"), NULL),
                              .reported = db_json_int(json_object_get(o, "reported"), NULL) != 0,
                              .tombstones = tombstones ? db_json_int(tombstones, NULL) : -1};
    if (!r->name.n || str_find(r->name, '/') <= 0 || !r->lower.p || !r->upper.p ||
        (r->upper.n && str_cmp(r->lower, r->upper) > 0)) {
        buf_puts(error, "a name or bound is wrong");
        return false;
    }
    if (!normal_time(a, json_object_get(o, "timestamp"), &r->timestamp) ||
        !normal_time(a, json_object_get(o, "meta_timestamp"), &r->meta_timestamp) ||
        !normal_time(a, json_object_get(o, "state_timestamp"), &r->state_timestamp) ||
        (!json_is_null(epoch) && !normal_time(a, epoch, &r->epoch))) {
        buf_puts(error, "a timestamp is wrong");
        return false;
    }
    if (r->state < 10 || r->state > 80 || r->state % 10 != 0) {
        buf_printf(error, "Invalid state %lld", (long long)r->state);
        return false;
    }
    return true;
}

int shard_range_parse(struct arena *a, const json_t *list, struct shard_range **ret, size_t *ret_n,
                      struct buf *error)
{
    size_t n = json_array_size(list);
    struct shard_range *v = arena_alloc(a, (n ? n : 1) * sizeof(*v));

    if (!json_is_array(list)) {
        buf_puts(error, "not a list");
        return -EINVAL;
    }
    for (size_t i = 0; i < n; i++)
        if (!parse_one(a, json_array_get(list, i), &v[i], error))
            return -EINVAL;
    *ret = v;
    *ret_n = n;
    return 0;
}

json_t *shard_range_json(const struct shard_range *r)
{
    json_t *o = json_object();

    json_object_set_new(o, "name", db_json_str(r->name));
    json_object_set_new(o, "timestamp", db_json_str(r->timestamp));
    json_object_set_new(o, "lower", db_json_str(r->lower));
    json_object_set_new(o, "upper", db_json_str(r->upper));
    json_object_set_new(o, "object_count", json_integer(r->object_count));
    json_object_set_new(o, "bytes_used", json_integer(r->bytes_used));
    json_object_set_new(o, "meta_timestamp", db_json_str(r->meta_timestamp));
    json_object_set_new(o, "deleted", json_integer(r->deleted));
    json_object_set_new(o, "state", json_integer(r->state));
    json_object_set_new(o, "state_timestamp", db_json_str(r->state_timestamp));
    json_object_set_new(o, "epoch", db_json_str(r->epoch));
    json_object_set_new(o, "reported", json_integer(r->reported));
    json_object_set_new(o, "tombstones", json_integer(r->tombstones));
    return o;
}

/* --- rows --------------------------------------------------------------------------------------------------------------- */

#define COLUMNS                                                                                \
    "name, timestamp, lower, upper, object_count, bytes_used, meta_timestamp, deleted, state," \
    " state_timestamp, epoch, reported, tombstones"

static struct shard_range from_row(struct db_broker *b, sqlite3_stmt *stmt)
{
    return (struct shard_range){.name = db_column(b, stmt, 0),
                                .timestamp = db_column(b, stmt, 1),
                                .lower = db_column(b, stmt, 2),
                                .upper = db_column(b, stmt, 3),
                                .object_count = sqlite3_column_int64(stmt, 4),
                                .bytes_used = sqlite3_column_int64(stmt, 5),
                                .meta_timestamp = db_column(b, stmt, 6),
                                .deleted = sqlite3_column_int(stmt, 7) != 0,
                                .state = sqlite3_column_int64(stmt, 8),
                                .state_timestamp = db_column(b, stmt, 9),
                                .epoch = db_column(b, stmt, 10),
                                .reported = sqlite3_column_int(stmt, 11) != 0,
                                .tombstones = sqlite3_column_int64(stmt, 12)};
}

int shard_range_read_all(struct db_broker *b, struct shard_range **ret, size_t *ret_n)
{
    struct shard_range *v = NULL;
    sqlite3_stmt *stmt;
    size_t n = 0, cap = 0;
    int got;

    int err = db_prepare(
        b, &stmt, "SELECT " COLUMNS " FROM shard_range ORDER BY upper = '', upper, state, lower, name");
    if (err)
        return err;
    while ((got = db_step(b, stmt)) == 1) {
        if (n == cap) {
            size_t more = cap ? 2 * cap : 16;
            struct shard_range *grown = arena_alloc(b->arena, more * sizeof(*grown));
            if (n)
                memcpy(grown, v, n * sizeof(*grown));
            v = grown;
            cap = more;
        }
        v[n++] = from_row(b, stmt);
    }
    *ret = v;
    *ret_n = n;
    return got;
}

/* --- merging -------------------------------------------------------------------------------------------------------------- */

static bool same_report(const struct shard_range *a, const struct shard_range *b)
{
    return a->object_count == b->object_count && a->bytes_used == b->bytes_used &&
           a->tombstones == b->tombstones && a->state == b->state && str_eq(a->epoch, b->epoch);
}

bool shard_range_merge_one(struct shard_range *item, const struct shard_range *stored)
{
    bool newer = false;
    int age = str_cmp(stored->timestamp, item->timestamp);

    if (age > 0)
        return false;
    if (age < 0) {
        item->reported = false;
        return true;
    }
    item->lower = stored->lower;
    item->upper = stored->upper;
    item->deleted = stored->deleted;
    if (str_cmp(stored->meta_timestamp, item->meta_timestamp) >= 0) {
        item->object_count = stored->object_count;
        item->bytes_used = stored->bytes_used;
        item->tombstones = stored->tombstones;
        item->meta_timestamp = stored->meta_timestamp;
    } else {
        newer = true;
    }
    if (stored->reported && same_report(stored, item))
        item->reported = true;
    else if (item->reported && !stored->reported)
        newer = true;

    int state_age = str_cmp(stored->state_timestamp, item->state_timestamp);
    if ((state_age == 0 && item->state > stored->state) || state_age < 0) {
        newer = true;
    } else {
        item->state = stored->state;
        item->state_timestamp = stored->state_timestamp;
        item->epoch = stored->epoch;
    }
    return newer;
}

/* 1: found, 0, -errno. */
static int find(struct db_broker *b, struct str name, struct shard_range *ret)
{
    sqlite3_stmt *stmt;

    int err = db_prepare(b, &stmt, "SELECT " COLUMNS " FROM shard_range WHERE name = ?1");
    if (err)
        return err;
    db_bind(stmt, 1, name);
    err = db_step(b, stmt);
    if (err == 1) {
        *ret = from_row(b, stmt);
        sqlite3_reset(stmt);
    }
    return err;
}

static int replace(struct db_broker *b, const struct shard_range *r)
{
    sqlite3_stmt *stmt;

    int err = db_prepare(b, &stmt, "DELETE FROM shard_range WHERE name = ?1");
    if (err)
        return err;
    db_bind(stmt, 1, r->name);
    err = db_run(b, stmt);
    if (!err)
        err = db_prepare(b, &stmt,
                         "INSERT INTO shard_range (" COLUMNS
                         ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)");
    if (err)
        return err;
    db_bind(stmt, 1, r->name);
    db_bind(stmt, 2, r->timestamp);
    db_bind(stmt, 3, r->lower);
    db_bind(stmt, 4, r->upper);
    sqlite3_bind_int64(stmt, 5, r->object_count);
    sqlite3_bind_int64(stmt, 6, r->bytes_used);
    db_bind(stmt, 7, r->meta_timestamp);
    sqlite3_bind_int(stmt, 8, r->deleted);
    sqlite3_bind_int64(stmt, 9, r->state);
    db_bind(stmt, 10, r->state_timestamp);
    db_bind(stmt, 11, r->epoch);
    sqlite3_bind_int(stmt, 12, r->reported);
    sqlite3_bind_int64(stmt, 13, r->tombstones);
    return db_run(b, stmt);
}

static int read_own_name(struct db_broker *b, struct str *ret)
{
    sqlite3_stmt *stmt;

    int err = db_prepare(b, &stmt, "SELECT account || '/' || container FROM container_info");
    if (err)
        return err;
    err = db_step(b, stmt);
    if (err < 0)
        return err;
    *ret = err == 1 ? db_column(b, stmt, 0) : STR_NONE;
    sqlite3_reset(stmt);
    return 0;
}

static int merge_in_transaction(struct db_broker *b, struct shard_range *ranges, size_t n)
{
    struct shard_range stored;
    struct str own;

    int err = read_own_name(b, &own);
    for (size_t i = 0; i < n && !err; i++) {
        int found = find(b, ranges[i].name, &stored);
        if (found < 0)
            return found;
        /* An own range that lost its epoch would undo the sharding of this container. */
        if (found && str_eq(ranges[i].name, own) && stored.epoch.n && !ranges[i].epoch.n)
            continue;
        if (!found || shard_range_merge_one(&ranges[i], &stored))
            err = replace(b, &ranges[i]);
    }
    return err;
}

int shard_range_merge(struct db_broker *b, struct shard_range *ranges, size_t n)
{
    int err = n ? db_begin(b) : 0;

    return err || !n ? err : db_end(b, merge_in_transaction(b, ranges, n));
}
