/* SPDX-License-Identifier: Apache-2.0 */
#include "base/backend.h"

#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/timestamp.h"
#include "common/url.h"

#define TEXT "text/plain"

/* --- the path ------------------------------------------------------------------------------------------------ */

static bool is_reserved(struct str name)
{
    return name.n > 0 && name.p[0] == '\0';
}

/* A name may hold a NUL only at its start. */
static bool check_reserved_name(struct str name, const char *type, struct http_response *rsp)
{
    if (is_reserved(name) || str_find(name, '\0') < 0)
        return true;
    error_text(rsp, 400, TEXT, "Invalid reserved-namespace %s", type);
    return false;
}

static bool check_reserved(const struct backend_path *p, struct http_response *rsp)
{
    if (p->account.p && !check_reserved_name(p->account, "account", rsp))
        return false;
    if (p->container.p && !check_reserved_name(p->container, "container", rsp))
        return false;
    if (!p->object.p || str_starts(p->account, STR(".")))
        return true;
    if (!check_reserved_name(p->object, "object", rsp))
        return false;
    if (is_reserved(p->container) == is_reserved(p->object))
        return true;
    error_text(rsp, 400, NULL, "%s",
               is_reserved(p->object) ? "Invalid reserved-namespace object in user-namespace container"
                                      : "Invalid user-namespace object in reserved-namespace container");
    return false;
}

bool backend_split_path(const struct http_request *req, int min, int max, struct backend_path *ret,
                        struct http_response *rsp)
{
    struct str seg[5] = {STR_NONE, STR_NONE, STR_NONE, STR_NONE, STR_NONE};
    uint64_t part;
    if (!utf8_valid(req->path)) {
        error_text(rsp, 412, NULL, "Invalid UTF8 or contains NULL");
        return false;
    }
    if (url_split_path(req->path, min, max, max == 5, seg) < 0) {
        struct str shown = url_quote(rsp->arena, req->path, "/");
        error_text(rsp, 400, TEXT, "Invalid path: %.*s", STR_ARG(shown));
        return false;
    }
    if (str_eq(seg[0], STR(".")) || str_eq(seg[0], STR(".."))) {
        error_text(rsp, 400, TEXT, "Invalid device: %.*s", STR_ARG(seg[0]));
        return false;
    }
    if (seg[1].p && (str_to_u64(seg[1], &part) || part > UINT32_MAX)) {
        struct str shown = url_quote(rsp->arena, seg[1], "/");
        error_text(rsp, 400, TEXT, "Invalid partition: %.*s", STR_ARG(shown));
        return false;
    }
    struct backend_path p = {.device = seg[0],
                             .partition = seg[1],
                             .account = seg[2],
                             .container = seg[3],
                             .object = seg[4],
                             .part = seg[1].p ? (uint32_t)part : 0};
    if (!check_reserved(&p, rsp))
        return false;
    *ret = p;
    return true;
}

bool backend_timestamp(const struct http_request *req, struct timestamp *ret, struct http_response *rsp)
{
    struct str value = header_get(&req->headers, STR("X-Timestamp"));
    if (!value.p) {
        error_text(rsp, 400, TEXT, "Missing X-Timestamp header");
        return false;
    }
    if (timestamp_parse(value, ret)) {
        error_text(rsp, 400, TEXT, "Invalid X-Timestamp header");
        return false;
    }
    return true;
}

/* --- dispatch ------------------------------------------------------------------------------------------------- */

static const struct backend_method *find_method(const struct backend_server *s, struct str name)
{
    for (const struct backend_method *m = s->methods; m->name; m++)
        if (str_eq(name, str_from(m->name)) && (!m->replication || s->options->replication_server))
            return m;
    return NULL;
}

/* The methods of this server by name, "OPTIONS" among them, as upstream sorts them. */
static struct str allowed_methods(const struct backend_server *s, struct arena *arena)
{
    const char *names[32] = {"OPTIONS"};
    size_t n = 1;
    for (const struct backend_method *m = s->methods; m->name && n < 32; m++) {
        if (m->replication && !s->options->replication_server)
            continue;
        size_t at = n++;
        for (; at > 0 && strcmp(names[at - 1], m->name) > 0; at--)
            names[at] = names[at - 1];
        names[at] = m->name;
    }
    struct str all = str_from(names[0]);
    for (size_t i = 1; i < n; i++)
        all = arena_join(arena, all, STR(", "), str_from(names[i]), STR_END);
    return all;
}

static void answer_options(const struct backend_server *s, struct http_response *rsp)
{
    error_page(rsp, 200);
    header_set(&rsp->headers, STR("Allow"), allowed_methods(s, rsp->arena));
    header_setf(&rsp->headers, STR("Server"), "%s/%s", s->type, "martlet");
}

static void dispatch(struct backend_server *s, struct http_request *req, struct http_response *rsp)
{
    const struct backend_method *m = find_method(s, req->method);
    if (!utf8_valid(req->path) || req->path.n == 0) {
        error_text(rsp, 412, NULL, "Invalid UTF8 or contains NULL");
    } else if (str_eq(req->method, STR("OPTIONS"))) {
        answer_options(s, rsp);
    } else if (!m) {
        error_page(rsp, 405);
        header_set(&rsp->headers, STR("Allow"), allowed_methods(s, rsp->arena));
    } else {
        m->handle(s, req, rsp);
        if (rsp->status == 0)
            error_page(rsp, 500);
    }
}

/* --- access log ----------------------------------------------------------------------------------------------- */

static struct str or_dash(struct str s)
{
    return s.n ? s : STR("-");
}

/* upstream: {remote_addr} - - [{date} +0000] "{method} {path}" {status} {content_length} "{referer}" "{txn_id}"
 *           "{user_agent}" {trans_time:.4f} "{additional_info}" {pid} {policy_index} */
static void log_access(const struct backend_server *s, const struct http_request *req,
                       const struct http_response *rsp)
{
    bool replication = header_has(&req->headers, STR("X-Backend-Replication")) ||
                       str_eq(req->method, STR("REPLICATE")) || str_eq(req->method, STR("SSYNC"));
    enum log_level level = replication ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
    if (!s->options->log_requests || !log_enabled(level))
        return;
    int64_t now_ns = clock_real_ns();
    time_t now = (time_t)(now_ns / 1000000000);
    struct tm tm;
    char date[32], length[24] = "-";
    gmtime_r(&now, &tm);
    strftime(date, sizeof(date), "%d/%b/%Y:%H:%M:%S", &tm);
    if (rsp->body && rsp->body->length >= 0)
        snprintf(length, sizeof(length), "%lld", (long long)rsp->body->length);
    else if (!rsp->body)
        snprintf(length, sizeof(length), "0");
    struct str policy = header_get(&req->headers, STR("X-Backend-Storage-Policy-Index"));
    if (!policy.n)
        policy = header_get(&rsp->headers, STR("X-Backend-Storage-Policy-Index"));
    log_txn(level, STR_NONE,
            "%.*s - - [%s +0000] \"%.*s %.*s\" %d %s \"%.*s\" \"%.*s\" \"%.*s\" %.4f \"-\" %d %.*s",
            STR_ARG(or_dash(req->peer)), date, STR_ARG(req->method), STR_ARG(req->raw_path), rsp->status,
            length, STR_ARG(or_dash(header_get(&req->headers, STR("Referer")))), STR_ARG(or_dash(req->txn)),
            STR_ARG(or_dash(header_get(&req->headers, STR("User-Agent")))),
            (double)(now_ns - req->start_ns) / 1e9, (int)getpid(), STR_ARG(or_dash(policy)));
}

void backend_handle(struct http_app *app, struct http_request *req, struct http_response *rsp)
{
    struct backend_server *s = (struct backend_server *)app;
    req->txn = header_get(&req->headers, STR("X-Trans-Id"));
    dispatch(s, req, rsp);
    log_access(s, req, rsp);
}
