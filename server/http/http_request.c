/* SPDX-License-Identifier: Apache-2.0
 *
 * http_request.c: what a handler gets. http_request_continue() is in http_conn.c.
 */
#include "http/http_request.h"

#include <errno.h>
#include "common/clock.h"
#include "common/url.h"

/* What follows scheme and host of an absolute URL: a path, a query or nothing. -EINVAL if it is no such URL. */
static int after_host(struct str target, struct str *ret)
{
    size_t from = str_istarts(target, STR("http://")) ? 7 : str_istarts(target, STR("https://")) ? 8 : 0;
    size_t to = from;
    while (to < target.n && target.p[to] != '/' && target.p[to] != '?')
        to++;
    if (from == 0 || to == from)
        return -EINVAL;
    *ret = str_slice(target, to, target.n);
    return 0;
}

int http_request_set_target(struct http_request *req, struct str target)
{
    struct str path = target, query = STR_NONE, rest;
    if (target.n == 0)
        return -EINVAL;
    if (target.p[0] != '/' && !str_eq(target, STR("*"))) {
        int r = after_host(target, &path);
        if (r < 0)
            return r;
    }
    if (str_cut(path, '?', &path, &rest))
        query = rest;
    req->target = target;
    req->raw_path = path.n ? path : STR("/");
    req->query = query;
    req->path = str_find(req->raw_path, '%') < 0 ? req->raw_path : url_unquote(req->arena, req->raw_path);
    return 0;
}

void http_request_init(struct http_request *req, struct arena *arena, struct str method, struct str target)
{
    *req = (struct http_request){
        .arena = arena,
        .method = arena_str(arena, method),
        .query = STR_NONE,
        .minor_version = 1,
        .body = http_body_empty(),
        .peer = STR(""),
        .local = STR(""),
        .start_ns = clock_real_ns(),
        .txn = STR(""),
    };
    header_init(&req->headers, arena);
    target = arena_str(arena, target);
    if (http_request_set_target(req, target) < 0) {
        req->target = req->raw_path = target;
        req->path = url_unquote(arena, target);
    }
}
