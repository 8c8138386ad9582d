/* SPDX-License-Identifier: Apache-2.0
 *
 * cache.c: [filter:cache] use = egg:swift#memcache: the cache that infos and tokens live in. It is of this process: every
 * proxy process has its own, so a token is good at the proxy that gave it.
 *
 *   memcache_size   bytes at most (32M)
 */
#include "common/log.h"
#include "middleware/middleware.h"

#include <stdlib.h>

#include "base/memcache.h"

struct cache {
    struct middleware base;
    struct memcache *store;
};

static void handle(struct http_app *app, struct http_request *req, struct http_response *rsp)
{
    struct cache *c = (struct cache *)app;
    env_of(req)->cache = c->store;
    http_app_call(c->base.next, req, rsp);
}

static void cache_free(struct http_app *app)
{
    struct cache *c = (struct cache *)app;
    memcache_free(c->store);
    free(c);
}

int cache_new(const struct app_filter *filter, struct http_app **ret, struct buf *error)
{
    static const struct conf_option options[] = {
        {"memcache_size", CONF_SIZE, 0, "32M", 65536, INT64_MAX, NULL},
        {NULL},
    };
    int64_t size;
    int err = conf_read(filter->conf, filter->section, options, &size, error);
    if (err)
        return err;
    if (conf_get(filter->conf, filter->section, "memcache_servers"))
        log_warning(
            "%s: [%s] memcache_servers: this proxy caches in its own memory; tokens and infos are not "
            "shared with other proxies",
            conf_path(filter->conf), filter->section);
    struct cache *c = middleware_alloc(sizeof(*c), filter, handle);
    c->base.app.free = cache_free;
    c->store = memcache_new((size_t)size);
    *ret = &c->base.app;
    return 0;
}
