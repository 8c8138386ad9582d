/* SPDX-License-Identifier: Apache-2.0
 *
 * http_body.h: a body is a stream of bytes that whoever needs them pulls. Stages wrap one another (counted,
 * digested, limited); no stage holds a whole body. Request bodies, response bodies and the bodies that the
 * client sends and receives are all this one type, so that one can be handed on as another.
 */
#ifndef HTTP_HTTP_BODY_H
#define HTTP_HTTP_BODY_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/digest.h"

struct http_body;

struct http_body_ops {
    /* [waits] Up to n bytes into p: > 0, 0 at the end (and ever after), -errno (and ever after). */
    ssize_t (*read)(struct http_body *b, void *p, size_t n);
    /* Optional [waits]: the next bytes lie in a file and can be sent from the page cache without waiting for the
     * disk. 1: *ret_n > 0 bytes at *ret_offset of *ret_fd, now consumed; 0: use read; -errno. The descriptor
     * stays valid until the next call on the body. */
    int (*file_range)(struct http_body *b, size_t max, int *ret_fd, off_t *ret_offset, size_t *ret_n);
    /* Releases everything; also called when it was not read to the end. Optional. */
    void (*close)(struct http_body *b);
};

struct http_body {
    const struct http_body_ops *ops;
    int64_t length; /* bytes in all, -1 unknown. Fixed at creation: does not shrink with reading */
};

static inline ssize_t http_body_read(struct http_body *b, void *p, size_t n)
{
    return b->ops->read(b, p, n);
}
void http_body_close(struct http_body *b); /* NULL is fine */
/* Reads until n bytes are there or the body ends: bytes read, or -errno. */
ssize_t http_body_read_full(struct http_body *b, void *p, size_t n);
/* Reads to the end into out (-E2BIG past out->max). Does not close. */
int http_body_read_all(struct http_body *b, struct buf *out);
/* Reads and drops at most max bytes: 0 if the end was reached, -E2BIG if not, -errno. */
int http_body_drain(struct http_body *b, uint64_t max);
/* True if all that is left lies in memory: *ret is it, now consumed, and valid until close. */
bool http_body_view(struct http_body *b, struct str *ret);
/* The answer to a request whose body could not be read, from read's -errno: -ETIMEDOUT 408, -EFBIG 413, -EPROTO
 * (bad chunk) 400, else (the client went away) 499. */
int http_body_status(int err);

struct http_body *http_body_empty(void);                               /* shared, needs no close */
struct http_body *http_body_memory(struct arena *a, struct str bytes); /* bytes must outlive it */
/* Takes buf's bytes over (freed by close). */
struct http_body *http_body_buf(struct arena *a, struct buf *b);
/* Passes on at most `limit` bytes; one more gives -EFBIG. Closes inner. length is inner's. */
struct http_body *http_body_limited(struct arena *a, struct http_body *inner, uint64_t limit);
/* Counts into *count and feeds digest (either may be NULL) with what passes. Closes inner, not the digest. */
struct http_body *http_body_counted(struct arena *a, struct http_body *inner, uint64_t *count,
                                    struct digest *digest);
/* The bodies one after the other (multipart/byteranges, large objects). Closes each. length: given, or -1. */
struct http_body *http_body_chain(struct arena *a, struct http_body **parts, size_t n, int64_t length);

#endif
