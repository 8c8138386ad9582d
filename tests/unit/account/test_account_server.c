/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/db/server_fixture.h"

#include "account/account_server.h"

#define A "/sda1/7/AUTH_test"
#define ROW(put, del, count, bytes) \
    "X-Put-Timestamp: " put "\nX-Delete-Timestamp: " del "\nX-Object-Count: " count "\nX-Bytes-Used: " bytes

static int set_up(void **state)
{
    *state = server_start(account_server_new, "app:account-server");
    return 0;
}

static int tear_down(void **state)
{
    server_stop(*state);
    return 0;
}

static void test_life_of_an_account(void **state)
{
    struct server *s = *state;

    assert_int_equal(request(s, "HEAD", A, ""), 404);
    assert_no_field(s, "X-Account-Status");
    assert_int_equal(request(s, "GET", A, ""), 404);
    assert_int_equal(request(s, "POST", A, "X-Timestamp: 1"), 404);
    assert_int_equal(request(s, "DELETE", A, "X-Timestamp: 1"), 404);
    assert_int_equal(request(s, "PUT", A "/c1", ROW("1700000001.00000", "0", "1", "1")), 404);

    assert_int_equal(request(s, "PUT", A, "X-Timestamp: 1700000000\nX-Account-Meta-a1b_c: x\nX-Other: y"),
                     201);
    assert_int_equal(request(s, "PUT", A, "X-Timestamp: 1700000001"), 202);
    assert_int_equal(request(s, "HEAD", A, ""), 204);
    assert_field(s, "X-Account-Meta-A1B-C", "x");
    assert_no_field(s, "X-Other");
    assert_field(s, "X-Put-Timestamp", "1700000001.00000");
    assert_field(s, "X-Account-Container-Count", "0");
    assert_field(s, "Content-Type", "text/plain; charset=utf-8");
    assert_int_equal(request(s, "GET", A, ""), 204);
    assert_int_equal(request(s, "GET", A "?format=json", ""), 200);
    assert_string_equal(s->body, "[]");

    assert_int_equal(
        request(s, "POST", A, "X-Timestamp: 1700000002\nX-Account-Meta-A1b-C: \nX-Account-Sysmeta-Q: 1"),
        204);
    assert_int_equal(request(s, "HEAD", A, ""), 204);
    assert_no_field(s, "X-Account-Meta-A1B-C");
    assert_field(s, "X-Account-Sysmeta-Q", "1");
    assert_field(s, "X-Put-Timestamp", "1700000001.00000"); /* POST leaves it */

    assert_int_equal(request(s, "DELETE", A, "X-Timestamp: 1700000030"), 204);
    assert_field(s, "X-Account-Status", "Deleted");
    assert_int_equal(request(s, "HEAD", A, ""), 404);
    assert_field(s, "X-Account-Status", "Deleted");
    assert_int_equal(request(s, "GET", A, ""), 404);
    assert_field(s, "X-Account-Status", "Deleted");
    assert_int_equal(request(s, "POST", A, "X-Timestamp: 1700000040"), 404);
    assert_int_equal(request(s, "DELETE", A, "X-Timestamp: 1700000040"), 404);
    assert_int_equal(request(s, "PUT", A, "X-Timestamp: 1700000040"), 403);
    assert_string_equal(s->body, "Recently deleted");
    assert_field(s, "X-Account-Status", "Deleted");
    assert_int_equal(request(s, "PUT", A "/c1", ROW("1700000041.00000", "0", "1", "1")), 404);
    assert_int_equal(request(s, "PUT", A "/c1",
                             ROW("1700000041.00000", "0", "1", "1") "\nX-Account-Override-Deleted: Yes"),
                     201);
}

static void test_container_rows(void **state)
{
    struct server *s = *state;

    assert_int_equal(request(s, "PUT", A, "X-Timestamp: 1700000000"), 201);
    assert_int_equal(request(s, "PUT", A "/c1", ROW("1700000001.00000", "0", "3", "30")), 201);
    assert_int_equal(request(s, "PUT", A "/c2",
                             ROW("1700000002.00000", "0", "4", "40") "\nX-Backend-Storage-Policy-Index: 1"),
                     201);
    assert_int_equal(request(s, "PUT", A "/c3", ROW("1700000002.00000", "1700000003.00000", "0", "0")), 204);
    assert_int_equal(request(s, "PUT", A "/caf%C3%A9", ROW("1700000004.00000", "0", "0", "0")), 201);
    assert_int_equal(request(s, "PUT", A "/%00r%00x", ROW("1700000004.00000", "0", "0", "0")), 201);
    assert_int_equal(request(s, "HEAD", A, ""), 204);
    assert_field(s, "X-Account-Container-Count", "4");
    assert_field(s, "X-Account-Object-Count", "7");
    assert_field(s, "X-Account-Bytes-Used", "70");
    assert_field(s, "X-Account-Storage-Policy-Gold-Container-Count", "3");
    assert_field(s, "X-Account-Storage-Policy-Silver-Container-Count", "1");
    assert_field(s, "X-Account-Storage-Policy-Silver-Object-Count", "4");
    assert_field(s, "X-Account-Storage-Policy-Silver-Bytes-Used", "40");

    assert_int_equal(request(s, "GET", A, ""), 200);
    assert_string_equal(s->body, "c1\nc2\ncaf\xc3\xa9\n");
    assert_int_equal(request(s, "GET", A "?limit=1&marker=c1", ""), 200);
    assert_string_equal(s->body, "c2\n");
    assert_int_equal(request(s, "GET", A "?marker=c&format=json&limit=1", ""), 200);
    assert_string_equal(s->body, "[{\"name\": \"c1\", \"count\": 3, \"bytes\": 30, \"last_modified\": "
                                 "\"2023-11-14T22:13:21.000000\"}]");
    assert_field(s, "Content-Type", "application/json; charset=utf-8");
    assert_int_equal(request(s, "GET", A "?format=json&prefix=caf", ""), 200);
    assert_non_null(strstr(s->body, "\"caf\\u00e9\""));
    assert_int_equal(request(s, "GET", A "?format=json&limit=1", "X-Backend-Allow-Reserved-Names: true"),
                     200);
    assert_non_null(strstr(s->body, "\"\\u0000r\\u0000x\""));
}

static void test_formats(void **state)
{
    struct server *s = *state;

    request(s, "PUT", A, "X-Timestamp: 1700000000");
    request(s, "PUT", A "/c1", ROW("1700000001.00000", "0", "3", "30"));
    assert_int_equal(request(s, "GET", A, "Accept: application/json"), 200);
    assert_int_equal(s->body[0], '[');
    assert_int_equal(request(s, "GET", A, "Accept: text/xml"), 200);
    assert_field(s, "Content-Type", "text/xml; charset=utf-8");
    assert_int_equal(
        strncmp(s->body, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<account name=\"AUTH_test\">\n", 66),
        0);
    assert_int_equal(request(s, "GET", A, "Accept: application/json;q=0.5, text/plain;q=0.6"), 200);
    assert_string_equal(s->body, "c1\n");
    assert_int_equal(request(s, "GET", A, "Accept: */*;q=0.9, application/xml"), 200);
    assert_int_equal(s->body[0], '<');
    assert_int_equal(request(s, "GET", A "?format=plain", "Accept: application/json"), 200);
    assert_string_equal(s->body, "c1\n");
    assert_int_equal(request(s, "GET", A, "Accept: image/png"), 406);
    assert_int_equal(request(s, "GET", A, "Accept: nonsense"), 400);
    assert_int_equal(request(s, "GET", A, "Accept: text/plain;q=1;q=2"), 400);
    assert_int_equal(request(s, "HEAD", A, "Accept: image/*"), 406);
}

static void test_bad_requests(void **state)
{
    struct server *s = *state;
    char fields[8192] = "X-Timestamp: 1700000000";

    assert_int_equal(request(s, "PUT", A, ""), 400);
    assert_string_equal(s->body, "Missing X-Timestamp header");
    assert_int_equal(request(s, "PUT", A, "X-Timestamp: soon"), 400);
    assert_int_equal(request(s, "PUT", "/sda1/7", "X-Timestamp: 1"), 400);
    assert_int_equal(request(s, "PUT", "/sda1/7/a/b/c", "X-Timestamp: 1"), 400);
    assert_int_equal(request(s, "PUT", "/sdb1/7/a", "X-Timestamp: 1"), 507);
    assert_int_equal(request(s, "PUT", "/../7/a", "X-Timestamp: 1"), 400);
    assert_int_equal(request(s, "GET", "/sda1/7/%ff", ""), 412);
    assert_int_equal(request(s, "BREW", A, ""), 405);

    for (int i = 0; i < 91; i++)
        snprintf(fields + strlen(fields), sizeof(fields) - strlen(fields), "\nX-Account-Meta-N%d: v", i);
    assert_int_equal(request(s, "PUT", A, fields), 400);
    assert_string_equal(s->body, "Too many metadata items; max 90");
    assert_int_equal(request(s, "PUT", A, "X-Timestamp: 1700000000\nX-Account-Meta-X: \xff"), 400);
    assert_string_equal(s->body, "Metadata must be valid UTF-8");
    assert_int_equal(request(s, "PUT", A, "X-Timestamp: 1700000000"),
                     202); /* it was created before that check */

    assert_int_equal(request(s, "PUT", A "/c1", ROW("1700000001.00000", "0", "many", "30")), 400);
    assert_int_equal(request(s, "PUT", A "/c1", ROW("then", "0", "1", "30")), 400);
    assert_int_equal(request(s, "PUT", A "/c1", "X-Timestamp: 1"), 400);
    assert_int_equal(request(s, "GET", A "?limit=10001", ""), 412);
    assert_string_equal(s->body, "Maximum limit is 10000");
    assert_int_equal(request(s, "GET", A "?limit=-1", ""), 204);
    assert_int_equal(request(s, "GET", A "?marker=%ff", ""), 400);
    assert_string_equal(s->body, "\"marker\" parameter not valid UTF-8");
}

static void test_accounts_made_on_demand(void **state)
{
    struct server *s = *state;

    assert_int_equal(
        request(s, "PUT", "/sda1/3/.expiring_objects/170", ROW("1700000001.00000", "0", "0", "0")), 201);
    assert_int_equal(request(s, "GET", "/sda1/3/.expiring_objects", ""), 200);
    assert_string_equal(s->body, "170\n");
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_life_of_an_account), T(test_container_rows),          T(test_formats),
        T(test_bad_requests),       T(test_accounts_made_on_demand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
