/* SPDX-License-Identifier: Apache-2.0
 *
 * test_digest.c: published vectors: RFC 1321, FIPS 180, RFC 2202, RFC 4231.
 */
#include "common_test.h"
#include "common/digest.h"

static void test_kinds(void **state)
{
    static const struct {
        enum digest_kind kind;
        const char *of_abc;
    } v[] = {
        {DIGEST_MD5, "900150983cd24fb0d6963f7d28e17f72"},
        {DIGEST_SHA1, "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {DIGEST_SHA256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {DIGEST_SHA512, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
    };
    for (size_t i = 0; i < COUNT(v); i++) {
        char hex[DIGEST_HEX_SIZE];
        struct digest *d = digest_new(v[i].kind);
        digest_update(d, "a", 1);
        digest_update(d, NULL, 0);
        digest_update(d, "bc", 2);
        assert_string_equal(digest_final_hex(d, hex), v[i].of_abc);
        digest_reset(d);
        digest_update(d, "abc", 3);
        assert_string_equal(digest_final_hex(d, hex), v[i].of_abc);
        digest_free(d);
    }
    digest_free(NULL);
}

static void test_md5(void **state)
{
    char hex[MD5_HEX_SIZE];
    uint8_t raw[16];
    assert_string_equal(md5_hex(STR_NONE, hex), "d41d8cd98f00b204e9800998ecf8427e");
    assert_string_equal(md5_hex(STR("hello"), hex), "5d41402abc4b2a76b9719d911017c592");
    md5_of(STR("hello"), raw);
    assert_memory_equal(raw, "\x5d\x41\x40\x2a\xbc\x4b\x2a\x76\xb9\x71\x9d\x91\x10\x17\xc5\x92", 16);
    struct digest *d = digest_new(DIGEST_MD5);
    uint8_t out[DIGEST_MAX_BYTES];
    assert_int_equal(digest_final(d, out), 16);
    digest_free(d);
}

static void test_hmac(void **state)
{
    char hex[DIGEST_HEX_SIZE], long_key[131];
    assert_string_equal(hmac_hex(DIGEST_SHA1, STR("Jefe"), STR("what do ya want for nothing?"), hex),
                        "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    assert_string_equal(hmac_hex(DIGEST_SHA256, STR("Jefe"), STR("what do ya want for nothing?"), hex),
                        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    assert_string_equal(hmac_hex(DIGEST_MD5, STR("Jefe"), STR("what do ya want for nothing?"), hex),
                        "750c783e6ab0b503eaa86e310a5db738");
    memset(long_key, 0xaa, sizeof(long_key));
    assert_string_equal(hmac_hex(DIGEST_SHA512, str_of(long_key, sizeof(long_key)),
                                 STR("Test Using Larger Than Block-Size Key - Hash Key First"), hex),
                        "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
                        "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598");
    /* No key and no message, after other keys were used: nothing is left over. */
    assert_string_equal(hmac_hex(DIGEST_SHA256, STR_NONE, STR_NONE, hex),
                        "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void test_equal(void **state)
{
    assert_true(digest_equal(STR("abc"), STR("abc")));
    assert_false(digest_equal(STR("abc"), STR("abd")));
    assert_false(digest_equal(STR("abc"), STR("ab")));
    assert_true(digest_equal(STR_NONE, STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_md5),
        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
