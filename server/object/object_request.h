/* SPDX-License-Identifier: Apache-2.0
 *
 * object_request.h: what the methods of the object server share. Internal to object_*.c.
 */
#ifndef OBJECT_OBJECT_REQUEST_H
#define OBJECT_OBJECT_REQUEST_H

#include "base/backend.h"
#include "base/request_helpers.h"
#include "common/digest.h"
#include "object/diskfile.h"
#include "object/object_cache.h"
#include "object/object_updates.h"

struct object_options {
    struct backend_options base;
    int64_t container_update_timeout_ms;
    int64_t max_upload_time_ms;
    int64_t reclaim_age_ms, commit_window_ms;
    int64_t keep_cache_size;
    int64_t mb_per_sync;
    int64_t slow_ms;
    int64_t object_cache_size;
    bool disable_fallocate;
    bool keep_cache_private;
    const char *allowed_headers;
    const char *expiring_account_name;
    int64_t expiring_divisor;
    int64_t disk_chunk_size, network_chunk_size; /* accepted; the chunks are as large as measurement says */
};

struct object_server {
    struct backend_server base;
    struct object_options options;
    struct object_updater *updater;
    struct object_cache *cache;
    struct str *allowed; /* title-cased names of headers that are stored and shown */
    size_t n_allowed;
    struct arena *arena; /* of the above */
};

/* One request on its way. */
struct object_request {
    struct object_server *server;
    struct http_request *req;
    struct http_response *rsp;
    struct backend_path path;
    const struct policy *policy;
    const struct device *device;
    struct objects_dir *dir; /* in the arena: bodies use it after the method has returned */
    struct diskfile file;
    struct diskfile_write_options write;
    struct timestamp time; /* X-Timestamp, or now */
};

#define OBJECT_SMALL ((size_t)65536) /* an object up to this size is read into memory with its metadata */

/* Path and policy. False: rsp has the answer. */
bool object_request_init(struct object_server *s, struct http_request *req, struct http_response *rsp,
                         struct object_request *ret);
/* The same without an object: path.account holds what follows the partition. */
bool object_request_init_partition(struct object_server *s, struct http_request *req,
                                   struct http_response *rsp, struct object_request *ret);
/* The device, and with it dir, file and write. False: 507. */
bool object_request_device(struct object_request *r);
/* [waits] Runs fn(arg) on the device's threads. False: 503, they have more to do than they can queue. */
bool object_request_offload(struct object_request *r, void (*fn)(void *arg), void *arg);

/* The answer to an error of the disk: 507, 503 or 500, and a line in the log. */
void object_request_failed(struct object_request *r, int err, const char *what);
/* Logs a quarantine that an open reported. */
void object_request_note(struct object_request *r, const struct diskfile_info *info);
/* [waits] Opens the object: false with an answer for errors and collisions (403). */
bool object_request_open(struct object_request *r, const struct diskfile_open_options *o,
                         struct diskfile_info *ret);
/* A text/plain answer. */
void object_request_refuse(struct object_request *r, int status, const char *text);
/* X-Backend-Timestamp. */
void object_request_backend_timestamp(struct object_request *r, struct timestamp t);

/* True for a header that lives with the object: user and system metadata, transient system metadata. */
bool object_header_is_meta(struct str name, bool with_sysmeta);
bool object_header_is_allowed(const struct object_server *s, struct str name);
/* The request's headers that are to be stored. with_sysmeta: PUT, not POST. */
void object_request_metadata(struct object_request *r, bool with_sysmeta, struct diskfile_meta *m);
/* X-Delete-At of the request: 0 if absent or empty. False: not a number. */
bool object_request_delete_at(const struct object_request *r, int64_t *ret);
/* Tells the expirer's queue when an object's time has changed. */
void object_request_expirer(struct object_request *r, struct object_updates *u, int64_t before,
                            int64_t after);
/* X-Backend-Next-Part-Power into file. */
void object_request_part_power(struct object_request *r);

/* The methods. */
void object_put(struct backend_server *s, struct http_request *req, struct http_response *rsp);
void object_get(struct backend_server *s, struct http_request *req, struct http_response *rsp); /* and HEAD */
void object_post(struct backend_server *s, struct http_request *req, struct http_response *rsp);
void object_delete(struct backend_server *s, struct http_request *req, struct http_response *rsp);
void object_replicate(struct backend_server *s, struct http_request *req, struct http_response *rsp);

#endif
