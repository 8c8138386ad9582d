/* SPDX-License-Identifier: Apache-2.0
 *
 * db_metadata.h: the metadata column of account_stat and container_info (facts: database 8):
 *
 *     {"X-Container-Meta-Color": ["red", "1700000010.00000"], ...}
 *
 * A deleted key stays as ["", timestamp] until it is reclaimed. Text only: no database here.
 */
#ifndef DB_DB_METADATA_H
#define DB_DB_METADATA_H

#include "base/constraints.h"
#include "common/arena.h"
#include "common/buf.h"

struct db_metadata_item {
    struct str key, value, timestamp; /* key as stored: title case, byte by byte */
};
struct db_metadata {
    struct db_metadata_item *v; /* in the order stored */
    size_t n, cap;
    struct arena *arena; /* items and strings */
};

void db_metadata_init(struct db_metadata *m, struct arena *a);
/* From the column's text; empty text is no metadata. -EINVAL: not a JSON object of pairs of strings. */
int db_metadata_parse(struct arena *a, struct str json, struct db_metadata *ret);
/* As Python's json.dumps writes it. */
void db_metadata_write(const struct db_metadata *m, struct buf *out);

/* Appends or replaces without comparing times; keeps the pointers. */
void db_metadata_set(struct db_metadata *m, struct str key, struct str value, struct str timestamp);
const struct db_metadata_item *db_metadata_find(const struct db_metadata *m, struct str key);
/* Takes over each item that is new or whose timestamp is greater, as text. True if anything changed. */
bool db_metadata_merge(struct db_metadata *m, const struct db_metadata *updates);
/* Drops empty values older than the text `age`. True if anything went. */
bool db_metadata_reclaim(struct db_metadata *m, struct str age);
/* Count and size of user metadata, UTF-8 everywhere. 0, or -EINVAL with the text of the 400 answer. */
int db_metadata_validate(const struct db_metadata *m, const struct constraints *limits, struct buf *error);

#endif
