/* SPDX-License-Identifier: Apache-2.0 */
#include "db/db_server.h"

#include <errno.h>

#include "base/request_helpers.h"
#include "common/log.h"

int db_server_init(struct db_server *s, const struct server_context *context, const char *type,
                   const struct db_kind *kind, const struct backend_method *methods, struct buf *error)
{
    static const struct conf_option table[] = {BACKEND_OPTIONS, {0}};

    int err = conf_read(context->conf, context->section, table, &s->options, error);
    if (err)
        return err;
    s->backend.app.handle = backend_handle;
    s->backend.type = type;
    s->backend.options = &s->options;
    s->backend.conf = context->swift;
    s->backend.devices = devices_new(&s->options, kind->type);
    s->backend.methods = methods;
    s->kind = kind;
    s->cache = db_cache_new(DB_CACHE_IDLE_DEFAULT);
    return 0;
}

void db_server_release(struct db_server *s)
{
    devices_free(s->backend.devices); /* waits for the jobs */
    db_cache_free(s->cache);
}

/* --- a job --------------------------------------------------------------------------------------------------------- */

bool db_job_init(struct db_job *job, struct backend_server *s, struct http_request *req,
                 struct http_response *rsp, int min, int max, bool want_timestamp)
{
    struct timestamp t;
    char text[TIMESTAMP_INTERNAL_SIZE];

    *job = (struct db_job){.server = (struct db_server *)s, .req = req, .rsp = rsp};
    if (!backend_split_path(req, min, max, &job->path, rsp))
        return false;
    if (want_timestamp) {
        if (!backend_timestamp(req, &t, rsp))
            return false;
        job->timestamp = arena_str(req->arena, str_from(timestamp_internal(t, text)));
    }
    job->dev = devices_find(s->devices, job->path.device);
    if (!job->dev)
        error_page(rsp, 507);
    return job->dev;
}

static void answer_error(struct db_job *job, int err)
{
    switch (err) {
    case -ENOENT:
        error_page(job->rsp, 404);
        return;
    case -ENOSPC:
    case -EDQUOT:
    case -EROFS:
        error_page(job->rsp, 507);
        break;
    default:
        error_page(job->rsp, 500);
        break;
    }
    log_txn(LOG_LEVEL_ERROR, job->req->txn, "%s: %.*s %.*s: errno %d %s", job->broker.path,
            STR_ARG(job->req->method), STR_ARG(job->req->raw_path), -err, db_broker_error(&job->broker));
}

static void run_job(void *arg)
{
    struct db_job *job = arg;
    struct db_server *s = job->server;
    char hash[HASH_PATH_HEX_SIZE];

    if (job->needs_space && !device_has_space(job->dev, &s->options.fallocate_reserve, 0)) {
        error_page(job->rsp, 507);
        return;
    }
    struct str account = job->hash.p ? STR_NONE : job->path.account;
    struct str container = s->kind->epochs ? job->path.container : STR_NONE;
    if (job->hash.p)
        memcpy(hash, arena_str(job->req->arena, job->hash).p, sizeof(hash));
    else
        hash_path_hex(&s->backend.conf->hash, account, container, STR_NONE, hash);
    db_broker_init(&job->broker, s->cache, s->kind, job->req->arena, job->dev->path, job->path.partition,
                   hash, account, container);
    if (job->is_read) {
        job->broker.lock_timeout_ms = DB_LOCK_READ_MS;
        job->broker.stale_reads_ok = true;
    }
    if (job->lock_timeout_ms)
        job->broker.lock_timeout_ms = job->lock_timeout_ms;
    int err = job->run(job);
    if (err < 0)
        answer_error(job, err);
    db_broker_release(&job->broker);
}

void db_job_run(struct db_job *job, int (*run)(struct db_job *job))
{
    job->run = run;
    if (rt_offload(job->dev->pool, run_job, job) < 0)
        error_page(job->rsp, 503); /* the device has more to do than it can queue */
}

/* --- metadata -------------------------------------------------------------------------------------------------------- */

static bool is_stored(const struct db_server *s, struct str name, const char *const *more)
{
    if (header_is_user_meta(s->kind->type, name) || header_is_sys_meta(s->kind->type, name))
        return true;
    for (; more && *more; more++)
        if (str_ieq(name, str_from(*more)))
            return true;
    return false;
}

void db_job_metadata(const struct db_job *job, const char *const *more, struct db_metadata *ret)
{
    const struct header_table *t = &job->req->headers;

    db_metadata_init(ret, job->req->arena);
    for (size_t i = 0; i < t->n; i++)
        if (is_stored(job->server, t->v[i].name, more))
            db_metadata_set(ret, header_title(job->req->arena, t->v[i].name), t->v[i].value, job->timestamp);
}

bool db_job_store_metadata(struct db_job *job, const struct db_metadata *m, int *ret_err)
{
    struct buf error;

    *ret_err = 0;
    if (m->n == 0)
        return true;
    buf_init(&error, 256);
    *ret_err = db_metadata_update(&job->broker, m, &job->server->backend.conf->constraints, &error);
    if (*ret_err == -E2BIG) {
        error_text(job->rsp, 400, NULL, "%.*s", STR_ARG(buf_view(&error)));
        *ret_err = 0;
        buf_release(&error);
        return false;
    }
    buf_release(&error);
    return *ret_err == 0;
}

/* A peer's database may hold what no header may. */
static bool is_header_value(struct str value)
{
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] == '\r' || value.p[i] == '\n' || value.p[i] == '\0')
            return false;
    return value.n > 0;
}

int db_job_show_metadata(struct db_job *job, const char *const *more)
{
    struct db_metadata m;

    int err = db_metadata_read(&job->broker, &m);
    if (err)
        return err;
    for (size_t i = 0; i < m.n; i++)
        if (is_stored(job->server, m.v[i].key, more) && header_name_valid(m.v[i].key) &&
            is_header_value(m.v[i].value))
            header_set(&job->rsp->headers, m.v[i].key, m.v[i].value);
    return 0;
}

void db_header_timestamp(struct http_response *rsp, struct str name, struct str stored, bool internal)
{
    struct timestamp t = TIMESTAMP_ZERO;
    char text[TIMESTAMP_INTERNAL_SIZE], normal[TIMESTAMP_NORMAL_SIZE];

    timestamp_parse(stored, &t);
    header_set(&rsp->headers, name,
               str_from(internal ? timestamp_internal(t, text) : timestamp_normal(t, normal)));
}

void db_job_answer_listing(struct db_job *job, enum listing_type type, struct buf *listing)
{
    struct http_response *rsp = job->rsp;

    if (listing->n == 0) {
        buf_release(listing);
        http_response_text(rsp, 204, listing_content_type(type), STR(""));
        return;
    }
    rsp->status = 200;
    header_set(&rsp->headers, STR("Content-Type"), str_from(listing_content_type(type)));
    rsp->body = http_body_buf(job->req->arena, listing);
}
