/* SPDX-License-Identifier: Apache-2.0
 *
 * proxy_server.c: routing, and the checks in front of the controllers, in upstream's order (facts: proxy 3).
 */
#include "proxy/proxy_server.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error_page.h"
#include "base/registry.h"
#include "base/request_helpers.h"
#include "common/alloc.h"
#include "common/json.h"
#include "common/log.h"
#include "common/url.h"
#include "proxy/proxy.h"
#include "proxy/proxy_mime.h"

/* --- for the controllers -------------------------------------------------------------------------------------------------- */

const char *proxy_type_title(enum proxy_type type)
{
    static const char *const titles[] = {"Account", "Container", "Object"};
    return titles[type];
}

const char *proxy_type_name(enum proxy_type type)
{
    static const char *const names[] = {"account", "container", "object"};
    return names[type];
}

bool proxy_authorize(struct proxy_request *p, struct str acl)
{
    p->env->acl = acl;
    return !p->env->authorize || p->env->authorize(p->env->authorize_arg, p->req, p->rsp);
}

static void unref_ring(void *ring)
{
    ring_unref(ring);
}

static const struct ring *keep_ring(struct proxy_request *p, const struct ring *ring)
{
    arena_on_free(p->req->arena, unref_ring, (void *)ring);
    return ring;
}

const struct ring *proxy_ring_account(struct proxy_request *p)
{
    return keep_ring(p, rings_account(p->server->rings));
}

const struct ring *proxy_ring_container(struct proxy_request *p)
{
    return keep_ring(p, rings_container(p->server->rings));
}

const struct ring *proxy_ring_object(struct proxy_request *p, const struct policy *policy)
{
    return keep_ring(p, rings_object(p->server->rings, policy));
}

uint32_t proxy_part(const struct proxy_server *s, const struct ring *ring, struct str account,
                    struct str container, struct str object)
{
    uint8_t digest[HASH_PATH_BYTES];
    hash_path(&s->swift->hash, account, container, object, digest);
    return ring_part(ring, digest);
}

const struct account_info *proxy_account_info(struct proxy_request *p)
{
    return info_account(&p->server->app, p->req, p->account, NULL);
}

const struct container_info *proxy_container_info(struct proxy_request *p)
{
    return info_container(&p->server->app, p->req, p->account, p->container, NULL);
}

int64_t proxy_name_limit(const struct proxy_request *p, int64_t limit)
{
    bool internal =
        str_starts(p->account, str_from(p->server->swift->constraints.auto_create_account_prefix));
    return internal ? 2 * limit : limit;
}

struct str proxy_allowed_methods(const struct proxy_request *p)
{
    if (p->type == PROXY_ACCOUNT && !p->server->options.allow_account_management)
        return STR("GET, HEAD, POST, OPTIONS");
    return STR("GET, HEAD, POST, PUT, DELETE, OPTIONS");
}

void proxy_remove_owner_headers(const struct proxy_server *s, struct header_table *t)
{
    struct str rest = str_from(s->options.swift_owner_headers), item;
    while (str_next(&rest, ',', &item))
        header_remove(t, str_trim(item));
}

/* --- routing ----------------------------------------------------------------------------------------------------------------- */

static bool method_allowed(const struct proxy_request *p)
{
    struct str rest = proxy_allowed_methods(p), item;
    while (str_next(&rest, ',', &item))
        if (str_eq(str_trim(item), p->req->method))
            return true;
    return false;
}

/* Verbs whose ACL the controller finds out before authorize() has its last word. */
static bool asks_later(const struct proxy_request *p)
{
    bool reads = str_eq(p->req->method, STR("GET")) || str_eq(p->req->method, STR("HEAD"));
    bool options = str_eq(p->req->method, STR("OPTIONS"));
    return (p->type == PROXY_OBJECT && !options) || (p->type == PROXY_CONTAINER && reads);
}

static void run_controller(struct proxy_request *p)
{
    const struct container_info *info = NULL;
    bool options = str_eq(p->req->method, STR("OPTIONS"));
    if (options) {
        proxy_options_verb(p);
        return;
    }
    if (p->type != PROXY_ACCOUNT && header_get(&p->req->headers, STR("Origin")).n)
        info = proxy_container_info(p);
    if (p->type == PROXY_ACCOUNT)
        proxy_account(p);
    else if (p->type == PROXY_CONTAINER)
        proxy_container(p);
    else
        proxy_object(p);
    if (info)
        proxy_cors_answer(p, info);
}

/* Asks authorize() once; a yes holds for all that the controller does, a no may be asked again by it. */
static void authorize_and_run(struct proxy_request *p)
{
    struct env *env = p->env;
    env_authorize_fn *authorize = env->authorize;
    if (authorize && !proxy_authorize(p, STR_NONE)) {
        if (!asks_later(p))
            return;
        http_response_clear(p->rsp);
        run_controller(p);
        return;
    }
    env->authorize = NULL;
    run_controller(p);
    env->authorize = authorize;
}

static bool host_denied(const struct proxy_server *s, const struct http_request *req)
{
    struct str rest = str_from(s->options.deny_host_headers), item, host, port;
    str_cut(header_get(&req->headers, STR("Host")), ':', &host, &port);
    while (str_next(&rest, ',', &item))
        if (str_trim(item).n && str_eq(str_trim(item), host))
            return true;
    return false;
}

static struct str entity_path(struct arena *a, const struct api_path *path)
{
    struct str s = arena_join(a, STR("/"), path->account, STR_END);
    if (path->container.n)
        s = arena_join(a, s, STR("/"), path->container, STR_END);
    if (path->object.n)
        s = arena_join(a, s, STR("/"), path->object, STR_END);
    return url_quote(a, s, "/");
}

static struct str absent_if_empty(struct str s)
{
    return s.n ? s : STR_NONE;
}

static void route(struct proxy_server *s, struct http_request *req, const struct api_path *path,
                  struct http_response *rsp)
{
    struct proxy_request *p = arena_zalloc(req->arena, sizeof(*p)); /* the body of the answer may need it */
    *p = (struct proxy_request){.server = s,
                                .req = req,
                                .rsp = rsp,
                                .env = env_of(req),
                                .type = path->object.n      ? PROXY_OBJECT
                                        : path->container.n ? PROXY_CONTAINER
                                                            : PROXY_ACCOUNT,
                                .account = path->account,
                                .container = absent_if_empty(path->container),
                                .object = absent_if_empty(path->object),
                                .entity_path = entity_path(req->arena, path)};
    if (!method_allowed(p)) {
        error_page(rsp, 405);
        header_add_ref(&rsp->headers, STR("Allow"), proxy_allowed_methods(p));
        return;
    }
    authorize_and_run(p);
}

static bool path_is_text(const struct http_request *req)
{
    if (str_is_true(header_get(&req->headers, STR("X-Backend-Allow-Reserved-Names"))))
        return utf8_valid(req->path);
    return utf8_check(req->path);
}

/* /account, /account/container, /account/container/object, without holes. */
static bool is_complete(const struct api_path *path)
{
    return path->account.n && (path->container.n || !path->object.n);
}

static void check_and_route(struct proxy_server *s, struct http_request *req, struct http_response *rsp)
{
    struct api_path path;
    if (!path_is_text(req))
        error_text(rsp, 412, NULL, "Invalid UTF8 or contains NULL");
    else if (str_eq(req->path, STR("/info")))
        proxy_info(s, req, rsp);
    else if (!request_api_path(req, 1, 4, &path))
        error_page(rsp, 404);
    else if (path.account.n && !request_valid_version(&s->swift->constraints, path.version))
        error_page(rsp, 400);
    else if (!is_complete(&path))
        error_text(rsp, 412, NULL, "Bad URL");
    else if (host_denied(s, req))
        error_text(rsp, 403, NULL, "Invalid host header");
    else
        route(s, req, &path, rsp);
}

static void handle(struct http_app *app, struct http_request *req, struct http_response *rsp)
{
    struct proxy_server *s = (struct proxy_server *)app;
    struct str token = header_get(&req->headers, STR("X-Storage-Token"));
    if (!req->env) /* without a pipeline in front */
        env_new(req, NULL);
    if (token.p && !header_has(&req->headers, STR("X-Auth-Token")))
        header_add_ref(&req->headers, STR("X-Auth-Token"), token);
    check_and_route(s, req, rsp);
    if (rsp->status == 0)
        error_page(rsp, 500);
}

/* --- making and freeing -------------------------------------------------------------------------------------------------------- */

#define OPTION(name, type, field, fallback, min, max)                               \
    {                                                                               \
        name, type, offsetof(struct proxy_options, field), fallback, min, max, NULL \
    }
#define DAY_MS 86400000

static const struct conf_option option_table[] = {
    OPTION("allow_account_management", CONF_BOOL, allow_account_management, "no", 0, 0),
    OPTION("account_autocreate", CONF_BOOL, account_autocreate, "no", 0, 0),
    OPTION("max_containers_per_account", CONF_INT, max_containers_per_account, "0", 0, INT64_MAX),
    OPTION("max_containers_whitelist", CONF_STRING, max_containers_whitelist, "", 0, 0),
    OPTION("recheck_account_existence", CONF_INT, recheck_account_existence, "60", 0, 86400),
    OPTION("recheck_container_existence", CONF_INT, recheck_container_existence, "60", 0, 86400),
    OPTION("node_timeout", CONF_SECONDS, node_timeout_ms, "10", 1, DAY_MS),
    OPTION("recoverable_node_timeout", CONF_SECONDS, recoverable_node_timeout_ms, NULL, 0, DAY_MS),
    OPTION("conn_timeout", CONF_SECONDS, conn_timeout_ms, "0.5", 1, DAY_MS),
    OPTION("post_quorum_timeout", CONF_SECONDS, post_quorum_timeout_ms, "0.5", 0, DAY_MS),
    OPTION("error_suppression_interval", CONF_SECONDS, error_suppression_interval_ms, "60", 0, DAY_MS),
    OPTION("error_suppression_limit", CONF_INT, error_suppression_limit, "10", 0, INT64_MAX / 2),
    OPTION("object_chunk_size", CONF_SIZE, object_chunk_size, "65536", 4096, 16777216),
    OPTION("request_node_count", CONF_STRING, request_node_count_text, "2 * replicas", 0, 0),
    OPTION("rebalance_missing_suppression_count", CONF_INT, rebalance_missing_suppression_count, "1", 0,
           1000),
    OPTION("deny_host_headers", CONF_STRING, deny_host_headers, "", 0, 0),
    OPTION("swift_owner_headers", CONF_STRING, swift_owner_headers,
           "x-container-read, x-container-write, x-container-sync-key, x-container-sync-to, "
           "x-account-meta-temp-url-key, x-account-meta-temp-url-key-2, x-container-meta-temp-url-key, "
           "x-container-meta-temp-url-key-2, x-account-access-control",
           0, 0),
    OPTION("log_handoffs", CONF_BOOL, log_handoffs, "true", 0, 0),
    OPTION("expose_info", CONF_BOOL, expose_info, "yes", 0, 0),
    OPTION("admin_key", CONF_STRING, admin_key, "", 0, 0),
    OPTION("disallowed_sections", CONF_STRING, disallowed_sections,
           "swift.auto_create_account_prefix, swift.valid_api_versions", 0, 0),
    OPTION("cors_allow_origin", CONF_STRING, cors_allow_origin, "", 0, 0),
    OPTION("cors_expose_headers", CONF_STRING, cors_expose_headers, "", 0, 0),
    OPTION("strict_cors_mode", CONF_BOOL, strict_cors_mode, "true", 0, 0),
    OPTION("expiring_objects_account_name", CONF_STRING, expiring_objects_account_name, "expiring_objects", 0,
           0),
    OPTION("expiring_objects_container_divisor", CONF_INT, expiring_objects_container_divisor, "86400", 1,
           INT64_MAX),
    OPTION("max_idle_connections", CONF_INT, max_idle_connections, "64", 0, 65536),
    OPTION("idle_connection_timeout", CONF_SECONDS, idle_connection_ms, "20", 0, DAY_MS),
    {NULL},
};

static int read_options(const struct server_context *c, struct proxy_server *s, struct buf *error)
{
    struct proxy_options *o = &s->options;
    int err = conf_read(c->conf, c->section, option_table, o, error);
    if (err)
        return err;
    if (!o->recoverable_node_timeout_ms)
        o->recoverable_node_timeout_ms = o->node_timeout_ms;
    if (node_count_parse(str_from(o->request_node_count_text), &s->node_count)) {
        buf_printf(error, "%s: [%s] request_node_count = '%s': neither a number nor \"N * replicas\"",
                   conf_path(c->conf), c->section, o->request_node_count_text);
        return -EINVAL;
    }
    return 0;
}

static void register_number(struct registry *r, const char *key, int64_t v)
{
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)v);
    registry_set(r, "swift", key, text);
}

static void register_text(struct registry *r, const char *key, const char *v)
{
    struct buf text;
    buf_init(&text, 65536);
    json_put_string(&text, str_from(v));
    registry_set(r, "swift", key, buf_error(&text) ? "\"\"" : text.p);
    buf_release(&text);
}

/* A JSON list of the comma list's items. */
static void register_list(struct registry *r, const char *key, const char *list)
{
    struct str rest = str_from(list), item;
    struct buf text;
    buf_init(&text, 65536);
    buf_putc(&text, '[');
    while (str_next(&rest, ',', &item)) {
        buf_puts(&text, text.n > 1 ? ", " : "");
        json_put_string(&text, str_trim(item));
    }
    buf_putc(&text, ']');
    registry_set(r, "swift", key, text.p);
    buf_release(&text);
}

static void put_aliases(struct buf *text, const struct policy *policy)
{
    struct buf all;
    buf_init(&all, 65536);
    buf_puts(&all, policy->name);
    for (const char **alias = policy->aliases; alias && *alias; alias++)
        if (!str_ieq(str_from(*alias), str_from(policy->name)))
            buf_printf(&all, ", %s", *alias);
    json_put_string(text, buf_view(&all));
    buf_release(&all);
}

/* [{"name": "gold", "aliases": "gold, yellow", "default": true}, ...]: those that containers may still choose. */
static void register_policies(struct registry *r, const struct policies *policies)
{
    struct buf text;
    buf_init(&text, 1024 * 1024);
    buf_putc(&text, '[');
    for (size_t i = 0; i < policies->n; i++) {
        const struct policy *policy = &policies->v[i];
        if (policy->deprecated)
            continue;
        buf_puts(&text, text.n > 1 ? ", {\"name\": " : "{\"name\": ");
        json_put_string(&text, str_from(policy->name));
        buf_puts(&text, ", \"aliases\": ");
        put_aliases(&text, policy);
        buf_puts(&text, policy->is_default ? ", \"default\": true}" : "}");
    }
    buf_putc(&text, ']');
    registry_set(r, "swift", "policies", text.p);
    buf_release(&text);
}

static struct registry *make_registry(const struct proxy_server *s)
{
    struct registry *r = registry_new();
    const struct constraints *c = &s->swift->constraints;
    register_text(r, "version", registry_version());
    registry_set(r, "swift", "strict_cors_mode", s->options.strict_cors_mode ? "true" : "false");
    register_policies(r, &s->swift->policies);
    registry_set(r, "swift", "allow_account_management",
                 s->options.allow_account_management ? "true" : "false");
    registry_set(r, "swift", "account_autocreate", s->options.account_autocreate ? "true" : "false");
    register_number(r, "max_file_size", c->max_file_size);
    register_number(r, "max_meta_name_length", c->max_meta_name_length);
    register_number(r, "max_meta_value_length", c->max_meta_value_length);
    register_number(r, "max_meta_count", c->max_meta_count);
    register_number(r, "max_meta_overall_size", c->max_meta_overall_size);
    register_number(r, "max_header_size", c->max_header_size);
    register_number(r, "max_object_name_length", c->max_object_name_length);
    register_number(r, "container_listing_limit", c->container_listing_limit);
    register_number(r, "account_listing_limit", c->account_listing_limit);
    register_number(r, "max_account_name_length", c->max_account_name_length);
    register_number(r, "max_container_name_length", c->max_container_name_length);
    register_number(r, "extra_header_count", c->extra_header_count);
    register_text(r, "auto_create_account_prefix", c->auto_create_account_prefix);
    register_list(r, "valid_api_versions", c->valid_api_versions);
    return r;
}

/* [waits] For the requests that go on in the background. */
static void proxy_free(struct http_app *app)
{
    struct proxy_server *s = (struct proxy_server *)app;
    while (atomic_load(&s->background))
        rt_sleep(10);
    http_client_free(s->client);
    error_limiter_free(s->limiter);
    registry_free(s->registry);
    proxy_mime_free(s->mime);
    free((char *)s->user_agent.p);
    free((char *)s->expirer_account.p);
    free(s);
}

int proxy_server_new(const struct server_context *context, struct http_app **ret, struct buf *error)
{
    struct proxy_server *s = xcalloc(1, sizeof(*s));
    int err = read_options(context, s, error);
    if (err) {
        free(s);
        return err;
    }
    s->app = (struct http_app){handle, proxy_free};
    s->swift = context->swift;
    s->rings = context->rings;
    s->client = http_client_new((unsigned)s->options.max_idle_connections, s->options.idle_connection_ms);
    s->limiter =
        error_limiter_new(s->options.error_suppression_interval_ms, s->options.error_suppression_limit);
    s->registry = make_registry(s);
    s->mime = proxy_mime_new(context->swift->swift_dir);
    s->user_agent = str_from(xasprintf("proxy-server %d", (int)getpid()));
    s->expirer_account = str_from(xasprintf("%s%s", s->swift->constraints.auto_create_account_prefix,
                                            s->options.expiring_objects_account_name));
    *ret = &s->app;
    return 0;
}
