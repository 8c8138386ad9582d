/* SPDX-License-Identifier: Apache-2.0
 *
 * object_server.c: options, methods and life of the server; the methods are in object_put.c and its neighbours.
 */
#include "object/object_server.h"

#include <stdlib.h>
#include "common/alloc.h"
#include "common/clock.h"
#include "common/log.h"
#include "object/object_request.h"

#define DAY_MS ((int64_t)86400000)

static const char default_allowed[] =
    "content-disposition, content-encoding, x-delete-at, x-object-manifest, "
    "x-static-large-object, cache-control, content-language, expires, x-robots-tag";

#define OPTION(name, type, field, fallback, min, max)                                \
    {                                                                                \
        name, type, offsetof(struct object_options, field), fallback, min, max, NULL \
    }

static const struct conf_option options_table[] = {
    BACKEND_OPTIONS,
    OPTION("container_update_timeout", CONF_SECONDS, container_update_timeout_ms, "1", 0, DAY_MS),
    OPTION("max_upload_time", CONF_SECONDS, max_upload_time_ms, "86400", 1000, 365 * DAY_MS),
    OPTION("reclaim_age", CONF_SECONDS, reclaim_age_ms, "604800", 0, 36500 * DAY_MS),
    OPTION("commit_window", CONF_SECONDS, commit_window_ms, "60", 0, 365 * DAY_MS),
    OPTION("keep_cache_size", CONF_SIZE, keep_cache_size, "5242880", 0, 0),
    OPTION("keep_cache_private", CONF_BOOL, keep_cache_private, "false", 0, 0),
    OPTION("mb_per_sync", CONF_INT, mb_per_sync, "512", 1, 1 << 20),
    OPTION("slow", CONF_SECONDS, slow_ms, "0", 0, DAY_MS),
    OPTION("object_cache_size", CONF_SIZE, object_cache_size, "8M", 0, 0),
    OPTION("disable_fallocate", CONF_BOOL, disable_fallocate, "false", 0, 0),
    OPTION("allowed_headers", CONF_STRING, allowed_headers, default_allowed, 0, 0),
    OPTION("expiring_objects_account_name", CONF_STRING, expiring_account_name, "expiring_objects", 0, 0),
    OPTION("expiring_objects_container_divisor", CONF_INT, expiring_divisor, "86400", 1, INT32_MAX),
    OPTION("disk_chunk_size", CONF_SIZE, disk_chunk_size, "65536", 1, 0x7fffffff),
    OPTION("network_chunk_size", CONF_SIZE, network_chunk_size, "65536", 1, 0x7fffffff),
    {0},
};

/* The setting `slow` makes changes take at least that long: for tests of the cluster. */
static void slow_down(struct backend_server *s, const struct http_request *req)
{
    int64_t wait_ms =
        ((struct object_server *)s)->options.slow_ms - (clock_real_ns() - req->start_ns) / 1000000;
    if (((struct object_server *)s)->options.slow_ms > 0 && wait_ms > 0)
        rt_sleep(wait_ms);
}

static void handle_put(struct backend_server *s, struct http_request *req, struct http_response *rsp)
{
    object_put(s, req, rsp);
    slow_down(s, req);
}

static void handle_delete(struct backend_server *s, struct http_request *req, struct http_response *rsp)
{
    object_delete(s, req, rsp);
    slow_down(s, req);
}

static const struct backend_method methods[] = {
    {"GET", object_get, false},   {"HEAD", object_get, false},      {"PUT", handle_put, false},
    {"POST", object_post, false}, {"DELETE", handle_delete, false}, {"REPLICATE", object_replicate, true},
    {NULL, NULL, false},
};

/* Never stored as sent, whatever the configuration allows. */
static bool is_reserved(struct str name)
{
    return str_ieq(name, STR("Content-Length")) || str_ieq(name, STR("Deleted")) ||
           str_ieq(name, STR("ETag"));
}

static void read_allowed(struct object_server *s)
{
    struct str list = str_from(s->options.allowed_headers), name;
    size_t max = 1;
    for (size_t i = 0; i < list.n; i++)
        max += list.p[i] == ',';
    s->allowed = arena_alloc(s->arena, max * sizeof *s->allowed);
    while (str_next(&list, ',', &name)) {
        name = str_trim(name);
        if (name.n && !is_reserved(name))
            s->allowed[s->n_allowed++] = header_title(s->arena, name);
    }
}

static void object_server_free(struct http_app *app)
{
    struct object_server *s = (struct object_server *)app;
    object_updater_free(s->updater);
    object_cache_free(s->cache);
    devices_free(s->base.devices);
    arena_free(s->arena);
    free(s);
}

static void warn_about_policies(const struct policies *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->v[i].type == POLICY_ERASURE_CODING)
            log_warning("object-server: policy %d (%s) is erasure coded: its requests are answered with 503",
                        p->v[i].index, p->v[i].name);
}

static struct object_update_options update_options(struct object_server *s)
{
    return (struct object_update_options){
        .conn_timeout_ms = s->options.base.conn_timeout_ms,
        .node_timeout_ms = s->options.base.node_timeout_ms,
        .update_timeout_ms = s->options.container_update_timeout_ms,
        .expiring_account =
            arena_printf(s->arena, "%s%s", s->base.conf->constraints.auto_create_account_prefix,
                         s->options.expiring_account_name)
                .p,
        .expiring_divisor = s->options.expiring_divisor,
    };
}

int object_server_new(const struct server_context *context, struct http_app **ret, struct buf *error)
{
    struct object_server *s = xcalloc(1, sizeof *s);
    int err = conf_read(context->conf, context->section, options_table, &s->options, error);
    if (err) {
        free(s);
        return err;
    }
    s->arena = arena_new();
    s->base = (struct backend_server){
        .app = {.handle = backend_handle, .free = object_server_free},
        .type = "object-server",
        .options = &s->options.base,
        .conf = context->swift,
        .devices = devices_new(&s->options.base, "object"),
        .methods = methods,
    };
    read_allowed(s);
    warn_about_policies(&context->swift->policies);
    struct object_update_options updates = update_options(s);
    s->updater = object_updater_new(&updates, &context->swift->hash);
    s->cache = object_cache_new((size_t)s->options.object_cache_size);
    *ret = &s->base.app;
    return 0;
}
