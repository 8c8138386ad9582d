/* SPDX-License-Identifier: Apache-2.0
 *
 * test_pickle.c: pickles written by Swift (facts: object 6, 11, 20; database 4; ring 11), what our own writer makes
 * of the same values, and pickles that nobody honest writes.
 */
#include "common_test.h"
#include "common/pickle.h"

/* ---- written by Swift 2.30.1 ---- */

static const char xattr_put[] =
    "80027d710028635f636f646563730a656e636f64650a7101580b000000582d54696d657374616d70710258060000006c"
    "6174696e31710386710452710568015810000000313730303030303030302e3030303030710668038671075271086801"
    "580c000000436f6e74656e742d547970657109680386710a52710b6801580a000000746578742f706c61696e710c6803"
    "86710d52710e6801580e000000436f6e74656e742d4c656e677468710f68038671105271116801580100000035711268"
    "038671135271146801580400000045546167711568038671165271176801582000000035643431343032616263346232"
    "613736623937313964393131303137633539327118680386711952711a680158040000006e616d65711b680386711c52"
    "711d680158060000002f612f632f6f711e680386711f527120752e";
static const char xattr_tombstone[] =
    "80027d710028635f636f646563730a656e636f64650a7101580b000000582d54696d657374616d70710258060000006c"
    "6174696e31710386710452710568015810000000313730303030303034302e3030303030710668038671075271086801"
    "58040000006e616d657109680386710a52710b680158060000002f612f632f6f710c680386710d52710e752e";
static const char hashes_replicated[] =
    "80027d710028580500000076616c69647101885803000000366366710258200000006162396230626432363863356233"
    "343265616664303339366539313262653838710358030000006239337104582000000038343164666538323337323162"
    "35663134623461323436656130373736343537710558070000007570646174656471064741dac0c0faaa7dfb752e";
static const char hashes_ec[] =
    "80027d710028580500000076616c6964710188580300000036636671027d7103284b0058200000006261303961663066"
    "65373838353063323830346362636232653462666339353271044b025820000000626130396166306665373838353063"
    "323830346362636232653462666339353271054e58200000006238353165656133623537393565316233623536323163"
    "31643830333263646171067558070000007570646174656471074741dac0c0faaec0a8752e";

/* Records of .pending files behind the base64: a container row, and an account row that came through HTTP. */
static const char pending_container[] = "8002285802000000"
                                        "6f31"
                                        "71005810000000"
                                        "313730303030303031302e3132333435"
                                        "7101"
                                        "4b05"
                                        "580a000000"
                                        "746578742f706c61696e"
                                        "7102"
                                        "5820000000"
                                        "3564343134303261626334623261373662393731396439313130313763353932"
                                        "7103"
                                        "4b004b004e4e7471042e";
static const char pending_account[] = "8002285802000000"
                                      "6331"
                                      "71005810000000"
                                      "313730303030303031302e3030303030"
                                      "7101"
                                      "580100000030"
                                      "7102"
                                      "580100000033"
                                      "7103"
                                      "5803000000313030"
                                      "7104"
                                      "4b00"
                                      "580100000031"
                                      "71057471062e";

/* An async_pending file, protocol 0. */
static const char async_pending[] =
    "(dp0\nVop\np1\nVPUT\np2\nsVaccount\np3\nVa\np4\nsVcontainer\np5\nVc\np6\nsVobj\np7\nVo\xe9\\u2603\np8\n"
    "sVheaders\np9\nccopy_reg\n_reconstructor\np10\n(cswift.common.header_key_dict\nHeaderKeyDict\np11\n"
    "c__builtin__\ndict\np12\n(dp13\nVX-Size\np14\nV5\np15\nsVX-"
    "Etag\np16\nV\\u005c\\u000a\np17\nstp30\nRp31\n"
    "sVdb_state\np32\nVunsharded\np33\nsVsuccesses\np34\n(lp35\nI3\naL4L\nasVgone\np36\nNsVyes\nI01\nsVf\nF-"
    "1.5\ns.";

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
        uint64_t v;
        assert_int_equal(str_hex_to_u64(str_of(hex + 2 * i, 2), &v), 0);
        p[i] = (char)v;
    }
    return str_of(p, n);
}

static struct pickle_value *parse(struct str s)
{
    struct pickle_value *v = NULL;
    size_t used = 0;
    int err = pickle_parse(arena, s.p, s.n, &v, &used);
    if (err)
        fail_msg("error %d", err);
    assert_int_equal(used, s.n);
    return v;
}

/* Parses a copy whose end the address sanitizer guards. */
static int parse_error(struct str s)
{
    struct pickle_value *v = NULL;
    char *p = exact_copy(s.p, s.n);
    int err = pickle_parse(arena, p, s.n, &v, NULL);
    free(p);
    assert_true(err == 0 || v == NULL);
    return err;
}

#define FAILS(err, literal) assert_int_equal(parse_error(STR(literal)), err)

static struct str text_of(const struct pickle_value *v, enum pickle_type type)
{
    assert_non_null(v);
    assert_int_equal(v->type, type);
    return v->text;
}

static int64_t int_of(const struct pickle_value *v)
{
    assert_non_null(v);
    assert_int_equal(v->type, PICKLE_INT);
    return v->integer;
}

static void test_metadata(void **state)
{
    struct pickle_value *v = parse(from_hex(xattr_put));
    assert_int_equal(v->type, PICKLE_DICT);
    assert_int_equal(v->dict.n, 5);
    assert_str(text_of(v->dict.pairs[0].key, PICKLE_BYTES), "X-Timestamp");
    assert_str(text_of(pickle_get(v, STR("X-Timestamp")), PICKLE_BYTES), "1700000000.00000");
    assert_str(text_of(pickle_get(v, STR("Content-Type")), PICKLE_BYTES), "text/plain");
    assert_str(text_of(pickle_get(v, STR("Content-Length")), PICKLE_BYTES), "5");
    assert_str(text_of(pickle_get(v, STR("ETag")), PICKLE_BYTES), "5d41402abc4b2a76b9719d911017c592");
    assert_str(text_of(pickle_get(v, STR("name")), PICKLE_BYTES), "/a/c/o");
    assert_null(pickle_get(v, STR("Etag")));
    v = parse(from_hex(xattr_tombstone));
    assert_int_equal(v->dict.n, 2);
    assert_str(text_of(pickle_get(v, STR("X-Timestamp")), PICKLE_BYTES), "1700000040.00000");
}

static void test_hashes(void **state)
{
    struct pickle_value *v = parse(from_hex(hashes_replicated));
    assert_int_equal(v->dict.n, 4);
    assert_int_equal(pickle_get(v, STR("valid"))->type, PICKLE_BOOL);
    assert_true(pickle_get(v, STR("valid"))->boolean);
    assert_str(text_of(pickle_get(v, STR("b93")), PICKLE_TEXT), "841dfe823721b5f14b4a246ea0776457");
    assert_int_equal(pickle_get(v, STR("updated"))->type, PICKLE_FLOAT);
    assert_true(pickle_get(v, STR("updated"))->real == 1795359722.6639392);

    v = pickle_get(parse(from_hex(hashes_ec)), STR("6cf"));
    assert_int_equal(v->type, PICKLE_DICT);
    assert_int_equal(v->dict.n, 3);
    assert_true(int_of(v->dict.pairs[1].key) == 2);
    assert_str(text_of(v->dict.pairs[1].value, PICKLE_TEXT), "ba09af0fe78850c2804cbcb2e4bfc952"); /* BINGET */
    assert_int_equal(v->dict.pairs[2].key->type, PICKLE_NONE);
    assert_str(text_of(v->dict.pairs[2].value, PICKLE_TEXT), "b851eea3b5795e1b3b5621c1d8032cda");
}

static void test_pending(void **state)
{
    struct pickle_value *v = parse(from_hex(pending_container));
    assert_int_equal(v->type, PICKLE_TUPLE);
    assert_int_equal(v->list.n, 9);
    assert_str(text_of(v->list.items[0], PICKLE_TEXT), "o1");
    assert_true(int_of(v->list.items[2]) == 5);
    assert_str(text_of(v->list.items[4], PICKLE_TEXT), "5d41402abc4b2a76b9719d911017c592");
    assert_int_equal(v->list.items[8]->type, PICKLE_NONE);
    v = parse(from_hex(pending_account));
    assert_int_equal(v->list.n, 7);
    assert_str(text_of(v->list.items[4], PICKLE_TEXT), "100");
    assert_true(int_of(v->list.items[5]) == 0);
}

static void test_async_pending(void **state)
{
    struct pickle_value *v = parse(str_of(async_pending, sizeof(async_pending) - 1));
    assert_str(text_of(pickle_get(v, STR("op")), PICKLE_TEXT), "PUT");
    assert_str(text_of(pickle_get(v, STR("obj")), PICKLE_TEXT), "o\xc3\xa9\xe2\x98\x83");
    struct pickle_value *headers = pickle_get(v, STR("headers"));
    assert_int_equal(headers->type, PICKLE_DICT);
    assert_str(text_of(pickle_get(headers, STR("X-Size")), PICKLE_TEXT), "5");
    assert_str(text_of(pickle_get(headers, STR("X-Etag")), PICKLE_TEXT), "\\\n");
    struct pickle_value *successes = pickle_get(v, STR("successes"));
    assert_int_equal(successes->list.n, 2);
    assert_true(int_of(successes->list.items[0]) == 3 && int_of(successes->list.items[1]) == 4);
    assert_int_equal(pickle_get(v, STR("gone"))->type, PICKLE_NONE);
    assert_true(pickle_get(v, STR("yes"))->type == PICKLE_BOOL && pickle_get(v, STR("yes"))->boolean);
    assert_true(pickle_get(v, STR("f"))->real == -1.5);
}

static void test_truncated(void **state)
{
    static const char *const all[] = {xattr_put, xattr_tombstone,   hashes_replicated,
                                      hashes_ec, pending_container, pending_account};
    for (size_t i = 0; i < COUNT(all); i++) {
        struct str s = from_hex(all[i]);
        for (size_t n = 0; n < s.n; n++)
            assert_int_equal(parse_error(str_slice(s, 0, n)), -EINVAL);
    }
    struct str s = str_of(async_pending, sizeof(async_pending) - 1);
    for (size_t n = 0; n < s.n; n++)
        assert_int_equal(parse_error(str_slice(s, 0, n)), -EINVAL);
}

static void test_used(void **state)
{
    struct pickle_value *v;
    size_t used = 0;
    assert_int_equal(pickle_parse(arena, "K\x01.K\x02.", 6, &v, &used), 0);
    assert_int_equal(used, 3);
    assert_true(int_of(v) == 1);
}

static void test_ints(void **state)
{
    static const struct {
        struct str pickle;
        int64_t v;
    } v[] = {
        {STR_INIT("K\xff."), 255},
        {STR_INIT("M\x00\xff."), 0xff00},
        {STR_INIT("J\xff\xff\xff\xff."), -1},
        {STR_INIT("J\x00\x00\x00\x80."), INT32_MIN},
        {STR_INIT("\x8a\x00."), 0},
        {STR_INIT("\x8a\x01\xff."), -1},
        {STR_INIT("\x8a\x05\x00\x00\x00\x80\x00."), 0x80000000},
        {STR_INIT("\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80."), INT64_MIN},
        {STR_INIT("\x8a\x0a\xff\xff\xff\xff\xff\xff\xff\x7f\x00\x00."), INT64_MAX},
        {STR_INIT("\x8a\x09\xfe\xff\xff\xff\xff\xff\xff\xff\xff."), -2},
        {STR_INIT("I-5\n."), -5},
        {STR_INIT("L123L\n."), 123},
        {STR_INIT("L-9223372036854775808L\n."), INT64_MIN},
        {STR_INIT("L7\n."), 7},
    };
    for (size_t i = 0; i < COUNT(v); i++)
        assert_true(int_of(parse(v[i].pickle)) == v[i].v);
    FAILS(-EINVAL, "\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x80\x00."); /* 2^63 */
    FAILS(-EINVAL, "\x8a\x09\xff\xff\xff\xff\xff\xff\xff\x7f\xff."); /* -2^63 - 1 */
    FAILS(-EINVAL, "\x8a\x05\x00.");
    FAILS(-EINVAL, "I\n.");
    FAILS(-EINVAL, "I1x\n.");
    FAILS(-EINVAL, "L99999999999999999999L\n.");
    assert_false(parse(STR("I00\n."))->boolean);
}

static void test_python2_strings(void **state)
{
    assert_str(text_of(parse(STR("U\x03"
                                 "a\xe9\0.")),
                       PICKLE_BYTES),
               "a\xe9\0");
    assert_str(text_of(parse(STR("T\x02\0\0\0ab.")), PICKLE_BYTES), "ab");
    assert_str(text_of(parse(STR("S'a\\'\\x41\\n\\101\\0\\\\\"'\n.")), PICKLE_BYTES), "a'A\nA\0\\\"");
    assert_str(text_of(parse(STR("S\"it's\"\n.")), PICKLE_BYTES), "it's");
    FAILS(-EINVAL, "S'a\n.");
    FAILS(-EINVAL, "S'\n.");
    FAILS(-EINVAL, "Sa\n.");
    FAILS(-EINVAL, "S'\\x4'\n.");
    FAILS(-EINVAL, "S'\\xzz'\n.");
    FAILS(-EINVAL, "S'\\q'\n.");
    FAILS(-EINVAL, "S'\\'\n.");
    FAILS(-EINVAL, "U\x05"
                   "abc.");
    FAILS(-EINVAL, "T\xff\xff\xff\xff"
                   "abc.");
}

static void test_unicode(void **state)
{
    assert_str(text_of(parse(STR("X\x04\0\0\0\xc3\xa9\0a.")), PICKLE_TEXT), "\xc3\xa9\0a");
    FAILS(-EINVAL, "X\x01\0\0\0\xff.");
    FAILS(-EINVAL, "X\x03\0\0\0\xed\xa0\x80."); /* a surrogate */
    assert_str(text_of(parse(STR("V\\U0001f600\\u0041\\\\u0041\\x\n.")), PICKLE_TEXT), "\xf0\x9f\x98\x80"
                                                                                       "A\\\\u0041\\x");
    assert_str(text_of(parse(STR("V\n.")), PICKLE_TEXT), "");
    assert_str(text_of(parse(STR("V\\\n.")), PICKLE_TEXT), "\\");
    FAILS(-EINVAL, "V\\u004\n.");
    FAILS(-EINVAL, "V\\U00110000\n.");
    FAILS(-EINVAL, "V\\ud83d\n.");
}

static void test_globals(void **state)
{
    assert_str(text_of(parse(STR("c_codecs\nencode\nX\x04\0\0\0\xc3\xa9\xc3\xbfX\x06\0\0\0latin1\x86R.")),
                       PICKLE_BYTES),
               "\xe9\xff");
    assert_str(text_of(parse(STR("c__builtin__\nbytes\n)R.")), PICKLE_BYTES), "");
    assert_str(text_of(parse(STR("cbuiltins\nbytes\n)R.")), PICKLE_BYTES), "");
    FAILS(-EPERM, "cos\nsystem\nX\x02\0\0\0id\x85R.");
    FAILS(-EPERM, "cposix\nsystem\n.");
    FAILS(-EPERM, "c__builtin__\neval\n.");
    FAILS(-EPERM, "c_codecs\ndecode\n.");
    FAILS(-EPERM, "c\n\n.");
    FAILS(-EPERM, "cswift.common.header_key_dict\nHeaderKeyDict\0\n.");
    /* An allowed global is still no value. */
    FAILS(-EINVAL, "c_codecs\nencode\n.");
    FAILS(-EINVAL, "c_codecs\nencode\n\x85.");
    FAILS(-EINVAL, "](c_codecs\nencode\ne.");
    FAILS(-EINVAL, "}K\x01"
                   "c_codecs\nencode\ns.");
    FAILS(-EINVAL, "]c_codecs\nencode\n\x85"
                   "a.");
    /* Wrong arguments. */
    FAILS(-EINVAL, "c_codecs\nencode\nX\x01\0\0\0aX\x05\0\0\0utf-8\x86R.");
    FAILS(-EINVAL, "c_codecs\nencode\nX\x02\0\0\0\xc4\x80X\x06\0\0\0latin1\x86R."); /* U+0100 */
    FAILS(-EINVAL, "c_codecs\nencode\nK\x01X\x06\0\0\0latin1\x86R.");
    FAILS(-EINVAL, "c_codecs\nencode\n)R.");
    FAILS(-EINVAL, "c__builtin__\nbytes\nK\x05\x85R.");
    FAILS(-EINVAL, "K\x01)R.");
    FAILS(-EINVAL, "c_codecs\nencode\nK\x01R.");
    FAILS(-EINVAL, "ccopy_reg\n_reconstructor\nc__builtin__\ndict\nc__builtin__\ndict\n}\x87R.");
    FAILS(-EINVAL, "ccopy_reg\n_reconstructor\n(cswift.common.header_key_dict\nHeaderKeyDict\n"
                   "c__builtin__\ndict\nc__builtin__\ndict\ntR.");
    assert_int_equal(parse(STR("ccopyreg\n_reconstructor\n(cswift.common.header_key_dict\nHeaderKeyDict\n"
                               "cbuiltins\ndict\n}tR."))
                         ->type,
                     PICKLE_DICT);
}

static void test_arrays(void **state)
{
    struct pickle_value *v = parse(STR("carray\narray\nq\x00X\x01\0\0\0H](K\x01M\xff\xffK\x01"
                                       "e\x86R."));
    assert_int_equal(v->type, PICKLE_ARRAY);
    assert_int_equal(v->array.typecode, 'H');
    assert_int_equal(v->array.n, 3);
    assert_true(v->array.ints[0] == 1 && v->array.ints[1] == 65535 && v->array.ints[2] == 1);
    v = parse(STR("carray\narray\nU\x01"
                  "B](e\x86R."));
    assert_int_equal(v->array.n, 0);
    FAILS(-EINVAL, "carray\narray\nX\x01\0\0\0H](J\0\0\1\0e\x86R."); /* 65536 */
    FAILS(-EINVAL, "carray\narray\nX\x01\0\0\0B](J\xff\xff\xff\xff"
                   "e\x86R.");
    FAILS(-EINVAL, "carray\narray\nX\x01\0\0\0u](e\x86R.");
    FAILS(-EINVAL, "carray\narray\nX\x01\0\0\0\0](e\x86R.");
    FAILS(-EINVAL, "carray\narray\nX\x01\0\0\0H](Ne\x86R.");
    FAILS(-EINVAL, "carray\narray\nX\x01\0\0\0H)\x86R.");
}

static void test_equal_keys(void **state)
{
    struct pickle_value *v =
        parse(STR("}(X\x01\0\0\0aK\x01X\x01\0\0\0bK\x02X\x01\0\0\0aK\x03NK\x04NK\x05u."));
    assert_int_equal(v->dict.n, 3);
    assert_str(v->dict.pairs[0].key->text, "a");
    assert_true(int_of(v->dict.pairs[0].value) == 3);
    assert_true(int_of(v->dict.pairs[1].value) == 2);
    assert_true(int_of(v->dict.pairs[2].value) == 5);
    /* Text and bytes differ, tuples are compared by their items. */
    assert_int_equal(parse(STR("}(X\x01\0\0\0aNU\x01"
                               "aNK\x01K\x02\x86NK\x01K\x02\x86NK\x01\x85Nu."))
                         ->dict.n,
                     4);
    FAILS(-EINVAL, "}(]Nu.");
    FAILS(-EINVAL, "}(}Nu.");
    FAILS(-EINVAL, "}(]\x85Nu.");
}

static void test_stack_abuse(void **state)
{
    static const struct str bad[] = {
        STR_INIT(""),
        STR_INIT("."),
        STR_INIT("NN."),
        STR_INIT("(."),
        STR_INIT("N(."),
        STR_INIT("(N."),
        STR_INIT("a."),
        STR_INIT("Na."),
        STR_INIT("NNa."),
        STR_INIT("s."),
        STR_INIT("}Ns."),
        STR_INIT("]NNs."),
        STR_INIT("t."),
        STR_INIT("u."),
        STR_INIT("(u."),
        STR_INIT("}(Nu."),
        STR_INIT("](Nu."),
        STR_INIT("}(Ne."),
        STR_INIT("N\x86."),
        STR_INIT("N(\x85."),
        STR_INIT("R."),
        STR_INIT("NR."),
        STR_INIT("](Na."),
        STR_INIT("(Nd."),
        STR_INIT("q\x00."),
        STR_INIT("h\x00."),
        STR_INIT("Nh\x00."),
        STR_INIT("Nq\x01h\x02."),
        STR_INIT("N(q\x00t."),
        STR_INIT("p0\n."),
        STR_INIT("Np\n."),
        STR_INIT("Np-1\n."),
        STR_INIT("Nr\xff\xff\xff\xff."),
        STR_INIT("Np99999999999999999999\n."),
        STR_INIT("\x80."),
        STR_INIT("\x80\x05N."),
        STR_INIT("\x81."),
        STR_INIT("b."),
        STR_INIT("0."),
        STR_INIT("\x8c\x01"
                 "a."),
        STR_INIT("\x95\0\0\0\0\0\0\0\0N."),
        STR_INIT("Fx\n."),
        STR_INIT("G\0\0."),
        STR_INIT("F1e999\n."),
        STR_INIT("ios\nsystem\n."),
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        if (parse_error(bad[i]) != -EINVAL)
            fail_msg("accepted number %zu", i);
}

static void test_cycles(void **state)
{
    FAILS(-EINVAL, "]q\x00h\x00"
                   "a."); /* l.append(l) */
    FAILS(-EINVAL, "]q\x00(h\x00"
                   "e."); /* l.extend([l]) */
    FAILS(-EINVAL, "]q\x00]h\x00"
                   "aa.");                /* a.append(b), b.append(a) in between */
    FAILS(-EINVAL, "}q\x00K\x01h\x00s."); /* d[1] = d */
    FAILS(-EINVAL, "]q\x00h\x00\x85"
                   "a."); /* through a tuple */
    /* Sharing is fine. */
    struct pickle_value *v = parse(STR("](]q\x00h\x00"
                                       "e."));
    assert_ptr_equal(v->list.items[0], v->list.items[1]);
    /* Not after it was shared: what is inside another value stays as it is. */
    FAILS(-EINVAL, "]]q\x00"
                   "ah\x00K\x01"
                   "a.");
}

static struct str nested(int depth, char open, char close)
{
    char *p = arena_alloc(arena, (size_t)depth * 2 + 1);
    memset(p, open, (size_t)depth);
    memset(p + depth, close, (size_t)depth - 1);
    p[2 * depth - 1] = '.';
    return str_of(p, (size_t)depth * 2);
}

static void test_depth(void **state)
{
    parse(nested(64, ']', 'a'));
    assert_int_equal(parse_error(nested(65, ']', 'a')), -E2BIG);
    assert_int_equal(parse_error(nested(100000, ']', 'a')), -E2BIG);
    assert_int_equal(parse_error(nested(100000, '(', 't')), -E2BIG);
}

/* Each level holds the one before twice. */
static int parse_doubled(int levels)
{
    struct buf b;
    buf_init(&b, 10000);
    buf_puts(&b, "]");
    for (int i = 0; i < levels; i++)
        buf_printf(&b, "p%d\ng%d\n\x86", i, i);
    buf_puts(&b, ".");
    int err = parse_error(buf_view(&b));
    buf_release(&b);
    return err;
}

static void test_doubling(void **state)
{
    assert_int_equal(parse_doubled(10), 0);
    assert_int_equal(parse_doubled(60), -EINVAL); /* 2^60 values in some hundred bytes */
}

/* One long memoised text, turned to bytes again and again, or used as a key. */
static int parse_amplified(bool as_key, int times)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_puts(&b, as_key ? "}(" : "](");
    buf_str(&b, STR("X\xa0\x86\x01\x00")); /* 100000 bytes */
    memset(buf_reserve(&b, 100000), 'a', 100000);
    b.n += 100000;
    buf_str(&b, STR("q\x00N"));
    if (!as_key)
        buf_str(&b, STR("c_codecs\nencode\nq\x02X\x01\0\0\0aX\x06\0\0\0latin1q\x01\x86R"));
    for (int i = 0; i < times; i++)
        buf_str(&b, as_key ? STR("h\x00N") : STR("h\x02h\x00h\x01\x86R"));
    buf_puts(&b, as_key ? "u." : "e.");
    int err = parse_error(buf_view(&b));
    buf_release(&b);
    return err;
}

static void test_amplification(void **state)
{
    assert_int_equal(parse_amplified(true, 10), 0);
    assert_int_equal(parse_amplified(true, 10000), -EINVAL);
    assert_int_equal(parse_amplified(false, 10), 0);
    assert_int_equal(parse_amplified(false, 10000), -EINVAL);
}

/* ---- our writer ---- */

static int64_t square(size_t i, void *arg)
{
    return (int64_t)(i * i) + *(int *)arg;
}

static void test_write_pending(void **state)
{
    struct buf b;
    buf_init(&b, 1000);
    pickle_begin(&b);
    pickle_tuple_begin(&b);
    pickle_text(&b, STR("hand"));
    pickle_text(&b, STR("1700000020.00000"));
    pickle_int(&b, 3);
    pickle_text(&b, STR("t/p"));
    pickle_text(&b, STR("etag"));
    pickle_int(&b, 0);
    pickle_int(&b, 0);
    pickle_none(&b);
    pickle_none(&b);
    pickle_tuple_end(&b);
    pickle_end(&b);
    /* facts: database 4, without the base64 */
    assert_true(str_eq(buf_view(&b), from_hex("80022858040000006861"
                                              "6e645810000000313730"
                                              "303030303032302e3030"
                                              "3030304b035803000000"
                                              "742f7058040000006574"
                                              "61674b004b004e4e742e")));
    buf_release(&b);
}

static void test_write_bytes(void **state)
{
    struct buf b;
    buf_init(&b, 1000);
    pickle_begin(&b);
    pickle_dict_begin(&b);
    pickle_bytes(&b, STR("a\xc3\0"));
    pickle_bytes(&b, STR(""));
    pickle_dict_end(&b);
    pickle_end(&b);
    assert_str(buf_view(&b), "\x80\x02}(c_codecs\nencode\nX\x04\0\0\0a\xc3\x83\0X\x06\0\0\0latin1\x86R"
                             "c__builtin__\nbytes\n)Ru.");
    struct pickle_value *v = parse(buf_view(&b));
    assert_str(text_of(v->dict.pairs[0].key, PICKLE_BYTES), "a\xc3\0");
    assert_str(text_of(v->dict.pairs[0].value, PICKLE_BYTES), "");
    /* Newer Swift looks for this within the first 32 bytes. */
    assert_in_range(str_find_str(buf_view(&b), STR("_codecs\nencode"), 0), 0, 31);
    buf_release(&b);
}

static void test_write_ints(void **state)
{
    static const struct {
        int64_t v;
        struct str op;
    } v[] = {
        {0, STR_INIT("K\0")},
        {255, STR_INIT("K\xff")},
        {256, STR_INIT("M\0\1")},
        {65535, STR_INIT("M\xff\xff")},
        {65536, STR_INIT("J\0\0\1\0")},
        {-1, STR_INIT("J\xff\xff\xff\xff")},
        {INT32_MAX, STR_INIT("J\xff\xff\xff\x7f")},
        {INT32_MIN, STR_INIT("J\0\0\0\x80")},
        {INT64_C(2147483648), STR_INIT("\x8a\x05\0\0\0\x80\0")},
        {INT64_C(-2147483649), STR_INIT("\x8a\x05\xff\xff\xff\x7f\xff")},
        {INT64_C(1099511627776), STR_INIT("\x8a\x06\0\0\0\0\0\1")},
        {INT64_MAX, STR_INIT("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f")},
        {INT64_MIN, STR_INIT("\x8a\x08\0\0\0\0\0\0\0\x80")},
    };
    for (size_t i = 0; i < COUNT(v); i++) {
        struct buf b;
        buf_init(&b, 100);
        pickle_int(&b, v[i].v);
        assert_true(str_eq(buf_view(&b), v[i].op));
        pickle_end(&b);
        assert_true(int_of(parse(buf_view(&b))) == v[i].v);
        buf_release(&b);
    }
}

static void test_write_rest(void **state)
{
    struct buf b;
    int seven = 7;
    buf_init(&b, 10000);
    pickle_begin(&b);
    pickle_list_begin(&b);
    pickle_float(&b, 1795359722.6639392);
    pickle_bool(&b, true);
    pickle_bool(&b, false);
    pickle_none(&b);
    pickle_text(&b, STR("\xe2\x98\x83"));
    pickle_array(&b, 'H', 200, square, &seven);
    pickle_list_end(&b);
    pickle_end(&b);
    struct pickle_value *v = parse(buf_view(&b));
    assert_int_equal(v->list.n, 6);
    assert_true(v->list.items[0]->real == 1795359722.6639392);
    assert_true(v->list.items[1]->boolean && !v->list.items[2]->boolean);
    assert_int_equal(v->list.items[3]->type, PICKLE_NONE);
    assert_str(text_of(v->list.items[4], PICKLE_TEXT), "\xe2\x98\x83");
    assert_int_equal(v->list.items[5]->array.n, 200);
    for (int i = 0; i < 200; i++)
        assert_true(v->list.items[5]->array.ints[i] == i * i + 7);
    buf_release(&b);
    /* BINFLOAT as Python has it in hashes.pkl. */
    buf_init(&b, 8);
    pickle_float(&b, 1);
    assert_int_equal(buf_error(&b), -E2BIG);
    buf_release(&b);
    buf_init(&b, 9);
    pickle_float(&b, 1795359722.6639392);
    assert_str(buf_view(&b), "G\x41\xda\xc0\xc0\xfa\xaa\x7d\xfb");
    buf_release(&b);
}

/* A builder's table: a list of many ints shares the nodes of small ones. */
static void test_large_array(void **state)
{
    enum { N = 1 << 18 };
    struct buf b;
    buf_init(&b, (size_t)8 * N);
    pickle_begin(&b);
    buf_puts(&b, "carray\narray\n");
    pickle_text(&b, STR("H"));
    buf_puts(&b, "]");
    for (int i = 0; i < N; i++) {
        if (i % 1000 == 0)
            buf_puts(&b, "(");
        pickle_int(&b, i % 3000);
        if (i % 1000 == 999 || i == N - 1)
            buf_puts(&b, "e");
    }
    buf_puts(&b, "\x86R.");
    struct pickle_value *v = parse(buf_view(&b));
    assert_int_equal(v->array.n, N);
    for (int i = 0; i < N; i++)
        assert_true(v->array.ints[i] == i % 3000);
    buf_release(&b);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_metadata),      T(test_hashes),        T(test_pending),     T(test_async_pending),
        T(test_truncated),     T(test_used),          T(test_ints),        T(test_python2_strings),
        T(test_unicode),       T(test_globals),       T(test_arrays),      T(test_equal_keys),
        T(test_stack_abuse),   T(test_cycles),        T(test_depth),       T(test_doubling),
        T(test_amplification), T(test_write_pending), T(test_write_bytes), T(test_write_ints),
        T(test_write_rest),    T(test_large_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
