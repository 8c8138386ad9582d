/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/db/server_fixture.h"

#include "account/account_server.h"

#define HASH "9d00c9d091fea9ea855f29c22714dc83"
#define A    "/sda1/7/AUTH_test"
#define DB   "accounts/7/c83/" HASH "/" HASH ".db"

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

static int replicate(struct server *s, const char *body)
{
    return request_with(s, "REPLICATE", "/sda1/7/" HASH, "", body);
}

static void shell(struct server *s, const char *command)
{
    char *line = xasprintf("cd %s/node/sda1 && %s", s->root, command);
    assert_int_equal(system(line), 0);
    free(line);
}

#define ROW(rowid, name)                                                                              \
    "{\"ROWID\": " rowid ", \"name\": \"" name                                                        \
    "\", \"put_timestamp\": \"1700000001.00000\", \"delete_timestamp\": \"0\", \"object_count\": 1, " \
    "\"bytes_used\": 2, \"deleted\": 0}"

static void test_received_files(void **state)
{
    struct server *s = *state;

    request(s, "PUT", A, "X-Timestamp: 1700000000");
    assert_int_equal(replicate(s, "[\"merge_items\", [" ROW("3", "a") "], \"x\"]"), 202);
    assert_int_equal(replicate(s, "[\"rsync_then_merge\", \"peer\", \"" HASH ".db\"]"), 404);
    assert_int_equal(replicate(s, "[\"merge_syncs\", []]"), 202); /* makes tmp */
    shell(s, "cp " DB " tmp/peer");
    assert_int_equal(replicate(s, "[\"merge_items\", [" ROW("4", "b") "], \"y\"]"), 202);
    request(s, "PUT", A "/c",
            "X-Put-Timestamp: 1700000001.00000\nX-Delete-Timestamp: 0\nX-Object-Count: 5\nX-Bytes-Used: 6");
    assert_int_equal(replicate(s, "[\"rsync_then_merge\", \"peer\", \"" HASH ".db\"]"), 204);
    request(s, "GET", A, "");
    assert_string_equal(s->body, "a\nb\nc\n");
    assert_field(s, "X-Account-Object-Count", "7");
    assert_int_equal(replicate(s, "[\"sync\", 1, \"x\", \"y\", \"1\", \"1\", \"0\", \"\"]"), 200);
    assert_non_null(strstr(s->body, "\"point\": 4"));

    shell(s, "mv " DB " tmp/other && rm -r accounts");
    assert_int_equal(replicate(s, "[\"complete_rsync\", \"other\", \"" HASH ".db\"]"), 204);
    request(s, "GET", A, "");
    assert_string_equal(s->body, "a\nb\nc\n");
    assert_int_equal(replicate(s, "[\"complete_rsync\", \"other\", \"" HASH ".db\"]"), 404);
}

static void test_bad_calls(void **state)
{
    struct server *s = *state;

    log_set_level((enum log_level) - 1);
    request(s, "PUT", A, "X-Timestamp: 1700000000");
    assert_int_equal(replicate(s, "[\"merge_items\", [{\"name\": 1}], \"x\"]"), 500);
    assert_int_equal(replicate(s, "[\"merge_shard_ranges\", [], \"x\"]"), 500); /* not a verb of accounts */
    assert_int_equal(replicate(s, "[\"rsync_then_merge\", \"a/b\", \"x\"]"), 500);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {T(test_received_files), T(test_bad_calls)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
