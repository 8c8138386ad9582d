/* SPDX-License-Identifier: Apache-2.0
 *
 * proxy_backend.h: one request to one account, container or object server, and what a failure of it means.
 */
#ifndef PROXY_PROXY_BACKEND_H
#define PROXY_PROXY_BACKEND_H

#include "proxy/proxy.h"

enum proxy_header_set {
    PROXY_HEADERS_ALL,      /* everything the client sent that concerns a storage server */
    PROXY_HEADERS_TRANSFER, /* metadata, ACLs and removals of the request's own type */
    PROXY_HEADERS_NONE,
};
/* Initialises `ret` in `arena` and adds X-Timestamp if it is not there, X-Trans-Id, User-Agent and Referer. The strings are
 * the request's: with another arena than the request's, copy = true. */
void proxy_backend_headers(struct proxy_request *p, enum proxy_header_set set, struct arena *arena, bool copy,
                           struct header_table *ret);

/* Where a request goes: "/device/partition" and then entity_path. */
struct proxy_target {
    struct proxy_server *server;
    enum proxy_type type;
    struct str txn;
    uint32_t part;
    struct str entity_path, query; /* encoded */
};
/* [waits] The next node of the iterator; logs a handoff that nobody expected. */
bool proxy_next_node(const struct proxy_target *t, struct node_iter *it, struct node *ret);
/* [waits] Connects and sends the head. 0 or -errno, already logged and counted against the node. `method` names it in the
 * log. */
int proxy_backend_open(const struct proxy_target *t, const struct node *node, struct str method,
                       const struct header_table *headers, int64_t body_length, int64_t timeout_ms,
                       struct arena *arena, struct http_call **ret);
/* An error of the connection: logged and counted against the node. what: "Trying to GET". */
void proxy_backend_failed(const struct proxy_target *t, const struct node *node, const char *what, int err);
/* An answer of 500 or more: 507 limits the node at once, the others are counted; both are logged. */
void proxy_backend_status(const struct proxy_target *t, const struct node *node, const char *what,
                          int status);

/* Copies fields of a server's answer to the client's: not those of one connection, nor Content-Type and -Length; an ETag
 * loses its quotes. Existing fields of the same name go. copy: names and values do not live as long as the answer. */
void proxy_copy_answer(struct http_response *rsp, const struct header_table *headers, bool copy);
/* Reads a small body to its end: 0 or -errno; -E2BIG past out->max. */
int proxy_read_body(struct http_call *call, struct buf *out);

#endif
