/* SPDX-License-Identifier: Apache-2.0
 *
 * middleware.h: the middlewares that there are, for app_pipeline_new(). Each is a struct http_app with the next one behind
 * it: it looks at or changes the request, calls the next, looks at or changes the answer, or answers itself.
 */
#ifndef MIDDLEWARE_MIDDLEWARE_H
#define MIDDLEWARE_MIDDLEWARE_H

#include "base/app.h"
#include "base/env.h"

/* By the names of Swift's entry points; ends with name NULL. */
extern const struct app_middleware middleware_table[];

app_filter_fn cache_new;
app_filter_fn catch_errors_new;
app_filter_fn copy_new;
app_filter_fn gatekeeper_new;
app_filter_fn healthcheck_new;
app_filter_fn listing_formats_new;
app_filter_fn proxy_logging_new;
app_filter_fn tempauth_new;

/* What every middleware starts with. */
struct middleware {
    struct http_app app;
    struct http_app *next;
};
/* A zeroed middleware of `size` bytes that starts with a struct middleware, freed with free(). */
void *middleware_alloc(size_t size, const struct app_filter *filter,
                       void (*handle)(struct http_app *, struct http_request *, struct http_response *));
static inline struct http_app *middleware_next(struct http_app *self)
{
    return ((struct middleware *)self)->next;
}

#endif
