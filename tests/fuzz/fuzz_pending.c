/* SPDX-License-Identifier: Apache-2.0
 *
 * Text of a .pending file. What is read is written again and must read the same.
 */
#include <stdlib.h>

#include "db/db_pending.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct pickle_value *tuple, struct buf *pickle)
{
    pickle_begin(pickle);
    pickle_tuple_begin(pickle);
    for (size_t i = 0; i < 9; i++) {
        bool null;
        int64_t n = db_pending_int(tuple, i, 0, &null);
        struct str text = db_pending_text(tuple, i);
        if (text.p && tuple->list.items[i]->type == PICKLE_BYTES)
            pickle_bytes(pickle, text);
        else if (text.p)
            pickle_text(pickle, text);
        else if (null)
            pickle_none(pickle);
        else
            pickle_int(pickle, n);
    }
    pickle_tuple_end(pickle);
    pickle_end(pickle);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new();
    struct db_pending rows = {0};
    struct buf text;

    db_pending_parse(a, str_of(data, size), &rows);
    buf_init(&text, 1u << 26);
    for (size_t i = 0; i < rows.n; i++) {
        struct buf pickle;
        buf_init(&pickle, 1u << 26);
        write_again(rows.v[i], &pickle);
        db_pending_encode(&text, buf_view(&pickle));
        buf_release(&pickle);
    }
    struct db_pending again = {0};
    db_pending_parse(a, buf_view(&text), &again);
    if (again.bad || again.n != rows.n)
        abort();
    for (size_t i = 0; i < rows.n; i++)
        for (size_t k = 0; k < 9; k++)
            if (!str_eq(db_pending_text(rows.v[i], k), db_pending_text(again.v[i], k)) ||
                db_pending_int(rows.v[i], k, 7, NULL) != db_pending_int(again.v[i], k, 7, NULL))
                if (rows.v[i]->list.n > k && rows.v[i]->list.items[k]->type <= PICKLE_INT)
                    abort();
    buf_release(&text);
    arena_free(a);
    return 0;
}
