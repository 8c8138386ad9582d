/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/container/container_fixture.h"

#include "container/container_replicator.h"
#include "container/shard_range.h"

static struct shard_range range(void)
{
    return (struct shard_range){.name = STR(".shards_a/c"),
                                .timestamp = STR("1700000001.00000"),
                                .lower = STR("a"),
                                .upper = STR("m"),
                                .object_count = 1,
                                .bytes_used = 2,
                                .meta_timestamp = STR("1700000001.00000"),
                                .state = 20,
                                .state_timestamp = STR("1700000001.00000"),
                                .tombstones = -1};
}

static struct shard_range stored(struct fixture *f)
{
    struct shard_range *v;
    struct db_broker b;
    size_t n;

    broker(f, &b);
    assert_int_equal(shard_range_read_all(&b, &v, &n), 0);
    db_broker_release(&b);
    assert_int_equal(n, 1);
    return v[0];
}

static void merge(struct fixture *f, struct shard_range r)
{
    struct db_broker b;
    broker(f, &b);
    assert_int_equal(shard_range_merge(&b, &r, 1), 0);
    db_broker_release(&b);
}

/* facts: database 24 */
static void test_merge_sequence(void **state)
{
    struct fixture *f = *state;
    struct shard_range r;

    create(f);
    merge(f, range());
    r = range();
    r.state = 30;
    merge(f, r);
    assert_int_equal(stored(f).state, 30);
    merge(f, range()); /* 20, same times */
    assert_int_equal(stored(f).state, 30);
    r = range();
    r.state_timestamp = STR("1700000002.00000");
    merge(f, r);
    assert_int_equal(stored(f).state, 20);
    r = range();
    r.object_count = 9;
    r.meta_timestamp = STR("1700000003.00000");
    r.lower = STR("b");
    merge(f, r);
    assert_int_equal(stored(f).object_count, 9);
    assert_str(stored(f).lower, "a");
    r = range();
    r.timestamp = STR("1700000004.00000");
    r.lower = STR("b");
    r.deleted = true;
    r.state = 70;
    r.reported = true;
    merge(f, r);
    assert_str(stored(f).lower, "b");
    assert_true(stored(f).deleted);
    assert_int_equal(stored(f).state, 70);
    assert_false(stored(f).reported);
    merge(f, range()); /* older */
    assert_int_equal(stored(f).state, 70);
}

static void test_own_epoch_is_kept(void **state)
{
    struct fixture *f = *state;
    struct shard_range r = range();

    create(f);
    r.name = STR("AUTH_test/c1");
    r.epoch = STR("1700000001.00000");
    merge(f, r);
    r.epoch = STR_NONE;
    r.timestamp = STR("1700000009.00000");
    merge(f, r);
    assert_str(stored(f).epoch, "1700000001.00000");
}

static void test_json(void **state)
{
    struct arena *a = arena_new();
    struct shard_range r = range(), *v;
    struct buf error;
    size_t n;

    buf_init(&error, 1024);
    json_t *list = json_array();
    json_array_append_new(list, shard_range_json(&r));
    assert_int_equal(shard_range_parse(a, list, &v, &n, &error), 0);
    assert_int_equal(n, 1);
    assert_str(v[0].upper, "m");
    assert_null(v[0].epoch.p);
    assert_int_equal(v[0].tombstones, -1);
    json_object_del(json_array_get(list, 0), "upper");
    assert_int_equal(shard_range_parse(a, list, &v, &n, &error), -22);
    assert_str(buf_view(&error), "'upper'");
    json_decref(list);
    buf_release(&error);
    arena_free(a);
}

static void test_policy_choice(void **state)
{
    /* put, delete, status_changed_at of local and remote (facts: database 24) */
    static const struct {
        const char *local[3], *remote[3];
        bool take;
    } cases[] = {
        {{"5", "0", "5"}, {"3", "0", "3"}, true},     {{"3", "0", "3"}, {"5", "0", "5"}, false},
        {{"3", "9", "9"}, {"5", "0", "5"}, true},     {{"3", "0", "3"}, {"5", "9", "9"}, false},
        {{"3", "0", "3"}, {"11", "9", "11"}, true},   {{"7", "6", "7"}, {"11", "9", "11"}, true},
        {{"12", "6", "12"}, {"11", "9", "11"}, true}, {{"3", "6", "6"}, {"5", "9", "9"}, true},
    };
    char text[6][TIMESTAMP_NORMAL_SIZE];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct str t[6];
        for (int k = 0; k < 6; k++) {
            struct timestamp v;
            assert_int_equal(
                timestamp_parse(str_from(k < 3 ? cases[i].local[k] : cases[i].remote[k - 3]), &v), 0);
            t[k] = str_from(timestamp_normal(v, text[k]));
        }
        struct container_policy_claim local = {t[0], t[1], t[2], 0}, remote = {t[3], t[4], t[5], 0};
        assert_int_equal(container_policy_prefers_remote(&local, &remote), cases[i].take);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_merge_sequence),
        T(test_own_epoch_is_kept),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_policy_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
