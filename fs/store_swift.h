/* SPDX-License-Identifier: Apache-2.0
 *
 * store_swift.h: store.h over the Swift API (facts: proxy 10-13, 15, 16). Renews the token once on 401;
 * repeats what did not get through (broken connection, 408, 429, 498, 5xx) up to STORE_SWIFT_ATTEMPTS times
 * with growing pauses, as long as no byte of a body was handed out. Everything it sends may be repeated: PUT,
 * POST and DELETE of Swift are idempotent.
 */
#ifndef FS_STORE_SWIFT_H
#define FS_STORE_SWIFT_H

#include "fs/auth.h"
#include "fs/store.h"

#define STORE_SWIFT_ATTEMPTS 6
/* After so long nothing is begun again: a server that hangs costs its time-outs (transfer.c) but twice. */
#define STORE_SWIFT_PATIENCE_MS 50000

/* Uses pool and auth, which must outlive it. Reads the limits from /info (Swift's defaults where there is
 * none). The token must have been got. */
struct store *store_swift_new(struct transfer_pool *pool, struct auth *auth);

#endif
