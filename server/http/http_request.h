/* SPDX-License-Identifier: Apache-2.0
 *
 * http_request.h: what handlers see: a request, the response they fill in, and the interface that servers and
 * middlewares share.
 */
#ifndef HTTP_HTTP_REQUEST_H
#define HTTP_HTTP_REQUEST_H

#include "common/header.h"
#include "http/http_body.h"

struct http_conn;

struct http_request {
    struct arena *arena; /* lives until the response has been sent and closed */
    struct str method;   /* "GET", as sent */
    struct str target;   /* as sent: "/v1/a/c%20d?x=y" */
    struct str raw_path; /* target up to '?', still encoded; absolute-form has lost scheme and host */
    struct str path;     /* raw_path decoded once; may hold any byte */
    struct str query;    /* after '?', still encoded; STR_NONE if there is no '?' */
    int minor_version;   /* HTTP/1.x: 0 or 1 */
    struct header_table headers;
    struct http_body *body; /* never NULL. Reading it sends "100 Continue" where the client waits for one */
    int64_t content_length; /* 0 if there is no body, -1 if chunked */
    bool chunked;
    bool has_length;        /* a Content-Length field was sent */
    struct str peer;        /* IP address of the other side, "127.0.0.1"; "" in internal requests */
    struct str local;       /* "ip:port" it connected to */
    int64_t start_ns;       /* clock_real_ns() when the head had arrived */
    struct str txn;         /* transaction id for logs and answers; set by servers, "" before */
    void *env;              /* what the servers' base keeps beside a request (base/env.h) */
    struct http_conn *conn; /* NULL for internal requests */
};

struct http_response {
    struct arena *arena;
    int status;        /* 100..599; 0 until set */
    struct str reason; /* empty: the standard phrase */
    struct header_table headers;
    struct http_body *body; /* NULL: none. Closed by whoever sends the response */
    bool close;             /* end the connection after this response */
};

/* A server application or a middleware in front of one. handle() fills rsp and returns at once when head and
 * body are known; the body is pulled afterwards. It may run in many tasks at the same time. A handler that
 * cannot go on after it has set nothing leaves status 0, which is sent as 500. */
struct http_app {
    void (*handle)(struct http_app *self, struct http_request *req, struct http_response *rsp);
    void (*free)(struct http_app *self); /* may be NULL */
};

static inline void http_app_call(struct http_app *app, struct http_request *req, struct http_response *rsp)
{
    app->handle(app, req, rsp);
}

const char *http_reason(int status); /* "Not Found"; Swift's words for 408, 416, 422, 499, 507 ... */

/* Sets method, target, raw_path, path and query from a target. -EINVAL: neither "/..." nor an absolute http(s)
 * URL nor "*". */
int http_request_set_target(struct http_request *req, struct str target);
/* A request made inside the process, empty body, minor version 1, in `arena`. */
void http_request_init(struct http_request *req, struct arena *arena, struct str method, struct str target);
/* An empty response, status 0. */
void http_response_init(struct http_response *rsp, struct arena *arena);
/* Status, Content-Type and body from memory; the bytes must live in the arena or for ever. Sets no
 * Content-Length field: the connection writes it from body->length. */
void http_response_text(struct http_response *rsp, int status, const char *content_type, struct str bytes);
/* Closes and drops body, headers and status, to fill the response anew. */
void http_response_clear(struct http_response *rsp);

/* Two-phase PUT (facts: object 15): sends "HTTP/1.1 100 Continue" with these extra fields at once, even if one
 * was sent before, and makes req->body a new chunked body that starts with the next chunk. 0 or -errno. Before
 * the body was first read it sets the fields of the first 100. */
int http_request_continue(struct http_request *req, const struct header_table *extra);

#endif
