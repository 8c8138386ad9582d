/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_hashes_pkl.c: hashes.pkl as the disk or a peer's replicator left it. What is accepted must read back the same.
 */
#include <stdlib.h>
#include "object/suffix_hashes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void compare(const struct suffix_hashes *x, const struct suffix_hashes *y)
{
    check(x->valid == y->valid && x->n == y->n && memcmp(&x->updated, &y->updated, sizeof x->updated) == 0);
    for (size_t i = 0; i < x->n; i++) {
        const struct suffix_hash *a = &x->v[i], *b = &y->v[i];
        check(memcmp(a->suffix, b->suffix, 3) == 0 && a->known == b->known);
        check(!a->known || a->frags || memcmp(a->hex, b->hex, 32) == 0);
        check(i == 0 || memcmp(x->v[i - 1].suffix, a->suffix, 3) < 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new();
    struct suffix_hashes h, again;
    if (suffix_hashes_parse(a, str_of(data, size), &h) == 0) {
        struct buf b;
        buf_init(&b, SUFFIX_HASHES_MAX_BYTES);
        suffix_hashes_encode(&h, &b);
        check(buf_error(&b) == 0 && suffix_hashes_parse(a, buf_view(&b), &again) == 0);
        compare(&h, &again);
        buf_release(&b);
    } else {
        check(!h.valid && h.n == 0);
    }
    arena_free(a);
    return 0;
}
