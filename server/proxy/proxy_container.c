/* SPDX-License-Identifier: Apache-2.0
 *
 * proxy_container.c: requests for containers (facts: proxy 11).
 */
#include "base/error_page.h"
#include "base/request_helpers.h"
#include "common/log.h"
#include "proxy/proxy_account.h"
#include "proxy/proxy_backend.h"
#include "proxy/proxy_get.h"
#include "proxy/proxy_spread.h"

/* --- GET and HEAD --------------------------------------------------------------------------------------------------------- */

/* Parameters that a listing knows, checked before anything else. False: 400 or 412 in rsp. */
static bool check_params(struct proxy_request *p)
{
    static const struct str names[] = {STR_INIT("marker"),    STR_INIT("end_marker"), STR_INIT("prefix"),
                                       STR_INIT("delimiter"), STR_INIT("path"),       STR_INIT("format"),
                                       STR_INIT("reverse"),   STR_INIT("states"),     STR_INIT("includes")};
    struct str value;
    int64_t limit;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!request_param(p->req, names[i], &value, p->rsp))
            return false;
    return request_limit(p->req, p->server->swift->constraints.container_listing_limit, &limit, p->rsp);
}

static bool is_internal(const struct proxy_request *p)
{
    return str_starts(p->account, str_from(p->server->swift->constraints.auto_create_account_prefix));
}

static bool account_exists(struct proxy_request *p)
{
    const struct account_info *info = proxy_account_info(p);
    return info_exists(info->status) && info->really_exists;
}

/* A client that may not read gets to know nothing: the answer so far goes. */
static bool authorize_answer(struct proxy_request *p)
{
    struct http_response denial;
    struct env *env = p->env;
    if (!env->authorize)
        return true;
    env->acl = header_get(&p->rsp->headers, STR("X-Container-Read"));
    http_response_init(&denial, p->rsp->arena);
    if (env->authorize(env->authorize_arg, p->req, &denial)) {
        http_body_close(denial.body);
        return true;
    }
    http_response_clear(p->rsp);
    *p->rsp = denial;
    return false;
}

static void get_or_head(struct proxy_request *p)
{
    const struct ring *ring = proxy_ring_container(p);
    if (!is_internal(p) && !account_exists(p)) {
        if (proxy_authorize(p, STR_NONE))
            error_page(p->rsp, 404);
        return;
    }
    request_set_param(p->req, STR("format"), STR("json"));
    proxy_get(p, ring, proxy_part(p->server, ring, p->account, p->container, STR_NONE));
    info_keep(p->req, p->account, p->container, p->rsp, p->server->options.recheck_container_existence);
    if (!authorize_answer(p))
        return;
    if (!p->env->swift_owner)
        proxy_remove_owner_headers(p->server, &p->rsp->headers);
    if (p->env->reseller_request)
        header_set(&p->rsp->headers, STR("X-Container-Sharding"),
                   str_is_true(header_get(&p->rsp->headers, STR("X-Container-Sysmeta-Sharding")))
                       ? STR("True")
                       : STR("False"));
}

/* --- PUT, POST, DELETE ----------------------------------------------------------------------------------------------------- */

/* False: 400 in rsp. */
static bool clean_acls(struct proxy_request *p)
{
    static const struct str names[] = {STR_INIT("X-Container-Read"), STR_INIT("X-Container-Write")};
    for (size_t i = 0; i < 2 && p->env->clean_acl; i++) {
        struct str clean, value = header_get(&p->req->headers, names[i]);
        if (!value.p)
            continue;
        if (!p->env->clean_acl(p->req->arena, names[i], value, &clean)) {
            error_text(p->rsp, 400, NULL, "%.*s", STR_ARG(clean));
            return false;
        }
        header_set(&p->req->headers, names[i], clean);
    }
    return true;
}

/* The policy a PUT asks for: NULL if it does not. False: 400 in rsp. */
static bool wanted_policy(struct proxy_request *p, const struct policy **ret)
{
    struct str name = header_get(&p->req->headers, STR("X-Storage-Policy"));
    *ret = NULL;
    if (!name.n)
        return true;
    *ret = policy_by_name(&p->server->swift->policies, name);
    if (!*ret) {
        error_text(p->rsp, 400, "text/plain", "Invalid X-Storage-Policy '%.*s'", STR_ARG(name));
        return false;
    }
    if ((*ret)->deprecated) {
        error_text(p->rsp, 400, NULL, "Storage Policy '%s' is deprecated", (*ret)->name);
        return false;
    }
    return true;
}

static void prepare_headers(struct proxy_request *p)
{
    struct str sharding = header_get(&p->req->headers, STR("X-Container-Sharding"));
    if (!p->env->swift_owner)
        proxy_remove_owner_headers(p->server, &p->req->headers);
    if (p->env->reseller_request && sharding.p)
        header_set(&p->req->headers, STR("X-Container-Sysmeta-Sharding"),
                   str_is_true(sharding) ? STR("True") : STR("False"));
}

static bool check_name(struct proxy_request *p)
{
    int64_t limit = proxy_name_limit(p, p->server->swift->constraints.max_container_name_length);
    if ((int64_t)p->container.n <= limit)
        return true;
    error_text(p->rsp, 400, NULL, "Container name length of %zu longer than %lld", p->container.n,
               (long long)limit);
    return false;
}

static bool is_whitelisted(const struct proxy_request *p)
{
    struct str rest = str_from(p->server->options.max_containers_whitelist), item;
    while (str_next(&rest, ',', &item))
        if (str_eq(str_trim(item), p->account))
            return true;
    return false;
}

/* False: 403 in rsp. */
static bool check_container_count(struct proxy_request *p)
{
    int64_t max = p->server->options.max_containers_per_account;
    if (!max || (int64_t)proxy_account_info(p)->container_count < max || is_whitelisted(p) ||
        info_exists(proxy_container_info(p)->status))
        return true;
    error_text(p->rsp, 403, NULL, "Reached container limit of %lld", (long long)max);
    return false;
}

/* Which account servers each container server is to tell: they are dealt out in turn. */
static void add_account_servers(struct proxy_request *p, struct header_table *headers, size_t n)
{
    const struct ring *ring = proxy_ring_account(p);
    struct arena *a = p->req->arena;
    size_t max = ring_replica_count(ring);
    const struct ring_device **nodes = arena_alloc(a, max * sizeof(struct ring_device *));
    uint32_t part = proxy_part(p->server, ring, p->account, STR_NONE, STR_NONE);
    size_t n_nodes = ring_primaries(ring, part, nodes, max);
    for (size_t i = 0; i < n_nodes; i++) {
        struct header_table *t = &headers[i % n];
        struct str host = header_get(t, STR("X-Account-Host")),
                   device = header_get(t, STR("X-Account-Device"));
        header_setf(t, STR("X-Account-Partition"), "%u", part);
        header_setf(t, STR("X-Account-Host"), "%.*s%s%s:%u", STR_ARG(host), host.n ? "," : "", nodes[i]->ip,
                    nodes[i]->port);
        header_setf(t, STR("X-Account-Device"), "%.*s%s%s", STR_ARG(device), device.n ? "," : "",
                    nodes[i]->device);
    }
}

static void spread(struct proxy_request *p, bool name_accounts, const struct policy *policy)
{
    const struct ring *ring = proxy_ring_container(p);
    size_t n = ring_replica_count(ring);
    struct header_table *headers = arena_alloc(p->req->arena, n * sizeof(*headers));
    bool put = str_eq(p->req->method, STR("PUT"));
    for (size_t i = 0; i < n; i++) {
        proxy_backend_headers(p, PROXY_HEADERS_TRANSFER, p->req->arena, false, &headers[i]);
        if (i) /* one timestamp for all */
            header_set(&headers[i], STR("X-Timestamp"), header_get(&headers[0], STR("X-Timestamp")));
        if (put && policy)
            header_setf(&headers[i], STR("X-Backend-Storage-Policy-Index"), "%d", policy->index);
        else if (name_accounts)
            header_setf(&headers[i], STR("X-Backend-Storage-Policy-Default"), "%d",
                        p->server->swift->policies.fallback->index);
    }
    if (name_accounts)
        add_account_servers(p, headers, n);
    const struct proxy_spread what = {.method = p->req->method,
                                      .path = p->entity_path,
                                      .type = PROXY_CONTAINER,
                                      .ring = ring,
                                      .part = proxy_part(p->server, ring, p->account, p->container, STR_NONE),
                                      .headers = headers,
                                      .n = n};
    info_forget(p->req, p->account, p->container);
    proxy_spread(p, &what, p->rsp);
    info_forget(p->req, p->account, p->container);
}

static void put(struct proxy_request *p)
{
    const struct policy *policy;
    if (!clean_acls(p) ||
        !constraints_check_metadata(&p->server->swift->constraints, p->req, "container", p->rsp) ||
        !wanted_policy(p, &policy))
        return;
    prepare_headers(p);
    if (!check_name(p))
        return;
    if (!account_exists(p) && p->server->options.account_autocreate && !proxy_autocreate_account(p)) {
        error_page(p->rsp, 503);
        return;
    }
    if (!account_exists(p)) {
        error_page(p->rsp, 404);
        return;
    }
    if (check_container_count(p))
        spread(p, true, policy);
}

static void post(struct proxy_request *p)
{
    if (!clean_acls(p) ||
        !constraints_check_metadata(&p->server->swift->constraints, p->req, "container", p->rsp))
        return;
    prepare_headers(p);
    if (account_exists(p))
        spread(p, false, NULL);
    else
        error_page(p->rsp, 404);
}

static void delete (struct proxy_request *p)
{
    if (!account_exists(p)) {
        error_page(p->rsp, 404);
        return;
    }
    spread(p, true, NULL);
    if (p->rsp->status == 202) { /* no server had it */
        http_response_clear(p->rsp);
        error_page(p->rsp, 404);
    }
}

void proxy_container(struct proxy_request *p)
{
    struct str method = p->req->method;
    if (str_eq(method, STR("PUT")))
        put(p);
    else if (str_eq(method, STR("POST")))
        post(p);
    else if (str_eq(method, STR("DELETE")))
        delete (p);
    else if (str_eq(method, STR("HEAD")) || check_params(p))
        get_or_head(p);
}
