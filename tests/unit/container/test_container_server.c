/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/db/server_fixture.h"

#include "container/container_server.h"
#include "http/http_listen.h"

#define C                "/sda1/5/AUTH_test/c1"
#define OBJECT(ts, size) "X-Timestamp: " ts "\nX-Size: " size "\nX-Content-Type: text/plain\nX-Etag: etag"

static int set_up(void **state)
{
    *state = server_start(container_server_new, "app:container-server");
    return 0;
}

static int tear_down(void **state)
{
    server_stop(*state);
    return 0;
}

static void test_life_of_a_container(void **state)
{
    struct server *s = *state;

    assert_int_equal(request(s, "HEAD", C, ""), 404);
    assert_field(s, "X-Backend-Timestamp", "0000000000.00000");
    assert_field(s, "X-Backend-Storage-Policy-Index", "0");
    assert_no_field(s, "X-Container-Object-Count");
    assert_int_equal(request(s, "POST", C, "X-Timestamp: 1"), 404);
    assert_int_equal(request(s, "DELETE", C, "X-Timestamp: 1"), 404);
    assert_int_equal(request(s, "PUT", C "/o", OBJECT("1", "1")), 404);

    assert_int_equal(request(s, "PUT", C,
                             "X-Timestamp: 1700000000.5\nX-Container-Meta-Foo2bar: x\nX-Container-Read: .r:*"
                             "\nX-Backend-Storage-Policy-Index: 1"),
                     201);
    assert_field(s, "X-Backend-Storage-Policy-Index", "1");
    assert_int_equal(request(s, "PUT", C, "X-Timestamp: 1700000001"), 202);
    assert_field(s, "X-Backend-Storage-Policy-Index", "1");
    assert_int_equal(request(s, "PUT", C, "X-Timestamp: 1700000001\nX-Backend-Storage-Policy-Index: 0"), 409);
    assert_field(s, "X-Backend-Storage-Policy-Index", "1");
    assert_int_equal(request(s, "PUT", C, "X-Timestamp: 1700000001\nX-Backend-Storage-Policy-Index: 9"), 400);
    assert_string_equal(s->body, "Invalid X-Backend-Storage-Policy-Index 9");

    assert_int_equal(request(s, "HEAD", C, ""), 204);
    assert_field(s, "X-Container-Meta-Foo2Bar", "x");
    assert_field(s, "X-Container-Read", ".r:*");
    assert_field(s, "X-Put-Timestamp", "1700000001.00000");
    assert_field(s, "X-Backend-Put-Timestamp", "1700000001.00000");
    assert_field(s, "X-Backend-Delete-Timestamp", "0000000000.00000");
    assert_field(s, "X-Backend-Status-Changed-At", "1700000000.50000");
    assert_field(s, "X-Backend-Sharding-State", "unsharded");
    assert_field(s, "X-Container-Object-Count", "0");
    assert_field(s, "Last-Modified", "Tue, 14 Nov 2023 22:13:21 GMT");
    assert_int_equal(request(s, "GET", C, ""), 204);
    assert_field(s, "X-Backend-Record-Type", "object");
    assert_int_equal(request(s, "GET", C "?format=json", ""), 200);
    assert_string_equal(s->body, "[]");

    assert_int_equal(request(s, "POST", C, "X-Timestamp: 1700000002\nX-Container-Read: "), 204);
    assert_int_equal(request(s, "POST", C, "X-Timestamp: 1700000003\nX-Backend-No-Timestamp-Update: true"),
                     204);
    assert_int_equal(request(s, "HEAD", C, ""), 204);
    assert_no_field(s, "X-Container-Read");
    assert_field(s, "X-Put-Timestamp", "1700000002.00000");

    assert_int_equal(request(s, "DELETE", C, "X-Timestamp: 1600000000"), 409);
    assert_int_equal(request(s, "DELETE", C, "X-Timestamp: 1700000010"), 204);
    assert_int_equal(request(s, "DELETE", C, "X-Timestamp: 1700000011"), 404);
    assert_int_equal(request(s, "HEAD", C, ""), 404);
    assert_field(s, "X-Backend-Delete-Timestamp", "1700000011.00000");
    assert_field(s, "X-Backend-Storage-Policy-Index", "1");
    assert_no_field(s, "X-Container-Object-Count");
    assert_int_equal(request(s, "GET", C, ""), 404);
    assert_int_equal(request(s, "POST", C, "X-Timestamp: 1700000012"), 404);
    assert_int_equal(request(s, "PUT", C, "X-Timestamp: 1700000005"), 409);
    assert_int_equal(request(s, "PUT", C, "X-Timestamp: 1700000020\nX-Backend-Storage-Policy-Default: 0"),
                     201);
    assert_field(s, "X-Backend-Storage-Policy-Index", "0");
    assert_int_equal(request(s, "HEAD", C, ""), 204);
    assert_field(s, "X-Backend-Status-Changed-At", "1700000020.00000");
    assert_no_field(s, "X-Container-Meta-Foo2Bar");
}

static void test_objects(void **state)
{
    struct server *s = *state;

    assert_int_equal(request(s, "PUT", C, "X-Timestamp: 1700000000"), 201);
    assert_int_equal(request(s, "PUT", C "/a/b", OBJECT("1700000001", "5")), 201);
    assert_int_equal(request(s, "PUT", C "/a/caf%C3%A9", OBJECT("1700000002", "7")), 201);
    assert_int_equal(
        request(s, "PUT", C "/x", OBJECT("1700000002", "7") "\nX-Backend-Storage-Policy-Index: 1"), 201);
    assert_int_equal(request(s, "HEAD", C, ""), 204);
    assert_field(s, "X-Container-Object-Count", "2");
    assert_field(s, "X-Container-Bytes-Used", "12");
    assert_int_equal(request(s, "GET", C, ""), 200);
    assert_string_equal(s->body, "a/b\na/caf\xc3\xa9\n");
    assert_int_equal(request(s, "GET", C, "X-Backend-Storage-Policy-Index: 1"), 200);
    assert_string_equal(s->body, "x\n");
    assert_field(s, "X-Backend-Record-Storage-Policy-Index", "1");
    assert_int_equal(request(s, "GET", C "?path=a&limit=1", "X-Backend-Record-Type: auto"), 200);
    assert_string_equal(s->body, "a/b\n");
    assert_int_equal(request(s, "GET", C "?delimiter=%2F&format=xml", ""), 200);
    assert_non_null(strstr(s->body, "<subdir name=\"a/\"><name>a/</name></subdir></container>"));

    assert_int_equal(request(s, "DELETE", C, "X-Timestamp: 1700000005"), 409);
    assert_int_equal(request(s, "DELETE", C "/a/b", "X-Timestamp: 1700000003"), 204);
    assert_int_equal(request(s, "DELETE", C "/never", "X-Timestamp: 1700000003"), 204);
    assert_int_equal(request(s, "GET", C, ""), 200);
    assert_string_equal(s->body, "a/caf\xc3\xa9\n");
    /* A content type that is newer than the data. */
    assert_int_equal(request(s, "PUT", C "/a/caf%C3%A9",
                             "X-Timestamp: 1700000002\nX-Size: 9\nX-Content-Type: image/png\nX-Etag: e\n"
                             "X-Content-Type-Timestamp: 1700000006\nX-Meta-Timestamp: 1700000007"),
                     201);
    assert_int_equal(request(s, "GET", C "?format=json", ""), 200);
    assert_string_equal(s->body,
                        "[{\"bytes\": 7, \"hash\": \"etag\", \"name\": \"a/caf\\u00e9\", \"content_type\": "
                        "\"image/png\", \"last_modified\": \"2023-11-14T22:13:27.000000\"}]");
    assert_int_equal(request(s, "PUT", C "/a", "X-Timestamp: 1\nX-Content-Type: a/b\nX-Etag: e"), 400);
    assert_int_equal(request(s, "PUT", C "/a", OBJECT("1", "big")), 400);
    assert_int_equal(request(s, "PUT", C "/a", "X-Size: 1"), 400);
    assert_int_equal(request(s, "PUT", C "/a", OBJECT("1", "1") "\nX-Meta-Timestamp: soon"), 400);
}

static void test_update(void **state)
{
    struct server *s = *state;
    const char *rows =
        "[{\"name\": \"o1\", \"created_at\": \"1700000001.00000\", \"size\": 5, \"content_type\": "
        "\"t/p\", \"etag\": \"e\", \"deleted\": 0}, {\"name\": \"o\\u00002\", \"created_at\": "
        "\"1700000001.00000\", \"size\": \"6\", \"content_type\": \"t/p\", \"etag\": \"e\", "
        "\"deleted\": 0, \"storage_policy_index\": 0, \"ctype_timestamp\": null}]";

    assert_int_equal(request_with(s, "UPDATE", C, "X-Timestamp: 1700000000", rows), 404);
    request(s, "PUT", C, "X-Timestamp: 1700000000");
    assert_int_equal(request_with(s, "UPDATE", C, "X-Timestamp: 1700000000", rows), 202);
    assert_int_equal(request(s, "HEAD", C, ""), 204);
    assert_field(s, "X-Container-Object-Count", "2");
    assert_field(s, "X-Container-Bytes-Used", "11");
    assert_int_equal(request_with(s, "UPDATE", C, "X-Timestamp: 1700000000", "[{}"), 400);
    assert_int_equal(request_with(s, "UPDATE", C, "X-Timestamp: 1700000000", "{}"), 400);
    assert_int_equal(request_with(s, "UPDATE", C, "X-Timestamp: 1700000000", "[1]"), 400);
    assert_int_equal(request_with(s, "UPDATE", C, "X-Timestamp: 1700000000", "[]"), 202);
    assert_int_equal(request_with(s, "UPDATE", C, "X-Timestamp: 1700000000", NULL), 400);
}

static void test_made_on_demand(void **state)
{
    struct server *s = *state;

    assert_int_equal(request(s, "PUT", "/sda1/5/.expiring_objects/170/o", OBJECT("1700000001", "0")), 201);
    assert_int_equal(request(s, "GET", "/sda1/5/.expiring_objects/170", ""), 200);
    assert_string_equal(s->body, "o\n");
    assert_int_equal(request(s, "DELETE", "/sda1/5/.expiring_objects/171/o", "X-Timestamp: 1"), 204);
    assert_int_equal(request(s, "PUT", "/sda1/5/.shards_a/c/o", OBJECT("1700000001", "0")), 404);
    assert_int_equal(
        request(s, "PUT", "/sda1/5/.shards_a/c/o", OBJECT("1700000001", "0") "\nX-Backend-Auto-Create: t"),
        201);
    assert_int_equal(
        request(s, "PUT", "/sda1/5/.x/c/o", OBJECT("1700000001", "0") "\nX-Backend-Auto-Create: f"), 404);
    assert_int_equal(request_with(s, "UPDATE", "/sda1/5/.x/c", "X-Timestamp: 1", "[]"), 400);
    assert_int_equal(
        request_with(s, "UPDATE", "/sda1/5/.x/c", "X-Timestamp: 1\nX-Backend-Storage-Policy-Index: 0", "[]"),
        202);
}

static void test_sync_to(void **state)
{
    struct server *s = *state;
    static const struct {
        const char *value, *answer; /* NULL: accepted */
    } cases[] = {
        {"http://127.0.0.1/v1/a/c", NULL},
        {"", NULL},
        {"http://example.com/v1/a/c", "Invalid host 'example.com' in X-Container-Sync-To"},
        {"http://127.0.0.1@example.com:80/v1/a/c", "Invalid host 'example.com' in X-Container-Sync-To"},
        {"ftp://127.0.0.1/a",
         "Invalid scheme 'ftp' in X-Container-Sync-To, must be \"//\", \"http\", or \"https\"."},
        {"http://127.0.0.1", "Path required in X-Container-Sync-To"},
        {"http://127.0.0.1/a?b", "Params, queries, and fragments not allowed in X-Container-Sync-To"},
        {"//realm/cluster/a", "Invalid X-Container-Sync-To format '//realm/cluster/a'"},
        {"//nowhere/cluster/a/c", "No realm key for 'nowhere'"},
        {"//us/none/a/c", "No cluster endpoint for 'us' 'none'"},
        {"//Us/Dfw1/a/c/", NULL},
    };

    server_write(s->root, "container-sync-realms.conf",
                 "[US]\nkey = k\ncluster_dfw1 = http://dfw1.host/v1/\n");
    request(s, "PUT", C, "X-Timestamp: 1700000000");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *fields =
            xasprintf("X-Timestamp: 17000000%02zu\nX-Container-Sync-To: %s", i + 1, cases[i].value);
        assert_int_equal(request(s, "POST", C, fields), cases[i].answer ? 400 : 204);
        if (cases[i].answer)
            assert_string_equal(s->body, cases[i].answer);
        assert_int_equal(request(s, "PUT", C, fields), cases[i].answer ? 400 : 202);
        free(fields);
    }
    request(s, "HEAD", C, "");
    assert_field(s, "X-Container-Sync-To", "//Us/Dfw1/a/c/");
}

#define SHARD(name, lower, upper, state)                                                                     \
    "{\"name\": \"" name "\", \"timestamp\": \"1700000001.00000\", \"lower\": \"" lower                      \
    "\", \"upper\": \"" upper                                                                                \
    "\", \"object_count\": 1, \"bytes_used\": 2, \"meta_timestamp\": \"1700000001.00000\", \"deleted\": 0, " \
    "\"state\": " state ", \"state_timestamp\": \"1700000001.00000\", \"epoch\": null}"

static void test_shards(void **state)
{
    struct server *s = *state;
    const char *shard = "X-Timestamp: 1700000000\nX-Backend-Record-Type: shard";

    assert_int_equal(request_with(s, "PUT", C, shard, "[]"), 404);
    assert_int_equal(request_with(s, "PUT", "/sda1/5/.shards_a/x", shard, "[]"), 404);
    assert_int_equal(
        request_with(s, "PUT", "/sda1/5/.shards_a/x",
                     "X-Timestamp: 1700000000\nX-Backend-Record-Type: shard\nX-Backend-Auto-Create: true\n"
                     "X-Backend-Storage-Policy-Index: 1\nX-Container-Sysmeta-Shard-Quoted-Root: AUTH_test/c1",
                     "[]"),
        201);
    assert_field(s, "X-Backend-Storage-Policy-Index", "1");
    request(s, "PUT", C, "X-Timestamp: 1700000000");
    assert_int_equal(request_with(s, "PUT", C, shard, "[{}]"), 400);
    assert_string_equal(s->body, "Invalid body: 'name'");
    assert_int_equal(request_with(s, "PUT", C, shard,
                                  "[" SHARD("s/1", "", "d", "40") ", " SHARD(
                                      "s/2", "d", "m", "20") ", " SHARD("s/3", "m", "p", "10") "]"),
                     202);
    assert_int_equal(request(s, "GET", C "?states=active", shard), 200);
    assert_field(s, "X-Backend-Record-Type", "shard");
    assert_string_equal(s->body, "s/1\n");
    assert_int_equal(request(s, "GET", C "?states=active,20&reverse=true", shard), 200);
    assert_string_equal(s->body, "s/2\ns/1\n");
    assert_int_equal(request(s, "GET", C "?includes=d&format=json", shard), 200);
    assert_non_null(strstr(s->body, "\"s/1\""));
    assert_null(strstr(s->body, "\"s/2\""));
    assert_int_equal(request(s, "GET", C "?marker=d&end_marker=m", shard), 200);
    assert_string_equal(s->body, "s/2\n");
    assert_int_equal(request(s, "GET", C "?states=updating", shard), 200);
    assert_string_equal(s->body, "s/1\ns/2\nAUTH_test/c1\n"); /* the rest is still here */
    assert_int_equal(request(s, "GET", C "?states=melting", shard), 400);
    assert_string_equal(s->body, "Bad state");
    assert_int_equal(request(s, "GET", C, "X-Backend-Record-Type: auto"), 204); /* unsharded: objects */
    assert_field(s, "X-Backend-Record-Type", "object");
    request(s, "DELETE", C, "X-Timestamp: 1700000005");
    assert_int_equal(request(s, "GET", C, shard), 404);
    assert_int_equal(
        request(s, "GET", C "?states=active", "X-Backend-Record-Type: shard\nX-Backend-Override-Deleted: t"),
        200);
    assert_string_equal(s->body, "s/1\n");
}

/* --- account servers ------------------------------------------------------------------------------------------- */

struct fake {
    struct http_app app;
    int status;      /* to answer */
    char seen[2048]; /* requests: one line each */
};

static void fake_handle(struct http_app *app, struct http_request *req, struct http_response *rsp)
{
    static const char *const names[] = {"X-Put-Timestamp",
                                        "X-Delete-Timestamp",
                                        "X-Object-Count",
                                        "X-Bytes-Used",
                                        "X-Backend-Storage-Policy-Index",
                                        "X-Account-Override-Deleted",
                                        "X-Trans-Id"};
    struct fake *f = (struct fake *)app;

    size_t n = strlen(f->seen);
    n += (size_t)snprintf(f->seen + n, sizeof(f->seen) - n, "%.*s %.*s", STR_ARG(req->method),
                          STR_ARG(req->target));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct str value = header_get(&req->headers, str_from(names[i]));
        n += (size_t)snprintf(f->seen + n, sizeof(f->seen) - n, " %.*s", STR_ARG(value));
    }
    snprintf(f->seen + n, sizeof(f->seen) - n, "\n");
    http_response_text(rsp, f->status, "text/plain", STR("fine"));
    rsp->close = true; /* a kept connection would outlive this run of the runtime */
}

struct account_case {
    struct server *s;
    struct fake fake;
    int hosts;    /* how many pairs; the last may be one nobody listens on */
    bool refused; /* the last */
    int result;
};

static void with_account_server(void *arg)
{
    struct account_case *c = arg;
    struct http_server_options options = {.bind_ip = "127.0.0.1", .app = &c->fake.app};
    struct http_server *account;
    struct buf error;
    char fields[512];

    buf_init(&error, 1024);
    c->fake.app.handle = fake_handle;
    if (http_server_start(&options, &account, &error))
        abort();
    int port = http_server_port(account);
    snprintf(
        fields, sizeof(fields),
        "X-Timestamp: 1700000000\nX-Trans-Id: tx1\nX-Account-Partition: 9\nX-Account-Host: 127.0.0.1:%d%s%s\n"
        "X-Account-Device: sda%s%s",
        port, c->hosts > 1 ? ", 127.0.0.1:" : "", c->hosts > 1 ? (c->refused ? "1" : "") : "",
        c->hosts > 1 ? ", sdb" : "", "");
    if (c->hosts > 1 && !c->refused)
        snprintf(fields, sizeof(fields),
                 "X-Timestamp: 1700000000\nX-Trans-Id: tx1\nX-Account-Partition: 9\n"
                 "X-Account-Override-Deleted: YES\nX-Account-Host: 127.0.0.1:%d,127.0.0.1:%d\n"
                 "X-Account-Device: sda,sdb",
                 port, port);
    c->s->method = "PUT";
    c->s->target = "/sda1/5/AUTH_test/c%20%C3%A9";
    c->s->fields = fields;
    c->s->request_body = NULL;
    server_handle(c->s);
    c->result = c->s->rsp.status;
    http_server_stop(account, 1000);
    http_server_free(account);
    buf_release(&error);
}

static int run_account_case(struct account_case *c)
{
    struct rt_options options = {.loops = 1, .offload_threads = 2};

    server_forget(c->s);
    assert_int_equal(rt_run(&options, with_account_server, c), 0);
    return c->result;
}

static void test_account_is_told(void **state)
{
    struct account_case c = {.s = *state, .fake.status = 201, .hosts = 1};

    assert_int_equal(run_account_case(&c), 201);
    assert_string_equal(c.fake.seen, "PUT /sda/9/AUTH_test/c%20%C3%A9 1700000000.00000 0 0 0 0  tx1\n");
}

static void test_two_accounts_are_told(void **state)
{
    struct account_case c = {.s = *state, .fake.status = 201, .hosts = 2};

    assert_int_equal(run_account_case(&c), 201);
    assert_string_equal(c.fake.seen, "PUT /sda/9/AUTH_test/c%20%C3%A9 1700000000.00000 0 0 0 0 yes tx1\n"
                                     "PUT /sdb/9/AUTH_test/c%20%C3%A9 1700000000.00000 0 0 0 0 yes tx1\n");
}

static void test_account_is_missing(void **state)
{
    struct account_case c = {.s = *state, .fake.status = 404, .hosts = 1};

    assert_int_equal(run_account_case(&c), 404);
    request(c.s, "HEAD", "/sda1/5/AUTH_test/c%20%C3%A9", "");
    assert_int_equal(c.s->rsp.status, 204); /* the container stays */
}

/* Neither an error nor a refused connection harms the request. */
static void test_account_is_down(void **state)
{
    struct account_case c = {.s = *state, .fake.status = 404, .hosts = 2, .refused = true};

    log_set_level((enum log_level) - 1);
    assert_int_equal(run_account_case(&c), 201);
    c.hosts = 1;
    c.fake.status = 500;
    assert_int_equal(run_account_case(&c), 202);
}

static void test_account_fields_that_do_not_fit(void **state)
{
    struct server *s = *state;

    log_set_level((enum log_level) - 1);
    assert_int_equal(
        request(s, "PUT", C,
                "X-Timestamp: 1700000000\nX-Account-Partition: 9\nX-Account-Host: 127.0.0.1:1,127.0.0.1:2"
                "\nX-Account-Device: sda"),
        400);
    assert_int_equal(
        request(s, "PUT", C, "X-Timestamp: 1700000000\nX-Account-Host: 127.0.0.1:1\nX-Account-Device: a"),
        202);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_life_of_a_container),
        T(test_objects),
        T(test_update),
        T(test_made_on_demand),
        T(test_sync_to),
        T(test_shards),
        T(test_account_is_told),
        T(test_two_accounts_are_told),
        T(test_account_is_missing),
        T(test_account_is_down),
        T(test_account_fields_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
