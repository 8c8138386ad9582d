/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_listing.c: JSON listings as a server may send them, up to the directory they become.
 */
#include <assert.h>
#include "fs/dir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct listing l;
    struct dir *d = dir_new();
    ssize_t n;

    listing_init(&l);
    n = listing_parse(&l, str_of(data, size));
    assert(n < 0 ? l.n == 0 : (size_t)n >= l.n);
    dir_add_listing(d, &l, STR_NONE);
    dir_add_listing(d, &l, STR("a/"));
    for (size_t i = 0; i < d->n; i++) {
        assert(dir_name_valid(str_from(d->v[i].name)));
        assert(i == 0 || strcmp(d->v[i - 1].name, d->v[i].name) < 0);
    }
    dir_unref(d);
    listing_release(&l);
    return 0;
}
