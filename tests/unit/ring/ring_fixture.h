/* SPDX-License-Identifier: Apache-2.0
 *
 * What the ring tests share: a folder of their own, rings made by formula, files as bytes.
 */
#ifndef TESTS_UNIT_RING_RING_FIXTURE_H
#define TESTS_UNIT_RING_RING_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/arena.h"
#include "common/file.h"
#include "ring/ring_file.h"

static char fixture_dir[64];

__attribute__((unused)) static int fixture_setup(void **state)
{
    snprintf(fixture_dir, sizeof(fixture_dir), "/tmp/martlet-ring-test.XXXXXX");
    return mkdtemp(fixture_dir) ? 0 : -1;
}

__attribute__((unused)) static int fixture_teardown(void **state)
{
    return file_remove_tree(fixture_dir);
}

/* A path in the test's folder; the caller frees it. */
__attribute__((unused)) static char *fixture_path(const char *name)
{
    return xasprintf("%s/%s", fixture_dir, name);
}

__attribute__((unused)) static void fixture_device(struct ring_data *data, uint32_t id, int64_t region,
                                                   int64_t zone, const char *ip)
{
    data->devs[id] = (struct ring_device){.id = id,
                                          .region = region,
                                          .zone = zone,
                                          .ip = ip,
                                          .port = 6200,
                                          .replication_ip = ip,
                                          .replication_port = 6200,
                                          .device = "sda",
                                          .meta = "",
                                          .weight = 1};
}

/* Room for devices (all holes) and for `entries` ids in `rows` rows. */
__attribute__((unused)) static void fixture_data(struct ring_data *data, uint32_t part_power,
                                                 uint32_t devices, size_t rows, uint64_t entries)
{
    memset(data, 0, sizeof(*data));
    data->part_power = part_power;
    data->next_part_power = -1;
    data->version = -1;
    data->arena = arena_new();
    data->dev_count = devices;
    data->devs = arena_zalloc(data->arena, (devices + 1) * sizeof(*data->devs));
    data->rows = rows;
    data->entries = entries;
    data->table = xcalloc(entries + 1, sizeof(*data->table));
}

/* The twelve devices of the handoff vectors: two a server, four a zone, two regions. */
__attribute__((unused)) static void fixture_twelve(struct ring_data *data)
{
    static const char *const ips[] = {"10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"};
    for (uint32_t i = 0; i < 12; i++)
        fixture_device(data, i, i < 8 ? 1 : 2, i / 4 + 1, ips[i / 2]);
}

/* Ring H: entry (row r, part p) = (5p + 7r + p/5) mod 12. */
__attribute__((unused)) static void fixture_ring_h(struct ring_data *data, uint32_t part_power,
                                                   uint64_t last_row)
{
    uint64_t parts = (uint64_t)1 << part_power;
    fixture_data(data, part_power, 12, 3, 2 * parts + last_row);
    fixture_twelve(data);
    for (uint64_t i = 0; i < data->entries; i++) {
        uint64_t p = i % parts, r = i / parts;
        data->table[i] = (uint32_t)((5 * p + 7 * r + p / 5) % 12);
    }
}

__attribute__((unused)) static struct buf fixture_bytes(const char *hex)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    for (; hex[0] && hex[1]; hex += 2) {
        unsigned v;
        assert_int_equal(sscanf(hex, "%2x", &v), 1);
        buf_putc(&b, (char)v);
    }
    return b;
}

#endif
