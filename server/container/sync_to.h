/* SPDX-License-Identifier: Apache-2.0
 *
 * sync_to.h: which values of X-Container-Sync-To are accepted (facts: database 20): //realm/cluster/account/container with
 * realm and cluster of container-sync-realms.conf, or a URL whose host is in allowed_sync_hosts.
 */
#ifndef CONTAINER_SYNC_TO_H
#define CONTAINER_SYNC_TO_H

#include "common/conf.h"

struct sync_to_rules {
    char *allowed_hosts; /* comma list */
    char *realms_path;   /* read at each use: an operator may change it */
};

/* Option allowed_sync_hosts ("127.0.0.1") of a section. */
int sync_to_rules_read(struct conf *conf, const char *section, const char *swift_dir,
                       struct sync_to_rules *ret, struct buf *error);
void sync_to_rules_free(struct sync_to_rules *r);
/* True, or false with the text of the 400 answer. An empty value (no sync any more) is fine. */
bool sync_to_check(const struct sync_to_rules *r, struct str value, struct buf *error);

#endif
