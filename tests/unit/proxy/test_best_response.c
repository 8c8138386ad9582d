/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include "proxy/best_response.h"

struct row {
    int statuses[5];
    size_t n, quorum;
    int best; /* index, or -1 */
};

static void test_best_response(void **state)
{
    static const struct row rows[] = {
        {{201, 201, 201}, 3, 2, 0},
        {{201, 202, 201}, 3, 2, 1}, /* the highest of the class, not the most frequent */
        {{404, 201, 201}, 3, 2, 1},
        {{404, 404, 201}, 3, 2, 0},
        {{404, 412, 201}, 3, 2, 1},
        {{404, 409, 412}, 3, 2, 2},
        {{503, 503, 201}, 3, 2, -1},
        {{503, 404, 201}, 3, 2, -1},
        {{503, 503, 503}, 3, 2, -1},
        {{304, 304, 404}, 3, 2, 0},
        {{201, 404}, 2, 1, 0}, /* classes in order: 2xx first */
        {{404, 201}, 2, 1, 1},
        {{200, 200, 404, 404}, 4, 2, 0},
        {{202, 404, 404, 404, 202}, 5, 3, 1},
        {{100, 100, 100}, 3, 2, -1},
        {{0}, 0, 0, -1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (best_response(rows[i].statuses, rows[i].n, rows[i].quorum) != rows[i].best)
            fail_msg("row %zu: %d", i, best_response(rows[i].statuses, rows[i].n, rows[i].quorum));
}

static void test_have_quorum(void **state)
{
    const int mixed[] = {201, 404, 503, 201}, informational[] = {100, 100};
    assert_false(have_quorum(mixed, 0, 2));
    assert_false(have_quorum(mixed, 3, 2));
    assert_true(have_quorum(mixed, 4, 2));
    assert_true(have_quorum(informational, 2, 2));
    assert_false(have_quorum(informational, 1, 2));
}

/* DELETE: 404 counts as 204 where there is no quorum otherwise. */
static void test_override(void **state)
{
    static const struct row rows[] = {
        {{204, 404, 503}, 3, 2, 0},  {{404, 204, 503}, 3, 2, 1},  {{404, 404, 503}, 3, 2, 0},
        {{404, 503, 503}, 3, 2, -1}, {{204, 404, 404}, 3, 2, 1},  {{204, 404, 409}, 3, 2, 2},
        {{409, 404, 503}, 3, 2, 0},  {{503, 503, 204}, 3, 2, -1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (best_response_override(rows[i].statuses, rows[i].n, rows[i].quorum, 404, 204) != rows[i].best)
            fail_msg("row %zu: %d", i,
                     best_response_override(rows[i].statuses, rows[i].n, rows[i].quorum, 404, 204));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_best_response),
        cmocka_unit_test(test_have_quorum),
        cmocka_unit_test(test_override),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
