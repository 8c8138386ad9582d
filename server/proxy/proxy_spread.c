/* SPDX-License-Identifier: Apache-2.0
 *
 * proxy_spread.c: one task per request. Tasks may outlive the client's request, so they share a group of their own,
 * counted, with copies of all they need; the last one frees it. Each slot has its own arena: only its task uses it until
 * `done`, only the waiting request after that.
 */
#include "proxy/proxy_spread.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/error_page.h"
#include "common/alloc.h"
#include "common/log.h"
#include "proxy/best_response.h"
#include "proxy/proxy_backend.h"

#define BODY_MAX 65536 /* of an answer; the rest is of no interest */

struct group;

struct slot {
    struct group *group;
    struct arena *arena;
    struct header_table headers; /* of the request, then of the answer */
    int status;                  /* 0: nobody answered */
    struct str body;
    bool done;
};

struct group {
    _Atomic(unsigned) refs;
    struct arena *arena;
    struct proxy_target target;
    struct str method;
    const struct ring *ring;
    struct node_iter nodes;
    struct rt_mutex lock; /* guards what follows */
    struct rt_cond changed;
    size_t n, n_done;
    struct slot **order; /* those done, first come first */
    struct slot *slots;
};

/* --- the tasks ------------------------------------------------------------------------------------------------------------- */

static void group_unref(struct group *g)
{
    if (atomic_fetch_sub(&g->refs, 1) != 1)
        return;
    for (size_t i = 0; i < g->n; i++)
        arena_free(g->slots[i].arena);
    node_iter_release(&g->nodes);
    rt_cond_destroy(&g->changed);
    rt_mutex_destroy(&g->lock);
    ring_unref(g->ring);
    arena_free(g->arena);
    free(g);
}

static void take_body(struct slot *s, struct http_call *call)
{
    struct buf body;
    buf_init(&body, BODY_MAX);
    if (proxy_read_body(call, &body) == 0)
        s->body = arena_str(s->arena, buf_view(&body));
    buf_release(&body);
}

/* True if the node gave an answer that counts. */
static bool ask_node(struct slot *s, const struct node *node)
{
    struct group *g = s->group;
    struct proxy_server *server = g->target.server;
    struct http_call *call;
    char what[64];
    bool counts = false;
    if (proxy_backend_open(&g->target, node, g->method, &s->headers, 0, server->options.node_timeout_ms,
                           s->arena, &call))
        return false;
    snprintf(what, sizeof(what), "Trying to %.*s", STR_ARG(g->method));
    int err = http_call_response(call, RT_FOREVER);
    int status = err ? 0 : http_call_status(call);
    if (err) {
        proxy_backend_failed(&g->target, node, what, err);
    } else if (status >= 500) {
        proxy_backend_status(&g->target, node, what, status);
    } else if (status >= 200) {
        take_body(s, call);
        s->status = status;
        s->headers = *http_call_headers(call);
        counts = true;
    }
    http_call_close(call);
    return counts;
}

static void run_slot(void *arg)
{
    struct slot *s = arg;
    struct group *g = s->group;
    struct proxy_server *server = g->target.server;
    struct node node;
    while (proxy_next_node(&g->target, &g->nodes, &node))
        if (ask_node(s, &node))
            break;
    rt_lock(&g->lock);
    s->done = true;
    g->order[g->n_done++] = s;
    rt_cond_signal(&g->changed);
    rt_unlock(&g->lock);
    group_unref(g);
    atomic_fetch_sub(&server->background, 1);
}

static struct group *group_new(struct proxy_request *p, const struct proxy_spread *spread)
{
    struct group *g = xcalloc(1, sizeof(*g));
    struct arena *a = arena_new();
    g->arena = a;
    g->target = (struct proxy_target){.server = p->server,
                                      .type = spread->type,
                                      .txn = arena_str(a, p->req->txn),
                                      .part = spread->part,
                                      .entity_path = arena_str(a, spread->path)};
    g->method = arena_str(a, spread->method);
    g->ring = ring_ref(spread->ring);
    g->n = spread->n;
    g->order = arena_zalloc(a, g->n * sizeof(struct slot *));
    g->slots = arena_zalloc(a, g->n * sizeof(*g->slots));
    node_iter_init(&g->nodes, a, p->server->limiter, g->ring, spread->part, p->server->node_count, true);
    rt_mutex_init(&g->lock);
    rt_cond_init(&g->changed);
    for (size_t i = 0; i < g->n; i++) {
        struct slot *s = &g->slots[i];
        s->group = g;
        s->arena = arena_new();
        header_init(&s->headers, s->arena);
        header_copy(&s->headers, &spread->headers[i]);
    }
    return g;
}

/* --- the waiting request --------------------------------------------------------------------------------------------------- */

/* Statuses of those that answered, in the order they did. Under the lock. */
static size_t statuses_so_far(const struct group *g, int *out)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n_done; i++)
        if (g->order[i]->status)
            out[n++] = g->order[i]->status;
    return n;
}

static void wait_for_answers(struct group *g, struct proxy_server *server, int *statuses)
{
    int64_t deadline = RT_FOREVER;
    while (g->n_done < g->n) {
        if (deadline == RT_FOREVER && have_quorum(statuses, statuses_so_far(g, statuses), quorum_size(g->n)))
            deadline = rt_deadline(server->options.post_quorum_timeout_ms);
        if (rt_cond_wait(&g->changed, &g->lock, deadline))
            break;
    }
}

static const struct slot *nth_answer(const struct group *g, size_t index)
{
    for (size_t i = 0; i < g->n_done; i++)
        if (g->order[i]->status && index-- == 0)
            return g->order[i];
    return NULL;
}

static void fill(const struct group *g, const struct proxy_spread *spread, int *statuses,
                 struct http_response *rsp, const struct proxy_request *p)
{
    size_t n = statuses_so_far(g, statuses);
    for (size_t i = n; i < g->n; i++)
        statuses[i] = 503;
    int best = spread->override_from ? best_response_override(statuses, g->n, quorum_size(g->n),
                                                              spread->override_from, spread->override_to)
                                     : best_response(statuses, g->n, quorum_size(g->n));
    const struct slot *s = best < 0 ? NULL : nth_answer(g, (size_t)best);
    if (!s) {
        log_txn(LOG_LEVEL_ERROR, p->req->txn, "%s %.*s returning 503: %zu of %zu servers answered",
                proxy_type_title(spread->type), STR_ARG(spread->method), n, g->n);
        error_page(rsp, 503);
        return;
    }
    http_response_text(rsp, s->status, "text/html; charset=UTF-8", arena_str(rsp->arena, s->body));
    proxy_copy_answer(rsp, &s->headers, true);
}

void proxy_spread(struct proxy_request *p, const struct proxy_spread *spread, struct http_response *rsp)
{
    struct group *g = group_new(p, spread);
    int *statuses = arena_alloc(p->req->arena, (spread->n + 1) * sizeof(*statuses));
    atomic_init(&g->refs, (unsigned)g->n + 1);
    atomic_fetch_add(&p->server->background, (unsigned)g->n);
    for (size_t i = 0; i < g->n; i++)
        rt_go(run_slot, &g->slots[i]);
    rt_lock(&g->lock);
    wait_for_answers(g, p->server, statuses);
    fill(g, spread, statuses, rsp, p);
    rt_unlock(&g->lock);
    group_unref(g);
}
