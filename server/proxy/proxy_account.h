/* SPDX-License-Identifier: Apache-2.0
 *
 * proxy_account.h: what the container controller needs of the account's.
 */
#ifndef PROXY_PROXY_ACCOUNT_H
#define PROXY_PROXY_ACCOUNT_H

#include "proxy/proxy.h"

/* [waits] Makes the account of the request on its servers. False: it could not be. */
bool proxy_autocreate_account(struct proxy_request *p);

#endif
