/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/db/db_fixture.h"

#include <errno.h>

struct vector {
    struct str name;
    const char *text, *hash;
};

/* From empty; computed by the reference (facts: database 24). */
static const struct vector vectors[] = {
    {STR_INIT("o1"), "1700000010.00000", "8ba3bac75cbce27e0de9faa9694f6bf9"},
    {STR_INIT("o2"), "1700000011.00000_3+186a0+186a0", "e7ab39133af3f92c6a2b656221864ce0"},
    {STR_INIT("o3"), "1700000014.00000", "cf85f97c403fec0aa5d670b3b887f79c"},
    {STR_INIT("\xc3\xa9\xe2\x98\x83"), "1700000015.00000", "1c521c70f5d7fbfb2c49c3f1df7e2610"},
    {STR_INIT("\0v\0c1"), "1700000015.00000", "935f29d0216b0ef30fac2f4bdc04c36f"},
    {STR_INIT("c1"), "1700000001.00000-0-0-0", "c0defda977f338a3111d8e545390dbb4"},
    {STR_INIT("c1"), NULL, "ec51b7c566c3516af226d8c79d2ab12b"},
    {STR_INIT("fromc"), "1700000099.00000", "519e80cbc48f58e5819e0b3bf9cf8bc6"},
};

static void test_vectors(void **state)
{
    char out[DB_HASH_SIZE];

    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        assert_int_equal(db_chexor(STR(DB_HASH_ZERO), vectors[i].name, str_from(vectors[i].text), out), 0);
        assert_string_equal(out, vectors[i].hash);
        assert_int_equal(
            db_chexor(str_from(vectors[i].hash), vectors[i].name, str_from(vectors[i].text), out), 0);
        assert_string_equal(out, DB_HASH_ZERO);
    }
}

static void test_order_does_not_matter(void **state)
{
    char a[DB_HASH_SIZE], b[DB_HASH_SIZE];

    db_chexor(STR(DB_HASH_ZERO), vectors[0].name, str_from(vectors[0].text), a);
    db_chexor(str_from(a), vectors[1].name, str_from(vectors[1].text), b);
    assert_string_equal(b, "6c0883d4664f1b5267c29fcb48c92719");
    db_chexor(STR(DB_HASH_ZERO), vectors[1].name, str_from(vectors[1].text), a);
    db_chexor(str_from(a), vectors[0].name, str_from(vectors[0].text), b);
    assert_string_equal(b, "6c0883d4664f1b5267c29fcb48c92719");
}

static void test_bad_old_hash(void **state)
{
    char out[DB_HASH_SIZE];

    assert_int_equal(db_chexor(STR("0"), STR("a"), STR("b"), out), -EINVAL);
    assert_int_equal(db_chexor(STR("0000000000000000000000000000000g"), STR("a"), STR("b"), out), -EINVAL);
    assert_int_equal(db_chexor(STR_NONE, STR("a"), STR("b"), out), -EINVAL);
}

static char *query(sqlite3 *conn, const char *sql)
{
    sqlite3_stmt *stmt;
    char *text = NULL;

    assert_int_equal(sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL), SQLITE_OK);
    if (sqlite3_step(stmt) == SQLITE_ROW)
        text = xstrdup((const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    return text;
}

static void test_in_sql(void **state)
{
    sqlite3 *conn;

    assert_int_equal(sqlite3_open(":memory:", &conn), SQLITE_OK);
    assert_int_equal(db_chexor_register(conn), SQLITE_OK);
    char *text = query(conn, "SELECT chexor('" DB_HASH_ZERO "', 'o1', '1700000010.00000')");
    assert_string_equal(text, vectors[0].hash);
    free(text);
    text = query(conn, "SELECT chexor('" DB_HASH_ZERO "', 'c1', NULL)");
    assert_string_equal(text, "ec51b7c566c3516af226d8c79d2ab12b");
    free(text);
    assert_null(query(conn, "SELECT chexor('" DB_HASH_ZERO "', NULL, 'x')"));
    assert_null(query(conn, "SELECT chexor('short', 'a', 'x')"));
    sqlite3_close(conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_order_does_not_matter),
        cmocka_unit_test(test_bad_old_hash),
        cmocka_unit_test(test_in_sql),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
