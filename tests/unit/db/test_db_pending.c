/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/db/db_fixture.h"

#include <errno.h>

/* Lines written by the reference (facts: database 4). */
static const char account_ints[] =
    ":gAIoWAIAAABjMXEAWBAAAAAxNzAwMDAwMDAxLjAwMDAwcQFYAQAAADBxAksASwBLAEsAdHEDLg==";
static const char account_text[] =
    ":gAIoWAIAAABjMXEAWBAAAAAxNzAwMDAwMDEwLjAwMDAwcQFYAQAAADBxAlgBAAAAM3EDWAMAAAAxMDBxBEsAWAEAAAAxcQV0cQYu";
static const char object[] = ":gAIoWAIAAABvMXEAWBAAAAAxNzAwMDAwMDEwLjEyMzQ1cQFLBVgKAAAAdGV4dC9wbGFpbnECWCAAAA"
                             "A1ZDQxNDAyYWJjNGIyYTc2Yjk3MT"
                             "lkOTExMDE3YzU5MnEDSwBLAE5OdHEELg==";
static const char by_hand[] =
    ":gAIoWAQAAABoYW5kWBAAAAAxNzAwMDAwMDIwLjAwMDAwSwNYAwAAAHQvcFgEAAAAZXRhZ0sASwBOTnQu";

static struct db_pending parse(struct arena *a, const char *text)
{
    struct db_pending p = {0};
    db_pending_parse(a, str_from(text), &p);
    return p;
}

static void test_reads_what_the_reference_wrote(void **state)
{
    struct arena *a = arena_new();
    bool null;

    struct db_pending p = parse(a, account_ints);
    assert_int_equal(p.n, 1);
    assert_int_equal(p.bad, 0);
    assert_str(db_pending_text(p.v[0], 0), "c1");
    assert_str(db_pending_text(p.v[0], 1), "1700000001.00000");
    assert_str(db_pending_text(p.v[0], 2), "0");
    assert_int_equal(db_pending_int(p.v[0], 3, -1, &null), 0);
    assert_false(null);
    assert_int_equal(p.v[0]->list.n, 7);

    p = parse(a, account_text);
    assert_int_equal(db_pending_int(p.v[0], 3, -1, NULL), 3);
    assert_int_equal(db_pending_int(p.v[0], 4, -1, NULL), 100);
    assert_int_equal(db_pending_int(p.v[0], 6, -1, NULL), 1);

    p = parse(a, object);
    assert_str(db_pending_text(p.v[0], 0), "o1");
    assert_int_equal(db_pending_int(p.v[0], 2, -1, NULL), 5);
    assert_str(db_pending_text(p.v[0], 3), "text/plain");
    assert_null(db_pending_text(p.v[0], 7).p);
    assert_int_equal(db_pending_int(p.v[0], 8, -7, &null), -7);
    assert_true(null);
    assert_null(db_pending_text(p.v[0], 9).p);
    arena_free(a);
}

static void test_writes_what_the_reference_reads(void **state)
{
    struct buf pickle, line;

    buf_init(&pickle, 4096);
    buf_init(&line, 4096);
    pickle_begin(&pickle);
    pickle_tuple_begin(&pickle);
    pickle_text(&pickle, STR("hand"));
    pickle_text(&pickle, STR("1700000020.00000"));
    pickle_int(&pickle, 3);
    pickle_text(&pickle, STR("t/p"));
    pickle_text(&pickle, STR("etag"));
    pickle_int(&pickle, 0);
    pickle_int(&pickle, 0);
    pickle_none(&pickle);
    pickle_none(&pickle);
    pickle_tuple_end(&pickle);
    pickle_end(&pickle);
    db_pending_encode(&line, buf_view(&pickle));
    assert_str(buf_view(&line), by_hand);
    buf_release(&pickle);
    buf_release(&line);
}

/* Every length of padding survives. */
static void test_base64_of_every_length(void **state)
{
    for (size_t n = 1; n < 20; n++) {
        struct arena *a = arena_new();
        struct buf pickle, line;
        buf_init(&pickle, 4096);
        buf_init(&line, 4096);
        pickle_begin(&pickle);
        pickle_tuple_begin(&pickle);
        pickle_text(&pickle, STR("\xc3\xa9"));
        for (size_t i = 0; i < n; i++)
            pickle_none(&pickle);
        pickle_tuple_end(&pickle);
        pickle_end(&pickle);
        db_pending_encode(&line, buf_view(&pickle));
        struct db_pending p = {0};
        db_pending_parse(a, buf_view(&line), &p);
        assert_int_equal(p.n, 1);
        assert_int_equal(p.v[0]->list.n, n + 1);
        buf_release(&pickle);
        buf_release(&line);
        arena_free(a);
    }
}

static void test_bad_records_are_dropped(void **state)
{
    struct arena *a = arena_new();
    struct buf text;

    buf_init(&text, 65536);
    buf_puts(&text, account_ints);
    buf_append(&text, object, sizeof(object) - 20); /* its writer was killed */
    struct db_pending p = {0};
    db_pending_parse(a, buf_view(&text), &p);
    assert_int_equal(p.n, 1);
    assert_int_equal(p.bad, 1);

    buf_reset(&text);
    buf_puts(&text, "rubbish:::=:====:gA==:");
    buf_puts(&text, account_text + 1);
    p = (struct db_pending){0};
    db_pending_parse(a, buf_view(&text), &p);
    assert_int_equal(p.n, 1);
    assert_int_equal(p.bad, 4);
    buf_release(&text);

    assert_int_equal(parse(a, "").n, 0);
    assert_int_equal(parse(a, ":::").bad, 0);
    /* A pickle, but of no tuple: 80 02 4e 2e */
    assert_int_equal(parse(a, ":gAJOLg==").bad, 1);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_what_the_reference_wrote),
        cmocka_unit_test(test_writes_what_the_reference_reads),
        cmocka_unit_test(test_base64_of_every_length),
        cmocka_unit_test(test_bad_records_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
