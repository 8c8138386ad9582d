/* SPDX-License-Identifier: Apache-2.0 */
#include "object/object_request.h"

#include <errno.h>
#include "common/clock.h"
#include "common/log.h"
#include "common/url.h"

#define SYNC_MAX ((int64_t)8 << 20) /* writing out starts this early, whatever mb_per_sync allows */

static bool find_policy(struct object_request *r)
{
    struct str index = header_get(&r->req->headers, STR("X-Backend-Storage-Policy-Index"));
    r->policy = policy_by_header(&r->server->base.conf->policies, index);
    if (!r->policy)
        error_text(r->rsp, 503, NULL, "No policy with index %.*s", STR_ARG(index));
    else if (r->policy->type == POLICY_ERASURE_CODING)
        error_text(r->rsp, 503, NULL, "Policy with index %d is erasure coded: not served here",
                   r->policy->index);
    else
        return true;
    return false;
}

static bool start(struct object_server *s, struct http_request *req, struct http_response *rsp, int min,
                  int max, struct object_request *ret)
{
    *ret = (struct object_request){.server = s, .req = req, .rsp = rsp};
    return backend_split_path(req, min, max, &ret->path, rsp) && find_policy(ret);
}

bool object_request_init(struct object_server *s, struct http_request *req, struct http_response *rsp,
                         struct object_request *ret)
{
    return start(s, req, rsp, 5, 5, ret);
}

bool object_request_init_partition(struct object_server *s, struct http_request *req,
                                   struct http_response *rsp, struct object_request *ret)
{
    return start(s, req, rsp, 2, 3, ret);
}

bool object_request_device(struct object_request *r)
{
    const struct object_options *o = &r->server->options;
    int64_t sync = o->mb_per_sync << 20;
    bool reading = str_eq(r->req->method, STR("GET")) || str_eq(r->req->method, STR("HEAD"));
    struct devices *devices = r->server->base.devices;
    r->device =
        reading ? devices_find_for_reading(devices, r->path.device) : devices_find(devices, r->path.device);
    if (!r->device) {
        error_page(r->rsp, 507);
        return false;
    }
    r->dir = arena_alloc(r->req->arena, sizeof *r->dir);
    objects_dir_init(r->dir, r->req->arena, r->device->path, r->policy);
    r->dir->reclaim_age_ms = o->reclaim_age_ms;
    r->dir->commit_window_ms = o->commit_window_ms;
    if (r->path.object.p)
        diskfile_init(&r->file, r->req->arena, r->dir, &r->server->base.conf->hash, r->path.part,
                      r->path.account, r->path.container, r->path.object);
    r->write = (struct diskfile_write_options){
        .device = r->device,
        .reserve = &o->base.fallocate_reserve,
        .preallocate = !o->disable_fallocate,
        .sync_bytes = (uint64_t)(sync > 0 && sync < SYNC_MAX ? sync : SYNC_MAX),
        .keep_cache_size = (uint64_t)o->keep_cache_size,
    };
    return true;
}

void object_request_part_power(struct object_request *r)
{
    uint64_t power;
    struct str text = header_get(&r->req->headers, STR("X-Backend-Next-Part-Power"));
    if (text.n && str_to_u64(text, &power) == 0 && power > 0 && power <= 32)
        r->file.next_part_power = (int)power;
}

bool object_request_offload(struct object_request *r, void (*fn)(void *arg), void *arg)
{
    if (rt_offload(r->device->pool, fn, arg) == 0)
        return true;
    object_request_failed(r, -EAGAIN, "queue of the disk");
    return false;
}

/* --- answers ------------------------------------------------------------------------------------------------------- */

static int status_of(int err)
{
    switch (-err) {
    case ENOSPC:
    case EDQUOT:
    case EROFS:
    case EOPNOTSUPP: /* no extended attributes */
    case ENODEV:     /* the device went away */
        return 507;
    case EAGAIN:
    case ETIMEDOUT:
        return 503;
    default:
        return 500;
    }
}

void object_request_failed(struct object_request *r, int err, const char *what)
{
    http_response_clear(r->rsp);
    error_page(r->rsp, status_of(err));
    log_txn(LOG_LEVEL_ERROR, r->req->txn, "%s: error %d: %.*s %.*s", what, -err, STR_ARG(r->req->method),
            STR_ARG(r->req->raw_path));
}

void object_request_note(struct object_request *r, const struct diskfile_info *info)
{
    if (info->state == DISKFILE_QUARANTINED)
        log_txn(LOG_LEVEL_WARNING, r->req->txn, "Quarantined object %s: %s", r->file.path, info->why);
    if (info->state == DISKFILE_COLLISION)
        log_txn(LOG_LEVEL_ERROR, r->req->txn,
                "Client path %.*s does not match path stored in object metadata of %s",
                STR_ARG(r->req->raw_path), r->file.path);
}

void object_request_refuse(struct object_request *r, int status, const char *text)
{
    error_text(r->rsp, status, "text/plain; charset=UTF-8", "%s", text);
}

void object_request_backend_timestamp(struct object_request *r, struct timestamp t)
{
    char text[TIMESTAMP_INTERNAL_SIZE];
    header_set(&r->rsp->headers, STR("X-Backend-Timestamp"), str_from(timestamp_internal(t, text)));
}

struct open_job {
    const struct diskfile *file;
    const struct diskfile_open_options *options;
    struct diskfile_info *info;
    int err;
};

static void open_job(void *arg)
{
    struct open_job *j = arg;
    j->err = diskfile_open(j->file, j->options, j->info);
}

bool object_request_open(struct object_request *r, const struct diskfile_open_options *o,
                         struct diskfile_info *ret)
{
    struct open_job j = {&r->file, o, ret, 0};
    if (!object_request_offload(r, open_job, &j))
        return false;
    if (j.err) {
        object_request_failed(r, j.err, "open");
        return false;
    }
    object_request_note(r, ret);
    if (ret->state == DISKFILE_COLLISION) {
        error_page(r->rsp, 403);
        return false;
    }
    return true;
}

/* --- metadata of a request ----------------------------------------------------------------------------------------- */

bool object_header_is_meta(struct str name, bool with_sysmeta)
{
    return header_is_user_meta("object", name) || header_is_transient_sysmeta(name) ||
           (with_sysmeta && header_is_sys_meta("object", name));
}

bool object_header_is_allowed(const struct object_server *s, struct str name)
{
    for (size_t i = 0; i < s->n_allowed; i++)
        if (str_ieq(s->allowed[i], name))
            return true;
    return false;
}

/* What the server itself says about an object. */
static bool is_reserved_field(struct str name)
{
    return str_ieq(name, STR("Content-Length")) || str_ieq(name, STR("ETag")) ||
           str_ieq(name, STR("Deleted")) || str_ieq(name, STR("X-Timestamp")) || str_ieq(name, STR("name"));
}

/* All values of a name joined with ",", as Python's servers see repeated headers. */
static struct str joined(struct arena *a, const struct header_table *t, struct str name)
{
    struct str all = STR_NONE;
    for (size_t i = 0; i < t->n; i++) {
        if (!str_ieq(t->v[i].name, name))
            continue;
        struct str value = str_trim(t->v[i].value);
        all = all.p ? arena_join(a, all, STR(","), value, STR_END) : value;
        if (!all.p)
            all = STR("");
    }
    return all;
}

static void store(struct object_request *r, struct str name, struct diskfile_meta *m)
{
    const struct header_table *from = &r->req->headers;
    if (!is_reserved_field(name) && header_has(from, name))
        header_set(&m->fields, header_title(r->req->arena, name), joined(r->req->arena, from, name));
}

void object_request_metadata(struct object_request *r, bool with_sysmeta, struct diskfile_meta *m)
{
    const struct header_table *from = &r->req->headers;
    struct str list = joined(r->req->arena, from, STR("X-Backend-Replication-Headers")), name;
    for (size_t i = 0; i < from->n; i++)
        if (object_header_is_meta(from->v[i].name, with_sysmeta) && !header_has(&m->fields, from->v[i].name))
            store(r, from->v[i].name, m);
    while (str_next(&list, ' ', &name))
        if (name.n)
            store(r, name, m);
    for (size_t i = 0; i < r->server->n_allowed; i++)
        store(r, r->server->allowed[i], m);
}

bool object_request_delete_at(const struct object_request *r, int64_t *ret)
{
    struct str text = str_trim(header_get(&r->req->headers, STR("X-Delete-At")));
    *ret = 0;
    if (text.n > 1 && text.p[0] == '+')
        text = str_slice(text, 1, text.n);
    return !text.n || str_to_i64(text, ret) == 0;
}

void object_request_expirer(struct object_request *r, struct object_updates *u, int64_t before, int64_t after)
{
    if (before == after)
        return;
    if (after)
        object_updates_expirer(u, STR("PUT"), after, r->time);
    if (before)
        object_updates_expirer(u, STR("DELETE"), before, r->time);
}
