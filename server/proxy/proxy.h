/* SPDX-License-Identifier: Apache-2.0
 *
 * proxy.h: what the files of the proxy share: its options and parts, and one request on its way through it.
 */
#ifndef PROXY_PROXY_H
#define PROXY_PROXY_H

#include "base/env.h"
#include "base/error_limiter.h"
#include "base/info.h"
#include "base/servers.h"
#include "http/http_client.h"
#include "proxy/node_iter.h"
#include "rt/rt.h"

struct proxy_options {
    bool allow_account_management, account_autocreate;
    int64_t max_containers_per_account; /* 0: no limit */
    const char *max_containers_whitelist;
    int64_t recheck_account_existence, recheck_container_existence; /* seconds */
    int64_t node_timeout_ms, recoverable_node_timeout_ms, conn_timeout_ms, post_quorum_timeout_ms;
    int64_t error_suppression_interval_ms, error_suppression_limit;
    int64_t object_chunk_size;
    const char *request_node_count_text; /* "2 * replicas" or a number */
    int64_t rebalance_missing_suppression_count;
    const char *deny_host_headers, *swift_owner_headers;
    bool log_handoffs;
    bool expose_info;
    const char *admin_key, *disallowed_sections;
    const char *cors_allow_origin, *cors_expose_headers;
    bool strict_cors_mode;
    const char *expiring_objects_account_name;
    int64_t expiring_objects_container_divisor;
    int64_t max_idle_connections, idle_connection_ms; /* to one server, per loop */
};

struct proxy_server {
    struct http_app app;
    struct proxy_options options;
    const struct swift_conf *swift;
    struct rings *rings;
    struct http_client *client;
    struct error_limiter *limiter;
    struct registry *registry; /* the "swift" section of /info */
    struct proxy_mime *mime;
    struct str user_agent;      /* "proxy-server 4711" */
    struct str expirer_account; /* ".expiring_objects" */
    struct node_count node_count;
    _Atomic(unsigned) background; /* tasks that outlive their request */
};

/* Both spelled as in header names and messages: "Account", "account". */
enum proxy_type { PROXY_ACCOUNT, PROXY_CONTAINER, PROXY_OBJECT };
const char *proxy_type_title(enum proxy_type type);
const char *proxy_type_name(enum proxy_type type);

/* A client's request (or a middleware's), as the controllers see it. Lives in the request's arena. */
struct proxy_request {
    struct proxy_server *server;
    struct http_request *req;
    struct http_response *rsp;
    struct env *env;
    enum proxy_type type;
    struct str account, container, object; /* decoded; STR_NONE where the type has none */
    struct str entity_path;                /* encoded: "/account/container/object" */
};

/* Asks authorize() with this ACL, if there is anybody to ask. False: the answer is in rsp. [may wait] */
bool proxy_authorize(struct proxy_request *p, struct str acl);
/* A reference that lives as long as the request. */
const struct ring *proxy_ring_account(struct proxy_request *p);
const struct ring *proxy_ring_container(struct proxy_request *p);
const struct ring *proxy_ring_object(struct proxy_request *p, const struct policy *policy);
/* The partition of a name in a ring. */
uint32_t proxy_part(const struct proxy_server *s, const struct ring *ring, struct str account,
                    struct str container, struct str object);
/* What is known of the account and the container of this request. [may wait] */
const struct account_info *proxy_account_info(struct proxy_request *p);
const struct container_info *proxy_container_info(struct proxy_request *p);
/* Longest name: twice as long in internal accounts. */
int64_t proxy_name_limit(const struct proxy_request *p, int64_t limit);
/* "GET, HEAD, ...": the verbs of this type, as Allow shows them. */
struct str proxy_allowed_methods(const struct proxy_request *p);
/* Takes the owner's header fields (swift_owner_headers) out. */
void proxy_remove_owner_headers(const struct proxy_server *s, struct header_table *t);

/* The controllers: fill p->rsp. */
void proxy_account(struct proxy_request *p);      /* proxy_account.c */
void proxy_container(struct proxy_request *p);    /* proxy_container.c */
void proxy_object(struct proxy_request *p);       /* proxy_object.c */
void proxy_options_verb(struct proxy_request *p); /* proxy_cors.c: OPTIONS of all three */
void proxy_info(struct proxy_server *s, struct http_request *req,
                struct http_response *rsp); /* proxy_info.c */

/* proxy_cors.c: what a browser of another origin gets to see of the answer. info: of the container, before the request. */
void proxy_cors_answer(struct proxy_request *p, const struct container_info *info);

#endif
