/* SPDX-License-Identifier: Apache-2.0
 *
 * app.c: the pipeline is built from its end: each middleware gets the one behind it. In front of all stands an app of
 * this file that gives every request its env.
 */
#include "base/app.h"

#include <errno.h>
#include <stdlib.h>

#include "base/env.h"
#include "common/alloc.h"
#include "common/log.h"

#define MAX_STAGES 64

struct stage {
    char *name;                        /* "proxy-logging", as in the file */
    char *section;                     /* "filter:proxy-logging" */
    const struct app_middleware *type; /* NULL for the app at the end */
    struct http_app *app;
};

struct pipeline {
    struct http_app app;
    struct registry *registry;
    struct stage stages[MAX_STAGES];
    size_t n;
    char *text;
};

/* --- requests ----------------------------------------------------------------------------------------------------------- */

/* To HEAD a standard page counts as no body at all, while a text made for the occasion says its length. */
static void trim_head(struct http_response *rsp)
{
    static const char page[] = "<html><h1>";
    char start[sizeof(page) - 1];
    int64_t length = rsp->body->length;
    ssize_t n = http_body_read_full(rsp->body, start, sizeof(start));
    http_body_close(rsp->body);
    rsp->body = NULL;
    if (n != (ssize_t)sizeof(start) || memcmp(start, page, sizeof(start)) != 0)
        header_addf(&rsp->headers, STR("Content-Length"), "%lld", (long long)length);
}

static void handle(struct http_app *app, struct http_request *req, struct http_response *rsp)
{
    struct pipeline *p = (struct pipeline *)app;
    env_new(req, p->registry);
    http_app_call(p->stages[0].app, req, rsp);
    if (rsp->body && rsp->body->length >= 0 && str_eq(req->method, STR("HEAD")) &&
        !header_has(&rsp->headers, STR("Content-Length")))
        trim_head(rsp);
}

static void pipeline_free(struct http_app *app)
{
    struct pipeline *p = (struct pipeline *)app;
    for (size_t i = 0; i < p->n; i++) {
        if (p->stages[i].app && p->stages[i].app->free)
            p->stages[i].app->free(p->stages[i].app);
        free(p->stages[i].name);
        free(p->stages[i].section);
    }
    registry_free(p->registry);
    free(p->text);
    free(p);
}

const char *app_pipeline_text(const struct http_app *pipeline)
{
    return ((const struct pipeline *)pipeline)->text;
}

/* --- names ------------------------------------------------------------------------------------------------------------- */

/* "proxy-logging" is "proxy_logging". */
static bool same_name(struct str a, const char *b)
{
    if (!b || a.n != strlen(b))
        return false;
    for (size_t i = 0; i < a.n; i++) {
        char x = a.p[i] == '-' ? '_' : a.p[i], y = b[i] == '-' ? '_' : b[i];
        if (x != y)
            return false;
    }
    return true;
}

/* What "use = egg:swift#NAME" names; STR_NONE if there is no such line, and p != NULL, n == 0 if it is not of Swift's. */
static struct str egg_entry(struct conf *conf, const char *section)
{
    struct str use = str_trim(str_from(conf_get(conf, section, "use")));
    if (!use.n)
        return STR_NONE;
    struct str prefix = STR("egg:swift#");
    return str_starts(use, prefix) ? str_slice(use, prefix.n, use.n) : STR("");
}

static const struct app_middleware *find_middleware(const struct app_pipeline *p, struct str name)
{
    for (const struct app_middleware *m = p->middlewares; m->name; m++)
        if (same_name(name, m->name) || same_name(name, m->alias))
            return m;
    return NULL;
}

static const struct app_server *find_server(const struct app_pipeline *p, struct str name)
{
    for (const struct app_server *s = p->servers; s->name; s++)
        if (same_name(name, s->name))
            return s;
    return NULL;
}

static int unknown_filter(const struct app_pipeline *p, struct str name, const char *section,
                          struct buf *error)
{
    buf_printf(error, "%s: [pipeline:main] pipeline: unknown entry '%.*s'", conf_path(p->conf),
               STR_ARG(name));
    const char *use = conf_get(p->conf, section, "use");
    if (use)
        buf_printf(error, " ([%s] use = %s)", section, use);
    buf_puts(error, "; there are:");
    for (const struct app_middleware *m = p->middlewares; m->name; m++)
        buf_printf(error, " %s", m->name);
    return -EINVAL;
}

static int unknown_app(const struct app_pipeline *p, struct str name, const char *section, struct buf *error)
{
    buf_printf(error, "%s: [pipeline:main] pipeline: the last entry '%.*s' needs a section [%s] with \"use =",
               conf_path(p->conf), STR_ARG(name), section);
    for (const struct app_server *s = p->servers; s->name; s++)
        buf_printf(error, "%s egg:swift#%s", s == p->servers ? "" : " or", s->name);
    buf_puts(error, "\"");
    return -EINVAL;
}

/* --- the list of stages ------------------------------------------------------------------------------------------------- */

static void insert_stage(struct pipeline *pipe, size_t at, struct str name, const char *kind,
                         const struct app_middleware *type)
{
    memmove(&pipe->stages[at + 1], &pipe->stages[at], (pipe->n - at) * sizeof(pipe->stages[0]));
    pipe->stages[at] = (struct stage){
        .name = str_dup(name), .section = xasprintf("%s:%.*s", kind, STR_ARG(name)), .type = type};
    pipe->n++;
}

static bool next_word(struct str *rest, struct str *ret)
{
    size_t i = 0;
    *rest = str_trim(*rest);
    while (i < rest->n && !strchr(" \t\r\n", rest->p[i]))
        i++;
    *ret = str_slice(*rest, 0, i);
    *rest = str_slice(*rest, i, rest->n);
    return i > 0;
}

static int add_filter(const struct app_pipeline *p, struct pipeline *pipe, struct str name, struct buf *error)
{
    char *section = xasprintf("filter:%.*s", STR_ARG(name));
    struct str entry = egg_entry(p->conf, section);
    const struct app_middleware *type = find_middleware(p, entry.p ? entry : name);
    int err = type ? 0 : unknown_filter(p, name, section, error);
    if (!err)
        insert_stage(pipe, pipe->n, name, "filter", type);
    free(section);
    return err;
}

static int read_stages(const struct app_pipeline *p, struct pipeline *pipe, struct buf *error)
{
    struct str rest = str_from(conf_get(p->conf, "pipeline:main", "pipeline")), name, next;
    if (!next_word(&rest, &name)) {
        buf_printf(error, "%s: [pipeline:main] pipeline is missing or empty", conf_path(p->conf));
        return -EINVAL;
    }
    while (next_word(&rest, &next)) {
        if (pipe->n == MAX_STAGES / 2) {
            buf_printf(error, "%s: [pipeline:main] pipeline has more than %d entries", conf_path(p->conf),
                       MAX_STAGES / 2);
            return -EINVAL;
        }
        int err = add_filter(p, pipe, name, error);
        if (err)
            return err;
        name = next;
    }
    insert_stage(pipe, pipe->n, name, "app", NULL);
    return 0;
}

/* --- middlewares added to a proxy ------------------------------------------------------------------------------------- */

struct required {
    const char *name;
    const char *after[9]; /* stands behind the last of these that are there */
};
/* In the order in which they end up where all are missing (swift.proxy.server required_filters). */
enum { REQUIRED_GATEKEEPER = 1 };
static const struct required required[] = {
    {"catch_errors", {NULL}},
    {"gatekeeper", {"catch_errors"}},
    {"listing_formats", {"catch_errors", "gatekeeper", "proxy_logging", "memcache"}},
    {"copy", {"staticweb", "tempauth", "keystoneauth", "catch_errors", "gatekeeper", "proxy_logging"}},
    {"dlo", {"copy", "staticweb", "tempauth", "keystoneauth", "catch_errors", "gatekeeper", "proxy_logging"}},
    {"versioned_writes",
     {"slo", "dlo", "copy", "staticweb", "tempauth", "keystoneauth", "catch_errors", "gatekeeper",
      "proxy_logging"}},
};

/* Where the first stage of that type stands, or -1. */
static ssize_t stage_index(const struct pipeline *pipe, const char *name)
{
    for (size_t i = 0; i < pipe->n; i++)
        if (pipe->stages[i].type && same_name(str_from(pipe->stages[i].type->name), name))
            return (ssize_t)i;
    return -1;
}

static void add_required(const struct app_pipeline *p, struct pipeline *pipe)
{
    for (size_t i = sizeof(required) / sizeof(required[0]); i-- > 0;) {
        const struct required *r = &required[i];
        const struct app_middleware *type = find_middleware(p, str_from(r->name));
        size_t at = 0;
        if (!type || stage_index(pipe, r->name) >= 0)
            continue;
        for (size_t k = 0; k < 9 && r->after[k]; k++) {
            ssize_t index = stage_index(pipe, r->after[k]);
            if (i == REQUIRED_GATEKEEPER && index > 0)
                continue; /* only a catch_errors at the very front comes before it */
            if (index >= (ssize_t)at)
                at = (size_t)index + 1;
        }
        insert_stage(pipe, at, str_from(r->name), "filter", type);
        log_info("%s: adding required filter %s to the pipeline at position %zu", conf_path(p->conf), r->name,
                 at);
    }
}

/* --- building ------------------------------------------------------------------------------------------------------------ */

static int make_server(const struct app_pipeline *p, struct pipeline *pipe, struct buf *error)
{
    struct stage *last = &pipe->stages[pipe->n - 1];
    struct str entry = egg_entry(p->conf, last->section);
    const struct app_server *server = find_server(p, entry);
    struct server_context context = {
        .conf = p->conf, .section = last->section, .swift = p->swift, .rings = p->rings};
    if (!entry.p || !server)
        return unknown_app(p, str_from(last->name), last->section, error);
    if (same_name(STR("proxy"), server->name)) {
        add_required(p, pipe);
        last = &pipe->stages[pipe->n - 1];
        context.section = last->section;
    }
    return server->make(&context, &last->app, error);
}

static int make_filters(const struct app_pipeline *p, struct pipeline *pipe, struct buf *error)
{
    for (size_t i = pipe->n - 1; i-- > 0;) {
        struct stage *s = &pipe->stages[i];
        struct app_filter filter = {.conf = p->conf,
                                    .section = s->section,
                                    .swift = p->swift,
                                    .registry = pipe->registry,
                                    .next = pipe->stages[i + 1].app};
        int err = s->type->make(&filter, &s->app, error);
        if (err)
            return err;
    }
    return 0;
}

static char *describe(const struct pipeline *pipe)
{
    struct buf text;
    buf_init(&text, 65536);
    for (size_t i = 0; i < pipe->n; i++)
        buf_printf(&text, "%s%s", i ? " " : "", pipe->stages[i].name);
    return buf_take(&text, NULL);
}

int app_pipeline_new(const struct app_pipeline *p, struct http_app **ret, struct buf *error)
{
    struct pipeline *pipe = xcalloc(1, sizeof(*pipe));
    pipe->app = (struct http_app){handle, pipeline_free};
    pipe->registry = registry_new();
    int err = read_stages(p, pipe, error);
    if (!err)
        err = make_server(p, pipe, error);
    if (!err)
        err = make_filters(p, pipe, error);
    if (err) {
        pipeline_free(&pipe->app);
        return err;
    }
    pipe->text = describe(pipe);
    *ret = &pipe->app;
    return 0;
}
