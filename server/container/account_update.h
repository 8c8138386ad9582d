/* SPDX-License-Identifier: Apache-2.0
 *
 * account_update.h: tells account servers about a container (facts: database 15).
 */
#ifndef CONTAINER_ACCOUNT_UPDATE_H
#define CONTAINER_ACCOUNT_UPDATE_H

#include "container/container_broker.h"
#include "http/http_client.h"
#include "http/http_request.h"

struct account_update_timeouts {
    int64_t connect_ms, node_ms;
};

/* [waits] One PUT /device/partition/account/container. The status, or -errno. */
int account_update_send(struct http_client *client, const struct account_update_timeouts *timeouts,
                        struct arena *arena, struct str host, int port, struct str device,
                        struct str partition, const struct container_info *info,
                        const struct header_table *more);

/* [waits] The PUTs that a container PUT or DELETE asks for in X-Account-Host, -Device, -Partition, one after the other;
 * failures are logged. 0: go on; 404: all account servers said so; 400: the fields do not fit together. */
int account_update_from_request(struct http_client *client, const struct account_update_timeouts *timeouts,
                                const struct http_request *req, const struct container_info *info);

#endif
