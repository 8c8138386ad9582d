/* SPDX-License-Identifier: Apache-2.0 */
#include "ring/builder.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/clock.h"

/* --- life -------------------------------------------------------------------------------------------------- */

int builder_new(int64_t part_power, double replicas, int64_t min_part_hours, struct builder **ret,
                struct buf *error)
{
    if (part_power < 0 || part_power > 32) {
        buf_printf(error, "part_power must be at most 32 (was %lld)", (long long)part_power);
        return -EINVAL;
    }
    if (part_power > BUILDER_MAX_PART_POWER) {
        buf_printf(error, "part_power must be at most %d for this tool (was %lld)", BUILDER_MAX_PART_POWER,
                   (long long)part_power);
        return -EINVAL;
    }
    if (!(replicas >= 1 && replicas <= BUILDER_MAX_DEVICES)) {
        buf_printf(error, "replicas must be at least 1 (was %.6f)", replicas);
        return -EINVAL;
    }
    if (min_part_hours < 0) {
        buf_printf(error, "min_part_hours must be non-negative (was %lld)", (long long)min_part_hours);
        return -EINVAL;
    }
    struct builder *b = xcalloc(1, sizeof(*b));
    b->part_power = (uint32_t)part_power;
    b->next_part_power = -1;
    b->replicas = replicas;
    b->min_part_hours = min_part_hours;
    b->parts = (uint64_t)1 << part_power;
    b->has_dispersion = true;
    b->last_part_moves = xcalloc(b->parts, 1);
    b->arena = arena_new();
    *ret = b;
    return 0;
}

void builder_free(struct builder *b)
{
    if (!b)
        return;
    arena_free(b->arena);
    free(b->devs);
    free(b->table);
    free(b->last_part_moves);
    free(b);
}

/* --- rings ------------------------------------------------------------------------------------------------- */

void builder_to_ring(const struct builder *b, struct arena *arena, struct ring_data *ret)
{
    *ret = (struct ring_data){.part_power = b->part_power,
                              .next_part_power = b->rows > 0 ? b->next_part_power : -1,
                              .version = b->version,
                              .dev_count = b->dev_count,
                              .table = b->table,
                              .entries = b->entries,
                              .rows = b->rows};
    ret->devs = arena_zalloc(arena, (b->dev_count + (size_t)1) * sizeof(*ret->devs));
    for (uint32_t i = 0; i < b->dev_count; i++)
        if (b->devs[i])
            ret->devs[i] = b->devs[i]->d;
}

static bool same_device(const struct ring_device *a, const struct ring_device *b)
{
    if (!a->device || !b->device)
        return !a->device && !b->device;
    return a->region == b->region && a->zone == b->zone && strcmp(a->ip, b->ip) == 0 && a->port == b->port &&
           strcmp(a->replication_ip, b->replication_ip) == 0 && a->replication_port == b->replication_port &&
           strcmp(a->device, b->device) == 0 && strcmp(a->meta, b->meta) == 0 && a->weight == b->weight;
}

bool builder_ring_is(const struct builder *b, const struct ring_data *ring)
{
    struct arena *arena = arena_new();
    struct ring_data mine;
    builder_to_ring(b, arena, &mine);
    bool same = mine.part_power == ring->part_power && mine.next_part_power == ring->next_part_power &&
                mine.version == ring->version && mine.dev_count == ring->dev_count &&
                mine.rows == ring->rows && mine.entries == ring->entries;
    for (uint32_t i = 0; same && i < mine.dev_count; i++)
        same = same_device(&mine.devs[i], &ring->devs[i]);
    if (same && mine.entries > 0)
        same = memcmp(mine.table, ring->table, mine.entries * sizeof(*mine.table)) == 0;
    arena_free(arena);
    return same;
}

int builder_from_ring(const struct ring_data *ring, int64_t min_part_hours, struct builder **ret,
                      struct buf *error)
{
    struct builder *b;
    double replicas = (double)ring->entries / (double)((uint64_t)1 << ring->part_power);
    if (ring->dev_count > BUILDER_MAX_DEVICES) {
        buf_printf(error, "more than %d devices", BUILDER_MAX_DEVICES);
        return -ENOTSUP;
    }
    int err = builder_new(ring->part_power, ring->rows > 0 ? replicas : 1, min_part_hours, &b, error);
    if (err < 0)
        return err;
    for (uint32_t i = 0; i < ring->dev_count; i++) {
        b->devs = xgrow(b->devs, &b->dev_cap, i + (size_t)1, sizeof(struct builder_device *));
        b->devs[i] = NULL;
        b->dev_count = i + 1;
        if (!ring->devs[i].device)
            continue;
        const struct ring_device *from = &ring->devs[i];
        struct builder_device *dev = b->devs[i] = arena_zalloc(b->arena, sizeof(*dev));
        dev->d = *from;
        dev->d.ip = arena_str(b->arena, str_from(from->ip)).p;
        dev->d.replication_ip = arena_str(b->arena, str_from(from->replication_ip)).p;
        dev->d.device = arena_str(b->arena, str_from(from->device)).p;
        dev->d.meta = arena_str(b->arena, str_from(from->meta)).p;
    }
    b->rows = ring->rows;
    b->entries = ring->entries;
    b->version = ring->version >= 0 ? ring->version : 0;
    b->next_part_power = ring->next_part_power;
    b->has_dispersion = false;
    b->table = xcalloc(ring->entries + 1, sizeof(*b->table));
    for (uint64_t i = 0; i < ring->entries; i++) {
        b->table[i] = ring->table[i];
        b->devs[b->table[i]]->parts++;
    }
    *ret = b;
    return 0;
}

/* --- changes ----------------------------------------------------------------------------------------------- */

static void note_change(struct builder *b)
{
    b->devs_changed = true;
    b->version++;
}

/* The first hole, else the end. */
static uint32_t free_id(const struct builder *b)
{
    uint32_t id = 0;
    while (id < b->dev_count && b->devs[id])
        id++;
    return id;
}

int builder_add(struct builder *b, const struct ring_device *d, uint32_t *ret_id)
{
    for (uint32_t i = 0; i < b->dev_count; i++) {
        const struct builder_device *other = b->devs[i];
        if (other && strcmp(other->d.ip, d->ip) == 0 && other->d.port == d->port &&
            strcmp(other->d.device, d->device) == 0) {
            *ret_id = i;
            return -EEXIST;
        }
    }
    uint32_t id = free_id(b);
    if (id >= BUILDER_MAX_DEVICES)
        return -ENOSPC;
    if (id == b->dev_count) {
        b->devs = xgrow(b->devs, &b->dev_cap, id + (size_t)1, sizeof(struct builder_device *));
        b->dev_count++;
    }
    struct builder_device *dev = b->devs[id] = arena_zalloc(b->arena, sizeof(*dev));
    dev->d = *d;
    dev->d.id = id;
    dev->d.ip = arena_str(b->arena, str_from(d->ip)).p;
    dev->d.replication_ip = arena_str(b->arena, str_from(d->replication_ip)).p;
    dev->d.device = arena_str(b->arena, str_from(d->device)).p;
    dev->d.meta = arena_str(b->arena, str_from(d->meta)).p;
    note_change(b);
    *ret_id = id;
    return 0;
}

int builder_set_weight(struct builder *b, uint32_t id, double weight)
{
    if (b->devs[id]->removed)
        return -EBUSY;
    b->devs[id]->d.weight = weight;
    note_change(b);
    return 0;
}

int builder_set_region(struct builder *b, uint32_t id, int64_t region)
{
    if (b->devs[id]->removed)
        return -EBUSY;
    b->devs[id]->d.region = region;
    note_change(b);
    return 0;
}

int builder_set_zone(struct builder *b, uint32_t id, int64_t zone)
{
    if (b->devs[id]->removed)
        return -EBUSY;
    b->devs[id]->d.zone = zone;
    note_change(b);
    return 0;
}

int builder_remove(struct builder *b, uint32_t id)
{
    if (b->devs[id]->removed)
        return -EBUSY;
    b->devs[id]->d.weight = 0;
    b->devs[id]->removed = true;
    note_change(b);
    return 0;
}

void builder_set_replicas(struct builder *b, double replicas)
{
    if ((uint64_t)((double)b->parts * b->replicas) != (uint64_t)((double)b->parts * replicas))
        b->devs_changed = true;
    b->replicas = replicas;
}

void builder_pretend_min_part_hours_passed(struct builder *b)
{
    b->last_part_moves_epoch = 0;
    memset(b->last_part_moves, 0xff, b->parts);
}

/* --- facts ------------------------------------------------------------------------------------------------- */

struct builder_device *builder_device(const struct builder *b, uint32_t id)
{
    return id < b->dev_count ? b->devs[id] : NULL;
}

uint64_t builder_row_length(const struct builder *b, size_t row)
{
    if (row >= b->rows)
        return 0;
    return row + 1 < b->rows ? b->parts : b->entries - b->parts * (b->rows - 1);
}

int64_t builder_seconds_left(const struct builder *b)
{
    int64_t elapsed = clock_real_ns() / 1000000000 - b->last_part_moves_epoch;
    /* No overflow: no clock reaches 2^40 seconds, and more hours than that are for ever. */
    int64_t hours = b->min_part_hours < (int64_t)1 << 30 ? b->min_part_hours : (int64_t)1 << 30;
    int64_t left = hours * 3600 - elapsed;
    return left > 0 ? left : 0;
}

double builder_total_weight(const struct builder *b)
{
    double sum = 0;
    for (uint32_t i = 0; i < b->dev_count; i++)
        if (b->devs[i])
            sum += b->devs[i]->d.weight;
    return sum;
}

static double balance_of(const struct builder *b, const struct builder_device *dev, double total)
{
    if (total <= 0)
        return 0;
    if (dev->d.weight <= 0)
        return dev->parts > 0 ? BUILDER_MAX_BALANCE : 0;
    double share = dev->d.weight * (double)b->parts * b->replicas / total;
    return 100.0 * (double)dev->parts / share - 100.0;
}

double builder_device_balance(const struct builder *b, const struct builder_device *dev)
{
    return balance_of(b, dev, builder_total_weight(b));
}

double builder_balance(const struct builder *b)
{
    double worst = 0, total = builder_total_weight(b);
    for (uint32_t i = 0; i < b->dev_count; i++)
        if (b->devs[i])
            worst = fmax(worst, fabs(balance_of(b, b->devs[i], total)));
    return worst;
}

static int validate_part(const struct builder *b, uint64_t part, struct buf *error)
{
    for (size_t row = 0; row < b->rows; row++) {
        if (part >= builder_row_length(b, row))
            break;
        uint32_t id = b->table[row * b->parts + part];
        if (!builder_device(b, id)) {
            buf_printf(error, "Partition %llu, replica %zu was not allocated to a device.",
                       (unsigned long long)part, row);
            return -EINVAL;
        }
        for (size_t before = 0; before < row; before++) {
            if (b->table[before * b->parts + part] == id) {
                buf_printf(
                    error,
                    "The partition %llu has been assigned to duplicate devices: device %u is there twice",
                    (unsigned long long)part, id);
                return -EINVAL;
            }
        }
    }
    return 0;
}

int builder_validate(const struct builder *b, struct buf *error)
{
    int64_t held = 0;
    if (b->rows == 0) {
        buf_puts(error, "The table is empty; did you forget to rebalance?");
        return -EINVAL;
    }
    for (uint32_t i = 0; i < b->dev_count; i++)
        held += b->devs[i] ? b->devs[i]->parts : 0;
    if (held < 0 || (uint64_t)held != b->entries) {
        buf_printf(error, "All partitions are not double accounted for: %lld != %llu", (long long)held,
                   (unsigned long long)b->entries);
        return -EINVAL;
    }
    for (uint64_t part = 0; part < b->parts; part++) {
        int err = validate_part(b, part, error);
        if (err < 0)
            return err;
    }
    return 0;
}
