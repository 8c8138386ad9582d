/* SPDX-License-Identifier: Apache-2.0
 *
 * copy.c: COPY /source with Destination, and PUT /destination with X-Copy-From: a GET of the source whose body becomes the
 * body of a PUT (facts: proxy 16).
 */
#include "middleware/middleware.h"

#include "base/error_page.h"
#include "base/request_helpers.h"
#include "common/url.h"

#define SOURCE "SSC"

struct copy {
    struct middleware base;
    int64_t max_file_size;
};

/* --- headers -------------------------------------------------------------------------------------------------------------- */

static bool is_object_meta(struct str name)
{
    return header_is_user_meta("object", name) || header_is_sys_meta("object", name) ||
           header_is_transient_sysmeta(name);
}

/* What the source says of itself, not of its content. */
static bool is_copied(struct str name, bool fresh_metadata)
{
    static const struct str not_copied[] = {STR_INIT("X-Static-Large-Object"),
                                            STR_INIT("X-Object-Manifest"),
                                            STR_INIT("Etag"),
                                            STR_INIT("Content-Type"),
                                            STR_INIT("X-Timestamp"),
                                            STR_INIT("X-Backend-Timestamp"),
                                            STR_INIT("Content-Length"),
                                            STR_INIT("Content-Range"),
                                            STR_INIT("Date"),
                                            STR_INIT("Last-Modified"),
                                            STR_INIT("Accept-Ranges"),
                                            STR_INIT("X-Trans-Id"),
                                            STR_INIT("Connection"),
                                            STR_INIT("X-Openstack-Request-Id")};
    if (fresh_metadata)
        return header_is_sys_meta("object", name);
    for (size_t i = 0; i < sizeof(not_copied) / sizeof(not_copied[0]); i++)
        if (str_ieq(name, not_copied[i]))
            return false;
    return !str_istarts(name, STR("X-Backend-"));
}

static void add_source_headers(struct http_request *req, const struct http_response *source)
{
    bool fresh = str_is_true(header_get(&req->headers, STR("X-Fresh-Metadata")));
    for (size_t i = 0; i < source->headers.n; i++) {
        const struct header *h = &source->headers.v[i];
        if (is_copied(h->name, fresh) && !header_has(&req->headers, h->name))
            header_add(&req->headers, h->name, h->value);
    }
    if (!header_get(&req->headers, STR("Content-Type")).n)
        header_set(&req->headers, STR("Content-Type"), header_get(&source->headers, STR("Content-Type")));
}

/* The source's ETag vouches for a whole copy of a plain object. */
static void set_etag(struct http_request *req, const struct http_response *source, bool manifest)
{
    if (source->status == 200 && !header_has(&source->headers, STR("X-Static-Large-Object")) &&
        (manifest || !header_has(&source->headers, STR("X-Object-Manifest")))) {
        header_set(&req->headers, STR("Etag"), header_get(&source->headers, STR("Etag")));
    } else {
        header_remove_prefix(&req->headers, STR("X-Object-Sysmeta-Container-Update-Override-"));
    }
}

/* --- the source --------------------------------------------------------------------------------------------------------------- */

struct source {
    struct str account, container, object;
};

static struct str source_query(const struct http_request *req)
{
    struct http_request like = *req; /* request_set_param() changes only the query */
    struct url_query q = {0};
    if (req->query.n)
        url_query_parse(req->arena, req->query, &q);
    if (str_eq(url_query_get(&q, STR("multipart-manifest")), STR("get")))
        request_set_param(&like, STR("format"), STR("raw"));
    return like.query;
}

/* [waits] */
static void get_source(struct copy *c, struct http_request *req, const struct api_path *path,
                       const struct source *s, struct http_response *ret)
{
    struct arena *a = req->arena;
    struct env_subrequest what = {.method = STR("GET"), .source = SOURCE};
    what.path = arena_join(a, STR("/"), path->version, STR("/"), s->account, STR("/"), s->container, STR("/"),
                           s->object, STR_END);
    what.query = source_query(req);
    struct http_request *get = env_subrequest(req, &what);
    for (size_t i = 0; i < req->headers.n; i++) {
        const struct header *h = &req->headers.v[i];
        if (!header_has(&get->headers, h->name) && !str_ieq(h->name, STR("Content-Length")) &&
            !str_ieq(h->name, STR("Transfer-Encoding")) && !str_ieq(h->name, STR("Expect")) &&
            !str_ieq(h->name, STR("X-Backend-Storage-Policy-Index")))
            header_add_ref(&get->headers, h->name, h->value);
    }
    header_set(&get->headers, STR("X-Newest"), STR("true"));
    http_response_init(ret, a);
    http_app_call(c->base.next, get, ret);
}

/* False: rsp has the answer. */
static bool read_source_path(struct http_request *req, const struct api_path *path, struct source *ret,
                             struct http_response *rsp)
{
    struct str account = header_get(&req->headers, STR("X-Copy-From-Account"));
    ret->account = path->account;
    if (account.n) {
        ret->account = url_unquote(req->arena, account);
        if (!request_account_name(ret->account, rsp))
            return false;
    }
    return request_path_header(req, STR("X-Copy-From"),
                               "X-Copy-From header must be of the form <container name>/<object name>",
                               &ret->container, &ret->object, rsp);
}

/* --- the copy ------------------------------------------------------------------------------------------------------------------- */

static void adjust_query(struct http_request *req, const struct http_response *source, bool manifest)
{
    if (manifest && header_has(&source->headers, STR("X-Static-Large-Object")))
        request_set_param(req, STR("multipart-manifest"), STR("put"));
    if (manifest && header_has(&source->headers, STR("X-Object-Manifest"))) {
        request_set_param(req, STR("multipart-manifest"), STR_NONE);
        header_set(&req->headers, STR("X-Object-Manifest"),
                   header_get(&source->headers, STR("X-Object-Manifest")));
    }
    request_set_param(req, STR("version-id"), STR_NONE);
}

static void add_copied_headers(struct http_request *req, const struct http_response *source,
                               const struct source *s, struct header_table *ret)
{
    struct arena *a = req->arena;
    struct str name = arena_join(a, s->container, STR("/"), s->object, STR_END);
    header_init(ret, a);
    header_add_ref(ret, STR("X-Copied-From-Account"), url_quote(a, s->account, "/"));
    header_add_ref(ret, STR("X-Copied-From"), url_quote(a, name, "/"));
    if (header_has(&source->headers, STR("Last-Modified")))
        header_add_ref(ret, STR("X-Copied-From-Last-Modified"),
                       header_get(&source->headers, STR("Last-Modified")));
    if (header_has(&source->headers, STR("X-Object-Version-Id")))
        header_add_ref(ret, STR("X-Copied-From-Version-Id"),
                       header_get(&source->headers, STR("X-Object-Version-Id")));
    for (size_t i = 0; i < req->headers.n; i++) {
        const struct header *h = &req->headers.v[i];
        if (is_object_meta(h->name) || str_ieq(h->name, STR("X-Delete-At")))
            header_add_ref(ret, header_title(a, h->name), h->value);
    }
}

static bool source_too_large(const struct copy *c, const struct http_response *source)
{
    return !source->body || source->body->length < 0 || source->body->length > c->max_file_size;
}

/* Makes req a PUT of what the source answered. */
static void become_put(struct http_request *req, struct http_response *source)
{
    struct url_query q = {0};
    if (req->query.n)
        url_query_parse(req->arena, req->query, &q);
    bool manifest = str_eq(url_query_get(&q, STR("multipart-manifest")), STR("get"));
    set_etag(req, source, manifest);
    add_source_headers(req, source);
    adjust_query(req, source, manifest);
    header_remove(&req->headers, STR("X-Copy-From"));
    header_remove(&req->headers, STR("X-Copy-From-Account"));
    req->body = source->body;
    req->content_length = source->body->length;
    req->has_length = true;
    req->chunked = false;
    header_remove(&req->headers, STR("Transfer-Encoding"));
    header_setf(&req->headers, STR("Content-Length"), "%lld", (long long)source->body->length);
    env_of(req)->source = SOURCE;
}

static void handle_put(struct copy *c, struct http_request *req, const struct api_path *path,
                       struct http_response *rsp)
{
    struct source s;
    struct http_response source;
    struct header_table copied;
    if (req->content_length > 0) {
        error_text(rsp, 400, "text/plain", "Copy requests require a zero byte body");
        return;
    }
    if (!read_source_path(req, path, &s, rsp))
        return;
    get_source(c, req, path, &s, &source);
    if (source.status >= 300 || source.status == 0) {
        struct arena *arena = rsp->arena;
        *rsp = source;
        rsp->arena = arena;
        return;
    }
    if (source_too_large(c, &source)) {
        http_body_close(source.body);
        error_page(rsp, 413);
        return;
    }
    become_put(req, &source);
    add_copied_headers(req, &source, &s, &copied);
    http_app_call(c->base.next, req, rsp);
    req->body = http_body_empty();
    http_body_close(source.body);
    if (rsp->status >= 200 && rsp->status <= 299)
        for (size_t i = 0; i < copied.n; i++)
            header_set(&rsp->headers, copied.v[i].name, copied.v[i].value);
}

static void handle_copy(struct copy *c, struct http_request *req, const struct api_path *path,
                        struct http_response *rsp)
{
    struct arena *a = req->arena;
    struct api_path to = *path;
    struct str account = header_get(&req->headers, STR("Destination-Account"));
    if (!header_get(&req->headers, STR("Destination")).n) {
        error_text(rsp, 412, NULL, "Destination header required");
        return;
    }
    if (account.p) {
        to.account = url_unquote(a, account);
        if (!request_account_name(to.account, rsp))
            return;
        header_set(&req->headers, STR("X-Copy-From-Account"), url_quote(a, path->account, "/"));
        header_remove(&req->headers, STR("Destination-Account"));
    }
    if (!request_path_header(req, STR("Destination"),
                             "Destination header must be of the form <container name>/<object name>",
                             &to.container, &to.object, rsp))
        return;
    struct str from = arena_join(a, STR("/"), path->container, STR("/"), path->object, STR_END);
    header_set(&req->headers, STR("X-Copy-From"), url_quote(a, from, "/"));
    header_remove(&req->headers, STR("Destination"));
    env_of(req)->orig_method = STR("COPY");
    req->content_length = 0; /* a body of COPY means nothing */
    req->method = STR("PUT");
    req->path = arena_join(a, STR("/"), to.version, STR("/"), to.account, STR("/"), to.container, STR("/"),
                           to.object, STR_END);
    req->raw_path = url_quote(a, req->path, "/");
    handle_put(c, req, &to, rsp);
}

static void add_copy_verb(struct http_response *rsp, struct str name)
{
    struct str value = header_get(&rsp->headers, name);
    if (value.n && str_find_str(value, STR("COPY"), 0) < 0)
        header_setf(&rsp->headers, name, "%.*s, COPY", STR_ARG(value));
}

static void handle(struct http_app *app, struct http_request *req, struct http_response *rsp)
{
    struct copy *c = (struct copy *)app;
    struct api_path path;
    bool is_object = request_api_path(req, 4, 4, &path);
    if (is_object && str_eq(req->method, STR("COPY"))) {
        handle_copy(c, req, &path, rsp);
        return;
    }
    if (is_object && str_eq(req->method, STR("PUT")) && header_get(&req->headers, STR("X-Copy-From")).n) {
        handle_put(c, req, &path, rsp);
        return;
    }
    http_app_call(c->base.next, req, rsp);
    if (is_object && str_eq(req->method, STR("OPTIONS")) && rsp->status >= 200 && rsp->status <= 299) {
        add_copy_verb(rsp, STR("Allow"));
        add_copy_verb(rsp, STR("Access-Control-Allow-Methods"));
    }
}

int copy_new(const struct app_filter *filter, struct http_app **ret, struct buf *error)
{
    struct copy *c = middleware_alloc(sizeof(*c), filter, handle);
    c->max_file_size = filter->swift->constraints.max_file_size;
    *ret = &c->base.app;
    return 0;
}
