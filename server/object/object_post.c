/* SPDX-License-Identifier: Apache-2.0
 *
 * object_post.c: POST: new metadata in a .meta file beside the .data file. The content type has a time of its own, so that a
 * POST that changes only metadata does not bring back an older type.
 */
#include "object/object_request.h"

#include <errno.h>
#include "common/log.h"

struct post {
    struct object_request r;
    int64_t new_delete_at, old_delete_at;
    struct diskfile_info now;
    struct timestamp ctype_time;   /* of the request's Content-Type; 0: it has none */
    struct timestamp merged_ctype; /* of what holds afterwards */
    struct str merged_type;
    struct diskfile_meta meta;
    char name[ONDISK_NAME_SIZE];
    int err;
};

static bool check_request(struct post *p)
{
    struct object_request *r = &p->r;
    const struct header_table *h = &r->req->headers;
    if (!backend_timestamp(r->req, &r->time, r->rsp))
        return false;
    if (!object_request_delete_at(r, &p->new_delete_at)) {
        object_request_refuse(r, 400, "Non-integer X-Delete-At");
        return false;
    }
    int64_t at = p->new_delete_at;
    if (at && (at < 0 || (at <= INT64_MAX / 100000 &&
                          timestamp_cmp((struct timestamp){at * 100000, 0}, r->time) < 0))) {
        object_request_refuse(r, 400, "X-Delete-At in past");
        return false;
    }
    p->ctype_time = TIMESTAMP_ZERO;
    if (!header_get(h, STR("Content-Type")).n)
        return true;
    p->ctype_time = r->time;
    struct str given = header_get(h, STR("Content-Type-Timestamp"));
    if (given.p && timestamp_parse(given, &p->ctype_time) != 0) {
        object_request_refuse(r, 400, "Invalid Content-Type-Timestamp header");
        return false;
    }
    return true;
}

static bool open_object(struct post *p)
{
    struct object_request *r = &p->r;
    struct diskfile_open_options o = {
        .now = r->time,
        .open_expired = str_is_true(header_get(&r->req->headers, STR("X-Backend-Replication"))) ||
                        str_is_true(header_get(&r->req->headers, STR("X-Backend-Open-Expired"))),
    };
    if (!object_request_open(r, &o, &p->now))
        return false;
    if (p->now.state != DISKFILE_LIVE) {
        error_page(r->rsp, 404);
        return false;
    }
    /* A type newer than the data with metadata older than it has no place on disk: a .meta file must be newer than the
     * .data file to count. */
    bool older = timestamp_cmp(p->now.timestamp, r->time) >= 0;
    if (older && (!p->now.has_post_meta || timestamp_cmp(p->now.ctype_timestamp, p->ctype_time) >= 0)) {
        error_page(r->rsp, 409);
        object_request_backend_timestamp(r, p->now.timestamp);
        return false;
    }
    diskfile_delete_at(&p->now.meta, &p->old_delete_at);
    return true;
}

static void set_type(struct post *p)
{
    char text[TIMESTAMP_INTERNAL_SIZE];
    header_set(&p->meta.fields, STR("Content-Type"), p->merged_type);
    header_set(&p->meta.fields, STR("Content-Type-Timestamp"),
               str_from(timestamp_internal(p->merged_ctype, text)));
}

/* What the .meta file is to hold. */
static void merge(struct post *p)
{
    struct object_request *r = &p->r;
    char text[TIMESTAMP_INTERNAL_SIZE];
    diskfile_meta_init(&p->meta, r->req->arena);
    if (timestamp_cmp(r->time, p->now.timestamp) > 0) {
        object_request_metadata(r, false, &p->meta);
        header_set(&p->meta.fields, STR("X-Timestamp"), str_from(timestamp_internal(r->time, text)));
    } else { /* only the content type is newer */
        header_copy(&p->meta.fields, &p->now.post_meta.fields);
        header_set(&p->meta.fields, STR("X-Timestamp"), str_from(timestamp_internal(p->now.timestamp, text)));
    }
    if (timestamp_cmp(p->ctype_time, p->now.ctype_timestamp) > 0) {
        p->merged_type = str_trim(header_get(&r->req->headers, STR("Content-Type")));
        p->merged_ctype = p->ctype_time;
        set_type(p);
        return;
    }
    p->merged_type = diskfile_meta_get(&p->now.meta, "Content-Type");
    p->merged_ctype = p->now.ctype_timestamp;
    if (timestamp_cmp(p->merged_ctype, p->now.data_timestamp) != 0)
        set_type(p);
}

static void name_file(struct post *p)
{
    struct timestamp time, ctype;
    timestamp_parse(diskfile_meta_get(&p->meta, "X-Timestamp"), &time);
    bool has = timestamp_parse(diskfile_meta_get(&p->meta, "Content-Type-Timestamp"), &ctype) == 0;
    ondisk_name_meta(time, has ? &ctype : NULL, p->name);
}

static void write_job(void *arg)
{
    struct post *p = arg;
    p->err = diskfile_put(&p->r.file, &p->r.write, STR_NONE, p->name, &p->meta);
}

/* The type as the container shall show it: with the swift_bytes that a large object's manifest was given at its PUT. */
static struct str listed_type(struct post *p)
{
    struct str rest = diskfile_meta_get(&p->now.data_meta, "Content-Type"), part;
    if (timestamp_cmp(p->merged_ctype, p->now.data_timestamp) == 0)
        return p->merged_type;
    while (str_next(&rest, ';', &part))
        if (str_istarts(str_trim(part), STR("swift_bytes=")))
            return arena_join(p->r.req->arena, p->merged_type, STR(";"), str_trim(part), STR_END);
    return p->merged_type;
}

static void set_from(struct header_table *h, struct str name, const struct diskfile_meta *m,
                     const char *field)
{
    struct str value = diskfile_meta_get(m, field);
    if (value.p)
        header_set(h, name, value);
}

static void send_updates(struct post *p)
{
    struct object_request *r = &p->r;
    char text[TIMESTAMP_INTERNAL_SIZE];
    struct header_table h;
    struct object_updates *u =
        object_updates_new(r->server->updater, r->req, &r->path, r->device, r->policy->index);
    header_init(&h, r->req->arena);
    set_from(&h, STR("X-Size"), &p->now.meta, "Content-Length");
    header_set(&h, STR("X-Content-Type"), listed_type(p));
    header_add(&h, STR("X-Timestamp"), str_from(timestamp_internal(p->now.data_timestamp, text)));
    header_add(&h, STR("X-Content-Type-Timestamp"), str_from(timestamp_internal(p->merged_ctype, text)));
    set_from(&h, STR("X-Meta-Timestamp"), &p->meta, "X-Timestamp");
    set_from(&h, STR("X-Etag"), &p->now.meta, "ETag");
    set_from(&h, STR("X-Etag"), &p->now.meta, "X-Object-Sysmeta-Ec-Etag");
    set_from(&h, STR("X-Size"), &p->now.meta, "X-Object-Sysmeta-Ec-Content-Length");
    object_updates_override(&h, &p->now.meta.fields);
    if (timestamp_cmp(r->time, p->now.timestamp) > 0)
        object_request_expirer(r, u, p->old_delete_at, p->new_delete_at);
    object_updates_container(u, STR("PUT"), &h);
    object_updates_send(u);
}

static void answer(struct post *p)
{
    const struct header_table *f = &p->now.meta.fields;
    error_page(p->r.rsp, 202);
    header_set(&p->r.rsp->headers, STR("X-Backend-Content-Type"), listed_type(p));
    for (size_t i = 0; i < f->n; i++)
        if (header_is_sys_meta("object", f->v[i].name))
            header_set(&p->r.rsp->headers, f->v[i].name, f->v[i].value);
}

void object_post(struct backend_server *s, struct http_request *req, struct http_response *rsp)
{
    struct post p = {0};
    if (!object_request_init((struct object_server *)s, req, rsp, &p.r) || !check_request(&p) ||
        !object_request_device(&p.r))
        return;
    object_request_part_power(&p.r);
    if (!open_object(&p))
        return;
    merge(&p);
    name_file(&p);
    if (!object_request_offload(&p.r, write_job, &p))
        return;
    if (p.err) {
        object_request_failed(&p.r, p.err, "POST");
        return;
    }
    send_updates(&p);
    answer(&p);
}
