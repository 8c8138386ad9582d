/* SPDX-License-Identifier: Apache-2.0 */
#include "base/request_helpers.h"

#include "base/env.h"
#include "base/error_page.h"
#include "common/url.h"

#define TEXT "text/plain"

/* --- the path --------------------------------------------------------------------------------------------------------- */

bool request_api_path(const struct http_request *req, int min, int max, struct api_path *ret)
{
    struct str seg[4] = {STR_NONE, STR_NONE, STR_NONE, STR_NONE};
    if (url_split_path(req->path, min, max, max == 4, seg))
        return false;
    *ret = (struct api_path){seg[0], seg[1], seg[2], seg[3]};
    return true;
}

bool request_valid_version(const struct constraints *c, struct str version)
{
    struct str rest = str_from(c->valid_api_versions), item;
    while (str_next(&rest, ',', &item))
        if (str_eq(str_trim(item), version))
            return true;
    return false;
}

/* --- header names ------------------------------------------------------------------------------------------------------ */

static bool is_meta(const char *type, struct str kind, struct str name)
{
    struct str t = str_from(type);
    if (name.n <= 2 + t.n + kind.n || (name.p[0] != 'x' && name.p[0] != 'X') || name.p[1] != '-')
        return false;
    return str_istarts(str_slice(name, 2, name.n), t) && str_istarts(str_slice(name, 2 + t.n, name.n), kind);
}

bool header_is_user_meta(const char *type, struct str name)
{
    return is_meta(type, STR("-meta-"), name);
}

bool header_is_sys_meta(const char *type, struct str name)
{
    return is_meta(type, STR("-sysmeta-"), name);
}

bool header_is_transient_sysmeta(struct str name)
{
    return is_meta("object", STR("-transient-sysmeta-"), name);
}

/* --- the query ----------------------------------------------------------------------------------------------------------- */

bool request_param(const struct http_request *req, struct str name, struct str *ret,
                   struct http_response *rsp)
{
    struct url_query q;
    *ret = STR_NONE;
    if (!req->query.n)
        return true;
    url_query_parse(req->arena, req->query, &q);
    *ret = url_query_get(&q, name);
    if (utf8_valid(*ret))
        return true;
    error_text(rsp, 400, TEXT, "\"%.*s\" parameter not valid UTF-8", STR_ARG(name));
    return false;
}

/* As Python's quote_plus. */
static struct str quote_plus(struct arena *a, struct str s)
{
    struct str quoted = url_quote(a, s, " ");
    char *p = (char *)quoted.p; /* fresh from the arena */
    for (size_t i = 0; i < quoted.n; i++)
        if (p[i] == ' ')
            p[i] = '+';
    return quoted;
}

static struct str append_param(struct arena *a, struct str query, struct str key, struct str value)
{
    return arena_join(a, query, query.n ? STR("&") : STR(""), quote_plus(a, key), STR("="),
                      quote_plus(a, value), STR_END);
}

void request_set_param(struct http_request *req, struct str name, struct str value)
{
    struct arena *a = req->arena;
    struct url_query q = {0};
    struct str query = STR("");
    bool done = false;
    if (req->query.n)
        url_query_parse(a, req->query, &q);
    for (size_t i = 0; i < q.n; i++) {
        bool seen = false;
        for (size_t k = 0; k < i && !seen; k++)
            seen = str_eq(q.v[k].key, q.v[i].key);
        if (seen)
            continue;
        if (!str_eq(q.v[i].key, name)) {
            query = append_param(a, query, q.v[i].key, url_query_get(&q, q.v[i].key));
        } else if (value.p) {
            query = append_param(a, query, name, value);
            done = true;
        }
    }
    if (value.p && !done)
        query = append_param(a, query, name, value);
    req->query = query.n ? query : STR_NONE;
}

bool request_limit(const struct http_request *req, int64_t max, int64_t *ret, struct http_response *rsp)
{
    struct str text;
    uint64_t limit;
    *ret = max;
    if (!request_param(req, STR("limit"), &text, rsp))
        return false;
    if (!text.n)
        return true;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] < '0' || text.p[i] > '9')
            return true; /* not a number: as if it were not there */
    if (str_to_u64(text, &limit) || limit > (uint64_t)max) {
        error_text(rsp, 412, NULL, "Maximum limit is %lld", (long long)max);
        return false;
    }
    *ret = (int64_t)limit;
    return true;
}

/* --- answers -------------------------------------------------------------------------------------------------------------- */

static struct str realm_of(const struct http_request *req)
{
    struct str seg[3];
    if (url_split_path(req->path, 2, 3, true, seg) || str_eq(seg[1], STR("v1.0")) ||
        str_eq(seg[1], STR("auth")))
        return STR("unknown");
    return seg[1];
}

void answer_unauthorized(const struct http_request *req, struct str realm, struct http_response *rsp)
{
    struct str quoted = url_quote(rsp->arena, realm.p ? realm : realm_of(req), "/");
    error_page(rsp, 401);
    header_setf(&rsp->headers, STR("Www-Authenticate"), "Swift realm=\"%.*s\"", STR_ARG(quoted));
}

void answer_denied(const struct http_request *req, struct http_response *rsp)
{
    if (env_of(req)->remote_user.n)
        error_page(rsp, 403);
    else
        answer_unauthorized(req, STR_NONE, rsp);
}

/* --- who and where ---------------------------------------------------------------------------------------------------------- */

struct str request_remote_client(const struct http_request *req)
{
    struct str client = header_get(&req->headers, STR("X-Cluster-Client-Ip")), rest;
    if (!client.n) {
        str_cut(header_get(&req->headers, STR("X-Forwarded-For")), ',', &client, &rest);
        client = str_trim(client);
    }
    return client.n ? client : req->peer;
}

struct str request_host_url(const struct http_request *req)
{
    struct str host = header_get(&req->headers, STR("Host"));
    if (!host.n)
        host = req->local;
    if (str_ends(host, STR(":80")))
        host.n -= 3;
    return arena_join(req->arena, STR("http://"), host, STR_END);
}

struct str request_path_qs(const struct http_request *req)
{
    struct str path = url_quote(req->arena, req->path, "/");
    return req->query.n ? arena_join(req->arena, path, STR("?"), req->query, STR_END) : path;
}

/* --- header values that name things ------------------------------------------------------------------------------------------ */

bool request_path_header(const struct http_request *req, struct str name, const char *message,
                         struct str *ret_container, struct str *ret_object, struct http_response *rsp)
{
    struct str seg[2];
    struct str value = url_unquote(req->arena, header_get(&req->headers, name));
    if (!str_starts(value, STR("/")))
        value = arena_join(req->arena, STR("/"), value, STR_END);
    if (url_split_path(value, 2, 2, true, seg)) {
        error_text(rsp, 412, NULL, "%s", message);
        return false;
    }
    *ret_container = seg[0];
    *ret_object = seg[1];
    return true;
}

bool request_account_name(struct str name, struct http_response *rsp)
{
    if (!name.n) {
        error_text(rsp, 412, NULL, "Account name cannot be empty");
        return false;
    }
    if (str_find(name, '/') >= 0) {
        error_text(rsp, 412, NULL, "Account name cannot contain slashes");
        return false;
    }
    return true;
}
