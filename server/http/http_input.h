/* SPDX-License-Identifier: Apache-2.0
 *
 * http_input.h: what comes in on one connection: a buffer that exists only while bytes are expected, and the
 * decoder that takes a body out of it. Both sides use it. Internal to http/.
 */
#ifndef HTTP_HTTP_INPUT_H
#define HTTP_HTTP_INPUT_H

#include "common/header.h"
#include "http/http_parse.h"

struct http_input {
    int fd;
    int64_t timeout_ms; /* for one wait */
    char *p;            /* the bytes p[from..to) are not used yet; NULL while there is no buffer */
    size_t from, to, cap;
    /* Instead of fd, where it is not NULL (tests): as rt_read. */
    ssize_t (*source)(struct http_input *in, void *p, size_t n);
    void *source_arg;
};

void http_input_init(struct http_input *in, int fd, int64_t timeout_ms);
void http_input_release(struct http_input *in); /* frees the buffer, and what is in it */
static inline size_t http_input_buffered(const struct http_input *in)
{
    return in->to - in->from;
}
static inline struct str http_input_view(const struct http_input *in)
{
    return in->p ? str_of(in->p + in->from, in->to - in->from) : STR("");
}
static inline void http_input_consume(struct http_input *in, size_t n)
{
    in->from += n;
    if (in->from == in->to)
        in->from = in->to = 0;
}
/* [waits] Reads more bytes behind those that are buffered: how many, 0 at the end of the stream, -errno, -E2BIG if max
 * bytes are buffered. Moves the bytes. */
ssize_t http_input_fill(struct http_input *in, size_t max, int64_t deadline);

/* Takes a parsed head off the buffer: copies it into the arena, once, makes head's words point there, and fills
 * *table, which is initialised, with its fields. */
void http_input_take_head(struct http_input *in, struct http_head *head, struct arena *arena,
                          struct header_table *table);

enum http_coding {
    HTTP_CODING_NONE, /* no body */
    HTTP_CODING_LENGTH,
    HTTP_CODING_CHUNKED,
    HTTP_CODING_CLOSE, /* up to the end of the connection */
};

enum http_chunk_state { HTTP_CHUNK_LINE, HTTP_CHUNK_DATA, HTTP_CHUNK_DATA_END, HTTP_CHUNK_TRAILER };

struct http_decoder {
    struct http_input *in;
    enum http_coding coding;
    enum http_chunk_state state;
    uint64_t length; /* as given */
    uint64_t left;   /* of the body, or of the chunk */
    size_t trailer_bytes;
    bool ended;
    int error; /* sticky */
};

void http_decoder_init(struct http_decoder *d, struct http_input *in, enum http_coding coding,
                       uint64_t length);
/* [waits] > 0, 0 at the end, -ETIMEDOUT, -ECONNRESET (ended too early), -EPROTO (bad chunk or trailer), -errno. Trailers are
 * checked and dropped. */
ssize_t http_decoder_read(struct http_decoder *d, void *p, size_t n);

#endif
