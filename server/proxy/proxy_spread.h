/* SPDX-License-Identifier: Apache-2.0
 *
 * proxy_spread.h: a change that all replicas have to learn: the same request to as many servers at once, handoffs in place
 * of those that fail, and one answer out of all. Servers that have not answered post_quorum_timeout after the quorum are
 * left to finish in the background.
 */
#ifndef PROXY_PROXY_SPREAD_H
#define PROXY_PROXY_SPREAD_H

#include "proxy/proxy.h"

struct proxy_spread {
    struct str method, path; /* path encoded: "/account/container" */
    enum proxy_type type;    /* of the servers */
    const struct ring *ring;
    uint32_t part;
    const struct header_table *headers; /* one per request */
    size_t n;
    int override_from, override_to; /* read an answer as another where there is no quorum; 0: no */
};

/* [waits] Fills rsp; 503 where there is no quorum. The spread and what it points to may go when this returns. */
void proxy_spread(struct proxy_request *p, const struct proxy_spread *spread, struct http_response *rsp);

#endif
