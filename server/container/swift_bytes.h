/* SPDX-License-Identifier: Apache-2.0
 *
 * swift_bytes.h: the content-type column of an object row may carry the size of a large object's segments:
 * "text/plain;swift_bytes=1048576" (facts: database 7.3).
 */
#ifndef CONTAINER_SWIFT_BYTES_H
#define CONTAINER_SWIFT_BYTES_H

#include "common/arena.h"

/* The content type without swift_bytes, its parameters re-joined the reference's way (";k=v", cut where a value stops being a
 * token), and the value of the last swift_bytes, STR_NONE if there is none. Text without ';' comes back as it is. */
struct str swift_bytes_split(struct arena *a, struct str content_type, struct str *ret_bytes);
/* content_type;swift_bytes=N; unchanged where bytes is absent or empty. */
struct str swift_bytes_join(struct arena *a, struct str content_type, struct str bytes);

#endif
