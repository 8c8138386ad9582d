/* SPDX-License-Identifier: Apache-2.0
 *
 * proxy_account.c: requests for accounts (facts: proxy 10).
 */
#include <jansson.h>
#include <stdlib.h>

#include "base/error_page.h"
#include "base/request_helpers.h"
#include "common/log.h"
#include "common/timestamp.h"
#include "common/url.h"
#include "proxy/proxy_account.h"
#include "proxy/proxy_backend.h"
#include "proxy/proxy_get.h"
#include "proxy/proxy_spread.h"

#define CORE_ACL "X-Account-Sysmeta-Core-Access-Control"

/* False: 400 in rsp. */
static bool check_name(struct proxy_request *p)
{
    int64_t limit = proxy_name_limit(p, p->server->swift->constraints.max_account_name_length);
    if ((int64_t)p->account.n <= limit)
        return true;
    error_text(p->rsp, 400, NULL, "Account name length of %zu longer than %lld", p->account.n,
               (long long)limit);
    return false;
}

/* Python writes \u00e4 where jansson writes \u00E4. */
static void lower_escapes(char *text)
{
    for (char *p = text; *p; p++) {
        if (p[0] != '\\')
            continue;
        p++;
        if (*p != 'u')
            continue;
        for (int i = 1; i <= 4 && p[i]; i++)
            if (p[i] >= 'A' && p[i] <= 'F')
                p[i] = (char)(p[i] + 32);
    }
}

/* A JSON object as owners see it: keys sorted, no blanks, ASCII. STR_NONE where there is nothing to see. */
static struct str tidy_json(struct arena *arena, struct str value)
{
    struct str out = STR_NONE;
    json_t *root = value.n ? json_loadb(value.p, value.n, 0, NULL) : NULL;
    char *text = json_is_object(root) && json_object_size(root)
                     ? json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII)
                     : NULL;
    if (text) {
        lower_escapes(text);
        out = arena_str(arena, str_from(text));
    }
    free(text);
    json_decref(root);
    return out;
}

/* The stored account ACL under the name that clients use. */
static void show_acl(struct proxy_request *p)
{
    struct http_response *rsp = p->rsp;
    struct str acl = tidy_json(rsp->arena, header_get(&rsp->headers, STR(CORE_ACL)));
    header_remove(&rsp->headers, STR(CORE_ACL));
    if (acl.p)
        header_set(&rsp->headers, STR("X-Account-Access-Control"), acl);
}

/* An account that will be made by its first container looks empty until then. */
static void pretend(struct proxy_request *p)
{
    struct http_response *rsp = p->rsp;
    char now[TIMESTAMP_INTERNAL_SIZE];
    struct str text = str_from(timestamp_internal(timestamp_now(), now));
    http_response_clear(rsp);
    http_response_text(rsp, 200, "application/json; charset=utf-8", STR("[]"));
    header_add_ref(&rsp->headers, STR("X-Account-Container-Count"), STR("0"));
    header_add_ref(&rsp->headers, STR("X-Account-Object-Count"), STR("0"));
    header_add_ref(&rsp->headers, STR("X-Account-Bytes-Used"), STR("0"));
    header_add(&rsp->headers, STR("X-Timestamp"), text);
    header_add(&rsp->headers, STR("X-Put-Timestamp"), text);
    header_add_ref(&rsp->headers, STR("X-Backend-Fake-Account-Listing"), STR("yes"));
}

static void get_or_head(struct proxy_request *p)
{
    const struct ring *ring = proxy_ring_account(p);
    if (!check_name(p))
        return;
    request_set_param(p->req, STR("format"), STR("json"));
    proxy_get(p, ring, proxy_part(p->server, ring, p->account, STR_NONE, STR_NONE));
    if (p->rsp->status == 404) {
        if (str_ieq(header_get(&p->rsp->headers, STR("X-Account-Status")), STR("deleted")))
            p->rsp->status = 410;
        else if (p->server->options.account_autocreate)
            pretend(p);
    }
    info_keep(p->req, p->account, STR_NONE, p->rsp, p->server->options.recheck_account_existence);
    if (p->env->swift_owner)
        show_acl(p);
    else
        proxy_remove_owner_headers(p->server, &p->rsp->headers);
}

/* The same headers to every replica. */
static void spread(struct proxy_request *p, const struct ring *ring, struct str method, struct str path,
                   const struct header_table *headers, struct str account, struct http_response *rsp)
{
    size_t n = ring_replica_count(ring);
    struct header_table *all = arena_alloc(p->req->arena, n * sizeof(*all));
    for (size_t i = 0; i < n; i++)
        all[i] = *headers;
    const struct proxy_spread what = {.method = method,
                                      .path = path,
                                      .type = PROXY_ACCOUNT,
                                      .ring = ring,
                                      .part = proxy_part(p->server, ring, account, STR_NONE, STR_NONE),
                                      .headers = all,
                                      .n = n};
    proxy_spread(p, &what, rsp);
}

bool proxy_autocreate_account(struct proxy_request *p)
{
    struct http_response made;
    struct header_table headers;
    char now[TIMESTAMP_INTERNAL_SIZE];
    struct arena *a = p->req->arena;
    struct str path = url_quote(a, arena_join(a, STR("/"), p->account, STR_END), "/");
    header_init(&headers, a);
    header_add(&headers, STR("X-Timestamp"), str_from(timestamp_internal(timestamp_now(), now)));
    header_add_ref(&headers, STR("X-Trans-Id"), p->req->txn);
    header_add_ref(&headers, STR("X-Openstack-Request-Id"), p->req->txn);
    header_add_ref(&headers, STR("User-Agent"), p->server->user_agent);
    for (size_t i = 0; i < p->req->headers.n; i++)
        if (header_is_sys_meta("account", p->req->headers.v[i].name))
            header_add_ref(&headers, p->req->headers.v[i].name, p->req->headers.v[i].value);
    http_response_init(&made, a);
    spread(p, proxy_ring_account(p), STR("PUT"), path, &headers, p->account, &made);
    bool fine = made.status >= 200 && made.status <= 299;
    http_body_close(made.body);
    if (fine)
        log_txn(LOG_LEVEL_INFO, p->req->txn, "autocreate account '%.*s'", STR_ARG(path));
    else
        log_txn(LOG_LEVEL_WARNING, p->req->txn, "Could not autocreate account '%.*s'", STR_ARG(path));
    if (fine)
        info_forget(p->req, p->account, STR_NONE);
    return fine;
}

/* PUT, POST, DELETE: to all replicas. */
static void change(struct proxy_request *p)
{
    const struct ring *ring = proxy_ring_account(p);
    struct header_table headers;
    bool delete = str_eq(p->req->method, STR("DELETE"));
    proxy_backend_headers(p, delete ? PROXY_HEADERS_NONE : PROXY_HEADERS_TRANSFER, p->req->arena, false,
                          &headers);
    info_forget(p->req, p->account, STR_NONE);
    spread(p, ring, p->req->method, p->entity_path, &headers, p->account, p->rsp);
    if (p->rsp->status == 404 && str_eq(p->req->method, STR("POST")) &&
        p->server->options.account_autocreate && proxy_autocreate_account(p)) {
        http_response_clear(p->rsp);
        spread(p, ring, p->req->method, p->entity_path, &headers, p->account, p->rsp);
    }
    info_forget(p->req, p->account, STR_NONE);
    if (!delete)
        show_acl(p);
}

void proxy_account(struct proxy_request *p)
{
    struct str method = p->req->method;
    if (str_eq(method, STR("GET")) || str_eq(method, STR("HEAD"))) {
        get_or_head(p);
    } else if (str_eq(method, STR("DELETE"))) {
        if (p->req->query.n)
            error_page(p->rsp, 400); /* a bulk delete that no middleware took */
        else
            change(p);
    } else if (constraints_check_metadata(&p->server->swift->constraints, p->req, "account", p->rsp) &&
               check_name(p)) {
        change(p);
    }
}
