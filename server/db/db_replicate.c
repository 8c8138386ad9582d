/* SPDX-License-Identifier: Apache-2.0 */
#include "db/db_replicate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/file.h"
#include "common/log.h"

#define TEXT       "text/plain; charset=UTF-8"
#define COPY_BATCH 1000

struct replicate_job {
    struct db_job job;
    const struct db_replica_ops *ops;
    struct str body;
};

struct str db_json_text(struct arena *a, const json_t *v)
{
    return json_is_string(v) ? arena_str(a, str_of(json_string_value(v), json_string_length(v))) : STR_NONE;
}

int64_t db_json_int(const json_t *v, bool *ret_null)
{
    int64_t n = 0;

    if (ret_null)
        *ret_null = !v || json_is_null(v);
    if (json_is_string(v))
        str_to_i64(str_of(json_string_value(v), json_string_length(v)), &n);
    else if (json_is_integer(v))
        n = json_integer_value(v);
    else if (json_is_true(v))
        n = 1;
    return n;
}

json_t *db_json_str(struct str s)
{
    return s.p ? json_stringn_nocheck(s.p, s.n) : json_null();
}

static const struct db_replica_ops *ops_of(struct db_job *job)
{
    return ((struct replicate_job *)job)->ops;
}

/* --- sync ----------------------------------------------------------------------------------------------------------- */

static int read_info(struct db_job *job, json_t *info)
{
    struct db_broker *b = &job->broker;
    struct str metadata;
    int64_t max_row = -1;

    json_object_clear(info);
    int err = ops_of(job)->info(b, info);
    if (!err)
        err = db_metadata_text(b, &metadata);
    if (!err)
        err = db_max_row(b, b->kind->rows, &max_row);
    if (!err) {
        json_object_set_new(info, "metadata", db_json_str(metadata.p ? metadata : STR("")));
        json_object_set_new(info, "max_row", json_integer(max_row));
    }
    return err;
}

static int merge_metadata(struct db_broker *b, struct str json)
{
    struct db_metadata m;

    if (json.n == 0)
        return 0;
    if (db_metadata_parse(b->arena, json, &m) < 0) {
        log_error("%s: the peer's metadata cannot be read: %.*s", b->path, STR_ARG(json));
        return 0;
    }
    return db_metadata_update(b, &m, NULL, NULL);
}

static int merge_times(struct db_broker *b, const json_t *info, const json_t *args)
{
    static const char *const names[3] = {"created_at", "put_timestamp", "delete_timestamp"};
    struct str theirs[3];
    bool differ = false;

    for (size_t i = 0; i < 3; i++) {
        theirs[i] = db_json_text(b->arena, json_array_get(args, 4 + i));
        if (!theirs[i].p)
            return -EINVAL;
        differ |= !str_eq(theirs[i], db_json_text(b->arena, json_object_get(info, names[i])));
    }
    return differ ? db_merge_timestamps(b, theirs[0], theirs[1], theirs[2]) : 0;
}

static int set_sync(struct db_broker *b, struct str id, int64_t point)
{
    int err = db_begin(b);
    return err ? err : db_end(b, db_merge_sync(b, true, id, point));
}

/* Equal hashes mean equal rows: the peer need not send what we have. */
static int find_point(struct db_broker *b, json_t *info, const json_t *args)
{
    struct str id = db_json_text(b->arena, json_array_get(args, 3));
    struct str hash = db_json_text(b->arena, json_array_get(args, 2));
    int64_t max_row = db_json_int(json_array_get(args, 1), NULL), point;

    int err = db_get_sync(b, true, id, &point);
    if (!err && point < max_row && str_eq(hash, db_json_text(b->arena, json_object_get(info, "hash")))) {
        err = set_sync(b, id, max_row);
        point = max_row;
    }
    if (!err)
        json_object_set_new(info, "point", json_integer(point));
    return err;
}

void db_job_answer_json(struct db_job *job, const json_t *value, const char *content_type)
{
    char *text = json_dumps(value, JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
    struct str body = arena_str(job->req->arena, str_from(text ? text : "null"));

    free(text);
    http_response_text(job->rsp, 200, content_type, body);
}

static int do_sync(struct db_job *job, const json_t *args)
{
    struct db_broker *b = &job->broker;
    json_t *info = json_object();

    int err = json_array_size(args) < 8 ? -EINVAL : read_info(job, info);
    if (!err && ops_of(job)->sync_more) {
        err = ops_of(job)->sync_more(b, info, args);
        if (err == 1)
            err = read_info(job, info);
    }
    if (!err)
        err = merge_metadata(b, db_json_text(b->arena, json_array_get(args, 7)));
    if (!err)
        err = merge_times(b, info, args);
    if (!err)
        err = find_point(b, info, args);
    if (!err)
        db_job_answer_json(job, info, "text/html; charset=UTF-8");
    json_decref(info);
    return err;
}

/* --- rows and sync points ------------------------------------------------------------------------------------------- */

static int do_merge_items(struct db_job *job, const json_t *args)
{
    const json_t *rows = json_array_get(args, 1);
    struct str source = db_json_text(job->req->arena, json_array_get(args, 2));

    int err = json_is_array(rows) ? ops_of(job)->merge_items(&job->broker, rows, source) : -EINVAL;
    if (!err)
        error_page(job->rsp, 202);
    return err;
}

static int merge_all_syncs(struct db_broker *b, const json_t *list)
{
    size_t i;
    json_t *item;
    int err = 0;

    json_array_foreach(list, i, item)
    {
        struct str id = db_json_text(b->arena, json_object_get(item, "remote_id"));
        if (!err)
            err = id.p ? db_merge_sync(b, true, id, db_json_int(json_object_get(item, "sync_point"), NULL))
                       : -EINVAL;
    }
    return err;
}

static int do_merge_syncs(struct db_job *job, const json_t *args)
{
    int err = json_is_array(json_array_get(args, 1)) ? db_begin(&job->broker) : -EINVAL;

    if (!err)
        err = db_end(&job->broker, merge_all_syncs(&job->broker, json_array_get(args, 1)));
    if (!err)
        error_page(job->rsp, 202);
    return err;
}

/* --- files that rsync brought ------------------------------------------------------------------------------------------ */

/* One path segment that names nothing else. */
static bool is_plain_name(struct str s)
{
    return s.n > 0 && s.n < 256 && s.p[0] != '.' && str_find(s, '/') < 0 && str_find(s, '\0') < 0;
}

static struct str received_path(struct db_job *job, const json_t *args)
{
    struct str id = db_json_text(job->req->arena, json_array_get(args, 1));

    if (!is_plain_name(id))
        return STR_NONE;
    return arena_printf(job->req->arena, "%s/tmp/%.*s", job->dev->path, STR_ARG(id));
}

static int copy_syncs(struct db_broker *from, struct db_broker *to)
{
    sqlite3_stmt *stmt;
    int got = 0;

    int err = db_prepare(from, &stmt, "SELECT remote_id, sync_point FROM incoming_sync");
    if (!err)
        err = db_begin(to);
    if (err)
        return err;
    while (!err && (got = db_step(from, stmt)) == 1)
        err = db_merge_sync(to, true, db_column(from, stmt, 0), sqlite3_column_int64(stmt, 1));
    sqlite3_reset(stmt);
    return db_end(to, err ? err : got);
}

/* Batch by batch, each in memory of its own: there may be millions of rows. */
static int copy_all_rows(struct db_job *job, struct db_broker *received)
{
    struct db_broker *b = &job->broker;
    struct arena *kept = b->arena, *batch = arena_new();
    int64_t point = -1;
    int n;

    b->arena = received->arena = batch;
    while ((n = ops_of(job)->copy_rows(b, received, &point, COPY_BATCH)) > 0)
        arena_reset(batch);
    b->arena = received->arena = kept;
    arena_free(batch);
    return n;
}

/* All that the database in place has and the received one lacks. */
static int merge_into_received(struct db_job *job, struct db_broker *received)
{
    struct db_metadata m;

    int err = db_commit_pending(&job->broker);
    if (!err)
        err = copy_all_rows(job, received);
    if (!err)
        err = copy_syncs(&job->broker, received);
    if (!err && ops_of(job)->copy_more)
        err = ops_of(job)->copy_more(&job->broker, received);
    if (!err)
        err = db_metadata_read(&job->broker, &m);
    return err ? err : db_metadata_update(received, &m, NULL, NULL);
}

static int publish(struct db_job *job, const char *from, const char *to)
{
    int err = file_make_dirs(job->broker.dir, 0755, true);
    if (!err && rename(from, to) < 0)
        err = -errno;
    if (!err)
        err = file_sync_dir(job->broker.dir);
    if (!err)
        error_page(job->rsp, 204);
    return err;
}

static int do_complete_rsync(struct db_job *job, const json_t *args)
{
    struct str tmp = received_path(job, args), name = db_json_text(job->req->arena, json_array_get(args, 2));
    struct str hash = job->path.account;
    const char *to = job->broker.base;
    struct db_broker received;

    if (!tmp.p ||
        (name.p && (!is_plain_name(name) || !str_starts(name, hash) || !str_ends(name, STR(".db")))))
        return -EINVAL;
    if (name.p)
        to = arena_printf(job->req->arena, "%s/%.*s", job->broker.dir, STR_ARG(name)).p;
    if (access(to, F_OK) == 0 || access(tmp.p, F_OK) < 0)
        return -ENOENT;
    db_broker_init_at(&received, &job->broker, tmp.p);
    int err = db_new_identity(&received, db_json_text(job->req->arena, json_array_get(args, 1)));
    if (!err && ops_of(job)->new_id)
        err = ops_of(job)->new_id(&received);
    db_broker_drop(&received);
    return err ? err : publish(job, tmp.p, to);
}

static int do_rsync_then_merge(struct db_job *job, const json_t *args)
{
    struct str tmp = received_path(job, args);
    struct db_broker *b = &job->broker, received;
    const struct db_replica_ops *ops = ops_of(job);

    if (!tmp.p)
        return -EINVAL;
    int err = access(tmp.p, F_OK) < 0 ? -ENOENT : db_broker_open(b);
    if (!err && ops->refuses_rows && (err = ops->refuses_rows(b)) == 1)
        err = -ENOENT;
    if (err)
        return err;
    db_broker_init_at(&received, b, tmp.p);
    err = merge_into_received(job, &received);
    if (!err)
        err = db_new_identity(&received, db_json_text(job->req->arena, json_array_get(args, 1)));
    if (!err && ops->new_id)
        err = ops->new_id(&received);
    db_broker_drop(&received);
    if (!err && access(b->path, F_OK) < 0)
        err = -ENOENT; /* deleted meanwhile: it must not come back */
    return err ? err : publish(job, tmp.p, b->path);
}

/* --- dispatch ------------------------------------------------------------------------------------------------------------ */

static int dispatch(struct db_job *job, struct str verb, const json_t *args)
{
    int err = 0;

    if (str_eq(verb, STR("complete_rsync")))
        return do_complete_rsync(job, args);
    if (str_eq(verb, STR("rsync_then_merge")))
        return do_rsync_then_merge(job, args);
    /* Somebody may be about to rsync a file to us. */
    err = file_make_dirs(arena_printf(job->req->arena, "%s/tmp", job->dev->path).p, 0755, false);
    if (!err)
        err = db_broker_find(&job->broker);
    if (err)
        return err;
    if (str_eq(verb, STR("sync")))
        return do_sync(job, args);
    if (str_eq(verb, STR("merge_items")))
        return do_merge_items(job, args);
    if (str_eq(verb, STR("merge_syncs")))
        return do_merge_syncs(job, args);
    if (ops_of(job)->verb && ops_of(job)->verb(job, verb, args, &err))
        return err;
    error_text(job->rsp, 500, TEXT, "Unknown verb '%.*s'", STR_ARG(verb));
    return 0;
}

static int replicate(struct db_job *job)
{
    struct str body = ((struct replicate_job *)job)->body;
    json_error_t why;
    json_t *args = json_loadb(body.p ? body.p : "", body.n, JSON_ALLOW_NUL, &why);
    int err = 0;

    if (!json_is_array(args))
        error_text(job->rsp, 400, TEXT, "%s", args ? "Invalid object type" : why.text);
    else
        err = dispatch(job, db_json_text(job->req->arena, json_array_get(args, 0)), args);
    json_decref(args);
    return err;
}

static bool is_hash(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
            return false;
    return s.n == 32;
}

void db_replicate_handle(struct backend_server *s, struct http_request *req, struct http_response *rsp,
                         const struct db_replica_ops *ops)
{
    struct replicate_job r = {.ops = ops};
    struct buf body;

    if (!db_job_init(&r.job, s, req, rsp, 3, 3, false))
        return;
    if (!is_hash(r.job.path.account)) {
        error_text(rsp, 400, TEXT, "Invalid hash");
        return;
    }
    buf_init(&body, DB_REPLICATE_MAX_BYTES);
    int err = http_body_read_all(req->body, &body);
    if (err) {
        error_page(rsp, err == -E2BIG ? 413 : 400);
        rsp->close = true;
    } else {
        r.body = buf_view(&body);
        r.job.hash = r.job.path.account;
        r.job.needs_space = true;
        db_job_run(&r.job, replicate);
    }
    buf_release(&body);
}
