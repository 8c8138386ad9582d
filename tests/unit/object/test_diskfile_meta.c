/* SPDX-License-Identifier: Apache-2.0
 *
 * test_diskfile_meta.c: pickles that upstream wrote, the levels of text, and the attributes of real files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "common/digest.h"
#include "object/diskfile_meta.h"

static struct arena *arena;

static int setup(void **state)
{
    arena = arena_new();
    return 0;
}

static int teardown(void **state)
{
    arena_free(arena);
    return 0;
}

static struct str from_hex(const char *hex)
{
    size_t n = strlen(hex) / 2;
    char *p = arena_alloc(arena, n);
    for (size_t i = 0; i < n; i++) {
        unsigned byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        p[i] = (char)byte;
    }
    return str_of(p, n);
}

/* PUT of "hello" to /a/c/o by upstream. */
static const char upstream_data[] = "80027d710028635f636f646563730a656e636f64650a7101580b000000582d54696d6573"
                                    "74616d70710258060000006c6174696e31710386710452"
                                    "710568015810000000313730303030303030302e30303030307106680386710752710868"
                                    "01580c000000436f6e74656e742d547970657109680386"
                                    "710a52710b6801580a000000746578742f706c61696e710c680386710d52710e6801580e"
                                    "000000436f6e74656e742d4c656e677468710f68038671"
                                    "105271116801580100000035711268038671135271146801580400000045546167711568"
                                    "03867116527117680158200000003564343134303261626"
                                    "33462326137366239373139643931313031376335393271186803867119"
                                    "52711a680158040000006e616d65711b680386711c52711d680158060000"
                                    "002f612f632f6f711e680386711f527120752e";
/* Its tombstone. */
static const char upstream_ts[] =
    "80027d710028635f636f646563730a656e636f64650a7101580b000000582d54696d657374616d70710258060000006c6174696e"
    "31710386710452"
    "710568015810000000313730303030303034302e30303030307106680386710752710868"
    "0158040000006e616d657109680386710a52710b680158060000002f612f632f6f710c680386710d52710e752e";

static void expect(const struct diskfile_meta *m, const char *field, const char *value)
{
    struct str got = diskfile_meta_get(m, field);
    assert_non_null(got.p);
    assert_int_equal(got.n, strlen(value));
    assert_memory_equal(got.p, value, got.n);
}

static void test_upstream(void **state)
{
    struct diskfile_meta m;
    char sum[MD5_HEX_SIZE];
    struct str data = from_hex(upstream_data), tombstone = from_hex(upstream_ts);
    assert_string_equal(md5_hex(data, sum), "2cf6cf533462a6994abcccbab8d3e318");
    assert_int_equal(diskfile_meta_decode(arena, data, &m), 0);
    assert_int_equal(m.fields.n, 4);
    assert_true(str_eq(m.name, STR("/a/c/o")));
    expect(&m, "X-Timestamp", "1700000000.00000");
    expect(&m, "Content-Type", "text/plain");
    expect(&m, "Content-Length", "5");
    expect(&m, "ETag", "5d41402abc4b2a76b9719d911017c592");
    assert_string_equal(md5_hex(tombstone, sum), "f1a4f3510f33ef76b8c96964cdc00d9f");
    assert_int_equal(diskfile_meta_decode(arena, tombstone, &m), 0);
    assert_int_equal(m.fields.n, 1);
    expect(&m, "X-Timestamp", "1700000040.00000");
}

static struct str encoded(const struct diskfile_meta *m)
{
    struct buf b;
    buf_init(&b, DISKFILE_META_MAX);
    diskfile_meta_encode(m, &b);
    assert_int_equal(buf_error(&b), 0);
    struct str copy = arena_str(arena, buf_view(&b));
    buf_release(&b);
    return copy;
}

static bool holds(struct str pickle, const char *bytes, size_t n)
{
    return str_find_str(pickle, str_of(bytes, n), 0) >= 0;
}

/* C3 A9 on the wire: twice widened in the pickle; in the name: once. */
static void test_levels(void **state)
{
    struct diskfile_meta m, back;
    diskfile_meta_init(&m, arena);
    header_add(&m.fields, STR("X-Object-Meta-E"), STR("\xc3\xa9"));
    header_add(&m.fields, STR("X-Object-Meta-Raw"), STR("\xff"));
    header_add(&m.fields, STR("X-Object-Meta-Empty"), STR(""));
    m.name = STR("/a/c/\xc3\xa9");
    struct str pickle = encoded(&m);
    assert_true(holds(pickle, "X\x08\0\0\0\xc3\x83\xc2\x83\xc3\x82\xc2\xa9", 13));
    assert_true(holds(pickle, "X\x09\0\0\0/a/c/\xc3\x83\xc2\xa9", 14));
    assert_true(str_find_str(str_slice(pickle, 0, 32), STR("_codecs\nencode"), 0) > 0);
    assert_int_equal(diskfile_meta_decode(arena, pickle, &back), 0);
    expect(&back, "X-Object-Meta-E", "\xc3\xa9");
    expect(&back, "X-Object-Meta-Raw", "\xff");
    expect(&back, "X-Object-Meta-Empty", "");
    assert_true(str_eq(back.name, m.name));
}

/* Python 2 wrote the wire's bytes as they were. */
static void test_python2(void **state)
{
    struct diskfile_meta m;
    static const char pickle[] = "\x80\x02}(U\x0fX-Object-Meta-EU\x02\xc3\xa9U\x04nameU\x07/a/c/\xc3\xa9u.";
    assert_int_equal(diskfile_meta_decode(arena, str_of(pickle, sizeof pickle - 1), &m), 0);
    expect(&m, "X-Object-Meta-E", "\xc3\xa9");
    assert_true(str_eq(m.name, STR("/a/c/\xc3\xa9")));
}

static void test_decode_rejects(void **state)
{
    struct diskfile_meta m;
    struct str good = from_hex(upstream_data);
    for (size_t n = 0; n < good.n; n++)
        assert_int_equal(diskfile_meta_decode(arena, str_slice(good, 0, n), &m), -EBADMSG);
    assert_int_equal(diskfile_meta_decode(arena, STR("\x80\x02N."), &m), -EBADMSG);
    assert_int_equal(diskfile_meta_decode(arena, STR("\x80\x02}(X\x01\x00\x00\x00k]u."), &m), -EBADMSG);
    assert_int_equal(diskfile_meta_decode(arena, STR("cos\nsystem\n(U\x02lstR."), &m), -EBADMSG);
}

/* --- attributes ---------------------------------------------------------------------------------------------------- */

static int new_file(void)
{
    char path[] = "/tmp/martlet-meta-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    return fd;
}

static void test_attributes(void **state)
{
    struct diskfile_meta m, back;
    const char *why = NULL;
    bool unsigned_file = true;
    int fd = new_file();
    diskfile_meta_init(&m, arena);
    header_add(&m.fields, STR("X-Timestamp"), STR("1700000000.00000"));
    m.name = STR("/a/c/o");
    assert_int_equal(diskfile_meta_write(fd, &m), 0);
    assert_int_equal(diskfile_meta_read(arena, fd, &back, &unsigned_file, &why), 0);
    assert_false(unsigned_file);
    expect(&back, "X-Timestamp", "1700000000.00000");
    /* No checksum is fine; a wrong one is not. */
    assert_int_equal(fremovexattr(fd, "user.swift.metadata_checksum"), 0);
    assert_int_equal(diskfile_meta_read(arena, fd, &back, &unsigned_file, &why), 0);
    assert_true(unsigned_file);
    assert_int_equal(fsetxattr(fd, "user.swift.metadata_checksum", "0123456789abcdef0123456789abcdef", 32, 0),
                     0);
    assert_int_equal(diskfile_meta_read(arena, fd, &back, NULL, &why), -EBADMSG);
    assert_string_equal(why, "metadata checksum mismatch");
    close(fd);
}

static void test_attributes_missing(void **state)
{
    struct diskfile_meta back;
    const char *why = NULL;
    int fd = new_file();
    assert_int_equal(diskfile_meta_read(arena, fd, &back, NULL, &why), -EBADMSG);
    assert_string_equal(why, "no metadata");
    assert_int_equal(fsetxattr(fd, "user.swift.metadata", "", 0, 0), 0);
    assert_int_equal(diskfile_meta_read(arena, fd, &back, NULL, &why), -EBADMSG);
    close(fd);
}

/* A pickle in two attributes. The cut is wherever the first one ends: here small, as ext4 has little room. */
static void test_attribute_pieces(void **state)
{
    struct diskfile_meta back;
    const char *why = NULL;
    int fd = new_file();
    struct str pickle = from_hex(upstream_data);
    assert_int_equal(fsetxattr(fd, "user.swift.metadata", pickle.p, 200, 0), 0);
    assert_int_equal(fsetxattr(fd, "user.swift.metadata1", pickle.p + 200, pickle.n - 200, 0), 0);
    assert_int_equal(fsetxattr(fd, "user.swift.metadata_checksum", "2cf6cf533462a6994abcccbab8d3e318", 32, 0),
                     0);
    assert_int_equal(diskfile_meta_read(arena, fd, &back, NULL, &why), 0);
    expect(&back, "ETag", "5d41402abc4b2a76b9719d911017c592");
    close(fd);
}

/* More than one attribute holds: cut at 65536, or refused by a file system with less room; never half. */
static void test_attributes_large(void **state)
{
    struct diskfile_meta m, back;
    const char *why = NULL;
    int fd = new_file();
    char *value = arena_alloc(arena, 30000);
    memset(value, 'v', 30000);
    diskfile_meta_init(&m, arena);
    for (int i = 0; i < 5; i++)
        header_add(&m.fields, arena_printf(arena, "X-Object-Meta-%d", i), str_of(value, 30000));
    int err = diskfile_meta_write(fd, &m);
    if (err == 0) {
        assert_int_equal(fgetxattr(fd, "user.swift.metadata", NULL, 0), 65536);
        assert_int_equal(fgetxattr(fd, "user.swift.metadata1", NULL, 0), 65536);
        assert_int_equal(diskfile_meta_read(arena, fd, &back, NULL, &why), 0);
        assert_int_equal(back.fields.n, 5);
    } else {
        assert_true(err == -ENOSPC || err == -E2BIG);
    }
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_upstream),         cmocka_unit_test(test_levels),
        cmocka_unit_test(test_python2),          cmocka_unit_test(test_decode_rejects),
        cmocka_unit_test(test_attributes),       cmocka_unit_test(test_attributes_missing),
        cmocka_unit_test(test_attribute_pieces), cmocka_unit_test(test_attributes_large),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
