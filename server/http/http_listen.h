/* SPDX-License-Identifier: Apache-2.0
 *
 * http_listen.h: listening sockets, accepting on every loop, graceful stop, and handing sockets over to a new
 * binary.
 *
 * The connection behind it (http_conn.c) is strict HTTP/1.1: Content-Length together with Transfer-Encoding, two
 * lengths that differ, a bad chunk, obs-fold, a blank before the colon, bare LF or CR, NUL, HTTP/1.1
 * without exactly one Host: 400 and close. Malformed requests are answered as nginx does where Swift says nothing.
 * Answers carry Date, and Content-Length or chunked by what the body knows.
 */
#ifndef HTTP_HTTP_LISTEN_H
#define HTTP_HTTP_LISTEN_H

#include "http/http_request.h"

struct http_server;

struct http_server_options {
    const char *bind_ip;          /* IPv4 or IPv6 literal; NULL: 0.0.0.0 */
    int port;                     /* 0: any free one */
    int backlog;                  /* 0: 4096 */
    unsigned max_connections;     /* 0: 65536. One more waits in the backlog */
    int64_t head_timeout_ms;      /* for a whole request head once it began; 0: 60 s */
    int64_t client_timeout_ms;    /* for the next bytes of a body, or room for ours; 0: 60 s */
    int64_t keepalive_timeout_ms; /* idle between requests; 0: 75 s */
    size_t max_request_line;      /* 0: 8192 */
    size_t max_header_line;       /* 0: 8192 */
    size_t max_headers;           /* fields, at most 512; 0: 201 */
    size_t max_head;              /* all of the head; 0: 256 KiB */
    const char *server_name;      /* Server field; NULL: none */
    struct http_app *app;
};

/* Inside a task. Binds (or takes over the descriptor inherited for this address, see below) and accepts on all
 * loops. 0, or -errno with a sentence that names address and port. */
int http_server_start(const struct http_server_options *options, struct http_server **ret, struct buf *error);
int http_server_port(const struct http_server *s);
int http_server_fd(const struct http_server *s);
/* [waits] Stops accepting, lets requests in flight end (idle connections close at once, new ones have a second for their first request; the others get
 * "Connection: close"), at most grace_ms, then cuts the rest. The number cut. Handlers notice a cut when they next
 * read or write; stop waits a second more for them. Where http_server_connections() is not 0 then, the app is still in
 * use. */
unsigned http_server_stop(struct http_server *s, int64_t grace_ms);
void http_server_free(struct http_server *s);
unsigned http_server_connections(const struct http_server *s);

/* Hand-over: MARTLET_LISTEN_FDS = "ip:port=fd,ip:port=fd" in the environment of the new process. export writes
 * the variable and clears close-on-exec for the servers given; before an exec only. */
int http_server_export(struct http_server *const *servers, size_t n);

#endif
