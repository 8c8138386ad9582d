/* SPDX-License-Identifier: Apache-2.0
 *
 * http_client.c: see http_client.h.
 *
 * Kept connections lie in one set per loop, for a descriptor belongs to its loop. On coroutines nobody else looks into
 * a set; on the thread runtime several threads share a loop's number, hence the mutex, which is never held across a
 * wait.
 */
#include "http/http_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include "common/alloc.h"
#include "common/clock.h"
#include "http/http_input.h"
#include "http/http_send.h"
#include "rt/rt.h"

#define LOOPS_MAX   128 /* loops above this keep nothing */
#define BUCKETS     64
#define FIELDS_MAX  512
#define HEAD_MAX    ((size_t)256 * 1024)
#define HEAD_FIXED  256
#define DRAIN_MAX   ((size_t)65536)
#define DRAIN_PIECE 4096

static const struct http_limits limits = {65536, 65536, FIELDS_MAX};

/* --- kept connections -------------------------------------------------------------------------------------- */

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
    socklen_t len;
};

struct link {
    int fd;
    struct address address;
    struct http_input in;
    int64_t kept_since_ms;
    struct link *next;
};

struct set {
    pthread_mutex_t mutex;
    struct link *buckets[BUCKETS]; /* last kept first */
    unsigned sweep;                /* the bucket to look through next */
};

struct http_client {
    unsigned max_idle;
    int64_t idle_ms;
    struct set sets[LOOPS_MAX];
};

static int parse_address(struct str host, int port, struct address *ret)
{
    char text[INET6_ADDRSTRLEN];
    memset(ret, 0, sizeof *ret);
    if (host.n == 0 || host.n >= sizeof text || port < 1 || port > 65535)
        return -EINVAL;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    if (inet_pton(AF_INET, text, &ret->v4.sin_addr) == 1) {
        ret->v4.sin_family = AF_INET;
        ret->v4.sin_port = htons((uint16_t)port);
        ret->len = sizeof ret->v4;
        return 0;
    }
    if (inet_pton(AF_INET6, text, &ret->v6.sin6_addr) == 1) {
        ret->v6.sin6_family = AF_INET6;
        ret->v6.sin6_port = htons((uint16_t)port);
        ret->len = sizeof ret->v6;
        return 0;
    }
    return -EINVAL;
}

static bool same_address(const struct address *a, const struct address *b)
{
    return a->len == b->len && memcmp(&a->any, &b->any, a->len) == 0;
}

static unsigned bucket_of(const struct address *a)
{
    const uint8_t *p = (const uint8_t *)&a->any;
    uint32_t h = 2166136261U;
    for (size_t i = 0; i < a->len; i++)
        h = (h ^ p[i]) * 16777619U;
    return (h ^ h >> 16) % BUCKETS;
}

static void link_close(struct link *l)
{
    rt_close(l->fd);
    http_input_release(&l->in);
    free(l);
}

static void close_links(void *arg)
{
    for (struct link *l = arg, *next; l; l = next) {
        next = l->next;
        link_close(l);
    }
}

static struct set *own_set(struct http_client *c)
{
    unsigned i = rt_loop_index();
    return i < LOOPS_MAX ? &c->sets[i] : NULL;
}

/* Takes what is too old, or beyond max_idle of the address `full` (NULL: any age only), out of a bucket. */
static struct link *bucket_trim(struct http_client *c, struct set *s, unsigned bucket,
                                const struct address *full)
{
    struct link *gone = NULL;
    unsigned n = 0;
    int64_t oldest = clock_monotonic_ms() - c->idle_ms;
    for (struct link **at = &s->buckets[bucket]; *at;) {
        struct link *l = *at;
        bool over = full && same_address(&l->address, full) && ++n > c->max_idle;
        if (!over && l->kept_since_ms >= oldest) {
            at = &l->next;
            continue;
        }
        *at = l->next;
        l->next = gone;
        gone = l;
    }
    return gone;
}

static void link_keep(struct http_client *c, struct link *l)
{
    struct set *s = own_set(c);
    if (!s || c->max_idle == 0) {
        link_close(l);
        return;
    }
    unsigned bucket = bucket_of(&l->address);
    struct address address = l->address;
    http_input_release(&l->in);
    l->kept_since_ms = clock_monotonic_ms();
    pthread_mutex_lock(&s->mutex);
    l->next = s->buckets[bucket];
    s->buckets[bucket] = l;
    struct link *gone = bucket_trim(c, s, bucket, &address);
    struct link *old = bucket_trim(c, s, s->sweep++ % BUCKETS, NULL);
    pthread_mutex_unlock(&s->mutex);
    close_links(gone);
    close_links(old);
}

static struct link *set_take(struct set *s, const struct address *address)
{
    pthread_mutex_lock(&s->mutex);
    struct link **at = &s->buckets[bucket_of(address)];
    while (*at && !same_address(&(*at)->address, address))
        at = &(*at)->next;
    struct link *l = *at;
    if (l)
        *at = l->next;
    pthread_mutex_unlock(&s->mutex);
    return l;
}

/* A kept connection that is still of use, or NULL. */
static struct link *link_take(struct http_client *c, const struct address *address)
{
    struct set *s = own_set(c);
    struct link *l = NULL;
    while (s && (l = set_take(s, address))) {
        if (l->kept_since_ms >= clock_monotonic_ms() - c->idle_ms && !rt_readable_now(l->fd))
            break;
        link_close(l);
    }
    return l;
}

struct http_client *http_client_new(unsigned max_idle, int64_t idle_ms)
{
    struct http_client *c = xcalloc(1, sizeof *c);
    c->max_idle = max_idle;
    c->idle_ms = idle_ms;
    for (unsigned i = 0; i < LOOPS_MAX; i++)
        pthread_mutex_init(&c->sets[i].mutex, NULL);
    return c;
}

/* Each loop closes its own; when the runtime has ended there is none. */
void http_client_free(struct http_client *c)
{
    if (!c)
        return;
    for (unsigned i = 0; i < LOOPS_MAX; i++) {
        for (unsigned k = 0; k < BUCKETS; k++) {
            if (!c->sets[i].buckets[k])
                continue;
            if (i < rt_loop_count())
                rt_go_on(i, close_links, c->sets[i].buckets[k]);
            else
                close_links(c->sets[i].buckets[k]);
        }
        pthread_mutex_destroy(&c->sets[i].mutex);
    }
    free(c);
}

/* --- a call ------------------------------------------------------------------------------------------------ */

struct http_call {
    struct http_client *client;
    struct arena *arena;
    struct link *link;
    struct address address;
    int64_t connect_timeout_ms, timeout_ms;
    struct str head; /* as sent, for a second try */

    bool chunked, expects, head_only, keep;
    uint64_t length, sent; /* of the request's body */
    bool body_ended;

    bool reused;   /* the connection was a kept one and no second has been tried */
    bool broken;   /* a write failed: not to be kept */
    bool keepable; /* the answer allows it */
    size_t seen;   /* bytes of an incomplete head */
    bool final;
    int status;
    struct str reason;
    struct header_table headers;
    struct http_decoder decoder;
};

static int64_t call_deadline(const struct http_call *call)
{
    return rt_deadline(call->timeout_ms);
}

static bool dropped(struct str name)
{
    return str_ieq(name, STR("Content-Length")) || str_ieq(name, STR("Transfer-Encoding")) ||
           str_ieq(name, STR("Connection"));
}

static void put_host(struct http_out *o, const struct http_call_options *options)
{
    bool v6 = str_find(options->host, ':') >= 0;
    http_out_raw(o, v6 ? STR("Host: [") : STR("Host: "));
    http_out_raw(o, options->host);
    http_out_raw(o, v6 ? STR("]:") : STR(":"));
    http_out_u64(o, (uint64_t)options->port);
    http_out_raw(o, STR("\r\n"));
}

static void put_body_fields(struct http_out *o, const struct http_call_options *options)
{
    if (options->body_length < 0) {
        http_out_raw(o, STR("Transfer-Encoding: chunked\r\n"));
    } else if (options->body_length > 0 || str_eq(options->method, STR("PUT")) ||
               str_eq(options->method, STR("POST"))) {
        http_out_raw(o, STR("Content-Length: "));
        http_out_u64(o, (uint64_t)options->body_length);
        http_out_raw(o, STR("\r\n"));
    }
    if (!options->keep)
        http_out_raw(o, STR("Connection: close\r\n"));
}

static struct str make_head(const struct http_call_options *options)
{
    const struct header_table *t = options->headers;
    size_t size = HEAD_FIXED + options->method.n + options->target.n + options->host.n;
    for (size_t i = 0; t && i < t->n; i++)
        size += http_out_field_size(&t->v[i]);
    struct http_out o;
    o.p = o.at = arena_alloc(options->arena, size);
    http_out_raw(&o, options->method);
    http_out_raw(&o, STR(" "));
    http_out_raw(&o, options->target);
    http_out_raw(&o, STR(" HTTP/1.1\r\n"));
    if (!t || !header_has(t, STR("Host")))
        put_host(&o, options);
    for (size_t i = 0; t && i < t->n; i++)
        if (!dropped(t->v[i].name))
            http_out_field(&o, &t->v[i]);
    put_body_fields(&o, options);
    http_out_raw(&o, STR("\r\n"));
    return str_of(o.p, (size_t)(o.at - o.p));
}

/* What would end the request line or split it must not get into it. */
static bool line_valid(struct str method, struct str target)
{
    for (size_t i = 0; i < target.n; i++)
        if ((unsigned char)target.p[i] <= ' ' || target.p[i] == 0x7f)
            return false;
    return header_name_valid(method) && target.n > 0;
}

static int connect_new(struct http_call *call)
{
    int fd = rt_connect(&call->address.any, call->address.len, rt_deadline(call->connect_timeout_ms));
    if (fd < 0)
        return fd;
    call->link = xcalloc(1, sizeof *call->link);
    call->link->fd = fd;
    call->link->address = call->address;
    http_input_init(&call->link->in, fd, call->timeout_ms);
    return 0;
}

/* The head waits a moment in the kernel for the body's first bytes, unless an answer has to come before those. */
static int send_head(struct http_call *call)
{
    struct iovec iov = {(void *)(uintptr_t)call->head.p, call->head.n};
    bool more = (call->chunked || call->length > 0) && !call->expects;
    if (more)
        return rt_send_more(call->link->fd, &iov, 1, call_deadline(call));
    return rt_writev_all(call->link->fd, &iov, 1, call_deadline(call));
}

static void drop_link(struct http_call *call)
{
    if (call->link)
        link_close(call->link);
    call->link = NULL;
}

static bool lost(int err)
{
    return err == -EPIPE || err == -ECONNRESET;
}

/* After `err` on a kept connection that never answered: a new one with the head sent again, 0; or err, or why the new one
 * failed. */
static int second_try(struct http_call *call, int err)
{
    if (!lost(err) || !call->reused || call->sent > 0 || http_input_buffered(&call->link->in) > 0)
        return err;
    call->reused = false;
    drop_link(call);
    int r = connect_new(call);
    return r < 0 ? r : send_head(call);
}

static int start(struct http_call *call)
{
    call->link = link_take(call->client, &call->address);
    call->reused = call->link != NULL;
    if (!call->link) {
        int r = connect_new(call);
        if (r < 0)
            return r;
    }
    call->link->in.timeout_ms = call->timeout_ms;
    int r = send_head(call);
    return r < 0 ? second_try(call, r) : 0;
}

int http_call_open(struct http_client *c, const struct http_call_options *o, struct http_call **ret)
{
    struct http_call *call = arena_zalloc(o->arena, sizeof *call);
    int r = parse_address(o->host, o->port, &call->address);
    if (r < 0 || !line_valid(o->method, o->target))
        return -EINVAL;
    call->client = c;
    call->arena = o->arena;
    call->connect_timeout_ms = o->connect_timeout_ms;
    call->timeout_ms = o->timeout_ms;
    call->chunked = o->body_length < 0;
    call->length = o->body_length > 0 ? (uint64_t)o->body_length : 0;
    call->expects = o->headers && header_has(o->headers, STR("Expect"));
    call->head_only = str_eq(o->method, STR("HEAD"));
    call->keep = o->keep;
    call->head = make_head(o);
    header_init(&call->headers, o->arena);
    r = start(call);
    if (r < 0) {
        drop_link(call);
        return r;
    }
    *ret = call;
    return 0;
}

/* --- request body ------------------------------------------------------------------------------------------ */

/* If the server has answered and closed, its answer is what counts: it is taken into the buffer, so that there is no second
 * try. */
static void look_for_answer(struct http_call *call)
{
    if (http_input_buffered(&call->link->in) == 0)
        http_input_fill(&call->link->in, HEAD_MAX, 0);
}

static int write_once(struct http_call *call, const struct iovec *parts, int n)
{
    struct iovec iov[3];
    memcpy(iov, parts, (size_t)n * sizeof *iov);
    return rt_writev_all(call->link->fd, iov, n, call_deadline(call));
}

static int write_parts(struct http_call *call, const struct iovec *parts, int n)
{
    if (!call->link)
        return -EPIPE;
    int r = write_once(call, parts, n);
    if (lost(r) && call->reused && call->sent == 0) {
        look_for_answer(call);
        r = second_try(call, r);
        if (r == 0)
            r = write_once(call, parts, n);
    }
    if (r < 0)
        call->broken = true;
    return r;
}

int http_call_write(struct http_call *call, const void *p, size_t n)
{
    char line[HTTP_CHUNK_LINE_SIZE];
    struct iovec bytes = {(void *)(uintptr_t)p, n};
    if (n == 0)
        return 0;
    if (call->final)
        return -EPIPE;
    if (!call->chunked && n > call->length - call->sent)
        return -EINVAL;
    int r;
    if (call->chunked) {
        struct iovec parts[3] = {{line, http_chunk_line(line, n)}, bytes, {(void *)(uintptr_t) "\r\n", 2}};
        call->body_ended = false;
        r = write_parts(call, parts, 3);
    } else {
        r = write_parts(call, &bytes, 1);
    }
    if (r == 0)
        call->sent += n;
    return r;
}

int http_call_end(struct http_call *call)
{
    if (!call->chunked)
        return call->sent == call->length ? 0 : -EINVAL;
    struct iovec last = {(void *)(uintptr_t) "0\r\n\r\n", 5};
    int r = write_parts(call, &last, 1);
    if (r == 0)
        call->body_ended = true;
    return r;
}

/* --- response ---------------------------------------------------------------------------------------------- */

/* Takes what the head says. 0 or -EBADMSG. */
static int take_answer(struct http_call *call, struct http_head *head)
{
    struct http_framing f;
    if (http_parse_framing(head, &f) != HTTP_PARSE_OK || f.unsupported_coding || head->status == 101)
        return -EBADMSG;
    http_input_take_head(&call->link->in, head, call->arena, &call->headers);
    call->status = head->status;
    call->reason = head->reason;
    call->seen = 0;
    if (head->status < 200)
        return 0;
    enum http_coding coding = HTTP_CODING_CLOSE;
    if (call->head_only || head->status == 204 || head->status == 304)
        coding = HTTP_CODING_NONE;
    else if (f.chunked)
        coding = HTTP_CODING_CHUNKED;
    else if (f.has_length)
        coding = HTTP_CODING_LENGTH;
    http_decoder_init(&call->decoder, &call->link->in, coding, f.length);
    call->keepable = coding != HTTP_CODING_CLOSE && !f.close && (head->minor_version > 0 || f.keep_alive);
    call->final = true;
    return 0;
}

/* 1: an answer was taken; 0: incomplete; -EBADMSG. Not inlined: the array is on the stack only while nothing waits. */
__attribute__((noinline)) static int try_answer(struct http_call *call)
{
    struct http_field fields[FIELDS_MAX];
    struct http_head head = {.fields = fields};
    struct str bytes = http_input_view(&call->link->in);
    enum http_parse_result r = http_parse_response(bytes.p, bytes.n, call->seen, &limits, &head);
    if (r == HTTP_PARSE_INCOMPLETE)
        return 0;
    if (r != HTTP_PARSE_OK)
        return -EBADMSG;
    int taken = take_answer(call, &head);
    return taken < 0 ? taken : 1;
}

/* More of the head, on a second connection if a kept one was dead. */
static int fill_answer(struct http_call *call, int64_t deadline)
{
    call->seen = http_input_buffered(&call->link->in);
    ssize_t got = http_input_fill(&call->link->in, HEAD_MAX, deadline);
    if (got > 0)
        return 0;
    int r = got == 0 ? -ECONNRESET : got == -E2BIG ? -EBADMSG : (int)got;
    if (!lost(r))
        return r;
    r = second_try(call, -ECONNRESET);
    if (r == 0 && call->body_ended)
        r = http_call_end(call);
    return r;
}

int http_call_response(struct http_call *call, int64_t deadline)
{
    if (call->final)
        return -EINVAL;
    if (!call->link)
        return -ECONNRESET;
    if (deadline == RT_FOREVER)
        deadline = call_deadline(call);
    int r = 0;
    while (r == 0 && (r = try_answer(call)) == 0)
        r = fill_answer(call, deadline);
    return r < 0 ? r : 0;
}

int http_call_status(const struct http_call *call)
{
    return call->status;
}

const struct header_table *http_call_headers(const struct http_call *call)
{
    return &call->headers;
}

struct str http_call_reason(const struct http_call *call)
{
    return call->reason;
}

ssize_t http_call_read(struct http_call *call, void *p, size_t n)
{
    if (!call->final)
        return -EINVAL;
    ssize_t got = http_decoder_read(&call->decoder, p, n);
    return got == -EPROTO ? -EBADMSG : got;
}

int64_t http_call_length(const struct http_call *call)
{
    const struct http_decoder *d = &call->decoder;
    if (!call->final || d->coding == HTTP_CODING_CHUNKED || d->coding == HTTP_CODING_CLOSE)
        return -1;
    return d->coding == HTTP_CODING_NONE ? 0 : (int64_t)d->length;
}

void http_call_set_timeout(struct http_call *call, int64_t timeout_ms)
{
    call->timeout_ms = timeout_ms;
    if (call->link)
        call->link->in.timeout_ms = timeout_ms;
}

bool http_call_answer_waiting(struct http_call *call)
{
    return !call->link || http_input_buffered(&call->link->in) > 0 || rt_readable_now(call->link->fd);
}

/* --- the end ----------------------------------------------------------------------------------------------- */

/* Takes what is left of the response if it is here already. True if that was all. */
static bool drained(struct http_call *call)
{
    char unused[DRAIN_PIECE];
    size_t total = 0;
    call->link->in.timeout_ms = 0;
    while (!call->decoder.ended && total < DRAIN_MAX) {
        ssize_t got = http_decoder_read(&call->decoder, unused, sizeof unused);
        if (got < 0)
            return false;
        total += (size_t)got;
    }
    return call->decoder.ended && http_input_buffered(&call->link->in) == 0;
}

static bool request_complete(const struct http_call *call)
{
    return call->chunked ? call->body_ended : call->sent == call->length;
}

void http_call_close(struct http_call *call)
{
    if (!call || !call->link)
        return;
    struct link *l = call->link;
    bool keep = call->keep && call->final && call->keepable && !call->broken && request_complete(call) &&
                drained(call);
    call->link = NULL;
    call->final = false;
    if (keep)
        link_keep(call->client, l);
    else
        link_close(l);
}

struct call_body {
    struct http_body body;
    struct http_call *call;
};

static ssize_t call_body_read(struct http_body *b, void *p, size_t n)
{
    return http_call_read(((struct call_body *)b)->call, p, n);
}

static void call_body_close(struct http_body *b)
{
    http_call_close(((struct call_body *)b)->call);
}

struct http_body *http_call_body(struct http_call *call, struct arena *a)
{
    static const struct http_body_ops ops = {.read = call_body_read, .close = call_body_close};
    struct call_body *b = arena_alloc(a, sizeof *b);
    *b = (struct call_body){{&ops, http_call_length(call)}, call};
    return &b->body;
}
