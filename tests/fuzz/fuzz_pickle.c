/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_pickle.c: any input is refused or gives a value that can be walked to its end, within bounds, and that
 * comes out the same after being written and read again.
 */
#include <stdlib.h>
#include "common/pickle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static int64_t item(size_t i, void *arg)
{
    const struct pickle_value *v = arg;
    return v->array.ints[i];
}

static void write_value(struct buf *b, const struct pickle_value *v, int depth);

static void write_items(struct buf *b, const struct pickle_value *v, int depth)
{
    for (size_t i = 0; i < v->list.n; i++)
        write_value(b, v->list.items[i], depth + 1);
}

static void write_value(struct buf *b, const struct pickle_value *v, int depth)
{
    check(depth <= 65);
    switch (v->type) {
    case PICKLE_NONE:
        pickle_none(b);
        break;
    case PICKLE_BOOL:
        pickle_bool(b, v->boolean);
        break;
    case PICKLE_INT:
        pickle_int(b, v->integer);
        break;
    case PICKLE_FLOAT:
        pickle_float(b, v->real);
        break;
    case PICKLE_TEXT:
        pickle_text(b, v->text);
        break;
    case PICKLE_BYTES:
        pickle_bytes(b, v->text);
        break;
    case PICKLE_LIST:
        pickle_list_begin(b);
        write_items(b, v, depth);
        pickle_list_end(b);
        break;
    case PICKLE_TUPLE:
        pickle_tuple_begin(b);
        write_items(b, v, depth);
        pickle_tuple_end(b);
        break;
    case PICKLE_DICT:
        pickle_dict_begin(b);
        for (size_t i = 0; i < v->dict.n; i++) {
            write_value(b, v->dict.pairs[i].key, depth + 1);
            write_value(b, v->dict.pairs[i].value, depth + 1);
        }
        pickle_dict_end(b);
        break;
    case PICKLE_ARRAY:
        pickle_array(b, v->array.typecode, v->array.n, item, (void *)(uintptr_t)v);
        break;
    default:
        abort();
    }
}

static void write_all(struct buf *b, const struct pickle_value *v)
{
    buf_init(b, 16 << 20);
    pickle_begin(b);
    write_value(b, v, 0);
    pickle_end(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena *a = arena_new();
    struct pickle_value *v = NULL, *again = NULL;
    size_t used = 0;
    if (!pickle_parse(a, data, n, &v, &used)) {
        struct buf first, second;
        check(used >= 1 && used <= n);
        write_all(&first, v);
        /* Sharing is not written as such: a value may become too large for the input it now is, or deeper by
         * the argument list of an array. */
        if (!buf_error(&first) && !pickle_parse(a, first.p, first.n, &again, &used)) {
            check(used == first.n);
            write_all(&second, again);
            check(str_eq(buf_view(&first), buf_view(&second)));
            buf_release(&second);
        }
        buf_release(&first);
    } else {
        check(v == NULL);
    }
    arena_free(a);
    return 0;
}
