/* SPDX-License-Identifier: Apache-2.0
 *
 * db_chexor.h: the rolling hash over the rows of an account or container database, as the SQL function that the
 * triggers of both schemas call (facts: database 9).
 *
 *     hash = hash XOR MD5(name "-" text)
 *
 * Insert and delete are the same operation, so that the hash depends on the set of rows only, not on their order.
 */
#ifndef DB_DB_CHEXOR_H
#define DB_DB_CHEXOR_H

#include <sqlite3.h>
#include "common/str.h"

#define DB_HASH_ZERO "00000000000000000000000000000000"
#define DB_HASH_SIZE 33

/* old: 32 hex digits. text absent (p == NULL) counts as "None". 0, or -EINVAL if old is no hash. */
int db_chexor(struct str old, struct str name, struct str text, char out[DB_HASH_SIZE]);
/* Makes chexor(hash, name, text) known to a connection. An SQLite code. */
int db_chexor_register(sqlite3 *conn);

#endif
