/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_range.h: ranges of names that have containers of their own (facts: database 22.1): their JSON, and how they are stored.
 */
#ifndef CONTAINER_SHARD_RANGE_H
#define CONTAINER_SHARD_RANGE_H

#include <jansson.h>

#include "container/container_broker.h"

struct shard_range {
    struct str name;         /* account/container */
    struct str timestamp;    /* normal form, as all times here */
    struct str lower, upper; /* lower < name <= upper; empty: no bound */
    int64_t object_count, bytes_used;
    struct str meta_timestamp;
    bool deleted;
    int64_t state;
    struct str state_timestamp, epoch; /* epoch may be STR_NONE */
    bool reported;
    int64_t tombstones; /* -1: unknown */
};

/* A list of objects. 0, or -EINVAL with a sentence. */
int shard_range_parse(struct arena *a, const json_t *list, struct shard_range **ret, size_t *ret_n,
                      struct buf *error);
json_t *shard_range_json(const struct shard_range *r);

/* All rows of the database, deleted and own ones too, in the order upper, state, lower, name. */
int shard_range_read_all(struct db_broker *b, struct shard_range **ret, size_t *ret_n);
/* Merges by name, in one transaction. Changes the ranges. */
int shard_range_merge(struct db_broker *b, struct shard_range *ranges, size_t n);
/* Whether `item` brings anything new to `stored`; completes it from there. Pure: for tests. */
bool shard_range_merge_one(struct shard_range *item, const struct shard_range *stored);

#endif
