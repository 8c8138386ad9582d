/* SPDX-License-Identifier: Apache-2.0
 *
 * db_listing.h: which rows and which common beginnings ("subdirs") a listing shows (facts: database 14.2).
 *
 * Names compare as bytes. One walk over the index (deleted, name): names under a subdir that was shown are stepped
 * over, or jumped over with a new search once there are several, so that the cost follows the entries shown and not
 * the rows in the table.
 */
#ifndef DB_DB_LISTING_H
#define DB_DB_LISTING_H

#include "base/listing_type.h"
#include "db/db_broker.h"

struct db_listing {
    int64_t limit;
    struct str marker,
        end_marker;       /* both exclusive; empty: none. In the order of the listing: reverse swaps them */
    struct str prefix;    /* only names that start with it */
    struct str delimiter; /* any length; empty: no folding */
    struct str path;      /* p != NULL: replaces prefix and delimiter; names directly below this path */
    bool reverse;
    bool allow_reserved; /* names that start with NUL too */
};

/* How entries are taken up; called in the order of the listing, at most `limit` times in all. */
struct db_listing_sink {
    void (*row)(void *arg, struct str name, sqlite3_stmt *stmt); /* columns from 1 on: those asked for */
    void (*subdir)(void *arg, struct str name);
    void *arg;
};

/* Walks live rows of the kind's table. columns: SQL, such as "created_at, size". policy < 0: rows of any policy. */
int db_list(struct db_broker *b, const char *columns, int64_t policy, const struct db_listing *q,
            const struct db_listing_sink *sink);

/* Reads the parameters of a request: marker, end_marker, prefix, delimiter, reverse, limit and with_path: path. False: rsp
 * has the 400 or 412. */
bool db_listing_from_request(const struct http_request *req, int64_t max_limit, bool with_path,
                             struct db_listing *ret, struct http_response *rsp);

/* --- writing -------------------------------------------------------------------------------------------------------- */

struct db_listing_writer {
    enum listing_type type;
    const char *root; /* "account" or "container": the XML element */
    struct buf *out;
    size_t n; /* entries so far */
};
#define DB_LISTING_MAX_BYTES (256u << 20)

void db_listing_begin(struct db_listing_writer *w, enum listing_type type, const char *root, struct str name,
                      struct buf *out);
void db_listing_container(struct db_listing_writer *w, struct str name, int64_t count, int64_t bytes,
                          struct str put_timestamp);
/* modified: the time shown. */
void db_listing_object(struct db_listing_writer *w, struct str name, struct str hash, int64_t bytes,
                       struct str content_type, struct timestamp modified);
void db_listing_subdir(struct db_listing_writer *w, struct str name);
void db_listing_end(struct db_listing_writer *w);

#endif
