/* SPDX-License-Identifier: Apache-2.0
 *
 * proxy_get.c: the search
 *
 *   for each node:  2xx, 3xx, 416 of an object  -> a source; the first is taken, with X-Newest the newest of all
 *                   404, 5xx of a handoff that knows no tombstone       -> no evidence, forgotten
 *                   the first 404s of primaries that know no tombstone  -> forgotten too (rebalancing)
 *                   anything else                                       -> remembered for best_response()
 *
 * and the body of an object, which holds the position in the object that comes next:
 *
 *   call != NULL   bytes come from this node       call == NULL   the next read looks for a node first
 *
 * A request for several ranges becomes a HEAD, which tells the size, and a GET for each range when its turn comes: each of
 * them can be resumed like any other.
 */
#include "proxy/proxy_get.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error_page.h"
#include "common/log.h"
#include "common/timestamp.h"
#include "http/http_range.h"
#include "proxy/best_response.h"
#include "proxy/proxy_backend.h"

#define ERROR_BODY_MAX   65536
#define LISTING_BODY_MAX (128 * 1024 * 1024)
#define RETRYING         "Trying to read object during GET (retrying)"

/* An answer that is not a source. */
struct refusal {
    int status;
    const struct header_table *headers; /* NULL: none */
    struct str body;
};

struct source {
    struct http_call *call;
    struct node node;
    struct timestamp timestamp;
    struct buf body; /* of a listing, read whole */
};

struct get {
    struct proxy_request *p;
    struct proxy_target target;
    const struct ring *ring;
    struct node_iter nodes;
    struct str method;
    struct header_table headers; /* of requests to servers */
    bool newest;
    int64_t timeout_ms;
    int64_t suppress; /* 404s without a timestamp that do not count yet */
    struct timestamp latest_404;
    struct refusal *refusals;
    size_t n_refusals, refusals_cap;
    struct source source;
    bool found;
    /* for resuming */
    struct str etag;
    uint64_t size;                     /* of the whole object */
    const struct ring_device *dead[8]; /* broke off in this request: not asked again */
    size_t n_dead;
    bool second_round;
};

/* --- judging an answer ----------------------------------------------------------------------------------------------------- */

static struct timestamp field_time(const struct header_table *t, struct str name)
{
    struct timestamp ts = TIMESTAMP_ZERO;
    struct str value = header_get(t, name);
    if (value.n)
        timestamp_parse(value, &ts);
    return ts;
}

static bool is_zero(struct timestamp t)
{
    return timestamp_cmp(t, TIMESTAMP_ZERO) == 0;
}

static struct timestamp source_time(const struct header_table *t)
{
    static const struct str names[] = {STR_INIT("X-Backend-Data-Timestamp"), STR_INIT("X-Backend-Timestamp"),
                                       STR_INIT("X-Put-Timestamp"), STR_INIT("X-Timestamp")};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (header_get(t, names[i]).n)
            return field_time(t, names[i]);
    return TIMESTAMP_ZERO;
}

static bool is_source(const struct get *g, int status)
{
    return (status >= 200 && status <= 399) || (status == 416 && g->p->type == PROXY_OBJECT);
}

/* The database is there but empty and unsynced. */
static bool never_put(const struct header_table *t)
{
    return header_has(t, STR("X-Put-Timestamp")) && is_zero(field_time(t, STR("X-Put-Timestamp")));
}

static void remember(struct get *g, int status, const struct header_table *headers, struct str body)
{
    if (g->n_refusals == g->refusals_cap) {
        size_t cap = g->refusals_cap ? 2 * g->refusals_cap : 8;
        struct refusal *v = arena_alloc(g->p->req->arena, cap * sizeof(*v));
        if (g->n_refusals)
            memcpy(v, g->refusals, g->n_refusals * sizeof(*v));
        g->refusals = v;
        g->refusals_cap = cap;
    }
    g->refusals[g->n_refusals++] = (struct refusal){status, headers, body};
}

/* What stays is where it came from. */
static void release_source(struct source *s)
{
    http_call_close(s->call);
    s->call = NULL;
    buf_release(&s->body);
}

/* Drops the source unless it is at least as new as the newest tombstone. */
static void drop_deleted_source(struct get *g)
{
    if (g->found && timestamp_cmp(g->source.timestamp, g->latest_404) < 0) {
        release_source(&g->source);
        g->found = false;
    }
}

static struct str read_text(struct get *g, struct http_call *call)
{
    struct buf body;
    struct str text = STR("");
    buf_init(&body, ERROR_BODY_MAX);
    if (proxy_read_body(call, &body) == 0)
        text = arena_str(g->p->req->arena, buf_view(&body));
    buf_release(&body);
    return text;
}

/* Neither found nor an error of the connection. */
static void take_refusal(struct get *g, const struct node *node, struct http_call *call)
{
    int status = http_call_status(call);
    const struct header_table *t = http_call_headers(call);
    struct timestamp ts = field_time(t, STR("X-Backend-Timestamp"));
    char what[64];
    if (status >= 500) {
        snprintf(what, sizeof(what), "Trying to %.*s", STR_ARG(g->method));
        proxy_backend_status(&g->target, node, what, status);
    }
    if (node->handoff && (status >= 500 || status == 404) && is_zero(ts))
        return;
    if (g->suppress > 0 && status == 404 && is_zero(ts)) {
        g->suppress--;
        return;
    }
    struct header_table *kept = arena_alloc(g->p->req->arena, sizeof(*kept));
    *kept = *t;
    remember(g, status, kept, read_text(g, call));
    if (g->p->type == PROXY_OBJECT && status == 404 && timestamp_cmp(ts, g->latest_404) > 0)
        g->latest_404 = ts;
}

/* Takes the call over if it is the best source so far, else closes it. */
static void take_source(struct get *g, const struct node *node, struct http_call *call, struct buf *body)
{
    struct source s = {call, *node, source_time(http_call_headers(call)), *body};
    if (timestamp_cmp(s.timestamp, g->latest_404) < 0 ||
        (g->found && timestamp_cmp(s.timestamp, g->source.timestamp) <= 0)) {
        release_source(&s);
        return;
    }
    if (g->found)
        release_source(&g->source);
    g->source = s;
    g->found = true;
}

/* Listings are read whole, while there are other nodes to ask. */
static int read_listing(struct get *g, struct http_call *call, struct buf *body)
{
    if (g->p->type == PROXY_OBJECT || http_call_status(call) != 200 || str_eq(g->method, STR("HEAD")))
        return 0;
    return proxy_read_body(call, body);
}

/* [waits] Asks one node. */
static void ask(struct get *g, const struct node *node)
{
    struct http_call *call;
    struct buf body;
    char what[64];
    if (proxy_backend_open(&g->target, node, g->method, &g->headers, 0, g->timeout_ms, g->p->req->arena,
                           &call))
        return;
    buf_init(&body, LISTING_BODY_MAX);
    int err = http_call_response(call, RT_FOREVER);
    if (!err && is_source(g, http_call_status(call)))
        err = read_listing(g, call, &body);
    if (err) {
        snprintf(what, sizeof(what), "Trying to %.*s", STR_ARG(g->method));
        proxy_backend_failed(&g->target, node, what, err);
    } else if (!is_source(g, http_call_status(call))) {
        take_refusal(g, node, call);
    } else if (never_put(http_call_headers(call))) {
        remember(g, 404, NULL, STR(""));
    } else {
        take_source(g, node, call, &body);
        return;
    }
    buf_release(&body);
    http_call_close(call);
}

/* [waits] */
static void search(struct get *g)
{
    struct node node;
    while ((!g->found || g->newest) && proxy_next_node(&g->target, &g->nodes, &node)) {
        ask(g, &node);
        if (!g->newest && g->found)
            return;
    }
    drop_deleted_source(g);
}

/* --- the body of an object ----------------------------------------------------------------------------------------------------- */

struct object_body {
    struct http_body base;
    struct get *get;
    struct http_call *call;
    struct node node;
    uint64_t next, end; /* [next, end) of the object is still to come */
    int error;
};

static void note_dead(struct get *g, const struct node *node)
{
    if (g->n_dead < sizeof(g->dead) / sizeof(g->dead[0]))
        g->dead[g->n_dead++] = node->device;
}

static bool is_dead(const struct get *g, const struct node *node)
{
    for (size_t i = 0; i < g->n_dead; i++)
        if (g->dead[i] == node->device)
            return true;
    return false;
}

/* The nodes not asked yet, then all but the dead ones once more: those asked before may have had a good copy too. */
static bool next_living(struct get *g, struct node *ret)
{
    for (;;) {
        while (proxy_next_node(&g->target, &g->nodes, ret))
            if (!is_dead(g, ret))
                return true;
        if (g->second_round)
            return false;
        g->second_round = true;
        node_iter_release(&g->nodes);
        node_iter_init(&g->nodes, g->p->req->arena, g->p->server->limiter, g->ring, g->target.part,
                       g->p->server->node_count, true);
    }
}

static struct str bare_etag(const struct header_table *t)
{
    struct str etag = header_get(t, STR("Etag"));
    if (etag.n >= 2 && etag.p[0] == '"' && etag.p[etag.n - 1] == '"')
        return str_slice(etag, 1, etag.n - 1);
    return etag;
}

/* "bytes FIRST-LAST/SIZE" */
static bool parse_content_range(struct str s, uint64_t *ret_first, uint64_t *ret_last, uint64_t *ret_size)
{
    struct str range, size, first, last;
    if (!str_istarts(s, STR("bytes ")) || !str_cut(str_slice(s, 6, s.n), '/', &range, &size) ||
        !str_cut(range, '-', &first, &last))
        return false;
    return !str_to_u64(first, ret_first) && !str_to_u64(last, ret_last) && !str_to_u64(size, ret_size) &&
           *ret_first <= *ret_last && *ret_last < *ret_size;
}

/* The answer goes on exactly where the body stands. */
static bool continues(const struct object_body *b, struct http_call *call)
{
    const struct get *g = b->get;
    const struct header_table *t = http_call_headers(call);
    uint64_t first, last, size;
    if (!str_eq(bare_etag(t), g->etag))
        return false;
    if (http_call_status(call) == 200)
        return b->next == 0 && http_call_length(call) == (int64_t)g->size;
    return http_call_status(call) == 206 &&
           parse_content_range(header_get(t, STR("Content-Range")), &first, &last, &size) &&
           first == b->next && last == b->end - 1 && size == g->size;
}

static void resume_headers(const struct object_body *b, struct header_table *ret)
{
    const struct header_table *from = &b->get->headers;
    header_init(ret, b->get->p->req->arena);
    for (size_t i = 0; i < from->n; i++)
        if (!str_istarts(from->v[i].name, STR("If-")) && !str_ieq(from->v[i].name, STR("Range")))
            header_add_ref(ret, from->v[i].name, from->v[i].value);
    header_addf(ret, STR("Range"), "bytes=%llu-%llu", (unsigned long long)b->next,
                (unsigned long long)b->end - 1);
}

/* [waits] True if the node has the rest: the body then comes from it. */
static bool resume_at(struct object_body *b, const struct node *node, const struct header_table *headers)
{
    struct get *g = b->get;
    struct http_call *call;
    if (proxy_backend_open(&g->target, node, STR("GET"), headers, 0, g->timeout_ms, g->p->req->arena, &call))
        return false;
    int err = http_call_response(call, RT_FOREVER);
    if (!err && continues(b, call)) {
        b->call = call;
        b->node = g->source.node = *node;
        return true;
    }
    if (err)
        proxy_backend_failed(&g->target, node, RETRYING, err);
    else if (http_call_status(call) >= 500)
        proxy_backend_status(&g->target, node, RETRYING, http_call_status(call));
    http_call_close(call);
    return false;
}

/* [waits] Finds a node that has the rest, first where the last bytes came from unless that broke off. 0 or -errno. */
static int resume(struct object_body *b)
{
    struct header_table headers;
    struct node node = b->get->source.node;
    resume_headers(b, &headers);
    if (!is_dead(b->get, &node) && resume_at(b, &node, &headers))
        return 0;
    while (next_living(b->get, &node))
        if (resume_at(b, &node, &headers))
            return 0;
    return -EIO;
}

static ssize_t object_read(struct http_body *body, void *p, size_t n)
{
    struct object_body *b = (struct object_body *)body;
    if (n > b->end - b->next)
        n = (size_t)(b->end - b->next);
    while (n && !b->error) {
        if (!b->call && (b->error = resume(b)))
            break;
        ssize_t got = http_call_read(b->call, p, n);
        if (got > 0) {
            b->next += (uint64_t)got;
            return got;
        }
        http_call_close(b->call);
        b->call = NULL;
        if (got == -ECANCELED)
            return b->error = -ECANCELED;
        proxy_backend_failed(&b->get->target, &b->node, RETRYING, got ? (int)got : -ECONNRESET);
        note_dead(b->get, &b->node);
    }
    return b->error;
}

static void object_close(struct http_body *body)
{
    struct object_body *b = (struct object_body *)body;
    http_call_close(b->call);
    b->call = NULL;
}

static const struct http_body_ops object_ops = {.read = object_read, .close = object_close};

/* [first, last] of the object; call may be NULL. */
static struct http_body *object_body(struct get *g, struct http_call *call, uint64_t first, uint64_t last)
{
    struct object_body *b = arena_zalloc(g->p->req->arena, sizeof(*b));
    *b = (struct object_body){.base = {&object_ops, (int64_t)(last - first + 1)},
                              .get = g,
                              .call = call,
                              .node = g->source.node,
                              .next = first,
                              .end = last + 1};
    return &b->base;
}

/* --- filling the answer ----------------------------------------------------------------------------------------------------------- */

static bool wants_ranges(const struct proxy_request *p)
{
    return p->type == PROXY_OBJECT && str_eq(p->req->method, STR("GET")) &&
           str_find(header_get_joined(&p->req->headers, STR("Range")), ',') >= 0;
}

static void fill_refusal(struct get *g)
{
    struct http_response *rsp = g->p->rsp;
    size_t n = g->n_refusals;
    int *statuses = arena_alloc(rsp->arena, (n + 1) * sizeof(*statuses));
    for (size_t i = 0; i < n; i++)
        statuses[i] = g->refusals[i].status;
    int best = best_response(statuses, n, quorum_size(n));
    if (best < 0) {
        log_txn(LOG_LEVEL_ERROR, g->p->req->txn, "%s %.*s returning 503: %zu servers answered",
                proxy_type_title(g->p->type), STR_ARG(g->p->req->method), n);
        error_page(rsp, 503);
        return;
    }
    const struct refusal *r = &g->refusals[best];
    if (wants_ranges(g->p) && r->status != 412)
        error_page(rsp, r->status); /* servers were asked with HEAD */
    else
        http_response_text(rsp, r->status, "text/html; charset=UTF-8", r->body);
    if (r->headers)
        proxy_copy_answer(rsp, r->headers, false);
}

static void fill_head(struct get *g)
{
    struct http_response *rsp = g->p->rsp;
    const struct header_table *t = http_call_headers(g->source.call);
    struct str type = header_get(t, STR("Content-Type"));
    rsp->status = http_call_status(g->source.call);
    header_add_ref(&rsp->headers, STR("Content-Type"), type.p ? type : STR("text/html; charset=UTF-8"));
    proxy_copy_answer(rsp, t, false);
    header_set(&rsp->headers, STR("Accept-Ranges"), STR("bytes"));
    const struct policy *policy = NULL;
    struct str index = header_get(t, STR("X-Backend-Storage-Policy-Index"));
    if (index.n && info_exists(rsp->status))
        policy = policy_by_header(&g->p->server->swift->policies, index);
    if (policy)
        header_set(&rsp->headers, STR("X-Storage-Policy"), str_from(policy->name));
}

static void release_nodes(void *arg)
{
    node_iter_release(arg);
}

/* Sets the stream of an object: what it covers, and how it can go on elsewhere. */
static void fill_object_body(struct get *g)
{
    struct http_response *rsp = g->p->rsp;
    struct http_call *call = g->source.call;
    const struct header_table *t = http_call_headers(call);
    int64_t length = http_call_length(call);
    uint64_t first = 0, last = 0;
    bool known = length > 0;
    g->etag = bare_etag(t);
    g->size = length > 0 ? (uint64_t)length : 0;
    if (rsp->status == 206)
        known = known && parse_content_range(header_get(t, STR("Content-Range")), &first, &last, &g->size) &&
                last - first + 1 == (uint64_t)length;
    else
        last = g->size - 1;
    if (length == 0) {
        http_call_close(call);
        rsp->body = NULL;
    } else if (known && g->etag.n) {
        rsp->body = object_body(g, call, first, last);
    } else {
        rsp->body = http_call_body(call, rsp->arena); /* cannot be resumed */
    }
    g->source.call = NULL;
}

static void fill_source(struct get *g)
{
    struct http_response *rsp = g->p->rsp;
    fill_head(g);
    if (str_eq(g->method, STR("HEAD"))) {
        struct str length = header_get(http_call_headers(g->source.call), STR("Content-Length"));
        if (length.n && g->p->type == PROXY_OBJECT)
            header_set(&rsp->headers, STR("Content-Length"), length);
    } else if (g->p->type != PROXY_OBJECT) {
        rsp->body = http_body_buf(rsp->arena, &g->source.body);
    } else if (rsp->status == 200 || rsp->status == 206) {
        fill_object_body(g);
    } else if (rsp->status == 416) {
        rsp->body = http_body_memory(rsp->arena, read_text(g, g->source.call));
    }
    release_source(&g->source);
}

/* --- several ranges ----------------------------------------------------------------------------------------------------------------- */

static struct http_body *open_range(void *arg, uint64_t start, uint64_t end, int *ret_err)
{
    return object_body(arg, NULL, start, end);
}

/* X-Backend-Ignore-Range-If-Metadata-Present names a field that the object has. */
static bool range_ignored(const struct get *g, const struct http_response *rsp)
{
    struct str rest = header_get(&g->p->req->headers, STR("X-Backend-Ignore-Range-If-Metadata-Present")),
               item;
    while (str_next(&rest, ',', &item))
        if (header_has(&rsp->headers, str_trim(item)))
            return true;
    return false;
}

/* After a HEAD that found the object. */
static void fill_ranges(struct get *g)
{
    struct http_response *rsp = g->p->rsp;
    uint64_t size = 0;
    fill_head(g);
    const struct header_table *t = http_call_headers(g->source.call);
    str_to_u64(header_get(t, STR("Content-Length")), &size);
    g->etag = bare_etag(t);
    g->size = size;
    g->second_round = false;
    g->n_dead = 0;
    release_source(&g->source);
    if (rsp->status != 200)
        return;
    struct str type = header_get(&rsp->headers, STR("Content-Type"));
    if (range_ignored(g, rsp) ||
        http_response_ranges(g->p->req, rsp, size, type, open_range, g) == HTTP_RANGE_NONE)
        rsp->body = size ? object_body(g, NULL, 0, size - 1) : NULL;
}

/* --- entry ----------------------------------------------------------------------------------------------------------------------------- */

void proxy_get(struct proxy_request *p, const struct ring *ring, uint32_t part)
{
    struct proxy_server *s = p->server;
    struct get *g = arena_zalloc(p->req->arena, sizeof(*g));
    bool ranges = wants_ranges(p);
    g->p = p;
    g->ring = ring;
    g->target = (struct proxy_target){.server = s,
                                      .type = p->type,
                                      .txn = p->req->txn,
                                      .part = part,
                                      .entity_path = p->entity_path,
                                      .query = p->req->query};
    g->method = ranges ? STR("HEAD") : p->req->method;
    g->newest = str_is_true(header_get(&p->req->headers, STR("X-Newest")));
    g->timeout_ms = p->type == PROXY_OBJECT && !g->newest ? s->options.recoverable_node_timeout_ms
                                                          : s->options.node_timeout_ms;
    proxy_backend_headers(p, PROXY_HEADERS_ALL, p->req->arena, false, &g->headers);
    if (ranges)
        header_remove(&g->headers, STR("Range"));
    node_iter_init(&g->nodes, p->req->arena, s->limiter, ring, part, s->node_count, true);
    arena_on_free(p->req->arena, release_nodes, &g->nodes);
    g->suppress = s->options.rebalance_missing_suppression_count;
    if (g->suppress > (int64_t)g->nodes.n_primaries - 1)
        g->suppress = (int64_t)g->nodes.n_primaries - 1;
    search(g);
    if (!g->found)
        fill_refusal(g);
    else if (ranges)
        fill_ranges(g);
    else
        fill_source(g);
}
