/* SPDX-License-Identifier: Apache-2.0 */
#include "middleware/middleware.h"

#include <stdlib.h>

#include "common/alloc.h"

const struct app_middleware middleware_table[] = {
    {"catch_errors", NULL, catch_errors_new},
    {"gatekeeper", NULL, gatekeeper_new},
    {"healthcheck", NULL, healthcheck_new},
    {"proxy_logging", NULL, proxy_logging_new},
    {"memcache", "cache", cache_new},
    {"listing_formats", NULL, listing_formats_new},
    {"tempauth", NULL, tempauth_new},
    {"copy", NULL, copy_new},
    {NULL, NULL, NULL},
};

static void middleware_free(struct http_app *app)
{
    free(app);
}

void *middleware_alloc(size_t size, const struct app_filter *filter,
                       void (*handle)(struct http_app *, struct http_request *, struct http_response *))
{
    struct middleware *m = xcalloc(1, size);
    m->app = (struct http_app){handle, middleware_free};
    m->next = filter->next;
    return m;
}
