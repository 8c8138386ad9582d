/* SPDX-License-Identifier: Apache-2.0
 *
 * swift.conf: policies, limits, hash secrets, and what is refused.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/swift_conf.h"
#include "common/alloc.h"
#include "common/file.h"

static char folder[] = "/tmp/martlet-policy-XXXXXX";

#define HASH "[swift-hash]\nswift_hash_path_suffix = end\n"

/* Loads a swift.conf with this text; the sentence of a failure goes into `error`. */
static int load(const char *text, struct swift_conf **ret, struct buf *error)
{
    char *path = xasprintf("%s/swift.conf", folder);
    assert_int_equal(file_replace(path, text, strlen(text), 0644), 0);
    free(path);
    buf_init(error, 4096);
    *ret = NULL;
    return swift_conf_load(folder, ret, error);
}

static void refused(const char *text, const char *word)
{
    struct swift_conf *c;
    struct buf error;
    assert_int_equal(load(text, &c, &error), -EINVAL);
    assert_non_null(strstr(error.p, "swift.conf"));
    if (!strstr(error.p, word))
        fail_msg("'%s' is not in: %s", word, error.p);
    buf_release(&error);
}

static void test_no_sections(void **state)
{
    struct swift_conf *c;
    struct buf error;
    assert_int_equal(load(HASH, &c, &error), 0);
    assert_int_equal(c->policies.n, 1);
    assert_string_equal(c->policies.v[0].name, "Policy-0");
    assert_ptr_equal(c->policies.fallback, &c->policies.v[0]);
    assert_int_equal(c->constraints.max_file_size, 5368709122);
    assert_int_equal(constraints_max_headers(&c->constraints), 201);
    swift_conf_free(c);
    buf_release(&error);
}

static void test_two_policies(void **state)
{
    struct swift_conf *c;
    struct buf error;
    assert_int_equal(load(HASH "[storage-policy:1]\nname = Silver\naliases = second, 2nd\ndefault = yes\n"
                               "[storage-policy:0]\nname = gold\n"
                               "[swift-constraints]\nmax_meta_count = 10\n",
                          &c, &error),
                     0);
    const struct policies *p = &c->policies;
    assert_int_equal(p->n, 2);
    assert_int_equal(p->v[0].index, 0);
    assert_int_equal(p->fallback->index, 1);
    assert_ptr_equal(policy_by_header(p, STR_NONE), &p->v[0]);
    assert_ptr_equal(policy_by_header(p, STR("")), &p->v[0]);
    assert_ptr_equal(policy_by_header(p, STR("1")), &p->v[1]);
    assert_null(policy_by_header(p, STR("9")));
    assert_null(policy_by_header(p, STR("x")));
    assert_ptr_equal(policy_by_name(p, STR("SILVER")), &p->v[1]);
    assert_ptr_equal(policy_by_name(p, STR("2nd")), &p->v[1]);
    assert_null(policy_by_name(p, STR("bronze")));
    assert_int_equal(c->constraints.max_meta_count, 10);
    swift_conf_free(c);
    buf_release(&error);
}

static void test_erasure_coding(void **state)
{
    struct swift_conf *c;
    struct buf error;
    assert_int_equal(load(HASH "[storage-policy:0]\nname = a\npolicy_type = erasure_coding\nec_type = "
                               "isa_l_rs_cauchy\nec_num_data_fragments = 4\nec_num_parity_fragments = 2\n",
                          &c, &error),
                     0);
    assert_int_equal(c->policies.v[0].type, POLICY_ERASURE_CODING);
    assert_int_equal(c->policies.v[0].ec_data, 4);
    assert_int_equal(c->policies.v[0].ec_segment_size, 1048576);
    swift_conf_free(c);
    buf_release(&error);
}

static void test_refused(void **state)
{
    refused(HASH "[storage-policy:1]\nname = a\n", "storage-policy:0");
    refused(HASH "[storage-policy:x]\nname = a\n", "number");
    refused(HASH "[storage-policy:0]\nname = a b\n", "letters");
    refused(HASH "[storage-policy:0]\nname = a\n[storage-policy:1]\nname = A\n", "already");
    refused(HASH "[storage-policy:0]\nname = a\n[storage-policy:1]\nname = policy-0\n", "reserved");
    refused(HASH "[storage-policy:0]\nname = a\n[storage-policy:1]\nname = b\n", "default");
    refused(HASH "[storage-policy:0]\nname = a\ndefault=1\n[storage-policy:1]\nname = b\ndefault=1\n",
            "more than one");
    refused(HASH "[storage-policy:0]\nname = a\ndeprecated = yes\n", "default");
    refused(HASH "[storage-policy:0]\nname = a\npolicy_type = magic\n", "policy_type");
    refused(HASH "[storage-policy:0]\nname = a\npolicy_type = erasure_coding\n", "ec_type");
    refused(HASH "[swift-constraints]\nmax_meta_count = many\n", "max_meta_count");
    refused("[swift-hash]\n", "swift_hash_path_suffix");
}

static void test_directory_names(void **state)
{
    char out[POLICY_DIR_SIZE];
    assert_string_equal(policy_dir("objects", 0, out), "objects");
    assert_string_equal(policy_dir("async_pending", 12, out), "async_pending-12");
}

static void test_quorum(void **state)
{
    const size_t want[] = {0, 1, 1, 2, 2, 3, 3};
    for (size_t n = 1; n < 7; n++)
        assert_int_equal(quorum_size(n), want[n]);
}

static int setup(void **state)
{
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    return file_remove_tree(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_sections),     cmocka_unit_test(test_two_policies),
        cmocka_unit_test(test_erasure_coding),  cmocka_unit_test(test_refused),
        cmocka_unit_test(test_directory_names), cmocka_unit_test(test_quorum),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
