/* SPDX-License-Identifier: Apache-2.0
 *
 * container_rows.c: how object rows are merged (facts: database 7.2).
 *
 * A row has three times: of the data, of the content type and of the metadata, in one encoded text. An item and the row
 * it meets are compared time by time; each part comes from whichever is newer, the row where they are equal. An item that is
 * newer in nothing leaves the row and its ROWID alone. Otherwise the row is deleted and the merged one inserted: the
 * ROWID grows, so that replication finds the change.
 */
#include <errno.h>

#include "common/hash.h"
#include "common/log.h"
#include "container/container_broker.h"
#include "container/container_rows.h"
#include "container/swift_bytes.h"

struct object_row container_tombstone(struct str name, struct str timestamp, int64_t policy)
{
    return (struct object_row){.name = name,
                               .created_at = timestamp,
                               .content_type = STR("application/deleted"),
                               .etag = STR("noetag"),
                               .deleted = true,
                               .policy = policy};
}

/* --- one item and one row -------------------------------------------------------------------------------------------------- */

struct item {
    struct object_row row;              /* becomes what will be stored */
    struct timestamp data, ctype, meta; /* as the item came */
    bool replaces;                      /* a stored row goes */
};

/* The three times of an item; false if its text is no timestamp. */
static bool item_times(const struct object_row *row, struct item *item)
{
    struct timestamp t[3];

    if (timestamp_decode(row->created_at, t, NULL) < 0)
        return false;
    if (row->ctype_timestamp.n) {
        if (timestamp_parse(row->ctype_timestamp, &t[1]) < 0)
            return false;
        t[2] = t[1];
    }
    if (row->meta_timestamp.n && timestamp_parse(row->meta_timestamp, &t[2]) < 0)
        return false;
    item->data = t[0];
    item->ctype = t[1];
    item->meta = t[2];
    return true;
}

static struct str encode(struct arena *a, struct timestamp data, struct timestamp ctype,
                         struct timestamp meta)
{
    struct timestamp t[3] = {data, ctype, meta};
    char out[TIMESTAMP_ENCODED_SIZE];

    return arena_str(a, str_from(timestamp_encode(t, 3, false, out)));
}

/* Completes the item from what is there. True if the item is newer in anything. */
static bool merge_with(struct arena *a, struct item *item, const struct object_row *existing)
{
    struct timestamp t[3] = {TIMESTAMP_ZERO, TIMESTAMP_ZERO, TIMESTAMP_ZERO};
    struct timestamp data = item->data, ctype = item->ctype, meta = item->meta;
    struct object_row *row = &item->row;
    struct str bytes, old_bytes;
    bool newer = false;

    timestamp_decode(existing->created_at, t, NULL);
    /* swift_bytes goes with the data, the rest of the text with the content type; both live in one column. */
    row->content_type = swift_bytes_split(a, row->content_type, &bytes);
    struct str old_type = swift_bytes_split(a, existing->content_type, &old_bytes);

    if (timestamp_cmp(t[0], data) >= 0) {
        row->size = existing->size;
        row->etag = existing->etag;
        row->deleted = existing->deleted;
        bytes = old_bytes;
        data = t[0];
    } else {
        newer = true;
    }
    if (timestamp_cmp(t[1], ctype) >= 0) {
        row->content_type = old_type;
        ctype = t[1];
    } else {
        newer = true;
    }
    if (timestamp_cmp(t[2], meta) >= 0)
        meta = t[2];
    else
        newer = true;
    row->created_at = encode(a, data, ctype, meta);
    row->content_type = swift_bytes_join(a, row->content_type, bytes);
    return newer;
}

/* --- a batch -------------------------------------------------------------------------------------------------------------------- */

/* 1: found, 0, -errno. */
static int find_row(struct db_broker *b, const struct object_row *item, struct object_row *ret)
{
    sqlite3_stmt *stmt;

    int err = db_prepare(b, &stmt,
                         "SELECT created_at, size, content_type, etag, deleted FROM object"
                         " WHERE deleted IN (0, 1) AND name = ?1 AND storage_policy_index = ?2");
    if (err)
        return err;
    db_bind(stmt, 1, item->name);
    sqlite3_bind_int64(stmt, 2, item->policy);
    err = db_step(b, stmt);
    if (err <= 0)
        return err;
    *ret = (struct object_row){.created_at = db_column(b, stmt, 0),
                               .size = sqlite3_column_int64(stmt, 1),
                               .content_type = db_column(b, stmt, 2),
                               .etag = db_column(b, stmt, 3),
                               .deleted = sqlite3_column_int(stmt, 4) != 0};
    sqlite3_reset(stmt);
    return 1;
}

static int delete_row(struct db_broker *b, const struct object_row *row)
{
    sqlite3_stmt *stmt;

    int err = db_prepare(
        b, &stmt, "DELETE FROM object WHERE deleted IN (0, 1) AND name = ?1 AND storage_policy_index = ?2");
    if (err)
        return err;
    db_bind(stmt, 1, row->name);
    sqlite3_bind_int64(stmt, 2, row->policy);
    return db_run(b, stmt);
}

static int insert_row(struct db_broker *b, const struct object_row *row)
{
    sqlite3_stmt *stmt;

    int err = db_prepare(b, &stmt,
                         "INSERT INTO object (name, created_at, size, content_type, etag, deleted,"
                         " storage_policy_index) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
    if (err)
        return err;
    db_bind(stmt, 1, row->name);
    db_bind(stmt, 2, row->created_at);
    sqlite3_bind_int64(stmt, 3, row->size);
    db_bind(stmt, 4, row->content_type);
    db_bind(stmt, 5, row->etag);
    sqlite3_bind_int(stmt, 6, row->deleted);
    sqlite3_bind_int64(stmt, 7, row->policy);
    return db_run(b, stmt);
}

/* The place of an item in the batch: a name can be there once for each policy. */
static struct str identity(struct arena *a, const struct object_row *row)
{
    return arena_join(a, arena_printf(a, "%lld:", (long long)row->policy), row->name, STR_END);
}

struct batch {
    struct item *items; /* what will be inserted, in the order names were first seen */
    size_t n;
    struct hash *places; /* identity -> item */
};

static int add_to_batch(struct db_broker *b, struct batch *batch, const struct object_row *row)
{
    struct item item = {.row = *row};
    struct object_row existing;

    if (!row->name.p || !item_times(row, &item)) {
        log_error("%s: row of '%.*s' dropped: '%.*s' is no timestamp", b->path, STR_ARG(row->name),
                  STR_ARG(row->created_at));
        return 0;
    }
    if (!item.row.content_type.p)
        item.row.content_type = STR("");
    int found = find_row(b, row, &existing);
    if (found < 0)
        return found;
    if (found && !merge_with(b->arena, &item, &existing))
        return 0;
    if (!found)
        item.row.created_at = encode(b->arena, item.data, item.ctype, item.meta);
    item.replaces = found == 1;

    struct str key = identity(b->arena, row);
    struct item *earlier = hash_get(batch->places, key);
    if (earlier) {
        merge_with(b->arena, &item, &earlier->row);
        *earlier = item;
    } else {
        batch->items[batch->n] = item;
        hash_put(batch->places, key, &batch->items[batch->n++]);
    }
    return 0;
}

static int merge_in_transaction(struct db_broker *b, struct batch *batch, const struct object_row *rows,
                                size_t n, struct str source)
{
    int err = 0;

    for (size_t i = 0; i < n && !err; i++)
        err = add_to_batch(b, batch, &rows[i]);
    for (size_t i = 0; i < batch->n && !err; i++)
        if (batch->items[i].replaces)
            err = delete_row(b, &batch->items[i].row);
    for (size_t i = 0; i < batch->n && !err; i++)
        err = insert_row(b, &batch->items[i].row);
    if (!err && source.p && n)
        err = db_merge_sync(b, true, source, rows[n - 1].rowid);
    return err;
}

int container_merge_rows(struct db_broker *b, struct object_row *rows, size_t n, struct str source)
{
    struct batch batch = {.items = arena_alloc(b->arena, (n ? n : 1) * sizeof(*batch.items))};

    int err = db_begin(b);
    if (err)
        return err;
    batch.places = hash_new(NULL);
    err = db_end(b, merge_in_transaction(b, &batch, rows, n, source));
    hash_free(batch.places);
    return err;
}

/* --- deferred rows ------------------------------------------------------------------------------------------------------------------ */

static struct object_row row_from_tuple(const struct pickle_value *t)
{
    return (struct object_row){.name = db_pending_text(t, 0),
                               .created_at = db_pending_text(t, 1),
                               .size = db_pending_int(t, 2, 0, NULL),
                               .content_type = db_pending_text(t, 3),
                               .etag = db_pending_text(t, 4),
                               .deleted = db_pending_int(t, 5, 0, NULL) != 0,
                               .policy = db_pending_int(t, 6, 0, NULL),
                               .ctype_timestamp = db_pending_text(t, 7),
                               .meta_timestamp = db_pending_text(t, 8)};
}

int container_merge_pending(struct db_broker *b, const struct db_pending *pending)
{
    struct object_row *rows = arena_alloc(b->arena, pending->n * sizeof(*rows));
    size_t n = 0;

    for (size_t i = 0; i < pending->n; i++)
        if (pending->v[i]->list.n >= 6)
            rows[n++] = row_from_tuple(pending->v[i]);
    if (n < pending->n)
        log_error("%s: %zu deferred rows with too few fields dropped", b->path, pending->n - n);
    return n ? container_merge_rows(b, rows, n, STR_NONE) : 0;
}

static void pickle_text_or_none(struct buf *pickle, struct str s)
{
    if (s.p)
        pickle_text(pickle, s);
    else
        pickle_none(pickle);
}

int container_put_row(struct db_broker *b, const struct object_row *row)
{
    struct buf pickle;

    buf_init(&pickle, 1u << 20);
    pickle_begin(&pickle);
    pickle_tuple_begin(&pickle);
    pickle_text(&pickle, row->name);
    pickle_text(&pickle, row->created_at);
    pickle_int(&pickle, row->size);
    pickle_text(&pickle, row->content_type);
    pickle_text(&pickle, row->etag);
    pickle_int(&pickle, row->deleted);
    pickle_int(&pickle, row->policy);
    pickle_text_or_none(&pickle, row->ctype_timestamp);
    pickle_text_or_none(&pickle, row->meta_timestamp);
    pickle_tuple_end(&pickle);
    pickle_end(&pickle);
    int err = buf_error(&pickle);
    if (!err)
        err = db_put_record(b, arena_str(b->arena, buf_view(&pickle)));
    buf_release(&pickle);
    return err;
}
