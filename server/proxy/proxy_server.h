/* SPDX-License-Identifier: Apache-2.0
 *
 * proxy_server.h: the app at the end of a proxy's pipeline: requests of clients to the right account, container and object
 * servers, and one answer out of theirs.
 */
#ifndef PROXY_PROXY_SERVER_H
#define PROXY_PROXY_SERVER_H

#include "base/servers.h"

/* A server_new_fn; needs context->rings. Its free() waits for requests that go on in the background: call it in a task. */
int proxy_server_new(const struct server_context *context, struct http_app **ret, struct buf *error);

#endif
