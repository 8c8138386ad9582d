/* SPDX-License-Identifier: Apache-2.0
 *
 * account_server.h: the account server (facts: database 11, 12): /device/partition/account[/container].
 */
#ifndef ACCOUNT_ACCOUNT_SERVER_H
#define ACCOUNT_ACCOUNT_SERVER_H

#include "base/servers.h"

/* Section [app:account-server]. */
server_new_fn account_server_new;

#endif
