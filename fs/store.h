/* SPDX-License-Identifier: Apache-2.0
 *
 * store.h: what the file system needs of an object store, as a struct of functions. store_swift.c implements
 * it over HTTP, the unit tests in memory.
 *
 * All functions may be called from any thread at once and block until done. They return 0 or a negative
 * errno: -ENOENT, -EACCES, -ENOSPC, -EDQUOT, -EFBIG as the words say, -ESTALE where the object is no longer
 * the version asked for, -EEXIST where an exclusive write found an object, -EAGAIN where the store was busy
 * or the connection broke and repeating (already done within bounds) did not help.
 *
 * Metadata are header fields in Swift's spelling. For containers and the account the store itself turns
 * X-Object-Meta-* into X-Container-Meta-* or X-Account-Meta-* and back.
 */
#ifndef FS_STORE_H
#define FS_STORE_H

#include <stdatomic.h>
#include "common/header.h"
#include "fs/listing.h"

/* An object; without object name a container; without both the account. */
struct store_name {
    struct str container, object;
};

#define STORE_ETAG_SIZE 72

struct store_reply {
    struct header_table headers; /* lives in the arena given to the call */
    uint64_t size;               /* bytes of the whole object; bytes used of a container or account */
    char etag[STORE_ETAG_SIZE];  /* without quotes; "" if none came */
    bool large;                  /* made of segments: the etag is not the MD5 of the content */
    int64_t changed_us;          /* last change of content or metadata, since 1970; 0 if not told exactly */
    int64_t changed_limit_s;     /* not later than this second; 0 if not told */
    bool repeated;               /* took more than one attempt, so an earlier one may have been obeyed */
};

/* The body of a PUT. */
struct store_source {
    int64_t length;                                /* bytes, -1 if not known yet */
    ssize_t (*read)(void *arg, void *p, size_t n); /* bytes, 0 at the end, or a negative errno */
    int (*rewind)(void *arg);                      /* back to the start; NULL: cannot be repeated */
    void *arg;
    const atomic_bool *cancel; /* ends the transfer soon once true; may be NULL */
};

/* Where a GET's body goes. */
struct store_sink {
    int (*write)(void *arg, const void *p, size_t n); /* 0, or a negative errno which ends the transfer */
    void *arg;
    const atomic_bool *cancel; /* as above */
};

struct store_limits {
    uint64_t max_file_size;   /* bytes of one object */
    uint32_t max_object_name; /* bytes */
    uint32_t max_container_name;
};

struct store {
    struct store_limits limits;
    int (*head)(struct store *s, struct store_name name, struct arena *a, struct store_reply *ret);
    /* Bytes [from, from + length) of the version `etag` ("" or NULL: any); length > 0 and within the object. */
    int (*get)(struct store *s, struct store_name name, const char *etag, uint64_t from, uint64_t length,
               const struct store_sink *sink);
    /* headers: Content-Type and X-Object-Meta-*. exclusive: only where no object is (-EEXIST). An absent
     * source makes an empty object, or the container if there is no object name. */
    int (*put)(struct store *s, struct store_name name, const struct header_table *headers, bool exclusive,
               const struct store_source *source, struct arena *a, struct store_reply *ret);
    /* Replaces all metadata of an object (those of a container or account are merged). */
    int (*post)(struct store *s, struct store_name name, const struct header_table *headers, struct arena *a,
                struct store_reply *ret);
    /* Copies content and metadata on the server, as manifest if large. -EOPNOTSUPP: the server cannot, and
     * `to` may now be empty: write it. ret->etag is the copy's. (Swift applies If-None-Match to the source of
     * a copy, so there is no exclusive one.) */
    int (*copy)(struct store *s, struct store_name from, struct store_name to, struct arena *a,
                struct store_reply *ret);
    /* -ENOENT if there was nothing, -ENOTEMPTY for a container with objects. */
    int (*remove)(struct store *s, struct store_name name);
    /* One page after `marker`, appended to ret: objects below prefix, rolled up at delimiter (0: none), or
     * the containers if `container` is empty. limit 0: as many as the store gives at once. */
    int (*list)(struct store *s, struct str container, struct str prefix, char delimiter, struct str marker,
                uint32_t limit, struct listing *ret);
    void (*free)(struct store *s);
};

#endif
