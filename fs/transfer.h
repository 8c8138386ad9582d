/* SPDX-License-Identifier: Apache-2.0
 *
 * transfer.h: one HTTP exchange, over kept connections (libcurl). Knows nothing of Swift.
 */
#ifndef FS_TRANSFER_H
#define FS_TRANSFER_H

#include "fs/store.h"

struct transfer_pool;
/* ca_file: certificates to trust instead of the system's, or NULL. */
struct transfer_pool *transfer_pool_new(const char *ca_file);
void transfer_pool_free(struct transfer_pool *pool); /* no exchange may be running */

struct transfer {
    /* the request */
    const char *method;
    const char *url;
    const struct header_table *headers; /* may be NULL */
    const struct store_source *source;  /* the body; NULL: none (PUT and POST then say Content-Length: 0) */
    const struct store_sink *sink;      /* gets the body of a 2xx answer; NULL: dropped */
    struct arena *arena;                /* for the answer's headers */
    /* the answer */
    int status;
    struct header_table reply;
    uint64_t sent, received; /* body bytes taken from the source, given to the sink */
    char message[256];       /* what went wrong with the connection, for people */
};

/* 0: a whole answer came, whatever its status. Else -ECONNREFUSED, -EHOSTUNREACH, -ETIMEDOUT, -ECONNRESET,
 * -EKEYREJECTED (the server's certificate), -ECANCELED, or what the source or sink returned. */
int transfer_run(struct transfer_pool *pool, struct transfer *t);

#endif
