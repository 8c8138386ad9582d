/* SPDX-License-Identifier: Apache-2.0
 *
 * http_send.c: see http_send.h. The first bytes of a body are fetched before the head is written: they leave together,
 * and a body that fails at once can still be answered with an error.
 */
#include "http/http_send.h"

#include <errno.h>
#include <stdlib.h>
#include "common/alloc.h"
#include "common/clock.h"
#include "common/timestamp.h"
#include "rt/rt.h"

/* A piece of a body that is read and written. */
#define PIECE_MAX ((size_t)65536)
/* A piece that goes from file to socket. One deadline counts for it, so it bounds how slow a client may be. */
#define FILE_PIECE_MAX ((size_t)262144)
#define DATE_SIZE      29
/* Status line, our own fields and the empty line, names and all. */
#define HEAD_FIXED 256

/* --- text -------------------------------------------------------------------------------------------------- */

struct str http_date_now(void)
{
    static __thread int64_t second = -1;
    static __thread char text[HTTP_DATE_SIZE];
    int64_t now = clock_real_ns() / 1000000000;
    if (now != second) {
        http_date(now, text);
        second = now;
    }
    return str_of(text, DATE_SIZE);
}

void http_out_raw(struct http_out *o, struct str s)
{
    if (s.n)
        o->at = mempcpy(o->at, s.p, s.n);
}

static bool ends_line(char c)
{
    return c == '\r' || c == '\n' || c == '\0';
}

void http_out_clean(struct http_out *o, struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        *o->at++ = ends_line(s.p[i]) ? ' ' : s.p[i];
}

void http_out_u64(struct http_out *o, uint64_t v)
{
    char digits[HTTP_U64_DIGITS];
    size_t n = sizeof digits;
    do {
        digits[--n] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    http_out_raw(o, str_of(digits + n, sizeof digits - n));
}

void http_out_field(struct http_out *o, const struct header *h)
{
    if (!header_name_valid(h->name))
        return;
    http_out_raw(o, h->name);
    http_out_raw(o, STR(": "));
    http_out_clean(o, h->value);
    http_out_raw(o, STR("\r\n"));
}

size_t http_chunk_line(char out[HTTP_CHUNK_LINE_SIZE], uint64_t size)
{
    static const char digits[] = "0123456789abcdef";
    int shift = 60;
    while (shift > 0 && (size >> shift) == 0)
        shift -= 4;
    size_t n = 0;
    for (; shift >= 0; shift -= 4)
        out[n++] = digits[size >> shift & 15];
    out[n++] = '\r';
    out[n++] = '\n';
    return n;
}

/* --- head -------------------------------------------------------------------------------------------------- */

enum framing { LENGTH, CHUNKED, TO_CLOSE };

struct plan {
    enum framing framing;
    bool says_length; /* a Content-Length field goes out */
    bool has_bytes;
    uint64_t length; /* with LENGTH */
};

static bool bodyless(int status)
{
    return status == 204 || status == 304;
}

static struct plan make_plan(const struct http_send *s, const struct http_response *rsp)
{
    if (bodyless(rsp->status))
        return (struct plan){.framing = LENGTH, .says_length = true};
    uint64_t length = 0;
    bool known = true;
    if (rsp->body && rsp->body->length >= 0)
        length = (uint64_t)rsp->body->length;
    else if (rsp->body || s->head_only)
        known = str_to_u64(header_get(&rsp->headers, STR("Content-Length")), &length) == 0;
    if (!rsp->body && !known)
        known = true; /* HEAD without any length: as for an empty body */
    if (s->head_only)
        return (struct plan){.framing = LENGTH, .says_length = known, .length = length};
    if (known)
        return (struct plan){LENGTH, true, length > 0, length};
    return (struct plan){.framing = s->minor_version > 0 ? CHUNKED : TO_CLOSE, .has_bytes = true};
}

enum own_field { NOT_OURS, DROPPED, DATE, SERVER };

/* Fields that the connection writes itself, or leaves to a handler that has set them. */
static enum own_field own_field(struct str name)
{
    switch (name.n) {
    case 4:
        return str_ieq(name, STR("Date")) ? DATE : NOT_OURS;
    case 6:
        return str_ieq(name, STR("Server")) ? SERVER : NOT_OURS;
    case 10:
        return str_ieq(name, STR("Connection")) || str_ieq(name, STR("Keep-Alive")) ? DROPPED : NOT_OURS;
    case 14:
        return str_ieq(name, STR("Content-Length")) ? DROPPED : NOT_OURS;
    case 17:
        return str_ieq(name, STR("Transfer-Encoding")) ? DROPPED : NOT_OURS;
    default:
        return NOT_OURS;
    }
}

static void put_status(struct http_out *o, int status, struct str reason)
{
    http_out_raw(o, STR("HTTP/1.1 "));
    http_out_u64(o, (uint64_t)status);
    http_out_raw(o, STR(" "));
    http_out_clean(o, reason.n ? reason : str_from(http_reason(status)));
    http_out_raw(o, STR("\r\n"));
}

static void put_named(struct http_out *o, struct str name, struct str value)
{
    http_out_raw(o, name);
    http_out_clean(o, value);
    http_out_raw(o, STR("\r\n"));
}

static void put_framing(struct http_out *o, const struct http_send *s, const struct plan *plan)
{
    if (plan->says_length) {
        http_out_raw(o, STR("Content-Length: "));
        http_out_u64(o, plan->length);
        http_out_raw(o, STR("\r\n"));
    } else if (plan->framing == CHUNKED) {
        http_out_raw(o, STR("Transfer-Encoding: chunked\r\n"));
    }
    if (s->close)
        http_out_raw(o, STR("Connection: close\r\n"));
    else if (s->keep_alive)
        http_out_raw(o, STR("Connection: keep-alive\r\n"));
}

static size_t fields_size(const struct header_table *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        n += http_out_field_size(&t->v[i]);
    return n;
}

static struct str make_head(const struct http_send *s, const struct http_response *rsp,
                            const struct plan *plan)
{
    size_t size = HEAD_FIXED + rsp->reason.n + fields_size(&rsp->headers);
    struct str server = str_from(s->server_name);
    struct http_out o;
    bool date = false;
    o.p = o.at = arena_alloc(rsp->arena, size + server.n);
    put_status(&o, rsp->status, rsp->reason);
    for (size_t i = 0; i < rsp->headers.n; i++) {
        const struct header *h = &rsp->headers.v[i];
        enum own_field own = own_field(h->name);
        date |= own == DATE;
        if (own == SERVER)
            server = STR_NONE;
        if (own != DROPPED)
            http_out_field(&o, h);
    }
    if (server.n)
        put_named(&o, STR("Server: "), server);
    if (!date)
        put_named(&o, STR("Date: "), http_date_now());
    put_framing(&o, s, plan);
    http_out_raw(&o, STR("\r\n"));
    return str_of(o.p, (size_t)(o.at - o.p));
}

int http_send_interim(int fd, int64_t timeout_ms, struct arena *arena, int status,
                      const struct header_table *fields)
{
    struct http_out o;
    o.p = o.at = arena_alloc(arena, HEAD_FIXED + (fields ? fields_size(fields) : 0));
    put_status(&o, status, STR_NONE);
    for (size_t i = 0; fields && i < fields->n; i++)
        http_out_field(&o, &fields->v[i]);
    http_out_raw(&o, STR("\r\n"));
    return rt_write_all(fd, o.p, (size_t)(o.at - o.p), rt_deadline(timeout_ms));
}

/* --- body -------------------------------------------------------------------------------------------------- */

struct sender {
    struct http_send *s;
    struct http_body *body;
    struct plan plan;
    uint64_t left;   /* with LENGTH */
    struct str head; /* until it is sent */
    char *piece;     /* memory for pieces, once needed */
    size_t piece_size;
};

static int64_t send_deadline(const struct sender *o)
{
    return rt_deadline(o->s->timeout_ms);
}

/* The head, if it is still to go, and these bytes, framed. */
static int send_bytes(struct sender *o, struct str bytes)
{
    char line[HTTP_CHUNK_LINE_SIZE];
    struct iovec iov[4];
    int n = 0;
    if (o->head.n)
        iov[n++] = (struct iovec){(void *)(uintptr_t)o->head.p, o->head.n};
    if (o->plan.framing == CHUNKED && bytes.n)
        iov[n++] = (struct iovec){line, http_chunk_line(line, bytes.n)};
    if (bytes.n)
        iov[n++] = (struct iovec){(void *)(uintptr_t)bytes.p, bytes.n};
    if (o->plan.framing == CHUNKED)
        iov[n++] = bytes.n ? (struct iovec){(void *)(uintptr_t) "\r\n", 2}
                           : (struct iovec){(void *)(uintptr_t) "0\r\n\r\n", 5};
    o->s->head_sent = true;
    o->head.n = 0;
    return rt_writev_all(o->s->fd, iov, n, send_deadline(o));
}

static int send_file(struct sender *o, int fd, off_t offset, size_t n)
{
    int r = 0;
    if (o->head.n) {
        struct iovec iov = {(void *)(uintptr_t)o->head.p, o->head.n};
        o->s->head_sent = true;
        o->head.n = 0;
        r = rt_send_more(o->s->fd, &iov, 1, send_deadline(o));
    }
    if (r == 0)
        r = rt_sendfile_all(o->s->fd, fd, offset, n, send_deadline(o));
    o->left -= n;
    return r;
}

/* Sends bytes from a file as long as the body has them so: 0 and more must be read, or -errno. */
static int send_files(struct sender *o)
{
    if (o->plan.framing != LENGTH || !o->body->ops->file_range)
        return 0;
    while (o->left > 0) {
        int fd;
        off_t offset;
        size_t n = 0, max = o->left < FILE_PIECE_MAX ? (size_t)o->left : FILE_PIECE_MAX;
        int r = o->body->ops->file_range(o->body, max, &fd, &offset, &n);
        if (r <= 0)
            return r;
        r = send_file(o, fd, offset, n);
        if (r < 0)
            return r;
    }
    return 0;
}

static ssize_t read_piece(struct sender *o)
{
    if (!o->piece) {
        o->piece_size = o->plan.framing == LENGTH && o->left < PIECE_MAX ? (size_t)o->left : PIECE_MAX;
        o->piece = xmalloc(o->piece_size);
    }
    size_t max = o->plan.framing == LENGTH && o->left < o->piece_size ? (size_t)o->left : o->piece_size;
    return http_body_read(o->body, o->piece, max);
}

/* One piece: 1, 0 at the end of the body, -errno. */
static int send_piece(struct sender *o)
{
    ssize_t got = read_piece(o);
    if (got < 0)
        return (int)got;
    if (got == 0 && o->plan.framing == LENGTH)
        return -EPIPE; /* shorter than was said: never a silent truncation */
    if (got > 0 || o->plan.framing == CHUNKED || o->head.n) {
        int r = send_bytes(o, str_of(o->piece, (size_t)got));
        if (r < 0)
            return r;
    }
    if (o->plan.framing == LENGTH)
        o->left -= (uint64_t)got;
    return got > 0;
}

static bool all_sent(const struct sender *o)
{
    return o->plan.framing == LENGTH && o->left == 0;
}

static int send_body(struct sender *o)
{
    struct str whole;
    if (o->plan.framing == LENGTH && http_body_view(o->body, &whole)) {
        if (whole.n < o->left)
            return -EPIPE;
        return send_bytes(o, str_slice(whole, 0, (size_t)o->left));
    }
    for (;;) {
        int r = send_files(o);
        if (r < 0 || all_sent(o))
            return r;
        r = send_piece(o);
        if (r <= 0 || all_sent(o))
            return r < 0 ? r : 0;
    }
}

static int send_planned(struct http_send *s, struct http_response *rsp)
{
    struct sender o = {.s = s, .body = rsp->body, .plan = make_plan(s, rsp)};
    if (o.plan.framing == TO_CLOSE)
        s->close = true;
    o.left = o.plan.length;
    o.head = make_head(s, rsp, &o.plan);
    int r;
    if (o.plan.has_bytes && o.body)
        r = send_body(&o);
    else
        r = send_bytes(&o, STR(""));
    free(o.piece);
    s->cut = r < 0 && s->head_sent && o.plan.framing == TO_CLOSE;
    return r;
}

static void become_error(struct http_response *rsp)
{
    http_response_clear(rsp);
    http_response_text(rsp, 500, "text/html; charset=UTF-8",
                       STR("<html><h1>Internal Error</h1><p>The server has either erred or is incapable of "
                           "performing the requested operation.</p></html>"));
}

int http_send_response(struct http_send *s, struct http_response *rsp)
{
    if (rsp->status < 200 || rsp->status > 999)
        become_error(rsp);
    s->head_sent = s->cut = false;
    int r = send_planned(s, rsp);
    if (r < 0 && !s->head_sent) {
        become_error(rsp);
        s->close = true;
        r = send_planned(s, rsp);
    }
    http_body_close(rsp->body);
    rsp->body = NULL;
    return r;
}
