/* SPDX-License-Identifier: Apache-2.0
 *
 * What the three storage servers share: paths, devices, methods; and the limits of requests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/backend.h"
#include "common/alloc.h"
#include "common/file.h"

static struct arena *arena;
static struct http_request req;
static struct http_response rsp;

static void ask(const char *method, const char *target)
{
    arena_reset(arena);
    http_request_init(&req, arena, arena_str(arena, str_from(method)), arena_str(arena, str_from(target)));
    http_response_init(&rsp, arena);
}

static void body_is(const char *text)
{
    struct buf b;
    buf_init(&b, 65536);
    assert_non_null(rsp.body);
    assert_int_equal(http_body_read_all(rsp.body, &b), 0);
    assert_true(str_eq(buf_view(&b), str_from(text)));
    buf_release(&b);
}

static int split(const char *target, int min, int max, struct backend_path *p)
{
    ask("GET", target);
    return backend_split_path(&req, min, max, p, &rsp) ? 0 : rsp.status;
}

static void test_paths(void **state)
{
    struct backend_path p;
    assert_int_equal(split("/sda/12/a/c/o/with%20more/", 5, 5, &p), 0);
    assert_true(str_eq(p.device, STR("sda")));
    assert_int_equal(p.part, 12);
    assert_true(str_eq(p.object, STR("o/with more/")));
    assert_int_equal(split("/sda/12/a", 3, 4, &p), 0);
    assert_null(p.container.p);
    assert_int_equal(split("/sda/0/a/c", 5, 5, &p), 400);
    body_is("Invalid path: /sda/0/a/c");
    assert_int_equal(split("/sda/x/a/c/o", 5, 5, &p), 400);
    assert_int_equal(split("/sda/-1/a/c/o", 5, 5, &p), 400);
    assert_int_equal(split("/../0/a/c/o", 5, 5, &p), 400);
    assert_int_equal(split("/%2e%2e/0/a/c/o", 5, 5, &p), 400);
    assert_int_equal(split("//0/a/c/o", 5, 5, &p), 400);
    assert_int_equal(split("/sda/0/a//o", 5, 5, &p), 400);
    assert_int_equal(split("/sda/0/a/c/%ff", 5, 5, &p), 412);
}

static void test_reserved_names(void **state)
{
    struct backend_path p;
    assert_int_equal(split("/sda/0/a/%00c/%00o", 5, 5, &p), 0);
    assert_int_equal(p.object.n, 2);
    assert_int_equal(split("/sda/0/a/c/%00o", 5, 5, &p), 400);
    body_is("Invalid reserved-namespace object in user-namespace container");
    assert_int_equal(split("/sda/0/a/%00c/o", 5, 5, &p), 400);
    body_is("Invalid user-namespace object in reserved-namespace container");
    assert_int_equal(split("/sda/0/a/c/o%00", 5, 5, &p), 400);
    body_is("Invalid reserved-namespace object");
    assert_int_equal(split("/sda/0/.a/c/%00o", 5, 5, &p), 0);
}

static void test_devices(void **state)
{
    char root[] = "/tmp/martlet-devices-XXXXXX";
    assert_non_null(mkdtemp(root));
    char *sda = xasprintf("%s/sda", root), *file = xasprintf("%s/file", root);
    assert_int_equal(mkdir(sda, 0755), 0);
    assert_int_equal(file_replace(file, "x", 1, 0644), 0);
    struct backend_options o = {.devices = root, .threads_per_disk = 1};
    struct devices *d = devices_new(&o, "test");
    const struct device *found = devices_find(d, STR("sda"));
    assert_non_null(found);
    assert_string_equal(found->path, sda);
    assert_ptr_equal(devices_find(d, STR("sda")), found);
    assert_null(devices_find(d, STR("sdb")));
    assert_null(devices_find(d, STR("file")));
    assert_null(devices_find(d, STR("..")));
    assert_null(devices_find(d, STR("a b")));
    assert_null(devices_find(d, STR("")));
    assert_true(device_has_space(found, &(struct conf_reserve){0, false}, 1));
    assert_false(device_has_space(found, &(struct conf_reserve){100, true}, 1));
    assert_false(device_has_space(found, &(struct conf_reserve){0.001, true}, UINT64_MAX / 4));
    devices_free(d);

    o.mount_check = true;
    d = devices_new(&o, "test");
    assert_null(devices_find(d, STR("sda"))); /* a folder like any other is not mounted */
    char *mark = xasprintf("%s/.ismount", sda);
    assert_int_equal(file_replace(mark, "", 0, 0644), 0);
    assert_non_null(devices_find(d, STR("sda")));
    devices_free(d);
    assert_int_equal(file_remove_tree(root), 0);
    free(mark);
    free(file);
    free(sda);
}

static void handle_get(struct backend_server *s, struct http_request *r, struct http_response *answer)
{
    error_text(answer, 200, "text/plain", "got");
}

static void handle_nothing(struct backend_server *s, struct http_request *r, struct http_response *answer)
{
}

static void test_dispatch(void **state)
{
    static const struct backend_method methods[] = {
        {"GET", handle_get, false}, {"DELETE", handle_nothing, false}, {"REPLICATE", handle_get, true}, {0}};
    struct backend_options o = {.replication_server = true};
    struct backend_server s = {.type = "test-server", .options = &o, .methods = methods};
    ask("GET", "/x");
    backend_handle(&s.app, &req, &rsp);
    assert_int_equal(rsp.status, 200);
    ask("DELETE", "/x"); /* a handler that sets nothing */
    backend_handle(&s.app, &req, &rsp);
    assert_int_equal(rsp.status, 500);
    ask("BREW", "/x");
    backend_handle(&s.app, &req, &rsp);
    assert_int_equal(rsp.status, 405);
    ask("GET", "/%ff");
    backend_handle(&s.app, &req, &rsp);
    assert_int_equal(rsp.status, 412);
    ask("OPTIONS", "/x");
    backend_handle(&s.app, &req, &rsp);
    assert_int_equal(rsp.status, 200);
    assert_true(str_eq(header_get(&rsp.headers, STR("Allow")), STR("DELETE, GET, OPTIONS, REPLICATE")));
    o.replication_server = false;
    ask("REPLICATE", "/x");
    backend_handle(&s.app, &req, &rsp);
    assert_int_equal(rsp.status, 405);
    assert_true(str_eq(header_get(&rsp.headers, STR("Allow")), STR("DELETE, GET, OPTIONS")));
}

static const struct constraints limits = {.max_file_size = 1000,
                                          .max_meta_name_length = 10,
                                          .max_meta_value_length = 20,
                                          .max_meta_count = 3,
                                          .max_meta_overall_size = 40,
                                          .max_header_size = 100,
                                          .max_object_name_length = 5};

static int metadata(const char *name, const char *value, const char *type)
{
    header_add(&req.headers, str_from(name), str_from(value));
    return constraints_check_metadata(&limits, &req, type, &rsp) ? 0 : rsp.status;
}

static void test_metadata_limits(void **state)
{
    ask("PUT", "/");
    assert_int_equal(metadata("X-Object-Meta-0123456789", "01234567890123456789", "object"), 0);
    assert_int_equal(metadata("X-Container-Meta-Not-Looked-At-Here", "x", "object"), 0);
    assert_int_equal(metadata("X-Object-Meta-01234567890", "x", "object"), 400);
    body_is("Metadata name too long: x-object-meta-01234567890");
    ask("PUT", "/");
    assert_int_equal(metadata("X-Object-Meta-Foo", "012345678901234567890", "object"), 400);
    body_is("Metadata value longer than 20: x-object-meta-Foo");
    ask("PUT", "/");
    assert_int_equal(metadata("X-Object-Meta-", "x", "object"), 400);
    body_is("Metadata name cannot be empty");
    ask("PUT", "/");
    assert_int_equal(metadata("X-Object-Meta-A", "\xff", "object"), 0);
    assert_int_equal(metadata("X-Container-Meta-A", "\xff", "container"), 400);
    body_is("Metadata must be valid UTF-8");
    ask("PUT", "/");
    assert_int_equal(metadata("X-Object-Meta-A", "1", "object"), 0);
    assert_int_equal(metadata("X-Object-Meta-B", "1", "object"), 0);
    assert_int_equal(metadata("X-Object-Meta-C", "1", "object"), 0);
    assert_int_equal(metadata("X-Object-Meta-D", "1", "object"), 400);
    body_is("Too many metadata items; max 3");
    ask("PUT", "/");
    assert_int_equal(metadata("X-Object-Meta-A", "01234567890123456789", "object"), 0);
    assert_int_equal(metadata("X-Object-Meta-B", "01234567890123456789", "object"), 400);
    body_is("Total metadata too large; max 40");
}

static int creation(const char *name, const char *field, const char *value)
{
    header_add(&req.headers, STR("Content-Type"), STR("a/b"));
    if (field)
        header_add(&req.headers, str_from(field), str_from(value));
    return constraints_check_object_creation(&limits, &req, str_from(name), 1700000000, &rsp) ? 0
                                                                                              : rsp.status;
}

static void put_of(int64_t length)
{
    ask("PUT", "/");
    req.has_length = length >= 0;
    req.content_length = length;
}

static void test_object_creation(void **state)
{
    put_of(1000);
    assert_int_equal(creation("o", NULL, NULL), 0);
    put_of(1001);
    assert_int_equal(creation("o", NULL, NULL), 413);
    body_is("Your request is too large.");
    put_of(-1);
    assert_int_equal(creation("o", NULL, NULL), 411);
    put_of(-1);
    req.chunked = true;
    assert_int_equal(creation("o", "Transfer-Encoding", "chunked"), 0);
    put_of(1);
    assert_int_equal(creation("o", "Transfer-Encoding", "gzip, chunked"), 501);
    put_of(1);
    assert_int_equal(creation("123456", NULL, NULL), 400);
    body_is("Object name length of 6 longer than 5");
    put_of(1);
    assert_int_equal(creation("o", "X-Delete-At", "1700000000"), 400);
    body_is("X-Delete-At in past");
    put_of(1);
    assert_int_equal(creation("o", "X-Delete-At", "soon"), 400);
    body_is("Non-integer X-Delete-At");
    put_of(1);
    assert_int_equal(creation("o", "X-Delete-After", "0"), 400);
    body_is("X-Delete-After in past");
    put_of(1);
    assert_int_equal(creation("o", "X-Delete-After", "60"), 0);
    assert_true(str_eq(header_get(&req.headers, STR("X-Delete-At")), STR("1700000060")));
    assert_false(header_has(&req.headers, STR("X-Delete-After")));
    put_of(1);
    assert_int_equal(creation("o", "X-Delete-After", "99999999999999999"), 0);
    assert_true(str_eq(header_get(&req.headers, STR("X-Delete-At")), STR("9999999999")));
}

static void test_error_pages(void **state)
{
    ask("GET", "/");
    error_page(&rsp, 404);
    body_is("<html><h1>Not Found</h1><p>The resource could not be found.</p></html>");
    assert_true(str_eq(header_get(&rsp.headers, STR("Content-Type")), STR("text/html; charset=UTF-8")));
    ask("GET", "/");
    error_page(&rsp, 201);
    assert_int_equal(rsp.status, 201);
    body_is("");
}

static int setup(void **state)
{
    arena = arena_new();
    return 0;
}

static int teardown(void **state)
{
    arena_free(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),           cmocka_unit_test(test_reserved_names),
        cmocka_unit_test(test_devices),         cmocka_unit_test(test_dispatch),
        cmocka_unit_test(test_metadata_limits), cmocka_unit_test(test_object_creation),
        cmocka_unit_test(test_error_pages),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
