/* SPDX-License-Identifier: Apache-2.0 */
#include "container/container_server.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "base/request_helpers.h"
#include "common/url.h"
#include "container/account_update.h"
#include "container/container_broker.h"
#include "container/container_replicator.h"
#include "container/container_update.h"
#include "container/shard_listing.h"
#include "container/sync_to.h"
#include "db/db_server.h"

#define TEXT "text/plain; charset=UTF-8"

/* Stored like metadata, beside it. Lower case. */
static const char *const saved_fields[] = {"x-container-read", "x-container-write", "x-container-sync-key",
                                           "x-container-sync-to", NULL};

struct container_server {
    struct db_server db; /* first */
    struct http_client *client;
    struct account_update_timeouts timeouts;
    struct sync_to_rules sync_to;
};

/* One request. job is first, so that the functions that run on the device's threads find the rest. */
struct container_job {
    struct db_job job;
    int64_t policy; /* asked for, or -1 */
    bool created;
    int status; /* to answer once the account servers are told; 0: rsp is complete */
    struct container_info info;
    enum listing_type type;
    struct db_listing listing;
    struct shard_query shards;
    bool wants_shards; /* asked for by name; "auto" decides by the container's state */
    struct object_row row;
    struct str body;
};

static struct container_job *of(struct db_job *job)
{
    return (struct container_job *)job;
}

static struct container_server *server_of(struct db_job *job)
{
    return (struct container_server *)job->server;
}

/* --- parts of requests ------------------------------------------------------------------------------------------------------ */

/* X-Backend-Storage-Policy-Index: -1 if absent. False: 400. */
static bool policy_from_request(struct db_job *job, int64_t *ret)
{
    struct str value = header_get(&job->req->headers, STR("X-Backend-Storage-Policy-Index"));
    int64_t index = -1;

    *ret = -1;
    if (!value.p)
        return true;
    bool number = str_to_i64(str_trim(value), &index) == 0;
    if (!number || index < 0 || index > INT32_MAX ||
        !policy_by_index(&job->server->backend.conf->policies, (int)index)) {
        const char *quote = number ? "" : "'";
        error_text(job->rsp, 400, TEXT, "Invalid X-Backend-Storage-Policy-Index %s%.*s%s", quote,
                   STR_ARG(number ? str_trim(value) : value), quote);
        return false;
    }
    *ret = index;
    return true;
}

static int64_t default_policy(struct db_job *job)
{
    const struct policies *policies = &job->server->backend.conf->policies;
    int64_t index;

    if (str_to_i64(str_trim(header_get(&job->req->headers, STR("X-Backend-Storage-Policy-Default"))),
                   &index) == 0 &&
        index >= 0 && index <= INT32_MAX && policy_by_index(policies, (int)index))
        return index;
    return policies->fallback->index;
}

static bool should_create(struct db_job *job)
{
    struct str wish = header_get(&job->req->headers, STR("X-Backend-Auto-Create"));
    struct str prefix = str_from(job->server->backend.conf->constraints.auto_create_account_prefix);
    struct str account = job->path.account;

    if (wish.n)
        return str_is_true(wish);
    /* Shards are made by the sharder, which says so; an updater must not bring one back. */
    if (!str_starts(account, prefix))
        return false;
    return !str_starts(str_slice(account, prefix.n, account.n), STR("shards_"));
}

/* Makes the database of a `.account` if there is none. */
static int maybe_create(struct db_job *job, int64_t policy)
{
    int err = db_broker_find(&job->broker);

    if (err != -ENOENT || !should_create(job))
        return err;
    if (policy < 0) {
        error_text(job->rsp, 400, NULL, "X-Backend-Storage-Policy-Index header is required");
        return -ECANCELED;
    }
    err = db_broker_create(&job->broker, job->timestamp, policy);
    return err == -EEXIST ? 0 : err;
}

/* A row that belongs to a shard by now, and a sender who can go there: 301. True if rsp has it. */
static bool redirect(struct db_job *job, int *ret_err)
{
    struct container_shard shard;
    const struct header_table *h = &job->req->headers;

    *ret_err = 0;
    if (!str_is_true(header_get(h, STR("X-Backend-Accept-Redirect"))))
        return false;
    int found = container_find_shard(&job->broker, job->path.object, &shard);
    if (found <= 0) {
        *ret_err = found;
        return false;
    }
    struct arena *a = job->req->arena;
    struct str location = arena_join(a, STR("/"), shard.path, STR("/"), job->path.object, STR_END);
    struct str quoted = url_quote(a, location, "/");
    if (!str_eq(location, quoted) && !str_is_true(header_get(h, STR("X-Backend-Accept-Quoted-Location"))))
        return false; /* the sharder moves the row later */
    header_set(&job->rsp->headers, STR("Location"), quoted);
    header_set(&job->rsp->headers, STR("X-Backend-Location-Is-Quoted"), STR("true"));
    db_header_timestamp(job->rsp, STR("X-Backend-Redirect-Timestamp"), shard.timestamp, true);
    error_page(job->rsp, 301);
    return true;
}

/* --- object rows ---------------------------------------------------------------------------------------------------------------- */

static int put_row(struct db_job *job)
{
    struct container_job *c = of(job);
    int err = maybe_create(job, c->row.policy);

    if (err == -ECANCELED)
        return 0;
    if (err || redirect(job, &err) || err)
        return err;
    err = container_put_row(&job->broker, &c->row);
    if (!err)
        error_page(job->rsp, c->row.deleted ? 204 : 201);
    return err;
}

static bool required_text(struct db_job *job, struct str name, struct str *ret)
{
    *ret = header_get(&job->req->headers, name);
    if (ret->p && utf8_valid(*ret))
        return true;
    error_text(job->rsp, 400, TEXT, "Missing or invalid %.*s header", STR_ARG(name));
    return false;
}

static bool optional_timestamp(struct db_job *job, struct str name, struct str *ret)
{
    struct timestamp t;

    *ret = header_get(&job->req->headers, name);
    if (!ret->p || timestamp_parse(*ret, &t) == 0)
        return true;
    error_text(job->rsp, 400, TEXT, "Invalid %.*s header", STR_ARG(name));
    return false;
}

static bool row_from_request(struct db_job *job, struct object_row *row)
{
    struct str size;

    *row = (struct object_row){.name = job->path.object, .created_at = job->timestamp};
    if (!required_text(job, STR("X-Size"), &size) ||
        !required_text(job, STR("X-Content-Type"), &row->content_type) ||
        !required_text(job, STR("X-Etag"), &row->etag) ||
        !optional_timestamp(job, STR("X-Content-Type-Timestamp"), &row->ctype_timestamp) ||
        !optional_timestamp(job, STR("X-Meta-Timestamp"), &row->meta_timestamp))
        return false;
    if (str_to_i64(str_trim(size), &row->size) == 0)
        return true;
    error_text(job->rsp, 400, TEXT, "Invalid X-Size header");
    return false;
}

/* --- PUT, POST, DELETE of the container ------------------------------------------------------------------------------------------- */

/* True if stored; false: *ret_err, or 0 if rsp has a 400. */
static bool store_metadata(struct db_job *job, int *ret_err)
{
    struct db_metadata m, old;

    db_job_metadata(job, saved_fields, &m);
    const struct db_metadata_item *to = db_metadata_find(&m, STR("X-Container-Sync-To"));
    if (to) {
        *ret_err = db_metadata_read(&job->broker, &old);
        if (*ret_err)
            return false;
        const struct db_metadata_item *before = db_metadata_find(&old, STR("X-Container-Sync-To"));
        if (!before || !str_eq(before->value, to->value))
            *ret_err = container_set_sync_points(&job->broker, -1, -1);
        if (*ret_err)
            return false;
    }
    return db_job_store_metadata(job, &m, ret_err);
}

/* Reads a file: in the job. */
static bool check_sync_to(struct db_job *job)
{
    struct str value = header_get(&job->req->headers, STR("X-Container-Sync-To"));
    struct buf error;

    if (!value.p)
        return true;
    buf_init(&error, 4096);
    bool fine = sync_to_check(&server_of(job)->sync_to, value, &error);
    if (!fine)
        error_text(job->rsp, 400, NULL, "%.*s", STR_ARG(buf_view(&error)));
    buf_release(&error);
    return fine;
}

static void answer_conflict(struct db_job *job, int64_t policy)
{
    if (policy >= 0)
        header_setf(&job->rsp->headers, STR("X-Backend-Storage-Policy-Index"), "%lld", (long long)policy);
    error_page(job->rsp, 409);
}

/* An existing database: brought up to date, or to life again. 1: go on; 0: rsp has a 409; -errno. */
static int update_container(struct db_job *job)
{
    struct container_job *c = of(job);
    struct db_broker *b = &job->broker;
    struct container_info info;

    int err = container_info_read(b, &info);
    if (err)
        return err;
    bool recreated = info.deleted;
    if (recreated) {
        err = container_set_policy(b, c->policy >= 0 ? c->policy : default_policy(job), job->timestamp);
    } else if (c->policy >= 0 && c->policy != info.policy) {
        answer_conflict(job, info.policy);
        return 0;
    }
    if (!err)
        err = db_update_put_timestamp(b, job->timestamp);
    if (!err)
        err = container_info_read(b, &info);
    if (err)
        return err;
    if (info.deleted) {
        answer_conflict(job, -1);
        return 0;
    }
    c->created = recreated;
    err = recreated ? db_update_status_changed_at(b, job->timestamp) : 0;
    return err ? err : 1;
}

static int put_container(struct db_job *job)
{
    struct container_job *c = of(job);
    struct db_broker *b = &job->broker;

    if (!check_sync_to(job))
        return 0;
    int err = db_broker_find(b);
    if (err == -ENOENT) {
        err = db_broker_create(b, job->timestamp, c->policy >= 0 ? c->policy : default_policy(job));
        c->created = err == 0;
    } else if (!err) {
        err = -EEXIST;
    }
    if (err == -EEXIST) {
        err = update_container(job);
        if (err <= 0)
            return err;
        err = 0;
    }
    if (err || !store_metadata(job, &err))
        return err;
    err = container_info_read(b, &c->info);
    if (!err)
        c->status = c->created ? 201 : 202;
    return err;
}

static int delete_container(struct db_job *job)
{
    struct container_job *c = of(job);
    struct db_broker *b = &job->broker;
    struct container_info before;
    struct timestamp put = TIMESTAMP_ZERO;
    bool empty;

    int err = container_is_empty(b, &empty);
    if (err)
        return err;
    if (!empty) {
        answer_conflict(job, -1);
        return 0;
    }
    err = container_info_read(b, &before);
    if (!err)
        err = db_delete(b, job->timestamp);
    if (!err)
        err = container_info_read(b, &c->info);
    if (err)
        return err;
    if (!c->info.deleted) {
        answer_conflict(job, -1);
        return 0;
    }
    timestamp_parse(before.put_timestamp, &put);
    bool existed = timestamp_cmp(put, TIMESTAMP_ZERO) != 0 && !before.deleted;
    c->status = existed ? 204 : 404;
    return 0;
}

static int post_container(struct db_job *job)
{
    struct container_info info;

    if (!check_sync_to(job))
        return 0;
    int err = container_info_read(&job->broker, &info);
    if (!err && info.deleted)
        err = -ENOENT;
    if (!err && !str_is_true(header_get(&job->req->headers, STR("X-Backend-No-Timestamp-Update"))))
        err = db_update_put_timestamp(&job->broker, job->timestamp);
    if (!err && store_metadata(job, &err))
        error_page(job->rsp, 204);
    return err;
}

/* The answer of a PUT or DELETE, once the account knows. */
static void finish_with_account(struct container_job *c)
{
    struct container_server *s = server_of(&c->job);

    if (!c->status)
        return;
    int status = account_update_from_request(s->client, &s->timeouts, c->job.req, &c->info);
    if (status) {
        error_page(c->job.rsp, status);
        return;
    }
    if (c->status == 201 || c->status == 202)
        header_setf(&c->job.rsp->headers, STR("X-Backend-Storage-Policy-Index"), "%lld",
                    (long long)c->info.policy);
    error_page(c->job.rsp, c->status);
}

/* --- HEAD, GET ----------------------------------------------------------------------------------------------------------------------- */

/* Fields of every answer to HEAD and GET, 404 included; info is zero where there is no database. */
static void set_headers(struct http_response *rsp, const struct container_info *info, bool deleted)
{
    db_header_timestamp(rsp, STR("X-Backend-Timestamp"), info->created_at, true);
    db_header_timestamp(rsp, STR("X-Backend-Put-Timestamp"), info->put_timestamp, true);
    db_header_timestamp(rsp, STR("X-Backend-Delete-Timestamp"), info->delete_timestamp, true);
    db_header_timestamp(rsp, STR("X-Backend-Status-Changed-At"), info->status_changed_at, true);
    header_setf(&rsp->headers, STR("X-Backend-Storage-Policy-Index"), "%lld", (long long)info->policy);
    if (deleted)
        return;
    header_setf(&rsp->headers, STR("X-Container-Object-Count"), "%lld", (long long)info->object_count);
    header_setf(&rsp->headers, STR("X-Container-Bytes-Used"), "%lld", (long long)info->bytes_used);
    db_header_timestamp(rsp, STR("X-Timestamp"), info->created_at, false);
    db_header_timestamp(rsp, STR("X-Put-Timestamp"), info->put_timestamp, false);
    header_set(&rsp->headers, STR("X-Backend-Sharding-State"), str_from(container_state_name(info->state)));

    struct timestamp put = TIMESTAMP_ZERO;
    char date[HTTP_DATE_SIZE];
    timestamp_parse(info->put_timestamp, &put);
    header_set(&rsp->headers, STR("Last-Modified"), str_from(http_date(timestamp_ceil(put), date)));
}

/* Reads the info and sets the fields. 1: go on; 0: rsp has a 404; -errno. */
static int read_and_set_headers(struct db_job *job)
{
    struct container_job *c = of(job);

    int err = container_info_read(&job->broker, &c->info);
    if (err && err != -ENOENT)
        return err;
    if (err)
        c->info = (struct container_info){.deleted = true};
    bool show_deleted = !err && c->wants_shards &&
                        str_is_true(header_get(&job->req->headers, STR("X-Backend-Override-Deleted")));
    set_headers(job->rsp, &c->info, c->info.deleted && !show_deleted);
    if (c->info.deleted && !show_deleted) {
        error_page(job->rsp, 404);
        return 0;
    }
    return 1;
}

static int head_container(struct db_job *job)
{
    int err = read_and_set_headers(job);

    if (err <= 0)
        return err;
    err = db_job_show_metadata(job, saved_fields);
    if (!err)
        http_response_text(job->rsp, 204, listing_content_type(of(job)->type), STR(""));
    return err;
}

static int list_objects(struct db_job *job, struct buf *out)
{
    struct container_job *c = of(job);
    struct db_listing_writer w;
    int64_t policy = c->policy >= 0 ? c->policy : c->info.policy;

    header_set(&job->rsp->headers, STR("X-Backend-Record-Type"), STR("object"));
    header_setf(&job->rsp->headers, STR("X-Backend-Record-Storage-Policy-Index"), "%lld", (long long)policy);
    db_listing_begin(&w, c->type, "container", job->path.container, out);
    int err = container_list(&job->broker, policy, &c->listing, &w);
    db_listing_end(&w);
    if (!err)
        err = buf_error(out);
    return err ? err : db_job_show_metadata(job, saved_fields);
}

static void answer_shards(struct db_job *job, const struct shard_range *ranges, size_t n)
{
    struct container_job *c = of(job);
    struct db_listing_writer w;
    char iso[TIMESTAMP_ISO_SIZE];
    struct buf out;

    if (c->type == LISTING_TEXT) {
        buf_init(&out, DB_LISTING_MAX_BYTES);
        db_listing_begin(&w, c->type, "container", job->path.container, &out);
        for (size_t i = 0; i < n; i++)
            db_listing_subdir(&w, ranges[i].name); /* a line with the name */
        db_job_answer_listing(job, c->type, &out);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        struct timestamp t = TIMESTAMP_ZERO;
        json_t *o = shard_range_json(&ranges[i]);
        timestamp_parse(ranges[i].timestamp, &t);
        json_object_set_new(o, "last_modified", json_string(timestamp_iso(t, iso)));
        json_array_append_new(list, o);
    }
    db_job_answer_json(job, list, listing_content_type(LISTING_JSON));
    json_decref(list);
}

static int list_shards(struct db_job *job)
{
    struct container_job *c = of(job);
    struct shard_range *ranges;
    size_t n;

    header_set(&job->rsp->headers, STR("X-Backend-Record-Type"), STR("shard"));
    if (c->info.state == CONTAINER_SHARDED &&
        str_ieq(header_get(&job->req->headers, STR("X-Backend-Override-Shard-Name-Filter")),
                STR("sharded"))) {
        header_set(&job->rsp->headers, STR("X-Backend-Override-Shard-Name-Filter"), STR("true"));
        c->shards.marker = c->shards.end_marker = c->shards.includes = STR_NONE;
        c->shards.reverse = false;
    }
    int err = shard_listing(&job->broker, &c->info, &c->shards, &ranges, &n);
    if (!err)
        err = db_job_show_metadata(job, saved_fields);
    if (!err)
        answer_shards(job, ranges, n);
    return err;
}

/* Wants shards by name, or by "auto" while the objects are elsewhere or about to be. */
static bool shall_list_shards(const struct container_job *c)
{
    if (c->wants_shards)
        return true;
    bool automatic = str_ieq(header_get(&c->job.req->headers, STR("X-Backend-Record-Type")), STR("auto"));
    return automatic && (c->info.state == CONTAINER_SHARDING || c->info.state == CONTAINER_SHARDED);
}

static int get_container(struct db_job *job)
{
    struct container_job *c = of(job);
    struct buf out;

    int err = read_and_set_headers(job);
    if (err <= 0)
        return err;
    if (shall_list_shards(c))
        return list_shards(job);
    if (!policy_from_request(job, &c->policy))
        return 0;
    buf_init(&out, DB_LISTING_MAX_BYTES);
    err = list_objects(job, &out);
    if (err)
        buf_release(&out);
    else
        db_job_answer_listing(job, c->type, &out);
    return err;
}

/* --- methods ----------------------------------------------------------------------------------------------------------------------------- */

static int put_shards(struct db_job *job)
{
    struct container_job *c = of(job);
    struct shard_range *ranges;
    struct buf error;
    size_t n;

    buf_init(&error, 1024);
    json_t *list = json_loadb(c->body.p ? c->body.p : "", c->body.n, JSON_ALLOW_NUL, NULL);
    bool fine = shard_range_parse(job->req->arena, list, &ranges, &n, &error) == 0;
    json_decref(list);
    if (!fine)
        error_text(job->rsp, 400, NULL, "Invalid body: %.*s", STR_ARG(buf_view(&error)));
    buf_release(&error);
    int err = fine ? db_broker_find(&job->broker) : -ECANCELED;
    c->created = err == -ENOENT;
    if (c->created)
        err = maybe_create(job, c->policy);
    if (err == -ECANCELED)
        return 0;
    if (err || !store_metadata(job, &err))
        return err;
    err = shard_range_merge(&job->broker, ranges, n);
    if (!err)
        err = container_info_read(&job->broker, &c->info);
    if (err)
        return err;
    header_setf(&job->rsp->headers, STR("X-Backend-Storage-Policy-Index"), "%lld", (long long)c->info.policy);
    error_page(job->rsp, c->created ? 201 : 202);
    return 0;
}

/* [waits] Reads the body and runs the job with it. */
static void run_with_body(struct container_job *c, int (*run)(struct db_job *job))
{
    struct buf body;

    buf_init(&body, CONTAINER_UPDATE_MAX_BYTES);
    int err = http_body_read_all(c->job.req->body, &body);
    if (err) {
        error_page(c->job.rsp, err == -E2BIG ? 413 : 400);
        c->job.rsp->close = true;
    } else {
        c->body = buf_view(&body);
        c->job.needs_space = true;
        db_job_run(&c->job, run);
    }
    buf_release(&body);
}

static void handle_put(struct backend_server *s, struct http_request *req, struct http_response *rsp)
{
    struct container_job c = {0};

    if (!db_job_init(&c.job, s, req, rsp, 4, 5, true) || !policy_from_request(&c.job, &c.policy))
        return;
    c.job.needs_space = true;
    if (c.job.path.object.p) {
        if (!row_from_request(&c.job, &c.row))
            return;
        c.row.policy = c.policy >= 0 ? c.policy : 0;
        db_job_run(&c.job, put_row);
    } else if (str_ieq(header_get(&req->headers, STR("X-Backend-Record-Type")), STR("shard"))) {
        run_with_body(&c, put_shards);
    } else {
        db_job_run(&c.job, put_container);
        finish_with_account(&c);
    }
}

static void handle_delete(struct backend_server *s, struct http_request *req, struct http_response *rsp)
{
    struct container_job c = {0};

    if (!db_job_init(&c.job, s, req, rsp, 4, 5, true) || !policy_from_request(&c.job, &c.policy))
        return;
    if (c.job.path.object.p) {
        c.row = container_tombstone(c.job.path.object, c.job.timestamp, c.policy >= 0 ? c.policy : 0);
        db_job_run(&c.job, put_row);
    } else {
        db_job_run(&c.job, delete_container);
        finish_with_account(&c);
    }
}

static void handle_post(struct backend_server *s, struct http_request *req, struct http_response *rsp)
{
    struct container_job c = {0};

    if (!db_job_init(&c.job, s, req, rsp, 4, 4, true))
        return;
    c.job.needs_space = true;
    db_job_run(&c.job, post_container);
}

static void handle_head(struct backend_server *s, struct http_request *req, struct http_response *rsp)
{
    struct container_job c = {0};

    if (!db_job_init(&c.job, s, req, rsp, 4, 5, false) || !request_listing_type(req, &c.type, rsp))
        return;
    c.job.is_read = true;
    db_job_run(&c.job, head_container);
}

/* Parameters of a listing of shards; harmless to any other. False: rsp has a 400. */
static bool shards_from_request(struct container_job *c)
{
    struct http_request *req = c->job.req;
    struct str states;

    c->shards = (struct shard_query){
        .marker = c->listing.marker,
        .end_marker = c->listing.end_marker,
        .reverse = c->listing.reverse,
        .include_deleted = str_is_true(header_get(&req->headers, STR("X-Backend-Include-Deleted")))};
    if (!request_param(req, STR("includes"), &c->shards.includes, c->job.rsp) ||
        !request_param(req, STR("states"), &states, c->job.rsp))
        return false;
    if (!shard_query_states(&c->shards, states)) {
        error_text(c->job.rsp, 400, NULL, "Bad state");
        return false;
    }
    return true;
}

static void handle_get(struct backend_server *s, struct http_request *req, struct http_response *rsp)
{
    struct container_job c = {0};

    if (!db_job_init(&c.job, s, req, rsp, 4, 5, false) ||
        !db_listing_from_request(req, s->conf->constraints.container_listing_limit, true, &c.listing, rsp) ||
        !request_listing_type(req, &c.type, rsp))
        return;
    struct str record_type = header_get(&req->headers, STR("X-Backend-Record-Type"));
    c.wants_shards = str_ieq(record_type, STR("shard"));
    if ((c.wants_shards || str_ieq(record_type, STR("auto"))) && !shards_from_request(&c))
        return;
    c.job.is_read = true;
    db_job_run(&c.job, get_container);
}

static int update_rows(struct db_job *job)
{
    struct container_job *c = of(job);
    struct object_row *rows;
    struct buf error;
    size_t n;

    int err = maybe_create(job, c->policy);
    if (err == -ECANCELED)
        return 0;
    if (err)
        return err;
    buf_init(&error, 1024);
    if (container_update_parse(job->req->arena, c->body, &rows, &n, &error) < 0)
        error_text(job->rsp, 400, TEXT, "%.*s", STR_ARG(buf_view(&error)));
    else
        err = container_merge_rows(&job->broker, rows, n, STR_NONE);
    if (!err && !job->rsp->status)
        error_page(job->rsp, 202);
    buf_release(&error);
    return err;
}

static void handle_update(struct backend_server *s, struct http_request *req, struct http_response *rsp)
{
    struct container_job c = {0};

    if (db_job_init(&c.job, s, req, rsp, 4, 4, true) && policy_from_request(&c.job, &c.policy))
        run_with_body(&c, update_rows);
}

static void handle_replicate(struct backend_server *s, struct http_request *req, struct http_response *rsp)
{
    db_replicate_handle(s, req, rsp, &container_replica_ops);
}

static const struct backend_method methods[] = {
    {"PUT", handle_put, false},
    {"POST", handle_post, false},
    {"DELETE", handle_delete, false},
    {"HEAD", handle_head, false},
    {"GET", handle_get, false},
    {"UPDATE", handle_update, false},
    {"REPLICATE", handle_replicate, true},
    {0},
};

/* --- the server ---------------------------------------------------------------------------------------------------------------------------- */

static void container_server_free(struct http_app *app)
{
    struct container_server *s = (struct container_server *)app;

    db_server_release(&s->db);
    http_client_free(s->client);
    sync_to_rules_free(&s->sync_to);
    free(s);
}

int container_server_new(const struct server_context *context, struct http_app **ret, struct buf *error)
{
    struct container_server *s = xcalloc(1, sizeof(*s));

    int err =
        sync_to_rules_read(context->conf, context->section, context->swift->swift_dir, &s->sync_to, error);
    if (!err)
        err = db_server_init(&s->db, context, "container-server", &container_broker_kind, methods, error);
    if (err) {
        sync_to_rules_free(&s->sync_to);
        free(s);
        return err;
    }
    s->timeouts.connect_ms = s->db.options.conn_timeout_ms;
    s->timeouts.node_ms = s->db.options.node_timeout_ms;
    s->client = http_client_new(16, 20000);
    s->db.backend.app.free = container_server_free;
    *ret = &s->db.backend.app;
    return 0;
}
