/* SPDX-License-Identifier: Apache-2.0
 *
 * backend.h: what the account, container and object servers share: their common options, the path
 * /device/partition/account[/container[/object]], devices with their thread pools, method dispatch, access log.
 */
#ifndef BASE_BACKEND_H
#define BASE_BACKEND_H

#include "base/error_page.h"
#include "base/swift_conf.h"
#include "common/timestamp.h"
#include "rt/rt.h"

/* Options of [DEFAULT] and the app section that all three understand. Embed it as the FIRST member and list
 * BACKEND_OPTIONS in the table of struct conf_option. */
struct backend_options {
    const char *devices; /* "/srv/node" */
    bool mount_check;
    struct conf_reserve fallocate_reserve;
    bool replication_server;
    int64_t node_timeout_ms, conn_timeout_ms;
    bool log_requests;
    int64_t threads_per_disk;
};
#define BACKEND_OPTIONS                                                                                  \
    {"devices", CONF_STRING, offsetof(struct backend_options, devices), "/srv/node", 0, 0, NULL},        \
        {"mount_check", CONF_BOOL, offsetof(struct backend_options, mount_check), "true", 0, 0, NULL},   \
        {"fallocate_reserve",                                                                            \
         CONF_PERCENT_OR_BYTES,                                                                          \
         offsetof(struct backend_options, fallocate_reserve),                                            \
         "1%",                                                                                           \
         0,                                                                                              \
         0,                                                                                              \
         NULL},                                                                                          \
        {"replication_server",                                                                           \
         CONF_BOOL,                                                                                      \
         offsetof(struct backend_options, replication_server),                                           \
         "true",                                                                                         \
         0,                                                                                              \
         0,                                                                                              \
         NULL},                                                                                          \
        {"node_timeout", CONF_SECONDS, offsetof(struct backend_options, node_timeout_ms), "3", 1,        \
         86400000,       NULL},                                                                          \
        {"conn_timeout", CONF_SECONDS, offsetof(struct backend_options, conn_timeout_ms), "0.5", 1,      \
         86400000,       NULL},                                                                          \
        {"log_requests", CONF_BOOL, offsetof(struct backend_options, log_requests), "true", 0, 0, NULL}, \
    {                                                                                                    \
        "threads_per_disk", CONF_INT, offsetof(struct backend_options, threads_per_disk), "32", 1, 1024, \
            NULL                                                                                         \
    }

/* --- devices ------------------------------------------------------------------------------------------------ */

struct device {
    const char *name, *path; /* "sdb1", "/srv/node/sdb1" */
    struct rt_pool *pool;    /* threads for this disk alone */
};
struct devices;
struct devices *devices_new(const struct backend_options *options, const char *service);
void devices_free(struct devices *d);
/* The device if it may be used now: a plain name, a folder, and with mount_check a mount point; else NULL: answer
 * 507. Checked at each call. Lives as long as the devices. */
const struct device *devices_find(struct devices *d, struct str name);
/* The same from a look at most a second old: a reader of a disk that has just gone finds nothing there and harms nothing. */
const struct device *devices_find_for_reading(struct devices *d, struct str name);
/* Space after writing `bytes` stays above fallocate_reserve. statvfs: [may wait for the disk: call it in an offload]. */
bool device_has_space(const struct device *dev, const struct conf_reserve *reserve, uint64_t bytes);

/* --- requests ----------------------------------------------------------------------------------------------- */

struct backend_path {
    struct str device, partition, account, container, object; /* decoded; absent ones STR_NONE */
    uint32_t part;
};
/* Splits req->path into 2..5 segments, at least `min`, at most `max`; the last takes the rest. Checks UTF-8 (412), device and partition (400) and reserved names (400). False: rsp has the answer. */
bool backend_split_path(const struct http_request *req, int min, int max, struct backend_path *ret,
                        struct http_response *rsp);
/* The X-Timestamp field, required: false with a 400. */
bool backend_timestamp(const struct http_request *req, struct timestamp *ret, struct http_response *rsp);

struct backend_server;
struct backend_method {
    const char *name; /* "PUT"; the table ends with NULL */
    void (*handle)(struct backend_server *s, struct http_request *req, struct http_response *rsp);
    bool replication; /* hidden when replication_server is false */
};
/* A server embeds this as its first member. */
struct backend_server {
    struct http_app app; /* handle = backend_handle */
    const char *type;    /* "object-server" */
    const struct backend_options *options;
    const struct swift_conf *conf;
    struct devices *devices;
    const struct backend_method *methods;
};
/* Takes X-Trans-Id, checks the path's UTF-8, answers OPTIONS and unknown methods, calls the method, sets status 500 on none,
 * logs one access line in upstream's format. */
void backend_handle(struct http_app *app, struct http_request *req, struct http_response *rsp);

#endif
