/* SPDX-License-Identifier: Apache-2.0
 *
 * http_range.h: Range and conditional requests, as Swift answers them (facts: object 16, proxy 15).
 */
#ifndef HTTP_HTTP_RANGE_H
#define HTTP_HTTP_RANGE_H

#include "http/http_request.h"

struct http_range {
    uint64_t start, end; /* both included, end < size */
};

enum http_range_result {
    HTTP_RANGE_NONE,          /* no or malformed field: the whole, 200 */
    HTTP_RANGE_OK,            /* 206 with *ret_n ranges */
    HTTP_RANGE_UNSATISFIABLE, /* 416 */
};
/* value: the Range field. Ranges in the order asked, in the arena. */
enum http_range_result http_range_parse(struct arena *a, struct str value, uint64_t size,
                                        struct http_range **ret, size_t *ret_n);

/* Which status the conditions of a GET or HEAD ask for: 0 (go on), 304 or 412. etag without quotes; last_modified in
 * seconds; exists = false for a missing object (If-Match: * gives 412). */
int http_conditions(const struct header_table *request_headers, bool exists, struct str etag,
                    int64_t last_modified);

/* How to open one range of the representation: a body of exactly `end - start + 1` bytes, or NULL with errno-style *ret_err. */
typedef struct http_body *(*http_open_range_fn)(void *arg, uint64_t start, uint64_t end, int *ret_err);

/* Turns rsp, filled for the whole representation with status 200 and all its fields, into 206 (one range or
 * multipart/byteranges), 416, or leaves it. The ranges are opened when their turn comes. The response must have no body yet
 * when it is called; with HTTP_RANGE_NONE the caller sets the whole. Returns what the range field meant. `content_type` is
 * what the parts carry. */
enum http_range_result http_response_ranges(const struct http_request *req, struct http_response *rsp,
                                            uint64_t size, struct str content_type, http_open_range_fn open,
                                            void *arg);

#endif
