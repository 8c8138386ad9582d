/* SPDX-License-Identifier: Apache-2.0
 *
 * object_updates.h: what an object server tells others after a change: the object's container, and the queue of objects to
 * expire (facts: object 19). All are sent at once; the request waits for them for a bounded time, so that a listing right
 * after a PUT shows it, and is then answered while they go on. What does not arrive becomes an async_pending file.
 */
#ifndef OBJECT_OBJECT_UPDATES_H
#define OBJECT_OBJECT_UPDATES_H

#include "base/backend.h"
#include "common/timestamp.h"
#include "http/http_client.h"

struct object_update_options {
    int64_t conn_timeout_ms, node_timeout_ms;
    int64_t update_timeout_ms;    /* how long a request waits: container_update_timeout */
    const char *expiring_account; /* ".expiring_objects" */
    int64_t expiring_divisor;     /* seconds that share a container of that account */
};

/* Shared by all requests of a server. */
struct object_updater;
struct object_updater *object_updater_new(const struct object_update_options *options,
                                          const struct hash_path_conf *hash);
/* [waits] until the updates under way have ended, each of which has its timeouts. The devices must still be there. */
void object_updater_free(struct object_updater *u);

/* What a request has to tell. Collect with object_updates_container() and _expirer(), then send once. */
struct object_updates;
struct object_updates *object_updates_new(struct object_updater *u, const struct http_request *req,
                                          const struct backend_path *path, const struct device *device,
                                          int policy_index);

/* To the object's container. Hosts and devices come from the request's X-Container-* fields; none without
 * X-Container-Partition. headers: X-Size and so on of the change; the rest is added. */
void object_updates_container(struct object_updates *o, struct str op, const struct header_table *headers);
/* To the expirer's queue: "PUT" or "DELETE" of the row for delete_at. A PUT goes where the request's X-Delete-At-* fields
 * say, and nowhere without X-Delete-At-Host; a DELETE becomes an async_pending file. Nothing with X-Backend-Replication. */
void object_updates_expirer(struct object_updates *o, struct str op, int64_t delete_at,
                            struct timestamp time);
/* [waits] Sends, waits, frees. Must be called once. */
void object_updates_send(struct object_updates *o);

/* Fields of an update that a PUT's headers or stored metadata override:
 * X-Backend-Container-Update-Override-<K>, then X-Object-Sysmeta-Container-Update-Override-<K>, replace X-<K>. */
void object_updates_override(struct header_table *headers, const struct header_table *from);
/* The container of the expirer's queue for this object and time, 10 digits. */
#define EXPIRER_CONTAINER_SIZE 24
const char *object_updates_expirer_container(const struct hash_path_conf *hash, int64_t divisor,
                                             int64_t delete_at, struct str account, struct str container,
                                             struct str object, char out[EXPIRER_CONTAINER_SIZE]);

#endif
