/* SPDX-License-Identifier: Apache-2.0
 *
 * test_suffix_hashes.c: digests of folders that upstream's code computed, hashes.pkl and hashes.invalid, clean-up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/clock.h"
#include "common/file.h"
#include "object/hash_dir.h"
#include "object/suffix_hashes.h"

#define PART 7

static struct arena *arena;
static char root[64];
static struct policy replication = {.index = 0, .type = POLICY_REPLICATION};
static struct policy coded = {.index = 1, .type = POLICY_ERASURE_CODING, .ec_data = 2, .ec_parity = 1};
static struct objects_dir repl, ec;

static int setup(void **state)
{
    arena = arena_new();
    snprintf(root, sizeof root, "/tmp/martlet-suffix-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    objects_dir_init(&repl, arena, root, &replication);
    objects_dir_init(&ec, arena, root, &coded);
    clock_fix((int64_t)1700000020 * 1000000000);
    return 0;
}

static int teardown(void **state)
{
    clock_fix(0);
    file_remove_tree(root);
    arena_free(arena);
    return 0;
}

static const char *in_part(const struct objects_dir *d, const char *rest)
{
    return arena_printf(arena, "%s/%d/%s", d->path, PART, rest).p;
}

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

/* The folder of object A, B or C: 29 times the digit, then the suffix. */
static const char *object_dir(const struct objects_dir *d, const char *suffix, char digit)
{
    char hash[33];
    memset(hash, digit, 29);
    memcpy(hash + 29, suffix, 4);
    return objects_dir_hash(d, arena, PART, hash).p;
}

/* Makes the blank-separated files. */
static void put(const struct objects_dir *d, const char *suffix, char digit, const char *names)
{
    const char *dir = object_dir(d, suffix, digit);
    struct str rest = str_from(names), name;
    unsigned created;
    assert_int_equal(objects_dir_make(d->device_path, dir, &created), 0);
    while (str_next(&rest, ' ', &name)) {
        int fd = open(arena_printf(arena, "%s/%.*s", dir, STR_ARG(name)).p, O_CREAT | O_WRONLY, 0644);
        assert_true(fd >= 0);
        close(fd);
    }
}

static bool has(const struct objects_dir *d, const char *suffix, char digit, const char *name)
{
    return exists(arena_printf(arena, "%s/%s", object_dir(d, suffix, digit), name).p);
}

static struct suffix_hash computed(const struct objects_dir *d, const char *suffix)
{
    struct suffix_hash h = {0};
    memcpy(h.suffix, suffix, 4);
    assert_int_equal(suffix_hashes_compute(d, PART, &h, arena), 0);
    assert_true(h.known);
    return h;
}

static void test_replication_vectors(void **state)
{
    put(&repl, "001", '0', "1700000000.00000.data");
    put(&repl, "001", 'a', "1700000001.00000.data 1700000005.00000.meta");
    put(&repl, "001", 'f', "1700000009.00000.ts");
    assert_string_equal(computed(&repl, "001").hex, "13adf9a14674650837ea75a55caf4a4e");
    put(&repl, "002", '0', "1700000000.00000.data 1700000007.00000-30d40.meta 1700000006.00000+0.meta");
    assert_string_equal(computed(&repl, "002").hex, "472c6713a3a4cc78bf29c6bc9cc086c2");
    put(&repl, "003", '0', "1700000005.00000.meta");
    put(&repl, "003", 'a', "1700000004.00000.ts 1700000005.00000.meta");
    assert_string_equal(computed(&repl, "003").hex, "1cfbf5388c2ccdc10bd1a6b218ee66ef");
    put(&repl, "004", '0',
        "1700000000.00000_0000000000000001.data 1700000000.00000.data 1700000000.00000.ts "
        "1700000002.00000_1+0.meta");
    assert_string_equal(computed(&repl, "004").hex, "9f5cbdf2ba7e27631094ba5a917fef5b");
    assert_false(has(&repl, "004", '0', "1700000000.00000.data"));
    assert_false(has(&repl, "004", '0', "1700000000.00000.ts"));
    assert_true(has(&repl, "004", '0', "1700000000.00000_0000000000000001.data"));
}

static const char *frag_hash(const struct suffix_hash *h, int index)
{
    for (size_t i = 0; i < h->n_frags; i++)
        if (h->frags[i].frag_index == index)
            return h->frags[i].hex;
    return "none";
}

static void test_fragment_vectors(void **state)
{
    put(&ec, "001", '0', "1700000000.00000#0#d.data 1700000000.00000#2.data");
    put(&ec, "001", 'a', "1700000001.00000#1.data");
    put(&ec, "001", 'f', "1700000002.00000#1.data 1700000002.00000.durable 1700000003.00000.meta");
    struct suffix_hash h = computed(&ec, "001");
    assert_int_equal(h.n_frags, 4);
    assert_string_equal(frag_hash(&h, 0), "ba09af0fe78850c2804cbcb2e4bfc952");
    assert_string_equal(frag_hash(&h, 2), "ba09af0fe78850c2804cbcb2e4bfc952");
    assert_string_equal(frag_hash(&h, 1), "123e601d7162c6f3dfacd0cb2d695671");
    assert_string_equal(frag_hash(&h, -1), "d3f8f3c55c98b41524b81b937170b992");
    put(&ec, "002", '0',
        "1700000000.00000#0#d.data 1700000005.00000#0.data 1700000005.00000#1.data 1700000006.00000.meta");
    put(&ec, "002", 'a', "1700000009.00000.ts 1700000001.00000#1#d.data");
    put(&ec, "002", 'f', "1700000009.00000.ts 1700000010.00000#1.data");
    h = computed(&ec, "002");
    assert_string_equal(frag_hash(&h, -1), "7582d408bb325c663c33121969459963");
    assert_string_equal(frag_hash(&h, 0), "9c5bd78347a2632fbb78e1f57bae023e");
    assert_string_equal(frag_hash(&h, 1), "27552e87da4018056258b62d616d6149");
}

static void test_reclaim(void **state)
{
    /* Only an old tombstone: file, folder and suffix go. */
    put(&repl, "010", '0', "1600000000.00000.ts");
    struct suffix_hash h = {.suffix = "010"};
    assert_int_equal(suffix_hashes_compute(&repl, PART, &h, arena), -ENOENT);
    assert_false(exists(in_part(&repl, "010")));
    /* A stray .meta stays until it is old; what is not understood stays for ever. */
    put(&repl, "011", '0', "1700000001.00000.meta");
    put(&repl, "011", 'a', "1600000000.00000.meta");
    put(&repl, "011", 'f', "1600000000.00000.data 1500000000.00000.data strange");
    computed(&repl, "011");
    assert_true(has(&repl, "011", '0', "1700000001.00000.meta"));
    assert_false(exists(object_dir(&repl, "011", 'a')));
    assert_true(has(&repl, "011", 'f', "strange"));
    assert_false(has(&repl, "011", 'f', "1500000000.00000.data"));
}

/* A fragment that was not committed is kept for the commit window after it was written, however old its name. */
static void test_commit_window(void **state)
{
    put(&ec, "012", '0', "1600000000.00000#1.data");
    const struct timespec now[2] = {{1700000000, 0}, {1700000000, 0}},
                          old[2] = {{1699999900, 0}, {1699999900, 0}};
    const char *file = arena_printf(arena, "%s/1600000000.00000#1.data", object_dir(&ec, "012", '0')).p;
    assert_int_equal(utimensat(AT_FDCWD, file, now, 0), 0);
    computed(&ec, "012");
    assert_true(exists(file));
    assert_int_equal(utimensat(AT_FDCWD, file, old, 0), 0);
    struct suffix_hash h = {.suffix = "012"};
    assert_int_equal(suffix_hashes_compute(&ec, PART, &h, arena), -ENOENT);
    assert_false(exists(file));
}

static void test_file_in_place_of_folder(void **state)
{
    unsigned created;
    const char *path = object_dir(&repl, "013", 'b');
    assert_int_equal(objects_dir_make(root, in_part(&repl, "013"), &created), 0);
    close(open(path, O_CREAT | O_WRONLY, 0644));
    put(&repl, "013", '0', "1700000000.00000.data");
    computed(&repl, "013");
    assert_false(exists(path));
    assert_true(exists(arena_printf(arena, "%s/quarantined/objects/%s", root, strrchr(path, '/') + 1).p));
}

/* --- the files of a partition -------------------------------------------------------------------------------------- */

static struct str content(const char *path)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    assert_int_equal(file_read(path, &b), 0);
    struct str s = arena_str(arena, str_of(b.n ? b.p : "", b.n));
    buf_release(&b);
    return s;
}

static void test_invalidate(void **state)
{
    assert_int_equal(suffix_hashes_invalidate(&repl, PART, STR("abc")), 0);
    assert_int_equal(suffix_hashes_invalidate(&repl, PART, STR("0a9")), 0);
    assert_true(str_eq(content(in_part(&repl, "hashes.invalid")), STR("abc\n0a9\n")));
    assert_true(exists(in_part(&repl, ".lock")));
    struct suffix_hashes h;
    assert_int_equal(suffix_hashes_consolidate(&repl, PART, arena, &h), 0);
    assert_int_equal(h.n, 2);
    assert_string_equal(h.v[0].suffix, "0a9");
    assert_false(h.v[0].known);
    assert_false(h.valid); /* it never was: a listing has to follow */
    assert_int_equal(content(in_part(&repl, "hashes.invalid")).n, 0);
    assert_int_equal(suffix_hashes_parse(arena, content(in_part(&repl, "hashes.pkl")), &h), 0);
    assert_int_equal(h.n, 2);
    assert_false(h.valid);
}

static void test_invalidate_needs_device(void **state)
{
    struct objects_dir gone;
    objects_dir_init(&gone, arena, "/tmp/martlet-no-such-device", &replication);
    assert_int_equal(suffix_hashes_invalidate(&gone, PART, STR("abc")), -ENODEV);
    assert_false(exists("/tmp/martlet-no-such-device"));
}

static void test_get(void **state)
{
    struct suffix_hashes h;
    size_t hashed;
    assert_int_equal(suffix_hashes_get(&repl, PART, NULL, 0, false, arena, &h, &hashed), -ENOENT);
    put(&repl, "001", '0', "1700000000.00000.data");
    put(&repl, "abc", 'f', "1700000009.00000.ts");
    assert_int_equal(suffix_hashes_get(&repl, PART, NULL, 0, false, arena, &h, &hashed), 0);
    assert_int_equal(hashed, 2);
    assert_int_equal(h.n, 2);
    /* Nothing changed: nothing is computed, and a new suffix is not seen unless announced or looked for. */
    put(&repl, "002", '0', "1700000000.00000.data");
    assert_int_equal(suffix_hashes_get(&repl, PART, NULL, 0, false, arena, &h, &hashed), 0);
    assert_int_equal(hashed, 0);
    assert_int_equal(h.n, 2);
    assert_int_equal(suffix_hashes_invalidate(&repl, PART, STR("002")), 0);
    assert_int_equal(suffix_hashes_get(&repl, PART, NULL, 0, false, arena, &h, &hashed), 0);
    assert_int_equal(hashed, 1);
    assert_int_equal(h.n, 3);
    char before[33];
    memcpy(before, h.v[0].hex, 33);
    put(&repl, "001", '0', "1700000001.00000.data");
    const struct str one = STR("001");
    assert_int_equal(suffix_hashes_get(&repl, PART, &one, 1, false, arena, &h, &hashed), 0);
    assert_int_equal(hashed, 1);
    assert_string_not_equal(before, h.v[0].hex);
    /* An announced suffix that is not there has no entry. */
    assert_int_equal(suffix_hashes_invalidate(&repl, PART, STR("fff")), 0);
    assert_int_equal(suffix_hashes_get(&repl, PART, NULL, 0, true, arena, &h, &hashed), 0);
    assert_int_equal(h.n, 3);
}

static void test_corrupt_table(void **state)
{
    struct suffix_hashes h;
    size_t hashed;
    put(&repl, "001", '0', "1700000000.00000.data");
    assert_int_equal(file_replace(in_part(&repl, "hashes.pkl"), "garbage", 7, 0600), 0);
    assert_int_equal(suffix_hashes_get(&repl, PART, NULL, 0, false, arena, &h, &hashed), 0);
    assert_int_equal(h.n, 1);
    assert_int_equal(suffix_hashes_parse(arena, content(in_part(&repl, "hashes.pkl")), &h), 0);
    assert_true(h.valid);
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

static void test_upstream_tables(void **state)
{
    struct suffix_hashes h;
    struct buf b;
    assert_int_equal(
        suffix_hashes_parse(
            arena,
            from_hex(
                "80027d710028580500000076616c696471018858030000003663667102582000000061623962306264"
                "32363863356233343265616664303339366539313262653838710358030000006239337104582000000038"
                "3431646665383233373231623566313462346132343665613037373634353771055807000000757064617465"
                "6471064741dac0c0faaa7dfb752e"),
            &h),
        0);
    assert_true(h.valid);
    assert_int_equal(h.n, 2);
    assert_string_equal(h.v[0].suffix, "6cf");
    assert_string_equal(h.v[0].hex, "ab9b0bd268c5b342eafd0396e912be88");
    assert_string_equal(h.v[1].hex, "841dfe823721b5f14b4a246ea0776457");
    assert_true(h.updated > 1795359722.66 && h.updated < 1795359722.67);
    assert_int_equal(
        suffix_hashes_parse(
            arena,
            from_hex("80027d710028580500000076616c6964710188580300000036636671027d7103284b005820000000"
                     "626130396166306665373838353063323830346362636232653462666339353271044b0258200000"
                     "00626130396166306665373838353063323830346362636232653462666339353271054e58200000"
                     "00623835313565613362353739356531623362356231633231643830333263646171067558070000"
                     "007570646174656471074741dac0c0faaec0a8752e"),
            &h),
        0);
    assert_int_equal(h.n, 1);
    assert_string_equal(frag_hash(&h.v[0], 2), "ba09af0fe78850c2804cbcb2e4bfc952");
    assert_int_equal(strlen(frag_hash(&h.v[0], -1)), 32);
    /* and what we write reads back the same */
    buf_init(&b, 4096);
    suffix_hashes_encode(&h, &b);
    struct suffix_hashes again;
    assert_int_equal(suffix_hashes_parse(arena, buf_view(&b), &again), 0);
    assert_int_equal(again.v[0].n_frags, 3);
    assert_string_equal(frag_hash(&again.v[0], 0), "ba09af0fe78850c2804cbcb2e4bfc952");
    assert_memory_equal(&h.updated, &again.updated, sizeof h.updated);
    buf_release(&b);
}

static void test_parse_rejects(void **state)
{
    struct suffix_hashes h;
    static const char *const bad[] = {"", "\x80\x02N.", "\x80\x02}X\x04\x00\x00\x00",
                                      "\x80\x02}(U\x03xyzNu."};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(suffix_hashes_parse(arena, str_from(bad[i]), &h), -EINVAL);
        assert_false(h.valid);
        assert_int_equal(h.n, 0);
    }
    /* No "valid" means valid, no "updated" for ever old. */
    assert_int_equal(suffix_hashes_parse(arena, STR("\x80\x02}."), &h), 0);
    assert_true(h.valid);
    assert_true(h.updated < 0);
}

static void test_answer(void **state)
{
    struct suffix_hashes h;
    struct buf b;
    buf_init(&b, 4096);
    suffix_hashes_init(&h, arena);
    struct suffix_hash *one = suffix_hashes_at(&h, STR("3ba"));
    one->known = true;
    memcpy(one->hex, "253a161628cc2937d11f20a11e72c037", 33);
    suffix_hashes_answer(&h, &b);
    assert_true(str_find_str(buf_view(&b), STR("253a161628cc2937d11f20a11e72c037"), 0) > 0);
    assert_true(str_find_str(buf_view(&b), STR("valid"), 0) < 0);
    buf_release(&b);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(test_replication_vectors),
        EACH(test_fragment_vectors),
        EACH(test_reclaim),
        EACH(test_commit_window),
        EACH(test_file_in_place_of_folder),
        EACH(test_invalidate),
        EACH(test_invalidate_needs_device),
        EACH(test_get),
        EACH(test_corrupt_table),
        EACH(test_upstream_tables),
        EACH(test_parse_rejects),
        EACH(test_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
