/* SPDX-License-Identifier: Apache-2.0
 *
 * proxy_get.h: GET and HEAD: one server after the other until one has what is asked for (facts: proxy 29). An object's body
 * whose server dies goes on from another replica, at the byte where it stopped, if that has the same ETag and size.
 */
#ifndef PROXY_PROXY_GET_H
#define PROXY_PROXY_GET_H

#include "proxy/proxy.h"

/* [waits] Fills p->rsp. The query goes to the servers as it stands in p->req; ring must live as long as the request. */
void proxy_get(struct proxy_request *p, const struct ring *ring, uint32_t part);

#endif
