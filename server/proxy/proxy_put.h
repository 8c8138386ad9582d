/* SPDX-License-Identifier: Apache-2.0
 *
 * proxy_put.h: the body of a PUT to all replicas at once (facts: proxy 29).
 */
#ifndef PROXY_PROXY_PUT_H
#define PROXY_PROXY_PUT_H

#include "common/timestamp.h"
#include "proxy/proxy.h"

struct proxy_put {
    const struct ring *ring;
    uint32_t part;
    const struct header_table *headers; /* one per replica */
    size_t n;                           /* replicas */
    struct timestamp timestamp;         /* of the request */
};

/* [waits] Reads p->req->body and fills p->rsp. */
void proxy_put(struct proxy_request *p, const struct proxy_put *put);

#endif
