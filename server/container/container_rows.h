/* SPDX-License-Identifier: Apache-2.0
 *
 * container_rows.h: what container_broker.c needs of container_rows.c; the rest is in container_broker.h.
 */
#ifndef CONTAINER_CONTAINER_ROWS_H
#define CONTAINER_CONTAINER_ROWS_H

#include "db/db_broker.h"

/* struct db_kind merge_pending. */
int container_merge_pending(struct db_broker *b, const struct db_pending *pending);

#endif
