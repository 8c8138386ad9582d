/* SPDX-License-Identifier: Apache-2.0
 *
 * env.h: what middlewares and the proxy know about a request beside its HTTP: who asks, who decides whether they
 * may, what was looked up already. It hangs at http_request.env from the front of the pipeline on (app.h) and lives in
 * the request's arena.
 *
 * A request that a middleware makes itself is a sub-request: it shares the looked-up infos, the cache and the
 * transaction with its parent and logs under its own source tag. It acts for the same user, unless it is
 * pre-authorised: then nobody is asked, as for an owner.
 */
#ifndef BASE_ENV_H
#define BASE_ENV_H

#include "http/http_request.h"

struct memcache;
struct registry;
struct info_cache;

/* Whether the request may go on: true, or false with the answer (401, 403, 400 ...) in rsp. Looks at env->acl and
 * may set env->swift_owner. [may wait] */
typedef bool env_authorize_fn(void *arg, struct http_request *req, struct http_response *rsp);
/* Checks and tidies an ACL header such as X-Container-Read: true with *ret in the arena, or false with a sentence for a
 * 400 in *ret. */
typedef bool env_clean_acl_fn(struct arena *arena, struct str name, struct str value, struct str *ret);

struct env {
    /* who */
    struct str
        remote_user; /* comma list of groups, the user's own second: "test,test:tester,AUTH_test"; STR_NONE: nobody */
    bool swift_owner;            /* may see and set the owner's headers */
    bool reseller_request;       /* by a reseller's administrator */
    bool authorize_override;     /* a middleware decided already: auth middlewares keep out */
    env_authorize_fn *authorize; /* NULL: everything is allowed */
    void *authorize_arg;
    env_clean_acl_fn *clean_acl; /* NULL: ACL headers pass as they are */
    struct str acl; /* what authorize looks at: the container's ACL for this verb; STR_NONE: none known yet */
    struct str sync_key; /* the container's X-Container-Sync-Key */

    /* for the log */
    const char *source;     /* of a sub-request: "SSC", "TA" ...; NULL for the client's own */
    struct str orig_method; /* the client's verb where a middleware changed it; STR_NONE: unchanged */
    struct str log_info;    /* comma list */
    struct str user_id;     /* access_user_id of the log */
    bool logged;            /* a proxy-logging further left logs this request */

    /* shared along the pipeline */
    struct memcache *cache;          /* set by the cache middleware; NULL: none */
    const struct registry *registry; /* what /info shows */
    struct info_cache *infos;        /* base/info.h; shared with sub-requests */
    bool keep_listing;               /* listing_formats is to leave the body as it is */
};

static inline struct env *env_of(const struct http_request *req)
{
    return req->env;
}

/* A fresh env for a client's request. */
struct env *env_new(struct http_request *req, const struct registry *registry);

/* Adds "text" to env->log_info. */
void env_log_info(struct http_request *req, struct str text);

struct env_subrequest {
    struct str method;
    struct str path;    /* decoded: "/v1/a/c/o" */
    struct str query;   /* encoded, without '?'; STR_NONE: none */
    const char *source; /* "SSC"; NULL: the parent's */
    bool pre_authorised;
    struct str agent; /* User-Agent; STR_NONE: "Swift" */
};
/* A request in the parent's arena, where it must stay: bodies of answers refer to it. It has the parent's user, referer, host,
 * transaction and infos; no body and no other header field. */
struct http_request *env_subrequest(const struct http_request *parent, const struct env_subrequest *what);

#endif
