/* SPDX-License-Identifier: Apache-2.0
 *
 * container_server.h: the container server (facts: database 11, 13): /device/partition/account/container[/object].
 */
#ifndef CONTAINER_CONTAINER_SERVER_H
#define CONTAINER_CONTAINER_SERVER_H

#include "base/servers.h"

/* Section [app:container-server]. */
server_new_fn container_server_new;

#endif
