/* SPDX-License-Identifier: Apache-2.0
 *
 * http_conn.c: see http_conn.h. One task runs http_conn_serve(): wait, read a head, call the app, send its answer, and
 * deal with what the handler left unread of the request's body:
 *
 *   the client still waits for "100 Continue"   close: whether it will send the body cannot be known
 *   at most DRAIN_MAX bytes                     read and dropped, the connection goes on
 *   more, or an error                           close
 *
 * A connection with unread bytes is closed in two steps, since close() alone would send a reset that can overtake the
 * answer: first our side, then, when the client has closed or after LINGER_MS, the rest.
 */
#include "http/http_conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include "common/clock.h"
#include "http/http_send.h"
#include "rt/rt.h"

#define WARM_MS        1000 /* so long an idle connection keeps its memory */
#define DRAIN_MAX      ((uint64_t)256 * 1024)
#define LINGER_MS      30000
#define LINGER_IDLE_MS 5000

static const char idle_label[] = "http connection";

/* --- set up ------------------------------------------------------------------------------------------------ */

static void address_text(const struct sockaddr_storage *addr, char ip[INET6_ADDRSTRLEN], int *ret_port)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)addr;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)addr;
    ip[0] = '\0';
    *ret_port = 0;
    if (addr->ss_family == AF_INET) {
        inet_ntop(AF_INET, &v4->sin_addr, ip, INET6_ADDRSTRLEN);
        *ret_port = ntohs(v4->sin_port);
    } else if (addr->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], ip, INET6_ADDRSTRLEN);
        *ret_port = ntohs(v6->sin6_port);
    } else if (addr->ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &v6->sin6_addr, ip, INET6_ADDRSTRLEN);
        *ret_port = ntohs(v6->sin6_port);
    }
}

void http_conn_init(struct http_conn *c, const struct http_conn_config *config, int fd,
                    const struct sockaddr_storage *peer)
{
    struct sockaddr_storage local = {0};
    socklen_t len = sizeof local;
    char ip[INET6_ADDRSTRLEN];
    int port;
    *c = (struct http_conn){.config = config, .fd = fd};
    atomic_init(&c->state, HTTP_CONN_IDLE);
    http_input_init(&c->in, fd, config->client_timeout_ms);
    address_text(peer, c->peer, &port);
    if (getsockname(fd, (struct sockaddr *)&local, &len) == 0) {
        address_text(&local, ip, &port);
        snprintf(c->local, sizeof c->local, strchr(ip, ':') ? "[%s]:%d" : "%s:%d", ip, port);
    }
}

static void release_memory(struct http_conn *c)
{
    http_input_release(&c->in);
    arena_free(c->arena);
    c->arena = NULL;
}

void http_conn_release(struct http_conn *c)
{
    release_memory(c);
}

/* --- request body ------------------------------------------------------------------------------------------ */

static int send_continue(struct http_conn *c, const struct header_table *fields)
{
    c->continued = true;
    return http_send_interim(c->fd, c->config->client_timeout_ms, c->arena, 100, fields);
}

/* Nothing but the answer may follow once its head may have gone out. */
static bool answered(const struct http_conn *c)
{
    return c->send && c->send->head_sent;
}

static ssize_t conn_body_read(struct http_body *b, void *p, size_t n)
{
    struct http_conn *c = ((struct http_conn_body *)b)->conn;
    c->body_read = true;
    if (c->expects && !c->continued && !answered(c) && !c->decoder.ended && !c->decoder.error) {
        int r = send_continue(c, &c->continue_fields);
        if (r < 0)
            return c->decoder.error = r;
    }
    return http_decoder_read(&c->decoder, p, n);
}

static const struct http_body_ops conn_body_ops = {.read = conn_body_read};

int http_request_continue(struct http_request *req, const struct header_table *extra)
{
    struct http_conn *c = req->conn;
    if (!c)
        return 0; /* inside the process nobody waits for it */
    if (!c->body_read) {
        header_init(&c->continue_fields, c->arena);
        if (extra)
            header_copy(&c->continue_fields, extra);
        return 0;
    }
    if (!req->chunked || !c->decoder.ended || c->decoder.error || answered(c))
        return -EINVAL;
    int r = send_continue(c, extra);
    if (r < 0)
        return c->decoder.error = r;
    http_decoder_init(&c->decoder, &c->in, HTTP_CODING_CHUNKED, 0);
    return 0;
}

/* --- head -------------------------------------------------------------------------------------------------- */

/* Not inlined: the array is on the stack only while nothing waits. Answers as the parser does; with OK the head is
 * taken, and *ret_framing is what it says, or BAD again. */
__attribute__((noinline)) static enum http_parse_result
try_head(struct http_conn *c, size_t seen, struct http_request *req, struct http_framing *ret_framing)
{
    struct http_field fields[HTTP_FIELDS_MAX];
    struct http_head head = {.fields = fields};
    struct str bytes = http_input_view(&c->in);
    enum http_parse_result r = http_parse_request(bytes.p, bytes.n, seen, &c->config->limits, &head);
    if (r != HTTP_PARSE_OK)
        return r;
    if (http_parse_framing(&head, ret_framing) != HTTP_PARSE_OK)
        return HTTP_PARSE_BAD;
    http_input_take_head(&c->in, &head, c->arena, &req->headers);
    req->method = head.method;
    req->target = head.target;
    ((char *)(uintptr_t)head.target.p)[head.target.n] = '\0'; /* in our copy: the blank before the version */
    req->minor_version = head.minor_version;
    return HTTP_PARSE_OK;
}

struct refusal {
    int status; /* 0: close without a word */
    struct str reason;
};

static struct refusal refusal_of(enum http_parse_result r)
{
    switch (r) {
    case HTTP_PARSE_LINE_TOO_LONG:
        return (struct refusal){414, STR_NONE};
    case HTTP_PARSE_HEADER_TOO_LONG:
        return (struct refusal){400, STR("Header Line Too Long")};
    case HTTP_PARSE_TOO_MANY:
        return (struct refusal){431, STR("Too many headers")};
    case HTTP_PARSE_VERSION:
        return (struct refusal){505, STR_NONE};
    default:
        return (struct refusal){400, STR_NONE};
    }
}

/* Reads until a whole head is there: true, or false with why not. */
static bool read_head(struct http_conn *c, struct http_request *req, struct http_framing *framing,
                      struct refusal *ret_refusal)
{
    int64_t deadline = 0;
    for (size_t seen = 0;;) {
        enum http_parse_result r = try_head(c, seen, req, framing);
        if (r == HTTP_PARSE_OK)
            return true;
        if (r != HTTP_PARSE_INCOMPLETE) {
            *ret_refusal = refusal_of(r);
            return false;
        }
        if (deadline == 0)
            deadline = rt_deadline(c->config->head_timeout_ms);
        seen = http_input_buffered(&c->in);
        ssize_t got = http_input_fill(&c->in, c->config->max_head, deadline);
        if (got <= 0) {
            *ret_refusal = (struct refusal){got == -ETIMEDOUT ? 408 : got == -E2BIG ? 431 : 0, STR_NONE};
            return false;
        }
    }
}

/* As nginx: a name or address, maybe a port; never a path or blank in it. */
static bool host_valid(struct str host)
{
    for (size_t i = 0; i < host.n; i++) {
        unsigned char ch = (unsigned char)host.p[i];
        if (ch <= ' ' || ch == 0x7f || strchr("/\\?#@<>\"", ch))
            return false;
    }
    return host.n > 0;
}

/* RFC 9112 3.2: HTTP/1.1 has exactly one Host, and none is repeated or malformed. */
static bool hosts_valid(const struct http_request *req)
{
    unsigned n = 0;
    for (size_t i = 0; i < req->headers.n; i++) {
        const struct header *h = &req->headers.v[i];
        if (h->name.n == 4 && str_ieq(h->name, STR("Host")) && (n++ > 0 || !host_valid(h->value)))
            return false;
    }
    return n == 1 || req->minor_version == 0;
}

static void set_body(struct http_conn *c, struct http_request *req, const struct http_framing *f)
{
    enum http_coding coding = f->chunked ? HTTP_CODING_CHUNKED : HTTP_CODING_LENGTH;
    http_decoder_init(&c->decoder, &c->in, coding, f->length);
    c->expects = f->expect_continue && !c->decoder.ended;
    c->continued = c->body_read = false;
    header_init(&c->continue_fields, c->arena);
    req->chunked = f->chunked;
    req->has_length = f->has_length;
    req->content_length = f->chunked ? -1 : (int64_t)f->length;
    c->body = (struct http_conn_body){{&conn_body_ops, req->content_length}, c};
    req->body = &c->body.body;
}

/* Fills req from a head that is there. */
static bool prepare(struct http_conn *c, struct http_request *req, const struct http_framing *framing)
{
    req->arena = c->arena;
    req->query = STR_NONE;
    req->txn = STR("");
    req->peer = str_from(c->peer);
    req->local = str_from(c->local);
    req->start_ns = clock_real_ns();
    req->conn = c;
    set_body(c, req, framing);
    return hosts_valid(req) && http_request_set_target(req, req->target) == 0;
}

/* --- the end of a connection ------------------------------------------------------------------------------- */

static bool stopping(const struct http_conn *c)
{
    return atomic_load(c->config->stopping);
}

/* Makes close() send a reset at once. */
static void reset_on_close(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static void linger(struct http_conn *c)
{
    char unused[4096];
    int64_t end = rt_deadline(LINGER_MS);
    atomic_store(&c->state, HTTP_CONN_IDLE); /* a server that stops need not wait for this */
    if (shutdown(c->fd, SHUT_WR) < 0 || stopping(c))
        return;
    for (;;) {
        int64_t idle = rt_deadline(LINGER_IDLE_MS);
        if (rt_read(c->fd, unused, sizeof unused, idle < end ? idle : end) <= 0 ||
            clock_monotonic_ms() >= end)
            return;
    }
}

/* Our last answer is out. */
static void finish(struct http_conn *c)
{
    bool unread = http_input_buffered(&c->in) > 0 || !c->decoder.ended || rt_readable_now(c->fd);
    rt_label(idle_label); /* the one before lies in the arena */
    release_memory(c);
    if (unread)
        linger(c);
}

static void refuse(struct http_conn *c, const struct refusal *why)
{
    struct http_response rsp;
    struct http_send s = {.fd = c->fd,
                          .timeout_ms = c->config->client_timeout_ms,
                          .minor_version = 1,
                          .server_name = c->config->server_name,
                          .close = true};
    http_response_init(&rsp, c->arena);
    rsp.status = why->status;
    rsp.reason = why->reason;
    if (why->status == 501)
        http_response_text(
            &rsp, 501, "text/plain",
            STR("Unsupported Transfer-Coding header value specified in Transfer-Encoding header"));
    c->decoder.ended = false; /* what follows is not understood */
    if (http_send_response(&s, &rsp) == 0)
        finish(c);
}

/* --- one request ------------------------------------------------------------------------------------------- */

/* Whether what is unread of the request's body speaks against another request. Before the answer goes out only a
 * declared length can be judged. */
static bool unread_closes(const struct http_conn *c)
{
    const struct http_decoder *d = &c->decoder;
    if (d->ended)
        return false;
    return d->error || (c->expects && !c->continued) ||
           (d->coding == HTTP_CODING_LENGTH && d->left > DRAIN_MAX);
}

static bool must_close(const struct http_conn *c, const struct http_request *req,
                       const struct http_framing *f, const struct http_response *rsp)
{
    bool kept = f->keep_alive || req->minor_version > 0;
    return !kept || f->close || rsp->close || c->last || stopping(c) || unread_closes(c);
}

/* Sends the answer. True if another request may follow. */
static bool answer(struct http_conn *c, struct http_request *req, const struct http_framing *f,
                   struct http_response *rsp)
{
    struct http_send s = {.fd = c->fd,
                          .timeout_ms = c->config->client_timeout_ms,
                          .minor_version = req->minor_version,
                          .head_only = str_eq(req->method, STR("HEAD")),
                          .keep_alive = f->keep_alive,
                          .server_name = c->config->server_name,
                          .close = must_close(c, req, f, rsp)};
    c->send = &s;
    int r = http_send_response(&s, rsp);
    bool more = r == 0 && !s.close && !unread_closes(c) && http_body_drain(&c->body.body, DRAIN_MAX) == 0;
    c->send = NULL;
    if (r == 0 && !more)
        finish(c);
    if (s.cut)
        reset_on_close(c->fd);
    return more;
}

/* A connection whose receiving side was shut can take no body that is not here yet. */
static bool body_out_of_reach(const struct http_conn *c)
{
    if (atomic_load(&c->state) != HTTP_CONN_STOPPED || c->decoder.ended)
        return false;
    return c->decoder.coding == HTTP_CODING_CHUNKED || c->decoder.left > http_input_buffered(&c->in);
}

/* Serves the request whose first bytes are in the buffer. True if another may follow. */
static bool serve_one(struct http_conn *c)
{
    struct http_request req = {0};
    struct http_response rsp;
    struct http_framing framing;
    struct refusal why = {400, STR_NONE};
    bool understood = read_head(c, &req, &framing, &why);
    if (understood && framing.unsupported_coding) {
        why.status = 501;
        understood = false;
    } else if (understood) {
        understood = prepare(c, &req, &framing);
    }
    if (understood && body_out_of_reach(c)) {
        why.status = 503;
        understood = false;
    }
    if (!understood) {
        if (why.status)
            refuse(c, &why);
        return false;
    }
    http_response_init(&rsp, c->arena);
    rt_label(req.method.p); /* the watchdog and debuggers see "GET /v1/..." */
    http_app_call(c->config->app, &req, &rsp);
    bool more = answer(c, &req, &framing, &rsp);
    rt_label(idle_label);
    return more;
}

/* --- between requests -------------------------------------------------------------------------------------- */

static ssize_t fill(struct http_conn *c, int64_t deadline)
{
    return http_input_fill(&c->in, c->config->max_head, deadline);
}

static ssize_t wait_first_bytes(struct http_conn *c)
{
    int64_t end = rt_deadline(c->config->keepalive_timeout_ms), warm = rt_deadline(WARM_MS);
    ssize_t got = fill(c, warm < end ? warm : end);
    if (got != -ETIMEDOUT || warm >= end)
        return got;
    release_memory(c);
    int r = rt_wait_readable_idle(c->fd, end);
    return r < 0 ? r : fill(c, end);
}

/* Until the first bytes of a request are in the buffer. False: the connection has ended or was idle for too long. */
static bool await_request(struct http_conn *c)
{
    int waiting = c->served ? HTTP_CONN_IDLE : HTTP_CONN_NEW;
    if (http_input_buffered(&c->in) > 0)
        return true;
    atomic_store(&c->state, waiting);
    ssize_t got = stopping(c) && c->served ? fill(c, 0) : wait_first_bytes(c);
    if (!atomic_compare_exchange_strong(&c->state, &waiting, HTTP_CONN_BUSY) || stopping(c))
        c->last = true;
    c->served = true;
    return got > 0;
}

void http_conn_serve(struct http_conn *c)
{
    bool more = true;
    rt_label(idle_label);
    while (more && await_request(c)) {
        if (!c->arena)
            c->arena = arena_new();
        more = serve_one(c);
        if (more)
            arena_reset(c->arena);
    }
}
