/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/db/db_fixture.h"

#include <errno.h>
#include <pthread.h>

static void make_database(const char *path, const char *value)
{
    char *sql = xasprintf("CREATE TABLE t (v TEXT); INSERT INTO t VALUES ('%s')", value);
    sqlite3 *conn;

    assert_int_equal(sqlite3_open(path, &conn), SQLITE_OK);
    assert_int_equal(sqlite3_exec(conn, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(conn);
    free(sql);
}

static const char *value_in(struct db_handle *h)
{
    static char text[32];
    sqlite3_stmt *stmt;

    assert_int_equal(db_handle_statement(h, "SELECT v FROM t", &stmt), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    snprintf(text, sizeof(text), "%s", (const char *)sqlite3_column_text(stmt, 0));
    return text; /* the statement stays in the middle of its rows: return must reset it */
}

static void test_reuse_and_replacement(void **state)
{
    struct fixture *f = *state;
    char path[100], other[100];
    struct db_handle *h, *first;

    snprintf(path, sizeof(path), "%s/a.db", f->device);
    snprintf(other, sizeof(other), "%s/b.db", f->device);
    struct db_entry *e = db_cache_entry(f->cache, path);
    assert_int_equal(db_cache_lease(f->cache, e, path, &h), -ENOENT);
    assert_int_equal(access(path, F_OK), -1); /* looking does not create */

    make_database(path, "one");
    assert_int_equal(db_cache_lease(f->cache, e, path, &first), 0);
    assert_string_equal(value_in(first), "one");
    db_cache_return(f->cache, first, true);
    assert_int_equal(db_cache_idle(f->cache), 1);
    assert_int_equal(db_cache_lease(f->cache, e, path, &h), 0);
    assert_ptr_equal(h, first);
    assert_int_equal(db_cache_opened(f->cache), 1);
    db_cache_return(f->cache, h, true);

    make_database(other, "two"); /* as rsync_then_merge does */
    assert_int_equal(rename(other, path), 0);
    assert_int_equal(db_cache_lease(f->cache, e, path, &h), 0);
    assert_string_equal(value_in(h), "two");
    assert_int_equal(db_cache_opened(f->cache), 2);
    db_cache_return(f->cache, h, true);
    assert_int_equal(db_cache_idle(f->cache), 1);

    assert_int_equal(unlink(path), 0);
    assert_int_equal(db_cache_lease(f->cache, e, path, &h), -ENOENT);
    make_database(path, "three");
    assert_int_equal(db_cache_lease(f->cache, e, path, &h), 0);
    assert_string_equal(value_in(h), "three");
    db_cache_return(f->cache, h, false);
    db_cache_drop(f->cache, e);
    assert_int_equal(db_cache_idle(f->cache), 0);
    db_cache_entry_put(f->cache, e);
}

/* Two jobs never have one connection. */
static void test_one_job_a_handle(void **state)
{
    struct fixture *f = *state;
    char path[100];
    struct db_handle *a, *b;

    snprintf(path, sizeof(path), "%s/a.db", f->device);
    make_database(path, "one");
    struct db_entry *e = db_cache_entry(f->cache, path);
    assert_int_equal(db_cache_lease(f->cache, e, path, &a), 0);
    assert_int_equal(db_cache_lease(f->cache, e, path, &b), 0);
    assert_ptr_not_equal(a, b);
    db_cache_return(f->cache, a, true);
    db_cache_return(f->cache, b, true);
    assert_int_equal(db_cache_idle(f->cache), 2);
    db_cache_entry_put(f->cache, e);
}

/* The bound holds over all databases, and the one unused for longest goes. */
static void test_bound(void **state)
{
    struct fixture *f = *state;
    char path[20][100];
    struct db_handle *h;

    for (int i = 0; i < 20; i++) {
        snprintf(path[i], sizeof(path[i]), "%s/%d.db", f->device, i);
        make_database(path[i], "x");
        struct db_entry *e = db_cache_entry(f->cache, path[i]);
        assert_int_equal(db_cache_lease(f->cache, e, path[i], &h), 0);
        db_cache_return(f->cache, h, true);
        db_cache_entry_put(f->cache, e);
    }
    assert_int_equal(db_cache_idle(f->cache), 8);
    for (int i = 19; i >= 0; i -= 19) {
        struct db_entry *e = db_cache_entry(f->cache, path[i]);
        assert_int_equal(db_cache_lease(f->cache, e, path[i], &h), 0);
        assert_int_equal(db_cache_opened(f->cache), i == 19 ? 20 : 21);
        db_cache_return(f->cache, h, true);
        db_cache_entry_put(f->cache, e);
    }
}

static void test_statements_are_bounded(void **state)
{
    struct fixture *f = *state;
    char path[100], sql[64];
    struct db_handle *h;
    sqlite3_stmt *stmt, *again;

    snprintf(path, sizeof(path), "%s/a.db", f->device);
    make_database(path, "one");
    struct db_entry *e = db_cache_entry(f->cache, path);
    assert_int_equal(db_cache_lease(f->cache, e, path, &h), 0);
    for (int i = 0; i < 3 * DB_HANDLE_STATEMENTS; i++) {
        snprintf(sql, sizeof(sql), "SELECT %d", i);
        assert_int_equal(db_handle_statement(h, sql, &stmt), SQLITE_OK);
        assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
        assert_int_equal(sqlite3_column_int(stmt, 0), i);
    }
    assert_int_equal(h->n_statements, DB_HANDLE_STATEMENTS);
    assert_int_equal(db_handle_statement(h, sql, &again), SQLITE_OK);
    assert_ptr_equal(again, stmt);
    assert_int_not_equal(db_handle_statement(h, "SELECT nonsense", &stmt), SQLITE_OK);
    db_cache_return(f->cache, h, true);
    db_cache_entry_put(f->cache, e);
}

struct worker {
    struct fixture *f;
    const char *path;
    int wrong;
};

static void *work(void *arg)
{
    struct worker *w = arg;

    for (int i = 0; i < 50; i++) {
        struct db_handle *h;
        sqlite3_stmt *stmt;
        struct db_entry *e = db_cache_entry(w->f->cache, w->path);
        if (db_cache_lease(w->f->cache, e, w->path, &h) == 0) {
            if (db_handle_statement(h, "SELECT v FROM t", &stmt) != SQLITE_OK ||
                sqlite3_step(stmt) != SQLITE_ROW)
                w->wrong++;
            db_cache_return(w->f->cache, h, i % 7 != 0);
        } else {
            w->wrong++;
        }
        db_cache_entry_put(w->f->cache, e);
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct fixture *f = *state;
    char path[2][100];
    pthread_t threads[8];
    struct worker w[8];

    for (int i = 0; i < 2; i++) {
        snprintf(path[i], sizeof(path[i]), "%s/%d.db", f->device, i);
        make_database(path[i], "x");
    }
    for (int i = 0; i < 8; i++) {
        w[i] = (struct worker){f, path[i % 2], 0};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &w[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(w[i].wrong, 0);
    }
    assert_true(db_cache_idle(f->cache) <= 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reuse_and_replacement, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_one_job_a_handle, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_bound, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_statements_are_bounded, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_threads, fixture_set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
