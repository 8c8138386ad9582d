/* SPDX-License-Identifier: Apache-2.0
 *
 * rings.h: the rings of a swift_dir: account, container, and one of objects per policy.
 */
#ifndef BASE_RINGS_H
#define BASE_RINGS_H

#include "base/swift_conf.h"
#include "ring/ring.h"

struct rings;

/* Opens all rings at once: an unreadable one is an error that names it. */
int rings_open(const struct swift_conf *conf, struct rings **ret, struct buf *error);
void rings_free(struct rings *r);
/* A reference, for the caller to ring_unref(). Never NULL for a configured policy. */
const struct ring *rings_account(struct rings *r);
const struct ring *rings_container(struct rings *r);
const struct ring *rings_object(struct rings *r, const struct policy *policy);
/* [waits] Keeps the rings current: run in a task of its own, looks every 15 s, logs what it cannot read, until
 * cancelled. */
void rings_watch(void *rings);

#endif
