/* SPDX-License-Identifier: Apache-2.0
 *
 * account_broker.h: the database of an account: one row per container (facts: database 6). On top of db_broker.h, whose rules
 * on threads and errors hold here too.
 */
#ifndef ACCOUNT_ACCOUNT_BROKER_H
#define ACCOUNT_ACCOUNT_BROKER_H

#include "db/db_broker.h"
#include "db/db_listing.h"

extern const struct db_kind account_broker_kind;

struct account_row {
    struct str name, put_timestamp,
        delete_timestamp; /* STR_NONE: null. Timestamps pass through as they are: they are hashed */
    int64_t object_count, bytes_used;
    bool count_null, bytes_null;
    bool deleted;
    int64_t policy;
    int64_t rowid; /* in the database it comes from; with a source only */
};

/* Merges rows in order, in one transaction: the newer timestamps, but the item's own counts, win; each row gets a new ROWID.
 * source: id of the peer they come from, or STR_NONE. Changes the rows. */
int account_merge_rows(struct db_broker *b, struct account_row *rows, size_t n, struct str source);
/* A container's row, deferred. Sets row->deleted. -EINVAL: a timestamp is none. */
int account_put_row(struct db_broker *b, struct account_row *row);

struct account_policy_stat {
    int64_t policy, container_count, object_count, bytes_used;
};
struct account_info {
    struct str account, created_at, put_timestamp, delete_timestamp, status, status_changed_at, hash, id;
    int64_t container_count, object_count, bytes_used;
    bool deleted;        /* 404 */
    bool status_deleted; /* X-Account-Status: Deleted */
    struct account_policy_stat *policies;
    size_t n_policies;
};
/* After merging deferred rows. */
int account_info_read(struct db_broker *b, struct account_info *ret);

/* info.deleted alone, and deferred rows are only merged where they matter. */
int account_is_deleted(struct db_broker *b, bool *ret);

/* Appends the listing to the writer (between begin and end). */
int account_list(struct db_broker *b, const struct db_listing *q, struct db_listing_writer *w);

#endif
