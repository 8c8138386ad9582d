/* SPDX-License-Identifier: Apache-2.0
 *
 * swift_conf.h: what swift.conf says: the hash's secrets, the limits and the storage policies. Loaded once, then
 * read-only, shared by every service of the process.
 */
#ifndef BASE_SWIFT_CONF_H
#define BASE_SWIFT_CONF_H

#include "base/constraints.h"
#include "base/policy.h"
#include "ring/hash_path.h"

struct swift_conf {
    char *swift_dir; /* "/etc/swift" */
    struct hash_path_conf hash;
    struct constraints constraints;
    struct policies policies;
};

/* Reads SWIFT_DIR/swift.conf. 0, or -errno with a sentence that names file, section and option. */
int swift_conf_load(const char *swift_dir, struct swift_conf **ret, struct buf *error);
void swift_conf_free(struct swift_conf *c);

#endif
