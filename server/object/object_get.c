/* SPDX-License-Identifier: Apache-2.0
 *
 * object_get.c: GET and HEAD. What object_cache.h can vouch for and the page cache holds is answered on the event loop; the
 * rest is opened, and a small object read, by one job on the disk's threads.
 */
#include "object/object_request.h"

#include <errno.h>
#include <unistd.h>
#include "common/clock.h"
#include "common/log.h"
#include "http/http_range.h"
#include "object/object_body.h"

struct get {
    struct object_request r;
    bool head;
    struct diskfile_open_options options;
    struct diskfile_info info;
    struct object_source *source; /* GET of an object that is there */
    char *content;                /* all of it, if small */
    int err;
};

/* --- opening -------------------------------------------------------------------------------------------------------- */

/* All bytes of a small object. One that is shorter than its metadata says is as wrong as any other. */
static int read_small(struct get *g)
{
    size_t n = (size_t)g->info.size, at = 0;
    g->content = arena_alloc(g->r.req->arena, n ? n : 1);
    while (at < n) {
        ssize_t got = pread(g->info.fd, g->content + at, n - at, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got > 0) {
            at += (size_t)got;
            continue;
        }
        if (got < 0 && errno != EIO)
            return -errno;
        g->info.state = DISKFILE_QUARANTINED;
        g->info.why = "content cannot be read";
        return diskfile_quarantine(&g->r.file);
    }
    return 0;
}

static bool is_small(const struct get *g)
{
    return !g->head && g->info.state == DISKFILE_LIVE && (uint64_t)g->info.size <= OBJECT_SMALL;
}

static void open_job(void *arg)
{
    struct get *g = arg;
    int64_t before_ns = clock_real_ns();
    g->err = diskfile_open(&g->r.file, &g->options, &g->info);
    if (!g->err)
        object_cache_put(g->r.server->cache, &g->r.file, &g->info, before_ns);
    if (!g->err && is_small(g))
        g->err = read_small(g);
}

static void read_job(void *arg)
{
    struct get *g = arg;
    g->err = read_small(g);
}

static void close_fd(void *arg)
{
    struct object_source *s = arg;
    if (s->fd >= 0)
        close(s->fd);
}

/* Hands the descriptor to something that closes it whatever happens next. */
static void keep_source(struct get *g)
{
    struct object_request *r = &g->r;
    const struct header_table *h = &r->req->headers;
    const struct object_options *o = &r->server->options;
    bool is_private = header_has(h, STR("X-Auth-Token")) || header_has(h, STR("X-Storage-Token"));
    struct object_source *s = arena_alloc(r->req->arena, sizeof *s);
    *s = (struct object_source){
        .file = arena_alloc(r->req->arena, sizeof r->file),
        .pool = r->device->pool,
        .txn = r->req->txn,
        .fd = g->info.fd,
        .drop_cache = g->info.size >= o->keep_cache_size || (is_private && !o->keep_cache_private),
    };
    memcpy((void *)(uintptr_t)s->file, &r->file, sizeof r->file);
    arena_on_free(r->req->arena, close_fd, s);
    g->source = s;
}

/* False: rsp has the answer. */
static bool open_object(struct get *g)
{
    struct object_request *r = &g->r;
    g->options = (struct diskfile_open_options){
        .now = r->time,
        .open_expired = str_is_true(header_get(&r->req->headers, STR("X-Backend-Replication"))) ||
                        str_is_true(header_get(&r->req->headers, STR("X-Backend-Open-Expired"))),
        .keep_fd = !g->head,
    };
    if (!object_cache_open(r->server->cache, &r->file, &g->options, &g->info)) {
        if (!object_request_offload(r, open_job, g))
            return false;
    } else if (is_small(g)) {
        g->content = arena_alloc(r->req->arena, g->info.size > 0 ? (size_t)g->info.size : 1);
        if (!object_body_read_now(g->info.fd, g->content, (size_t)g->info.size) &&
            !object_request_offload(r, read_job, g)) {
            close(g->info.fd);
            return false;
        }
    }
    if (g->info.fd >= 0)
        keep_source(g);
    if (g->err) {
        object_request_failed(r, g->err, "GET");
        return false;
    }
    object_request_note(r, &g->info);
    return true;
}

/* --- the answer -------------------------------------------------------------------------------------------------------- */

static void answer_missing(struct get *g)
{
    struct object_request *r = &g->r;
    bool known = g->info.state == DISKFILE_DELETED || g->info.state == DISKFILE_EXPIRED;
    int status = http_conditions(&r->req->headers, false, STR_NONE, 0);
    if (g->info.state == DISKFILE_COLLISION)
        error_page(r->rsp, 403);
    else
        error_page(r->rsp, status ? status : 404);
    if (known)
        object_request_backend_timestamp(r, g->info.timestamp);
}

static void show_metadata(struct get *g)
{
    struct header_table *to = &g->r.rsp->headers;
    const struct header_table *from = &g->info.meta.fields;
    struct str type = diskfile_meta_get(&g->info.meta, "Content-Type");
    header_add_ref(to, STR("Content-Type"), type.p ? type : STR("application/octet-stream"));
    for (size_t i = 0; i < from->n; i++) {
        const struct header *h = &from->v[i];
        if (object_header_is_meta(h->name, true) || object_header_is_allowed(g->r.server, h->name))
            header_add_ref(to, h->name, h->value);
    }
}

static void show_times(struct get *g)
{
    struct header_table *to = &g->r.rsp->headers;
    char text[TIMESTAMP_INTERNAL_SIZE], date[HTTP_DATE_SIZE];
    struct str etag = diskfile_meta_get(&g->info.meta, "ETag");
    header_add_ref(to, STR("Etag"), arena_join(to->arena, STR("\""), etag, STR("\""), STR_END));
    header_add(to, STR("Last-Modified"), str_from(http_date(timestamp_ceil(g->info.timestamp), date)));
    header_add(to, STR("X-Timestamp"), str_from(timestamp_normal(g->info.timestamp, text)));
    header_add(to, STR("X-Backend-Timestamp"), str_from(timestamp_internal(g->info.timestamp, text)));
    timestamp_internal(g->info.data_timestamp, text);
    header_add(to, STR("X-Backend-Data-Timestamp"), str_from(text));
    header_add(to, STR("X-Backend-Durable-Timestamp"), str_from(text));
}

/* The etag that conditions are about: the first metadata item of the list that exists, else the object's own. */
static struct str conditional_etag(struct get *g)
{
    struct str list = header_get(&g->r.req->headers, STR("X-Backend-Etag-Is-At")), name;
    while (str_next(&list, ',', &name)) {
        struct str value = header_get(&g->info.meta.fields, str_trim(name));
        if (value.p)
            return value;
    }
    return diskfile_meta_get(&g->info.meta, "ETag");
}

static void apply_ignore_range(struct get *g)
{
    struct str list = header_get(&g->r.req->headers, STR("X-Backend-Ignore-Range-If-Metadata-Present")), name;
    while (str_next(&list, ',', &name))
        if (header_has(&g->info.meta.fields, str_trim(name)))
            header_remove(&g->r.req->headers, STR("Range"));
}

static struct http_body *open_range(void *arg, uint64_t start, uint64_t end, int *ret_err)
{
    struct get *g = arg;
    if (g->content)
        return http_body_memory(g->r.req->arena, str_of(g->content + start, end - start + 1));
    return object_body_new(g->r.req->arena, g->source, start, end);
}

/* What range callbacks need lives as long as the response. */
static void set_body(struct get *on_stack)
{
    struct object_request *r = &on_stack->r;
    struct get *g = on_stack;
    uint64_t size = (uint64_t)g->info.size;
    if (header_has(&r->req->headers, STR("Range"))) {
        g = arena_alloc(r->req->arena, sizeof *g);
        *g = *on_stack;
        struct str type = header_get(&r->rsp->headers, STR("Content-Type"));
        if (http_response_ranges(r->req, r->rsp, size, type, open_range, g) != HTTP_RANGE_NONE)
            return;
    }
    if (g->content)
        r->rsp->body = http_body_memory(r->req->arena, str_of(g->content, size));
    else
        r->rsp->body = object_body_new(r->req->arena, g->source, 0, size - 1);
}

static void answer_object(struct get *g)
{
    struct object_request *r = &g->r;
    apply_ignore_range(g);
    show_metadata(g);
    show_times(g);
    r->rsp->status =
        http_conditions(&r->req->headers, true, conditional_etag(g), timestamp_ceil(g->info.timestamp));
    if (r->rsp->status)
        return; /* all fields, no body */
    r->rsp->status = 200;
    if (g->head)
        header_addf(&r->rsp->headers, STR("Content-Length"), "%lld", (long long)g->info.size);
    else
        set_body(g);
}

void object_get(struct backend_server *s, struct http_request *req, struct http_response *rsp)
{
    struct get g = {.head = str_eq(req->method, STR("HEAD"))};
    if (!object_request_init((struct object_server *)s, req, rsp, &g.r))
        return;
    g.r.time = timestamp_now();
    if (header_has(&req->headers, STR("X-Timestamp")) && !backend_timestamp(req, &g.r.time, rsp))
        return;
    if (!object_request_device(&g.r) || !open_object(&g))
        return;
    if (g.info.state == DISKFILE_LIVE)
        answer_object(&g);
    else
        answer_missing(&g);
}
