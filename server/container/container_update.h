/* SPDX-License-Identifier: Apache-2.0
 *
 * container_update.h: the body of UPDATE (facts: database 13): a JSON list of rows.
 */
#ifndef CONTAINER_CONTAINER_UPDATE_H
#define CONTAINER_CONTAINER_UPDATE_H

#include <jansson.h>

#include "container/container_broker.h"

#define CONTAINER_UPDATE_MAX_BYTES (64u << 20)

/* Objects with name, created_at, size, content_type, etag, deleted, and optional storage_policy_index, ctype_timestamp,
 * meta_timestamp, ROWID. 0, or -EINVAL with the text of a 400. */
int container_update_parse(struct arena *a, struct str json, struct object_row **ret, size_t *ret_n,
                           struct buf *error);

/* The same from a parsed list; -EINVAL: not such a list. */
int container_update_rows(struct arena *a, const json_t *list, struct object_row **ret, size_t *ret_n);

#endif
