/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/db/server_fixture.h"

#include <jansson.h>
#include <sys/stat.h>

#include "container/container_server.h"

#define HASH "599ccabae0540ca2119d6d1d29de3cc8"
#define C    "/sda1/5/AUTH_test/c1"
#define R    "/sda1/5/" HASH

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

static int replicate(struct server *s, const char *body)
{
    return request_with(s, "REPLICATE", R, "", body);
}

/* A field of the JSON answer as text. */
static char *answer(struct server *s, const char *key)
{
    json_t *o = json_loads(s->body, 0, NULL);
    const json_t *v = json_object_get(o, key);
    char *text = json_is_string(v) ? xstrdup(json_string_value(v))
                                   : xasprintf("%lld", v ? (long long)json_integer_value(v) : -99);
    json_decref(o);
    return text;
}

#define assert_answer(s, key, expected)      \
    do {                                     \
        char *got_ = answer(s, key);         \
        assert_string_equal(got_, expected); \
        free(got_);                          \
    } while (0)

#define ROW(rowid, name)                                                                                  \
    "{\"ROWID\": " rowid ", \"name\": \"" name                                                            \
    "\", \"created_at\": \"1700000001.00000\", \"size\": 5, \"content_type\": \"t/p\", \"etag\": \"e\", " \
    "\"deleted\": 0, \"storage_policy_index\": 0}"

static void test_exchange(void **state)
{
    struct server *s = *state;

    assert_int_equal(replicate(s, "[\"sync\", 1, \"x\", \"id\", \"1\", \"1\", \"0\", \"\"]"), 404);
    request(s, "PUT", C, "X-Timestamp: 1700000000\nX-Container-Meta-Mine: 1");
    assert_int_equal(
        replicate(s, "[\"sync\", 7, \"x\", \"peer\", \"1600000000.00000\", \"1700000005.00000\", \"0\", "
                     "\"{\\\"X-Container-Meta-Theirs\\\": [\\\"2\\\", \\\"1700000005.00000\\\"]}\"]"),
        200);
    /* The answer is how it was before; the database took all. */
    assert_answer(s, "put_timestamp", "1700000000.00000");
    assert_answer(s, "metadata", "{\"X-Container-Meta-Mine\": [\"1\", \"1700000000.00000\"]}");
    assert_answer(s, "point", "-1");
    assert_answer(s, "max_row", "-1");
    assert_answer(s, "shard_max_row", "-1");
    assert_answer(s, "count", "0");
    assert_answer(s, "db_state", "unsharded");
    request(s, "HEAD", C, "");
    assert_field(s, "X-Container-Meta-Theirs", "2");
    assert_field(s, "X-Put-Timestamp", "1700000005.00000");
    assert_field(s, "X-Backend-Timestamp", "1600000000.00000");

    assert_int_equal(replicate(s, "[\"merge_items\", [" ROW("3", "a") ", " ROW("8", "b") "], \"peer\"]"),
                     202);
    request(s, "GET", C, "");
    assert_string_equal(s->body, "a\nb\n");
    assert_int_equal(replicate(s, "[\"merge_syncs\", [{\"remote_id\": \"third\", \"sync_point\": 12}]]"),
                     202);
    assert_int_equal(
        replicate(s, "[\"sync\", 7, \"x\", \"third\", \"1600000000.00000\", \"1\", \"0\", \"\"]"), 200);
    assert_answer(s, "point", "12");
    assert_answer(s, "max_row", "2");

    /* Equal hashes: the point moves up to the peer's last row. */
    char *hash = answer(s, "hash");
    char *sync =
        xasprintf("[\"sync\", 99, \"%s\", \"peer\", \"1600000000.00000\", \"1\", \"0\", \"\"]", hash);
    assert_int_equal(replicate(s, sync), 200);
    assert_answer(s, "point", "99");
    free(sync);
    free(hash);
}

static void test_policy_of_the_peer(void **state)
{
    struct server *s = *state;

    request(s, "PUT", C, "X-Timestamp: 1700000005\nX-Backend-Storage-Policy-Index: 0");
    assert_int_equal(replicate(s, "[\"sync\", 1, \"x\", \"p\", \"1\", \"1700000003.00000\", \"0\", \"\", "
                                  "\"1700000003.00000\", 0, 1]"),
                     200);
    assert_answer(s, "storage_policy_index", "1");
    request(s, "HEAD", C, "");
    assert_field(s, "X-Backend-Storage-Policy-Index", "1");
}

static void test_shard_ranges(void **state)
{
    struct server *s = *state;

    request(s, "PUT", C, "X-Timestamp: 1700000000");
    assert_int_equal(replicate(s, "[\"get_shard_ranges\"]"), 200);
    assert_string_equal(s->body, "[]");
    assert_int_equal(
        replicate(
            s,
            "[\"merge_shard_ranges\", [{\"name\": \".shards_a/c\", \"timestamp\": \"1700000001.00000\", "
            "\"lower\": \"\", \"upper\": \"m\", \"object_count\": 1, \"bytes_used\": 2, \"meta_timestamp\": "
            "\"1700000001.00000\", \"deleted\": 0, \"state\": 40, \"state_timestamp\": "
            "\"1700000001.00000\", \"epoch\": null, \"reported\": 0, \"tombstones\": 3}], \"peer\"]"),
        202);
    assert_int_equal(replicate(s, "[\"get_shard_ranges\"]"), 200);
    assert_non_null(strstr(s->body, "\"tombstones\": 3"));
    /* Updates that can go elsewhere are sent there. */
    assert_int_equal(
        request(s, "DELETE", C "/ab", "X-Timestamp: 1700000001\nX-Backend-Accept-Redirect: true"), 301);
    assert_field(s, "Location", "/.shards_a/c/ab");
    assert_field(s, "X-Backend-Redirect-Timestamp", "1700000001.00000");
    assert_int_equal(request(s, "DELETE", C "/n", "X-Timestamp: 1700000001\nX-Backend-Accept-Redirect: true"),
                     204);
    assert_int_equal(
        request(s, "DELETE", C "/a%20b", "X-Timestamp: 1700000001\nX-Backend-Accept-Redirect: true"), 204);
    assert_int_equal(request(s, "DELETE", C "/a%20b",
                             "X-Timestamp: 1700000001\nX-Backend-Accept-Redirect: true\n"
                             "X-Backend-Accept-Quoted-Location: true"),
                     301);
    assert_field(s, "Location", "/.shards_a/c/a%20b");
}

static void shell(struct server *s, const char *command)
{
    char *line = xasprintf("cd %s/node/sda1 && %s", s->root, command);
    assert_int_equal(system(line), 0);
    free(line);
}

#define DB "containers/5/cc8/" HASH "/" HASH ".db"

static void test_received_files(void **state)
{
    struct server *s = *state;

    request(s, "PUT", C, "X-Timestamp: 1700000000");
    assert_int_equal(replicate(s, "[\"merge_items\", [" ROW("3", "a") "], \"x\"]"), 202);
    assert_int_equal(replicate(s, "[\"rsync_then_merge\", \"peer-id\", \"" HASH ".db\"]"),
                     404); /* nothing in tmp */
    shell(s, "cp " DB " tmp/peer-id");
    assert_int_equal(replicate(s, "[\"complete_rsync\", \"peer-id\", \"" HASH ".db\"]"),
                     404); /* there is one */

    /* While the copy travelled, a row was deferred and one merged here. */
    assert_int_equal(replicate(s, "[\"merge_items\", [" ROW("4", "b") "], \"y\"]"), 202);
    request(s, "PUT", C "/c", "X-Timestamp: 1700000002\nX-Size: 1\nX-Content-Type: t/p\nX-Etag: e");
    request(s, "POST", C, "X-Timestamp: 1700000003\nX-Container-Meta-New: 1");
    assert_int_equal(replicate(s, "[\"rsync_then_merge\", \"peer-id\", \"" HASH ".db\"]"), 204);
    request(s, "GET", C, "");
    assert_string_equal(s->body, "a\nb\nc\n");
    request(s, "HEAD", C, "");
    assert_field(s, "X-Container-Meta-New", "1");
    assert_int_equal(replicate(s, "[\"sync\", 1, \"x\", \"peer-id\", \"1\", \"1\", \"0\", \"\"]"), 200);
    assert_answer(s, "point", "3");
    assert_int_equal(replicate(s, "[\"sync\", 1, \"x\", \"y\", \"1\", \"1\", \"0\", \"\"]"), 200);
    assert_answer(s, "point", "4");

    /* A node without a copy gets the file as it is. */
    shell(s, "mv " DB " tmp/peer2 && rm -r containers");
    assert_int_equal(replicate(s, "[\"sync\", 1, \"x\", \"y\", \"1\", \"1\", \"0\", \"\"]"), 404);
    assert_int_equal(replicate(s, "[\"complete_rsync\", \"peer2\", \"" HASH ".db\"]"), 204);
    request(s, "GET", C, "");
    assert_string_equal(s->body, "a\nb\nc\n");
    shell(s, "test ! -e tmp/peer2");
}

static void test_bad_calls(void **state)
{
    struct server *s = *state;

    log_set_level((enum log_level) - 1);
    request(s, "PUT", C, "X-Timestamp: 1700000000");
    assert_int_equal(replicate(s, "not json"), 400);
    assert_int_equal(replicate(s, "{}"), 400);
    assert_int_equal(replicate(s, "[]"), 500);
    assert_int_equal(replicate(s, "[\"dance\"]"), 500);
    assert_int_equal(replicate(s, "[\"sync\", 1]"), 500);
    assert_int_equal(replicate(s, "[\"merge_items\", [{}], \"x\"]"), 500);
    assert_int_equal(replicate(s, "[\"complete_rsync\", \"../../x\", \"y\"]"), 500);
    assert_int_equal(replicate(s, "[\"complete_rsync\", \"x\", \"../" HASH ".db\"]"), 500);
    assert_int_equal(request_with(s, "REPLICATE", "/sda1/5/..", "", "[]"), 400);
    assert_int_equal(request_with(s, "REPLICATE", "/sda1/5/599CCABAE0540CA2119D6D1D29DE3CC8", "", "[]"), 400);
    assert_int_equal(request_with(s, "REPLICATE", "/nodev/5/" HASH, "", "[]"), 507);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_exchange),       T(test_policy_of_the_peer), T(test_shard_ranges),
        T(test_received_files), T(test_bad_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
