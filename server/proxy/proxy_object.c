/* SPDX-License-Identifier: Apache-2.0
 *
 * proxy_object.c: requests for objects (facts: proxy 13, 14, 29).
 */
#include <inttypes.h>

#include "base/error_page.h"
#include "base/request_helpers.h"
#include "common/log.h"
#include "common/timestamp.h"
#include "proxy/proxy_backend.h"
#include "proxy/proxy_get.h"
#include "proxy/proxy_mime.h"
#include "proxy/proxy_put.h"
#include "proxy/proxy_spread.h"

#define OCTET_STREAM   "application/octet-stream"
#define QUEUE_CLEANERS 2 /* servers that tidy the expirer's queue for one request: more would only add work */

/* What all verbs need: the container's info, the policy and where the object lives. */
struct object {
    struct proxy_request *p;
    const struct container_info *info;
    bool container_exists;
    const struct policy *policy;
    const struct ring *ring;
    uint32_t part;
    /* the expirer's queue, if X-Delete-At is set */
    struct str queue; /* its container; STR_NONE: none */
};

/* False: 503 in rsp. */
static bool look_up(struct object *o, struct proxy_request *p)
{
    struct str index = header_get(&p->req->headers, STR("X-Backend-Storage-Policy-Index"));
    const struct policies *policies = &p->server->swift->policies;
    *o = (struct object){.p = p, .info = proxy_container_info(p)};
    if (o->info->status >= 500) {
        error_page(p->rsp, 503);
        return false;
    }
    o->container_exists = info_exists(o->info->status);
    o->policy =
        index.n ? policy_by_header(policies, index) : policy_by_index(policies, o->info->policy_index);
    if (!o->policy) {
        error_text(p->rsp, 503, NULL, "Unknown Storage Policy");
        return false;
    }
    o->ring = proxy_ring_object(p, o->policy);
    o->part = proxy_part(p->server, o->ring, p->account, p->container, p->object);
    return true;
}

static void set_policy_headers(struct object *o)
{
    struct header_table *t = &o->p->req->headers;
    int next_power = ring_next_part_power(o->ring);
    header_setf(t, STR("X-Backend-Storage-Policy-Index"), "%d", o->policy->index);
    if (next_power > 0)
        header_setf(t, STR("X-Backend-Next-Part-Power"), "%d", next_power);
}

/* --- GET and HEAD ------------------------------------------------------------------------------------------------------------ */

/* The size of a large object is written behind its type, for listings only. */
static void clean_content_type(struct http_response *rsp)
{
    struct str type = header_get(&rsp->headers, STR("Content-Type"));
    ssize_t at = str_rfind(type, ';');
    if (at >= 0 && str_starts(str_trim(str_slice(type, (size_t)at + 1, type.n)), STR("swift_bytes=")))
        header_set(&rsp->headers, STR("Content-Type"), str_slice(type, 0, (size_t)at));
}

static void get_or_head(struct object *o)
{
    struct proxy_request *p = o->p;
    header_setf(&p->req->headers, STR("X-Backend-Storage-Policy-Index"), "%d", o->policy->index);
    if (!proxy_authorize(p, o->info->read_acl))
        return;
    proxy_get(p, o->ring, o->part);
    clean_content_type(p->rsp);
}

/* --- what servers are to tell others --------------------------------------------------------------------------------------------- */

static void append_node(struct header_table *t, struct str host_name, struct str device_name,
                        const struct ring_device *d)
{
    struct str host = header_get(t, host_name), device = header_get(t, device_name);
    header_setf(t, host_name, "%.*s%s%s:%u", STR_ARG(host), host.n ? "," : "", d->ip, d->port);
    header_setf(t, device_name, "%.*s%s%s", STR_ARG(device), device.n ? "," : "", d->device);
}

struct update_target {
    const struct ring_device **nodes;
    size_t n;
    uint32_t part;
};

static struct update_target find_target(struct proxy_request *p, struct str account, struct str container)
{
    const struct ring *ring = proxy_ring_container(p);
    size_t max = ring_replica_count(ring);
    struct update_target t = {.nodes = arena_alloc(p->req->arena, max * sizeof(struct ring_device *)),
                              .part = proxy_part(p->server, ring, account, container, STR_NONE)};
    t.n = ring_primaries(ring, t.part, t.nodes, max);
    return t;
}

/* A quorum of container servers must learn of the object even if only a quorum of object servers stores it, and every
 * container server if all do. */
static size_t updates_needed(size_t containers, size_t objects)
{
    size_t n = quorum_size(containers) + objects - quorum_size(objects);
    return n > containers ? n : containers;
}

static void add_updates(struct object *o, struct header_table *headers, size_t n)
{
    struct proxy_request *p = o->p;
    struct update_target containers = find_target(p, p->account, p->container), queue = {0};
    if (o->queue.p)
        queue = find_target(p, p->server->expirer_account, o->queue);
    size_t needed = containers.n ? updates_needed(containers.n, n) : 0;
    for (size_t i = 0; i < needed; i++) {
        struct header_table *t = &headers[i % n];
        header_setf(t, STR("X-Container-Partition"), "%u", containers.part);
        append_node(t, STR("X-Container-Host"), STR("X-Container-Device"),
                    containers.nodes[i % containers.n]);
        if (!queue.n)
            continue;
        t = &headers[n - 1 - i % n]; /* from the other end: the work is spread */
        header_set(t, STR("X-Delete-At-Container"), o->queue);
        header_setf(t, STR("X-Delete-At-Partition"), "%u", queue.part);
        append_node(t, STR("X-Delete-At-Host"), STR("X-Delete-At-Device"), queue.nodes[i % queue.n]);
    }
}

/* One table of fields per replica. */
static struct header_table *server_headers(struct object *o, size_t n)
{
    struct proxy_request *p = o->p;
    struct header_table *headers = arena_alloc(p->req->arena, n * sizeof(*headers));
    for (size_t i = 0; i < n; i++) {
        proxy_backend_headers(p, PROXY_HEADERS_ALL, p->req->arena, false, &headers[i]);
        if (!header_has(&headers[i], STR("X-Backend-Clean-Expiring-Object-Queue")))
            header_add_ref(&headers[i], STR("X-Backend-Clean-Expiring-Object-Queue"),
                           i < QUEUE_CLEANERS ? STR("t") : STR("f"));
    }
    add_updates(o, headers, n);
    return headers;
}

/* --- X-Timestamp and X-Delete-At ---------------------------------------------------------------------------------------------- */

/* The request's time, set here unless a middleware did. False: 400 in rsp. */
static bool ensure_timestamp(struct object *o, struct timestamp *ret)
{
    char text[TIMESTAMP_INTERNAL_SIZE];
    struct http_request *req = o->p->req;
    struct str value = header_get(&req->headers, STR("X-Timestamp"));
    *ret = timestamp_now();
    if (value.p && timestamp_parse(value, ret)) {
        error_text(o->p->rsp, 400, "text/plain", "Invalid X-Timestamp header");
        return false;
    }
    header_set(&req->headers, STR("X-Timestamp"), str_from(timestamp_internal(*ret, text)));
    return true;
}

/* The queue container of a time: days, spread over a hundred by the object's hash. */
static struct str queue_container(const struct proxy_request *p, int64_t delete_at)
{
    uint8_t digest[HASH_PATH_BYTES];
    int64_t divisor = p->server->options.expiring_objects_container_divisor, shard = 0;
    hash_path(&p->server->swift->hash, p->account, p->container, p->object, digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        shard = (shard * 256 + digest[i]) % 100;
    int64_t at = delete_at / divisor * divisor - shard;
    if (at < 0)
        at = 0;
    return arena_printf(p->req->arena, "%010" PRId64, at);
}

/* After the checks: X-Delete-At is a number, or absent. */
static void find_queue(struct object *o)
{
    struct proxy_request *p = o->p;
    int64_t at;
    struct str value = header_get(&p->req->headers, STR("X-Delete-At"));
    if (!value.p || str_to_i64(str_trim(value), &at))
        return;
    header_setf(&p->req->headers, STR("X-Delete-At"), "%010" PRId64, at);
    env_log_info(p->req, arena_printf(p->req->arena, "x-delete-at:%" PRId64, at));
    o->queue = queue_container(p, at);
}

/* --- PUT ------------------------------------------------------------------------------------------------------------------------- */

static bool star_listed(struct str list)
{
    struct str item;
    while (str_next(&list, ',', &item))
        if (str_eq(str_trim(item), STR("*")))
            return true;
    return false;
}

static void guess_content_type(struct proxy_request *p)
{
    struct header_table *t = &p->req->headers;
    bool detect = str_is_true(header_get(t, STR("X-Detect-Content-Type")));
    if (!detect && header_get(t, STR("Content-Type")).n)
        return;
    struct str type = proxy_mime_guess(p->server->mime, p->req->arena, p->req->path);
    header_set(t, STR("Content-Type"), type.n ? type : STR(OCTET_STREAM));
    if (detect)
        header_remove(t, STR("X-Detect-Content-Type"));
}

/* False: 400 in rsp. */
static bool check_content_type(struct proxy_request *p)
{
    struct str rest = header_get(&p->req->headers, STR("Content-Type")), item;
    str_next(&rest, ';', &item);
    while (str_next(&rest, ';', &item)) {
        if (!str_starts(str_trim(item), STR("swift_")))
            continue;
        error_text(p->rsp, 400, NULL, "Invalid Content-Type, swift_* is not a valid parameter name.");
        return false;
    }
    return true;
}

/* PUT, POST and DELETE: may the client write here, and is there a container? */
static bool may_write(struct object *o)
{
    struct proxy_request *p = o->p;
    p->env->sync_key = o->info->sync_key;
    if (!proxy_authorize(p, o->info->write_acl))
        return false;
    if (o->container_exists)
        return true;
    error_page(p->rsp, 404);
    return false;
}

static void put(struct object *o)
{
    struct proxy_request *p = o->p;
    const struct constraints *c = &p->server->swift->constraints;
    struct str none_match = header_get_joined(&p->req->headers, STR("If-None-Match"));
    struct proxy_put what = {.ring = o->ring, .part = o->part, .n = ring_replica_count(o->ring)};
    if (none_match.n && !star_listed(none_match)) {
        error_text(p->rsp, 400, "text/plain", "If-None-Match only supports *");
        return;
    }
    set_policy_headers(o);
    if (!may_write(o))
        return;
    guess_content_type(p);
    if (!ensure_timestamp(o, &what.timestamp) ||
        !constraints_check_object_creation(c, p->req, p->object, what.timestamp.raw / 100000, p->rsp) ||
        !check_content_type(p))
        return;
    find_queue(o);
    what.headers = server_headers(o, what.n);
    proxy_put(p, &what);
}

/* --- POST and DELETE ------------------------------------------------------------------------------------------------------------------ */

static void spread(struct object *o, int override_from, int override_to)
{
    struct proxy_request *p = o->p;
    size_t n = ring_replica_count(o->ring);
    const struct proxy_spread what = {.method = p->req->method,
                                      .path = p->entity_path,
                                      .type = PROXY_OBJECT,
                                      .ring = o->ring,
                                      .part = o->part,
                                      .headers = server_headers(o, n),
                                      .n = n,
                                      .override_from = override_from,
                                      .override_to = override_to};
    proxy_spread(p, &what, p->rsp);
}

static void post(struct object *o)
{
    struct proxy_request *p = o->p;
    struct timestamp now;
    if (!may_write(o) ||
        !constraints_check_metadata(&p->server->swift->constraints, p->req, "object", p->rsp) ||
        !ensure_timestamp(o, &now) || !constraints_check_delete_headers(p->req, now.raw / 100000, p->rsp))
        return;
    find_queue(o);
    set_policy_headers(o);
    spread(o, 0, 0);
}

static void delete (struct object *o)
{
    struct timestamp now;
    set_policy_headers(o);
    if (may_write(o) && ensure_timestamp(o, &now))
        spread(o, 404, 204);
}

void proxy_object(struct proxy_request *p)
{
    struct object o;
    struct str method = p->req->method;
    if (!look_up(&o, p))
        return;
    if (o.policy->type == POLICY_ERASURE_CODING) {
        log_txn(LOG_LEVEL_ERROR, p->req->txn, "policy %s: erasure coding is not supported", o.policy->name);
        error_page(p->rsp, 503);
    } else if (str_eq(method, STR("PUT")))
        put(&o);
    else if (str_eq(method, STR("POST")))
        post(&o);
    else if (str_eq(method, STR("DELETE")))
        delete (&o);
    else
        get_or_head(&o);
}
