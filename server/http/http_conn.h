/* SPDX-License-Identifier: Apache-2.0
 *
 * http_conn.h: one connection of a server. Internal to http/.
 *
 *   IDLE     no byte of a request is here; memory is given back after a second
 *   BUSY     from the first byte of a request to the last of its answer
 *   STOPPED  the server found it IDLE while stopping and has shut its receiving side: what had arrived by then is
 *            answered, nothing else
 *
 * Between IDLE and the other two a compare-and-swap decides, so that a request is either answered or, unread, left
 * to the client to repeat.
 */
#ifndef HTTP_HTTP_CONN_H
#define HTTP_HTTP_CONN_H

#include <stdatomic.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include "http/http_input.h"
#include "http/http_request.h"

/* More fields than this are refused whatever the options say: they are parsed into an array on the stack. */
#define HTTP_FIELDS_MAX 512

struct http_send;

struct http_conn_config {
    struct http_app *app;
    struct http_limits limits;
    size_t max_head;
    int64_t head_timeout_ms, client_timeout_ms, keepalive_timeout_ms;
    const char *server_name;
    atomic_bool *stopping;
};

/* NEW: no request has come yet; who has just connected is about to send one, so a stop gives it a moment. */
enum http_conn_state { HTTP_CONN_NEW, HTTP_CONN_IDLE, HTTP_CONN_BUSY, HTTP_CONN_STOPPED };

struct http_conn_body {
    struct http_body body;
    struct http_conn *conn;
};

struct http_conn {
    const struct http_conn_config *config;
    int fd;
    _Atomic(int) state; /* enum http_conn_state */
    bool served;        /* a request has come */
    bool last;          /* nothing is read behind the request in work */
    struct http_input in;
    struct arena *arena; /* NULL while idle for long */
    char peer[INET6_ADDRSTRLEN];
    char local[INET6_ADDRSTRLEN + 9];

    /* Of the request in work. */
    struct http_conn_body body;
    struct http_decoder decoder;
    struct header_table continue_fields;
    bool expects, continued;      /* the client waits for a 100; one was sent */
    bool body_read;               /* the handler has asked for bytes */
    const struct http_send *send; /* the answer under way, or NULL */
};

void http_conn_init(struct http_conn *c, const struct http_conn_config *config, int fd,
                    const struct sockaddr_storage *peer);
/* [waits] Until the connection has ended; does not close fd. */
void http_conn_serve(struct http_conn *c);
void http_conn_release(struct http_conn *c);

#endif
