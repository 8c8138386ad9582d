/* SPDX-License-Identifier: Apache-2.0
 *
 * container_replicator.h: what REPLICATE does with containers alone: policies, shard ranges (db/db_replicate.h has the rest).
 */
#ifndef CONTAINER_CONTAINER_REPLICATOR_H
#define CONTAINER_CONTAINER_REPLICATOR_H

#include "db/db_replicate.h"

extern const struct db_replica_ops container_replica_ops;

/* What decides between two policies of one container (facts: database 10). Texts compare as they are. */
struct container_policy_claim {
    struct str put_timestamp, delete_timestamp, status_changed_at;
    int64_t count; /* live objects */
};
/* True if the remote's policy is the right one of two that differ. */
bool container_policy_prefers_remote(const struct container_policy_claim *local,
                                     const struct container_policy_claim *remote);

#endif
