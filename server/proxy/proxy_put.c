/* SPDX-License-Identifier: Apache-2.0
 *
 * proxy_put.c: one task per replica, a putter, and the client's task, which reads the body. Between them a ring of
 * CHUNKS buffers that all putters read from:
 *
 *        consumed[i] <= produced <= min(consumed of putters still writing) + CHUNKS
 *
 * so that the client is read as fast as the slowest putter that is still alive writes, with CHUNKS buffers of play. A putter
 * that cannot write for node_timeout drops out and holds nobody up any more.
 *
 * A putter:    CONNECTING -> READY (100 Continue) -> WRITING -> ENDING -> DONE (final answer)
 *                   |  \                                 \          \
 *                   |   FINAL (answered at once: 409, 412, 201 ...)   FAILED
 *                   FAILED (no node left)
 *
 * The client's task:   wait until nobody is CONNECTING; decide; read and publish chunks; wait for a quorum of answers, and
 * post_quorum_timeout longer for the others; answer. Putters still ENDING then go on in the background: they
 * share a counted group with arenas of its own, as in proxy_spread.c.
 *
 * verdict: GO lets READY putters write, ABORT makes all of them close their connections without ending the body, upon which
 * the servers store nothing.
 */
#include "proxy/proxy_put.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/error_page.h"
#include "common/alloc.h"
#include "common/log.h"
#include "common/timestamp.h"
#include "proxy/best_response.h"
#include "proxy/proxy_backend.h"

#define CHUNKS   4
#define BODY_MAX 65536 /* of an answer */

enum putter_state { CONNECTING, READY, FINAL, WRITING, ENDING, DONE, FAILED };
enum verdict { UNDECIDED, GO, ABORT };

struct group;

struct putter {
    struct group *group;
    struct arena *arena;
    struct header_table headers;
    struct node node;
    struct http_call *call;
    enum putter_state state; /* under the lock, as what follows */
    uint64_t consumed;       /* chunks written */
    int status;              /* of the final answer; 0: none */
    struct str etag, body;
    size_t order; /* how many had answered before */
};

struct chunk {
    char *p;
    size_t n;
};

struct group {
    _Atomic(unsigned) refs;
    struct arena *arena;
    struct proxy_target target;
    const struct ring *ring;
    struct node_iter nodes;
    int64_t body_length; /* towards the servers: -1 chunked */
    bool if_none_match;

    struct rt_mutex lock; /* guards what follows */
    struct rt_cond changed;
    enum verdict verdict;
    struct chunk chunks[CHUNKS];
    uint64_t produced;
    bool complete; /* no chunk will follow */
    size_t n, n_answers;
    struct putter *putters;
};

/* --- putters ------------------------------------------------------------------------------------------------------------------- */

static void group_unref(struct group *g)
{
    if (atomic_fetch_sub(&g->refs, 1) != 1)
        return;
    for (size_t i = 0; i < g->n; i++)
        arena_free(g->putters[i].arena);
    for (size_t i = 0; i < CHUNKS; i++)
        free(g->chunks[i].p);
    node_iter_release(&g->nodes);
    rt_cond_destroy(&g->changed);
    rt_mutex_destroy(&g->lock);
    ring_unref(g->ring);
    arena_free(g->arena);
    free(g);
}

static void set_state(struct putter *t, enum putter_state state)
{
    struct group *g = t->group;
    rt_lock(&g->lock);
    t->state = state;
    rt_cond_broadcast(&g->changed);
    rt_unlock(&g->lock);
}

static struct str bare_etag(struct arena *arena, struct str etag)
{
    if (etag.n >= 2 && etag.p[0] == '"' && etag.p[etag.n - 1] == '"')
        etag = str_slice(etag, 1, etag.n - 1);
    return arena_str(arena, etag);
}

/* Takes a final answer and says that it is there. */
static void finish(struct putter *t, enum putter_state state)
{
    struct group *g = t->group;
    struct buf body;
    int status = http_call_status(t->call);
    buf_init(&body, BODY_MAX);
    proxy_read_body(t->call, &body);
    struct str text = arena_str(t->arena, buf_view(&body));
    buf_release(&body);
    struct str etag = bare_etag(t->arena, header_get(http_call_headers(t->call), STR("Etag")));
    if (status >= 500)
        proxy_backend_status(&g->target, &t->node, "Trying to PUT", status);
    rt_lock(&g->lock);
    t->status = status;
    t->body = text;
    t->etag = status >= 200 && status <= 299 ? etag : STR_NONE;
    t->order = g->n_answers++;
    t->state = status >= 500 ? FAILED : state;
    rt_cond_broadcast(&g->changed);
    rt_unlock(&g->lock);
}

/* [waits] Connects to one node: true once it said 100 Continue or something final that is not its own trouble. */
static bool connect_node(struct putter *t)
{
    struct group *g = t->group;
    if (proxy_backend_open(&g->target, &t->node, STR("PUT"), &t->headers, g->body_length,
                           g->target.server->options.node_timeout_ms, t->arena, &t->call))
        return false;
    int err = http_call_response(t->call, RT_FOREVER);
    if (!err && http_call_status(t->call) == 100) {
        set_state(t, READY);
        return true;
    }
    if (!err && http_call_status(t->call) < 500) {
        finish(t, FINAL);
        return true;
    }
    if (err)
        proxy_backend_failed(&g->target, &t->node, "Expect: 100-continue on", err);
    else
        proxy_backend_status(&g->target, &t->node, "Expect: 100-continue on", http_call_status(t->call));
    http_call_close(t->call);
    t->call = NULL;
    return false;
}

static bool connect_any(struct putter *t)
{
    struct group *g = t->group;
    while (proxy_next_node(&g->target, &g->nodes, &t->node))
        if (connect_node(t))
            return true;
    set_state(t, FAILED);
    return false;
}

/* [waits] The next chunk: 1; 0: there is none left; -ECANCELED: the body is given up. */
static int next_chunk(struct putter *t, struct chunk *ret)
{
    struct group *g = t->group;
    int r = -ECANCELED;
    rt_lock(&g->lock);
    while (g->verdict == UNDECIDED || (g->verdict == GO && t->consumed == g->produced && !g->complete))
        if (rt_cond_wait(&g->changed, &g->lock, RT_FOREVER))
            break;
    if (g->verdict == GO && t->consumed < g->produced) {
        *ret = g->chunks[t->consumed % CHUNKS];
        t->state = WRITING;
        r = 1;
    } else if (g->verdict == GO && g->complete) {
        t->state = ENDING;
        r = 0;
    }
    rt_unlock(&g->lock);
    return r;
}

static void chunk_written(struct putter *t)
{
    struct group *g = t->group;
    rt_lock(&g->lock);
    t->consumed++;
    rt_cond_broadcast(&g->changed);
    rt_unlock(&g->lock);
}

/* [waits] Writes the body and takes the answer. */
static void write_body(struct putter *t)
{
    struct group *g = t->group;
    struct chunk chunk;
    int r, err = 0;
    while (!err && (r = next_chunk(t, &chunk)) == 1) {
        err = http_call_write(t->call, chunk.p, chunk.n);
        if (!err)
            chunk_written(t);
    }
    if (!err && r == 0)
        err = http_call_end(t->call);
    if (!err && r < 0) {
        set_state(t, FAILED);
        return;
    }
    /* A server that refuses in the middle has answered before it hung up. */
    int answer = !err || err == -EPIPE || err == -ECONNRESET ? http_call_response(t->call, RT_FOREVER) : err;
    if (!answer && http_call_status(t->call) >= 200) {
        finish(t, DONE);
        return;
    }
    proxy_backend_failed(&g->target, &t->node, "Trying to write to", err ? err : answer ? answer : -EBADMSG);
    set_state(t, FAILED);
}

static void run_putter(void *arg)
{
    struct putter *t = arg;
    struct group *g = t->group;
    struct proxy_server *server = g->target.server;
    if (connect_any(t) && t->state == READY)
        write_body(t);
    http_call_close(t->call);
    group_unref(g);
    atomic_fetch_sub(&server->background, 1);
}

static struct group *group_new(struct proxy_request *p, const struct proxy_put *put)
{
    struct group *g = xcalloc(1, sizeof(*g));
    struct arena *a = arena_new();
    g->arena = a;
    g->target = (struct proxy_target){.server = p->server,
                                      .type = PROXY_OBJECT,
                                      .txn = arena_str(a, p->req->txn),
                                      .part = put->part,
                                      .entity_path = arena_str(a, p->entity_path)};
    g->ring = ring_ref(put->ring);
    /* 100-continue needs a body to come: an empty one is sent in chunks. */
    g->body_length = p->req->has_length && p->req->content_length > 0 ? p->req->content_length : -1;
    g->if_none_match = header_has(&p->req->headers, STR("If-None-Match"));
    g->n = put->n;
    g->putters = arena_zalloc(a, g->n * sizeof(*g->putters));
    node_iter_init(&g->nodes, a, p->server->limiter, g->ring, put->part, p->server->node_count, true);
    rt_mutex_init(&g->lock);
    rt_cond_init(&g->changed);
    for (size_t i = 0; i < g->n; i++) {
        struct putter *t = &g->putters[i];
        t->group = g;
        t->arena = arena_new();
        header_init(&t->headers, t->arena);
        header_copy(&t->headers, &put->headers[i]);
        header_set(&t->headers, STR("Expect"), STR("100-continue"));
    }
    return g;
}

/* --- the client's task ------------------------------------------------------------------------------------------------------------ */

static size_t count_state(const struct group *g, enum putter_state from, enum putter_state to)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++)
        n += g->putters[i].state >= from && g->putters[i].state <= to;
    return n;
}

/* Those that may still store the object. */
static size_t alive(const struct group *g)
{
    return count_state(g, READY, DONE);
}

static bool any_answered(const struct group *g, int status)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->putters[i].status == status)
            return true;
    return false;
}

static void decide(struct group *g, enum verdict verdict)
{
    g->verdict = verdict;
    rt_cond_broadcast(&g->changed);
}

/* [waits] Until every putter has a node or none. 0, or the status to answer. Under the lock. */
static int wait_for_connections(struct group *g, struct proxy_request *p)
{
    while (count_state(g, CONNECTING, CONNECTING))
        if (rt_cond_wait(&g->changed, &g->lock, RT_FOREVER))
            return 499;
    if (g->if_none_match && any_answered(g, 412))
        return 412;
    if (any_answered(g, 409)) /* a newer one is there already */
        return 202;
    if (alive(g) < quorum_size(g->n)) {
        log_txn(LOG_LEVEL_ERROR, p->req->txn, "Object PUT returning 503, %zu/%zu required connections",
                alive(g), quorum_size(g->n));
        return 503;
    }
    return 0;
}

/* [waits] Until the next buffer is free of all that still write. 0, or the status to answer. */
static int wait_for_room(struct group *g, struct proxy_request *p)
{
    int status = 0;
    rt_lock(&g->lock);
    for (;;) {
        uint64_t slowest = g->produced;
        if (alive(g) < quorum_size(g->n)) {
            log_txn(LOG_LEVEL_ERROR, p->req->txn,
                    "Object PUT exceptions during send, %zu/%zu required connections", alive(g),
                    quorum_size(g->n));
            status = 503;
            break;
        }
        for (size_t i = 0; i < g->n; i++) {
            const struct putter *t = &g->putters[i];
            if ((t->state == READY || t->state == WRITING) && t->consumed < slowest)
                slowest = t->consumed;
        }
        if (g->produced - slowest < CHUNKS)
            break;
        if (rt_cond_wait(&g->changed, &g->lock, RT_FOREVER)) {
            status = 499;
            break;
        }
    }
    rt_unlock(&g->lock);
    return status;
}

static void publish(struct group *g, size_t n)
{
    rt_lock(&g->lock);
    g->chunks[g->produced % CHUNKS].n = n;
    g->produced++;
    rt_cond_broadcast(&g->changed);
    rt_unlock(&g->lock);
}

/* No buffer larger than the body. */
static size_t chunk_size(const struct proxy_request *p)
{
    int64_t size = p->server->options.object_chunk_size;
    if (p->req->has_length && p->req->content_length < size)
        size = p->req->content_length > 0 ? p->req->content_length : 1;
    return (size_t)size;
}

static int read_failed(const struct proxy_request *p, ssize_t err)
{
    if (err == -ETIMEDOUT) {
        log_txn(LOG_LEVEL_WARNING, p->req->txn, "ERROR Client read timeout");
        return 408;
    }
    if (err == -EFBIG)
        return 413;
    log_txn(LOG_LEVEL_WARNING, p->req->txn, "Client disconnected without sending last chunk");
    return 499;
}

/* [waits] The client's body into the buffers. 0 at its end, or the status to answer. */
static int relay(struct group *g, struct proxy_request *p)
{
    size_t size = chunk_size(p);
    uint64_t total = 0;
    for (;;) {
        int status = wait_for_room(g, p);
        if (status)
            return status;
        struct chunk *c = &g->chunks[g->produced % CHUNKS]; /* nobody reads this one */
        if (!c->p)
            c->p = xmalloc(size);
        ssize_t n = http_body_read(p->req->body, c->p, size);
        if (n < 0)
            return read_failed(p, n);
        if (n == 0)
            break;
        total += (uint64_t)n;
        if (total > (uint64_t)p->server->swift->constraints.max_file_size)
            return 413;
        publish(g, (size_t)n);
    }
    if (p->req->has_length && total < (uint64_t)p->req->content_length) {
        log_txn(LOG_LEVEL_WARNING, p->req->txn, "Client disconnected without sending enough data");
        return 499;
    }
    return 0;
}

/* Statuses in the order they came; those missing are 503. Under the lock. */
static size_t answers(const struct group *g, int *statuses)
{
    for (size_t i = 0; i < g->n; i++)
        statuses[i] = 503;
    for (size_t i = 0; i < g->n; i++)
        if (g->putters[i].status)
            statuses[g->putters[i].order] = g->putters[i].status;
    return g->n_answers;
}

/* [waits] Under the lock. */
static void wait_for_answers(struct group *g, struct proxy_server *server, int *statuses)
{
    int64_t deadline = RT_FOREVER;
    while (count_state(g, READY, READY) + count_state(g, WRITING, ENDING)) {
        size_t n = answers(g, statuses);
        if (deadline == RT_FOREVER && have_quorum(statuses, n, quorum_size(g->n)))
            deadline = rt_deadline(server->options.post_quorum_timeout_ms);
        if (rt_cond_wait(&g->changed, &g->lock, deadline))
            break;
    }
    answers(g, statuses);
}

/* False: servers stored different bytes. *ret: STR_NONE where nobody told. */
static bool same_etags(const struct group *g, struct str *ret)
{
    *ret = STR_NONE;
    for (size_t i = 0; i < g->n; i++) {
        struct str etag = g->putters[i].etag;
        if (!etag.n)
            continue;
        if (ret->n && !str_eq(*ret, etag))
            return false;
        *ret = etag;
    }
    return true;
}

static void answer(const struct group *g, struct proxy_request *p, const struct proxy_put *put,
                   const int *statuses)
{
    struct http_response *rsp = p->rsp;
    char date[HTTP_DATE_SIZE];
    struct str etag;
    if (!same_etags(g, &etag)) {
        log_txn(LOG_LEVEL_ERROR, p->req->txn, "Object servers returned mismatched etags");
        error_page(rsp, 500);
        return;
    }
    int best = best_response(statuses, g->n, quorum_size(g->n));
    if (best < 0) {
        log_txn(LOG_LEVEL_ERROR, p->req->txn, "Object PUT returning 503: %zu of %zu servers answered",
                g->n_answers, g->n);
        error_page(rsp, 503);
    } else {
        error_page(rsp, statuses[best]);
        for (size_t i = 0; i < g->n; i++)
            if (g->putters[i].status && g->putters[i].order == (size_t)best && g->putters[i].body.n)
                http_response_text(rsp, statuses[best], "text/html; charset=UTF-8",
                                   arena_str(rsp->arena, g->putters[i].body));
        if (etag.n)
            header_add(&rsp->headers, STR("Etag"), etag);
    }
    header_add(&rsp->headers, STR("Last-Modified"),
               str_from(http_date(timestamp_ceil(put->timestamp), date)));
}

/* [waits] From the decision to the answer. */
static void run(struct group *g, struct proxy_request *p, const struct proxy_put *put)
{
    int *statuses = arena_alloc(p->req->arena, (g->n + 1) * sizeof(*statuses));
    rt_lock(&g->lock);
    int status = wait_for_connections(g, p);
    decide(g, status ? ABORT : GO);
    rt_unlock(&g->lock);
    if (!status)
        status = relay(g, p);
    rt_lock(&g->lock);
    if (status) {
        decide(g, ABORT);
        error_page(p->rsp, status);
    } else {
        g->complete = true;
        rt_cond_broadcast(&g->changed);
        wait_for_answers(g, p->server, statuses);
        answer(g, p, put, statuses);
    }
    rt_unlock(&g->lock);
}

void proxy_put(struct proxy_request *p, const struct proxy_put *put)
{
    struct group *g = group_new(p, put);
    atomic_init(&g->refs, (unsigned)g->n + 1);
    atomic_fetch_add(&p->server->background, (unsigned)g->n);
    for (size_t i = 0; i < g->n; i++)
        rt_go(run_putter, &g->putters[i]);
    run(g, p, put);
    group_unref(g);
}
