/* SPDX-License-Identifier: Apache-2.0
 *
 * quarantine.h: what cannot be right is moved aside, so that replication brings a good copy (facts: object 10). Blocks.
 */
#ifndef OBJECT_QUARANTINE_H
#define OBJECT_QUARANTINE_H

#include "object/objects_dir.h"

/* Moves the folder of an object (or the file found in its place) to <device>/quarantined/objects[-N]/<hash>, with
 * "-<uuid>" where that is taken, and invalidates its suffix first. */
int quarantine_hash(const struct objects_dir *d, uint32_t part, const char *hash);
/* The same for a whole suffix folder that cannot be listed. */
int quarantine_suffix(const struct objects_dir *d, uint32_t part, const char *suffix);

#endif
