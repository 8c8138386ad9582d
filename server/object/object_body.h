/* SPDX-License-Identifier: Apache-2.0
 *
 * object_body.h: the bytes of an open object as a response body, without ever waiting for the disk on the event loop: a stretch
 * is sent from the page cache (sendfile) once it is known to be there, and fetched on a thread of the disk if it is not.
 */
#ifndef OBJECT_OBJECT_BODY_H
#define OBJECT_OBJECT_BODY_H

#include "object/diskfile.h"

struct object_source {
    const struct diskfile *file; /* to quarantine on EIO and on a file that turns out too short */
    struct rt_pool *pool;
    struct str txn;
    int fd;
    bool drop_cache; /* what had to be fetched from the disk is dropped again once it is sent */
};

/* Bytes start .. end (both included) of the source, which must outlive the body. */
struct http_body *object_body_new(struct arena *a, struct object_source *source, uint64_t start,
                                  uint64_t end);
/* The first n bytes into p if all of them are in the page cache: true. Never waits. */
bool object_body_read_now(int fd, void *p, size_t n);

#endif
