/* SPDX-License-Identifier: Apache-2.0
 *
 * object_server.h: Swift's object server: PUT GET HEAD POST DELETE and REPLICATE on /device/partition/a/c/o (facts: object
 * 13-18, 21), for replicated policies. What a request asks for that is not served is refused: bodies with MIME footers or two
 * phases with 400, erasure-coded policies with 503, SSYNC with 405.
 */
#ifndef OBJECT_OBJECT_SERVER_H
#define OBJECT_OBJECT_SERVER_H

#include "base/servers.h"

server_new_fn object_server_new;

#endif
