/* SPDX-License-Identifier: Apache-2.0
 *
 * container_fixture.h: one container database for tests.
 */
#ifndef TESTS_UNIT_CONTAINER_CONTAINER_FIXTURE_H
#define TESTS_UNIT_CONTAINER_CONTAINER_FIXTURE_H

#include "container/container_broker.h"
#include "tests/unit/db/db_fixture.h"

#define HASH "599ccabae0540ca2119d6d1d29de3cc8" /* AUTH_test/c1, suffix changeme */

__attribute__((unused)) static void broker_in(struct fixture *f, struct arena *a, struct db_broker *b)
{
    db_broker_init(b, f->cache, &container_broker_kind, a, f->device, STR("5"), HASH, STR("AUTH_test"),
                   STR("c1"));
}

__attribute__((unused)) static void broker(struct fixture *f, struct db_broker *b)
{
    broker_in(f, f->arena, b);
}

__attribute__((unused)) static char *path_of(struct fixture *f)
{
    return xasprintf("%s/containers/5/cc8/" HASH "/" HASH ".db", f->device);
}

__attribute__((unused)) static void create(struct fixture *f)
{
    struct db_broker b;
    broker(f, &b);
    assert_int_equal(db_broker_create(&b, STR("1700000000.00000"), 0), 0);
    db_broker_release(&b);
}

__attribute__((unused)) static struct object_row put(struct str name, const char *created_at, int64_t size,
                                                     const char *content_type)
{
    return (struct object_row){.name = name,
                               .created_at = str_from(created_at),
                               .size = size,
                               .content_type = str_from(content_type),
                               .etag = STR("etag")};
}

__attribute__((unused)) static void merge_one(struct fixture *f, struct object_row row)
{
    struct db_broker b;
    broker(f, &b);
    assert_int_equal(container_merge_rows(&b, &row, 1, STR_NONE), 0);
    db_broker_release(&b);
}

#define T(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)

#endif
