/* SPDX-License-Identifier: Apache-2.0
 *
 * info.c: the memcache holds an info as a flat record, so that a hit costs no parsing worth the name: the strings of
 * the struct point into the cached value, which the request keeps a reference to.
 *
 *   u32 status  u8 really_exists  u64 containers  u64 objects  u64 bytes  i32 policy
 *   6 strings: read_acl write_acl sync_to sync_key versions sharding_state    (u32 length, UINT32_MAX: absent)
 *   u32 n, then n of (name, value) for meta, and the same for sysmeta
 *
 * in the machine's byte order: the record never leaves the process.
 */
#include "base/info.h"

#include <stdlib.h>

#include "base/request_helpers.h"
#include "common/buf.h"

#define ABSENT        UINT32_MAX
#define RECORD_MAX    (1024 * 1024)
#define TEXT_FIELDS   6
#define DEFAULT_TTL_S 60

/* Account and container infos have one representation inside. */
struct info {
    struct account_info account;
    struct container_info container;
};

struct cached_info {
    struct cached_info *next;
    struct str account, container; /* container STR_NONE: an account */
    struct info info;
};

struct info_cache {
    struct arena *arena;
    struct cached_info *first;
};

struct info_cache *info_cache_new(struct arena *arena)
{
    struct info_cache *c = arena_zalloc(arena, sizeof(*c));
    c->arena = arena;
    return c;
}

struct str info_meta_get(const struct info_metas *metas, struct str name)
{
    for (size_t i = 0; i < metas->n; i++)
        if (str_ieq(metas->v[i].name, name))
            return metas->v[i].value;
    return STR_NONE;
}

/* --- the record ---------------------------------------------------------------------------------------------------- */

static void put_u32(struct buf *b, uint32_t v)
{
    buf_append(b, &v, sizeof(v));
}

static void put_u64(struct buf *b, uint64_t v)
{
    buf_append(b, &v, sizeof(v));
}

static void put_text(struct buf *b, struct str s)
{
    put_u32(b, s.p ? (uint32_t)s.n : ABSENT);
    buf_str(b, s);
}

static void put_metas(struct buf *b, const struct info_metas *metas)
{
    put_u32(b, (uint32_t)metas->n);
    for (size_t i = 0; i < metas->n; i++) {
        put_text(b, metas->v[i].name);
        put_text(b, metas->v[i].value);
    }
}

static void encode(const struct info *info, bool is_container, struct buf *b)
{
    const struct account_info *a = &info->account;
    const struct container_info *c = &info->container;
    put_u32(b, (uint32_t)(is_container ? c->status : a->status));
    buf_putc(b, a->really_exists ? 1 : 0);
    put_u64(b, a->container_count);
    put_u64(b, is_container ? c->object_count : a->object_count);
    put_u64(b, is_container ? c->bytes : a->bytes);
    put_u32(b, (uint32_t)c->policy_index);
    const struct str texts[TEXT_FIELDS] = {c->read_acl, c->write_acl, c->sync_to,
                                           c->sync_key, c->versions,  c->sharding_state};
    for (size_t i = 0; i < TEXT_FIELDS; i++)
        put_text(b, texts[i]);
    put_metas(b, is_container ? &c->meta : &a->meta);
    put_metas(b, is_container ? &c->sysmeta : &a->sysmeta);
}

struct reader {
    const char *p, *end;
};

static void take(struct reader *r, void *into, size_t n)
{
    memcpy(into, r->p, n);
    r->p += n;
}

static uint32_t take_u32(struct reader *r)
{
    uint32_t v;
    take(r, &v, sizeof(v));
    return v;
}

static uint64_t take_u64(struct reader *r)
{
    uint64_t v;
    take(r, &v, sizeof(v));
    return v;
}

static struct str take_text(struct reader *r)
{
    uint32_t n = take_u32(r);
    if (n == ABSENT)
        return STR_NONE;
    struct str s = str_of(r->p, n);
    r->p += n;
    return s;
}

static struct info_metas take_metas(struct reader *r, struct arena *arena)
{
    size_t n = take_u32(r);
    struct info_meta *v = arena_alloc(arena, n * sizeof(*v));
    for (size_t i = 0; i < n; i++) {
        v[i].name = take_text(r);
        v[i].value = take_text(r);
    }
    return (struct info_metas){v, n};
}

/* The strings point into `record`, which only encode() makes: no checks. */
static void decode(struct str record, struct arena *arena, struct info *ret)
{
    struct reader r = {record.p, record.p + record.n};
    struct account_info *a = &ret->account;
    struct container_info *c = &ret->container;
    a->status = c->status = (int)take_u32(&r);
    a->really_exists = *r.p++ != 0;
    a->container_count = take_u64(&r);
    a->object_count = c->object_count = take_u64(&r);
    a->bytes = c->bytes = take_u64(&r);
    c->policy_index = (int)take_u32(&r);
    struct str *texts[TEXT_FIELDS] = {&c->read_acl, &c->write_acl, &c->sync_to,
                                      &c->sync_key, &c->versions,  &c->sharding_state};
    for (size_t i = 0; i < TEXT_FIELDS; i++)
        *texts[i] = take_text(&r);
    a->meta = c->meta = take_metas(&r, arena);
    a->sysmeta = c->sysmeta = take_metas(&r, arena);
}

/* --- from an answer's fields ------------------------------------------------------------------------------------------ */

static struct str lower(struct arena *arena, struct str s)
{
    char *p = arena_alloc(arena, s.n + 1);
    for (size_t i = 0; i < s.n; i++)
        p[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] + 32) : s.p[i];
    p[s.n] = '\0';
    return str_of(p, s.n);
}

static struct info_metas collect_metas(const struct header_table *headers, struct str prefix,
                                       struct arena *arena)
{
    size_t n = 0;
    struct info_meta *v = arena_alloc(arena, (headers->n + 1) * sizeof(*v));
    for (size_t i = 0; i < headers->n; i++) {
        const struct header *h = &headers->v[i];
        if (h->name.n <= prefix.n || !str_istarts(h->name, prefix))
            continue;
        v[n].name = lower(arena, str_slice(h->name, prefix.n, h->name.n));
        v[n++].value = arena_str(arena, h->value);
    }
    return (struct info_metas){v, n};
}

static uint64_t number_field(const struct header_table *headers, struct str name)
{
    uint64_t v = 0;
    str_to_u64(header_get(headers, name), &v);
    return v;
}

static struct str text_field(const struct header_table *headers, struct str name, struct arena *arena)
{
    return arena_str(arena, header_get(headers, name));
}

static void from_account_answer(const struct http_response *rsp, struct arena *arena,
                                struct account_info *ret)
{
    const struct header_table *h = &rsp->headers;
    ret->status = rsp->status;
    ret->really_exists =
        info_exists(rsp->status) && !str_is_true(header_get(h, STR("X-Backend-Fake-Account-Listing")));
    ret->container_count = number_field(h, STR("X-Account-Container-Count"));
    ret->object_count = number_field(h, STR("X-Account-Object-Count"));
    ret->bytes = number_field(h, STR("X-Account-Bytes-Used"));
    ret->meta = collect_metas(h, STR("X-Account-Meta-"), arena);
    ret->sysmeta = collect_metas(h, STR("X-Account-Sysmeta-"), arena);
}

static void from_container_answer(const struct http_response *rsp, struct arena *arena,
                                  struct container_info *ret)
{
    const struct header_table *h = &rsp->headers;
    ret->status = rsp->status;
    ret->object_count = number_field(h, STR("X-Container-Object-Count"));
    ret->bytes = number_field(h, STR("X-Container-Bytes-Used"));
    ret->policy_index = (int)number_field(h, STR("X-Backend-Storage-Policy-Index"));
    ret->read_acl = text_field(h, STR("X-Container-Read"), arena);
    ret->write_acl = text_field(h, STR("X-Container-Write"), arena);
    ret->sync_to = text_field(h, STR("X-Container-Sync-To"), arena);
    ret->sync_key = text_field(h, STR("X-Container-Sync-Key"), arena);
    ret->versions = text_field(h, STR("X-Versions-Location"), arena);
    ret->sharding_state = text_field(h, STR("X-Backend-Sharding-State"), arena);
    if (!ret->sharding_state.n)
        ret->sharding_state = STR("unsharded");
    ret->meta = collect_metas(h, STR("X-Container-Meta-"), arena);
    ret->sysmeta = collect_metas(h, STR("X-Container-Sysmeta-"), arena);
}

/* --- the two caches ----------------------------------------------------------------------------------------------------- */

static struct str memcache_key(struct arena *arena, struct str account, struct str container)
{
    return container.p ? arena_join(arena, STR("container/"), account, STR("/"), container, STR_END)
                       : arena_join(arena, STR("account/"), account, STR_END);
}

static bool is_for(const struct cached_info *c, struct str account, struct str container)
{
    return str_eq(c->account, account) && !c->container.p == !container.p && str_eq(c->container, container);
}

static struct info *request_get(const struct http_request *req, struct str account, struct str container)
{
    for (struct cached_info *c = env_of(req)->infos->first; c; c = c->next)
        if (is_for(c, account, container))
            return &c->info;
    return NULL;
}

static struct info *request_put(const struct http_request *req, struct str account, struct str container)
{
    struct info_cache *cache = env_of(req)->infos;
    struct info *old = request_get(req, account, container);
    if (old)
        return old;
    struct cached_info *c = arena_zalloc(cache->arena, sizeof(*c));
    c->account = arena_str(cache->arena, account);
    c->container = arena_str(cache->arena, container);
    c->next = cache->first;
    cache->first = c;
    return &c->info;
}

static void unref_value(void *arg)
{
    memcache_unref(arg);
}

static struct info *cached_get(const struct http_request *req, struct str account, struct str container)
{
    const struct env *env = env_of(req);
    struct info *info = request_get(req, account, container);
    if (info || !env->cache)
        return info;
    struct arena *arena = env->infos->arena;
    struct memcache_value *v = memcache_get(env->cache, memcache_key(arena, account, container));
    if (!v)
        return NULL;
    arena_on_free(arena, unref_value, v);
    info = request_put(req, account, container);
    decode(v->bytes, arena, info);
    return info;
}

static void request_forget(const struct http_request *req, struct str account, struct str container)
{
    struct cached_info **at = &env_of(req)->infos->first;
    while (*at) {
        if (is_for(*at, account, container))
            *at = (*at)->next;
        else
            at = &(*at)->next;
    }
}

void info_forget(const struct http_request *req, struct str account, struct str container)
{
    struct env *env = env_of(req);
    request_forget(req, account, container);
    if (env->cache)
        memcache_delete(env->cache, memcache_key(env->infos->arena, account, container));
}

void info_keep(const struct http_request *req, struct str account, struct str container,
               const struct http_response *rsp, int64_t ttl_s)
{
    const struct env *env = env_of(req);
    int64_t ttl_ms = ttl_s * 1000;
    struct buf record;
    if (rsp->status == 404 || rsp->status == 410)
        ttl_ms /= 10;
    else if (!info_exists(rsp->status))
        return;
    struct info_cache *cache = env->infos;
    request_forget(req, account, container); /* a fresh entry: pointers to the old one stay good */
    struct info *info = request_put(req, account, container);
    if (container.p)
        from_container_answer(rsp, cache->arena, &info->container);
    else
        from_account_answer(rsp, cache->arena, &info->account);
    if (!env->cache)
        return;
    buf_init(&record, RECORD_MAX);
    encode(info, container.p != NULL, &record);
    if (!buf_error(&record))
        memcache_set(env->cache, memcache_key(cache->arena, account, container), buf_view(&record), ttl_ms);
    buf_release(&record);
}

/* --- asking -------------------------------------------------------------------------------------------------------------- */

/* [waits] HEAD into the pipeline. The proxy has kept the info on the way; if not, it is kept here. NULL: a failure. */
static struct info *ask(struct http_app *app, const struct http_request *req, struct str account,
                        struct str container, const char *source)
{
    struct http_response rsp;
    struct arena *a = req->arena;
    struct env_subrequest what = {.method = STR("HEAD"), .source = source, .pre_authorised = true};
    what.path = container.p ? arena_join(a, STR("/v1/"), account, STR("/"), container, STR_END)
                            : arena_join(a, STR("/v1/"), account, STR_END);
    if (!what.source)
        what.source = container.p ? "GET_CONTAINER_INFO" : "GET_ACCOUNT_INFO";
    struct http_request *head = env_subrequest(req, &what);
    header_add_ref(&head->headers, STR("X-Backend-Allow-Reserved-Names"), STR("true"));
    http_response_init(&rsp, a);
    http_app_call(app, head, &rsp);
    struct info *info = request_get(req, account, container);
    if (!info) {
        info_keep(req, account, container, &rsp, DEFAULT_TTL_S);
        info = request_get(req, account, container);
    }
    http_body_close(rsp.body);
    return info;
}

const struct account_info *info_account(struct http_app *app, const struct http_request *req,
                                        struct str account, const char *source)
{
    static const struct account_info failed = {.status = 503};
    struct info *info = cached_get(req, account, STR_NONE);
    if (!info)
        info = ask(app, req, account, STR_NONE, source);
    return info ? &info->account : &failed;
}

const struct container_info *info_container(struct http_app *app, const struct http_request *req,
                                            struct str account, struct str container, const char *source)
{
    static const struct container_info failed = {.status = 503, .sharding_state = STR_INIT("unsharded")};
    static const struct container_info missing = {.status = 0, .sharding_state = STR_INIT("unsharded")};
    struct info *info = cached_get(req, account, container);
    if (info)
        return &info->container;
    if (!str_starts(account, STR(".")) && !info_exists(info_account(app, req, account, source)->status))
        return &missing;
    info = ask(app, req, account, container, source);
    return info ? &info->container : &failed;
}

const struct container_info *info_container_cached(const struct http_request *req, struct str account,
                                                   struct str container)
{
    struct info *info = cached_get(req, account, container);
    return info ? &info->container : NULL;
}
