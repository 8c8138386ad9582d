/* SPDX-License-Identifier: Apache-2.0
 *
 * request_helpers.h: small questions that servers and middlewares ask of a request.
 */
#ifndef BASE_REQUEST_HELPERS_H
#define BASE_REQUEST_HELPERS_H

#include "base/constraints.h"

/* /version/account[/container[/object]]; the object takes the rest. */
struct api_path {
    struct str version, account, container, object; /* STR_NONE or empty where absent */
};
/* False: not a path with at least `min` segments that are not empty (1 .. 4). With max < 4 a longer path is false too. */
bool request_api_path(const struct http_request *req, int min, int max, struct api_path *ret);
/* "v1" or "v1.0", as swift.conf says. */
bool request_valid_version(const struct constraints *c, struct str version);

/* "X-Container-Meta-": longer than the prefix and starting with it, in any case. type: "account", "container", "object". */
bool header_is_user_meta(const char *type, struct str name);
bool header_is_sys_meta(const char *type, struct str name);
bool header_is_transient_sysmeta(struct str name);

/* A query parameter; STR_NONE if absent. False: it is not UTF-8 and rsp has the 400. */
bool request_param(const struct http_request *req, struct str name, struct str *ret,
                   struct http_response *rsp);
/* Rewrites req->query: sets or replaces (value.p), or removes (STR_NONE) a parameter. The others keep their order;
 * of several with the same key the last stays. */
void request_set_param(struct http_request *req, struct str name, struct str value);
/* `limit` of a listing against its maximum. False: 412 in rsp. */
bool request_limit(const struct http_request *req, int64_t max, int64_t *ret, struct http_response *rsp);

/* 401 with the realm of the path's account; realm.p given: that one. */
void answer_unauthorized(const struct http_request *req, struct str realm, struct http_response *rsp);
/* 403 if somebody is logged in, else 401. */
void answer_denied(const struct http_request *req, struct http_response *rsp);

/* The client's address: X-Cluster-Client-Ip, the first X-Forwarded-For, the peer. */
struct str request_remote_client(const struct http_request *req);
/* "http://host:port" as the client used it. */
struct str request_host_url(const struct http_request *req);
/* Encoded path and query, as logs and Referer show them. */
struct str request_path_qs(const struct http_request *req);

/* "container/object" in a header such as X-Copy-From, percent-encoded, maybe with a leading slash. False: 412 with
 * `message` in rsp. */
bool request_path_header(const struct http_request *req, struct str name, const char *message,
                         struct str *ret_container, struct str *ret_object, struct http_response *rsp);
/* An account name out of a header: not empty, no slash; else 412 in rsp. */
bool request_account_name(struct str name, struct http_response *rsp);

#endif
