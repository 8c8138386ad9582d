/* SPDX-License-Identifier: Apache-2.0
 *
 * container_broker.h: the database of a container: one row per object and policy (facts: database 7). On top of
 * db_broker.h, whose rules on threads and errors hold here too.
 */
#ifndef CONTAINER_CONTAINER_BROKER_H
#define CONTAINER_CONTAINER_BROKER_H

#include "db/db_broker.h"
#include "db/db_listing.h"

extern const struct db_kind container_broker_kind;

/* --- rows -------------------------------------------------------------------------------------------------------------- */

struct object_row {
    struct str name;
    struct str created_at; /* data time, or the encoded three times */
    int64_t size;
    struct str content_type, etag;
    bool deleted;
    int64_t policy;
    struct str ctype_timestamp, meta_timestamp; /* explicit times, or STR_NONE */
    int64_t rowid;                              /* in the database it comes from; with a source only */
};

/* Merges rows in one transaction: data, content type and metadata each from the newest of item and row. source: id of
 * the peer they come from, or STR_NONE. Changes the rows. */
int container_merge_rows(struct db_broker *b, struct object_row *rows, size_t n, struct str source);
/* A row, deferred. */
int container_put_row(struct db_broker *b, const struct object_row *row);
/* The row that marks an object as deleted. */
struct object_row container_tombstone(struct str name, struct str timestamp, int64_t policy);

/* --- the container ------------------------------------------------------------------------------------------------------ */

/* What the database files say (facts: database 7.4). */
enum container_state {
    CONTAINER_UNSHARDED,
    CONTAINER_SHARDING,  /* two files: listings and counts from the older, rows go to the newer */
    CONTAINER_SHARDED,   /* rows are in the shards */
    CONTAINER_COLLAPSED, /* was sharded, has no shards any more */
};
const char *container_state_name(enum container_state s);

struct container_info {
    struct str account, container, created_at, put_timestamp, delete_timestamp, status, status_changed_at,
        hash, id;
    struct str reported_put_timestamp, reported_delete_timestamp;
    int64_t reported_object_count, reported_bytes_used;
    int64_t object_count, bytes_used; /* of the container's policy; see state */
    int64_t policy;
    int64_t sync_point1, sync_point2;
    enum container_state state;
    bool deleted;
};
/* After merging deferred rows. */
int container_info_read(struct db_broker *b, struct container_info *ret);
/* No live object in any policy, in either file, nor in the shards of a root. */
int container_is_empty(struct db_broker *b, bool *ret);
/* Whether it is no shard of another container. */
int container_is_root(struct db_broker *b, bool *ret);

/* The shard that takes updates of an object name: the live range (not the container's own) that is created, cleaved, active
 * or sharding and holds it. 1: found, 0: none, -errno. */
struct container_shard {
    struct str path; /* account/container */
    struct str timestamp;
};
int container_find_shard(struct db_broker *b, struct str object, struct container_shard *ret);

/* Another policy, and status_changed_at, if it differs. */
int container_set_policy(struct db_broker *b, int64_t policy, struct str timestamp);
int container_set_sync_points(struct db_broker *b, int64_t point1, int64_t point2);
/* What the account servers have confirmed. */
int container_set_reported(struct db_broker *b, const struct container_info *reported);

/* Appends the listing to the writer (between begin and end), while sharding from the older file. */
int container_list(struct db_broker *b, int64_t policy, const struct db_listing *q,
                   struct db_listing_writer *w);

#endif
