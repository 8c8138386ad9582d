/* SPDX-License-Identifier: Apache-2.0
 *
 * db_server.h: what the account and the container server share: a request becomes one job on a thread of its device, with
 * a broker ready; errors of databases become answers in one place.
 */
#ifndef DB_DB_SERVER_H
#define DB_DB_SERVER_H

#include "base/backend.h"
#include "base/servers.h"
#include "db/db_listing.h"

/* Embedded as the first member of a server. */
struct db_server {
    struct backend_server backend;
    struct backend_options options;
    const struct db_kind *kind;
    struct db_cache *cache;
};

/* Fills in all but backend.app.free from the section. 0 or -errno with a sentence. */
int db_server_init(struct db_server *s, const struct server_context *context, const char *type,
                   const struct db_kind *kind, const struct backend_method *methods, struct buf *error);
void db_server_release(struct db_server *s);

struct db_job {
    struct db_server *server;
    struct http_request *req;
    struct http_response *rsp;
    struct backend_path path;
    const struct device *dev;
    struct str timestamp; /* of the request, internal form */
    bool needs_space;     /* 507 when the device is below its reserve */
    bool is_read;         /* short waits for .lock, stale numbers are fine */
    int lock_timeout_ms;  /* 0: the usual */
    struct str hash;      /* of the database, if the path has no account: REPLICATE */
    struct db_broker broker;
    int (*run)(struct db_job *job);
};

/* Path of min..max segments and device. With want_timestamp X-Timestamp, too. False: rsp has the answer. */
bool db_job_init(struct db_job *job, struct backend_server *s, struct http_request *req,
                 struct http_response *rsp, int min, int max, bool want_timestamp);
/* [waits] Runs run(job) on the device's threads: it fills rsp and returns 0, or returns -errno, which fills rsp here
 * (-ENOENT: 404, no space: 507, all else 500 and a line in the log). */
void db_job_run(struct db_job *job, int (*run)(struct db_job *job));

/* Metadata of a request: X-<Type>-Meta-*, X-<Type>-Sysmeta-*, and the names in `more` (lower case, NULL-terminated, may be
 * NULL), with the job's timestamp. */
void db_job_metadata(const struct db_job *job, const char *const *more, struct db_metadata *ret);
/* Stores it. True; false: *ret_err is -errno, or 0 if rsp has a 400. */
bool db_job_store_metadata(struct db_job *job, const struct db_metadata *m, int *ret_err);
/* Adds what is stored, and has a value, to rsp's fields; the same names only. */
int db_job_show_metadata(struct db_job *job, const char *const *more);
/* X-Timestamp and the like: the stored text in normal (or internal) form; text that is no timestamp counts as 0. */
void db_header_timestamp(struct http_response *rsp, struct str name, struct str stored, bool internal);
/* A listing as the answer: 200, or 204 for text without an entry. Takes the bytes. */
void db_job_answer_listing(struct db_job *job, enum listing_type type, struct buf *listing);

#endif
