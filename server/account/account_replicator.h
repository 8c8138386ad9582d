/* SPDX-License-Identifier: Apache-2.0
 *
 * account_replicator.h: what REPLICATE does with accounts alone: see db/db_replicate.h.
 */
#ifndef ACCOUNT_ACCOUNT_REPLICATOR_H
#define ACCOUNT_ACCOUNT_REPLICATOR_H

#include "db/db_replicate.h"

extern const struct db_replica_ops account_replica_ops;

#endif
