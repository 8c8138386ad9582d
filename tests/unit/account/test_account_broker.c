/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/db/db_fixture.h"

#include <errno.h>
#include <sys/stat.h>

#include "account/account_broker.h"
#include "ring/hash_path.h"

#define HASH "9d00c9d091fea9ea855f29c22714dc83"

static void broker(struct fixture *f, struct db_broker *b)
{
    db_broker_init(b, f->cache, &account_broker_kind, f->arena, f->device, STR("7"), HASH, STR("AUTH_test"),
                   STR_NONE);
}

static char *path_of(struct fixture *f)
{
    return xasprintf("%s/accounts/7/c83/" HASH "/" HASH ".db", f->device);
}

static void create(struct fixture *f)
{
    struct db_broker b;
    broker(f, &b);
    assert_int_equal(db_broker_create(&b, STR("1700000000.00000"), 0), 0);
    db_broker_release(&b);
}

static void test_create(void **state)
{
    struct fixture *f = *state;
    struct db_broker b;
    struct account_info info;
    struct stat st;
    char *path = path_of(f);

    broker(f, &b);
    assert_string_equal(b.path, path);
    assert_int_equal(account_info_read(&b, &info), -ENOENT);
    assert_int_equal(db_broker_create(&b, STR_NONE, 0), 0);
    assert_int_equal(db_broker_create(&b, STR_NONE, 0), -EEXIST);
    assert_int_equal(account_info_read(&b, &info), 0);
    assert_str(info.account, "AUTH_test");
    assert_str(info.put_timestamp, "0000000000.00000");
    assert_str(info.delete_timestamp, "0");
    assert_str(info.hash, DB_HASH_ZERO);
    assert_true(str_ends(info.id, STR("-sda1")));
    assert_int_equal(info.id.n, 36 + 5);
    assert_int_equal(info.n_policies, 0);
    db_broker_release(&b);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_sql(path, "PRAGMA journal_mode", "delete");
    assert_sql(path, "PRAGMA integrity_check", "ok");
    char *leftover = sql_text(path, "SELECT count(*) FROM sqlite_master WHERE name LIKE '%tmp%'");
    assert_string_equal(leftover, "0");
    free(leftover);
    free(path);
}

static struct account_row row(const char *name, const char *put, const char *del, int64_t count,
                              int64_t bytes, int64_t policy)
{
    return (struct account_row){.name = str_from(name),
                                .put_timestamp = str_from(put),
                                .delete_timestamp = str_from(del),
                                .object_count = count,
                                .bytes_used = bytes,
                                .policy = policy};
}

static void test_three_rows(void **state)
{
    struct fixture *f = *state;
    struct account_row rows[] = {row("c1", "1700000001.00000", "0", 0, 0, 0),
                                 row("c2", "1700000002.00000", "0", 10, 1234, 1),
                                 row("c3", "1700000003.00000", "1700000004.00000", 0, 0, 0)};
    struct db_broker b;
    struct account_info info;
    char *path = path_of(f);

    create(f);
    broker(f, &b);
    for (int i = 0; i < 3; i++)
        assert_int_equal(account_put_row(&b, &rows[i]), 0);
    assert_true(rows[2].deleted);
    assert_sql(path, "SELECT count(*) FROM container", "0"); /* deferred */
    assert_int_equal(account_info_read(&b, &info), 0);
    assert_str(info.hash, "0722fee8f90a002f12f85f876dfd6737");
    assert_int_equal(info.container_count, 2);
    assert_int_equal(info.object_count, 10);
    assert_int_equal(info.bytes_used, 1234);
    assert_int_equal(info.n_policies, 2);
    assert_int_equal(info.policies[0].container_count, 1);
    assert_int_equal(info.policies[0].bytes_used, 0);
    assert_int_equal(info.policies[1].container_count, 1);
    assert_int_equal(info.policies[1].object_count, 10);
    assert_int_equal(info.policies[1].bytes_used, 1234);
    db_broker_release(&b);
    assert_sql(path, "SELECT deleted FROM container WHERE name = 'c3'", "1");
    char *pending = xasprintf("%s.pending", path);
    struct stat st;
    assert_int_equal(stat(pending, &st), 0);
    assert_int_equal(st.st_size, 0);
    free(pending);
    free(path);
}

static void test_merge_sequence(void **state)
{
    /* put, delete, count, bytes, policy -> put, delete, deleted; hash. ROWID is the step's number. */
    static const struct {
        const char *put, *del;
        int64_t count, bytes, policy;
        const char *row, *hash;
    } steps[] = {
        {"1700000001.00000", "0", 1, 10, 0, "1700000001.00000 0 1 10 0 1",
         "44d2b39cf21324dcb746f2e2be07871c"},
        {"1700000001.00000", "0", 1, 10, 0, "1700000001.00000 0 1 10 0 2",
         "44d2b39cf21324dcb746f2e2be07871c"},
        {"1700000000.50000", "0", 5, 50, 0, "1700000001.00000 0 5 50 0 3",
         "abdfc2a93195baddb66f531fc5ce2dd6"},
        {"1700000000.50000", "1700000002.00000", 5, 50, 0, "1700000001.00000 1700000002.00000 5 50 0 4",
         "e8bb6396c90560c128c765235a43bece"},
        {"1700000000.50000", "1700000002.00000", 0, 0, 0, "1700000001.00000 1700000002.00000 0 0 1 5",
         "460a0622bbeaf8f19aee544e14868996"},
        {"1700000003.00000", "0", 7, 70, 1, "1700000003.00000 1700000002.00000 7 70 0 6",
         "b00da854d765d7c2b8ad8de92629e627"},
    };
    struct fixture *f = *state;
    struct db_broker b;
    struct account_info info;
    int64_t max_row;
    char *path = path_of(f);

    create(f);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct account_row r =
            row("c", steps[i].put, steps[i].del, steps[i].count, steps[i].bytes, steps[i].policy);
        broker(f, &b);
        assert_int_equal(account_merge_rows(&b, &r, 1, STR_NONE), 0);
        assert_int_equal(account_info_read(&b, &info), 0);
        assert_str(info.hash, steps[i].hash);
        assert_int_equal(db_max_row(&b, "container", &max_row), 0);
        assert_int_equal(max_row, i + 1);
        db_broker_release(&b);
        assert_sql(
            path,
            "SELECT put_timestamp || ' ' || delete_timestamp || ' ' || object_count || ' ' || bytes_used"
            " || ' ' || deleted || ' ' || ROWID FROM container",
            steps[i].row);
        assert_int_equal(info.container_count, i == 4 ? 0 : 1);
    }
    assert_sql(path, "SELECT container_count FROM policy_stat WHERE storage_policy_index = 1", "1");
    assert_sql(path, "SELECT container_count FROM policy_stat WHERE storage_policy_index = 0", "0");
    free(path);
}

/* Nulls of an item are filled from the row; the sync point is the highest ROWID. */
static void test_merge_from_peer(void **state)
{
    struct fixture *f = *state;
    struct account_row rows[] = {row("c1", "1700000001.00000", "0", 3, 30, 0), row("c1", NULL, NULL, 0, 0, 0),
                                 row("c2", "1700000001.00000", "0", 1, 1, 0)};
    struct db_broker b;
    int64_t point;
    char *path = path_of(f);

    rows[0].rowid = 9;
    rows[1].rowid = 5;
    rows[1].count_null = rows[1].bytes_null = true;
    create(f);
    broker(f, &b);
    assert_int_equal(account_merge_rows(&b, rows, 3, STR("peer")), 0);
    assert_int_equal(db_get_sync(&b, true, STR("peer"), &point), 0);
    assert_int_equal(point, 9);
    assert_int_equal(db_get_sync(&b, false, STR("peer"), &point), 0);
    assert_int_equal(point, -1);
    rows[2].rowid = 4;
    assert_int_equal(account_merge_rows(&b, rows + 2, 1, STR("peer")), 0);
    assert_int_equal(db_get_sync(&b, true, STR("peer"), &point), 0);
    assert_int_equal(point, 9); /* never back */
    db_broker_release(&b);
    assert_sql(path, "SELECT put_timestamp || object_count || bytes_used FROM container WHERE name = 'c1'",
               "1700000001.00000330");
    free(path);
}

static void put_text(struct fixture *f, const char *text)
{
    char *pending = xasprintf("%s/accounts/7/c83/" HASH "/" HASH ".db.pending", f->device);
    FILE *out = fopen(pending, "a");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
    free(pending);
}

/* What the reference left behind is merged, the end of a killed writer dropped. */
static void test_foreign_pending(void **state)
{
    struct fixture *f = *state;
    struct db_broker b;
    struct account_info info;

    create(f);
    put_text(f, ":gAIoWAIAAABjMXEAWBAAAAAxNzAwMDAwMDAxLjAwMDAwcQFYAQAAADBxAksASwBLAEsAdHEDLg==");
    put_text(f, ":gAIoWAIAAABjMXEAWBAAAAAxNzAwMDAwMDEwLjAwMDAwcQFYAQAAADBxAlgBAAAAM3EDWAMAAAAxMDBxBEsAWAEA");
    log_set_level((enum log_level) - 1);
    broker(f, &b);
    assert_int_equal(account_info_read(&b, &info), 0);
    assert_int_equal(info.container_count, 1);
    assert_str(info.hash, "c0defda977f338a3111d8e545390dbb4");
    db_broker_release(&b);
    put_text(f, ":gAIoWAIAAABjMXEAWBAAAAAxNzAwMDAwMDEwLjAwMDAwcQFYAQAAADBxAlgBAAAAM3EDWAMAAAAxMDBxBEsAWAEAAAA"
                "xcQV0cQYu");
    broker(f, &b);
    assert_int_equal(account_info_read(&b, &info), 0);
    assert_int_equal(info.object_count, 3);
    assert_int_equal(info.bytes_used, 100);
    assert_int_equal(info.policies[1].container_count, 1);
    db_broker_release(&b);
}

static void test_deleted_states(void **state)
{
    struct fixture *f = *state;
    struct db_broker b;
    struct account_info info;
    struct db_metadata m, update;
    struct account_row c1 = row("c1", "1700000001.00000", "0", 0, 0, 0);

    create(f);
    broker(f, &b);
    db_metadata_init(&update, f->arena);
    db_metadata_set(&update, STR("X-Account-Meta-A"), STR("1"), STR("1700000010.00000"));
    assert_int_equal(db_metadata_update(&b, &update, NULL, NULL), 0);
    assert_int_equal(account_put_row(&b, &c1), 0);
    assert_int_equal(account_info_read(&b, &info), 0);
    assert_false(info.deleted);
    assert_false(info.status_deleted);

    assert_int_equal(db_delete(&b, STR("1700000012.00000")), 0);
    assert_int_equal(account_info_read(&b, &info), 0);
    assert_true(info.deleted); /* although a container is left */
    assert_true(info.status_deleted);
    assert_str(info.status_changed_at, "1700000012.00000");
    assert_int_equal(db_metadata_read(&b, &m), 0);
    assert_str(m.v[0].value, "");
    assert_str(m.v[0].timestamp, "1700000012.00000");

    assert_int_equal(db_delete(&b, STR("1700000011.50000")), 0);
    assert_int_equal(account_info_read(&b, &info), 0);
    assert_str(info.delete_timestamp, "1700000012.00000");

    assert_int_equal(db_update_put_timestamp(&b, STR("1700000020.00000")), 0);
    assert_int_equal(db_update_put_timestamp(&b, STR("1700000019.00000")), 0);
    assert_int_equal(account_info_read(&b, &info), 0);
    assert_str(info.put_timestamp, "1700000020.00000");
    assert_true(info.deleted); /* by its status */
    db_broker_release(&b);
}

static void list(struct fixture *f, struct db_listing q, enum listing_type type, const char *expected)
{
    struct db_broker b;
    struct db_listing_writer w;
    struct buf out;

    buf_init(&out, DB_LISTING_MAX_BYTES);
    if (q.limit == 0)
        q.limit = 10000;
    broker(f, &b);
    db_listing_begin(&w, type, "account", STR("AUTH_test"), &out);
    assert_int_equal(account_list(&b, &q, &w), 0);
    db_listing_end(&w);
    db_broker_release(&b);
    buf_putc(&out, '|');
    char *bar = xasprintf("%s|", expected);
    assert_str(buf_view(&out), bar);
    free(bar);
    buf_release(&out);
}

static void test_listing(void **state)
{
    struct fixture *f = *state;
    struct db_broker b;
    struct account_row rows[] = {
        row("a", "1700000010.12345", "0", 2, 20, 0), row("a-1", "1700000002.00000", "0", 1, 5, 0),
        row("a-2", "1700000002.00000", "0", 1, 5, 0), row("b&<", "1700000003.00000", "0", 0, 0, 0),
        row("gone", "1700000003.00000", "1700000004.00000", 0, 0, 0)};

    create(f);
    list(f, (struct db_listing){0}, LISTING_TEXT, "");
    list(f, (struct db_listing){0}, LISTING_JSON, "[]");
    broker(f, &b);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(account_put_row(&b, &rows[i]), 0);
    db_broker_release(&b);
    list(f, (struct db_listing){0}, LISTING_TEXT, "a\na-1\na-2\nb&<\n");
    list(f, (struct db_listing){.reverse = true, .limit = 2}, LISTING_TEXT, "b&<\na-2\n");
    list(f, (struct db_listing){.delimiter = STR("-")}, LISTING_TEXT, "a\na-\nb&<\n");
    list(f, (struct db_listing){.marker = STR("a"), .end_marker = STR("a-2")}, LISTING_TEXT, "a-1\n");
    list(
        f, (struct db_listing){.delimiter = STR("-"), .end_marker = STR("b")}, LISTING_JSON,
        "[{\"name\": \"a\", \"count\": 2, \"bytes\": 20, \"last_modified\": \"2023-11-14T22:13:30.123450\"}, "
        "{\"subdir\": \"a-\"}]");
    list(f, (struct db_listing){.delimiter = STR("-"), .marker = STR("a")}, LISTING_XML,
         "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<account name=\"AUTH_test\">\n<subdir name=\"a-\" />\n"
         "<container><name>b&amp;&lt;</name><count>0</count><bytes>0</bytes>"
         "<last_modified>2023-11-14T22:13:23.000000</last_modified></container>\n</account>");
}

static void test_merge_timestamps(void **state)
{
    struct fixture *f = *state;
    struct db_broker b;
    struct account_info info;

    create(f);
    broker(f, &b);
    assert_int_equal(db_merge_timestamps(&b, STR("1600000000.00000"), STR("1700000005.00000"), STR("0")), 0);
    assert_int_equal(account_info_read(&b, &info), 0);
    assert_str(info.created_at, "1600000000.00000");
    assert_str(info.put_timestamp, "1700000005.00000");
    assert_str(info.status_changed_at, "1700000000.00000");
    assert_int_equal(db_merge_timestamps(&b, STR("1600000001.00000"), STR("1"), STR("1700000006.00000")), 0);
    assert_int_equal(account_info_read(&b, &info), 0);
    assert_str(info.created_at, "1600000000.00000");
    assert_true(info.deleted);
    assert_true(str_cmp(info.status_changed_at, STR("1700000006")) > 0); /* now: it was not deleted before */
    db_broker_release(&b);
}

static void test_hash_path_of_the_fixture(void **state)
{
    struct hash_path_conf conf;
    char hex[HASH_PATH_HEX_SIZE];

    assert_int_equal(hash_path_set(STR(""), STR("changeme"), &conf), 0);
    assert_string_equal(hash_path_hex(&conf, STR("AUTH_test"), STR_NONE, STR_NONE, hex), HASH);
    hash_path_release(&conf);
}

#define T(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_create),          T(test_three_rows),       T(test_merge_sequence),
        T(test_merge_from_peer), T(test_foreign_pending),  T(test_deleted_states),
        T(test_listing),         T(test_merge_timestamps), T(test_hash_path_of_the_fixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
