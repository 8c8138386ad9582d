/* SPDX-License-Identifier: Apache-2.0
 *
 * servers.h: how the program gets a service: each server module has one function of this type.
 *
 *   account/account_server.h      account_server_new
 *   container/container_server.h  container_server_new
 *   object/object_server.h        object_server_new
 *   proxy/proxy_server.h          proxy_server_new
 */
#ifndef BASE_SERVERS_H
#define BASE_SERVERS_H

#include "base/rings.h"

struct server_context {
    struct conf *conf;   /* the service's file, e.g. object-server.conf */
    const char *section; /* "app:object-server" */
    const struct swift_conf *swift;
    struct rings *rings; /* the proxy's and daemons'; NULL for account, container, object servers */
};

/* Makes the app from its section. Runs inside a task. 0, or -errno with a sentence. The context's parts outlive the app. */
typedef int server_new_fn(const struct server_context *context, struct http_app **ret, struct buf *error);

#endif
