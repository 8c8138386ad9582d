/* SPDX-License-Identifier: Apache-2.0
 *
 * Text of the metadata column: what parses is written, parses again, and is then the same text.
 */
#include <stdlib.h>

#include "db/db_metadata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_and_parse(struct arena *a, struct db_metadata *m, struct buf *text)
{
    buf_init(text, 1u << 26);
    db_metadata_write(m, text);
    if (buf_error(text) || db_metadata_parse(a, buf_view(text), m) < 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct constraints limits = {.max_meta_count = 2, .max_meta_overall_size = 10};
    struct arena *a = arena_new();
    struct db_metadata m;
    struct buf first, second, error;

    if (db_metadata_parse(a, str_of(data, size), &m) == 0) {
        size_t n = m.n;
        buf_init(&error, 1024);
        write_and_parse(a, &m, &first);
        write_and_parse(a, &m, &second);
        if (m.n != n || !str_eq(buf_view(&first), buf_view(&second)))
            abort();
        db_metadata_validate(&m, &limits, &error);
        if (db_metadata_merge(&m, &m)) /* nothing is newer than itself */
            abort();
        db_metadata_reclaim(&m, STR("1700000000"));
        buf_release(&first);
        buf_release(&second);
        buf_release(&error);
    }
    arena_free(a);
    return 0;
}
