/* SPDX-License-Identifier: Apache-2.0
 *
 * object_delete.c: DELETE writes a tombstone, also where nothing is: the object may be on another node.
 */
#include "object/object_request.h"

#include <errno.h>

struct deletion {
    struct object_request r;
    struct diskfile_info now;
    struct timestamp existing; /* 0: nothing there */
    int64_t delete_at;         /* of the object; 0: none */
    int status;
    int err;
};

static bool open_object(struct deletion *d)
{
    struct diskfile_open_options o = {.now = d->r.time};
    if (!object_request_open(&d->r, &o, &d->now))
        return false;
    d->existing = TIMESTAMP_ZERO;
    d->status = 404;
    if (d->now.state == DISKFILE_DELETED || d->now.state == DISKFILE_EXPIRED)
        d->existing = d->now.timestamp;
    if (d->now.state == DISKFILE_LIVE) {
        d->existing = d->now.data_timestamp;
        d->status = timestamp_cmp(d->existing, d->r.time) < 0 ? 204 : 409;
    }
    if (d->now.state == DISKFILE_LIVE || d->now.state == DISKFILE_EXPIRED)
        diskfile_delete_at(&d->now.meta, &d->delete_at);
    return true;
}

/* The expirer deletes only what still has the time it was queued for. False: rsp has the answer. */
static bool check_if_delete_at(struct deletion *d)
{
    struct timestamp wanted;
    struct str text = header_get(&d->r.req->headers, STR("X-If-Delete-At"));
    if (!text.p)
        return true;
    if (timestamp_parse(text, &wanted) != 0)
        error_text(d->r.rsp, 400, NULL, "Bad X-If-Delete-At header value");
    else if (timestamp_cmp(d->existing, TIMESTAMP_ZERO) == 0)
        error_page(d->r.rsp, 404);
    else if (timestamp_cmp(d->existing, d->r.time) >= 0)
        error_page(d->r.rsp, 409);
    else if (wanted.offset || wanted.raw % 100000 || wanted.raw / 100000 != d->delete_at)
        error_text(d->r.rsp, 412, NULL, "X-If-Delete-At and X-Delete-At do not match");
    else
        d->status = 204;
    return d->r.rsp->status == 0;
}

static void tombstone_job(void *arg)
{
    struct deletion *d = arg;
    d->err = diskfile_delete(&d->r.file, &d->r.write, d->r.time);
}

static void send_updates(struct deletion *d, bool deleted)
{
    struct object_request *r = &d->r;
    char text[TIMESTAMP_INTERNAL_SIZE];
    struct object_updates *u =
        object_updates_new(r->server->updater, r->req, &r->path, r->device, r->policy->index);
    if (d->delete_at)
        object_updates_expirer(u, STR("DELETE"), d->delete_at, r->time);
    if (deleted) {
        struct header_table h;
        header_init(&h, r->req->arena);
        header_add(&h, STR("X-Timestamp"), str_from(timestamp_internal(r->time, text)));
        object_updates_container(u, STR("DELETE"), &h);
    }
    object_updates_send(u);
}

void object_delete(struct backend_server *s, struct http_request *req, struct http_response *rsp)
{
    struct deletion d = {0};
    if (!object_request_init((struct object_server *)s, req, rsp, &d.r) ||
        !backend_timestamp(req, &d.r.time, rsp) || !object_request_device(&d.r))
        return;
    object_request_part_power(&d.r);
    if (!open_object(&d) || !check_if_delete_at(&d))
        return;
    bool deleted = timestamp_cmp(d.existing, d.r.time) < 0;
    if (deleted && !object_request_offload(&d.r, tombstone_job, &d))
        return;
    if (d.err) {
        object_request_failed(&d.r, d.err, "DELETE");
        return;
    }
    send_updates(&d, deleted);
    error_page(rsp, d.status);
    object_request_backend_timestamp(&d.r, deleted ? d.r.time : d.existing);
    struct str type = diskfile_meta_get(&d.now.meta, "Content-Type");
    header_set(&rsp->headers, STR("X-Backend-Content-Type"), type.p ? type : STR(""));
}
