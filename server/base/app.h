/* SPDX-License-Identifier: Apache-2.0
 *
 * app.h: [pipeline:main] of a configuration file: middlewares of a table that the program gives, in the order of the
 * file, with an application at the end.
 *
 *   [pipeline:main]
 *   pipeline = catch_errors gatekeeper healthcheck proxy-logging cache tempauth copy proxy-logging proxy-server
 *
 *   [filter:healthcheck]
 *   use = egg:swift#healthcheck
 *
 * A name in the pipeline is a section: [filter:NAME], or [app:NAME] for the last. What it is, its "use" says; a filter
 * without a section (or without "use") is looked up by its name, read with '-' as '_'. What the table does not know is an
 * error that names file and entry and lists what there is.
 *
 * Before a proxy the middlewares that no cluster can do without are added where they are missing (facts: proxy 2).
 */
#ifndef BASE_APP_H
#define BASE_APP_H

#include "base/registry.h"
#include "base/servers.h"

/* What a middleware is made from. conf, swift and registry outlive it; `next` is freed after it. */
struct app_filter {
    struct conf *conf;
    const char
        *section; /* "filter:tempauth", which may be missing from the file: then [DEFAULT] shows through */
    const struct swift_conf *swift;
    struct registry *registry; /* where it says what it can do */
    struct http_app *next;
};
/* 0 with the middleware, or -EINVAL with a sentence. Its free() frees itself alone, not `next`. */
typedef int app_filter_fn(const struct app_filter *filter, struct http_app **ret, struct buf *error);

struct app_middleware {
    const char *name; /* as in "use = egg:swift#NAME" */
    const char
        *alias; /* another name it goes by in pipelines without a section ("cache" for memcache), or NULL */
    app_filter_fn *make;
};
struct app_server {
    const char *name; /* "proxy" */
    server_new_fn *make;
};

struct app_pipeline {
    struct conf *conf;
    const struct swift_conf *swift;
    struct rings *rings;                      /* for servers that need them; may be NULL */
    const struct app_middleware *middlewares; /* ends with name NULL */
    const struct app_server *servers;         /* ends with name NULL */
};
/* The pipeline as one app, whose free() frees all of it. Runs inside a task. 0, or -errno with a sentence. `p` may go
 * afterwards, what it points to may not. */
int app_pipeline_new(const struct app_pipeline *p, struct http_app **ret, struct buf *error);

/* "catch_errors gatekeeper ... proxy-server": the names of the pipeline as it is after additions. Lives as long as the app. */
const char *app_pipeline_text(const struct http_app *pipeline);

#endif
