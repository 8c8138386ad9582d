/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy_fixture.h"

#include "proxy/node_iter.h"

static const struct ring *ring;
static struct error_limiter *limiter;
static struct arena *arena;

static void start(struct node_iter *it, const char *count, bool shuffle)
{
    struct node_count n;
    CHECK_INT(node_count_parse(str_from(count), &n), 0);
    node_iter_init(it, arena, limiter, ring, 0, n, shuffle);
}

/* Ids of all that come: "012", handoffs after a bar: "012|34". */
static struct str walk(struct node_iter *it)
{
    struct str s = STR("");
    struct node node;
    bool bar = false;
    while (node_iter_next(it, &node)) {
        s = arena_printf(arena, "%.*s%s%u", STR_ARG(s), node.handoff && !bar ? "|" : "", node.device->id);
        bar |= node.handoff;
    }
    node_iter_release(it);
    return s;
}

static void order(void *arg)
{
    struct node_iter it;
    unsigned firsts = 0;
    fixture_start("");
    ring = rings_object(fx.rings, &fx.swift->policies.v[0]);
    limiter = error_limiter_new(60000, 2);
    arena = arena_new();
    start(&it, "2 * replicas", false);
    struct str all = walk(&it);
    CHECK(str_eq(all, STR("012|34")) || str_eq(all, STR("012|43")));
    start(&it, "4", false);
    CHECK_INT(walk(&it).n, 5);
    start(&it, "2", false);
    CHECK_STR(walk(&it), "01");
    start(&it, "1 * replicas", false);
    CHECK_STR(walk(&it), "012");
    for (int i = 0; i < 100; i++) { /* every primary comes first at times */
        start(&it, "1", true);
        firsts |= 1u << (walk(&it).p[0] - '0');
    }
    CHECK_INT(firsts, 7);

    /* error limited devices are skipped */
    error_limiter_limit(limiter, ring_device(ring, 1));
    start(&it, "3", false);
    CHECK_INT(walk(&it).n, 4); /* "02|3" or "02|4" */
    /* one that becomes limited while it is used is made up for */
    struct node node;
    start(&it, "2", false);
    CHECK(node_iter_next(&it, &node) && node.device->id == 0);
    error_limiter_limit(limiter, ring_device(ring, 0));
    CHECK(node_iter_next(&it, &node) && node.device->id == 2);
    CHECK(node_iter_next(&it, &node) && node.handoff && node.index == 0);
    CHECK(!node_iter_next(&it, &node));
    node_iter_release(&it);
    /* with 0 and 1 limited only 2 is left of the primaries: one of them comes after all others */
    start(&it, "2 * replicas", false);
    all = walk(&it);
    CHECK(str_eq(all, STR("2|340")) || str_eq(all, STR("2|430")));
    error_limiter_limit(limiter, ring_device(ring, 2));
    start(&it, "2 * replicas", false);
    all = walk(&it);
    CHECK(str_eq(all, STR("|3401")) || str_eq(all, STR("|4301")));
    arena_free(arena);
    error_limiter_free(limiter);
    ring_unref(ring);
    fixture_stop();
}

static void test_order(void **state)
{
    in_task(order);
}

static void test_count(void **state)
{
    struct node_count n;
    assert_int_equal(node_count_parse(STR("2 * replicas"), &n), 0);
    assert_true(n.times_replicas && n.number == 2);
    assert_int_equal(node_count_parse(STR(" 7 "), &n), 0);
    assert_true(!n.times_replicas && n.number == 7);
    assert_int_equal(node_count_parse(STR("0"), &n), -EINVAL);
    assert_int_equal(node_count_parse(STR("2 * nodes"), &n), -EINVAL);
    assert_int_equal(node_count_parse(STR("x"), &n), -EINVAL);
    assert_int_equal(node_count_parse(STR(""), &n), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
