/* SPDX-License-Identifier: Apache-2.0 */
#include "account/account_server.h"

#include <errno.h>
#include <stdlib.h>

#include "account/account_broker.h"
#include "account/account_replicator.h"
#include "common/alloc.h"
#include "db/db_server.h"

/* An account that was deleted, as opposed to one that never was: the proxy answers 410. */
static int answer_deleted(struct db_job *job, const struct account_info *info, int status)
{
    if (info->status_deleted)
        header_set(&job->rsp->headers, STR("X-Account-Status"), STR("Deleted"));
    if (status == 403)
        error_text(job->rsp, status, NULL, "Recently deleted");
    else
        error_page(job->rsp, status);
    return 0;
}

/* --- PUT, POST, DELETE of the account -------------------------------------------------------------------------------- */

static int store_metadata(struct db_job *job, int status)
{
    struct db_metadata m;
    int err;

    db_job_metadata(job, NULL, &m);
    if (db_job_store_metadata(job, &m, &err))
        error_page(job->rsp, status);
    return err;
}

static int put_account(struct db_job *job)
{
    struct account_info info;
    struct db_broker *b = &job->broker;

    int err = db_broker_find(b);
    if (err == -ENOENT) {
        err = db_broker_create(b, job->timestamp, 0);
        if (err && err != -EEXIST)
            return err;
        return store_metadata(job, err ? 202 : 201);
    }
    if (!err)
        err = account_info_read(b, &info);
    if (err)
        return err;
    if (info.status_deleted)
        return answer_deleted(job, &info, 403);
    err = db_update_put_timestamp(b, job->timestamp);
    return err ? err : store_metadata(job, 202);
}

static int post_account(struct db_job *job)
{
    struct account_info info;

    int err = account_info_read(&job->broker, &info);
    if (err)
        return err;
    return info.deleted ? answer_deleted(job, &info, 404) : store_metadata(job, 204);
}

static int delete_account(struct db_job *job)
{
    struct account_info info;

    int err = account_info_read(&job->broker, &info);
    if (err)
        return err;
    if (info.deleted)
        return answer_deleted(job, &info, 404);
    err = db_delete(&job->broker, job->timestamp);
    if (!err)
        err = account_info_read(&job->broker, &info);
    return err ? err : answer_deleted(job, &info, 204);
}

/* --- PUT of a container's row -------------------------------------------------------------------------------------------- */

static bool required_int(const struct http_request *req, struct str name, int64_t *ret,
                         struct http_response *rsp)
{
    if (str_to_i64(str_trim(header_get(&req->headers, name)), ret) == 0)
        return true;
    error_text(rsp, 400, "text/plain; charset=UTF-8", "Missing or invalid %.*s header", STR_ARG(name));
    return false;
}

static bool required_timestamp(const struct http_request *req, struct str name, struct str *ret,
                               struct http_response *rsp)
{
    struct timestamp t;

    *ret = header_get(&req->headers, name);
    if (timestamp_parse(*ret, &t) == 0)
        return true;
    error_text(rsp, 400, "text/plain; charset=UTF-8", "Missing or invalid %.*s header", STR_ARG(name));
    return false;
}

static bool row_from_request(struct db_job *job, struct account_row *row)
{
    const struct http_request *req = job->req;

    *row = (struct account_row){.name = job->path.container};
    if (!required_timestamp(req, STR("X-Put-Timestamp"), &row->put_timestamp, job->rsp) ||
        !required_timestamp(req, STR("X-Delete-Timestamp"), &row->delete_timestamp, job->rsp) ||
        !required_int(req, STR("X-Object-Count"), &row->object_count, job->rsp) ||
        !required_int(req, STR("X-Bytes-Used"), &row->bytes_used, job->rsp))
        return false;
    return !header_get(&req->headers, STR("X-Backend-Storage-Policy-Index")).n ||
           required_int(req, STR("X-Backend-Storage-Policy-Index"), &row->policy, job->rsp);
}

static int put_container(struct db_job *job)
{
    const struct constraints *limits = &job->server->backend.conf->constraints;
    bool override = str_ieq(header_get(&job->req->headers, STR("X-Account-Override-Deleted")), STR("yes"));
    struct account_row row;
    bool deleted;

    int err = db_broker_find(&job->broker);
    if (err == -ENOENT && str_starts(job->path.account, str_from(limits->auto_create_account_prefix))) {
        err = db_broker_create(&job->broker, job->timestamp, 0);
        if (err == -EEXIST)
            err = 0;
    }
    if (!err && !override) {
        err = account_is_deleted(&job->broker, &deleted);
        if (!err && deleted)
            err = -ENOENT;
    }
    if (err)
        return err;
    if (!row_from_request(job, &row))
        return 0;
    err = account_put_row(&job->broker, &row);
    if (!err)
        error_page(job->rsp, str_cmp(row.delete_timestamp, row.put_timestamp) > 0 ? 204 : 201);
    return err;
}

static void handle_put_container(struct db_job *job)
{
    struct timestamp t = timestamp_now();
    char text[TIMESTAMP_INTERNAL_SIZE];

    if (header_has(&job->req->headers, STR("X-Timestamp")) && !backend_timestamp(job->req, &t, job->rsp))
        return;
    job->timestamp = arena_str(job->req->arena, str_from(timestamp_internal(t, text)));
    if (header_has(&job->req->headers, STR("X-Trans-Id")))
        job->lock_timeout_ms = DB_LOCK_TRANS_MS;
    db_job_run(job, put_container);
}

/* --- HEAD, GET -------------------------------------------------------------------------------------------------------------- */

static void policy_header(struct http_response *rsp, const char *policy, const char *what, int64_t value)
{
    struct str name = arena_printf(rsp->arena, "X-Account-Storage-Policy-%s-%s", policy, what);
    header_setf(&rsp->headers, header_title(rsp->arena, name), "%lld", (long long)value);
}

static int set_headers(struct db_job *job, const struct account_info *info)
{
    struct http_response *rsp = job->rsp;

    header_setf(&rsp->headers, STR("X-Account-Container-Count"), "%lld", (long long)info->container_count);
    header_setf(&rsp->headers, STR("X-Account-Object-Count"), "%lld", (long long)info->object_count);
    header_setf(&rsp->headers, STR("X-Account-Bytes-Used"), "%lld", (long long)info->bytes_used);
    db_header_timestamp(rsp, STR("X-Timestamp"), info->created_at, false);
    db_header_timestamp(rsp, STR("X-Put-Timestamp"), info->put_timestamp, false);
    for (size_t i = 0; i < info->n_policies; i++) {
        const struct account_policy_stat *stat = &info->policies[i];
        const struct policy *p = policy_by_index(&job->server->backend.conf->policies, (int)stat->policy);
        if (!p)
            continue;
        policy_header(rsp, p->name, "Container-Count", stat->container_count);
        policy_header(rsp, p->name, "Object-Count", stat->object_count);
        policy_header(rsp, p->name, "Bytes-Used", stat->bytes_used);
    }
    return db_job_show_metadata(job, NULL);
}

struct read_job {
    struct db_job job;
    enum listing_type type;
    struct db_listing listing;
};

static int head_account(struct db_job *job)
{
    struct read_job *r = (struct read_job *)job;
    struct account_info info;

    int err = account_info_read(&job->broker, &info);
    if (err)
        return err;
    if (info.deleted)
        return answer_deleted(job, &info, 404);
    err = set_headers(job, &info);
    if (!err)
        http_response_text(job->rsp, 204, listing_content_type(r->type), STR(""));
    return err;
}

static int get_account(struct db_job *job)
{
    struct read_job *r = (struct read_job *)job;
    struct db_listing_writer w;
    struct account_info info;
    struct buf out;

    int err = account_info_read(&job->broker, &info);
    if (err)
        return err;
    if (info.deleted)
        return answer_deleted(job, &info, 404);
    buf_init(&out, DB_LISTING_MAX_BYTES);
    db_listing_begin(&w, r->type, "account", job->path.account, &out);
    err = account_list(&job->broker, &r->listing, &w);
    db_listing_end(&w);
    if (!err)
        err = buf_error(&out);
    if (!err)
        err = set_headers(job, &info);
    if (err)
        buf_release(&out);
    else
        db_job_answer_listing(job, r->type, &out);
    return err;
}

/* --- methods -------------------------------------------------------------------------------------------------------------------- */

static void handle_put(struct backend_server *s, struct http_request *req, struct http_response *rsp)
{
    struct db_job job;
    struct timestamp t;
    char text[TIMESTAMP_INTERNAL_SIZE];

    if (!db_job_init(&job, s, req, rsp, 3, 4, false))
        return;
    job.needs_space = true;
    if (job.path.container.p) {
        handle_put_container(&job);
        return;
    }
    if (!backend_timestamp(req, &t, rsp))
        return;
    job.timestamp = arena_str(req->arena, str_from(timestamp_internal(t, text)));
    db_job_run(&job, put_account);
}

static void handle_post(struct backend_server *s, struct http_request *req, struct http_response *rsp)
{
    struct db_job job;

    if (!db_job_init(&job, s, req, rsp, 3, 3, true))
        return;
    job.needs_space = true;
    db_job_run(&job, post_account);
}

static void handle_delete(struct backend_server *s, struct http_request *req, struct http_response *rsp)
{
    struct db_job job;

    if (db_job_init(&job, s, req, rsp, 3, 3, true))
        db_job_run(&job, delete_account);
}

static void handle_head(struct backend_server *s, struct http_request *req, struct http_response *rsp)
{
    struct read_job r;

    if (!db_job_init(&r.job, s, req, rsp, 3, 3, false))
        return;
    if (!request_listing_type(req, &r.type, rsp))
        return;
    r.job.is_read = true;
    db_job_run(&r.job, head_account);
}

static void handle_get(struct backend_server *s, struct http_request *req, struct http_response *rsp)
{
    struct read_job r;

    if (!db_job_init(&r.job, s, req, rsp, 3, 3, false))
        return;
    if (!db_listing_from_request(req, s->conf->constraints.account_listing_limit, false, &r.listing, rsp) ||
        !request_listing_type(req, &r.type, rsp))
        return;
    r.job.is_read = true;
    db_job_run(&r.job, get_account);
}

static void handle_replicate(struct backend_server *s, struct http_request *req, struct http_response *rsp)
{
    db_replicate_handle(s, req, rsp, &account_replica_ops);
}

static const struct backend_method methods[] = {
    {"PUT", handle_put, false},
    {"POST", handle_post, false},
    {"DELETE", handle_delete, false},
    {"HEAD", handle_head, false},
    {"GET", handle_get, false},
    {"REPLICATE", handle_replicate, true},
    {0},
};

static void account_server_free(struct http_app *app)
{
    db_server_release((struct db_server *)app);
    free(app);
}

int account_server_new(const struct server_context *context, struct http_app **ret, struct buf *error)
{
    struct db_server *s = xcalloc(1, sizeof(*s));

    int err = db_server_init(s, context, "account-server", &account_broker_kind, methods, error);
    if (err) {
        free(s);
        return err;
    }
    s->backend.app.free = account_server_free;
    *ret = &s->backend.app;
    return 0;
}
