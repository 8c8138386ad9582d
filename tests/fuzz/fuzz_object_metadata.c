/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_object_metadata.c: metadata of an object as the disk gives it. What is accepted must survive being written again.
 */
#include <stdlib.h>
#include "object/diskfile_meta.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new();
    struct diskfile_meta m, again;
    if (diskfile_meta_decode(a, str_of(data, size), &m) == 0) {
        struct buf b;
        buf_init(&b, DISKFILE_META_MAX * 16);
        diskfile_meta_encode(&m, &b);
        check(buf_error(&b) == 0);
        check(m.fields.n == 0 || diskfile_meta_decode(a, buf_view(&b), &again) == 0);
        for (size_t i = 0; i < m.fields.n;
             i++) /* an equal key later in the pickle replaces the earlier one */
            check(header_has(&again.fields, m.fields.v[i].name));
        if (m.fields.n && m.name.p)
            check(str_eq(m.name, again.name));
        buf_release(&b);
    }
    arena_free(a);
    return 0;
}
