/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_builder.c: any .builder file is refused with a sentence, or is the same after being written and read again, and can
 * be rebalanced into a ring that is sound, or says why not.
 */
#include <stdlib.h>

#include "ring/builder.h"
#include "ring/rebalance.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void write_again(const struct builder *b)
{
    struct builder *again;
    struct buf first, second, error;
    buf_init(&first, 64 << 20);
    buf_init(&second, 64 << 20);
    buf_init(&error, 4096);
    check(builder_serialize(b, &first) == 0);
    check(builder_parse(buf_view(&first), "x", &again, &error) == 0);
    check(builder_serialize(again, &second) == 0);
    check(str_eq(buf_view(&first), buf_view(&second)));
    builder_free(again);
    buf_release(&first);
    buf_release(&second);
    buf_release(&error);
}

static void use_builder(struct builder *b)
{
    struct rebalance_result r;
    struct buf error;
    struct arena *arena = arena_new();
    struct ring_data ring;
    buf_init(&error, 4096);
    builder_validate(b, &error);
    builder_seconds_left(b);
    buf_reset(&error);
    if (rebalance(b, STR("seed"), &r, &error) == 0) {
        check(builder_validate(b, &error) == 0);
        check(r.dispersion >= 0 && r.balance >= 0);
        builder_to_ring(b, arena, &ring);
        check(builder_ring_is(b, &ring));
    } else {
        check(error.n > 0);
    }
    arena_free(arena);
    buf_release(&error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct builder *b;
    struct buf error;
    buf_init(&error, 64 * 1024);
    int err = builder_parse(str_of(data, n), "x", &b, &error);
    check((err == 0) == (error.n == 0));
    buf_release(&error);
    if (err < 0)
        return 0;
    if (b->parts <= 4096)
        write_again(b);
    if ((double)b->parts * b->replicas <= 5000)
        use_builder(b);
    builder_free(b);
    return 0;
}
