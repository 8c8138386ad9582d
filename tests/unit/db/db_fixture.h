/* SPDX-License-Identifier: Apache-2.0
 *
 * db_fixture.h: a device folder, a cache and an arena for tests of databases, and SQL of the sqlite3 library beside ours.
 */
#ifndef TESTS_UNIT_DB_DB_FIXTURE_H
#define TESTS_UNIT_DB_DB_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/alloc.h"
#include "common/file.h"
#include "common/log.h"
#include "db/db_broker.h"
#include "db/db_chexor.h"

struct fixture {
    char device[64]; /* ".../sda1" */
    char root[48];
    struct db_cache *cache;
    struct arena *arena;
};

__attribute__((unused)) static int fixture_set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    log_set_level(LOG_LEVEL_ERROR);
    snprintf(f->root, sizeof(f->root), "/tmp/martlet-db-test.XXXXXX");
    assert_non_null(mkdtemp(f->root));
    snprintf(f->device, sizeof(f->device), "%s/sda1", f->root);
    assert_int_equal(file_make_dirs(f->device, 0755, false), 0);
    f->cache = db_cache_new(8);
    f->arena = arena_new();
    *state = f;
    return 0;
}

__attribute__((unused)) static int fixture_tear_down(void **state)
{
    struct fixture *f = *state;

    db_cache_free(f->cache);
    arena_free(f->arena);
    assert_int_equal(file_remove_tree(f->root), 0);
    free(f);
    return 0;
}

/* The first column of the first row, as heap text; NULL for null or no row. A connection of its own. */
__attribute__((unused)) static char *sql_text(const char *path, const char *sql)
{
    sqlite3 *conn;
    sqlite3_stmt *stmt;
    char *text = NULL;

    assert_int_equal(sqlite3_open_v2(path, &conn, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(conn, 10000);
    assert_int_equal(db_chexor_register(conn), SQLITE_OK);
    if (sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(conn));
    int rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        fail_msg("%s: %s", sql, sqlite3_errmsg(conn));
    if (rc == SQLITE_ROW && sqlite3_column_text(stmt, 0))
        text = xstrdup((const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    sqlite3_close(conn);
    return text;
}

#define assert_sql(path, sql, expected)      \
    do {                                     \
        char *got_ = sql_text(path, sql);    \
        assert_non_null(got_);               \
        assert_string_equal(got_, expected); \
        free(got_);                          \
    } while (0)

#define assert_str(actual, expected)              \
    do {                                          \
        struct str s_ = (actual);                 \
        char *got_ = str_dup(s_);                 \
        assert_string_equal(got_, expected);      \
        assert_int_equal(s_.n, strlen(expected)); \
        free(got_);                               \
    } while (0)

#endif
