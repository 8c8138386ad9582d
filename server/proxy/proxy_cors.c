/* SPDX-License-Identifier: Apache-2.0
 *
 * proxy_cors.c: cross-origin requests of browsers (facts: proxy 28): OPTIONS, and what is added to other answers.
 */
#include "base/error_page.h"
#include "proxy/proxy.h"

static struct str cors_meta(const struct container_info *info, const char *name)
{
    return info_exists(info->status) ? info_meta_get(&info->meta, str_from(name)) : STR_NONE;
}

/* The container's word or the operator's: "*" or this very origin. */
static bool origin_listed(struct str list, char separator, struct str origin)
{
    struct str item;
    while (str_next(&list, separator, &item)) {
        item = str_trim(item);
        if (item.n && (str_eq(item, origin) || str_eq(item, STR("*"))))
            return true;
    }
    return false;
}

static bool origin_allowed(const struct proxy_request *p, const struct container_info *info,
                           struct str origin)
{
    return origin_listed(cors_meta(info, "access-control-allow-origin"), ' ', origin) ||
           origin_listed(str_from(p->server->options.cors_allow_origin), ',', origin);
}

static void add_vary(struct http_response *rsp, struct str what)
{
    struct str vary = header_get(&rsp->headers, STR("Vary"));
    if (vary.n)
        header_setf(&rsp->headers, STR("Vary"), "%.*s, %.*s", STR_ARG(vary), STR_ARG(what));
    else
        header_set(&rsp->headers, STR("Vary"), what);
}

static void allow_origin(struct proxy_request *p, const struct container_info *info, struct str origin)
{
    struct header_table *t = &p->rsp->headers;
    if (str_eq(str_trim(cors_meta(info, "access-control-allow-origin")), STR("*"))) {
        header_set(t, STR("Access-Control-Allow-Origin"), STR("*"));
    } else {
        header_set(t, STR("Access-Control-Allow-Origin"), origin);
        add_vary(p->rsp, STR("Origin"));
    }
}

/* --- OPTIONS ----------------------------------------------------------------------------------------------------------------- */

static bool is_allowed_method(struct str allowed, struct str method)
{
    struct str item;
    while (str_next(&allowed, ',', &item))
        if (str_eq(str_trim(item), method))
            return true;
    return false;
}

/* "a,b , c" -> "a, b, c" */
static struct str tidy_list(struct arena *arena, struct str list)
{
    struct str out = STR(""), item;
    while (str_next(&list, ',', &item)) {
        item = str_trim(item);
        if (item.n)
            out = arena_join(arena, out, out.n ? STR(", ") : STR(""), item, STR_END);
    }
    return out;
}

static void allow_preflight(struct proxy_request *p, const struct container_info *info, struct str origin)
{
    struct header_table *t = &p->rsp->headers;
    struct str age = cors_meta(info, "access-control-max-age");
    struct str wanted =
        tidy_list(p->rsp->arena, header_get_joined(&p->req->headers, STR("Access-Control-Request-Headers")));
    allow_origin(p, info, origin);
    if (age.p)
        header_set(t, STR("Access-Control-Max-Age"), age);
    header_set(t, STR("Access-Control-Allow-Methods"), proxy_allowed_methods(p));
    if (wanted.n) {
        header_set(t, STR("Access-Control-Allow-Headers"), wanted);
        add_vary(p->rsp, STR("Access-Control-Request-Headers"));
    }
}

void proxy_options_verb(struct proxy_request *p)
{
    struct str origin = header_get(&p->req->headers, STR("Origin"));
    struct str allowed = proxy_allowed_methods(p);
    error_page(p->rsp, 200);
    header_set(&p->rsp->headers, STR("Allow"), allowed);
    if (!origin.n || p->type == PROXY_ACCOUNT)
        return;
    const struct container_info *info = proxy_container_info(p);
    if (origin_allowed(p, info, origin) &&
        is_allowed_method(allowed, header_get(&p->req->headers, STR("Access-Control-Request-Method")))) {
        header_remove(&p->rsp->headers, STR("Content-Type"));
        allow_preflight(p, info, origin);
    } else {
        error_page(p->rsp, 401);
        header_set(&p->rsp->headers, STR("Allow"), allowed);
    }
}

/* --- other answers -------------------------------------------------------------------------------------------------------------- */

static struct str lower(struct arena *arena, struct str s)
{
    char *p = arena_alloc(arena, s.n + 1);
    for (size_t i = 0; i < s.n; i++)
        p[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] + 32) : s.p[i];
    return str_of(p, s.n);
}

static struct str append_list(struct arena *arena, struct str list, struct str more, char separator)
{
    struct str item;
    while (str_next(&more, separator, &item)) {
        item = str_trim(item);
        if (item.n)
            list = arena_join(arena, list, STR(", "), lower(arena, item), STR_END);
    }
    return list;
}

static struct str exposed(struct proxy_request *p, const struct container_info *info)
{
    struct arena *a = p->rsp->arena;
    struct str list =
        STR("cache-control, content-language, content-type, expires, last-modified, pragma, etag, "
            "x-timestamp, x-trans-id, x-openstack-request-id");
    list = append_list(a, list, str_from(p->server->options.cors_expose_headers), ',');
    for (size_t i = 0; i < p->rsp->headers.n; i++) {
        struct str name = p->rsp->headers.v[i].name;
        if (str_istarts(name, STR("X-Container-Meta")) || str_istarts(name, STR("X-Object-Meta")))
            list = append_list(a, list, name, ',');
    }
    return append_list(a, list, cors_meta(info, "access-control-expose-headers"), ' ');
}

void proxy_cors_answer(struct proxy_request *p, const struct container_info *info)
{
    struct http_response *rsp = p->rsp;
    struct str origin = header_get(&p->req->headers, STR("Origin"));
    if (p->server->options.strict_cors_mode && !origin_allowed(p, info, origin))
        return;
    if (!header_has(&rsp->headers, STR("Access-Control-Expose-Headers")))
        header_set(&rsp->headers, STR("Access-Control-Expose-Headers"), exposed(p, info));
    if (!header_has(&rsp->headers, STR("Access-Control-Allow-Origin")))
        allow_origin(p, info, origin);
}
