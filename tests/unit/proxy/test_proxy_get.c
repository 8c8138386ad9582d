/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads from servers that fail in every way.
 */
#include "proxy_fixture.h"

#define O   "/v1/AUTH_a/c/o"
#define T1  "1700000001.00000"
#define T2  "1700000002.00000"
#define BIG (3 * 1024 * 1024 + 17)

static char *big;

static void make_big(void)
{
    big = xmalloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        big[i] = (char)(i * 7 + i / 251);
}

static void set_all(const char *bytes, size_t n)
{
    for (int i = 0; i < 3; i++)
        fake_set(i, bytes, n, T1);
}

static int asked(void)
{
    int n = 0;
    for (int i = 0; i < FAKES; i++)
        n += fakes[i].gets + fakes[i].heads;
    return n;
}

static void plain(void *arg)
{
    struct exchange x;
    fixture_start("");
    set_all("hello", 5);
    begin(&x, "GET", O);
    CHECK_INT(exchange_run(&x, fx.proxy), 0);
    CHECK_INT(x.rsp.status, 200);
    CHECK_STR(exchange_text(&x), "hello");
    CHECK_STR(exchange_field(&x, "Content-Type"), "text/x; a=b");
    CHECK_STR(exchange_field(&x, "Etag"), "5d41402abc4b2a76b9719d911017c592");
    CHECK_STR(exchange_field(&x, "Accept-Ranges"), "bytes");
    CHECK_STR(exchange_field(&x, "X-Object-Meta-A"), "1");
    CHECK_INT(asked(), 1);
    exchange_release(&x);
    begin(&x, "HEAD", O);
    exchange_run(&x, fx.proxy);
    CHECK_STR(exchange_field(&x, "Content-Length"), "5");
    exchange_release(&x);
    CHECK_INT(fx.account_heads + fx.container_heads, 2); /* looked up once, kept */
    fixture_stop();
}

static void what_servers_see(void *arg)
{
    struct exchange x;
    fixture_start("");
    set_all("hello", 5);
    for (int i = 1; i < 3; i++)
        fakes[i].mode = FAKE_500;
    begin(&x, "GET", "/v1/AUTH_a/c/o%20%C3%A4?x=y");
    exchange_header(&x, "X-Auth-Token", "secret");
    exchange_header(&x, "Connection", "X-Foo");
    exchange_header(&x, "If-Match", "*");
    exchange_run(&x, fx.proxy);
    CHECK(str_starts(buf_view(&fakes[0].last_target), STR("/sda/")));
    CHECK(str_ends(buf_view(&fakes[0].last_target), STR("/AUTH_a/c/o%20%C3%A4?x=y")));
    CHECK_STR(fake_header(0, x.arena, "X-Backend-Storage-Policy-Index"), "0");
    CHECK_STR(fake_header(0, x.arena, "X-Trans-Id"), "tx1");
    CHECK_STR(fake_header(0, x.arena, "If-Match"), "*");
    CHECK_STR(fake_header(0, x.arena, "Referer"), "GET http://proxy/v1/AUTH_a/c/o%20%C3%A4?x=y");
    CHECK(str_starts(fake_header(0, x.arena, "User-Agent"), STR("proxy-server ")));
    CHECK(fake_header(0, x.arena, "X-Timestamp").n >= 16);
    CHECK(!fake_header(0, x.arena, "X-Auth-Token").p);
    exchange_release(&x);
    fixture_stop();
}

/* One good replica is enough, whatever the others do. */
static void finds_the_good_one(void *arg)
{
    static const enum fake_mode bad[] = {FAKE_500, FAKE_507, FAKE_HANG};
    for (size_t m = 0; m < 4; m++) {
        for (int good = 0; good < 3; good++) {
            struct exchange x;
            fixture_start("");
            set_all("hello", 5);
            for (int i = 0; i < 3; i++)
                if (i != good && m == 3)
                    fake_kill(i);
                else if (i != good)
                    fakes[i].mode = bad[m];
            begin(&x, "GET", O);
            CHECK_INT(exchange_run(&x, fx.proxy), 0);
            CHECK_INT(x.rsp.status, 200);
            CHECK_STR(exchange_text(&x), "hello");
            exchange_release(&x);
            fixture_stop();
        }
    }
}

static void on_a_handoff(void *arg)
{
    struct exchange x;
    fixture_start("");
    fake_set(3, "hello", 5, T1);
    for (int i = 0; i < 3; i++)
        fake_kill(i);
    begin(&x, "GET", O);
    /* the account and the container are looked up on handoffs too */
    CHECK_INT(exchange_run(&x, fx.proxy), 0);
    CHECK_INT(x.rsp.status, 200);
    exchange_release(&x);
    fixture_stop();
}

static void missing(void *arg)
{
    struct exchange x;
    fixture_start("");
    begin(&x, "GET", O);
    exchange_run(&x, fx.proxy);
    CHECK_INT(x.rsp.status, 404);
    CHECK_STR(exchange_text(&x), "<html><h1>Not Found</h1><p>The resource could not be found.</p></html>");
    exchange_release(&x);
    /* one server down: the other two say 404 */
    fakes[0].mode = FAKE_500;
    CHECK_INT(simple("GET", O, NULL), 404);
    /* all down */
    for (int i = 0; i < FAKES; i++)
        fakes[i].mode = FAKE_500;
    CHECK_INT(simple("GET", O, NULL), 503);
    fixture_stop();
}

/* A tombstone newer than a copy hides it; an older one does not. */
static void tombstones(void *arg)
{
    for (int round = 0; round < 8; round++) { /* the order of servers is by chance */
        fixture_start("");
        fake_set(0, "old", 3, T1);
        fakes[1].tombstone = fakes[2].tombstone = T2;
        struct exchange x;
        begin(&x, "GET", O);
        exchange_header(&x, "X-Newest", "true");
        exchange_run(&x, fx.proxy);
        CHECK_INT(x.rsp.status, 404);
        exchange_release(&x);
        fixture_stop();
        fixture_start("");
        fake_set(0, "new", 3, T2);
        fakes[1].tombstone = fakes[2].tombstone = T1;
        CHECK_INT(simple("GET", O, NULL), 200);
        fixture_stop();
    }
}

static void newest(void *arg)
{
    struct exchange x;
    fixture_start("");
    fake_set(0, "older", 5, T1);
    fake_set(1, "newer", 5, T2);
    fake_set(2, "older", 5, T1);
    begin(&x, "GET", O);
    exchange_header(&x, "X-Newest", "true");
    CHECK_INT(exchange_run(&x, fx.proxy), 0);
    CHECK_STR(exchange_text(&x), "newer");
    exchange_release(&x);
    fixture_stop();
}

static bool same_bytes(struct str got, size_t from, size_t n)
{
    return got.n == n && memcmp(got.p, big + from, n) == 0;
}

/* Servers die at all kinds of places in the body; the client does not notice. */
static void resumes(void *arg)
{
    static const uint64_t places[] = {0, 1, 65536, 1000000, BIG - 1};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct exchange x;
        fixture_start("");
        set_all(big, BIG);
        for (int k = 0; k < 2; k++) {
            fakes[k].mode = FAKE_DIE;
            fakes[k].die_after = places[i];
        }
        begin(&x, "GET", O);
        CHECK_INT(exchange_run(&x, fx.proxy), 0);
        CHECK_INT(x.rsp.status, 200);
        CHECK(same_bytes(exchange_text(&x), 0, BIG));
        exchange_release(&x);
        begin(&x, "GET", O);
        exchange_header(&x, "Range", "bytes=1000-2000999");
        CHECK_INT(exchange_run(&x, fx.proxy), 0);
        CHECK_INT(x.rsp.status, 206);
        CHECK_STR(exchange_field(&x, "Content-Range"), "bytes 1000-2000999/3145745");
        CHECK(same_bytes(exchange_text(&x), 1000, 2000000));
        exchange_release(&x);
        fixture_stop();
    }
}

/* Never from another version of the object: the connection is cut instead. */
static void does_not_mix(void *arg)
{
    struct exchange x;
    int cut = 0, whole = 0;
    char *other = xmalloc(BIG);
    memset(other, 'x', BIG);
    for (int round = 0; round < 12; round++) {
        fixture_start("");
        set_all(big, BIG);
        fake_set(1, other, BIG, T2);
        fake_set(2, other, BIG, T2);
        fakes[0].mode = FAKE_DIE;
        fakes[0].die_after = 100000;
        begin(&x, "GET", O);
        int err = exchange_run(&x, fx.proxy);
        if (err) {
            CHECK(same_bytes(exchange_text(&x), 0, 100000));
            cut++;
        } else {
            CHECK(x.body.n == BIG && memcmp(x.body.p, other, BIG) == 0);
            whole++;
        }
        exchange_release(&x);
        fixture_stop();
    }
    CHECK(cut > 0 && whole > 0);
    free(other);
}

static void ranges(void *arg)
{
    struct exchange x;
    fixture_start("");
    set_all(big, BIG);
    begin(&x, "GET", O);
    exchange_header(&x, "Range", "bytes=0-9,100-199,3000000-");
    CHECK_INT(exchange_run(&x, fx.proxy), 0);
    CHECK_INT(x.rsp.status, 206);
    CHECK(str_starts(exchange_field(&x, "Content-Type"), STR("multipart/byteranges;boundary=")));
    CHECK_HAS(exchange_text(&x), "Content-Range: bytes 100-199/3145745\r\n\r\n");
    exchange_release(&x);
    /* each range goes on elsewhere by itself */
    for (int i = 0; i < 2; i++) {
        fakes[i].mode = FAKE_DIE;
        fakes[i].die_after = 50;
    }
    begin(&x, "GET", O);
    exchange_header(&x, "Range", "bytes=0-99999,200000-299999");
    CHECK_INT(exchange_run(&x, fx.proxy), 0);
    ssize_t at = str_find_str(exchange_text(&x), STR("bytes 200000-299999/3145745\r\n\r\n"), 0);
    CHECK(at > 100000);
    if (at > 0)
        CHECK(memcmp(x.body.p + at + 31, big + 200000, 100000) == 0);
    exchange_release(&x);
    fakes[0].mode = fakes[1].mode = FAKE_GOOD;
    begin(&x, "GET", O);
    exchange_header(&x, "Range", "bytes=9999999-,9999998-");
    exchange_run(&x, fx.proxy);
    CHECK_INT(x.rsp.status, 416);
    CHECK_STR(exchange_field(&x, "Content-Range"), "bytes */3145745");
    exchange_release(&x);
    begin(&x, "GET", "/v1/AUTH_a/c/o");
    for (int i = 0; i < 3; i++)
        fakes[i].present = false;
    exchange_header(&x, "Range", "bytes=0-1,3-4");
    exchange_run(&x, fx.proxy);
    CHECK_INT(x.rsp.status, 404);
    CHECK_HAS(exchange_text(&x), "Not Found");
    exchange_release(&x);
    fixture_stop();
}

/* A device that answers 507, or fails too often, is left alone. */
static void error_limits(void *arg)
{
    fixture_start("error_suppression_limit = 2\n");
    set_all("hello", 5);
    fakes[0].mode = FAKE_507;
    fakes[1].mode = FAKE_500;
    for (int i = 0; i < 40; i++)
        CHECK_INT(simple("GET", O, NULL), 200);
    CHECK_INT(fakes[2].gets, 40);
    fakes[0].mode = fakes[1].mode = FAKE_GOOD;
    for (int i = 0; i < 10; i++)
        CHECK_INT(simple("GET", O, NULL), 200);
    CHECK_INT(fakes[0].gets + fakes[1].gets, 0);
    fixture_stop();
}

#define TASK_TEST(name)                   \
    static void test_##name(void **state) \
    {                                     \
        in_task(name);                    \
    }
TASK_TEST(plain)
TASK_TEST(what_servers_see)
TASK_TEST(finds_the_good_one)
TASK_TEST(on_a_handoff)
TASK_TEST(missing)
TASK_TEST(tombstones)
TASK_TEST(newest)
TASK_TEST(resumes)
TASK_TEST(does_not_mix)
TASK_TEST(ranges)
TASK_TEST(error_limits)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_what_servers_see),
        cmocka_unit_test(test_finds_the_good_one),
        cmocka_unit_test(test_on_a_handoff),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_tombstones),
        cmocka_unit_test(test_newest),
        cmocka_unit_test(test_resumes),
        cmocka_unit_test(test_does_not_mix),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_error_limits),
    };
    log_set_level(LOG_LEVEL_ERROR);
    if (!getenv("MARTLET_TEST_LOG"))
        log_set_level((enum log_level) - 1); /* the failures are the point */
    make_big();
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    free(big);
    return status;
}
