/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/ring/ring_fixture.h"
#include "ring/hash_path.h"

#include <errno.h>

struct vector {
    const char *prefix, *suffix, *account, *container, *object, *hex;
    uint32_t p8, p10, p18;
};

/* Computed by upstream's hash_path(). */
static const struct vector vectors[] = {
    {"", "endcap", "AUTH_test", NULL, NULL, "c6b2b6e24309ba1ac6c52a19c1b34272", 198, 794, 203466},
    {"", "endcap", "AUTH_test", "c", NULL, "53a62a1b0409bb4557da6793dc95704c", 83, 334, 85656},
    {"", "endcap", "AUTH_test", "c", "o", "593886fa2da63f0dacf8af5524200f09", 89, 356, 91362},
    {"prefix", "suffix", "AUTH_test", NULL, NULL, "83c973212c8023fbf102bcf462fa9a0e", 131, 527, 134949},
    {"prefix", "suffix", "AUTH_test", "c", NULL, "da2e6c7957383af6577e0e6b75c3aeee", 218, 872, 223417},
    {"prefix", "suffix", "AUTH_test", "c", "o", "d3b099498cc9dd216910abbccc5283ab", 211, 846, 216770},
    {"prefix", "suffix", "AUTH_test", "c", "o/with/slash", "8e1af9e2c97c56161a7e926c39132269", 142, 568,
     145515},
    {"prefix", "suffix", "AUTH_t\u00e9st", "c\u00f8n", "\u043e\u0431\u0436",
     "3f0ef156892f5f589e2639e133ea69d0", 63, 252, 64571},
    {"prefix", "suffix", ".expiring_objects", "1700000000", NULL, "2238ba825e04b348eb20a4432698a860", 34, 136,
     35042},
    {"changeme", "changeme", "AUTH_test", "c", "o", "4e2772c453cbe15a19b26fbfbb223e31", 78, 312, 80029},
    {"", "changeme", "AUTH_test", "c", "o", "7363996f2cfb95eaa18df19ccc31aece", 115, 461, 118158},
};

static void test_vectors(void **state)
{
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        const struct vector *v = &vectors[i];
        struct hash_path_conf conf;
        char hex[HASH_PATH_HEX_SIZE];
        uint8_t digest[16];
        assert_int_equal(hash_path_set(str_from(v->prefix), str_from(v->suffix), &conf), 0);
        struct str a = str_from(v->account), c = str_from(v->container), o = str_from(v->object);
        assert_string_equal(hash_path_hex(&conf, a, c, o, hex), v->hex);
        hash_path(&conf, a, c, o, digest);
        assert_int_equal(hash_path_part(digest, 8), v->p8);
        assert_int_equal(hash_path_part(digest, 10), v->p10);
        assert_int_equal(hash_path_part(digest, 18), v->p18);
        assert_int_equal(hash_path_part(digest, 0), 0);
        assert_int_equal(hash_path_part(digest, 32),
                         (uint32_t)digest[0] << 24 | digest[1] << 16 | digest[2] << 8 | digest[3]);
        hash_path_release(&conf);
    }
}

static void test_empty_parts_are_absent(void **state)
{
    struct hash_path_conf conf;
    char hex[HASH_PATH_HEX_SIZE];
    assert_int_equal(hash_path_set(STR(""), STR("endcap"), &conf), 0);
    assert_string_equal(hash_path_hex(&conf, STR("AUTH_test"), STR(""), STR(""), hex), vectors[0].hex);
    hash_path_release(&conf);
}

/* Longer than the buffer on the stack. */
static void test_long_names(void **state)
{
    struct hash_path_conf conf;
    char *name = xmalloc(5000);
    memset(name, 'x', 5000);
    char hex[HASH_PATH_HEX_SIZE];
    assert_int_equal(hash_path_set(STR(""), STR("s"), &conf), 0);
    /* python3: hashlib.md5(b"/a/c/" + b"x" * 5000 + b"s").hexdigest() */
    hash_path_hex(&conf, STR("a"), STR("c"), str_of(name, 5000), hex);
    assert_string_equal(hex, "0d1096141f42ab4c56566843b3465cb1");
    hash_path_release(&conf);
    free(name);
}

/* Suffix as written in the file -> digest of account "a"; NULL: refused. Computed with upstream's reader. */
static const struct {
    const char *text, *hex;
} files[] = {
    {"[swift-hash]\nswift_hash_path_suffix = a%%b\n", "93841ccd505ae0ae858277669ed91325"},
    {"[swift-hash]\nswift_hash_path_suffix = a%b\n", NULL},
    {"[swift-hash]\nswift_hash_path_suffix = a # c\n", "f22d859636cd303293460b7938e4d8a7"},
    {"[swift-hash]\nSWIFT_hash_path_suffix:   a # c   \n", "f22d859636cd303293460b7938e4d8a7"},
    {"[swift-hash]\nswift_hash_path_suffix = \"q\"\n", "888410b4031a5ca865a1388d1a6c5a17"},
    {"[swift-hash]\nswift_hash_path_suffix = \xc3\xa4\n", "41659062e4cdbaa3d3cbf7ff249810e2"},
    {"[swift-hash]\nswift_hash_path_suffix =\n", NULL},
    {"[swift-hash]\n", NULL},
    {"", NULL},
};

static void test_files(void **state)
{
    char *path = fixture_path("swift.conf");
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct hash_path_conf conf = {STR_NONE, STR_NONE};
        struct buf error;
        buf_init(&error, 4096);
        assert_int_equal(file_replace(path, files[i].text, strlen(files[i].text), 0600), 0);
        int err = hash_path_load(path, &conf, &error);
        if (files[i].hex) {
            char hex[HASH_PATH_HEX_SIZE];
            assert_int_equal(err, 0);
            assert_string_equal(hash_path_hex(&conf, STR("a"), STR_NONE, STR_NONE, hex), files[i].hex);
        } else {
            assert_int_equal(err, -EINVAL);
            assert_non_null(strstr(error.p, path));
            assert_null(conf.suffix.p);
        }
        hash_path_release(&conf);
        buf_release(&error);
    }
    free(path);
}

/* Upstream reads Latin-1 and strips text: a last byte A0 (here of "\u00e0") is a blank to it. */
static void test_latin1_strip(void **state)
{
    char *path = fixture_path("swift.conf");
    const char text[] = "[swift-hash]\nswift_hash_path_suffix = x\xc3\xa0\n";
    struct hash_path_conf conf;
    assert_int_equal(file_replace(path, text, strlen(text), 0600), 0);
    assert_int_equal(hash_path_load(path, &conf, NULL), 0);
    assert_true(str_eq(conf.suffix, STR("x\xc3")));
    hash_path_release(&conf);
    free(path);
}

static void test_missing_file(void **state)
{
    struct hash_path_conf conf;
    struct buf error;
    buf_init(&error, 4096);
    char *path = fixture_path("none.conf");
    assert_int_equal(hash_path_load(path, &conf, &error), -ENOENT);
    assert_non_null(strstr(error.p, path));
    buf_release(&error);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),      cmocka_unit_test(test_empty_parts_are_absent),
        cmocka_unit_test(test_long_names),   cmocka_unit_test(test_files),
        cmocka_unit_test(test_latin1_strip), cmocka_unit_test(test_missing_file),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
