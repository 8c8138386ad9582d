/* SPDX-License-Identifier: Apache-2.0
 *
 * container_updater.h: brings the numbers of containers to their accounts (facts: database 15).
 *
 * Object rows change a container, not its account. This service walks the container databases of all devices and tells
 * the account servers about each one whose numbers or times differ from what they last confirmed.
 */
#ifndef CONTAINER_CONTAINER_UPDATER_H
#define CONTAINER_CONTAINER_UPDATER_H

#include "base/servers.h"

/* [waits] Section [container-updater] (interval, containers_per_second, node_timeout, conn_timeout,
 * account_suppression_time, devices, mount_check). One pass, or passes until the task is cancelled. 0, or -errno if
 * the options are wrong; single failures are logged. */
int container_updater_run(const struct server_context *context, bool once);

#endif
