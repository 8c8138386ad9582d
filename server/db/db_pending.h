/* SPDX-License-Identifier: Apache-2.0
 *
 * db_pending.h: the text of a .pending file: rows that were accepted but are not yet in the database (facts: database 4).
 * Each is ':' and the base64 of a pickled tuple. Bytes only: no files here.
 */
#ifndef DB_DB_PENDING_H
#define DB_DB_PENDING_H

#include "common/pickle.h"

/* A row is deferred while the file is at most this long. */
#define DB_PENDING_CAP 131072

struct db_pending {
    struct pickle_value **v; /* tuples, in the order of the file */
    size_t n, cap;
    size_t bad; /* records that were no base64 of one tuple */
};

/* Appends the rows of a file's text to *ret (zeroed at first); values live in the arena. Never fails: a bad record, such as the
 * end of a file whose writer was killed, is only counted. */
void db_pending_parse(struct arena *a, struct str text, struct db_pending *ret);
/* Appends one pickle the way it stands in the file. */
void db_pending_encode(struct buf *out, struct str pickle);
/* Appends the tuple of one pickle, as it comes from the caller. 0 or -EINVAL. */
int db_pending_add(struct arena *a, struct str pickle, struct db_pending *p);

/* Fields of a tuple; one that is missing, None or of another type gives STR_NONE or the fallback. Numbers may be
 * text (an account row through Python holds "3"). *ret_null (may be NULL): the field is missing or None. */
struct str db_pending_text(const struct pickle_value *tuple, size_t i);
int64_t db_pending_int(const struct pickle_value *tuple, size_t i, int64_t fallback, bool *ret_null);

#endif
