/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/container/container_fixture.h"

#include "common/clock.h"

static const struct str names[] = {
    STR_INIT("a"),     STR_INIT("a/"),          STR_INIT("a//x"), STR_INIT("a/b"),
    STR_INIT("a/b/c"), STR_INIT("caf\xc3\xa9"), STR_INIT("o1"),
};

static void fill(struct fixture *f)
{
    struct object_row rows[16];
    struct db_broker b;
    size_t n = 0;

    create(f);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        rows[n++] = put(names[i], "1700000010.12345", 1, "text/plain");
    rows[n++] = put(STR("\0r\0x"), "1700000010.00000", 1, "text/plain");
    rows[n++] = container_tombstone(STR("gone"), STR("1700000010.00000"), 0);
    rows[n] = put(STR("other-policy"), "1700000010.00000", 1, "text/plain");
    rows[n++].policy = 1;
    broker(f, &b);
    assert_int_equal(container_merge_rows(&b, rows, n, STR_NONE), 0);
    db_broker_release(&b);
}

static char *listing(struct fixture *f, struct db_listing q, enum listing_type type, int64_t policy)
{
    struct db_broker b;
    struct db_listing_writer w;
    struct buf out;

    buf_init(&out, DB_LISTING_MAX_BYTES);
    broker(f, &b);
    db_listing_begin(&w, type, "container", STR("c1"), &out);
    assert_int_equal(container_list(&b, policy, &q, &w), 0);
    db_listing_end(&w);
    assert_int_equal(buf_error(&out), 0);
    db_broker_release(&b);
    return buf_take(&out, NULL);
}

/* Entries separated by '|'. */
static void expect(struct fixture *f, struct db_listing q, const char *expected)
{
    if (q.limit == 0)
        q.limit = 10000;
    char *got = listing(f, q, LISTING_TEXT, 0);
    for (char *p = got; *p; p++)
        if (*p == '\n')
            *p = '|';
    assert_string_equal(got, expected);
    free(got);
}

#define SLASH .delimiter = STR("/")

/* facts: database 14.2 */
static void test_selection(void **state)
{
    struct fixture *f = *state;

    fill(f);
    expect(f, (struct db_listing){0}, "a|a/|a//x|a/b|a/b/c|caf\xc3\xa9|o1|");
    expect(f, (struct db_listing){SLASH}, "a|a/|caf\xc3\xa9|o1|");
    expect(f, (struct db_listing){SLASH, .prefix = STR("a/")}, "a/|a//|a/b|a/b/|");
    expect(f, (struct db_listing){.path = STR("")}, "a|a/|caf\xc3\xa9|o1|");
    expect(f, (struct db_listing){.path = STR("a")}, "a/b|");
    expect(f, (struct db_listing){.path = STR("a/")}, "a/b|");
    expect(f, (struct db_listing){.path = STR("/")}, "");
    expect(f, (struct db_listing){SLASH, .prefix = STR("a")}, "a|a/|");
    expect(f, (struct db_listing){SLASH, .reverse = true}, "o1|caf\xc3\xa9|a/|a|");
    expect(f, (struct db_listing){.reverse = true, .marker = STR("a/b"), .end_marker = STR("a")}, "a//x|a/|");
    expect(f, (struct db_listing){.delimiter = STR("/b"), .prefix = STR("a")}, "a|a/|a//x|a/b|");
    /* The subdir that is the marker is not shown again; one inside it is. */
    expect(f, (struct db_listing){SLASH, .marker = STR("a/")}, "caf\xc3\xa9|o1|");
    expect(f, (struct db_listing){SLASH, .marker = STR("a/b")}, "a/|caf\xc3\xa9|o1|");
    expect(f, (struct db_listing){.marker = STR("a/b"), .end_marker = STR("o1")}, "a/b/c|caf\xc3\xa9|");
    expect(f, (struct db_listing){.marker = STR("b"), .prefix = STR("a")}, "");
    expect(f, (struct db_listing){.marker = STR("A"), .prefix = STR("a/"), .limit = 2}, "a/|a//x|");
    expect(f, (struct db_listing){.end_marker = STR("z"), .prefix = STR("caf")}, "caf\xc3\xa9|");
    expect(f, (struct db_listing){.prefix = STR("caf\xc3\xa9")}, "caf\xc3\xa9|");
    expect(f, (struct db_listing){SLASH, .limit = 2}, "a|a/|");
    expect(f, (struct db_listing){SLASH, .reverse = true, .limit = 3}, "o1|caf\xc3\xa9|a/|");
}

/* Where the reference loses a name: one that follows a folder at once, and in reverse the folder's own marker. */
static void test_neighbours_of_a_folder(void **state)
{
    struct fixture *f = *state;
    struct object_row rows[] = {
        put(STR("a/b/"), "1700000010.00000", 1, "t/p"), put(STR("a/b/c"), "1700000010.00000", 1, "t/p"),
        put(STR("a/b0"), "1700000010.00000", 1, "t/p"), put(STR("a/c"), "1700000010.00000", 1, "t/p")};
    struct db_broker b;

    create(f);
    broker(f, &b);
    assert_int_equal(container_merge_rows(&b, rows, 4, STR_NONE), 0);
    db_broker_release(&b);
    expect(f, (struct db_listing){.path = STR("a")}, "a/b/|a/b0|a/c|");
    expect(f, (struct db_listing){.path = STR("a"), .reverse = true}, "a/c|a/b0|a/b/|");
}

static void test_policy_and_reserved(void **state)
{
    struct fixture *f = *state;
    struct db_listing all = {.limit = 10, .allow_reserved = true};

    fill(f);
    char *got = listing(f, (struct db_listing){.limit = 10}, LISTING_TEXT, 1);
    assert_string_equal(got, "other-policy\n");
    free(got);
    got = listing(f, all, LISTING_JSON, 0);
    assert_non_null(strstr(got, "\"name\": \"\\u0000r\\u0000x\""));
    free(got);
    got = listing(f, (struct db_listing){.limit = 0}, LISTING_JSON, 0);
    assert_string_equal(got, "[]");
    free(got);
}

static void test_formats(void **state)
{
    struct fixture *f = *state;
    struct object_row rows[] = {
        put(STR("a&b"), "1700000010.12345+0+186a0", 5, "text/plain;x=y; charset=utf-8"),
        put(STR("d/e"), "1700000010.12345", 5, "x/y"),
        put(STR("s\"\\\x7f\n"), "1700000010.00000", 5, "x/y;swift_bytes=123456789012")};
    struct db_broker b;
    struct db_listing q = {.limit = 10, .delimiter = STR("/")};

    create(f);
    broker(f, &b);
    assert_int_equal(container_merge_rows(&b, rows, 3, STR_NONE), 0);
    db_broker_release(&b);
    char *got = listing(f, q, LISTING_JSON, 0);
    assert_string_equal(
        got, "[{\"bytes\": 5, \"hash\": \"etag\", \"name\": \"a&b\", \"content_type\": "
             "\"text/plain;x=y;charset=utf-8\", \"last_modified\": \"2023-11-14T22:13:31.123450\"}, "
             "{\"subdir\": \"d/\"}, "
             "{\"bytes\": 123456789012, \"hash\": \"etag\", \"name\": \"s\\\"\\\\\\u007f\\n\", "
             "\"content_type\": \"x/y\", \"last_modified\": \"2023-11-14T22:13:30.000000\"}]");
    free(got);
    q.end_marker = STR("f");
    got = listing(f, q, LISTING_XML, 0);
    assert_string_equal(got, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<container name=\"c1\"><object>"
                             "<name>a&amp;b</name><hash>etag</hash><bytes>5</bytes>"
                             "<content_type>text/plain;x=y;charset=utf-8</content_type>"
                             "<last_modified>2023-11-14T22:13:31.123450</last_modified></object>"
                             "<subdir name=\"d/\"><name>d/</name></subdir></container>");
    free(got);
}

/* A plain reading of the rules, to compare with: all names in order, one after the other. */
static void model(const char *const *all, size_t n, const struct db_listing *q, struct buf *out)
{
    struct str folded = STR_NONE, prefix = q->prefix, low = q->reverse ? q->end_marker : q->marker;
    struct str high = q->reverse ? q->marker : q->end_marker;
    int64_t left = q->limit;

    for (size_t k = 0; k < n && left > 0; k++) {
        struct str name = str_from(all[q->reverse ? n - 1 - k : k]);
        if ((low.n && str_cmp(name, low) <= 0) || (high.n && str_cmp(name, high) >= 0) ||
            !str_starts(name, prefix))
            continue;
        ssize_t end = q->delimiter.n ? str_find_str(name, q->delimiter, prefix.n) : -1;
        if (end >= 0) {
            struct str subdir = str_slice(name, 0, (size_t)end + q->delimiter.n);
            if (folded.p && str_eq(folded, subdir))
                continue;
            folded = subdir;
            if (str_eq(subdir, low))
                continue;
            name = subdir;
        }
        buf_str(out, name);
        buf_putc(out, '\n');
        left--;
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *const pieces[] = {"", "a", "b", "a/", "a/b", "a//", "b/a", "/", "ab", "b/"};

static struct str piece(void)
{
    return str_from(pieces[random_below(sizeof(pieces) / sizeof(pieces[0]))]);
}

static void test_against_a_model(void **state)
{
    struct fixture *f = *state;
    static char text[300][16];
    const char *all[300];
    struct object_row rows[300];
    struct db_broker b;
    struct buf expected;
    size_t n = 0;

    random_fix(20231114);
    for (size_t i = 0; i < 300; i++) {
        size_t length = 1 + random_below(8);
        for (size_t j = 0; j < length; j++)
            text[i][j] = "ab/"[random_below(3)];
        text[i][length] = '\0';
        all[i] = text[i];
    }
    qsort(all, 300, sizeof(all[0]), by_name);
    for (size_t i = 0; i < 300; i++)
        if (n == 0 || strcmp(all[i], all[n - 1]) != 0)
            all[n++] = all[i];
    for (size_t i = 0; i < n; i++)
        rows[i] = put(str_from(all[i]), "1700000010.00000", 1, "t/p");
    create(f);
    broker(f, &b);
    assert_int_equal(container_merge_rows(&b, rows, n, STR_NONE), 0);
    db_broker_release(&b);
    buf_init(&expected, 1 << 20);
    for (int i = 0; i < 2000; i++) {
        static const int64_t limits[] = {1, 2, 3, 7, 1000};
        struct db_listing q = {.limit = limits[random_below(5)],
                               .marker = piece(),
                               .end_marker = random_below(3) ? STR("") : piece(),
                               .prefix = random_below(2) ? STR("") : piece(),
                               .delimiter =
                                   random_below(3) ? str_from(random_below(4) ? "/" : "b/") : STR(""),
                               .reverse = random_below(2)};
        buf_reset(&expected);
        model(all, n, &q, &expected);
        char *got = listing(f, q, LISTING_TEXT, 0);
        assert_string_equal(got, expected.n ? expected.p : "");
        free(got);
    }
    buf_release(&expected);
    random_fix(0);
}

/* Folding a hundred thousand names into a few subdirs must not read them all. */
static void test_folding_jumps(void **state)
{
    struct fixture *f = *state;
    struct db_broker b;
    struct db_listing q = {.limit = 10000, .delimiter = STR("/")};
    char *path = path_of(f);
    sqlite3_stmt *stmt;

    create(f);
    free(sql_text(path, "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)"
                        " INSERT INTO object (name, created_at, size, content_type, etag)"
                        " SELECT printf('d%02d/%05d', i % 20, i), '1700000010.00000', 1, 't/p', 'e' FROM n"));
    broker(f, &b);
    assert_int_equal(db_broker_open(&b), 0);
    struct db_listing_writer w;
    struct buf out;
    buf_init(&out, 1 << 20);
    db_listing_begin(&w, LISTING_TEXT, "container", STR("c1"), &out);
    int64_t start = clock_monotonic_ns();
    assert_int_equal(container_list(&b, 0, &q, &w), 0);
    int64_t took_ms = (clock_monotonic_ns() - start) / 1000000;
    assert_int_equal(w.n, 20);
    assert_int_equal(db_prepare(&b, &stmt,
                                "SELECT name, created_at, size, content_type, etag FROM object WHERE "
                                "deleted = 0 AND name >= ?1 AND name < ?2 AND storage_policy_index = ?3"
                                " ORDER BY name"),
                     0);
    assert_true(sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 0) >
                100); /* it is the one that was used */
    /* No step of the query sorted or read the whole table. */
    assert_int_equal(sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_SORT, 0), 0);
    assert_int_equal(sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_FULLSCAN_STEP, 0), 0);
    assert_true(sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 0) < 20 * 10 * 40);
    assert_true(took_ms < 2000);
    buf_release(&out);
    db_broker_release(&b);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_selection), T(test_neighbours_of_a_folder), T(test_policy_and_reserved),
        T(test_formats),   T(test_against_a_model),        T(test_folding_jumps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
