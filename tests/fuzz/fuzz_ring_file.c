/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_ring_file.c: any file is refused with a sentence, or is a ring in which every partition can be looked up and which
 * is the same after being written and read again. The input is taken as a file, and as what a file inflates to.
 */
#include <stdlib.h>
#include <zlib.h>

#include "ring/ring_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void look_up(const struct ring *ring, uint32_t part)
{
    const struct ring_device *out[4];
    struct ring_handoffs it;
    const struct ring_device *d;
    struct arena *arena = arena_new();
    size_t primaries = ring_primaries(ring, part, out, 4), handoffs = 0;
    check(primaries <= 4 && (primaries > 0) == (ring_replica_count(ring) > 0));
    ring_handoffs_init(&it, ring, part, arena);
    while ((d = ring_handoffs_next(&it))) {
        check(ring_device(ring, d->id) == d);
        for (size_t i = 0; i < primaries; i++)
            check(d != out[i]);
        handoffs++;
    }
    check(handoffs + primaries <= ring_device_limit(ring));
    arena_free(arena);
}

static void use_ring(struct str bytes)
{
    struct ring *ring;
    if (ring_parse(bytes, "x", &ring, NULL) < 0)
        return;
    for (uint64_t part = 0; part < ring_part_count(ring) && part < 8; part++)
        look_up(ring, (uint32_t)part);
    look_up(ring, (uint32_t)(ring_part_count(ring) - 1));
    ring_unref(ring);
}

static void write_again(const struct ring_data *d)
{
    struct ring_data again;
    struct buf bytes;
    buf_init(&bytes, 64 << 20);
    if (ring_file_serialize(d, "x", &bytes) == 0) {
        check(ring_file_parse(buf_view(&bytes), "x", &again, NULL) == 0);
        check(again.entries == d->entries && again.rows == d->rows && again.dev_count == d->dev_count);
        check(again.version == d->version && again.next_part_power == d->next_part_power);
        check(d->entries == 0 || memcmp(again.table, d->table, d->entries * sizeof(*d->table)) == 0);
        ring_data_release(&again);
    }
    buf_release(&bytes);
}

static void read_file(struct str bytes)
{
    struct ring_data d;
    struct buf error;
    buf_init(&error, 64 * 1024);
    int err = ring_file_parse(bytes, "x", &d, &error);
    check((err == 0) == (error.n == 0));
    buf_release(&error);
    if (err < 0)
        return;
    if (d.entries < 100000) {
        write_again(&d);
        use_ring(bytes);
    }
    ring_data_release(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uLong bound = compressBound(n) + 64;
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)data, .avail_in = (unsigned)n};
    char *packed = malloc(bound);
    check(packed && deflateInit2(&z, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    z.next_out = (unsigned char *)packed;
    z.avail_out = (unsigned)bound;
    check(deflate(&z, Z_FINISH) == Z_STREAM_END);
    read_file(str_of(packed, bound - z.avail_out));
    deflateEnd(&z);
    free(packed);
    read_file(str_of(data, n));
    return 0;
}
