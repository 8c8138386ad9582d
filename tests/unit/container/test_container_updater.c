/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/container/container_fixture.h"

#include <pthread.h>
#include <sys/stat.h>

#include "common/conf.h"
#include "container/container_updater.h"
#include "http/http_listen.h"
#include "ring/ring_file.h"
#include "rt/rt.h"

/* Three account servers: one process, one port, three devices. Each answers what it is told to. */
struct fake {
    struct http_app app;
    int status[3];
    pthread_mutex_t mutex; /* guards the rest: the updater asks all at once */
    unsigned requests;
    char last[512];
};

static void fake_handle(struct http_app *app, struct http_request *req, struct http_response *rsp)
{
    struct fake *f = (struct fake *)app;
    int device = req->target.n > 3 ? req->target.p[3] - '0' : 0; /* "/sd0/..." */

    pthread_mutex_lock(&f->mutex);
    f->requests++;
    snprintf(f->last, sizeof(f->last), "%.*s %.*s count=%.*s bytes=%.*s put=%.*s delete=%.*s override=%.*s",
             STR_ARG(req->method), STR_ARG(str_slice(req->target, 4, req->target.n)),
             STR_ARG(header_get(&req->headers, STR("X-Object-Count"))),
             STR_ARG(header_get(&req->headers, STR("X-Bytes-Used"))),
             STR_ARG(header_get(&req->headers, STR("X-Put-Timestamp"))),
             STR_ARG(header_get(&req->headers, STR("X-Delete-Timestamp"))),
             STR_ARG(header_get(&req->headers, STR("X-Account-Override-Deleted"))));
    pthread_mutex_unlock(&f->mutex);
    http_response_text(rsp, f->status[device], "text/plain", STR("x"));
    rsp->close = true;
}

struct pass {
    struct fixture *f;
    struct fake fake;
    int result;
};

static void write_ring(const char *root, const char *name, int port)
{
    struct ring_data data = {.part_power = 0, .next_part_power = -1, .version = -1};
    char path[128], devices[3][8];
    struct buf error;

    buf_init(&error, 1024);
    data.arena = arena_new();
    data.dev_count = 3;
    data.devs = arena_zalloc(data.arena, 3 * sizeof(*data.devs));
    data.rows = 3;
    data.entries = 3;
    data.table = xcalloc(4, sizeof(*data.table));
    for (uint32_t i = 0; i < 3; i++) {
        snprintf(devices[i], sizeof(devices[i]), "sd%u", i);
        data.devs[i] = (struct ring_device){.id = i,
                                            .region = 1,
                                            .zone = i + 1,
                                            .ip = "127.0.0.1",
                                            .port = 1,
                                            .replication_ip = "127.0.0.1",
                                            .replication_port = (uint16_t)port,
                                            .device = devices[i],
                                            .meta = "",
                                            .weight = 1};
        data.table[i] = i;
    }
    snprintf(path, sizeof(path), "%s/%s.ring.gz", root, name);
    if (ring_file_write(path, &data, &error))
        abort();
    ring_data_release(&data);
    buf_release(&error);
}

static void write_text(const char *root, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", root, name);
    if (file_replace(path, text, strlen(text), 0644))
        abort();
}

static void run_pass(void *arg)
{
    struct pass *p = arg;
    struct http_server_options options = {.bind_ip = "127.0.0.1", .app = &p->fake.app};
    struct http_server *server;
    struct server_context context = {.section = "container-updater"};
    struct swift_conf *swift;
    char path[128], conf[256];
    struct buf error;

    buf_init(&error, 1024);
    p->fake.app.handle = fake_handle;
    if (http_server_start(&options, &server, &error))
        abort();
    for (int i = 0; i < 3; i++)
        write_ring(p->f->root,
                   i == 0   ? "account"
                   : i == 1 ? "container"
                            : "object",
                   http_server_port(server));
    write_text(p->f->root, "swift.conf", "[swift-hash]\nswift_hash_path_suffix = changeme\n");
    snprintf(conf, sizeof(conf),
             "[DEFAULT]\ndevices = %s\nmount_check = false\n[container-updater]\ncontainers_per_second = 0\n",
             p->f->root);
    write_text(p->f->root, "container-server.conf", conf);
    snprintf(path, sizeof(path), "%s/container-server.conf", p->f->root);
    if (conf_load(path, &context.conf, &error) || swift_conf_load(p->f->root, &swift, &error))
        abort();
    context.swift = swift;
    if (rings_open(swift, &context.rings, &error))
        abort();
    p->result = container_updater_run(&context, true);
    rings_free(context.rings);
    swift_conf_free(swift);
    conf_free(context.conf);
    http_server_stop(server, 1000);
    http_server_free(server);
    buf_release(&error);
}

static void updater_pass(struct pass *p)
{
    struct rt_options options = {.loops = 1, .offload_threads = 2};

    p->fake.requests = 0;
    pthread_mutex_init(&p->fake.mutex, NULL);
    assert_int_equal(rt_run(&options, run_pass, p), 0);
    assert_int_equal(p->result, 0);
}

static struct container_info info_of(struct fixture *f)
{
    struct db_broker b;
    struct container_info info;

    broker(f, &b);
    assert_int_equal(container_info_read(&b, &info), 0);
    db_broker_release(&b);
    return info;
}

static void test_reports_until_confirmed(void **state)
{
    struct pass p = {.f = *state, .fake.status = {500, 201, 500}};

    log_set_level((enum log_level) - 1);
    create(p.f);
    merge_one(p.f, put(STR("o"), "1700000001.00000", 5, "t/p"));
    updater_pass(&p);
    assert_int_equal(p.fake.requests, 3);
    assert_string_equal(p.fake.last,
                        "PUT /0/AUTH_test/c1 count=1 bytes=5 put=1700000000.00000 delete=0 override=yes");
    assert_int_equal(info_of(p.f).reported_object_count, 0); /* one of three is not enough */

    p.fake.status[2] = 204;
    updater_pass(&p);
    assert_int_equal(p.fake.requests, 3);
    assert_int_equal(info_of(p.f).reported_object_count, 1);
    assert_int_equal(info_of(p.f).reported_bytes_used, 5);
    assert_str(info_of(p.f).reported_put_timestamp, "1700000000.00000");

    updater_pass(&p);
    assert_int_equal(p.fake.requests, 0); /* nothing new */
    merge_one(p.f, put(STR("o2"), "1700000001.00000", 5, "t/p"));
    updater_pass(&p);
    assert_int_equal(p.fake.requests, 3);
    assert_int_equal(info_of(p.f).reported_object_count, 2);
}

static void test_shards_report_nothing(void **state)
{
    struct pass p = {.f = *state, .fake.status = {201, 201, 201}};
    struct db_metadata m;
    struct db_broker b;

    create(p.f);
    merge_one(p.f, put(STR("o"), "1700000001.00000", 5, "t/p"));
    broker(p.f, &b);
    db_metadata_init(&m, p.f->arena);
    db_metadata_set(&m, STR("X-Container-Sysmeta-Shard-Quoted-Root"), STR("AUTH_test/ro%20ot"), STR("1"));
    assert_int_equal(db_metadata_update(&b, &m, NULL, NULL), 0);
    db_broker_release(&b);
    updater_pass(&p);
    assert_non_null(strstr(p.fake.last, "count=0 bytes=0"));
}

static void test_never_put(void **state)
{
    struct pass p = {.f = *state, .fake.status = {201, 201, 201}};
    struct db_broker b;

    broker(p.f, &b);
    assert_int_equal(db_broker_create(&b, STR_NONE, 0), 0);
    db_broker_release(&b);
    updater_pass(&p);
    assert_int_equal(p.fake.requests, 0);
}

static void test_no_account_anywhere(void **state)
{
    struct pass p = {.f = *state, .fake.status = {404, 404, 404}};
    struct stat st;
    char *path = path_of(p.f), *quarantined = xasprintf("%s/quarantined/containers/" HASH, p.f->device);

    log_set_level((enum log_level) - 1);
    create(p.f);
    updater_pass(&p);
    assert_int_equal(stat(path, &st), -1);
    assert_int_equal(stat(quarantined, &st), 0);
    free(quarantined);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_reports_until_confirmed),
        T(test_shards_report_nothing),
        T(test_never_put),
        T(test_no_account_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
