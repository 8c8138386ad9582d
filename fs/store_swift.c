/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/store_swift.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/timestamp.h"
#include "common/url.h"

/* Swift's defaults (facts: proxy 6), for a cluster that hides its /info. */
#define DEFAULT_MAX_FILE_SIZE      5368709122u
#define DEFAULT_MAX_OBJECT_NAME    1024
#define DEFAULT_MAX_CONTAINER_NAME 256
#define DEFAULT_LISTING_LIMIT      10000

/* 10,000 names of 1,024 bytes, each byte written as \u00XX, and the rest of the entries. */
#define LISTING_BYTES_MAX (96u << 20)
#define INFO_BYTES_MAX    (1u << 20)

#define PAUSE_FIRST_MS 100
#define PAUSE_MAX_MS   3000

struct store_swift {
    struct store store;
    struct transfer_pool *pool;
    struct auth *auth;
    uint32_t listing_limit;
    atomic_bool no_copy; /* the server has no COPY: found out at the first try */
};

static struct store_swift *self(struct store *s)
{
    return (struct store_swift *)s;
}

/* --- one call, with token and repetition ------------------------------------------------------------- */

struct call {
    const char *method;
    const char *url;
    struct header_table headers; /* all but the token; in the arena */
    const struct store_source *source;
    const struct store_sink *sink;
    struct arena *arena;
    struct transfer t; /* the last attempt */
    bool repeated;
};

static const char *object_url(struct store_swift *s, struct arena *a, struct store_name name,
                              const char *query)
{
    struct str url =
        arena_join(a, str_from(auth_storage_url(s->auth)), STR("/"), url_quote(a, name.container, ""),
                   STR("/"), url_quote(a, name.object, "/"), STR_END);
    if (!name.container.n)
        url = arena_str(a, str_from(auth_storage_url(s->auth)));
    else if (!name.object.n)
        url = arena_str(a, str_slice(url, 0, url.n - 1));
    return arena_join(a, url, str_from(query), STR_END).p;
}

static void call_init(struct call *c, struct arena *a, const char *method, const char *url)
{
    *c = (struct call){.method = method, .url = url, .arena = a};
    header_init(&c->headers, a);
}

static bool worth_repeating(const struct call *c, int rc)
{
    static const int statuses[] = {408, 429, 498, 500, 502, 503, 504};

    if (rc < 0)
        return rc == -ECONNRESET || rc == -ECONNREFUSED || rc == -ETIMEDOUT || rc == -EHOSTUNREACH;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (c->t.status == statuses[i])
            return true;
    return false;
}

/* True if the body is back at its start and the other side has been given nothing. */
static bool can_repeat(struct call *c)
{
    if (c->t.received)
        return false;
    if (!c->source || c->t.sent == 0)
        return true;
    return c->source->rewind && c->source->rewind(c->source->arg) == 0;
}

static bool cancelled(const struct call *c)
{
    const atomic_bool *flag = c->source ? c->source->cancel : c->sink ? c->sink->cancel : NULL;

    return flag && atomic_load(flag);
}

static void pause_before(int attempt)
{
    int64_t ms = (int64_t)PAUSE_FIRST_MS << attempt;
    struct timespec ts;

    ms = ms > PAUSE_MAX_MS ? PAUSE_MAX_MS : ms;
    ms = ms / 2 + random_below((uint32_t)ms / 2 + 1); /* so that many clients do not come back as one */
    ts = (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&ts, NULL);
}

static int run_once(struct store_swift *s, struct call *c, uint64_t *ret_generation)
{
    char token[AUTH_TOKEN_SIZE];
    struct header_table headers;
    int rc = auth_token(s->auth, token, ret_generation);

    if (rc < 0)
        return rc;
    header_init(&headers, c->arena);
    header_copy(&headers, &c->headers);
    if (token[0])
        header_add(&headers, STR("X-Auth-Token"), str_from(token));
    c->t = (struct transfer){.method = c->method,
                             .url = c->url,
                             .headers = &headers,
                             .source = c->source,
                             .sink = c->sink,
                             .arena = c->arena};
    rc = transfer_run(s->pool, &c->t);
    c->t.headers = NULL;
    return rc;
}

/* 0: an answer came, see c->t. Else a negative errno. */
static int call_run(struct store_swift *s, struct call *c)
{
    int64_t give_up = clock_monotonic_ms() + STORE_SWIFT_PATIENCE_MS;
    bool renewed = false;
    uint64_t generation = 0;
    int rc;

    for (int attempt = 0;;) {
        rc = run_once(s, c, &generation);
        if (rc == 0 && c->t.status == 401 && !renewed && can_repeat(c)) {
            renewed = true;
            if (auth_renew(s->auth, generation) == 0)
                continue;
            return 0;
        }
        if (!worth_repeating(c, rc) || ++attempt >= STORE_SWIFT_ATTEMPTS || clock_monotonic_ms() > give_up ||
            cancelled(c) || !can_repeat(c))
            return rc;
        c->repeated = true;
        pause_before(attempt - 1);
    }
}

/* The errno of a call that ended with rc: broken connections become -EAGAIN, statuses their meaning. */
static int call_error(const struct call *c, int rc)
{
    if (rc == 0)
        return c->t.status == 500 || c->t.status == 502 || c->t.status == 504
                   ? -EAGAIN
                   : err_from_http_status(c->t.status);
    return worth_repeating(c, rc) ? -EAGAIN : rc;
}

/* --- answers ------------------------------------------------------------------------------------------ */

static struct str meta_prefix(struct store_name name)
{
    return name.object.n      ? STR("X-Object-Meta-")
           : name.container.n ? STR("X-Container-Meta-")
                              : STR("X-Account-Meta-");
}

static void take_headers(struct store_reply *r, struct store_name name, const struct transfer *t,
                         struct arena *a)
{
    struct str prefix = meta_prefix(name);

    header_init(&r->headers, a);
    for (size_t i = 0; i < t->reply.n; i++) {
        const struct header *h = &t->reply.v[i];

        if (str_istarts(h->name, prefix))
            header_add_ref(
                &r->headers,
                arena_join(a, STR("X-Object-Meta-"), str_slice(h->name, prefix.n, h->name.n), STR_END),
                h->value);
        else
            header_add_ref(&r->headers, h->name, h->value);
    }
}

static void take_times(struct store_reply *r)
{
    struct timestamp ts;
    int64_t seconds;

    if (timestamp_parse(header_get(&r->headers, STR("X-Timestamp")), &ts) == 0)
        r->changed_us = ts.raw * 10;
    if (http_date_parse(header_get(&r->headers, STR("Last-Modified")), &seconds) == 0)
        r->changed_limit_s = seconds;
    else if (http_date_parse(header_get(&r->headers, STR("Date")), &seconds) == 0)
        r->changed_limit_s = seconds + 1; /* Date is cut off, not rounded up */
}

static void take_reply(struct store_reply *r, struct store_name name, const struct call *c)
{
    struct str etag, size;

    *r = (struct store_reply){.repeated = c->repeated};
    take_headers(r, name, &c->t, c->arena);
    etag = header_get(&r->headers, STR("Etag"));
    if (etag.n >= 2 && etag.p[0] == '"' && etag.p[etag.n - 1] == '"')
        etag = str_slice(etag, 1, etag.n - 1);
    if (etag.n && etag.n < sizeof r->etag)
        memcpy(r->etag, etag.p, etag.n);
    r->large = str_is_true(header_get(&r->headers, STR("X-Static-Large-Object"))) ||
               header_has(&r->headers, STR("X-Object-Manifest"));
    size = header_get(&r->headers, name.object.n      ? STR("Content-Length")
                                   : name.container.n ? STR("X-Container-Bytes-Used")
                                                      : STR("X-Account-Bytes-Used"));
    str_to_u64(size, &r->size);
    if (name.object.n)
        take_times(r);
    else if (http_date_parse(header_get(&r->headers, STR("Last-Modified")), &r->changed_limit_s) < 0)
        r->changed_limit_s = 0;
}

/* --- the functions of the store ------------------------------------------------------------------------ */

static int swift_head(struct store *store, struct store_name name, struct arena *a, struct store_reply *ret)
{
    struct store_swift *s = self(store);
    struct call c;
    int rc;

    call_init(&c, a, "HEAD", object_url(s, a, name, ""));
    rc = call_error(&c, call_run(s, &c));
    if (rc == 0)
        take_reply(ret, name, &c);
    return rc;
}

/* Guards the caller's sink against an answer that is not the range asked for. */
struct range_sink {
    const struct store_sink *next;
    const struct call *c;
    uint64_t from, length;
};

static int range_write(void *arg, const void *p, size_t n)
{
    struct range_sink *r = arg;
    uint64_t first;
    struct str range, rest;

    if (r->c->t.received == 0) {
        range = header_get(&r->c->t.reply, STR("Content-Range"));
        if (r->c->t.status == 206) {
            if (!str_starts(range, STR("bytes ")) ||
                !str_cut(str_slice(range, 6, range.n), '-', &range, &rest) || str_to_u64(range, &first) < 0 ||
                first != r->from)
                return -EBADMSG;
        } else if (r->from != 0) {
            return -EBADMSG;
        }
    }
    if (r->c->t.received + n > r->length)
        return -EBADMSG;
    return r->next->write(r->next->arg, p, n);
}

static int swift_get(struct store *store, struct store_name name, const char *etag, uint64_t from,
                     uint64_t length, const struct store_sink *sink)
{
    struct store_swift *s = self(store);
    struct arena *a = arena_new();
    struct call c;
    struct range_sink guard = {.next = sink, .c = &c, .from = from, .length = length};
    struct store_sink guarded = {.write = range_write, .arg = &guard, .cancel = sink->cancel};
    int rc;

    call_init(&c, a, "GET", object_url(s, a, name, ""));
    c.sink = &guarded;
    header_addf(&c.headers, STR("Range"), "bytes=%llu-%llu", (unsigned long long)from,
                (unsigned long long)(from + length - 1));
    if (etag && etag[0])
        header_addf(&c.headers, STR("If-Match"), "\"%s\"", etag);
    rc = call_error(&c, call_run(s, &c));
    if (c.t.status == 412 || rc == -ERANGE)
        rc = -ESTALE;
    else if (rc == 0 && c.t.received != length)
        rc = -ESTALE;
    arena_free(a);
    return rc;
}

/* Our metadata under the prefix of the thing they belong to; other headers only for objects. */
static void add_metadata(struct call *c, struct store_name name, const struct header_table *headers)
{
    struct str prefix = STR("X-Object-Meta-");

    for (size_t i = 0; headers && i < headers->n; i++) {
        const struct header *h = &headers->v[i];

        if (name.object.n)
            header_add_ref(&c->headers, h->name, h->value);
        else if (str_istarts(h->name, prefix))
            header_add_ref(
                &c->headers,
                arena_join(c->arena, meta_prefix(name), str_slice(h->name, prefix.n, h->name.n), STR_END),
                h->value);
    }
}

/* 413 for something that is not too large is a quota. */
static int put_error(struct store_swift *s, const struct call *c, int rc)
{
    rc = call_error(c, rc);
    return rc == -EFBIG && c->t.sent <= s->store.limits.max_file_size ? -EDQUOT : rc;
}

static int swift_put(struct store *store, struct store_name name, const struct header_table *headers,
                     bool exclusive, const struct store_source *source, struct arena *a,
                     struct store_reply *ret)
{
    struct store_swift *s = self(store);
    struct call c;
    int rc;

    call_init(&c, a, "PUT", object_url(s, a, name, ""));
    c.source = source;
    add_metadata(&c, name, headers);
    if (exclusive)
        header_add(&c.headers, STR("If-None-Match"), STR("*"));
    rc = put_error(s, &c, call_run(s, &c));
    if (rc == 0 || rc == -EEXIST)
        take_reply(ret, name, &c);
    return rc;
}

static int swift_post(struct store *store, struct store_name name, const struct header_table *headers,
                      struct arena *a, struct store_reply *ret)
{
    struct store_swift *s = self(store);
    struct call c;
    int rc;

    call_init(&c, a, "POST", object_url(s, a, name, ""));
    add_metadata(&c, name, headers);
    rc = call_error(&c, call_run(s, &c));
    if (rc == 0)
        take_reply(ret, name, &c);
    return rc;
}

static int swift_copy(struct store *store, struct store_name from, struct store_name to, struct arena *a,
                      struct store_reply *ret)
{
    struct store_swift *s = self(store);
    struct call c;
    int rc;

    if (atomic_load(&s->no_copy))
        return -EOPNOTSUPP;
    call_init(&c, a, "PUT", object_url(s, a, to, "?multipart-manifest=get"));
    header_add_ref(&c.headers, STR("X-Copy-From"),
                   arena_join(a, STR("/"), url_quote(a, from.container, ""), STR("/"),
                              url_quote(a, from.object, "/"), STR_END));
    rc = put_error(s, &c, call_run(s, &c));
    if (rc == 0)
        take_reply(ret, to, &c);
    if (rc == 0 && !header_has(&c.t.reply, STR("X-Copied-From"))) {
        atomic_store(&s->no_copy, true);
        rc = -EOPNOTSUPP;
    }
    return rc;
}

static int swift_remove(struct store *store, struct store_name name)
{
    struct store_swift *s = self(store);
    struct arena *a = arena_new();
    struct call c;
    int rc;

    call_init(&c, a, "DELETE", object_url(s, a, name, ""));
    rc = call_error(&c, call_run(s, &c));
    if (rc == -EBUSY && !name.object.n)
        rc = -ENOTEMPTY;
    if (rc == -ENOENT && c.repeated)
        rc = 0; /* an earlier attempt got through */
    arena_free(a);
    return rc;
}

static int buf_sink_write(void *arg, const void *p, size_t n)
{
    return buf_append(arg, p, n);
}

static int get_whole(struct store_swift *s, struct arena *a, const char *url, struct buf *body)
{
    struct store_sink sink = {.write = buf_sink_write, .arg = body};
    struct call c;

    call_init(&c, a, "GET", url);
    c.sink = &sink;
    return call_error(&c, call_run(s, &c));
}

static const char *listing_query(struct arena *a, struct str prefix, char delimiter, struct str marker,
                                 uint32_t limit)
{
    struct str q = STR("?format=json");

    if (prefix.n)
        q = arena_join(a, q, STR("&prefix="), url_quote(a, prefix, ""), STR_END);
    if (delimiter)
        q = arena_join(a, q, STR("&delimiter="), url_quote(a, str_of(&delimiter, 1), ""), STR_END);
    if (marker.n)
        q = arena_join(a, q, STR("&marker="), url_quote(a, marker, ""), STR_END);
    return arena_printf(a, "%.*s&limit=%u", STR_ARG(q), limit).p;
}

/* A page shorter than the limit is the last: the proxy fills it from as many shards as it takes. */
static int swift_list(struct store *store, struct str container, struct str prefix, char delimiter,
                      struct str marker, uint32_t limit, struct listing *ret)
{
    struct store_swift *s = self(store);
    struct arena *a = arena_new();
    struct store_name name = {.container = container};
    struct buf body;
    ssize_t n;
    int rc;

    limit = limit ? limit : s->listing_limit;
    buf_init(&body, LISTING_BYTES_MAX);
    rc = get_whole(s, a, object_url(s, a, name, listing_query(a, prefix, delimiter, marker, limit)), &body);
    if (rc == 0 && body.n) {
        n = listing_parse(ret, buf_view(&body));
        ret->more = n >= (ssize_t)limit;
        rc = n < 0 ? (int)n : 0;
    } else {
        ret->more = false;
    }
    buf_release(&body);
    arena_free(a);
    return rc;
}

static void swift_free(struct store *store)
{
    free(store);
}

/* --- limits ------------------------------------------------------------------------------------------------ */

static uint64_t info_number(const json_t *swift, const char *key, uint64_t otherwise)
{
    const json_t *v = json_object_get(swift, key);

    return json_is_integer(v) && json_integer_value(v) > 0 ? (uint64_t)json_integer_value(v) : otherwise;
}

/* The storage URL's scheme and host, with /info. */
static const char *info_url(struct store_swift *s, struct arena *a)
{
    struct str url = str_from(auth_storage_url(s->auth));
    ssize_t host = str_find_str(url, STR("://"), 0), path;

    if (host < 0)
        return NULL;
    path = str_find_str(url, STR("/"), (size_t)host + 3);
    return arena_join(a, path < 0 ? url : str_slice(url, 0, (size_t)path), STR("/info"), STR_END).p;
}

static void read_limits(struct store_swift *s)
{
    struct arena *a = arena_new();
    struct buf body;
    const char *url = info_url(s, a);
    json_t *info = NULL, *swift;

    s->store.limits = (struct store_limits){.max_file_size = DEFAULT_MAX_FILE_SIZE,
                                            .max_object_name = DEFAULT_MAX_OBJECT_NAME,
                                            .max_container_name = DEFAULT_MAX_CONTAINER_NAME};
    s->listing_limit = DEFAULT_LISTING_LIMIT;
    buf_init(&body, INFO_BYTES_MAX);
    if (url && get_whole(s, a, url, &body) == 0 && body.n)
        info = json_loadb(body.p, body.n, 0, NULL);
    swift = json_object_get(info, "swift");
    if (swift) {
        struct store_limits *l = &s->store.limits;

        l->max_file_size = info_number(swift, "max_file_size", l->max_file_size);
        l->max_object_name = (uint32_t)info_number(swift, "max_object_name_length", l->max_object_name);
        l->max_container_name =
            (uint32_t)info_number(swift, "max_container_name_length", l->max_container_name);
        s->listing_limit = (uint32_t)info_number(swift, "container_listing_limit", DEFAULT_LISTING_LIMIT);
        if (info_number(swift, "account_listing_limit", DEFAULT_LISTING_LIMIT) < s->listing_limit)
            s->listing_limit = (uint32_t)info_number(swift, "account_listing_limit", DEFAULT_LISTING_LIMIT);
    }
    json_decref(info);
    buf_release(&body);
    arena_free(a);
}

struct store *store_swift_new(struct transfer_pool *pool, struct auth *auth)
{
    struct store_swift *s = xcalloc(1, sizeof *s);

    s->store = (struct store){.head = swift_head,
                              .get = swift_get,
                              .put = swift_put,
                              .post = swift_post,
                              .copy = swift_copy,
                              .remove = swift_remove,
                              .list = swift_list,
                              .free = swift_free};
    s->pool = pool;
    s->auth = auth;
    read_limits(s);
    return &s->store;
}
