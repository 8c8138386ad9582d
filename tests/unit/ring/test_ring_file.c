/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/ring/ring_fixture.h"

#include <endian.h>
#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <zlib.h>

#include "common/digest.h"

/* Written by Python Swift 2.30.1 as "tiny-old.ring.gz": 2 devices, a hole at id 1, 1.5 replicas, part_shift 30,
 * next_part_power 3, version 7. */
static const char tiny_hex[] = "1f8b0808f42a844d02ff74696e792d6f6c642e72696e67009d91490ec2201486d19334ac9b067"
                               "0e17001772edcaa696afb6c49101a4aeb94"
                               "1ed13bc9ab46ebb03204f20fe1e5232cf9624e06840cae17ba3d393036034b670155d23905340"
                               "c68064de593d505954c01db2a4bb0929937"
                               "0c45892917e388f9c5b1db834b30445d1aebbce613c6b8b716726934069d29954c13e793f8c79"
                               "87efd31e600322fba204286b3d1c8c6db30"
                               "d0b55261f00ebc7d028b2f60d1075ed78cc1f47f6cf117b66837de6838bab84cac3fcca1fb881"
                               "1726050157287b746ec353e4e4daddde349"
                               "0dd8eace376e091912dc78de004b4159f8e3010000";

static struct buf gz(struct str content)
{
    struct buf b;
    buf_init(&b, 1 << 24);
    z_stream z = {.next_in = (unsigned char *)content.p, .avail_in = (unsigned)content.n};
    assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t room = deflateBound(&z, content.n) + 64;
    z.next_out = (unsigned char *)buf_reserve(&b, room);
    z.avail_out = (unsigned)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    b.n += room - z.avail_out;
    deflateEnd(&z);
    return b;
}

/* A version 1 ring from its JSON and the bytes of its table. */
static struct buf make_v1(const char *json, struct str table)
{
    struct buf content;
    buf_init(&content, 1 << 24);
    uint32_t n = htobe32((uint32_t)strlen(json));
    buf_append(&content, "R1NG\0\1", 6);
    buf_append(&content, &n, 4);
    buf_puts(&content, json);
    buf_str(&content, table);
    struct buf b = gz(buf_view(&content));
    buf_release(&content);
    return b;
}

/* The parser's answer; with 0, *ret is to be released. */
static int parse(struct buf *bytes, struct ring_data *ret, char text[256])
{
    struct buf error;
    buf_init(&error, 4096);
    int err = ring_file_parse(buf_view(bytes), "x.ring.gz", ret, &error);
    snprintf(text, 256, "%s", error.p ? error.p : "");
    if (err < 0)
        assert_true(str_starts(buf_view(&error), STR("x.ring.gz: ")));
    else
        assert_int_equal(error.n, 0);
    buf_release(&error);
    return err;
}

static void assert_refused(struct buf bytes, int want, const char *about)
{
    struct ring_data data;
    char text[256];
    int err = parse(&bytes, &data, text);
    if (err != want || !strstr(text, about))
        fail_msg("got %d \"%s\", want %d with \"%s\"", err, text, want, about);
    buf_release(&bytes);
}

static void assert_tiny(const struct ring_data *d)
{
    static const uint32_t table[] = {0, 2, 0, 2, 2, 0};
    assert_int_equal(d->part_power, 2);
    assert_int_equal(d->next_part_power, 3);
    assert_int_equal(d->version, 7);
    assert_int_equal(d->rows, 2);
    assert_int_equal(d->entries, 6);
    assert_memory_equal(d->table, table, sizeof(table));
    assert_int_equal(ring_data_row_length(d, 0), 4);
    assert_int_equal(ring_data_row_length(d, 1), 2);
    assert_int_equal(ring_data_row_length(d, 2), 0);
    assert_int_equal(d->dev_count, 3);
    assert_null(d->devs[1].device);
    assert_string_equal(d->devs[0].device, "sda");
    assert_string_equal(d->devs[2].ip, "127.0.0.2");
    assert_string_equal(d->devs[2].meta, "\xc3\xa9");
    assert_int_equal(d->devs[2].zone, 2);
    assert_int_equal(d->devs[2].port, 18001);
    assert_true(d->devs[2].weight == 1.0);
}

static void test_tiny(void **state)
{
    struct buf bytes = fixture_bytes(tiny_hex);
    struct ring_data data;
    char text[256];
    assert_int_equal(bytes.n, 245);
    assert_int_equal(parse(&bytes, &data, text), 0);
    assert_tiny(&data);
    assert_int_equal(data.format, 1);
    assert_string_equal(data.md5, "930b4a1af2c154692184068abb0d463b");
    /* Written again under the same name, it is the same file byte for byte. */
    struct buf again;
    buf_init(&again, 1 << 20);
    assert_int_equal(ring_file_serialize(&data, "tiny-old.ring", &again), 0);
    assert_int_equal(again.n, bytes.n);
    assert_memory_equal(again.p, bytes.p, bytes.n);
    buf_release(&again);
    ring_data_release(&data);
    buf_release(&bytes);
}

/* One device, two rows of two partitions. */
#define DEV     "{\"id\":0,\"zone\":3,\"ip\":\"h\",\"port\":1,\"device\":\"d\",\"weight\":2}"
#define TWO_TWO "\0\0\0\0\0\0\0\0"

static void test_hand_made(void **state)
{
    struct buf b =
        make_v1("{\"devs\":[null,{\"id\":1,\"zone\":3,\"ip\":\"h\",\"port\":1,\"device\":\"d\",\"x\":{}}],"
                "\"part_shift\":31,\"replica_count\":2,\"byteorder\":\"big\",\"more\":[1]}",
                STR("\0\1\0\1\0\1\0\1"));
    struct ring_data d;
    char text[256];
    assert_int_equal(parse(&b, &d, text), 0);
    assert_int_equal(d.table[3], 1);
    assert_int_equal(d.version, -1);
    assert_int_equal(d.next_part_power, -1);
    assert_int_equal(d.devs[1].region, 1);
    assert_string_equal(d.devs[1].replication_ip, "h");
    assert_int_equal(d.devs[1].replication_port, 1);
    assert_string_equal(d.devs[1].meta, "");
    ring_data_release(&d);
    buf_release(&b);
}

static void test_refused(void **state)
{
    struct str t = STR(TWO_TWO);
    const char *good = "{\"devs\":[" DEV "],\"part_shift\":31,\"replica_count\":2}";
    struct ring_data d;
    char text[256];
    struct buf b = make_v1(good, t);
    assert_int_equal(parse(&b, &d, text), 0);
    ring_data_release(&d);
    buf_release(&b);
    assert_refused(make_v1(good, str_slice(t, 0, 4)), -EBADMSG, "the table has only 2");
    assert_refused(make_v1(good, str_slice(t, 0, 2)), -EBADMSG, "the table has only 1");
    assert_refused(make_v1(good, str_slice(t, 0, 7)), -EBADMSG, "middle of a device id");
    assert_refused(make_v1(good, STR(TWO_TWO "\0\0")), -EBADMSG, "2 bytes behind the table");
    assert_refused(make_v1(good, STR("\0\0\0\0\0\0\1\0")), -EBADMSG,
                   "partition 1, row 1: there is no device 1");
    assert_refused(make_v1(good, STR("\0\0\xff\xff\0\0\0\0")), -EBADMSG,
                   "partition 1, row 0: there is no device 65535");
    assert_refused(make_v1("{\"devs\":[null],\"part_shift\":31,\"replica_count\":2}", t), -EBADMSG,
                   "no device 0");
    assert_refused(make_v1("{\"devs\":[" DEV "],\"part_shift\":31,\"replica_count\":0}", t), -EBADMSG,
                   "no replicas");
    assert_refused(make_v1("{\"devs\":[" DEV "],\"part_shift\":33,\"replica_count\":2}", t), -EINVAL,
                   "part_shift");
    assert_refused(make_v1("{\"devs\":[" DEV "],\"part_shift\":31,\"replica_count\":2.5}", t), -EINVAL,
                   "replica_count");
    assert_refused(make_v1("{\"devs\":3,\"part_shift\":31,\"replica_count\":2}", t), -EINVAL,
                   "list of devices");
    assert_refused(make_v1("{\"devs\":[7],\"part_shift\":31,\"replica_count\":2}", t), -EINVAL, "device 0");
    assert_refused(make_v1("{\"devs\":[null," DEV "],\"part_shift\":31,\"replica_count\":2}", t), -EINVAL,
                   "\"id\"");
    assert_refused(
        make_v1("{\"devs\":[" DEV "],\"part_shift\":31,\"replica_count\":2,\"byteorder\":\"pdp\"}", t),
        -EINVAL, "byteorder");
    assert_refused(make_v1("[]", t), -EINVAL, "not a JSON object");
    assert_refused(make_v1("{", t), -EINVAL, "not JSON");
    assert_refused(make_v1("", t), -EINVAL, "not JSON");
    /* 2^32 partitions of which 4 are there: nothing is allocated for the rest. */
    assert_refused(make_v1("{\"devs\":[" DEV "],\"part_shift\":0,\"replica_count\":2147483647}", t), -EBADMSG,
                   "only 4");
}

static void test_other_files(void **state)
{
    struct buf b;
    buf_init(&b, 100);
    assert_refused(b, -EBADMSG, "not a gzip file");
    buf_puts(&b, "R1NG");
    assert_refused(b, -EBADMSG, "not a gzip file");
    assert_refused(gz(STR("\x80\2}q\1.")), -ENOTSUP, "version 0");
    assert_refused(gz(STR("(dp0")), -ENOTSUP, "version 0");
    assert_refused(gz(STR("")), -EBADMSG, "R1NG");
    assert_refused(gz(STR("R1NG\0")), -EBADMSG, "R1NG");
    assert_refused(gz(STR("R1NG\0\1\0")), -EBADMSG, "within its header");
    assert_refused(gz(STR("R1NG\0\1\xff\xff\xff\xff{}")), -EBADMSG, "within its JSON");
    assert_refused(gz(STR("R1NG\0\3")), -ENOTSUP, "version 3");
    b = fixture_bytes(tiny_hex);
    buf_putc(&b, 'x');
    assert_refused(b, -EBADMSG, "1 bytes behind");
    b = fixture_bytes(tiny_hex);
    struct buf other = gz(STR("R1NG"));
    buf_str(&b, buf_view(&other));
    buf_release(&other);
    assert_refused(b, -EBADMSG, "behind the end");
}

static void test_cut(void **state)
{
    for (size_t n = 2; n < 245; n++) {
        struct buf b = fixture_bytes(tiny_hex);
        b.n = n;
        assert_refused(b, -EBADMSG, "");
    }
}

/* Each bit wrong once: refused, or, in the gzip header and the padding behind the data, the same ring. */
static void test_flipped_bits(void **state)
{
    size_t accepted = 0;
    for (size_t bit = 0; bit < 245 * 8; bit++) {
        struct buf b = fixture_bytes(tiny_hex);
        struct ring_data d;
        char text[256];
        b.p[bit / 8] ^= (char)(1 << (bit % 8));
        if (parse(&b, &d, text) == 0) {
            assert_true(bit / 8 < 24 || bit / 8 == 236);
            assert_tiny(&d);
            ring_data_release(&d);
            accepted++;
        }
        buf_release(&b);
    }
    assert_in_range(accepted, 1, 22 * 8);
}

/* --- version 2 --------------------------------------------------------------------------------------------- */

struct v2 {
    struct buf content, index;
    size_t entries;
};

static void put_u64(struct buf *b, uint64_t v)
{
    v = htobe64(v);
    buf_append(b, &v, 8);
}

static void v2_section(struct v2 *v, const char *name, struct str data)
{
    char hex[DIGEST_HEX_SIZE];
    size_t start = v->content.n;
    put_u64(&v->content, data.n);
    buf_str(&v->content, data);
    struct digest *d = digest_new(DIGEST_SHA256);
    digest_update(d, v->content.p + start, v->content.n - start);
    digest_final_hex(d, hex);
    digest_free(d);
    buf_printf(&v->index, "%s\"%s\": [0, %zu, 0, %zu, \"sha256\", \"%s\"]", v->entries++ ? ", " : "{", name,
               start, v->content.n, hex);
}

static struct buf make_v2(const char *meta, const char *devices, struct str table, size_t spoil)
{
    struct v2 v = {.entries = 0};
    buf_init(&v.content, 1 << 20);
    buf_init(&v.index, 1 << 20);
    buf_append(&v.content, "R1NG\0\2", 6);
    v2_section(&v, "swift/ring/metadata", str_from(meta));
    v2_section(&v, "swift/ring/devices", str_from(devices));
    v2_section(&v, "swift/ring/assignments", table);
    buf_putc(&v.index, '}');
    size_t at = v.content.n;
    put_u64(&v.content, v.index.n);
    buf_str(&v.content, buf_view(&v.index));
    put_u64(&v.content, at);
    put_u64(&v.content, 0);
    if (spoil)
        v.content.p[v.content.n - spoil] ^= 1;
    struct buf b = gz(buf_view(&v.content));
    buf_release(&v.content);
    buf_release(&v.index);
    return b;
}

#define META "{\"part_shift\": 30, \"dev_id_bytes\": %s, \"replica_count\": 1.5, \"version\": null}"
#define DEVS                                                                                                 \
    "[{\"device\":\"sda\",\"id\":0,\"ip\":\"127.0.0.1\",\"port\":18001,\"zone\":1,\"region\":1,\"weight\":"  \
    "1.0},null,"                                                                                             \
    "{\"device\":\"sdb\",\"id\":2,\"ip\":\"127.0.0.2\",\"port\":18001,\"zone\":2,\"region\":1,\"weight\":1." \
    "0,"                                                                                                     \
    "\"meta\":\"\\u00e9\"}]"

static void test_v2(void **state)
{
    struct buf b =
        make_v2("{\"part_shift\": 30, \"dev_id_bytes\": 2, \"replica_count\": 1.5, \"version\": 7, "
                "\"next_part_power\": 3}",
                DEVS, STR("\0\0\0\2\0\0\0\2\0\2\0\0"), 0);
    struct ring_data d;
    char text[256];
    assert_int_equal(parse(&b, &d, text), 0);
    assert_tiny(&d);
    assert_int_equal(d.format, 2);
    ring_data_release(&d);
    buf_release(&b);
    b = make_v2("{\"part_shift\": 31, \"dev_id_bytes\": 4, \"version\": null}", DEVS, STR("\0\0\0\2\0\0\0\0"),
                0);
    assert_int_equal(parse(&b, &d, text), 0);
    assert_int_equal(d.table[0], 2);
    assert_int_equal(d.rows, 1);
    assert_int_equal(d.version, -1);
    ring_data_release(&d);
    buf_release(&b);
}

static void test_v2_refused(void **state)
{
    const char *meta = "{\"part_shift\": 31, \"dev_id_bytes\": 4}";
    struct str table = STR("\0\0\0\2\0\0\0\0");
    struct buf whole = make_v2(meta, DEVS, table, 0);
    struct ring_data d;
    char text[256];
    assert_int_equal(parse(&whole, &d, text), 0);
    ring_data_release(&d);
    buf_release(&whole);
    /* Every byte but the compressed offset, which this reader has no use for, and blanks of the index. */
    for (size_t back = 9; back <= 400; back++) {
        struct buf b = make_v2(meta, DEVS, table, back);
        if (parse(&b, &d, text) == 0) {
            assert_in_range(back, 17, 900);
            assert_int_equal(d.table[0], 2);
            ring_data_release(&d);
        }
        buf_release(&b);
    }
    assert_refused(make_v2(meta, DEVS, STR("\0\0\0\1\0\0\0\0"), 0), -EBADMSG, "no device 1");
    assert_refused(make_v2(meta, DEVS, STR("\0\0\0\2"), 0), -EBADMSG, "only 1");
    assert_refused(make_v2("{\"part_shift\": 31}", DEVS, table, 0), -EINVAL, "dev_id_bytes");
    assert_refused(make_v2("{\"part_shift\": 31, \"dev_id_bytes\": 3}", DEVS, table, 0), -EINVAL,
                   "dev_id_bytes");
    assert_refused(gz(STR("R1NG\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")), -EBADMSG, "");
}

/* --- writing ----------------------------------------------------------------------------------------------- */

static void test_file_round_trip(void **state)
{
    struct ring_data data, back;
    char *path = fixture_path("object-1.ring.gz");
    struct stat st;
    fixture_ring_h(&data, 6, 32);
    data.version = 12;
    data.devs[5].meta = "a \"b\" \\ \xe2\x82\xac";
    data.devs[5].weight = 50.5;
    assert_int_equal(ring_file_write(path, &data, NULL), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    assert_int_equal(ring_file_read(path, &back, NULL), 0);
    assert_int_equal(back.entries, data.entries);
    assert_memory_equal(back.table, data.table, data.entries * 4);
    assert_string_equal(back.devs[5].meta, data.devs[5].meta);
    assert_true(back.devs[5].weight == 50.5);
    assert_int_equal(back.version, 12);
    ring_data_release(&back);
    ring_data_release(&data);
    free(path);
}

/* A full disk, played by a limit on the size of files: the old ring stays. */
static void test_full_disk(void **state)
{
    struct ring_data data, back;
    struct buf error;
    buf_init(&error, 4096);
    char *path = fixture_path("full.ring.gz");
    fixture_ring_h(&data, 4, 16);
    assert_int_equal(ring_file_write(path, &data, &error), 0);
    ring_data_release(&data);
    fixture_ring_h(&data, 12, 1 << 12);
    for (uint64_t i = 0; i < data.entries; i++)
        data.table[i] = (uint32_t)((i * 2654435761u >> 7) % 12);
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 300;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int err = ring_file_write(path, &data, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(err, -EFBIG);
    assert_non_null(strstr(error.p, "the file is as it was"));
    assert_int_equal(ring_file_read(path, &back, NULL), 0);
    assert_int_equal(back.part_power, 4);
    ring_data_release(&back);
    ring_data_release(&data);
    buf_release(&error);
    free(path);
}

static void test_python_float(void **state)
{
    static const struct {
        double v;
        const char *text;
    } floats[] = {{1, "1.0"},
                  {0, "0.0"},
                  {100, "100.0"},
                  {50.5, "50.5"},
                  {0.1, "0.1"},
                  {1e15, "1000000000000000.0"},
                  {1e16, "1e+16"},
                  {1.5e-7, "1.5e-07"},
                  {0.0001, "0.0001"},
                  {1.0 / 3, "0.3333333333333333"},
                  {3000, "3000.0"},
                  {-2.25, "-2.25"},
                  {123456.789, "123456.789"}};
    for (size_t i = 0; i < sizeof(floats) / sizeof(floats[0]); i++) {
        struct buf b;
        buf_init(&b, 100);
        ring_python_float(&b, floats[i].v);
        assert_string_equal(b.p, floats[i].text);
        buf_release(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiny),
        cmocka_unit_test(test_hand_made),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_flipped_bits),
        cmocka_unit_test(test_v2),
        cmocka_unit_test(test_v2_refused),
        cmocka_unit_test(test_file_round_trip),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_python_float),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
