/* SPDX-License-Identifier: Apache-2.0
 *
 * object_put.c: PUT. A body of at most one chunk is read first and then stored by one job on the disk's threads. A larger one
 * goes through two chunk buffers: while the task reads one from the socket, a thread digests and writes the other. Where the
 * client waits for "100 Continue", what is there already is looked at before the first byte is asked for.
 */
#include "object/object_request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "common/alloc.h"
#include "common/clock.h"
#include "common/log.h"

#define CHUNK ((size_t)262144)

struct put {
    struct object_request r;
    int64_t size; /* -1: chunked, and nobody said */
    int64_t new_delete_at, old_delete_at;
    bool checked;              /* the look at what is there has been taken */
    int status;                /* what it, or the digest, asks to answer: 0, 412, 409, 403, 422 */
    struct timestamp existing; /* with 409 */
    struct diskfile_info before;
    struct diskfile_writer writer;
    bool writing; /* the writer is open */
    struct digest *digest;
    uint64_t received;
    char etag[DIGEST_HEX_SIZE];
    struct diskfile_meta meta;
    int64_t deadline; /* of the whole upload */
    int err;          /* of the disk */
};

/* --- what is there already: on a thread of the disk ----------------------------------------------------------------- */

static bool matches(struct str list, struct str etag)
{
    struct str item;
    while (str_next(&list, ',', &item)) {
        item = str_trim(item);
        if (item.n >= 2 && item.p[0] == '"' && item.p[item.n - 1] == '"')
            item = str_slice(item, 1, item.n - 1);
        if (str_eq(item, STR("*")) || (item.n && str_eq(item, etag)))
            return true;
    }
    return false;
}

static void judge_existing(struct put *p)
{
    const struct diskfile_info *b = &p->before;
    struct str none_match = header_get(&p->r.req->headers, STR("If-None-Match"));
    struct timestamp there = b->state == DISKFILE_LIVE ? b->data_timestamp
                             : b->state == DISKFILE_DELETED || b->state == DISKFILE_EXPIRED ? b->timestamp
                                                                                            : TIMESTAMP_ZERO;
    p->old_delete_at = 0;
    if (b->state == DISKFILE_COLLISION)
        p->status = 403;
    else if (b->state == DISKFILE_LIVE && none_match.p &&
             matches(none_match, diskfile_meta_get(&b->meta, "ETag")))
        p->status = 412;
    else if (timestamp_cmp(there, p->r.time) >= 0)
        p->status = 409;
    if (b->state == DISKFILE_LIVE)
        diskfile_delete_at(&b->meta, &p->old_delete_at);
    p->existing = there;
}

static void check_existing(struct put *p)
{
    struct diskfile_open_options o = {.now = p->r.time};
    if (p->checked)
        return;
    p->checked = true;
    p->err = diskfile_open(&p->r.file, &o, &p->before);
    if (!p->err)
        judge_existing(p);
}

/* --- the end of the body --------------------------------------------------------------------------------------------- */

/* The ETag field: the MD5 the client counts on. */
static bool etag_differs(const struct put *p)
{
    struct str wanted = str_trim(header_get(&p->r.req->headers, STR("ETag")));
    if (str_istarts(wanted, STR("W/")))
        wanted = str_slice(wanted, 2, wanted.n);
    if (wanted.n >= 2 && wanted.p[0] == '"' && wanted.p[wanted.n - 1] == '"')
        wanted = str_slice(wanted, 1, wanted.n - 1);
    return wanted.n && !str_eq(wanted, str_from(p->etag));
}

static void describe(struct put *p)
{
    char time[TIMESTAMP_INTERNAL_SIZE];
    struct header_table *f = &p->meta.fields;
    diskfile_meta_init(&p->meta, p->r.req->arena);
    header_add(f, STR("X-Timestamp"), str_from(timestamp_internal(p->r.time, time)));
    header_add(f, STR("Content-Type"), str_trim(header_get(&p->r.req->headers, STR("Content-Type"))));
    header_addf(f, STR("Content-Length"), "%llu", (unsigned long long)p->received);
    header_add(f, STR("ETag"), str_from(p->etag));
    object_request_metadata(&p->r, true, &p->meta);
}

/* True if what was received may be stored. */
static bool finish_digest(struct put *p)
{
    digest_final_hex(p->digest, p->etag);
    if (etag_differs(p)) {
        p->status = 422;
        return false;
    }
    describe(p);
    return true;
}

/* --- jobs for the disk's threads --------------------------------------------------------------------------------------- */

static void create_job(void *arg)
{
    struct put *p = arg;
    if (p->writing)
        return;
    check_existing(p);
    if (p->err || p->status)
        return;
    p->err = diskfile_create(&p->r.file, &p->r.write, p->size, &p->writer);
    p->writing = p->err == 0;
}

static void commit_job(void *arg)
{
    struct put *p = arg;
    char name[ONDISK_NAME_SIZE];
    if (finish_digest(p))
        p->err = diskfile_commit(&p->writer, ondisk_name(p->r.time, ".data", name), &p->meta, true);
    diskfile_close(&p->writer);
    p->writing = false;
}

static void drop_job(void *arg)
{
    struct put *p = arg;
    diskfile_close(&p->writer);
    p->writing = false;
}

/* A body that is there as a whole: everything in one job. */
struct small_job {
    struct put *put;
    struct str body;
};

static void store_small(void *arg)
{
    struct small_job *j = arg;
    struct put *p = j->put;
    create_job(p);
    if (p->err || p->status)
        return;
    digest_update(p->digest, j->body.p, j->body.n);
    p->received = j->body.n;
    if (j->body.n)
        p->err = diskfile_write(&p->writer, j->body.p, j->body.n);
    if (!p->err)
        commit_job(p);
}

/* --- bodies in pieces -------------------------------------------------------------------------------------------------- */

struct chunk {
    struct put *put;
    struct str bytes;
    struct rt_task *task; /* writing it, or NULL */
    int err;
};

static void write_job(void *arg)
{
    struct chunk *c = arg;
    digest_update(c->put->digest, c->bytes.p, c->bytes.n);
    c->err = diskfile_write(&c->put->writer, c->bytes.p, c->bytes.n);
}

static void write_task(void *arg)
{
    struct chunk *c = arg;
    rt_label("object PUT, writing");
    int err = rt_offload(c->put->r.device->pool, write_job, c);
    if (err)
        c->err = err;
}

static void start_writing(struct chunk *c, char *p, size_t n)
{
    c->bytes = str_of(p, n);
    c->err = 0;
    c->task = rt_spawn(write_task, c);
}

static int join_writing(struct chunk *c)
{
    if (!c->task)
        return 0;
    rt_join(c->task);
    c->task = NULL;
    return c->err;
}

/* The rest of the body behind its first chunk, which is in buffers[0]. Returns an error of the body; that of the disk goes
 * to put->err. */
static int stream(struct put *p, char *buffers[2], size_t first)
{
    struct chunk chunk = {.put = p};
    size_t n = first;
    int body_err = 0, current = 0;
    while (n > 0 && !p->err) {
        p->received += n;
        start_writing(&chunk, buffers[current], n);
        current = !current;
        ssize_t got = http_body_read_full(p->r.req->body, buffers[current], CHUNK);
        p->err = join_writing(&chunk);
        if (got >= 0 && clock_monotonic_ms() > p->deadline)
            got = -ETIMEDOUT;
        if (got < 0) {
            body_err = (int)got;
            break;
        }
        n = (size_t)got;
    }
    return body_err;
}

/* --- the answer -------------------------------------------------------------------------------------------------------- */

/* False with an answer if the disk or the rules say no. */
static bool may_go_on(struct put *p)
{
    if (p->err) {
        object_request_failed(&p->r, p->err, "PUT");
        return false;
    }
    if (!p->status)
        return true;
    error_page(p->r.rsp, p->status);
    if (p->status == 409)
        object_request_backend_timestamp(&p->r, p->existing);
    return false;
}

static void answer_body_error(struct put *p, int err)
{
    error_page(p->r.rsp, err == -ETIMEDOUT ? 408 : 499);
    p->r.rsp->close = true;
}

static void send_updates(struct put *p)
{
    struct object_request *r = &p->r;
    struct header_table h;
    struct object_updates *u =
        object_updates_new(r->server->updater, r->req, &r->path, r->device, r->policy->index);
    header_init(&h, r->req->arena);
    header_add_ref(&h, STR("X-Size"), diskfile_meta_get(&p->meta, "Content-Length"));
    header_add_ref(&h, STR("X-Content-Type"), diskfile_meta_get(&p->meta, "Content-Type"));
    header_add_ref(&h, STR("X-Timestamp"), diskfile_meta_get(&p->meta, "X-Timestamp"));
    header_add_ref(&h, STR("X-Etag"), diskfile_meta_get(&p->meta, "ETag"));
    object_updates_override(&h, &r->req->headers);
    object_request_expirer(r, u, p->old_delete_at, p->new_delete_at);
    object_updates_container(u, STR("PUT"), &h);
    object_updates_send(u);
}

/* --- the course of a PUT ------------------------------------------------------------------------------------------------ */

static bool body_is_short(const struct put *p, uint64_t got)
{
    return p->size >= 0 && got != (uint64_t)p->size;
}

/* Stores a body that ended within the first buffer. True if it is committed. */
static bool put_small(struct put *p, struct str body)
{
    struct small_job j = {p, body};
    if (body_is_short(p, body.n)) {
        answer_body_error(p, -EPIPE);
        return false;
    }
    return object_request_offload(&p->r, store_small, &j) && may_go_on(p);
}

static bool put_large(struct put *p, char *buffers[2], size_t first)
{
    bool committed = false;
    if (!object_request_offload(&p->r, create_job, p) || !may_go_on(p))
        return false;
    int body_err = stream(p, buffers, first);
    if (!p->err && !body_err && body_is_short(p, p->received))
        body_err = -EPIPE;
    if (body_err)
        answer_body_error(p, body_err);
    else if (p->err)
        object_request_failed(&p->r, p->err, "PUT");
    else
        committed = object_request_offload(&p->r, commit_job, p) && may_go_on(p);
    return committed;
}

static bool receive(struct put *p)
{
    struct http_body *body = p->r.req->body;
    size_t want = p->r.req->has_length && (uint64_t)p->size < CHUNK ? (size_t)p->size : CHUNK;
    char *buffers[2] = {xmalloc(want ? want : 1), NULL};
    bool committed = false;
    ssize_t n = http_body_read_full(body, buffers[0], want);
    if (n < 0) {
        answer_body_error(p, (int)n);
    } else if ((size_t)n < CHUNK) {
        committed = put_small(p, str_of(buffers[0], (size_t)n));
    } else {
        buffers[1] = xmalloc(CHUNK);
        committed = put_large(p, buffers, (size_t)n);
    }
    free(buffers[0]);
    free(buffers[1]);
    return committed;
}

/* Bodies in several parts are a later protocol step: the proxy is told so at once. */
static bool wants_mime(const struct http_request *req)
{
    return str_is_true(header_get(&req->headers, STR("X-Backend-Obj-Metadata-Footer"))) ||
           str_is_true(header_get(&req->headers, STR("X-Backend-Obj-Multiphase-Commit")));
}

static bool expected_size(struct put *p)
{
    uint64_t n;
    const struct http_request *req = p->r.req;
    struct str said = header_get(&req->headers, STR("X-Backend-Obj-Content-Length"));
    p->size = req->has_length ? req->content_length : -1;
    if (req->has_length || !said.p)
        return true;
    if (str_to_u64(str_trim(said), &n) != 0 || n > INT64_MAX) {
        object_request_refuse(&p->r, 400, "Bad X-Backend-Obj-Content-Length");
        return false;
    }
    p->size = (int64_t)n;
    return true;
}

static bool check_request(struct put *p)
{
    struct object_request *r = &p->r;
    if (!backend_timestamp(r->req, &r->time, r->rsp))
        return false;
    if (!constraints_check_object_creation(&r->server->base.conf->constraints, r->req, r->path.object,
                                           r->time.raw / 100000, r->rsp))
        return false;
    if (wants_mime(r->req)) {
        object_request_refuse(r, 400, "MIME bodies with footers or two phases are not supported");
        return false;
    }
    if (!object_request_delete_at(r, &p->new_delete_at)) {
        object_request_refuse(r, 400, "Non-integer X-Delete-At");
        return false;
    }
    return expected_size(p);
}

void object_put(struct backend_server *s, struct http_request *req, struct http_response *rsp)
{
    struct put p = {.size = -1};
    struct object_server *server = (struct object_server *)s;
    p.deadline = rt_deadline(server->options.max_upload_time_ms);
    if (!object_request_init(server, req, rsp, &p.r) || !check_request(&p) || !object_request_device(&p.r))
        return;
    object_request_part_power(&p.r);
    /* Whoever waits for 100 Continue learns of a conflict or a full disk before sending the body; so does the sender of
     * a long one. */
    bool early = header_has(&req->headers, STR("Expect")) || p.size < 0 || (uint64_t)p.size > CHUNK;
    if (early && (!object_request_offload(&p.r, create_job, &p) || !may_go_on(&p)))
        return;
    p.digest = digest_new(DIGEST_MD5);
    bool committed = receive(&p);
    digest_free(p.digest);
    if (p.writing && rt_offload(p.r.device->pool, drop_job, &p) != 0)
        drop_job(&p); /* the queue is full: better a short wait here than a leak */
    if (p.checked && !p.err)
        object_request_note(&p.r, &p.before);
    if (!committed)
        return;
    send_updates(&p);
    error_page(rsp, 201);
    header_setf(&rsp->headers, STR("Etag"), "\"%s\"", p.etag);
}
