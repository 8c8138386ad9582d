/* SPDX-License-Identifier: Apache-2.0
 *
 * http_send.h: writes one response to a connection. Internal to http/.
 *
 *   what the body knows          what goes out
 *   length, or a Content-Length  Content-Length; exactly so many bytes, or the connection is cut
 *   field beside a body without
 *   neither, HTTP/1.1            chunked; without the last chunk if the body fails
 *   neither, HTTP/1.0            up to the end of the connection; reset if the body fails
 *   no body, 204, 304            Content-Length: 0
 *   answer to HEAD               the Content-Length that GET would have, no bytes
 */
#ifndef HTTP_HTTP_SEND_H
#define HTTP_HTTP_SEND_H

#include "http/http_request.h"

struct http_send {
    int fd;
    int64_t timeout_ms;      /* for room for the next bytes */
    int minor_version;       /* of the request */
    bool head_only;          /* the request was HEAD */
    bool keep_alive;         /* the client named keep-alive: the answer does too, unless it closes */
    const char *server_name; /* or NULL */
    bool close;              /* in: close after this one. out: set where the framing asks for it as well */
    bool head_sent;          /* out: something may have been written */
    bool cut; /* out: the client must see a reset, for nothing else tells it that bytes are missing */
};

/* [waits] 0 if all was sent; else -errno: the connection is of no use any more. A body that fails before the head was
 * written becomes a 500. Closes rsp->body. */
int http_send_response(struct http_send *s, struct http_response *rsp);
/* [waits] A 1xx with these fields (may be NULL). */
int http_send_interim(int fd, int64_t timeout_ms, struct arena *arena, int status,
                      const struct header_table *fields);

/* "Tue, 14 Nov 2023 22:13:30 GMT", of this second. */
struct str http_date_now(void);

/* Room for text that is known to fit, and how heads are written on both sides: bytes that would end a line become
 * blanks; a field whose name is no token is left out. */
struct http_out {
    char *p, *at;
};
/* Most bytes that a field takes. */
static inline size_t http_out_field_size(const struct header *h)
{
    return h->name.n + h->value.n + 4;
}
void http_out_raw(struct http_out *o, struct str s);
void http_out_clean(struct http_out *o, struct str s);
void http_out_u64(struct http_out *o, uint64_t v);
void http_out_field(struct http_out *o, const struct header *h);
#define HTTP_U64_DIGITS 20

/* "1a2b\r\n", the line in front of a chunk. */
#define HTTP_CHUNK_LINE_SIZE 24
size_t http_chunk_line(char out[HTTP_CHUNK_LINE_SIZE], uint64_t size);

#endif
