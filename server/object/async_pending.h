/* SPDX-License-Identifier: Apache-2.0
 *
 * async_pending.h: container updates that could not be delivered, kept on the object's disk for the object-updater (facts:
 * object 20). Blocks.
 *
 *     <device>/async_pending[-N]/<last three of hash>/<hash of a/c/o>-<timestamp>
 */
#ifndef OBJECT_ASYNC_PENDING_H
#define OBJECT_ASYNC_PENDING_H

#include "common/header.h"
#include "common/timestamp.h"
#include "ring/hash_path.h"

struct async_pending {
    struct str op;                         /* "PUT" or "DELETE" */
    struct str account, container, object; /* UTF-8 */
    const struct header_table *headers;    /* of the update: bytes of the wire */
    struct str container_path;             /* "account/container" of a shard; STR_NONE */
    struct str db_state;                   /* X-Container-Root-Db-State; STR_NONE */
    struct timestamp time;                 /* X-Meta-Timestamp or X-Timestamp of the update */
};

#define ASYNC_PENDING_MAX ((size_t)1 << 20)

void async_pending_encode(const struct async_pending *u, struct arena *a, struct buf *out);
/* Writes the file, durable when it returns 0. policy_index: the object's. */
int async_pending_write(const struct async_pending *u, const char *device_path, int policy_index,
                        const struct hash_path_conf *conf);

#endif
