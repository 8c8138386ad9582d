/* SPDX-License-Identifier: Apache-2.0
 *
 * db_replicate.h: REPLICATE /device/partition/hash: the receiver's side of database replication (facts: database 17.1).
 *
 *     ["sync", max_row, hash, id, created_at, put_timestamp, delete_timestamp, metadata, ...]   our info before merging
 *     ["merge_items", rows, id]  ["merge_syncs", [{remote_id, sync_point}]]
 *     ["complete_rsync", id, file name]  ["rsync_then_merge", id, file name]   for a file that rsync left in <device>/tmp
 *
 * What only one kind of database has is in struct db_replica_ops.
 */
#ifndef DB_DB_REPLICATE_H
#define DB_DB_REPLICATE_H

#include <jansson.h>

#include "db/db_server.h"

#define DB_REPLICATE_MAX_BYTES (256u << 20)

struct db_replica_ops {
    /* Adds the kind's fields of a sync reply, `count` among them, after merging deferred rows. */
    int (*info)(struct db_broker *b, json_t *ret);
    /* Takes over what the arguments behind the metadata say, before the info is read for good. May be NULL. 1: something
     * changed, 0, -errno. */
    int (*sync_more)(struct db_broker *b, const json_t *info, const json_t *args);
    /* Merges rows as JSON. -EINVAL: they are none. */
    int (*merge_items)(struct db_broker *b, const json_t *rows, struct str source);
    /* Copies up to `max` rows with ROWID > *point to another database; *point becomes the last one's. Number of rows, or -errno. */
    int (*copy_rows)(struct db_broker *from, struct db_broker *to, int64_t *point, int max);
    /* Copies what else a merged file must keep, and makes a copied file its own. May be NULL. */
    int (*copy_more)(struct db_broker *from, struct db_broker *to);
    int (*new_id)(struct db_broker *b);
    /* Object rows must not be replaced any more (it is being sharded). May be NULL. 1, 0 or -errno. */
    int (*refuses_rows)(struct db_broker *b);
    /* Verbs of this kind alone. True: rsp is filled or *ret_err is set. May be NULL. */
    bool (*verb)(struct db_job *job, struct str verb, const json_t *args, int *ret_err);
};

/* The method. */
void db_replicate_handle(struct backend_server *s, struct http_request *req, struct http_response *rsp,
                         const struct db_replica_ops *ops);

/* 200 with the value's text. */
void db_job_answer_json(struct db_job *job, const json_t *value, const char *content_type);

/* A JSON string in the arena, STR_NONE if it is none. */
struct str db_json_text(struct arena *a, const json_t *v);
/* A JSON number, or a number as text; *ret_null (may be NULL): absent or null. */
int64_t db_json_int(const json_t *v, bool *ret_null);
json_t *db_json_str(struct str s); /* null for STR_NONE */

#endif
