/* SPDX-License-Identifier: Apache-2.0
 *
 * test_ondisk.c: names, and the choice among the files of a hash folder: the vectors that upstream's code gave.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include "object/ondisk.h"

static struct timestamp ts(const char *text)
{
    struct timestamp t;
    assert_int_equal(timestamp_parse(str_from(text), &t), 0);
    return t;
}

static void test_parse(void **state)
{
    struct ondisk_file f;
    char text[TIMESTAMP_INTERNAL_SIZE];
    assert_int_equal(ondisk_parse(STR("1402464677.04188.data"), 0, &f), 0);
    assert_int_equal(f.kind, ONDISK_DATA);
    assert_int_equal(f.frag_index, -1);
    assert_string_equal(timestamp_internal(f.time, text), "1402464677.04188");
    assert_int_equal(ondisk_parse(STR("1700000010.00000_2+0.meta"), 0, &f), 0);
    assert_int_equal(f.kind, ONDISK_META);
    assert_true(f.has_ctype);
    assert_int_equal(timestamp_cmp(f.ctype, f.time), 0);
    assert_string_equal(timestamp_internal(f.time, text), "1700000010.00000_0000000000000002");
    assert_int_equal(ondisk_parse(STR("1700000010.00000-f4240.meta"), 0, &f), 0);
    assert_string_equal(timestamp_internal(f.ctype, text), "1700000000.00000");
    assert_int_equal(ondisk_parse(STR("1700000010.00000.meta"), 0, &f), 0);
    assert_false(f.has_ctype);
    assert_int_equal(ondisk_parse(STR("1700000010.00000_0000000000000001.ts"), 0, &f), 0);
    assert_int_equal(f.kind, ONDISK_TS);
    assert_int_equal(ondisk_parse(STR("1700000000.00000.foo"), 0, &f), 0);
    assert_int_equal(f.kind, ONDISK_OTHER);
}

static void test_parse_fragments(void **state)
{
    struct ondisk_file f;
    assert_int_equal(ondisk_parse(STR("1700000000.00000#2#d.data"), 3, &f), 0);
    assert_int_equal(f.frag_index, 2);
    assert_true(f.durable);
    assert_int_equal(ondisk_parse(STR("1700000000.00000#0.data"), 3, &f), 0);
    assert_false(f.durable);
    static const char *const bad[] = {"1700000000.00000.data",
                                      "1700000000.00000#3.data",
                                      "1700000000.00000#.data",
                                      "1700000000.00000#-1.data",
                                      "x#1.data",
                                      "1700000000.00000#x#d.data"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ondisk_parse(str_from(bad[i]), 3, &f), -EINVAL);
        assert_int_equal(f.fate, ONDISK_UNEXPECTED);
    }
    /* To a replication policy a fragment is not a name it knows. */
    assert_int_equal(ondisk_parse(STR("1700000000.00000#1.data"), 0, &f), -EINVAL);
}

static void test_parse_rejects(void **state)
{
    struct ondisk_file f;
    static const char *const bad[] = {
        "",        ".",      "..",       ".data",    "x.data",    ".1700000000.00000.data.Xy095a",
        "-1.data", "nan.ts", "1_2_3.ts", "1+x.meta", "1--1.meta", "10000000000.00000.data"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(ondisk_parse(str_from(bad[i]), 0, &f), -EINVAL);
    assert_true(ondisk_is_rsync_temp(STR(".1700000000.00000.data.Xy095a")));
    assert_false(ondisk_is_rsync_temp(STR("1700000000.00000.data.Xy095a")));
    assert_false(ondisk_is_rsync_temp(STR(".1700000000.00000.data.Xy09-a")));
    assert_false(ondisk_is_rsync_temp(STR(".Xy095a")));
    assert_false(ondisk_is_rsync_temp(STR("")));
}

static void test_names(void **state)
{
    char out[ONDISK_NAME_SIZE];
    struct timestamp t1 = ts("1402464677.04188"), t2 = ts("1402464677.05000"), o = ts("1402464677.04188_1f");
    assert_string_equal(ondisk_name(t1, ".data", out), "1402464677.04188.data");
    assert_string_equal(ondisk_name(o, ".ts", out), "1402464677.04188_000000000000001f.ts");
    assert_string_equal(ondisk_name_meta(t1, NULL, out), "1402464677.04188.meta");
    assert_string_equal(ondisk_name_meta(t1, &t1, out), "1402464677.04188+0.meta");
    assert_string_equal(ondisk_name_meta(t1, &t2, out), "1402464677.04188+32c.meta");
    assert_string_equal(ondisk_name_meta(o, &t2, out), "1402464677.04188_1f+32c.meta");
    assert_string_equal(ondisk_name_frag(t1, 3, true, out), "1402464677.04188#3#d.data");
    assert_string_equal(ondisk_name_frag(t1, 10, false, out), "1402464677.04188#10.data");
}

/* --- the choice: files given as one text, the outcome written as one text ------------------------------------------ */

/* "data=X meta=X ctype=X ts=X obsolete=X,Y stray=..." with what there is. */
static const char *outcome(const char *names, const struct ondisk_rules *rules)
{
    static char out[1024];
    struct arena *a = arena_new();
    struct ondisk_file files[16];
    struct ondisk_choice c;
    struct str rest = str_from(names), name;
    size_t n = 0;
    while (str_next(&rest, ' ', &name))
        ondisk_parse(name, rules->frag_count, &files[n++]);
    ondisk_choose(a, files, n, rules, &c);
    const struct {
        const char *label;
        const struct ondisk_file *file;
    } chosen[] = {{"data", c.data}, {"meta", c.meta}, {"ctype", c.ctype}, {"ts", c.ts}};
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < 4; i++)
        if (chosen[i].file)
            at += (size_t)snprintf(out + at, sizeof out - at, "%s%s=%.*s", at ? " " : "", chosen[i].label,
                                   STR_ARG(chosen[i].file->name));
    static const char *const labels[] = {NULL, "obsolete", "stray", "hidden", "unexpected"};
    for (int fate = ONDISK_OBSOLETE; fate <= ONDISK_UNEXPECTED; fate++)
        for (size_t i = 0; i < n; i++)
            if ((int)files[i].fate == fate)
                at += (size_t)snprintf(out + at, sizeof out - at, "%s%s=%.*s", at ? " " : "", labels[fate],
                                       STR_ARG(files[i].name));
    arena_free(a);
    return out;
}

static void test_choose_replicated(void **state)
{
    static const struct {
        const char *files, *outcome;
    } table[] = {
        {"", ""},
        {"5.data", "data=5.data"},
        {"5.data 5.ts", "ts=5.ts obsolete=5.data"},
        {"5.data 4.ts 3.meta", "data=5.data obsolete=4.ts obsolete=3.meta"},
        {"5.data 6.ts 7.meta", "ts=6.ts obsolete=5.data stray=7.meta"},
        {"5.data 5.meta", "data=5.data obsolete=5.meta"},
        {"5.data 4.data 6.meta 7.meta", "data=5.data meta=7.meta obsolete=6.meta obsolete=4.data"},
        {"5.data 3.ts 4.ts", "data=5.data obsolete=4.ts obsolete=3.ts"},
        {"3.ts 4.ts", "ts=4.ts obsolete=3.ts"},
        {"5.data 4.foo 6.bar", "data=5.data obsolete=4.foo"},
        {"5.data junk .5.data.abcdef", "data=5.data unexpected=junk unexpected=.5.data.abcdef"},
        {"5.meta", "stray=5.meta"},
        /* content types: -186a0 is one second back, +0 the same time */
        {"5.data 7+0.meta", "data=5.data meta=7+0.meta ctype=7+0.meta"},
        {"5.data 7-30d40.meta 6+0.meta", "data=5.data meta=7-30d40.meta ctype=6+0.meta"},
        {"5.data 7.meta 6+0.meta", "data=5.data meta=7.meta ctype=6+0.meta"},
        {"5.data 7+0.meta 6+0.meta", "data=5.data meta=7+0.meta ctype=7+0.meta obsolete=6+0.meta"},
        {"5.data 7-30d40.meta 7-186a0.meta",
         "data=5.data meta=7-186a0.meta ctype=7-186a0.meta obsolete=7-30d40.meta"},
        {"6.data 7.meta 6+0.meta", "data=6.data meta=7.meta obsolete=6+0.meta"},
        /* the same time with an offset is later */
        {"5.data 5_1.data", "data=5_1.data obsolete=5.data"},
    };
    struct ondisk_rules rules = ONDISK_REPLICATION;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_string_equal(outcome(table[i].files, &rules), table[i].outcome);
}

static void test_choose_fragments(void **state)
{
    struct ondisk_rules none = {.frag_count = 6, .frag_index = -1};
    struct ondisk_rules any = {.frag_count = 6, .frag_index = -1, .has_preferences = true};
    struct ondisk_rules first = {.frag_count = 6, .frag_index = 1};
    assert_string_equal(outcome("5#0.data 4#1#d.data", &none), "data=4#1#d.data stray=5#0.data");
    assert_string_equal(outcome("5#0.data 4#1#d.data", &any), "data=5#0.data");
    assert_string_equal(outcome("4#0#d.data 4#1#d.data", &none), "data=4#1#d.data");
    assert_string_equal(outcome("4#0#d.data 4#1.data", &first), "data=4#1.data");
    assert_string_equal(outcome("4#0.data 4#0#d.data", &none), "data=4#0#d.data");
    assert_string_equal(outcome("4#0#d.data 4.ts", &none), "ts=4.ts obsolete=4#0#d.data");
    assert_string_equal(outcome("5#2.data", &none), "stray=5#2.data");
    assert_string_equal(outcome("5#2.data 5.durable 3#1#d.data 4.meta", &none),
                        "data=5#2.data obsolete=4.meta obsolete=3#1#d.data");
    assert_string_equal(outcome("5.durable", &none), "obsolete=5.durable");
    /* The durable set's metadata is not what goes with a newer fragment that is not durable. */
    assert_string_equal(outcome("6#0.data 4#1#d.data 5.meta", &any), "data=6#0.data hidden=5.meta");
    assert_string_equal(outcome("6#0.data 4#1#d.data 7.meta", &any), "data=6#0.data meta=7.meta");
}

static void test_preferences(void **state)
{
    static const int not_0_1[] = {0, 1};
    static const int not_0[] = {0};
    struct ondisk_preference p[2] = {{.time = {500000, 0}, .exclude = not_0_1, .n_exclude = 2},
                                     {.time = {400000, 0}, .exclude = not_0, .n_exclude = 1}};
    struct ondisk_rules r = {
        .frag_count = 6, .frag_index = -1, .has_preferences = true, .preferences = p, .n_preferences = 2};
    const char *const files = "6#0.data 5#0.data 5#1.data 4#0#d.data 4#3#d.data";
    assert_string_equal(outcome(files, &r), "data=4#3#d.data stray=6#0.data stray=5#1.data stray=5#0.data");
    p[0].n_exclude = 1;
    assert_string_equal(outcome(files, &r), "data=5#1.data stray=6#0.data");
    r.n_preferences = 0;
    assert_string_equal(outcome(files, &r), "data=6#0.data stray=5#1.data stray=5#0.data");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_fragments),
        cmocka_unit_test(test_parse_rejects),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_choose_replicated),
        cmocka_unit_test(test_choose_fragments),
        cmocka_unit_test(test_preferences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
