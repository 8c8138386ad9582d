/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_listing.h: which shard ranges a GET with X-Backend-Record-Type: shard answers with (facts: database 22.3).
 */
#ifndef CONTAINER_SHARD_LISTING_H
#define CONTAINER_SHARD_LISTING_H

#include "container/shard_range.h"

struct shard_query {
    struct str marker, end_marker; /* ranges that reach between them; reverse swaps them; empty: none */
    struct str includes; /* p != NULL: the one best range that holds this name; nothing holds the empty one */
    bool reverse;
    uint32_t states; /* bit state / 10; 0: any */
    bool include_deleted;
    bool include_own;
    bool fill_gaps; /* where the ranges end early, the container itself stands for the rest */
};

/* "listing", "updating", "auditing", names and numbers, separated by commas: sets states, include_own and fill_gaps. False: one is none
 * of these. */
bool shard_query_states(struct shard_query *q, struct str text);

/* In the arena of the broker. info: of the container, read before. */
int shard_listing(struct db_broker *b, const struct container_info *info, const struct shard_query *q,
                  struct shard_range **ret, size_t *ret_n);

#endif
