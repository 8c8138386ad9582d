/* SPDX-License-Identifier: Apache-2.0
 *
 * constraints.h: limits of swift.conf [swift-constraints] and the checks that use them (facts: proxy 6).
 */
#ifndef BASE_CONSTRAINTS_H
#define BASE_CONSTRAINTS_H

#include "common/conf.h"
#include "http/http_request.h"

struct constraints {
    int64_t max_file_size;                  /* bytes, 5368709122 */
    int64_t max_meta_name_length;           /* 128 */
    int64_t max_meta_value_length;          /* 256 */
    int64_t max_meta_count;                 /* 90 */
    int64_t max_meta_overall_size;          /* 4096 */
    int64_t max_header_size;                /* 8192 */
    int64_t max_object_name_length;         /* 1024 */
    int64_t container_listing_limit;        /* 10000 */
    int64_t account_listing_limit;          /* 10000 */
    int64_t max_account_name_length;        /* 256 */
    int64_t max_container_name_length;      /* 256 */
    int64_t extra_header_count;             /* 0 */
    const char *valid_api_versions;         /* "v1,v1.0" */
    const char *auto_create_account_prefix; /* "." */
};

/* 0, or -EINVAL with a sentence. Strings live as long as the conf. */
int constraints_read(struct conf *conf, struct constraints *ret, struct buf *error);
/* Fields a request may have: max_meta_count + 36 + extra_header_count, times 1.6. */
size_t constraints_max_headers(const struct constraints *c);

/* Checks X-<type>-Meta-* of a request; type is "account", "container" or "object". True if fine; else rsp has the 400. */
bool constraints_check_metadata(const struct constraints *c, const struct http_request *req, const char *type,
                                struct http_response *rsp);
/* For an object PUT: length, size, name, content type, X-Delete-At/-After (which it turns into X-Delete-At in
 * req->headers), metadata. True if fine; else rsp has the 4xx. now: the request's time. */
bool constraints_check_object_creation(const struct constraints *c, struct http_request *req,
                                       struct str object, int64_t now_seconds, struct http_response *rsp);
/* X-Delete-At and X-Delete-After alone (POST). */
bool constraints_check_delete_headers(struct http_request *req, int64_t now_seconds,
                                      struct http_response *rsp);

#endif
