/* SPDX-License-Identifier: Apache-2.0
 *
 * json.h: writes JSON into a buf the way Python's json.dumps does (ASCII only, non-ASCII as \uXXXX pairs).
 * Reading is jansson's. Separators are the caller's.
 */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include "common/buf.h"

/* A quoted string. Bytes that are not UTF-8 become U+FFFD. (json_string would be jansson's.) */
void json_put_string(struct buf *b, struct str s);

#endif
