/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/ring/ring_fixture.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>

#include "common/clock.h"
#include "common/pickle.h"
#include "ring/builder.h"
#include "ring/rebalance.h"

static struct buf error;

static int setup(void **state)
{
    buf_init(&error, 64 * 1024);
    return fixture_setup(state);
}

static int teardown(void **state)
{
    buf_release(&error);
    return fixture_teardown(state);
}

static struct builder *make(int power, double replicas, int hours)
{
    struct builder *b;
    assert_int_equal(builder_new(power, replicas, hours, &b, &error), 0);
    return b;
}

static uint32_t add(struct builder *b, int64_t region, int64_t zone, const char *ip, const char *name,
                    double weight)
{
    uint32_t id;
    struct ring_device d = {.region = region,
                            .zone = zone,
                            .ip = ip,
                            .port = 6200,
                            .replication_ip = "10.9.9.9",
                            .replication_port = 6300,
                            .device = name,
                            .meta = "m\xc3\xa9ta",
                            .weight = weight};
    assert_int_equal(builder_add(b, &d, &id), 0);
    return id;
}

static struct builder *make_example(void)
{
    struct builder *b = make(4, 3, 1);
    add(b, 1, 1, "127.0.0.1", "sda", 100);
    add(b, 1, 2, "127.0.0.2", "sda", 100);
    add(b, 1, 3, "127.0.0.3", "sda", 100);
    add(b, 2, 1, "127.0.0.4", "sda", 50.5);
    return b;
}

/* The table that upstream's builder made of these devices with seed "42". */
static const uint32_t upstream_table[] = {1, 3, 1, 1, 3, 1, 1, 1, 1, 1, 3, 1, 1, 1, 3, 1,
                                          3, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0,
                                          0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 0, 2, 2, 2, 1, 2};

static void take_upstream_table(struct builder *b)
{
    b->rows = 3;
    b->entries = 48;
    b->table = xcalloc(49, sizeof(*b->table));
    memcpy(b->table, upstream_table, sizeof(upstream_table));
    for (size_t i = 0; i < 48; i++)
        b->devs[upstream_table[i]]->parts++;
}

static void test_figures(void **state)
{
    static const int64_t parts[] = {14, 15, 14, 5};
    struct builder *b = make_example();
    take_upstream_table(b);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(b->devs[i]->parts, parts[i]);
    assert_int_equal(builder_validate(b, &error), 0);
    assert_true(fabs(builder_balance(b) - 27.70) < 0.005);
    rebalance_measure(b);
    assert_true(fabs(b->dispersion - 22.92) < 0.005);
    assert_int_equal(b->version, 5);
    /* Region 1 has all three replicas of 11 partitions and two of five. */
    assert_int_equal(b->graph[0].depth, 1);
    assert_int_equal(b->graph[0].counts[3], 11);
    assert_int_equal(b->graph[0].counts[2], 5);
    builder_set_weight(b, 3, 0);
    assert_true(builder_balance(b) == BUILDER_MAX_BALANCE);
    builder_free(b);
}

static void test_ids_and_versions(void **state)
{
    struct builder *b = make_example();
    struct ring_device same = b->devs[2]->d;
    uint32_t id;
    assert_int_equal(b->version, 4);
    assert_true(b->devs_changed);
    assert_int_equal(builder_add(b, &same, &id), -EEXIST);
    assert_int_equal(id, 2);
    assert_int_equal(b->version, 4);
    assert_int_equal(builder_set_weight(b, 1, 5), 0);
    assert_int_equal(builder_set_region(b, 1, 7), 0);
    assert_int_equal(builder_set_zone(b, 1, 8), 0);
    assert_int_equal(b->version, 7);
    assert_int_equal(builder_remove(b, 1), 0);
    assert_int_equal(builder_set_weight(b, 1, 5), -EBUSY);
    assert_int_equal(builder_set_region(b, 1, 5), -EBUSY);
    assert_int_equal(builder_set_zone(b, 1, 5), -EBUSY);
    assert_int_equal(b->version, 8);
    b->devs_changed = false;
    builder_set_replicas(b, 3.01); /* not one slot more */
    assert_false(b->devs_changed);
    builder_set_replicas(b, 3.1);
    assert_true(b->devs_changed);
    assert_int_equal(b->version, 8);
    builder_free(b);
}

static void test_new_refused(void **state)
{
    struct builder *b;
    assert_int_equal(builder_new(33, 3, 1, &b, &error), -EINVAL);
    assert_int_equal(builder_new(-1, 3, 1, &b, &error), -EINVAL);
    assert_int_equal(builder_new(8, 0.99, 1, &b, &error), -EINVAL);
    assert_int_equal(builder_new(8, NAN, 1, &b, &error), -EINVAL);
    assert_int_equal(builder_new(8, 3, -1, &b, &error), -EINVAL);
    b = make(0, 1, 0);
    assert_int_equal(b->parts, 1);
    builder_free(b);
}

static void test_validate(void **state)
{
    struct builder *b = make_example();
    assert_int_equal(builder_validate(b, &error), -EINVAL);
    take_upstream_table(b);
    b->table[16] = 1;                                       /* partition 0 twice on device 1 */
    assert_int_equal(builder_validate(b, &error), -EINVAL); /* the counts */
    b->devs[3]->parts--;
    b->devs[1]->parts++;
    buf_reset(&error);
    assert_int_equal(builder_validate(b, &error), -EINVAL);
    assert_non_null(strstr(error.p, "The partition 0 has been assigned to duplicate devices"));
    b->table[16] = 9;
    buf_reset(&error);
    assert_int_equal(builder_validate(b, &error), -EINVAL);
    assert_non_null(strstr(error.p, "Partition 0, replica 1 was not allocated to a device."));
    builder_free(b);
}

/* --- the file ---------------------------------------------------------------------------------------------- */

static void assert_same(const struct builder *a, const struct builder *b)
{
    struct buf x, y;
    buf_init(&x, 1 << 24);
    buf_init(&y, 1 << 24);
    assert_int_equal(builder_serialize(a, &x), 0);
    assert_int_equal(builder_serialize(b, &y), 0);
    assert_int_equal(x.n, y.n);
    assert_memory_equal(x.p, y.p, x.n);
    buf_release(&x);
    buf_release(&y);
}

static void test_file(void **state)
{
    struct rebalance_result r;
    struct builder *b = make_example(), *back;
    char *path = fixture_path("o.builder");
    builder_set_replicas(b, 2.5);
    b->overload = 0.125;
    assert_int_equal(rebalance(b, STR("1"), &r, &error), 0);
    builder_remove(b, 0);
    assert_string_equal(b->id, "");
    assert_int_equal(builder_save(b, path, &error), 0);
    assert_int_equal(strlen(b->id), 32);
    assert_int_equal(builder_load(path, &back, &error), 0);
    assert_same(b, back);
    assert_true(back->devs[0]->removed);
    assert_false(back->devs[1]->removed);
    assert_string_equal(back->devs[1]->d.meta, "m\xc3\xa9ta");
    assert_int_equal(back->devs[1]->d.replication_port, 6300);
    assert_int_equal(back->rows, 3);
    assert_int_equal(builder_row_length(back, 2), 8);
    assert_int_equal(back->graph_n, b->graph_n);
    assert_true(back->overload == 0.125);
    assert_true(back->replicas == 2.5);
    assert_string_equal(back->id, b->id);
    builder_free(b);
    builder_free(back);
    free(path);
}

static void test_messages(void **state)
{
    struct builder *b;
    char *path = fixture_path("none.builder");
    buf_reset(&error);
    assert_int_equal(builder_load(path, &b, &error), -ENOENT);
    assert_non_null(strstr(error.p, "Ring Builder file does not exist: "));
    assert_non_null(strstr(error.p, path));
    assert_int_equal(file_replace(path, "rubbish", 7, 0644), 0);
    buf_reset(&error);
    assert_int_equal(builder_load(path, &b, &error), -EBADMSG);
    assert_non_null(strstr(error.p, "Ring Builder file is invalid: "));
    free(path);
}

/* A class instance, as very old builders are, and any other code is refused. */
static void test_no_objects(void **state)
{
    static const char evil[] = "cos\nsystem\n(S'true'\ntR.";
    struct builder *b;
    buf_reset(&error);
    assert_int_equal(builder_parse(str_from(evil), "x", &b, &error), -EBADMSG);
}

/* The few keys that an old builder has. */
static struct buf minimal(const char *leave_out, int64_t parts, size_t row_length)
{
    struct buf b;
    struct {
        const char *key;
        int64_t value;
    } ints[] = {
        {"part_power", 2},   {"replicas", 1}, {"min_part_hours", 1},         {"parts", parts},
        {"devs_changed", 0}, {"version", 1},  {"_last_part_moves_epoch", 5}, {"_last_part_gather_start", 0}};
    buf_init(&b, 1 << 20);
    pickle_begin(&b);
    pickle_dict_begin(&b);
    for (size_t i = 0; i < sizeof(ints) / sizeof(ints[0]); i++) {
        if (strcmp(ints[i].key, leave_out) == 0)
            continue;
        pickle_text(&b, str_from(ints[i].key));
        pickle_int(&b, ints[i].value);
    }
    pickle_text(&b, STR("devs"));
    pickle_list_begin(&b);
    pickle_none(&b);
    pickle_dict_begin(&b);
    static const char *const keys[] = {"id", "zone", "port", "weight", "parts"};
    for (size_t i = 0; i < 5; i++) {
        if (strcmp(keys[i], leave_out) == 0)
            continue;
        pickle_text(&b, str_from(keys[i]));
        pickle_int(&b, i == 4 ? (int64_t)row_length : 1);
    }
    pickle_text(&b, STR("ip"));
    pickle_text(&b, STR("10.0.0.1"));
    pickle_text(&b, STR("device"));
    pickle_text(&b, STR("sda"));
    pickle_dict_end(&b);
    pickle_list_end(&b);
    pickle_text(&b, STR("_replica2part2dev"));
    pickle_list_begin(&b);
    pickle_list_begin(&b); /* a list of ints in place of an array */
    for (size_t i = 0; i < row_length; i++)
        pickle_int(&b, 1);
    pickle_list_end(&b);
    pickle_list_end(&b);
    pickle_text(&b, STR("_last_part_moves"));
    pickle_none(&b);
    pickle_text(&b, STR("_remove_devs"));
    pickle_list_begin(&b);
    pickle_list_end(&b);
    pickle_dict_end(&b);
    pickle_end(&b);
    return b;
}

static void test_old_builder(void **state)
{
    struct builder *b;
    struct buf bytes = minimal("", 4, 4);
    buf_reset(&error);
    if (builder_parse(buf_view(&bytes), "x", &b, &error) != 0)
        fail_msg("%s", error.p);
    assert_int_equal(b->devs[1]->d.region, 1);
    assert_string_equal(b->devs[1]->d.replication_ip, "10.0.0.1");
    assert_int_equal(b->devs[1]->d.replication_port, 1);
    assert_string_equal(b->devs[1]->d.meta, "");
    assert_false(b->has_dispersion);
    assert_int_equal(b->last_part_moves[3], 0);
    assert_int_equal(b->next_part_power, -1);
    assert_int_equal(builder_validate(b, &error), 0);
    builder_free(b);
    buf_release(&bytes);
}

static void test_wrong_values(void **state)
{
    static const struct {
        const char *leave_out;
        int64_t parts;
        size_t row;
        const char *about;
    } wrong[] = {{"part_power", 4, 4, "part_power"},
                 {"replicas", 4, 4, "replicas"},
                 {"parts", 4, 4, "parts"},
                 {"version", 4, 4, "version"},
                 {"id", 4, 4, "'id'"},
                 {"port", 4, 4, "'port'"},
                 {"weight", 4, 4, "'weight'"},
                 {"", 8, 4, "parts"},
                 {"", 4, 5, "row 0"},
                 {"", 4, 3, "row 0"}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct builder *b;
        struct buf bytes = minimal(wrong[i].leave_out, wrong[i].parts, wrong[i].row);
        buf_reset(&error);
        assert_int_equal(builder_parse(buf_view(&bytes), "x", &b, &error), -EBADMSG);
        assert_non_null(strstr(error.p, wrong[i].about));
        buf_release(&bytes);
    }
}

/* Cut anywhere: refused. Any bit wrong: refused, or a builder that can be used. */
static void test_damage(void **state)
{
    struct rebalance_result r;
    struct builder *b = make_example(), *back;
    struct buf bytes;
    buf_init(&bytes, 1 << 20);
    assert_int_equal(rebalance(b, STR("1"), &r, &error), 0);
    assert_int_equal(builder_serialize(b, &bytes), 0);
    for (size_t n = 0; n < bytes.n; n++) {
        buf_reset(&error);
        assert_int_equal(builder_parse(str_of(bytes.p, n), "x", &back, &error), -EBADMSG);
        assert_true(error.n > 0);
    }
    for (size_t bit = 0; bit < bytes.n * 8; bit++) {
        buf_reset(&error);
        bytes.p[bit / 8] ^= (char)(1 << (bit % 8));
        if (builder_parse(buf_view(&bytes), "x", &back, &error) == 0) {
            if (back->replicas < 100 && rebalance(back, STR("1"), &r, &error) == 0)
                assert_int_equal(builder_validate(back, &error), 0);
            builder_free(back);
        }
        bytes.p[bit / 8] ^= (char)(1 << (bit % 8));
    }
    buf_release(&bytes);
    builder_free(b);
}

static void test_full_disk(void **state)
{
    struct builder *b = make_example(), *back;
    char *path = fixture_path("full.builder");
    assert_int_equal(builder_save(b, path, &error), 0);
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 300;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    builder_set_weight(b, 0, 7);
    buf_reset(&error);
    int err = builder_save(b, path, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(err, -EFBIG);
    assert_non_null(strstr(error.p, path));
    assert_int_equal(builder_load(path, &back, &error), 0);
    assert_true(back->devs[0]->d.weight == 100);
    builder_free(b);
    builder_free(back);
    free(path);
}

/* --- rings ------------------------------------------------------------------------------------------------- */

static void test_to_and_from_ring(void **state)
{
    struct rebalance_result r;
    struct arena *arena = arena_new();
    struct ring_data ring, read;
    struct builder *b = make_example(), *again;
    char *path = fixture_path("o.ring.gz");
    assert_int_equal(rebalance(b, STR("1"), &r, &error), 0);
    builder_to_ring(b, arena, &ring);
    assert_int_equal(ring_file_write(path, &ring, &error), 0);
    assert_int_equal(ring_file_read(path, &read, &error), 0);
    assert_true(builder_ring_is(b, &read));
    assert_int_equal(builder_from_ring(&read, 12, &again, &error), 0);
    assert_int_equal(again->min_part_hours, 12);
    assert_int_equal(builder_validate(again, &error), 0);
    assert_true(builder_ring_is(again, &read));
    builder_set_weight(b, 0, 1);
    assert_false(builder_ring_is(b, &read));
    builder_free(again);
    builder_free(b);
    ring_data_release(&read);
    arena_free(arena);
    free(path);
}

static void test_hours(void **state)
{
    struct builder *b = make(2, 1, 24);
    clock_fix((int64_t)1700000000 * 1000000000);
    b->last_part_moves_epoch = 1700000000 - 3600;
    assert_int_equal(builder_seconds_left(b), 23 * 3600);
    builder_pretend_min_part_hours_passed(b);
    assert_int_equal(builder_seconds_left(b), 0);
    assert_int_equal(b->last_part_moves[3], 255);
    clock_fix(0);
    builder_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures),      cmocka_unit_test(test_ids_and_versions),
        cmocka_unit_test(test_new_refused),  cmocka_unit_test(test_validate),
        cmocka_unit_test(test_file),         cmocka_unit_test(test_messages),
        cmocka_unit_test(test_no_objects),   cmocka_unit_test(test_old_builder),
        cmocka_unit_test(test_wrong_values), cmocka_unit_test(test_damage),
        cmocka_unit_test(test_full_disk),    cmocka_unit_test(test_to_and_from_ring),
        cmocka_unit_test(test_hours),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
