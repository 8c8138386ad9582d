/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes to servers that fail in every way: three copies while anything else is left, a quorum's answer, no half object.
 */
#include "proxy_fixture.h"

#define O          "/v1/AUTH_a/c/o"
#define BIG        (2 * 1024 * 1024 + 5)
#define HUGE_BYTES (20 << 20) /* more than fits between two sockets */

static char *big;

static void three_copies(void *arg)
{
    struct exchange x;
    fixture_start("");
    begin(&x, "PUT", O);
    exchange_body(&x, "hello");
    exchange_header(&x, "Content-Type", "text/x");
    exchange_header(&x, "X-Object-Meta-A", "1");
    exchange_run(&x, fx.proxy);
    CHECK_INT(x.rsp.status, 201);
    CHECK_STR(exchange_field(&x, "Etag"), "5d41402abc4b2a76b9719d911017c592");
    CHECK(exchange_field(&x, "Last-Modified").n > 0);
    CHECK_STR(exchange_text(&x), "");
    for (int i = 0; i < 3; i++) {
        CHECK_STR(stored_by(i), "hello");
        CHECK_STR(fake_header(i, x.arena, "Expect"), "100-continue");
        CHECK_STR(fake_header(i, x.arena, "Content-Length"), "5");
        CHECK_STR(fake_header(i, x.arena, "X-Object-Meta-A"), "1");
        CHECK(str_eq(fake_header(i, x.arena, "X-Timestamp"), fake_header(0, x.arena, "X-Timestamp")));
        CHECK(fake_header(i, x.arena, "X-Container-Partition").n > 0);
        CHECK_STR(fake_header(i, x.arena, "X-Container-Device"), "sda");
    }
    /* each server tells another container server */
    struct str a = fake_header(0, x.arena, "X-Container-Host"),
               b = fake_header(1, x.arena, "X-Container-Host"),
               c = fake_header(2, x.arena, "X-Container-Host");
    CHECK(!str_eq(a, b) && !str_eq(b, c) && !str_eq(a, c));
    CHECK_INT(fakes[3].puts + fakes[4].puts, 0);
    exchange_release(&x);
    fixture_stop();
}

static void content_types(void *arg)
{
    struct exchange x;
    fixture_start("");
    begin(&x, "PUT", "/v1/AUTH_a/c/dir/page.html");
    exchange_body(&x, "x");
    exchange_run(&x, fx.proxy);
    CHECK_STR(fake_header(0, x.arena, "Content-Type"), "text/html");
    exchange_release(&x);
    begin(&x, "PUT", "/v1/AUTH_a/c/noextension");
    exchange_body(&x, "x");
    exchange_run(&x, fx.proxy);
    CHECK_STR(fake_header(0, x.arena, "Content-Type"), "application/octet-stream");
    exchange_release(&x);
    begin(&x, "PUT", "/v1/AUTH_a/c/x.tar.gz");
    exchange_body(&x, "x");
    exchange_header(&x, "Content-Type", "given/type");
    exchange_header(&x, "X-Detect-Content-Type", "yes");
    exchange_run(&x, fx.proxy);
    CHECK_STR(fake_header(0, x.arena, "Content-Type"), "application/x-tar");
    exchange_release(&x);
    begin(&x, "PUT", O);
    exchange_body(&x, "x");
    exchange_header(&x, "Content-Type", "a/b; swift_bytes=3");
    exchange_run(&x, fx.proxy);
    CHECK_INT(x.rsp.status, 400);
    CHECK_STR(exchange_text(&x), "Invalid Content-Type, swift_* is not a valid parameter name.");
    exchange_release(&x);
    fixture_stop();
}

static void empty_and_chunked(void *arg)
{
    struct exchange x;
    fixture_start("");
    CHECK_INT(simple("PUT", O, ""), 201);
    CHECK_INT(copies(), 3);
    CHECK_INT(stored_by(0).n, 0);
    begin(&x, "PUT", O);
    x.req.body = http_body_memory(x.arena, STR("chunks"));
    x.req.body->length = -1;
    x.req.content_length = -1;
    x.req.chunked = true;
    exchange_run(&x, fx.proxy);
    CHECK_INT(x.rsp.status, 201);
    CHECK_STR(stored_by(2), "chunks");
    CHECK_STR(fake_header(2, x.arena, "Transfer-Encoding"), "chunked");
    exchange_release(&x);
    CHECK_INT(simple("PUT", O, NULL), 411);
    fixture_stop();
}

static int put_big(void)
{
    struct exchange x;
    begin(&x, "PUT", O);
    x.req.body = http_body_memory(x.arena, str_of(big, BIG));
    x.req.content_length = BIG;
    x.req.has_length = true;
    exchange_run(&x, fx.proxy);
    int status = x.rsp.status;
    exchange_release(&x);
    return status;
}

static int whole_copies(void)
{
    int n = 0;
    for (int i = 0; i < FAKES; i++) {
        struct str s = stored_by(i);
        if (!s.p)
            continue;
        CHECK(s.n == BIG && memcmp(s.p, big, BIG) == 0);
        n++;
    }
    return n;
}

/* One server that fails before the body: a handoff takes its copy. */
static void handoffs_before_the_body(void *arg)
{
    static const enum fake_mode bad[] = {FAKE_500, FAKE_507, FAKE_HANG};
    for (size_t m = 0; m < 4; m++) {
        for (int victim = 0; victim < 3; victim++) {
            fixture_start("");
            if (m == 3)
                fake_kill(victim);
            else
                fakes[victim].mode = bad[m];
            CHECK_INT(put_big(), 201);
            fx.release = true;
            CHECK(!stored_by(victim).p);
            CHECK_INT(whole_copies(), 3);
            CHECK(stored_by(3).p || stored_by(4).p);
            fixture_stop();
        }
    }
}

/* One server that fails within the body: the other two are a quorum. */
static void loses_one_within_the_body(void *arg)
{
    static const uint64_t places[] = {1, 300000, BIG};
    for (size_t i = 0; i < 3; i++) {
        fixture_start("");
        fakes[1].mode = FAKE_DIE;
        fakes[1].die_after = places[i];
        CHECK_INT(put_big(), 201);
        CHECK_INT(whole_copies(), 2);
        fixture_stop();
    }
}

/* One that does not read on is left behind after node_timeout, and holds nobody up longer. */
static void loses_a_stalled_one(void *arg)
{
    fixture_start("");
    fakes[2].mode = FAKE_STALL;
    fakes[2].die_after = 1;
    char *huge = xcalloc(1, HUGE_BYTES);
    int64_t start = clock_monotonic_ms();
    struct exchange x;
    begin(&x, "PUT", O);
    x.req.body = http_body_memory(x.arena, str_of(huge, HUGE_BYTES));
    x.req.content_length = HUGE_BYTES;
    x.req.has_length = true;
    exchange_run(&x, fx.proxy);
    CHECK_INT(x.rsp.status, 201);
    CHECK(clock_monotonic_ms() - start < 8000);
    CHECK_INT(stored_by(0).n, HUGE_BYTES);
    CHECK_INT(stored_by(1).n, HUGE_BYTES);
    CHECK(!stored_by(2).p);
    exchange_release(&x);
    fx.release = true;
    fixture_stop();
    free(huge);
}

/* A slow answer is not waited for, but its copy arrives. */
static void late_answers_arrive_later(void *arg)
{
    fixture_start("");
    fakes[0].mode = FAKE_STALL; /* small body: read whole, then stalled before the answer */
    fakes[0].die_after = 1;
    int64_t start = clock_monotonic_ms();
    CHECK_INT(simple("PUT", O, "hello"), 201);
    CHECK(clock_monotonic_ms() - start < 350);
    CHECK_INT(copies(), 2);
    fx.release = true;
    for (int i = 0; i < 200 && copies() < 3; i++)
        rt_sleep(5);
    CHECK_INT(copies(), 3);
    fixture_stop();
}

static void no_quorum(void *arg)
{
    fixture_start("");
    for (int i = 0; i < FAKES; i++)
        fakes[i].mode = i ? FAKE_500 : FAKE_GOOD;
    CHECK_INT(put_big(), 503);
    CHECK_INT(copies(), 0);
    fixture_stop();
    fixture_start("");
    for (int i = 0; i < 2; i++) {
        fakes[i].mode = FAKE_DIE;
        fakes[i].die_after = 100000;
    }
    CHECK_INT(put_big(), 503);
    fixture_stop();
}

static void conflicts(void *arg)
{
    struct exchange x;
    fixture_start("");
    fakes[1].mode = FAKE_CONFLICT;
    CHECK_INT(simple("PUT", O, "hello"), 202);
    CHECK_INT(copies(), 0);
    fixture_stop();
    fixture_start("");
    fake_set(1, "there", 5, "1700000000.00000");
    begin(&x, "PUT", O);
    exchange_body(&x, "hello");
    exchange_header(&x, "If-None-Match", "*");
    exchange_run(&x, fx.proxy);
    CHECK_INT(x.rsp.status, 412);
    CHECK_INT(copies(), 1);
    exchange_release(&x);
    begin(&x, "PUT", O);
    exchange_body(&x, "hello");
    exchange_header(&x, "If-None-Match", "\"abc\"");
    exchange_run(&x, fx.proxy);
    CHECK_INT(x.rsp.status, 400);
    CHECK_STR(exchange_text(&x), "If-None-Match only supports *");
    exchange_release(&x);
    fixture_stop();
}

static void etags(void *arg)
{
    struct exchange x;
    fixture_start("");
    begin(&x, "PUT", O);
    exchange_body(&x, "hello");
    exchange_header(&x, "Etag", "00000000000000000000000000000000");
    exchange_run(&x, fx.proxy);
    CHECK_INT(x.rsp.status, 422);
    CHECK_HAS(exchange_text(&x), "Unable to process the contained instructions");
    CHECK_INT(copies(), 0);
    exchange_release(&x);
    fakes[0].mode = FAKE_OTHER_ETAG;
    fakes[1].mode = FAKE_GOOD;
    CHECK_INT(simple("PUT", O, "hello"), 500);
    fixture_stop();
}

/* The client's body ends early, breaks off or times out: nothing is stored. */
static int client_error;
static ssize_t broken_read(struct http_body *b, void *p, size_t n)
{
    if (b->length-- > 0) {
        memset(p, 'x', n);
        return (ssize_t)n;
    }
    return client_error;
}

static void bad_clients(void *arg)
{
    static const struct http_body_ops ops = {.read = broken_read};
    static const struct {
        int error, status;
    } cases[] = {{0, 499}, {-ETIMEDOUT, 408}, {-ECONNRESET, 499}, {-EFBIG, 413}};
    for (size_t i = 0; i < 4; i++) {
        struct exchange x;
        fixture_start("");
        client_error = cases[i].error;
        begin(&x, "PUT", O);
        struct http_body body = {&ops, 5}; /* five pieces, then the end */
        x.req.body = &body;
        x.req.content_length = 100000000;
        x.req.has_length = true;
        exchange_run(&x, fx.proxy);
        CHECK_INT(x.rsp.status, cases[i].status);
        exchange_release(&x);
        rt_sleep(50);
        CHECK_INT(copies(), 0);
        fixture_stop();
    }
}

static void limits(void *arg)
{
    struct exchange x;
    fixture_start("");
    begin(&x, "PUT", O);
    exchange_body(&x, "hello");
    x.req.content_length = 5368709123;
    exchange_run(&x, fx.proxy);
    CHECK_INT(x.rsp.status, 413);
    exchange_release(&x);
    fx.container_missing = true;
    memcache_delete(fx.cache, STR("container/AUTH_a/c"));
    CHECK_INT(simple("PUT", O, "hello"), 404);
    for (int i = 0; i < FAKES; i++)
        CHECK_INT(fakes[i].puts, 0);
    fixture_stop();
}

static void expiry(void *arg)
{
    struct exchange x;
    int hosts = 0;
    fixture_start("");
    begin(&x, "PUT", O);
    exchange_body(&x, "hello");
    exchange_header(&x, "X-Delete-At", "5000000000");
    exchange_run(&x, fx.proxy);
    CHECK_INT(x.rsp.status, 201);
    for (int i = 0; i < 3; i++) {
        struct str queue = fake_header(i, x.arena, "X-Delete-At-Container");
        hosts += fake_header(i, x.arena, "X-Delete-At-Host").n > 0;
        CHECK_INT(queue.n, 10);
        CHECK(str_starts(queue, STR("4999")));
        CHECK_STR(fake_header(i, x.arena, "X-Delete-At"), "5000000000");
    }
    CHECK_INT(hosts, 3);
    CHECK_STR(x.env->log_info, "x-delete-at:5000000000");
    exchange_release(&x);
    fixture_stop();
}

static void posts_and_deletes(void *arg)
{
    fixture_start("");
    CHECK_INT(simple("PUT", O, "hello"), 201);
    CHECK_INT(simple("POST", O, NULL), 202);
    CHECK_INT(fakes[0].posts + fakes[1].posts + fakes[2].posts, 3);
    fake_kill(0);
    CHECK_INT(simple("POST", O, NULL), 202);
    CHECK_INT(simple("DELETE", O, NULL), 204);
    CHECK_INT(fakes[1].deletes + fakes[2].deletes, 2);
    CHECK_INT(fakes[3].deletes + fakes[4].deletes, 1); /* in place of the dead one */
    CHECK_INT(simple("DELETE", O, NULL), 404);
    CHECK_INT(simple("POST", O, NULL), 404);
    fixture_stop();
    /* one copy left, two servers without: no quorum but for DELETE, which counts 404 as done */
    fixture_start("");
    fake_set(0, "x", 1, "1700000000.00000");
    fakes[1].mode = FAKE_500;
    fakes[3].mode = fakes[4].mode = FAKE_500;
    CHECK_INT(simple("DELETE", O, NULL), 204);
    fixture_stop();
}

#define TASK_TEST(name)                   \
    static void test_##name(void **state) \
    {                                     \
        in_task(name);                    \
    }
TASK_TEST(three_copies)
TASK_TEST(content_types)
TASK_TEST(empty_and_chunked)
TASK_TEST(handoffs_before_the_body)
TASK_TEST(loses_one_within_the_body)
TASK_TEST(loses_a_stalled_one)
TASK_TEST(late_answers_arrive_later)
TASK_TEST(no_quorum)
TASK_TEST(conflicts)
TASK_TEST(etags)
TASK_TEST(bad_clients)
TASK_TEST(limits)
TASK_TEST(expiry)
TASK_TEST(posts_and_deletes)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_copies),
        cmocka_unit_test(test_content_types),
        cmocka_unit_test(test_empty_and_chunked),
        cmocka_unit_test(test_handoffs_before_the_body),
        cmocka_unit_test(test_loses_one_within_the_body),
        cmocka_unit_test(test_loses_a_stalled_one),
        cmocka_unit_test(test_late_answers_arrive_later),
        cmocka_unit_test(test_no_quorum),
        cmocka_unit_test(test_conflicts),
        cmocka_unit_test(test_etags),
        cmocka_unit_test(test_bad_clients),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_posts_and_deletes),
    };
    if (!getenv("MARTLET_TEST_LOG"))
        log_set_level((enum log_level) - 1); /* the failures are the point */
    big = xmalloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        big[i] = (char)(i * 13 + i / 509);
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    free(big);
    return status;
}
