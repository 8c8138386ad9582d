/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/app_test.h"

#include "middleware/middleware.h"

static void expect(struct under_test *u, const char *target, int status, const char *body)
{
    struct exchange x;
    exchange_init(&x, "GET", target);
    exchange_run(&x, u->app);
    CHECK_INT(x.rsp.status, status);
    CHECK(str_eq(exchange_text(&x), str_from(body)));
    exchange_release(&x);
}

static void run(void *arg)
{
    struct under_test u;
    char path[] = "/tmp/martlet-healthcheck.XXXXXX", conf[128];
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    snprintf(conf, sizeof(conf), "[filter:x]\ndisable_path = %s\n", path);
    under_test_init(&u, healthcheck_new, conf);
    expect(&u, "/healthcheck", 503, "DISABLED BY FILE");
    unlink(path);
    expect(&u, "/healthcheck", 200, "OK");
    CHECK_INT(u.next.calls, 0);
    expect(&u, "/healthcheck/", 200, "");
    CHECK_INT(u.next.calls, 1);
    under_test_release(&u);
}

static void test_healthcheck(void **state)
{
    in_task(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_healthcheck)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
