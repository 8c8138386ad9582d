/* SPDX-License-Identifier: Apache-2.0
 *
 * http_client.h: requests to other nodes, with kept connections and bodies streamed both ways. A call belongs to
 * one task at a time.
 *
 *   call = http_call_open(...)            connects (or takes a kept connection) and sends the head
 *   http_call_write(...) *                body, if there is one
 *   http_call_response(...)               reads the next head: 100 or a final status, any number of times
 *   http_call_read(...) *                 response body
 *   http_call_close(call)                 keeps the connection if both bodies are at their end (what is left of the
 *                                         answer's is read if it is here already), else closes it
 */
#ifndef HTTP_HTTP_CLIENT_H
#define HTTP_HTTP_CLIENT_H

#include "common/header.h"
#include "http/http_body.h"

struct http_client; /* kept connections, one set per loop */
struct http_call;

/* max_idle: kept connections per address and loop; idle_ms: how long one is kept. */
struct http_client *http_client_new(unsigned max_idle, int64_t idle_ms);
void http_client_free(struct http_client *c); /* no call is open; NULL is fine */

struct http_call_options {
    struct str host; /* IP literal (no DNS here) */
    int port;
    struct str method, target; /* target already encoded */
    const struct header_table
        *headers;        /* may be NULL. Host, Content-Length, Transfer-Encoding are added here */
    int64_t body_length; /* 0: none ("Content-Length: 0" is sent for PUT and POST), -1: chunked */
    int64_t connect_timeout_ms;
    int64_t timeout_ms;  /* for every following wait: response head, next bytes, room for ours */
    struct arena *arena; /* response headers live here; outlives the call */
    bool keep;           /* false sends "Connection: close" */
};

/* [waits] 0 and *ret, or -errno: -ECONNREFUSED, -ETIMEDOUT, -EPIPE ... A kept connection that turns out to be closed
 * before any answer is replaced by a new one once, as long as no body byte was sent. */
int http_call_open(struct http_client *c, const struct http_call_options *o, struct http_call **ret);
int http_call_write(struct http_call *call, const void *p, size_t n); /* [waits] framed as chunk if chunked */
/* Writing more than the length given is -EINVAL, after a final answer -EPIPE.
 * [waits] Ends the body (the 0 chunk). A length not reached is -EINVAL. After it, with chunked, writing may start a second
 * body (two-phase PUT). */
int http_call_end(struct http_call *call);
/* [waits] 0 with call's status and headers set. A 100 counts as one answer and can be followed by others; asked again
 * after a final status: -EINVAL. -ETIMEDOUT (may be asked again), -ECONNRESET, -EBADMSG (not HTTP). deadline: RT_FOREVER for the
 * call's own timeout. */
int http_call_response(struct http_call *call, int64_t deadline);
int http_call_status(const struct http_call *call);
const struct header_table *http_call_headers(const struct http_call *call);
struct str http_call_reason(const struct http_call *call);
/* [waits] Response body: > 0, 0 at the end, -errno; -ECONNRESET if it ended early, -EBADMSG for a bad chunk, -EINVAL
 * before a final status. */
ssize_t http_call_read(struct http_call *call, void *p, size_t n);
int64_t http_call_length(const struct http_call *call); /* of the response body, -1 unknown */
/* Changes the timeout for what follows. */
void http_call_set_timeout(struct http_call *call, int64_t timeout_ms);
/* True if the other side has answered or closed: what a sender of a long body looks at between writes. */
bool http_call_answer_waiting(struct http_call *call);
void http_call_close(struct http_call *call); /* NULL is fine */
/* The response body as a stage; its close() closes the call. */
struct http_body *http_call_body(struct http_call *call, struct arena *a);

#endif
