/* SPDX-License-Identifier: Apache-2.0
 *
 * http_parse.h: pure parsers: bytes in, positions out; no allocation, no I/O. "Incomplete" is not "wrong".
 */
#ifndef HTTP_HTTP_PARSE_H
#define HTTP_HTTP_PARSE_H

#include "common/str.h"

enum http_parse_result {
    HTTP_PARSE_INCOMPLETE = 0, /* more bytes may make it right */
    HTTP_PARSE_OK = 1,
    HTTP_PARSE_BAD = -1,             /* 400 */
    HTTP_PARSE_LINE_TOO_LONG = -2,   /* request line: 414 */
    HTTP_PARSE_HEADER_TOO_LONG = -3, /* a field line: 400 */
    HTTP_PARSE_TOO_MANY = -4,        /* fields: 431 */
    HTTP_PARSE_VERSION = -5,         /* HTTP/2.0 and the like: 505 */
};

struct http_field {
    struct str name, value; /* value without blanks at its ends */
};

struct http_limits {
    size_t max_line, max_field_line, max_fields;
};

struct http_head {
    struct str method,
        target; /* of a request: upper-case letters, '-' and '_'; target: no blank, no control */
    int status; /* of a response */
    struct str reason;
    int minor_version;         /* 0 or 1; a later 1.x counts as 1 */
    struct http_field *fields; /* the caller's array of at least limits->max_fields */
    size_t n_fields;
    size_t bytes; /* of the whole head, empty line included */
};

/* p[0..n) from the start of a message; `seen` bytes were there at the last, incomplete, try (0 at first), which saves
 * scanning them again. Leading CRLFs before a request line are skipped, as RFC 9112 2.2 asks. */
enum http_parse_result http_parse_request(const char *p, size_t n, size_t seen,
                                          const struct http_limits *limits, struct http_head *ret);
enum http_parse_result http_parse_response(const char *p, size_t n, size_t seen,
                                           const struct http_limits *limits, struct http_head *ret);

/* How a message is framed, from its fields. */
struct http_framing {
    bool chunked;
    bool has_length;
    uint64_t length;
    bool unsupported_coding; /* Transfer-Encoding other than exactly "chunked": 501 */
    bool keep_alive, close;  /* Connection options present */
    bool expect_continue;    /* HTTP/1.1 only */
};
/* BAD for contradictions: both length and coding, either of them twice (even if equal, as nginx), a length that is
 * no number or over 2^62, a coding in HTTP/1.0. */
enum http_parse_result http_parse_framing(const struct http_head *head, struct http_framing *ret);

/* "hex[;ext]\r\n" at p: OK with the size and the bytes of the line. Lines over 4096 bytes, bare LF, sizes over 2^62 are BAD. */
enum http_parse_result http_parse_chunk_line(const char *p, size_t n, uint64_t *ret_size, size_t *ret_bytes);

/* One line of a trailer section. OK with ret->name.n == 0 at the empty line that ends it. */
enum http_parse_result http_parse_trailer_line(const char *p, size_t n, size_t max_line,
                                               struct http_field *ret, size_t *ret_bytes);

#endif
