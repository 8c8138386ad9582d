/* SPDX-License-Identifier: Apache-2.0
 *
 * test_object_server.c: the methods, called in the process on a device in a temporary folder. Container servers are played by
 * an HTTP server in the same runtime.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/pickle.h"
#include "http/http_listen.h"
#include "object/object_server.h"
#include "rt/rt.h"

static char root[64];
static struct http_app *app;
static struct swift_conf *swift;
static struct conf *conf;
static struct arena *arena;
static char hash[HASH_PATH_HEX_SIZE];

/* --- the surroundings ------------------------------------------------------------------------------------------------- */

static void write_text(const char *name, const char *text)
{
    const char *path = arena_printf(arena, "%s/%s", root, name).p;
    assert_int_equal(file_replace(path, text, strlen(text), 0644), 0);
}

static const char *reserve = "0";

static int setup(void **state)
{
    struct buf error;
    arena = arena_new();
    log_set_level(LOG_LEVEL_ERROR);
    clock_fix((int64_t)1700000100 * 1000000000);
    snprintf(root, sizeof root, "/tmp/martlet-object-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    mkdir(arena_printf(arena, "%s/srv", root).p, 0755);
    mkdir(arena_printf(arena, "%s/srv/sda", root).p, 0755);
    write_text("swift.conf",
               "[swift-hash]\nswift_hash_path_prefix = prefix\nswift_hash_path_suffix = suffix\n"
               "[storage-policy:0]\nname = gold\ndefault = yes\n[storage-policy:1]\nname = silver\n");
    write_text("object-server.conf",
               arena_printf(arena,
                            "[DEFAULT]\ndevices = %s/srv\nmount_check = false\nfallocate_reserve = %s\n"
                            "[app:object-server]\nuse = egg:swift#object\n",
                            root, reserve)
                   .p);
    buf_init(&error, 4096);
    assert_int_equal(swift_conf_load(root, &swift, &error), 0);
    assert_int_equal(conf_load(arena_printf(arena, "%s/object-server.conf", root).p, &conf, &error), 0);
    buf_release(&error);
    hash_path_hex(&swift->hash, STR("a"), STR("c"), STR("o"), hash);
    return 0;
}

static int setup_full(void **state)
{
    reserve = "100%";
    int err = setup(state);
    reserve = "0";
    return err;
}

static int teardown(void **state)
{
    clock_fix(0);
    conf_free(conf);
    swift_conf_free(swift);
    file_remove_tree(root);
    arena_free(arena);
    return 0;
}

struct scene {
    void (*fn)(void);
};

static void scene_task(void *arg)
{
    struct scene *scene = arg;
    struct buf error;
    struct server_context context = {.conf = conf, .section = "app:object-server", .swift = swift};
    buf_init(&error, 4096);
    assert_int_equal(object_server_new(&context, &app, &error), 0);
    scene->fn();
    app->free(app);
    buf_release(&error);
}

static void play(void (*fn)(void))
{
    struct scene scene = {fn};
    struct rt_options options = {.loops = 1};
    assert_int_equal(rt_run(&options, scene_task, &scene), 0);
}

/* --- requests ---------------------------------------------------------------------------------------------------------- */

struct reply {
    int status;
    struct header_table headers;
    struct str body;
};

/* A body that ends, or fails, before its length. */
struct broken_body {
    struct http_body body;
    size_t left;
    int end;
};

static ssize_t broken_read(struct http_body *body, void *p, size_t n)
{
    struct broken_body *b = (struct broken_body *)body;
    if (b->left == 0)
        return b->end;
    n = n < b->left ? n : b->left;
    memset(p, 'x', n);
    b->left -= n;
    return (ssize_t)n;
}

static const struct http_body_ops broken_ops = {.read = broken_read};

static void add_fields(struct http_request *req, const char *fields)
{
    struct str rest = str_from(fields), line, name, value;
    while (str_next(&rest, '\n', &line))
        if (str_cut(line, ':', &name, &value))
            header_add(&req->headers, name, str_trim(value));
}

static struct reply finish(struct http_request *req)
{
    struct http_response rsp;
    struct reply reply;
    struct buf b;
    http_response_init(&rsp, req->arena);
    http_app_call(app, req, &rsp);
    buf_init(&b, (size_t)64 << 20);
    if (rsp.body)
        assert_int_equal(http_body_read_all(rsp.body, &b), 0);
    http_body_close(rsp.body);
    reply.status = rsp.status;
    header_init(&reply.headers, arena);
    header_copy(&reply.headers, &rsp.headers);
    reply.body = arena_str(arena, str_of(b.n ? b.p : "", b.n));
    buf_release(&b);
    arena_free(req->arena);
    return reply;
}

#define PATH "/sda/0/a/c/o"

/* fields: "Name: value\n" lines. body NULL: none. */
static struct reply call(const char *method, const char *path, const char *fields, struct str body)
{
    struct http_request req;
    struct arena *a = arena_new();
    http_request_init(&req, a, str_from(method), str_from(path));
    add_fields(&req, fields);
    if (body.p) {
        req.body = http_body_memory(a, body);
        req.content_length = (int64_t)body.n;
        req.has_length = true;
    }
    return finish(&req);
}

static struct reply put_at(const char *time, const char *more, struct str body)
{
    return call("PUT", PATH,
                arena_printf(arena, "X-Timestamp: %s\nContent-Type: text/plain\n%s", time, more).p, body);
}

static struct reply get(const char *fields)
{
    return call("GET", PATH, fields, STR_NONE);
}

static struct reply delete_at(const char *time, const char *more)
{
    return call("DELETE", PATH, arena_printf(arena, "X-Timestamp: %s\n%s", time, more).p, STR_NONE);
}

static struct reply post_at(const char *time, const char *more)
{
    return call("POST", PATH, arena_printf(arena, "X-Timestamp: %s\n%s", time, more).p, STR_NONE);
}

static void check_field(const struct reply *r, const char *name, const char *value)
{
    struct str got = header_get(&r->headers, str_from(name));
    if (!value) {
        assert_null(got.p);
        return;
    }
    if (!got.p)
        fail_msg("%s is missing", name);
    assert_string_equal(arena_str(arena, got).p, value);
}

static const char *hash_dir(int policy)
{
    return arena_printf(arena, "%s/srv/sda/objects%s/0/%s/%s", root, policy ? "-1" : "", hash + 29, hash).p;
}

/* The names in a folder, sorted, with a blank between. */
static const char *listing(const char *path)
{
    struct dirent **v;
    struct str all = STR("");
    int n = scandir(path, &v, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        if (v[i]->d_name[0] != '.')
            all = arena_join(arena, all, all.n ? STR(" ") : STR(""), str_from(v[i]->d_name), STR_END);
        free(v[i]);
    }
    if (n >= 0)
        free(v);
    return n < 0 ? "none" : all.p;
}

static struct str pattern(size_t n)
{
    char *p = arena_alloc(arena, n + 1);
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(i * 7 + i / 251);
    return str_of(p, n);
}

/* --- PUT, GET, HEAD -------------------------------------------------------------------------------------------------- */

static void scene_put_get(void)
{
    struct reply r =
        put_at("1700000000.00000",
               "X-Object-Meta-foo2bar: \xc3\xa9\nX-Object-Sysmeta-S: s\nX-Object-Transient-Sysmeta-T: t\n"
               "Content-Encoding: gzip\nX-Not-Kept: x\nX-Object-Meta-: y\n",
               STR("hello"));
    assert_int_equal(r.status, 400); /* a metadata name must not be empty */
    r = put_at("1700000000.00000",
               "X-Object-Meta-foo2bar: \xc3\xa9\nX-Object-Sysmeta-S: s\nX-Object-Transient-Sysmeta-T: t\n"
               "Content-Encoding: gzip\nX-Not-Kept: x\n",
               STR("hello"));
    assert_int_equal(r.status, 201);
    check_field(&r, "Etag", "\"5d41402abc4b2a76b9719d911017c592\"");
    assert_string_equal(listing(hash_dir(0)), "1700000000.00000.data");
    r = get("");
    assert_int_equal(r.status, 200);
    assert_true(str_eq(r.body, STR("hello")));
    check_field(&r, "Etag", "\"5d41402abc4b2a76b9719d911017c592\"");
    check_field(&r, "Content-Type", "text/plain");
    check_field(&r, "X-Object-Meta-Foo2Bar", "\xc3\xa9");
    check_field(&r, "X-Object-Sysmeta-S", "s");
    check_field(&r, "X-Object-Transient-Sysmeta-T", "t");
    check_field(&r, "Content-Encoding", "gzip");
    check_field(&r, "X-Not-Kept", NULL);
    check_field(&r, "Last-Modified", "Tue, 14 Nov 2023 22:13:20 GMT");
    check_field(&r, "X-Timestamp", "1700000000.00000");
    check_field(&r, "X-Backend-Timestamp", "1700000000.00000");
    check_field(&r, "X-Backend-Data-Timestamp", "1700000000.00000");
    check_field(&r, "X-Backend-Durable-Timestamp", "1700000000.00000");
    r = call("HEAD", PATH, "", STR_NONE);
    assert_int_equal(r.status, 200);
    check_field(&r, "Content-Length", "5");
    assert_int_equal(r.body.n, 0);
    /* Overwritten, with an offset; the older file goes. */
    assert_int_equal(put_at("1700000000.00000_2", "", STR("")).status, 201);
    assert_string_equal(listing(hash_dir(0)), "1700000000.00000_0000000000000002.data");
    r = get("");
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body.n, 0);
    check_field(&r, "X-Backend-Timestamp", "1700000000.00000_0000000000000002");
    check_field(&r, "X-Timestamp", "1700000000.00000");
}

static void test_put_get(void **state)
{
    play(scene_put_get);
}

static void scene_sizes(void)
{
    static const size_t sizes[] = {1,      4096,   65535,   65536,   65537,   262143,
                                   262144, 262145, 1048576, 5000001, 20000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct str body = pattern(sizes[i]);
        const char *time = arena_printf(arena, "170000000%zu.00000", i).p;
        assert_int_equal(put_at(i > 9 ? "1700000010.00000" : time, "", body).status, 201);
        for (int again = 0; again < 2; again++) {
            struct reply r = get("");
            assert_int_equal(r.status, 200);
            assert_int_equal(r.body.n, body.n);
            assert_memory_equal(r.body.p, body.p, body.n);
        }
        struct reply r = get("Range: bytes=-1\n");
        assert_int_equal(r.status, 206);
        assert_int_equal(r.body.n, 1);
        assert_memory_equal(r.body.p, body.p + body.n - 1, 1);
    }
}

static void test_sizes(void **state)
{
    play(scene_sizes);
}

/* Chunked: no length is known beforehand. */
static struct reply put_chunked(const char *time, struct str body, const char *more)
{
    struct http_request req;
    struct arena *a = arena_new();
    http_request_init(&req, a, STR("PUT"), STR(PATH));
    add_fields(&req, arena_printf(arena, "X-Timestamp: %s\nContent-Type: a/b\nTransfer-Encoding: chunked\n%s",
                                  time, more)
                         .p);
    req.body = http_body_memory(a, body);
    req.content_length = -1;
    req.chunked = true;
    return finish(&req);
}

static void scene_chunked(void)
{
    assert_int_equal(put_chunked("1700000001", STR("abc"), "").status, 201);
    assert_true(str_eq(get("").body, STR("abc")));
    struct str body = pattern(700000);
    assert_int_equal(put_chunked("1700000002", body, "").status, 201);
    struct reply r = get("");
    assert_int_equal(r.body.n, body.n);
    assert_memory_equal(r.body.p, body.p, body.n);
    /* The size that the proxy promises must be kept, either way. */
    assert_int_equal(put_chunked("1700000003", STR("abc"), "X-Backend-Obj-Content-Length: 4\n").status, 499);
    assert_int_equal(put_chunked("1700000003", STR("abc"), "X-Backend-Obj-Content-Length: 2\n").status, 499);
    assert_int_equal(put_chunked("1700000003", STR("abc"), "X-Backend-Obj-Content-Length: x\n").status, 400);
    assert_int_equal(put_chunked("1700000003", STR("abc"), "X-Backend-Obj-Content-Length: 3\n").status, 201);
}

static void test_chunked(void **state)
{
    play(scene_chunked);
}

static struct reply put_broken(size_t said, size_t sent, int end)
{
    struct http_request req;
    struct arena *a = arena_new();
    struct broken_body *b = arena_zalloc(a, sizeof *b);
    b->body = (struct http_body){&broken_ops, (int64_t)said};
    b->left = sent;
    b->end = end;
    http_request_init(&req, a, STR("PUT"), STR(PATH));
    add_fields(&req, "X-Timestamp: 1700000005\nContent-Type: a/b\n");
    req.body = &b->body;
    req.content_length = (int64_t)said;
    req.has_length = true;
    return finish(&req);
}

static void scene_broken_bodies(void)
{
    assert_int_equal(put_broken(10, 5, 0).status, 499);
    assert_int_equal(put_broken(10, 5, -ECONNRESET).status, 499);
    assert_int_equal(put_broken(10, 5, -ETIMEDOUT).status, 408);
    assert_int_equal(put_broken(1000000, 999999, 0).status, 499);
    assert_int_equal(put_broken(1000000, 600000, -ETIMEDOUT).status, 408);
    assert_string_equal(listing(hash_dir(0)), "");
    assert_int_equal(get("").status, 404);
    struct reply r = put_at("1700000006", "ETag: \"5d41402abc4b2a76b9719d911017c593\"\n", STR("hello"));
    assert_int_equal(r.status, 422);
    r = put_at("1700000006", "ETag: 5d41402abc4b2a76b9719d911017c592\n", pattern(600000));
    assert_int_equal(r.status, 422);
    assert_int_equal(get("").status, 404);
    r = put_at("1700000006", "ETag: \"5d41402abc4b2a76b9719d911017c592\"\n", STR("hello"));
    assert_int_equal(r.status, 201);
}

static void test_broken_bodies(void **state)
{
    play(scene_broken_bodies);
}

static void scene_put_conditions(void)
{
    assert_int_equal(put_at("1700000005", "If-None-Match: *\n", STR("one")).status, 201);
    assert_int_equal(put_at("1700000006", "If-None-Match: *\n", STR("two")).status, 412);
    assert_int_equal(
        put_at("1700000006", "If-None-Match: \"x\", \"f97c5d29941bfb1b2fdab0874906ab82\"\n", STR("two"))
            .status,
        412);
    struct reply r = put_at("1700000005", "", STR("two"));
    assert_int_equal(r.status, 409);
    check_field(&r, "X-Backend-Timestamp", "1700000005.00000");
    assert_int_equal(put_at("1700000004", "Expect: 100-continue\n", STR("two")).status, 409);
    assert_int_equal(put_at("1700000004", "", pattern(400000)).status, 409);
    assert_int_equal(put_at("1700000006", "If-None-Match: \"x\"\n", STR("two")).status, 201);
    assert_int_equal(delete_at("1700000007", "").status, 204);
    r = put_at("1700000007", "", STR("three"));
    assert_int_equal(r.status, 409);
    check_field(&r, "X-Backend-Timestamp", "1700000007.00000");
    assert_int_equal(put_at("1700000008", "If-None-Match: *\n", STR("three")).status, 201);
}

static void test_put_conditions(void **state)
{
    play(scene_put_conditions);
}

static void scene_bad_requests(void)
{
    const struct str none = STR_NONE;
    assert_int_equal(call("PUT", PATH, "Content-Type: a/b\n", STR("x")).status, 400);
    assert_int_equal(call("PUT", PATH, "X-Timestamp: 1\n", STR("x")).status, 400);
    assert_int_equal(call("PUT", PATH, "X-Timestamp: x\nContent-Type: a/b\n", STR("x")).status, 400);
    assert_int_equal(put_at("1700000000", "X-Delete-At: 10\n", STR("x")).status, 400);
    assert_int_equal(put_at("1700000000", "X-Delete-At: tomorrow\n", STR("x")).status, 400);
    assert_int_equal(put_at("1700000000", "X-Backend-Obj-Metadata-Footer: yes\n", STR("x")).status, 400);
    assert_int_equal(call("GET", "/sda/0/a/c", "", none).status, 400);
    assert_int_equal(call("GET", "/sda/x/a/c/o", "", none).status, 400);
    assert_int_equal(call("GET", "/sda/0/a/c/%ff", "", none).status, 412);
    assert_int_equal(call("GET", "/sdz/0/a/c/o", "", none).status, 507);
    assert_int_equal(call("PUT", "/sdz/0/a/c/o", "X-Timestamp: 1\nContent-Type: a/b\n", STR("x")).status,
                     507);
    assert_int_equal(call("GET", PATH, "X-Backend-Storage-Policy-Index: 9\n", none).status, 503);
    assert_int_equal(call("BREW", PATH, "", none).status, 405);
    assert_int_equal(call("DELETE", PATH, "", none).status, 400);
    assert_int_equal(call("POST", PATH, "", none).status, 400);
    assert_int_equal(call("OPTIONS", PATH, "", none).status, 200);
    assert_string_equal(listing(arena_printf(arena, "%s/srv/sda", root).p), "");
}

static void test_bad_requests(void **state)
{
    play(scene_bad_requests);
}

/* Less space than the operator wants to keep: nothing is stored, but deleting works. */
static void scene_full(void)
{
    assert_int_equal(put_at("1700000000", "", STR("x")).status, 507);
    assert_int_equal(put_at("1700000000", "", pattern(600000)).status, 507);
    assert_int_equal(put_chunked("1700000000", STR("x"), "").status, 507);
    assert_int_equal(get("").status, 404);
    assert_int_equal(delete_at("1700000001", "").status, 404);
    assert_string_equal(listing(hash_dir(0)), "1700000001.00000.ts");
}

static void test_full(void **state)
{
    play(scene_full);
}

static void scene_policy(void)
{
    const char *silver = "X-Timestamp: 1700000000\nContent-Type: a/b\nX-Backend-Storage-Policy-Index: 1\n";
    assert_int_equal(call("PUT", PATH, silver, STR("x")).status, 201);
    assert_string_equal(listing(hash_dir(1)), "1700000000.00000.data");
    assert_int_equal(get("").status, 404);
    assert_int_equal(get("X-Backend-Storage-Policy-Index: 1\n").status, 200);
}

static void test_policy(void **state)
{
    play(scene_policy);
}

static void scene_get_conditions(void)
{
    struct str body = STR("0123456789");
    put_at("1700000000.5", "X-Object-Sysmeta-Other: abc\n", body);
    const char *etag = "781e5e245d69b566979b86e28d23f2c7";
    struct reply r = get(arena_printf(arena, "If-None-Match: \"%s\"\n", etag).p);
    assert_int_equal(r.status, 304);
    assert_int_equal(r.body.n, 0);
    check_field(&r, "X-Backend-Timestamp", "1700000000.50000");
    assert_int_equal(get("If-Match: \"x\"\n").status, 412);
    assert_int_equal(get("If-Modified-Since: Tue, 14 Nov 2023 22:13:21 GMT\n").status, 304);
    assert_int_equal(get("If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT\n").status, 200);
    assert_int_equal(get("If-Unmodified-Since: Tue, 14 Nov 2023 22:13:20 GMT\n").status, 412);
    assert_int_equal(get("If-Match: \"abc\"\nX-Backend-Etag-Is-At: X-Nope, X-Object-Sysmeta-Other\n").status,
                     200);
    assert_int_equal(get("If-None-Match: \"abc\"\nX-Backend-Etag-Is-At: X-Object-Sysmeta-Other\n").status,
                     304);
    r = get("Range: bytes=2-4\n");
    assert_int_equal(r.status, 206);
    check_field(&r, "Content-Range", "bytes 2-4/10");
    assert_true(str_eq(r.body, STR("234")));
    r = get("Range: bytes=20-\n");
    assert_int_equal(r.status, 416);
    check_field(&r, "Content-Range", "bytes */10");
    r = get("Range: bytes=0-1,8-\n");
    assert_int_equal(r.status, 206);
    assert_true(str_find_str(r.body, STR("Content-Range: bytes 8-9/10\r\n\r\n89\r\n--"), 0) > 0);
    r = get("Range: bytes=2-4\nX-Backend-Ignore-Range-If-Metadata-Present: X-Static-Large-Object, "
            "X-Object-Sysmeta-Other\n");
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body.n, 10);
    r = call("HEAD", PATH, "Range: bytes=2-4\n", STR_NONE);
    assert_int_equal(r.status, 200);
    check_field(&r, "Content-Length", "10");
    assert_int_equal(call("GET", "/sda/0/a/c/none", "If-Match: *\n", STR_NONE).status, 412);
    /* Ranges of what is too large to be read at once. */
    body = pattern(3000000);
    put_at("1700000001", "", body);
    r = get("Range: bytes=1000000-2999998\n");
    assert_int_equal(r.body.n, 1999999);
    assert_memory_equal(r.body.p, body.p + 1000000, r.body.n);
    r = get("Range: bytes=0-0,2999999-2999999\n");
    assert_int_equal(r.status, 206);
}

static void test_get_conditions(void **state)
{
    play(scene_get_conditions);
}

/* --- POST -------------------------------------------------------------------------------------------------------------- */

static void scene_post(void)
{
    assert_int_equal(post_at("1700000000", "").status, 404);
    put_at("1700000000", "X-Object-Meta-A: 1\nX-Object-Sysmeta-S: s\nContent-Language: en\n", STR("hello"));
    struct reply r = post_at("1700000010", "X-Object-Meta-B: 2\nX-Object-Sysmeta-S: changed\n");
    assert_int_equal(r.status, 202);
    check_field(&r, "X-Backend-Content-Type", "text/plain");
    check_field(&r, "X-Object-Sysmeta-S", "s");
    assert_string_equal(listing(hash_dir(0)), "1700000000.00000.data 1700000010.00000.meta");
    r = get("");
    check_field(&r, "X-Object-Meta-A", NULL);
    check_field(&r, "Content-Language", NULL);
    check_field(&r, "X-Object-Meta-B", "2");
    check_field(&r, "X-Object-Sysmeta-S", "s");
    check_field(&r, "Content-Type", "text/plain");
    check_field(&r, "X-Timestamp", "1700000010.00000");
    check_field(&r, "X-Backend-Timestamp", "1700000010.00000");
    check_field(&r, "X-Backend-Data-Timestamp", "1700000000.00000");
    assert_true(str_eq(r.body, STR("hello")));
    /* Neither the metadata nor the type is newer. */
    r = post_at("1700000010", "X-Object-Meta-C: 3\n");
    assert_int_equal(r.status, 409);
    check_field(&r, "X-Backend-Timestamp", "1700000010.00000");
    assert_int_equal(post_at("1700000012", "Content-Type: image/png\nX-Object-Meta-D: 4\n").status, 202);
    assert_string_equal(listing(hash_dir(0)), "1700000000.00000.data 1700000012.00000+0.meta");
    check_field(&(struct reply){0}, "none", NULL);
    r = get("");
    check_field(&r, "Content-Type", "image/png");
    /* Metadata later, type kept with its own time. */
    assert_int_equal(post_at("1700000014", "X-Object-Meta-E: 5\n").status, 202);
    assert_string_equal(listing(hash_dir(0)), "1700000000.00000.data 1700000014.00000-30d40.meta");
    r = get("");
    check_field(&r, "Content-Type", "image/png");
    check_field(&r, "X-Object-Meta-E", "5");
    /* An older POST with a newer type: the metadata stays, the type changes. */
    assert_int_equal(post_at("1700000013", "Content-Type: image/gif\nX-Object-Meta-F: 6\n").status, 202);
    assert_string_equal(listing(hash_dir(0)), "1700000000.00000.data 1700000014.00000-186a0.meta");
    r = get("");
    check_field(&r, "Content-Type", "image/gif");
    check_field(&r, "X-Object-Meta-E", "5");
    check_field(&r, "X-Object-Meta-F", NULL);
    assert_int_equal(put_at("1700000020", "", STR("new")).status, 201);
    assert_string_equal(listing(hash_dir(0)), "1700000020.00000.data");
}

static void test_post(void **state)
{
    play(scene_post);
}

/* --- DELETE and expiry -------------------------------------------------------------------------------------------------- */

static void scene_delete(void)
{
    struct reply r = delete_at("1600000000", "");
    assert_int_equal(r.status, 404);
    assert_string_equal(listing(hash_dir(0)), "none"); /* so old that it went at once */
    r = delete_at("1700000000", "");
    assert_int_equal(r.status, 404); /* and yet a tombstone: younger nodes must learn of it */
    check_field(&r, "X-Backend-Timestamp", "1700000000.00000");
    assert_string_equal(listing(hash_dir(0)), "1700000000.00000.ts");
    assert_int_equal(put_at("1700000010", "", STR("x")).status, 201);
    r = delete_at("1700000009", "");
    assert_int_equal(r.status, 409);
    check_field(&r, "X-Backend-Timestamp", "1700000010.00000");
    r = delete_at("1700000020", "");
    assert_int_equal(r.status, 204);
    check_field(&r, "X-Backend-Content-Type", "text/plain");
    assert_string_equal(listing(hash_dir(0)), "1700000020.00000.ts");
    r = get("");
    assert_int_equal(r.status, 404);
    check_field(&r, "X-Backend-Timestamp", "1700000020.00000");
    assert_int_equal(delete_at("1700000015", "").status, 404);
    assert_string_equal(listing(hash_dir(0)), "1700000020.00000.ts");
    assert_int_equal(delete_at("1700000021", "X-If-Delete-At: x\n").status, 400);
    assert_int_equal(delete_at("1700000021", "X-If-Delete-At: 1700000050\n").status, 412);
    assert_int_equal(delete_at("1700000020", "X-If-Delete-At: 1700000050\n").status, 409);
    assert_int_equal(
        call("DELETE", "/sda/0/a/c/p", "X-Timestamp: 1700000021\nX-If-Delete-At: 1700000050\n", STR_NONE)
            .status,
        404);
}

static void test_delete(void **state)
{
    play(scene_delete);
}

static void scene_expiry(void)
{
    clock_fix((int64_t)1700000000 * 1000000000);
    assert_int_equal(put_at("1700000000", "X-Delete-At: 1700000050\n", STR("x")).status, 201);
    struct reply r = get("");
    assert_int_equal(r.status, 200);
    check_field(&r, "X-Delete-At", "1700000050");
    r = get("X-Timestamp: 1700000050\n");
    assert_int_equal(r.status, 404);
    check_field(&r, "X-Backend-Timestamp", "1700000000.00000");
    assert_int_equal(get("X-Timestamp: 1700000049.99999\n").status, 200);
    assert_int_equal(get("X-Timestamp: 1700000050\nX-Backend-Replication: true\n").status, 200);
    assert_int_equal(call("HEAD", PATH, "X-Timestamp: 1700000051\n", STR_NONE).status, 404);
    assert_int_equal(post_at("1700000060", "").status, 404);
    assert_int_equal(delete_at("1700000060", "X-If-Delete-At: 1700000049\n").status, 412);
    assert_int_equal(delete_at("1700000060", "X-If-Delete-At: 1700000050\n").status, 204);
    assert_string_equal(listing(hash_dir(0)), "1700000060.00000.ts");
    /* A POST without X-Delete-At takes it away. */
    assert_int_equal(put_at("1700000061", "X-Delete-At: 1700000090\n", STR("x")).status, 201);
    assert_int_equal(post_at("1700000062", "X-Delete-At: 1700000061\n").status, 400);
    assert_int_equal(post_at("1700000062", "X-Delete-At: 1700000080\n").status, 202);
    assert_int_equal(get("X-Timestamp: 1700000085\n").status, 404);
    assert_int_equal(post_at("1700000063", "").status, 202);
    assert_int_equal(get("X-Timestamp: 1700000095\n").status, 200);
}

static void test_expiry(void **state)
{
    play(scene_expiry);
}

/* --- what cannot be right ------------------------------------------------------------------------------------------------ */

static const char *data_file(void)
{
    return arena_printf(arena, "%s/1700000000.00000.data", hash_dir(0)).p;
}

static bool in_quarantine(void)
{
    return strstr(listing(arena_printf(arena, "%s/srv/sda/quarantined/objects", root).p), hash) != NULL;
}

static void scene_quarantine(void)
{
    for (int i = 0; i < 4; i++) {
        put_at("1700000000", "", STR("hello"));
        assert_int_equal(get("").status, 200);
        if (i == 0)
            assert_int_equal(truncate(data_file(), 4), 0);
        if (i == 1)
            assert_int_equal(setxattr(data_file(), "user.swift.metadata", "garbage", 7, 0), 0);
        if (i == 2)
            assert_int_equal(removexattr(data_file(), "user.swift.metadata"), 0);
        if (i == 3) {
            assert_int_equal(file_remove_tree(hash_dir(0)), 0);
            close(open(hash_dir(0), O_CREAT | O_WRONLY, 0644));
        }
        struct reply r = get("");
        assert_int_equal(r.status, 404);
        check_field(&r, "X-Backend-Timestamp", NULL);
        assert_true(in_quarantine());
        assert_string_equal(listing(hash_dir(0)), "none");
    }
}

static void test_quarantine(void **state)
{
    play(scene_quarantine);
}

/* The file shrinks while it is sent: the body breaks off with an error, and the object is quarantined. */
static void scene_shrinking(void)
{
    struct http_request req;
    struct http_response rsp;
    struct buf b;
    assert_int_equal(put_at("1700000000", "", pattern(3000000)).status, 201);
    http_request_init(&req, arena, STR("GET"), STR(PATH));
    http_response_init(&rsp, arena);
    http_app_call(app, &req, &rsp);
    assert_int_equal(rsp.status, 200);
    assert_int_equal(rsp.body->length, 3000000);
    assert_int_equal(truncate(data_file(), 1500000), 0);
    buf_init(&b, 4000000);
    assert_int_equal(http_body_read_all(rsp.body, &b), -EIO);
    assert_true(b.n < 1500000);
    assert_int_equal(http_body_read(rsp.body, b.p, 1), -EIO);
    http_body_close(rsp.body);
    buf_release(&b);
    assert_true(in_quarantine());
    assert_int_equal(get("").status, 404);
}

static void test_shrinking(void **state)
{
    play(scene_shrinking);
}

static void scene_collision(void)
{
    put_at("1700000000", "", STR("hello"));
    char other[HASH_PATH_HEX_SIZE];
    hash_path_hex(&swift->hash, STR("a"), STR("c"), STR("p"), other);
    const char *dir = arena_printf(arena, "%s/srv/sda/objects/0/%s", root, other + 29).p;
    mkdir(dir, 0755);
    assert_int_equal(rename(hash_dir(0), arena_printf(arena, "%s/%s", dir, other).p), 0);
    assert_int_equal(call("GET", "/sda/0/a/c/p", "", STR_NONE).status, 403);
    assert_int_equal(
        call("PUT", "/sda/0/a/c/p", "X-Timestamp: 1700000001\nContent-Type: a/b\n", STR("x")).status, 403);
    assert_int_equal(call("DELETE", "/sda/0/a/c/p", "X-Timestamp: 1700000001\n", STR_NONE).status, 403);
    assert_int_equal(access(arena_printf(arena, "%s/%s", dir, other).p, F_OK), 0);
}

static void test_collision(void **state)
{
    play(scene_collision);
}

/* The cache of metadata believes nothing that the disk does not confirm. */
static void scene_cache(void)
{
    clock_fix(0);
    put_at("1700000000", "", STR("hello"));
    rt_sleep(1100); /* until the folder counts as settled */
    for (int i = 0; i < 3; i++)
        assert_true(str_eq(get("").body, STR("hello")));
    int fd = open(data_file(), O_WRONLY);
    assert_int_equal(pwrite(fd, "HELLO", 5, 0), 5);
    close(fd);
    assert_true(str_eq(get("").body, STR("HELLO")));
    assert_int_equal(post_at("1700000001", "X-Object-Meta-A: 1\n").status, 202);
    struct reply r = get("");
    check_field(&r, "X-Object-Meta-A", "1");
    assert_int_equal(delete_at("1790000000", "").status, 204);
    assert_int_equal(get("").status, 404);
}

static void test_cache(void **state)
{
    play(scene_cache);
}

/* --- REPLICATE ---------------------------------------------------------------------------------------------------------- */

static void scene_replicate(void)
{
    struct pickle_value *v;
    struct reply r = call("REPLICATE", "/sda/0", "", STR_NONE);
    assert_int_equal(r.status, 200);
    assert_int_equal(pickle_parse(arena, r.body.p, r.body.n, &v, NULL), 0);
    assert_int_equal(v->type, PICKLE_DICT);
    assert_int_equal(v->dict.n, 0);
    put_at("1700000000", "", STR("hello"));
    r = call("REPLICATE", "/sda/0", "", STR_NONE);
    assert_int_equal(pickle_parse(arena, r.body.p, r.body.n, &v, NULL), 0);
    assert_int_equal(v->dict.n, 1);
    struct pickle_value *digest = pickle_get(v, str_of(hash + 29, 3));
    assert_non_null(digest);
    assert_int_equal(digest->text.n, 32);
    assert_true(
        str_eq(digest->text, STR("841dfe823721b5f14b4a246ea0776457"))); /* MD5("1700000000.00000.data") */
    r = call("REPLICATE", arena_printf(arena, "/sda/0/%s-zzz-abc", hash + 29).p, "", STR_NONE);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body.n, 4);
    assert_memory_equal(r.body.p, "\x80\x02N.", 4);
    struct buf b;
    buf_init(&b, 100);
    assert_int_equal(file_read(arena_printf(arena, "%s/srv/sda/objects/0/hashes.invalid", root).p, &b), 0);
    assert_true(str_eq(buf_view(&b), arena_printf(arena, "%s\nabc\n", hash + 29)));
    buf_release(&b);
    assert_int_equal(call("REPLICATE", "/sdz/0", "", STR_NONE).status, 507);
}

static void test_replicate(void **state)
{
    play(scene_replicate);
}

/* --- container updates ---------------------------------------------------------------------------------------------------- */

static struct {
    char requests[32][1024];
    atomic_int n;
    atomic_int status;
    int64_t delay_ms;
} container;

static void container_handle(struct http_app *self, struct http_request *req, struct http_response *rsp)
{
    struct str f[] = {STR("X-Size"),
                      STR("X-Etag"),
                      STR("X-Content-Type"),
                      STR("X-Timestamp"),
                      STR("X-Backend-Storage-Policy-Index"),
                      STR("X-Trans-Id")};
    int slot = atomic_fetch_add(&container.n, 1);
    char *at = container.requests[slot < 31 ? slot : 31];
    int used = snprintf(at, 1024, "%.*s %.*s", STR_ARG(req->method), STR_ARG(req->raw_path));
    for (size_t i = 0; i < sizeof f / sizeof *f; i++)
        used += snprintf(at + used, 1024 - (size_t)used, " %.*s", STR_ARG(header_get(&req->headers, f[i])));
    rt_sleep(container.delay_ms);
    if (container.status == 301) {
        header_add(&rsp->headers, STR("Location"), STR("/.shards_a/c-1/o"));
        header_add(&rsp->headers, STR("X-Backend-Redirect-Timestamp"), STR("1700000000.00000"));
    }
    http_response_text(rsp, container.status, "text/plain", STR(""));
}

static struct http_app container_app = {.handle = container_handle};

static struct http_server *start_container(int *port)
{
    struct http_server *server;
    struct http_server_options options = {.bind_ip = "127.0.0.1", .app = &container_app};
    struct buf error;
    buf_init(&error, 1000);
    atomic_store(&container.n, 0);
    container.delay_ms = 0;
    container.status = 201;
    assert_int_equal(http_server_start(&options, &server, &error), 0);
    buf_release(&error);
    *port = http_server_port(server);
    return server;
}

static const char *pendings(void)
{
    const char *top = arena_printf(arena, "%s/srv/sda/async_pending", root).p;
    const char *suffixes = listing(top);
    if (strcmp(suffixes, "none") == 0 || !*suffixes)
        return "";
    return listing(arena_printf(arena, "%s/%s", top, hash + 29).p);
}

static struct str pending_content(const char *name)
{
    struct buf b;
    buf_init(&b, 100000);
    const char *path = arena_printf(arena, "%s/srv/sda/async_pending/%s/%s", root, hash + 29, name).p;
    assert_int_equal(file_read(path, &b), 0);
    struct str s = arena_str(arena, buf_view(&b));
    buf_release(&b);
    unlink(path);
    return s;
}

static void scene_container_updates(void)
{
    int port;
    struct http_server *server = start_container(&port);
    const char *to = arena_printf(arena,
                                  "X-Container-Partition: 7\nX-Container-Host: 127.0.0.1:%d, 127.0.0.1:%d\n"
                                  "X-Container-Device: sda,sdb\nX-Trans-Id: tx1\n",
                                  port, port)
                         .p;
    assert_int_equal(put_at("1700000000", to, STR("hello")).status, 201);
    assert_int_equal(container.n, 2);
    const char *wanted =
        "PUT /sda/7/a/c/o 5 5d41402abc4b2a76b9719d911017c592 text/plain 1700000000.00000 0 tx1";
    assert_string_equal(container.requests[0] + 8, container.requests[1] + 8);
    assert_true(strcmp(container.requests[0], wanted) == 0 || strcmp(container.requests[1], wanted) == 0);
    assert_string_equal(pendings(), "");
    /* What the proxy overrides */
    put_at("1700000001",
           arena_printf(
               arena,
               "%sX-Backend-Container-Update-Override-Etag: e1\nX-Backend-Container-Update-Override-Size: 9\n"
               "X-Object-Sysmeta-Container-Update-Override-Etag: e2\n",
               to)
               .p,
           STR("hello"));
    assert_non_null(strstr(container.requests[2], " 9 e2 text/plain "));
    /* Refused: kept for later, one file for all replicas. */
    container.status = 503;
    assert_int_equal(delete_at("1700000002", to).status, 204);
    const char *name = pendings();
    assert_string_equal(name, arena_printf(arena, "%s-1700000002.00000", hash).p);
    struct pickle_value *v;
    struct str text = pending_content(name);
    assert_int_equal(pickle_parse(arena, text.p, text.n, &v, NULL), 0);
    assert_true(str_eq(pickle_get(v, STR("op"))->text, STR("DELETE")));
    assert_true(str_eq(pickle_get(v, STR("obj"))->text, STR("o")));
    assert_true(
        str_eq(pickle_get(pickle_get(v, STR("headers")), STR("X-Timestamp"))->text, STR("1700000002.00000")));
    assert_null(pickle_get(v, STR("container_path")));
    /* Sharded: the file remembers where it was sent on to. */
    container.status = 301;
    put_at("1700000003", to, STR("x"));
    text = pending_content(pendings());
    assert_int_equal(pickle_parse(arena, text.p, text.n, &v, NULL), 0);
    assert_true(str_eq(pickle_get(v, STR("container_path"))->text, STR(".shards_a/c-1")));
    /* Unequal lists and no partition: nothing is sent. */
    container.n = 0;
    put_at("1700000004",
           "X-Container-Partition: 7\nX-Container-Host: 1.1.1.1:1,1.1.1.2:2\nX-Container-Device: sda\n",
           STR("x"));
    put_at("1700000005", "X-Container-Host: 127.0.0.1:1\nX-Container-Device: sda\n", STR("x"));
    assert_int_equal(container.n, 0);
    assert_string_equal(pendings(), "");
    http_server_stop(server, 1000);
    http_server_free(server);
    /* Nobody there */
    assert_int_equal(put_at("1700000006", to, STR("x")).status, 201);
    assert_string_equal(pendings(), arena_printf(arena, "%s-1700000006.00000", hash).p);
}

static void test_container_updates(void **state)
{
    play(scene_container_updates);
}

/* A slow container server does not hold up the client, and its update still arrives. */
static void scene_slow_container(void)
{
    int port;
    struct http_server *server = start_container(&port);
    container.delay_ms = 1500;
    int64_t start = clock_monotonic_ms();
    put_at("1700000000",
           arena_printf(arena,
                        "X-Container-Partition: 7\nX-Container-Host: 127.0.0.1:%d\nX-Container-Device: sda\n",
                        port)
               .p,
           STR("hello"));
    int64_t took = clock_monotonic_ms() - start;
    assert_in_range(took, 900, 1400);
    rt_sleep(1000);
    assert_int_equal(container.n, 1);
    assert_string_equal(pendings(), "");
    http_server_stop(server, 1000);
    http_server_free(server);
}

static void test_slow_container(void **state)
{
    play(scene_slow_container);
}

static void scene_expirer_updates(void)
{
    int port;
    struct http_server *server = start_container(&port);
    clock_fix((int64_t)1700000000 * 1000000000);
    const char *to =
        arena_printf(arena,
                     "X-Delete-At: 1700006400\nX-Delete-At-Host: 127.0.0.1:%d\nX-Delete-At-Device: sdx\n"
                     "X-Delete-At-Partition: 3\nX-Delete-At-Container: 1700006385\n",
                     port)
            .p;
    assert_int_equal(put_at("1700000000", to, STR("hello")).status, 201);
    assert_int_equal(container.n, 1);
    assert_string_equal(
        container.requests[0],
        "PUT /sdx/3/.expiring_objects/1700006385/1700006400-a/c/o 0 d41d8cd98f00b204e9800998ecf8427e "
        "text/plain 1700000000.00000 0 -");
    /* The object goes: its row is taken back, by way of an async_pending file. */
    assert_int_equal(delete_at("1700000001", "X-Backend-Clean-Expiring-Object-Queue: no\n").status, 204);
    assert_string_equal(listing(arena_printf(arena, "%s/srv/sda/async_pending", root).p), "none");
    clock_fix((int64_t)1700000000 * 1000000000);
    assert_int_equal(put_at("1700000002", "X-Delete-At: 1700006400\n", STR("hello")).status, 201);
    assert_int_equal(container.n, 1); /* without X-Delete-At-Host another server does it */
    assert_int_equal(delete_at("1700000003", "").status, 204);
    assert_int_equal(container.n, 1);
    char row[HASH_PATH_HEX_SIZE];
    hash_path_hex(&swift->hash, STR(".expiring_objects"), STR("1700006385"), STR("1700006400-a/c/o"), row);
    assert_string_equal(listing(arena_printf(arena, "%s/srv/sda/async_pending/%s", root, row + 29).p),
                        arena_printf(arena, "%s-1700000003.00000", row).p);
    http_server_stop(server, 1000);
    http_server_free(server);
}

static void test_expirer_updates(void **state)
{
    play(scene_expirer_updates);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    /* A failing assertion cannot jump off a task's stack. */
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    const struct CMUnitTest tests[] = {
        EACH(test_put_get),        EACH(test_sizes),
        EACH(test_chunked),        EACH(test_broken_bodies),
        EACH(test_put_conditions), EACH(test_bad_requests),
        EACH(test_policy),         cmocka_unit_test_setup_teardown(test_full, setup_full, teardown),
        EACH(test_get_conditions), EACH(test_post),
        EACH(test_delete),         EACH(test_expiry),
        EACH(test_quarantine),     EACH(test_shrinking),
        EACH(test_collision),      EACH(test_cache),
        EACH(test_replicate),      EACH(test_container_updates),
        EACH(test_slow_container), EACH(test_expirer_updates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
