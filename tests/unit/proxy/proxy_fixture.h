/* SPDX-License-Identifier: Apache-2.0
 *
 * A proxy over FAKES storage servers in the same process, which fail as they are told. In all rings devices 0, 1, 2
 * are the primaries of every partition that the tests use, 3 and 4 the handoffs. One file to include.
 */
#ifndef TESTS_UNIT_PROXY_FIXTURE_H
#define TESTS_UNIT_PROXY_FIXTURE_H

#include <pthread.h>

#include "tests/lib/app_test.h"

#include "common/clock.h"
#include "common/digest.h"
#include "common/url.h"
#include "http/http_listen.h"
#include "http/http_range.h"
#include "proxy/proxy_server.h"
#include "ring/ring_file.h"

#define FAKES      5
#define PART_POWER 8
#define PARTS      (1u << PART_POWER)

enum fake_mode {
    FAKE_GOOD,
    FAKE_507,
    FAKE_500,
    FAKE_HANG,       /* answers nothing before `release` */
    FAKE_LATE,       /* answers after late_ms */
    FAKE_DIE,        /* GET: the connection breaks after die_after bytes; PUT: 500 after reading so many */
    FAKE_OTHER_ETAG, /* stores, but says another ETag */
    FAKE_CONFLICT,   /* 409: has a newer one */
    FAKE_STALL,      /* PUT: reads die_after bytes, then no more before `release` */
};

struct fake {
    struct http_app app;
    struct http_server *server;
    int index, port;
    enum fake_mode mode;
    uint64_t die_after;
    /* the object */
    bool present;
    struct buf data;
    char etag[MD5_HEX_SIZE];
    const char *timestamp, *tombstone; /* "1700000000.00000"; tombstone: of a deletion, in 404s */
    /* what was asked */
    int gets, heads, puts, posts, deletes, stored;
    struct buf last_headers; /* "Name: value\n" of the last object request */
    struct buf last_target;
};

static struct fake fakes[FAKES];
/* Tests look at what a server stores while it may still be at it. */
static pthread_mutex_t fake_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    char dir[64];
    struct swift_conf *swift;
    struct rings *rings;
    struct conf *conf;
    struct http_app *proxy;
    struct memcache *cache;
    atomic_bool release;
    bool account_missing, container_missing;
    int64_t late_ms;
    int account_heads, container_heads;
} fx;

/* --- servers --------------------------------------------------------------------------------------------------- */

static void fake_keep_request(struct fake *f, const struct http_request *req)
{
    buf_reset(&f->last_headers);
    for (size_t i = 0; i < req->headers.n; i++)
        buf_printf(&f->last_headers, "%.*s: %.*s\n", STR_ARG(req->headers.v[i].name),
                   STR_ARG(req->headers.v[i].value));
    buf_reset(&f->last_target);
    buf_str(&f->last_target, req->target);
}

static void fake_wait(void)
{
    while (!fx.release)
        if (rt_sleep(5))
            return;
}

/* A body that ends in an error after so many bytes. */
struct dying_body {
    struct http_body base;
    struct str bytes;
    uint64_t left;
};
static ssize_t dying_read(struct http_body *b, void *p, size_t n)
{
    struct dying_body *d = (struct dying_body *)b;
    if (!d->left)
        return -EIO;
    if (n > d->left)
        n = d->left;
    memcpy(p, d->bytes.p, n);
    d->bytes = str_slice(d->bytes, n, d->bytes.n);
    d->left -= n;
    return (ssize_t)n;
}
static const struct http_body_ops dying_ops = {.read = dying_read};

static struct http_body *fake_range(void *arg, uint64_t start, uint64_t end, int *ret_err)
{
    struct http_response *rsp = arg;
    struct fake *f = (struct fake *)rsp->reason.p; /* lent for this */
    return http_body_memory(rsp->arena, str_slice(buf_view(&f->data), start, end + 1));
}

static void fake_get(struct fake *f, struct http_request *req, struct http_response *rsp)
{
    bool head = str_eq(req->method, STR("HEAD"));
    *(head ? &f->heads : &f->gets) += 1;
    if (!f->present) {
        error_page(rsp, 404);
        if (f->tombstone)
            header_add(&rsp->headers, STR("X-Backend-Timestamp"), str_from(f->tombstone));
        return;
    }
    rsp->status = 200;
    header_add(&rsp->headers, STR("Content-Type"), STR("text/x; a=b;swift_bytes=7"));
    header_addf(&rsp->headers, STR("Etag"), "\"%s\"", f->etag);
    header_add(&rsp->headers, STR("X-Timestamp"), str_from(f->timestamp));
    header_add(&rsp->headers, STR("X-Backend-Timestamp"), str_from(f->timestamp));
    header_add(&rsp->headers, STR("X-Object-Meta-A"), STR("1"));
    header_addf(&rsp->headers, STR("Content-Length"), "%zu", f->data.n);
    if (head)
        return;
    struct str whole = buf_view(&f->data);
    struct http_response *lent = arena_alloc(rsp->arena, sizeof(*lent));
    *lent = (struct http_response){.arena = rsp->arena, .reason = {(const char *)f, 0}};
    if (http_response_ranges(req, rsp, f->data.n, STR("text/x"), fake_range, lent) == HTTP_RANGE_NONE)
        rsp->body = http_body_memory(rsp->arena, whole);
    if (f->mode == FAKE_DIE && rsp->body) {
        struct dying_body *d = arena_alloc(rsp->arena, sizeof(*d));
        uint64_t from = 0;
        struct str range = header_get(&req->headers, STR("Range")), first, rest;
        if (range.n) {
            str_cut(str_slice(range, 6, range.n), '-', &first, &rest);
            str_to_u64(first, &from);
        }
        *d = (struct dying_body){
            {&dying_ops, rsp->body->length}, str_slice(whole, from, whole.n), f->die_after};
        rsp->body = &d->base;
    }
}

static void fake_put(struct fake *f, struct http_request *req, struct http_response *rsp)
{
    struct buf data;
    char part[4096];
    f->puts++;
    if (f->mode == FAKE_CONFLICT) {
        error_page(rsp, 409);
        return;
    }
    if (header_has(&req->headers, STR("If-None-Match")) && f->present) {
        error_page(rsp, 412);
        return;
    }
    buf_init(&data, 1 << 28);
    for (;;) {
        ssize_t n = http_body_read(req->body, part, sizeof(part));
        if (n < 0) {
            error_page(rsp, 499);
            buf_release(&data);
            return;
        }
        if (n == 0)
            break;
        buf_append(&data, part, (size_t)n);
        if (data.n >= f->die_after && f->mode == FAKE_DIE) {
            error_page(rsp, 500);
            rsp->close = true;
            buf_release(&data);
            return;
        }
        if (data.n >= f->die_after && f->mode == FAKE_STALL)
            fake_wait();
    }
    char md5[MD5_HEX_SIZE];
    md5_hex(data.n ? buf_view(&data) : STR(""), md5);
    struct str wanted = header_get(&req->headers, STR("Etag"));
    if (wanted.n && !str_eq(wanted, str_from(md5))) {
        error_page(rsp, 422);
        buf_release(&data);
        return;
    }
    pthread_mutex_lock(&fake_lock);
    buf_release(&f->data);
    f->data = data;
    snprintf(f->etag, sizeof(f->etag), "%s", md5);
    f->present = true;
    f->stored++;
    pthread_mutex_unlock(&fake_lock);
    error_page(rsp, 201);
    header_addf(&rsp->headers, STR("Etag"), "\"%s\"",
                f->mode == FAKE_OTHER_ETAG ? "00000000000000000000000000000000" : md5);
}

static void fake_object(struct fake *f, struct http_request *req, struct http_response *rsp)
{
    fake_keep_request(f, req);
    if (f->mode == FAKE_507 || f->mode == FAKE_500) {
        error_page(rsp, f->mode == FAKE_507 ? 507 : 500);
        return;
    }
    if (f->mode == FAKE_HANG)
        fake_wait();
    if (f->mode == FAKE_LATE)
        rt_sleep(fx.late_ms);
    if (str_eq(req->method, STR("PUT"))) {
        fake_put(f, req, rsp);
    } else if (str_eq(req->method, STR("POST"))) {
        f->posts++;
        error_page(rsp, f->present ? 202 : 404);
    } else if (str_eq(req->method, STR("DELETE"))) {
        f->deletes++;
        error_page(rsp, f->present ? 204 : 404);
        f->present = false;
    } else {
        fake_get(f, req, rsp);
    }
}

static void fake_handle(struct http_app *app, struct http_request *req, struct http_response *rsp)
{
    struct fake *f = (struct fake *)app;
    struct str seg[5];
    if (url_split_path(req->path, 3, 5, true, seg) == 0 && seg[4].p) {
        fake_object(f, req, rsp);
    } else if (seg[3].p) {
        fx.container_heads++;
        error_page(rsp, fx.container_missing ? 404 : 204);
        header_add(&rsp->headers, STR("X-Backend-Storage-Policy-Index"), STR("0"));
        header_add(&rsp->headers, STR("X-Put-Timestamp"), STR("1700000000.00000"));
        header_add(&rsp->headers, STR("X-Container-Read"), STR("readers"));
        header_add(&rsp->headers, STR("X-Container-Write"), STR("writers"));
    } else {
        fx.account_heads++;
        error_page(rsp, fx.account_missing ? 404 : 204);
    }
}

/* --- rings and files --------------------------------------------------------------------------------------------- */

static void fixture_write_ring(const char *name)
{
    static uint32_t table[3 * PARTS];
    struct ring_device devices[FAKES];
    struct buf error;
    char *path = xasprintf("%s/%s.ring.gz", fx.dir, name);
    for (uint32_t i = 0; i < FAKES; i++)
        devices[i] = (struct ring_device){.id = i,
                                          .region = 1,
                                          .zone = 1 + (int64_t)i,
                                          .ip = "127.0.0.1",
                                          .port = (uint16_t)fakes[i].port,
                                          .replication_ip = "127.0.0.1",
                                          .replication_port = (uint16_t)fakes[i].port,
                                          .device = "sda",
                                          .meta = "",
                                          .weight = 1};
    struct ring_data data = {.part_power = PART_POWER,
                             .next_part_power = -1,
                             .version = 1,
                             .devs = devices,
                             .dev_count = FAKES,
                             .table = table,
                             .entries = 3 * PARTS,
                             .rows = 3};
    buf_init(&error, 4096);
    /* A device is a handoff only if it holds a partition: the last one, which no name of the tests falls into. */
    for (uint32_t i = 0; i < 3 * PARTS; i++)
        table[i] = i % PARTS == PARTS - 1 ? (3 + i / PARTS) % FAKES : i / PARTS;
    if (ring_file_write(path, &data, &error))
        failed(__FILE__, __LINE__, "%.*s", STR_ARG(buf_view(&error)));
    buf_release(&error);
    free(path);
}

static void fixture_write(const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", fx.dir, name);
    CHECK_INT(file_replace(path, text, strlen(text), 0644), 0);
    free(path);
}

#define FIXTURE_OPTIONS                                                                   \
    "[app:proxy-server]\nuse = egg:swift#proxy\nnode_timeout = 0.4\nconn_timeout = 0.2\n" \
    "post_quorum_timeout = 0.1\n"

/* In a task. options: lines more for [app:proxy-server]. */
__attribute__((unused)) static void fixture_start(const char *options)
{
    struct buf error;
    buf_init(&error, 4096);
    memset(&fx, 0, sizeof(fx));
    snprintf(fx.dir, sizeof(fx.dir), "/tmp/martlet-proxy-test.XXXXXX");
    CHECK(mkdtemp(fx.dir) != NULL);
    for (int i = 0; i < FAKES; i++) {
        struct fake *f = &fakes[i];
        struct http_server_options o = {.bind_ip = "127.0.0.1", .app = &f->app};
        *f = (struct fake){.app = {.handle = fake_handle}, .index = i, .timestamp = "1700000000.00000"};
        buf_init(&f->last_headers, 65536);
        buf_init(&f->last_target, 65536);
        buf_init(&f->data, 1 << 28);
        if (http_server_start(&o, &f->server, &error))
            failed(__FILE__, __LINE__, "%.*s", STR_ARG(buf_view(&error)));
        f->port = http_server_port(f->server);
    }
    fixture_write_ring("account");
    fixture_write_ring("container");
    fixture_write_ring("object");
    fixture_write("swift.conf", "[swift-hash]\nswift_hash_path_suffix = x\n");
    char *text = xasprintf("%s%s", FIXTURE_OPTIONS, options);
    fixture_write("proxy-server.conf", text);
    free(text);
    char *path = xasprintf("%s/proxy-server.conf", fx.dir);
    int err = conf_load(path, &fx.conf, &error);
    free(path);
    if (!err)
        err = swift_conf_load(fx.dir, &fx.swift, &error);
    if (!err)
        err = rings_open(fx.swift, &fx.rings, &error);
    struct server_context context = {
        .conf = fx.conf, .section = "app:proxy-server", .swift = fx.swift, .rings = fx.rings};
    if (!err)
        err = proxy_server_new(&context, &fx.proxy, &error);
    if (err)
        failed(__FILE__, __LINE__, "%.*s", STR_ARG(buf_view(&error)));
    fx.cache = memcache_new(1 << 20);
    buf_release(&error);
}

__attribute__((unused)) static void fixture_stop(void)
{
    fx.release = true;
    fx.proxy->free(fx.proxy);
    for (int i = 0; i < FAKES; i++) {
        if (fakes[i].server) {
            http_server_stop(fakes[i].server, 1000);
            http_server_free(fakes[i].server);
        }
        buf_release(&fakes[i].data);
        buf_release(&fakes[i].last_headers);
        buf_release(&fakes[i].last_target);
    }
    rings_free(fx.rings);
    swift_conf_free(fx.swift);
    conf_free(fx.conf);
    memcache_free(fx.cache);
    file_remove_tree(fx.dir);
}

/* As if its process had been killed. */
__attribute__((unused)) static void fake_kill(int i)
{
    http_server_stop(fakes[i].server, 0);
    http_server_free(fakes[i].server);
    fakes[i].server = NULL;
}

__attribute__((unused)) static void fake_set(int i, const char *bytes, size_t n, const char *timestamp)
{
    struct fake *f = &fakes[i];
    buf_reset(&f->data);
    buf_append(&f->data, bytes, n);
    md5_hex(buf_view(&f->data), f->etag);
    f->present = true;
    f->timestamp = timestamp;
}

__attribute__((unused)) static struct str fake_header(int i, struct arena *arena, const char *name)
{
    struct str rest = buf_view(&fakes[i].last_headers), line, key, value;
    while (str_next(&rest, '\n', &line))
        if (str_cut(line, ':', &key, &value) && str_ieq(key, str_from(name)))
            return arena_str(arena, str_trim(value));
    return STR_NONE;
}

__attribute__((unused)) static void begin(struct exchange *x, const char *method, const char *target)
{
    exchange_init(x, method, target);
    x->env->cache = fx.cache;
    exchange_header(x, "Host", "proxy");
}

/* One request from beginning to end; the status. */
__attribute__((unused)) static int simple(const char *method, const char *target, const char *body)
{
    struct exchange x;
    begin(&x, method, target);
    if (body)
        exchange_body(&x, body);
    exchange_run(&x, fx.proxy);
    int status = x.rsp.status;
    exchange_release(&x);
    return status;
}

/* How many servers hold the object. */
__attribute__((unused)) static int copies(void)
{
    int n = 0;
    pthread_mutex_lock(&fake_lock);
    for (int i = 0; i < FAKES; i++)
        n += fakes[i].present;
    pthread_mutex_unlock(&fake_lock);
    return n;
}

/* What a server stores; its bytes stay as long as nothing new is put there. */
__attribute__((unused)) static struct str stored_by(int i)
{
    pthread_mutex_lock(&fake_lock);
    struct str s = fakes[i].present ? buf_view(&fakes[i].data) : STR_NONE;
    if (fakes[i].present && !s.p)
        s = STR("");
    pthread_mutex_unlock(&fake_lock);
    return s;
}

#endif
