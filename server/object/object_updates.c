/* SPDX-License-Identifier: Apache-2.0
 *
 * object_updates.c: one struct object_updates per request, shared by the request's task and one task per update; whoever
 * lets go last frees it. The updates are read-only once they have been started.
 */
#include "object/object_updates.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/request_helpers.h"
#include "common/alloc.h"
#include "common/log.h"
#include "common/url.h"
#include "object/async_pending.h"

#define IDLE_KEPT     16
#define IDLE_MS       30000
#define OFFLOAD_TRIES 200 /* a full queue of the disk's pool, looked at every 50 ms */
#define ANSWER_MAX    65536

struct object_updater {
    struct object_update_options options;
    const struct hash_path_conf *hash;
    struct http_client *client;
    atomic_int running;
};

struct update {
    struct object_updates *group;
    struct str op, account, container, object;
    struct str host; /* "ip:port"; STR_NONE: straight to async_pending */
    struct str device, partition;
    struct str container_path;
    const struct header_table *headers;
    struct timestamp time;
};

struct object_updates {
    struct object_updater *updater;
    struct arena *arena;
    const struct http_request *req; /* valid only until object_updates_send() returns */
    struct backend_path path;
    const struct device *disk;
    int policy_index;
    struct str txn;
    struct update **v; /* each in the arena */
    size_t n, cap;
    struct rt_mutex mutex; /* guards pending */
    struct rt_cond done;
    size_t pending;
    atomic_int references;
};

struct object_updater *object_updater_new(const struct object_update_options *options,
                                          const struct hash_path_conf *hash)
{
    struct object_updater *u = xcalloc(1, sizeof *u);
    u->options = *options;
    u->hash = hash;
    u->client = http_client_new(IDLE_KEPT, IDLE_MS);
    return u;
}

void object_updater_free(struct object_updater *u)
{
    if (!u)
        return;
    while (atomic_load(&u->running) > 0)
        rt_sleep(10);
    http_client_free(u->client);
    free(u);
}

static struct backend_path copy_path(struct arena *a, const struct backend_path *p)
{
    return (struct backend_path){.device = arena_str(a, p->device),
                                 .partition = arena_str(a, p->partition),
                                 .account = arena_str(a, p->account),
                                 .container = arena_str(a, p->container),
                                 .object = arena_str(a, p->object),
                                 .part = p->part};
}

struct object_updates *object_updates_new(struct object_updater *u, const struct http_request *req,
                                          const struct backend_path *path, const struct device *device,
                                          int policy_index)
{
    struct object_updates *o = xcalloc(1, sizeof *o);
    o->updater = u;
    o->arena = arena_new();
    o->req = req;
    o->path = copy_path(o->arena, path);
    o->disk = device;
    o->policy_index = policy_index;
    o->txn = arena_str(o->arena, req->txn.n ? req->txn : STR("-"));
    rt_mutex_init(&o->mutex);
    rt_cond_init(&o->done);
    return o;
}

/* --- what to send ------------------------------------------------------------------------------------------------- */

static void override_with(struct header_table *headers, const struct header_table *from, struct str prefix)
{
    for (size_t i = 0; i < from->n; i++) {
        const struct header *h = &from->v[i];
        if (h->name.n <= prefix.n || !str_istarts(h->name, prefix))
            continue;
        struct str rest = str_slice(h->name, prefix.n, h->name.n);
        header_set(headers,
                   header_title(headers->arena, arena_join(headers->arena, STR("X-"), rest, STR_END)),
                   h->value);
    }
}

void object_updates_override(struct header_table *headers, const struct header_table *from)
{
    override_with(headers, from, STR("X-Backend-Container-Update-Override-"));
    override_with(headers, from, STR("X-Object-Sysmeta-Container-Update-Override-"));
}

const char *object_updates_expirer_container(const struct hash_path_conf *hash, int64_t divisor,
                                             int64_t delete_at, struct str account, struct str container,
                                             struct str object, char out[EXPIRER_CONTAINER_SIZE])
{
    uint8_t digest[HASH_PATH_BYTES];
    unsigned spread = 0;
    hash_path(hash, account, container, object, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        spread = (spread * 256 + digest[i]) % 100;
    int64_t at = delete_at / divisor * divisor - (int64_t)spread;
    at = at < 0 ? 0 : at > INT64_C(9999999999) ? INT64_C(9999999999) : at;
    snprintf(out, EXPIRER_CONTAINER_SIZE, "%010lld", (long long)at);
    return out;
}

static struct str field(const struct object_updates *o, const char *name)
{
    return header_get(&o->req->headers, str_from(name));
}

/* The fields that every update carries. */
static struct header_table *complete(struct object_updates *o, const struct header_table *given,
                                     int policy_index)
{
    struct header_table *h = arena_alloc(o->arena, sizeof *h);
    header_init(h, o->arena);
    if (given)
        header_copy(h, given);
    header_set(h, STR("X-Trans-Id"), o->txn);
    header_setf(h, STR("Referer"), "%.*s %.*s%.*s", STR_ARG(o->req->method),
                STR_ARG(request_host_url(o->req)), STR_ARG(request_path_qs(o->req)));
    header_setf(h, STR("X-Backend-Storage-Policy-Index"), "%d", policy_index);
    header_setf(h, STR("User-Agent"), "object-server %d", (int)getpid());
    return h;
}

static struct timestamp update_time(const struct header_table *h)
{
    struct timestamp t = TIMESTAMP_ZERO;
    struct str text = header_get(h, STR("X-Meta-Timestamp"));
    timestamp_parse(text.p ? text : header_get(h, STR("X-Timestamp")), &t);
    return t;
}

static struct update *add(struct object_updates *o, struct str op, const struct header_table *headers)
{
    struct update *u = arena_alloc(o->arena, sizeof *u);
    o->v = xgrow(o->v, &o->cap, o->n + 1, sizeof(struct update *));
    o->v[o->n++] = u;
    *u = (struct update){
        .group = o, .op = arena_str(o->arena, op), .headers = headers, .time = update_time(headers)};
    return u;
}

static size_t count_items(struct str list)
{
    size_t n = 1; /* as Python splits: even "" has one item */
    for (size_t i = 0; i < list.n; i++)
        n += list.p[i] == ',';
    return n;
}

/* "account/container" of the shard that the proxy names, or STR_NONE. */
static struct str shard_path(struct object_updates *o)
{
    struct str seg[2], path = field(o, "X-Backend-Quoted-Container-Path");
    path = path.n ? url_unquote(o->arena, path) : arena_str(o->arena, field(o, "X-Backend-Container-Path"));
    if (!path.n)
        return STR_NONE;
    if (url_split_path(arena_join(o->arena, STR("/"), path, STR_END), 2, 2, false, seg) == 0)
        return path;
    log_txn(LOG_LEVEL_ERROR, o->txn,
            "Invalid X-Backend-Container-Path, should be of the form 'account/container' but got '%.*s'",
            STR_ARG(path));
    return STR_NONE;
}

void object_updates_container(struct object_updates *o, struct str op, const struct header_table *headers)
{
    struct str hosts = field(o, "X-Container-Host"), devices = field(o, "X-Container-Device");
    struct str partition = field(o, "X-Container-Partition"), host, device;
    if (count_items(hosts) != count_items(devices)) {
        log_txn(LOG_LEVEL_ERROR, o->txn,
                "Container update failed: different numbers of hosts and devices in request: \"%.*s\" vs "
                "\"%.*s\"",
                STR_ARG(hosts), STR_ARG(devices));
        return;
    }
    if (!partition.n)
        return;
    const struct header_table *all = complete(o, headers, o->policy_index);
    struct str shard = shard_path(o);
    /* As Python splits: an empty list has one empty item, and that one becomes an async_pending file. */
    do {
        host = device = STR_NONE;
        str_next(&hosts, ',', &host);
        str_next(&devices, ',', &device);
        struct update *u = add(o, op, all);
        u->account = o->path.account;
        u->container = o->path.container;
        u->object = o->path.object;
        u->host = arena_str(o->arena, str_trim(host));
        u->device = arena_str(o->arena, str_trim(device));
        u->partition = arena_str(o->arena, partition);
        u->container_path = shard;
    } while (hosts.n);
}

/* A row of the queue. */
static struct update *add_row(struct object_updates *o, struct str op, const struct header_table *headers,
                              struct str container, int64_t delete_at)
{
    struct update *u = add(o, op, headers);
    int64_t at = delete_at < 0 ? 0 : delete_at > INT64_C(9999999999) ? INT64_C(9999999999) : delete_at;
    u->account = str_from(o->updater->options.expiring_account);
    u->container = container;
    u->object = arena_join(o->arena, arena_printf(o->arena, "%010lld-", (long long)at), o->path.account,
                           STR("/"), o->path.container, STR("/"), o->path.object, STR_END);
    return u;
}

static struct str guess_container(struct object_updates *o, int64_t delete_at)
{
    char name[EXPIRER_CONTAINER_SIZE];
    return arena_str(o->arena, str_from(object_updates_expirer_container(
                                   o->updater->hash, o->updater->options.expiring_divisor, delete_at,
                                   o->path.account, o->path.container, o->path.object, name)));
}

/* X-Delete-At-Container as ten digits. */
static struct str given_container(struct object_updates *o, int64_t delete_at)
{
    int64_t value;
    struct str given = field(o, "X-Delete-At-Container");
    if (!given.n || str_to_i64(str_trim(given), &value) != 0)
        return guess_container(o, delete_at);
    value = value < 0 ? 0 : value > INT64_C(9999999999) ? INT64_C(9999999999) : value;
    return arena_printf(o->arena, "%010lld", (long long)value);
}

static void expirer_put(struct object_updates *o, struct header_table *h, int64_t delete_at)
{
    struct str hosts = field(o, "X-Delete-At-Host"), devices = field(o, "X-Delete-At-Device");
    struct str partition = field(o, "X-Delete-At-Partition"), host, device;
    struct str container = given_container(o, delete_at);
    size_t before = o->n;
    header_add(h, STR("X-Size"), STR("0"));
    header_add(h, STR("X-Content-Type"), STR("text/plain"));
    header_add(h, STR("X-Etag"), STR("d41d8cd98f00b204e9800998ecf8427e"));
    while (partition.n && str_next(&hosts, ',', &host) && str_next(&devices, ',', &device)) {
        host = str_trim(host);
        device = str_trim(device);
        struct update *u = host.n && device.n ? add_row(o, STR("PUT"), h, container, delete_at) : NULL;
        if (!u)
            continue;
        u->host = arena_str(o->arena, host);
        u->device = arena_str(o->arena, device);
        u->partition = arena_str(o->arena, partition);
    }
    if (o->n == before)
        add_row(o, STR("PUT"), h, container, delete_at);
}

void object_updates_expirer(struct object_updates *o, struct str op, int64_t delete_at, struct timestamp time)
{
    char text[TIMESTAMP_INTERNAL_SIZE];
    bool put = str_eq(op, STR("PUT"));
    struct str clean = field(o, "X-Backend-Clean-Expiring-Object-Queue");
    if (str_is_true(field(o, "X-Backend-Replication")))
        return;
    if (put ? !field(o, "X-Delete-At-Host").p : clean.p && !str_is_true(clean))
        return;
    struct header_table *h = complete(o, NULL, 0);
    header_add(h, STR("X-Timestamp"), str_from(timestamp_internal(time, text)));
    if (put)
        expirer_put(o, h, delete_at);
    else
        add_row(o, STR("DELETE"), h, guess_container(o, delete_at), delete_at);
    for (size_t i = 0; i < o->n; i++)
        if (o->v[i]->headers == h)
            o->v[i]->time = time;
}

/* --- sending ------------------------------------------------------------------------------------------------------- */

static bool split_host(struct arena *a, struct str host, struct str *ret_ip, int *ret_port)
{
    ssize_t colon = str_rfind(host, ':');
    uint64_t port;
    if (colon < 1 || str_to_u64(str_slice(host, (size_t)colon + 1, host.n), &port) != 0 || port == 0 ||
        port > 65535)
        return false;
    struct str ip = str_slice(host, 0, (size_t)colon);
    if (ip.n > 2 && ip.p[0] == '[' && ip.p[ip.n - 1] == ']')
        ip = str_slice(ip, 1, ip.n - 1);
    *ret_ip = arena_str(a, ip);
    *ret_port = (int)port;
    return true;
}

/* Where a 301 sends us: "account/container" of a shard, or STR_NONE where the answer makes no sense. */
static struct str redirect_of(struct arena *a, const struct header_table *h)
{
    struct timestamp t;
    struct str seg[3], location = header_get(h, STR("Location"));
    ssize_t scheme = str_find_str(location, STR("://"), 0);
    if (scheme >= 0) {
        ssize_t path = str_find_str(location, STR("/"), (size_t)scheme + 3);
        location = path < 0 ? STR_NONE : str_slice(location, (size_t)path, location.n);
    }
    if (!location.n || timestamp_parse(header_get(h, STR("X-Backend-Redirect-Timestamp")), &t) != 0)
        return STR_NONE;
    if (str_is_true(header_get(h, STR("X-Backend-Location-Is-Quoted"))))
        location = url_unquote(a, location);
    if (url_split_path(location, 2, 3, true, seg) != 0)
        return STR_NONE;
    return arena_join(a, seg[0], STR("/"), seg[1], STR_END);
}

static struct str target_of(struct arena *a, const struct update *u)
{
    struct str path = u->container_path.n
                          ? arena_join(a, u->container_path, STR("/"), u->object, STR_END)
                          : arena_join(a, u->account, STR("/"), u->container, STR("/"), u->object, STR_END);
    return url_quote(a, arena_join(a, STR("/"), u->device, STR("/"), u->partition, STR("/"), path, STR_END),
                     "/");
}

static int answer_of(struct http_call *call)
{
    char rest[1024];
    size_t total = 0;
    ssize_t n = 0;
    int err = http_call_response(call, RT_FOREVER);
    /* To the end, so that the connection can be kept. */
    while (!err && total < ANSWER_MAX && (n = http_call_read(call, rest, sizeof rest)) > 0)
        total += (size_t)n;
    return err ? err : n < 0 ? (int)n : 0;
}

/* True once the other side has it. *ret_redirect: a shard that wants it instead. */
static bool deliver(struct arena *a, const struct update *u, struct str *ret_redirect)
{
    const struct object_update_options *o = &u->group->updater->options;
    struct http_call *call = NULL;
    struct str ip;
    int port, status = 0;
    if (!u->host.n || !u->device.n || !u->partition.n || !split_host(a, u->host, &ip, &port))
        return false;
    struct http_call_options call_options = {
        .host = ip,
        .port = port,
        .method = u->op,
        .target = target_of(a, u),
        .headers = u->headers,
        .connect_timeout_ms = o->conn_timeout_ms,
        .timeout_ms = o->node_timeout_ms,
        .arena = a,
        .keep = true,
    };
    int err = http_call_open(u->group->updater->client, &call_options, &call);
    if (!err)
        err = answer_of(call);
    if (!err)
        status = http_call_status(call);
    if (status == 301)
        *ret_redirect = redirect_of(a, http_call_headers(call));
    http_call_close(call);
    if (status / 100 != 2 && !ret_redirect->p)
        log_txn(LOG_LEVEL_ERROR, u->group->txn,
                "Container update failed with %.*s/%.*s: %s %d (saving for async update later)",
                STR_ARG(u->host), STR_ARG(u->device), err ? "error" : "status", err ? -err : status);
    return status / 100 == 2;
}

struct saving {
    const struct update *update;
    struct str container_path;
    int err;
};

static void save_job(void *arg)
{
    struct saving *s = arg;
    const struct update *u = s->update;
    struct async_pending pending = {
        .op = u->op,
        .account = u->account,
        .container = u->container,
        .object = u->object,
        .headers = u->headers,
        .container_path = s->container_path,
        .time = u->time,
    };
    s->err =
        async_pending_write(&pending, u->group->disk->path, u->group->policy_index, u->group->updater->hash);
}

static void save(const struct update *u, struct str container_path)
{
    struct saving s = {.update = u, .container_path = container_path};
    int err = -EAGAIN;
    for (int i = 0; err == -EAGAIN && i < OFFLOAD_TRIES; i++) {
        err = rt_offload(u->group->disk->pool, save_job, &s);
        if (err == -EAGAIN)
            rt_sleep(50);
    }
    if (!err)
        err = s.err;
    if (err)
        log_txn(LOG_LEVEL_ERROR, u->group->txn,
                "Container update of %.*s/%.*s/%.*s is lost: async_pending on %s: error %d",
                STR_ARG(u->account), STR_ARG(u->container), STR_ARG(u->object), u->group->disk->name, -err);
}

static void release(struct object_updates *o)
{
    if (atomic_fetch_sub(&o->references, 1) != 1)
        return;
    struct object_updater *u = o->updater;
    rt_cond_destroy(&o->done);
    rt_mutex_destroy(&o->mutex);
    arena_free(o->arena);
    free(o->v);
    free(o);
    atomic_fetch_sub(&u->running, 1);
}

static void update_task(void *arg)
{
    const struct update *u = arg;
    struct object_updates *o = u->group;
    struct arena *a = arena_new();
    struct str redirect = STR_NONE;
    rt_label("container update");
    if (!deliver(a, u, &redirect))
        save(u, redirect.p ? redirect : u->container_path);
    arena_free(a);
    rt_lock(&o->mutex);
    if (--o->pending == 0)
        rt_cond_broadcast(&o->done);
    rt_unlock(&o->mutex);
    release(o);
}

void object_updates_send(struct object_updates *o)
{
    int64_t deadline = rt_deadline(o->updater->options.update_timeout_ms);
    int err = 0;
    atomic_fetch_add(&o->updater->running, 1);
    atomic_store(&o->references, (int)o->n + 1);
    o->pending = o->n;
    o->req = NULL;
    for (size_t i = 0; i < o->n; i++)
        rt_go(update_task, o->v[i]);
    rt_lock(&o->mutex);
    while (o->pending > 0 && err == 0)
        err = rt_cond_wait(&o->done, &o->mutex, deadline);
    if (o->pending > 0)
        log_txn(LOG_LEVEL_DEBUG, o->txn, "Container update timeout, %zu under way", o->pending);
    rt_unlock(&o->mutex);
    release(o);
}
