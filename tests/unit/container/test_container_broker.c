/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/container/container_fixture.h"

#include <errno.h>
#include <sys/stat.h>

static void expect_hash(struct fixture *f, const char *hash)
{
    struct db_broker b;
    struct container_info info;

    broker(f, &b);
    assert_int_equal(container_info_read(&b, &info), 0);
    assert_str(info.hash, hash);
    db_broker_release(&b);
}

/* Columns of the row with the highest ROWID, or of one name. */
static void expect_row(struct fixture *f, const char *where, const char *expected)
{
    char *path = path_of(f);
    char *sql =
        xasprintf("SELECT created_at || ' ' || size || ' ' || content_type || ' ' || deleted || ' ' || ROWID"
                  " FROM object %s ORDER BY ROWID DESC LIMIT 1",
                  where);
    assert_sql(path, sql, expected);
    free(sql);
    free(path);
}

static void test_create(void **state)
{
    struct fixture *f = *state;
    struct db_broker b;
    struct container_info info;
    bool empty, root;
    char *path = path_of(f);

    broker(f, &b);
    assert_int_equal(container_info_read(&b, &info), -ENOENT);
    assert_int_equal(db_broker_create(&b, STR("1700000000.00000"), 1), 0);
    assert_int_equal(db_broker_create(&b, STR("1700000000.00000"), 1), -EEXIST);
    assert_int_equal(container_info_read(&b, &info), 0);
    assert_str(info.account, "AUTH_test");
    assert_str(info.container, "c1");
    assert_str(info.put_timestamp, "1700000000.00000");
    assert_str(info.status_changed_at, "1700000000.00000");
    assert_int_equal(info.policy, 1);
    assert_int_equal(info.sync_point1, -1);
    assert_int_equal(info.state, CONTAINER_UNSHARDED);
    assert_false(info.deleted);
    assert_int_equal(container_is_empty(&b, &empty), 0);
    assert_true(empty);
    assert_int_equal(container_is_root(&b, &root), 0);
    assert_true(root);
    db_broker_release(&b);
    assert_sql(path,
               "SELECT group_concat(name) FROM sqlite_master WHERE type IN ('table', 'view', 'index')"
               " AND name NOT LIKE 'sqlite_%'",
               "outgoing_sync,incoming_sync,object,ix_object_deleted_name,policy_stat,container_info,"
               "container_stat,shard_range");
    assert_sql(path, "SELECT count(*) || ' ' || object_count || ' ' || storage_policy_index FROM policy_stat",
               "1 0 1");
    free(path);
}

static void test_rows(void **state)
{
    struct fixture *f = *state;
    struct object_row rows[4] = {put(STR("o1"), "1700000010.00000", 5, "text/plain"),
                                 put(STR("o2"), "1700000011.00000_0000000000000003", 7, "text/plain"),
                                 container_tombstone(STR("o3"), STR("1700000014.00000"), 0),
                                 put(STR("\xc3\xa9\xe2\x98\x83"), "1700000015.00000", 0, "text/plain")};
    struct db_broker b;
    struct container_info info;
    char *path = path_of(f);
    bool empty;

    rows[1].policy = 1;
    rows[1].ctype_timestamp = STR("1700000012.00000");
    rows[1].meta_timestamp = STR("1700000013.00000");
    create(f);
    broker(f, &b);
    for (int i = 0; i < 4; i++)
        assert_int_equal(container_put_row(&b, &rows[i]), 0);
    assert_sql(path, "SELECT count(*) FROM object", "0"); /* deferred */
    assert_int_equal(container_info_read(&b, &info), 0);
    assert_str(info.hash, "bfdf66d8d3a70ca3ee5d2c892f30f695");
    assert_int_equal(info.object_count, 2);
    assert_int_equal(info.bytes_used, 5);
    assert_int_equal(container_is_empty(&b, &empty), 0);
    assert_false(empty);
    db_broker_release(&b);
    assert_sql(path,
               "SELECT group_concat(storage_policy_index || '=' || object_count || ',' || bytes_used, ' ')"
               " FROM policy_stat",
               "0=2,5 1=1,7");
    assert_sql(path, "SELECT created_at FROM object WHERE name = 'o2'", "1700000011.00000_3+186a0+186a0");

    rows[0].ctype_timestamp = STR("1700000010.00000");
    rows[0].meta_timestamp = STR("1700000020.00000");
    merge_one(f, rows[0]);
    expect_hash(f, "54b81e835ed628c7ca1c078ef763662f");
    expect_row(f, "WHERE name = 'o1'", "1700000010.00000+0+f4240 5 text/plain 0 5");
    free(path);
}

static void test_merge_sequence(void **state)
{
    struct fixture *f = *state;
    const struct str a = STR_INIT("a"), z = STR_INIT("z");
    struct object_row row;
    struct db_broker b;
    int64_t point;

    create(f);
    merge_one(f, put(a, "1700000001.00000", 10, "t/p"));
    expect_row(f, "", "1700000001.00000 10 t/p 0 1");
    expect_hash(f, "1c97d64fdd94692d630ce7f74252be21");
    merge_one(f, put(a, "1700000001.00000", 99, "x/y"));
    expect_row(f, "", "1700000001.00000 10 t/p 0 1");
    merge_one(f, put(a, "1700000002.00000", 20, "x/y;swift_bytes=5"));
    expect_row(f, "", "1700000002.00000 20 x/y;swift_bytes=5 0 2");
    expect_hash(f, "1a671c75fa2d18edfe3c26bc04457f73");

    row = put(a, "1700000002.00000", 20, "z/z");
    row.ctype_timestamp = STR("1700000003.00000");
    row.meta_timestamp = STR("1700000004.00000");
    merge_one(f, row);
    expect_row(f, "", "1700000002.00000+186a0+186a0 20 z/z;swift_bytes=5 0 3");
    expect_hash(f, "86eff33789bd44b5467ec1f2492a8f5d");
    row = put(a, "1700000002.00000", 20, "q/q");
    row.ctype_timestamp = STR("1700000002.50000");
    row.meta_timestamp = STR("1700000003.50000");
    merge_one(f, row);
    expect_row(f, "", "1700000002.00000+186a0+186a0 20 z/z;swift_bytes=5 0 3");

    merge_one(f, container_tombstone(a, STR("1700000003.20000"), 0));
    expect_hash(f, "728e639d81cdf276daf68b5f3596082e");
    /* The tombstone's content type is newer than that of 1700000003, its metadata older than that of ...04. */
    expect_row(f, "", "1700000003.20000+0+13880 0 application/deleted 1 4");
    merge_one(f, put(a, "1700000003.10000", 1, "t/p"));
    expect_row(f, "", "1700000003.20000+0+13880 0 application/deleted 1 4");

    row = put(a, "1700000009.00000", 5, "t/p");
    row.policy = 1;
    merge_one(f, row);
    expect_row(f, "WHERE storage_policy_index = 1", "1700000009.00000 5 t/p 0 5");
    expect_hash(f, "c93a360bf857c109f39f474bbb8c76fd");

    struct object_row three[3] = {put(z, "1700000009.00000", 6, "t/p"), put(z, "1700000008.00000", 5, "t/p"),
                                  put(z, "1700000010.00000", 7, "t/p")};
    broker(f, &b);
    assert_int_equal(container_merge_rows(&b, three, 3, STR_NONE), 0);
    expect_row(f, "WHERE name = 'z'", "1700000010.00000 7 t/p 0 6");
    expect_hash(f, "bd2e8b3b46b73625e6ca5d3e2b09a3b0");

    struct object_row two[2] = {put(STR("y"), "1700000009.00000_1", 0, "t/p"),
                                put(z, "1700000001.00000", 0, "t/p")};
    two[0].rowid = 77;
    two[1].rowid = 80;
    assert_int_equal(container_merge_rows(&b, two, 2, STR("peer-id")), 0);
    assert_int_equal(db_get_sync(&b, true, STR("peer-id"), &point), 0);
    assert_int_equal(point, 80);
    expect_row(f, "WHERE name = 'y'", "1700000009.00000_1 0 t/p 0 7");
    expect_hash(f, "d04f6141d4f7c5ce2cb87f96199fcc3a");
    db_broker_release(&b);
}

/* A row whose times are garbage harms nobody else's. */
static void test_bad_timestamps_are_dropped(void **state)
{
    struct fixture *f = *state;
    struct object_row rows[2] = {put(STR("bad"), "yesterday", 1, "t/p"),
                                 put(STR("good"), "1700000001.00000", 1, "t/p")};
    struct db_broker b;
    struct container_info info;

    create(f);
    log_set_level((enum log_level) - 1);
    broker(f, &b);
    assert_int_equal(container_merge_rows(&b, rows, 2, STR_NONE), 0);
    assert_int_equal(container_info_read(&b, &info), 0);
    assert_int_equal(info.object_count, 1);
    db_broker_release(&b);
}

/* The file of deferred rows is merged when it is over its bound, the new row first. */
static void test_pending_cap(void **state)
{
    struct fixture *f = *state;
    struct db_broker b;
    struct stat st;
    char name[64];
    char *path = path_of(f), *pending = xasprintf("%s.pending", path);
    unsigned n = 0;

    create(f);
    broker(f, &b);
    do {
        snprintf(name, sizeof(name), "object-%06u", n++);
        struct object_row r = put(str_from(name), "1700000001.00000", 1, "text/plain");
        assert_int_equal(container_put_row(&b, &r), 0);
        assert_int_equal(stat(pending, &st), 0);
    } while (st.st_size <= DB_PENDING_CAP && n < 5000);
    assert_sql(path, "SELECT count(*) FROM object", "0");
    struct object_row last = put(STR("last"), "1700000001.00000", 1, "text/plain");
    assert_int_equal(container_put_row(&b, &last), 0);
    assert_int_equal(stat(pending, &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_sql(path, "SELECT name FROM object WHERE ROWID = 1", "last");
    char *expected = xasprintf("%u", n + 1);
    assert_sql(path, "SELECT count(*) FROM object", expected);
    db_broker_release(&b);
    free(expected);
    free(pending);
    free(path);
}

static void test_deleted_states(void **state)
{
    struct fixture *f = *state;
    struct db_broker b;
    struct container_info info;
    struct db_metadata m, update;

    create(f);
    broker(f, &b);
    db_metadata_init(&update, f->arena);
    db_metadata_set(&update, STR("X-Container-Meta-A"), STR("1"), STR("1700000001.00000"));
    db_metadata_set(&update, STR("X-Container-Sysmeta-Shard-Root"), STR("a/c"), STR("1700000001.00000"));
    assert_int_equal(db_metadata_update(&b, &update, NULL, NULL), 0);
    assert_int_equal(db_delete(&b, STR("1700000012.00000")), 0);
    assert_int_equal(container_info_read(&b, &info), 0);
    assert_true(info.deleted);
    assert_str(info.status, "DELETED");
    assert_int_equal(db_metadata_read(&b, &m), 0);
    assert_str(db_metadata_find(&m, STR("X-Container-Meta-A"))->value, "");
    assert_str(db_metadata_find(&m, STR("X-Container-Sysmeta-Shard-Root"))->value, "a/c");

    /* A live row that arrives late makes it live again. */
    struct object_row late = put(STR("late"), "1700000005.00000", 1, "t/p");
    assert_int_equal(container_put_row(&b, &late), 0);
    assert_int_equal(container_info_read(&b, &info), 0);
    assert_false(info.deleted);
    late = container_tombstone(STR("late"), STR("1700000006.00000"), 0);
    assert_int_equal(container_put_row(&b, &late), 0);
    assert_int_equal(container_info_read(&b, &info), 0);
    assert_true(info.deleted);

    assert_int_equal(container_set_policy(&b, 1, STR("1700000013.00000")), 0);
    assert_int_equal(db_update_put_timestamp(&b, STR("1700000013.00000")), 0);
    assert_int_equal(container_info_read(&b, &info), 0);
    assert_false(info.deleted);
    assert_int_equal(info.policy, 1);
    assert_str(info.status_changed_at, "1700000013.00000");
    assert_int_equal(container_set_policy(&b, 1, STR("1700000014.00000")), 0);
    assert_int_equal(container_info_read(&b, &info), 0);
    assert_str(info.status_changed_at, "1700000013.00000"); /* same policy: untouched */

    info.put_timestamp = STR("1");
    info.object_count = 4;
    assert_int_equal(container_set_reported(&b, &info), 0);
    assert_int_equal(container_set_sync_points(&b, 3, 2), 0);
    assert_int_equal(container_info_read(&b, &info), 0);
    assert_str(info.reported_put_timestamp, "1");
    assert_int_equal(info.reported_object_count, 4);
    assert_int_equal(info.sync_point1, 3);
    assert_int_equal(info.sync_point2, 2);
    db_broker_release(&b);
}

static void overwrite(const char *path, size_t from, size_t n)
{
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    fseek(file, (long)from, SEEK_SET);
    for (size_t i = 0; i < n; i++)
        fputc('x', file);
    fclose(file);
}

static void expect_quarantined(struct fixture *f, bool twice)
{
    struct stat st;
    char *to = xasprintf("%s/quarantined/containers/" HASH "/" HASH ".db", f->device), *path = path_of(f);
    char *count =
        xasprintf("test $(ls -d %s/quarantined/containers/" HASH "* | wc -l) = %d", f->device, twice ? 2 : 1);

    assert_int_equal(stat(to, &st), 0);
    assert_int_equal(stat(path, &st), -1);
    assert_int_equal(system(count), 0);
    free(count);
    free(path);
    free(to);
}

static void test_quarantine(void **state)
{
    struct fixture *f = *state;
    struct db_broker b;
    struct container_info info;
    char *path = path_of(f);

    log_set_level((enum log_level) - 1);
    for (int i = 0; i < 2; i++) {
        create(f);
        overwrite(path, 0, 64); /* no database any more */
        broker(f, &b);
        assert_int_equal(container_info_read(&b, &info), -EUCLEAN);
        assert_string_not_equal(db_broker_error(&b), "");
        db_broker_release(&b);
        expect_quarantined(f, i == 1);
        broker(f, &b);
        assert_int_equal(container_info_read(&b, &info), -ENOENT);
        db_broker_release(&b);
    }
    free(path);
}

static void test_missing_stat_row(void **state)
{
    struct fixture *f = *state;
    struct db_broker b;
    struct container_info info;
    char *path = path_of(f);

    create(f);
    free(sql_text(path, "DELETE FROM container_info"));
    log_set_level((enum log_level) - 1);
    broker(f, &b);
    assert_int_equal(container_info_read(&b, &info), -EUCLEAN);
    db_broker_release(&b);
    expect_quarantined(f, false);
    free(path);
}

/* A table that is missing is no damage: the file stays. */
static void test_foreign_schema_stays(void **state)
{
    struct fixture *f = *state;
    struct db_broker b;
    struct container_info info;
    char *path = path_of(f);

    create(f);
    free(sql_text(path, "DROP VIEW container_stat"));
    broker(f, &b);
    assert_int_equal(container_info_read(&b, &info), -EINVAL);
    db_broker_release(&b);
    assert_int_equal(access(path, F_OK), 0);
    free(path);
}

/* Two files: counts come from the older, rows go to the newer; then one file with an epoch. */
static void test_files_of_a_sharding_container(void **state)
{
    struct fixture *f = *state;
    struct db_broker b;
    struct container_info info;
    char *path = path_of(f), *cp, *epoch;

    create(f);
    merge_one(f, put(STR("old"), "1700000001.00000", 5, "t/p"));
    epoch = xasprintf("%s/containers/5/cc8/" HASH "/" HASH "_1700000009.00000.db", f->device);
    cp = xasprintf("cp %s %s", path, epoch);
    assert_int_equal(system(cp), 0);
    free(sql_text(epoch, "DELETE FROM object"));

    broker(f, &b);
    struct object_row fresh = put(STR("fresh"), "1700000010.00000", 7, "t/p");
    assert_int_equal(container_put_row(&b, &fresh), 0);
    assert_int_equal(container_info_read(&b, &info), 0);
    assert_int_equal(info.state, CONTAINER_SHARDING);
    assert_int_equal(info.object_count, 1);
    assert_int_equal(info.bytes_used, 5);
    db_broker_release(&b);
    assert_sql(epoch, "SELECT group_concat(name) FROM object", "fresh");
    assert_sql(path, "SELECT group_concat(name) FROM object", "old");

    unlink(path);
    broker(f, &b);
    assert_int_equal(container_info_read(&b, &info), 0);
    assert_int_equal(info.state, CONTAINER_UNSHARDED); /* no own range with that epoch */
    db_broker_release(&b);
    free(sql_text(epoch, "INSERT INTO shard_range (name, epoch, state) VALUES ('AUTH_test/c1', "
                         "'1700000009.00000', 70)"));
    broker(f, &b);
    assert_int_equal(container_info_read(&b, &info), 0);
    assert_int_equal(info.state, CONTAINER_COLLAPSED);
    db_broker_release(&b);
    free(sql_text(epoch, "INSERT INTO shard_range (name, state, object_count, bytes_used) VALUES "
                         "('.shards_a/c', 40, 11, 22), ('.shards_a/d', 20, 100, 100)"));
    broker(f, &b);
    assert_int_equal(container_info_read(&b, &info), 0);
    assert_int_equal(info.state, CONTAINER_SHARDED);
    assert_int_equal(info.object_count, 11);
    assert_int_equal(info.bytes_used, 22);
    db_broker_release(&b);
    free(epoch);
    free(cp);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_create),
        T(test_rows),
        T(test_merge_sequence),
        T(test_bad_timestamps_are_dropped),
        T(test_pending_cap),
        T(test_deleted_states),
        T(test_quarantine),
        T(test_missing_stat_row),
        T(test_foreign_schema_stays),
        T(test_files_of_a_sharding_container),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
