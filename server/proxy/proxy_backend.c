/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/proxy_backend.h"

#include <errno.h>
#include <string.h>

#include "base/request_helpers.h"
#include "common/log.h"
#include "common/timestamp.h"
#include "common/url.h"

/* --- header fields of requests --------------------------------------------------------------------------------------------- */

static bool is_any(struct str name, const struct str *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (name.n == list[i].n && str_ieq(name, list[i]))
            return true;
    return false;
}

/* Fields of the client's connection, fields that are set anew, and what is nobody's business behind the proxy. */
static bool stays_here(struct str name)
{
    static const struct str list[] = {STR_INIT("Host"),
                                      STR_INIT("Connection"),
                                      STR_INIT("Keep-Alive"),
                                      STR_INIT("Expect"),
                                      STR_INIT("Content-Length"),
                                      STR_INIT("Transfer-Encoding"),
                                      STR_INIT("TE"),
                                      STR_INIT("Trailer"),
                                      STR_INIT("Upgrade"),
                                      STR_INIT("User-Agent"),
                                      STR_INIT("Referer"),
                                      STR_INIT("X-Trans-Id"),
                                      STR_INIT("X-Auth-Token"),
                                      STR_INIT("X-Storage-Token"),
                                      STR_INIT("X-Service-Token"),
                                      STR_INIT("Cookie"),
                                      STR_INIT("Proxy-Authorization"),
                                      STR_INIT("Proxy-Connection")};
    return is_any(name, list, sizeof(list) / sizeof(list[0]));
}

static bool passes_to_container(struct str name)
{
    static const struct str list[] = {STR_INIT("X-Container-Read"), STR_INIT("X-Container-Write"),
                                      STR_INIT("X-Container-Sync-Key"), STR_INIT("X-Container-Sync-To"),
                                      STR_INIT("X-Versions-Location")};
    return is_any(name, list, sizeof(list) / sizeof(list[0]));
}

static void add(struct header_table *t, struct str name, struct str value, bool copy)
{
    if (copy)
        header_add(t, name, value);
    else
        header_add_ref(t, name, value);
}

/* The field that "X-Remove-..." empties, or STR_NONE. */
static struct str removed_name(const struct proxy_request *p, struct str name, struct arena *arena)
{
    struct str prefix = STR("X-Remove-");
    if (!str_istarts(name, prefix))
        return STR_NONE;
    struct str bare = arena_join(arena, STR("X-"), str_slice(name, prefix.n, name.n), STR_END);
    if (header_is_user_meta(proxy_type_name(p->type), bare) ||
        (p->type == PROXY_CONTAINER && passes_to_container(bare)))
        return bare;
    return STR_NONE;
}

/* A value given together with its X-Remove- wins. */
static void transfer(struct proxy_request *p, struct header_table *ret, bool copy)
{
    const char *type = proxy_type_name(p->type);
    const struct header_table *from = &p->req->headers;
    for (size_t i = 0; i < from->n; i++) {
        const struct header *h = &from->v[i];
        if (header_is_user_meta(type, h->name) || header_is_sys_meta(type, h->name) ||
            (p->type == PROXY_CONTAINER && passes_to_container(h->name)))
            add(ret, h->name, h->value, copy);
    }
    for (size_t i = 0; i < from->n; i++) {
        struct str name = removed_name(p, from->v[i].name, ret->arena);
        if (name.p && !header_has(ret, name))
            header_add_ref(ret, name, STR(""));
    }
}

void proxy_backend_headers(struct proxy_request *p, enum proxy_header_set set, struct arena *arena, bool copy,
                           struct header_table *ret)
{
    const struct header_table *from = &p->req->headers;
    char now[TIMESTAMP_INTERNAL_SIZE];
    header_init(ret, arena);
    if (set == PROXY_HEADERS_TRANSFER)
        transfer(p, ret, copy);
    for (size_t i = 0; set == PROXY_HEADERS_ALL && i < from->n; i++)
        if (!stays_here(from->v[i].name))
            add(ret, from->v[i].name, from->v[i].value, copy);
    if (!header_has(ret, STR("X-Timestamp")))
        header_add(ret, STR("X-Timestamp"), str_from(timestamp_internal(timestamp_now(), now)));
    add(ret, STR("X-Trans-Id"), p->req->txn, copy);
    header_add_ref(ret, STR("User-Agent"), p->server->user_agent);
    struct str url = request_path_qs(p->req), host = request_host_url(p->req);
    header_add_ref(ret, STR("Referer"), arena_join(arena, p->req->method, STR(" "), host, url, STR_END));
}

/* --- nodes -------------------------------------------------------------------------------------------------------------------- */

bool proxy_next_node(const struct proxy_target *t, struct node_iter *it, struct node *ret)
{
    if (!node_iter_next(it, ret))
        return false;
    if (ret->handoff && t->server->options.log_handoffs && (int64_t)ret->index + 1 > it->expected_handoffs)
        log_txn(LOG_LEVEL_WARNING, t->txn, "Handoff requested (%zu)", ret->index + 1);
    return true;
}

void proxy_backend_failed(const struct proxy_target *t, const struct node *node, const char *what, int err)
{
    char text[128];
    const struct ring_device *d = node->device;
    if (err == -ECANCELED)
        return; /* not the node's fault */
    error_limiter_count(t->server->limiter, d);
    log_txn(LOG_LEVEL_ERROR, t->txn, "ERROR with %s server %s:%u/%s re: %s %.*s: %s",
            proxy_type_title(t->type), d->ip, d->port, d->device, what, STR_ARG(t->entity_path),
            strerror_r(-err, text, sizeof(text)));
}

void proxy_backend_status(const struct proxy_target *t, const struct node *node, const char *what, int status)
{
    const struct ring_device *d = node->device;
    if (status == 507) {
        error_limiter_limit(t->server->limiter, d);
        log_txn(LOG_LEVEL_ERROR, t->txn, "ERROR Insufficient Storage %s:%u/%s", d->ip, d->port, d->device);
    } else {
        error_limiter_count(t->server->limiter, d);
        log_txn(LOG_LEVEL_ERROR, t->txn, "ERROR %d %s %.*s From %s Server %s:%u/%s", status, what,
                STR_ARG(t->entity_path), proxy_type_title(t->type), d->ip, d->port, d->device);
    }
}

int proxy_backend_open(const struct proxy_target *t, const struct node *node, struct str method,
                       const struct header_table *headers, int64_t body_length, int64_t timeout_ms,
                       struct arena *arena, struct http_call **ret)
{
    const struct proxy_options *o = &t->server->options;
    const struct ring_device *d = node->device;
    char what[64], part[24];
    int n = snprintf(part, sizeof(part), "/%u", t->part);
    struct str target =
        arena_join(arena, STR("/"), url_quote(arena, str_from(d->device), ""), str_of(part, (size_t)n),
                   t->entity_path, t->query.n ? STR("?") : STR(""), t->query, STR_END);
    const struct http_call_options options = {
        .host = str_from(d->ip),
        .port = d->port,
        .method = method,
        .target = target,
        .headers = headers,
        .body_length = body_length,
        .connect_timeout_ms = o->conn_timeout_ms,
        .timeout_ms = timeout_ms,
        .arena = arena,
        .keep = true,
    };
    int err = http_call_open(t->server->client, &options, ret);
    if (err) {
        snprintf(what, sizeof(what), "Trying to %.*s", STR_ARG(method));
        proxy_backend_failed(t, node, what, err);
    }
    return err;
}

/* --- answers ------------------------------------------------------------------------------------------------------------------- */

static bool is_of_connection(struct str name)
{
    static const struct str list[] = {
        STR_INIT("Date"),       STR_INIT("Content-Length"),        STR_INIT("Content-Type"),
        STR_INIT("Connection"), STR_INIT("X-Put-Timestamp"),       STR_INIT("X-Delete-After"),
        STR_INIT("Keep-Alive"), STR_INIT("Transfer-Encoding"),     STR_INIT("Server"),
        STR_INIT("X-Trans-Id"), STR_INIT("X-Openstack-Request-Id")};
    return is_any(name, list, sizeof(list) / sizeof(list[0]));
}

static bool is_title(struct str name)
{
    bool after_letter = false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z';
        if ((lower && !after_letter) || (upper && after_letter) || c == '_')
            return false;
        after_letter = upper || lower;
    }
    return true;
}

static struct str without_quotes(struct arena *arena, struct str s)
{
    if (str_find(s, '"') < 0)
        return s;
    char *p = arena_alloc(arena, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '"')
            p[n++] = s.p[i];
    return str_of(p, n);
}

void proxy_copy_answer(struct http_response *rsp, const struct header_table *headers, bool copy)
{
    for (size_t i = 0; i < headers->n; i++) {
        struct str name = headers->v[i].name, value = headers->v[i].value;
        if (is_of_connection(name))
            continue;
        if (str_ieq(name, STR("Etag")))
            value = without_quotes(rsp->arena, value);
        if (!is_title(name))
            name = header_title(rsp->arena, name);
        if (header_has(&rsp->headers, name))
            header_set(&rsp->headers, name, value);
        else
            add(&rsp->headers, name, value, copy);
    }
}

int proxy_read_body(struct http_call *call, struct buf *out)
{
    for (;;) {
        char *p = buf_reserve(out, 4096);
        if (!p)
            return -E2BIG;
        ssize_t n = http_call_read(call, p, 4096);
        if (n <= 0)
            return (int)n;
        out->n += (size_t)n;
    }
}
