/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/ring/ring_fixture.h"

#include <errno.h>

#include "ring/device_search.h"

/* What a value means, in one line; NULL: refused. Upstream's parsers gave the same answers but where noted. */
struct vector {
    const char *text, *meaning;
};

static void describe(const struct device_spec *s, struct buf *b)
{
    if (s->set & DEVICE_ID)
        buf_printf(b, "id=%lld ", (long long)s->id);
    if (s->set & DEVICE_REGION)
        buf_printf(b, "region=%lld ", (long long)s->region);
    if (s->set & DEVICE_ZONE)
        buf_printf(b, "zone=%lld ", (long long)s->zone);
    if (s->set & DEVICE_IP)
        buf_printf(b, "ip=%s ", s->ip);
    if (s->set & DEVICE_PORT)
        buf_printf(b, "port=%lld ", (long long)s->port);
    if (s->set & DEVICE_REPLICATION_IP)
        buf_printf(b, "rip=%s ", s->replication_ip);
    if (s->set & DEVICE_REPLICATION_PORT)
        buf_printf(b, "rport=%lld ", (long long)s->replication_port);
    if (s->set & DEVICE_NAME)
        buf_printf(b, "dev=%s ", s->device);
    if (s->set & DEVICE_META)
        buf_printf(b, "meta=%s ", s->meta);
}

typedef int parse_fn(const char *text, struct arena *arena, struct device_spec *ret, struct buf *error);

static void check(parse_fn *parse, const struct vector *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct arena *arena = arena_new();
        struct device_spec spec = {0};
        struct buf error, got;
        buf_init(&error, 4096);
        buf_init(&got, 4096);
        int err = parse(v[i].text, arena, &spec, &error);
        if (err == 0)
            describe(&spec, &got);
        assert_true(err == 0 || (err == -EINVAL && error.n > 0));
        if ((err == 0) != (v[i].meaning != NULL) || (v[i].meaning && strcmp(got.p, v[i].meaning) != 0))
            fail_msg("'%s' gave %d '%s'", v[i].text, err, err == 0 ? got.p : error.p);
        buf_release(&error);
        buf_release(&got);
        arena_free(arena);
    }
}

static void test_add(void **state)
{
    static const struct vector v[] = {
        {"r1z2-10.1.2.3:7878/sdf_meta x", "region=1 zone=2 ip=10.1.2.3 port=7878 dev=sdf meta=meta x "},
        {"z1-[::1]:7R[fe80::A]:8/d", "zone=1 ip=::1 port=7 rip=fe80::a rport=8 dev=d "},
        {"z1-::1:80/x", "zone=1 ip=::1 port=80 dev=x "},
        {"z1-[2001:DB8:0:0::0001]:80/x", "zone=1 ip=2001:db8::1 port=80 dev=x "},
        {"z1-1.2.3.4:80/s d_m_n", "zone=1 ip=1.2.3.4 port=80 dev=s d meta=m_n "},
        {"z1-1.2.3.4: 80/sda", "zone=1 ip=1.2.3.4 port=80 dev=sda "},
        {"z0-1.2.3.4:80/sda_", "zone=0 ip=1.2.3.4 port=80 dev=sda meta= "},
        {"r1z1-1.2.3.4:/sda", NULL},
        {"rz1-1.2.3.4:80/sda", NULL},
        {"z-1.2.3.4:80/sda", NULL},
        {"z1-1.2.3:80/s", NULL},
        {"z1-01.2.3.4:80/s", NULL},
        {"z1-1.2.3.4:80/ s", NULL},
        {"z1-1.2.3.4:80/s _m", NULL},
        {"z1-1.2.3.4:80/", NULL},
        {"z1-1.2.3.4:80/_m", NULL},
        {"z1-host:80/sda", NULL},
        {"z1-1.2.3.4:80", NULL},
        {"z1-1.2.3.4/sda", NULL},
        {"z1-1.2.3.4:80R1.2.3.5/x", NULL},
        {"1.2.3.4:80/x", NULL},
        {"z99999999999999999999-1.2.3.4:80/x", NULL},
        {"", NULL},
        /* Upstream takes these; no server could use them. */
        {"z1-1.2.3.4:99999/sda", NULL},
        {"z1-1.2.3.4:-5/sda", NULL},
        {"z1-1.2.3.4:0/sda", NULL},
        {"z1-1.2.3.4:80/a/b", NULL},
        {"z1-1.2.3.4:80/..", NULL},
    };
    check(device_search_parse_add, v, sizeof(v) / sizeof(v[0]));
}

static void test_search(void **state)
{
    static const struct vector v[] = {
        {"d74", "id=74 "},
        {"r4z1-1.2.3.4:5678/sdb1_m", "region=4 zone=1 ip=1.2.3.4 port=5678 dev=sdb1 meta=m "},
        {"R5.6.7.8", "rip=5.6.7.8 "},
        {"R:5678", "rport=5678 "},
        {"1.2.3.4R5.6.7.8", "ip=1.2.3.4 rip=5.6.7.8 "},
        {"[::1]:5", "ip=::1 port=5 "},
        {"z1-", "zone=1 "},
        {"_", "meta= "},
        {"/", "dev= "},
        {"d1r2z3-1.2.3.4:5R6.7.8.9:10/dev_\"x y\"",
         "id=1 region=2 zone=3 ip=1.2.3.4 port=5 rip=6.7.8.9 rport=10 dev=dev meta=\"x y\" "},
        {"z1_", "zone=1 meta= "},
        {"/dev_a_b", "dev=dev meta=a_b "},
        {"x", NULL},
        {"d", NULL},
        {"z", NULL},
        {":", NULL},
        {"1.2.3", NULL},
        {"[::1", NULL},
        {"d1x", NULL},
        /* To upstream these match every device. */
        {"", NULL},
        {"-", NULL},
    };
    check(device_search_parse, v, sizeof(v) / sizeof(v[0]));
}

static void test_change(void **state)
{
    static const struct vector v[] = {
        {"1.2.3.4:5R6.7.8.9:10/dev_m", "ip=1.2.3.4 port=5 rip=6.7.8.9 rport=10 dev=dev meta=m "},
        {":80", "port=80 "},
        {"/sdz", "dev=sdz "},
        {"_new", "meta=new "},
        {"", NULL},
        {"d1", NULL},
        {"/ x", NULL},
    };
    check(device_search_parse_change, v, sizeof(v) / sizeof(v[0]));
}

static void test_address(void **state)
{
    static const struct vector v[] = {
        {"1.2.3.4", "1.2.3.4"},
        {"Host.Example", "host.example"},
        {"[::1]", "::1"},
        {"FE80::0:A", "fe80::a"},
        {"host.", "host."},
        {"12", "12"},
        {"-a", NULL},
        {"a..b", NULL},
        {"[host]", NULL},
        {"", NULL},
        {".", NULL},
        {"a_b", NULL},
        {"1.2.3.4.5", "1.2.3.4.5"},
    };
    for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        struct arena *arena = arena_new();
        struct buf error;
        const char *got = NULL;
        buf_init(&error, 4096);
        int err = device_search_address(str_from(v[i].text), true, arena, &got, &error);
        assert_int_equal(err, v[i].meaning ? 0 : -EINVAL);
        if (v[i].meaning)
            assert_string_equal(got, v[i].meaning);
        buf_release(&error);
        arena_free(arena);
    }
}

static bool matches(const char *search, const struct ring_device *d)
{
    struct arena *arena = arena_new();
    struct device_spec spec;
    struct buf error;
    buf_init(&error, 4096);
    assert_int_equal(device_search_parse(search, arena, &spec, &error), 0);
    bool yes = device_search_matches(&spec, d);
    buf_release(&error);
    arena_free(arena);
    return yes;
}

static void test_matches(void **state)
{
    const struct ring_device d = {.id = 7,
                                  .region = 1,
                                  .zone = 2,
                                  .ip = "FE80:0::A", /* as an old tool may have stored it */
                                  .port = 6200,
                                  .replication_ip = "10.0.0.1",
                                  .replication_port = 6300,
                                  .device = "sda",
                                  .meta = "rack 12",
                                  .weight = 2};
    static const char *const yes[] = {"d7",
                                      "r1",
                                      "z2",
                                      "r1z2",
                                      "[fe80::a]",
                                      ":6200",
                                      "R10.0.0.1",
                                      "R:6300",
                                      "/sda",
                                      "_rack",
                                      "_12",
                                      "_",
                                      "d7r1z2-[fe80::a]:6200/sda_k 1"};
    static const char *const no[] = {"d8",        "r2",     "z1",  "1.2.3.4", ":6300",
                                     "R10.0.0.2", "R:6200", "/sd", "_13",     "d7z1"};
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        assert_true(matches(yes[i], &d));
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        assert_false(matches(no[i], &d));
}

static void test_format(void **state)
{
    struct ring_device d = {.id = 0,
                            .region = 1,
                            .zone = 1,
                            .ip = "10.0.0.1",
                            .port = 6200,
                            .replication_ip = "::1",
                            .replication_port = 6300,
                            .device = "sda",
                            .meta = "meta"};
    struct buf b;
    buf_init(&b, 4096);
    device_search_format(&b, &d);
    assert_string_equal(b.p, "d0r1z1-10.0.0.1:6200R[::1]:6300/sda_\"meta\"");
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),     cmocka_unit_test(test_search),  cmocka_unit_test(test_change),
        cmocka_unit_test(test_address), cmocka_unit_test(test_matches), cmocka_unit_test(test_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
