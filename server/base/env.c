/* SPDX-License-Identifier: Apache-2.0 */
#include "base/env.h"

#include "base/info.h"
#include "common/url.h"

struct env *env_new(struct http_request *req, const struct registry *registry)
{
    struct env *env = arena_zalloc(req->arena, sizeof(*env));
    env->registry = registry;
    env->infos = info_cache_new(req->arena);
    req->env = env;
    return env;
}

void env_log_info(struct http_request *req, struct str text)
{
    struct env *env = env_of(req);
    env->log_info = env->log_info.n ? arena_join(req->arena, env->log_info, STR(","), text, STR_END)
                                    : arena_str(req->arena, text);
}

static struct env *child_env(const struct http_request *parent, const struct env_subrequest *what)
{
    const struct env *from = env_of(parent);
    struct env *env = arena_zalloc(parent->arena, sizeof(*env));
    env->remote_user = from->remote_user;
    env->authorize_override = from->authorize_override;
    env->source = what->source ? what->source : from->source;
    env->cache = from->cache;
    env->registry = from->registry;
    env->infos = from->infos;
    if (what->pre_authorised) {
        env->authorize_override = true;
        env->swift_owner = true;
    } else {
        env->authorize = from->authorize;
        env->authorize_arg = from->authorize_arg;
    }
    return env;
}

static void copy_field(struct http_request *to, const struct http_request *from, struct str name)
{
    struct str value = header_get(&from->headers, name);
    if (value.p)
        header_add_ref(&to->headers, name, value);
}

struct http_request *env_subrequest(const struct http_request *parent, const struct env_subrequest *what)
{
    struct arena *a = parent->arena;
    struct http_request *sub = arena_alloc(a, sizeof(*sub));
    struct str target = url_quote(a, what->path, "/");
    if (what->query.n)
        target = arena_join(a, target, STR("?"), what->query, STR_END);
    http_request_init(sub, a, what->method, target);
    sub->txn = parent->txn;
    sub->peer = parent->peer;
    sub->local = parent->local;
    sub->start_ns = parent->start_ns;
    sub->minor_version = parent->minor_version;
    copy_field(sub, parent, STR("Host"));
    copy_field(sub, parent, STR("Referer"));
    header_add_ref(&sub->headers, STR("User-Agent"), what->agent.p ? what->agent : STR("Swift"));
    sub->env = child_env(parent, what);
    return sub;
}
