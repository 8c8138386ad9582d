/* SPDX-License-Identifier: Apache-2.0
 *
 * info.h: what is known of an account or a container: whether it exists, its counts, ACLs, policy and metadata.
 * Looked up per request, then in the memcache, then by a pre-authorised HEAD into the pipeline, and kept in both
 * (facts: proxy 31): 60 s for what exists, a tenth of that for what does not, nothing for a failure.
 *
 * Nobody is asked for permission: what a caller does with an info is its own responsibility.
 */
#ifndef BASE_INFO_H
#define BASE_INFO_H

#include "base/env.h"
#include "base/memcache.h"

struct info_cache; /* of one request and its sub-requests */
struct info_cache *info_cache_new(struct arena *arena);

struct info_meta {
    struct str name, value; /* name in lower case, without its prefix: "temp-url-key" */
};
struct info_metas {
    const struct info_meta *v;
    size_t n;
};
/* STR_NONE if absent. */
struct str info_meta_get(const struct info_metas *metas, struct str name);

struct account_info {
    int status;         /* 200, 204, 404, 410; 0: no valid path; 503: could not be looked up */
    bool really_exists; /* not just pretended by account_autocreate */
    uint64_t container_count, object_count, bytes;
    struct info_metas meta, sysmeta;
};

struct container_info {
    int status; /* as above; 0 also where the account is missing */
    uint64_t object_count, bytes;
    int policy_index;
    struct str read_acl, write_acl, sync_to, sync_key, versions; /* STR_NONE if absent */
    struct str sharding_state;                                   /* "unsharded" if unknown */
    struct info_metas meta, sysmeta;
};

static inline bool info_exists(int status)
{
    return status >= 200 && status <= 299;
}

/* [waits] Never NULL; lives as long as the request. app: where a HEAD is sent if need be (the next in the pipeline).
 * source: its tag in the log, or NULL. */
const struct account_info *info_account(struct http_app *app, const struct http_request *req,
                                        struct str account, const char *source);
const struct container_info *info_container(struct http_app *app, const struct http_request *req,
                                            struct str account, struct str container, const char *source);
/* Only what is cached already, or NULL. */
const struct container_info *info_container_cached(const struct http_request *req, struct str account,
                                                   struct str container);

/* For the proxy, which sees every answer: keeps the info in an answer to GET or HEAD for ttl_s seconds. container:
 * STR_NONE for an account. */
void info_keep(const struct http_request *req, struct str account, struct str container,
               const struct http_response *rsp, int64_t ttl_s);
/* Forgets it, in the request and in the memcache: before and after each change. */
void info_forget(const struct http_request *req, struct str account, struct str container);

#endif
