/* SPDX-License-Identifier: Apache-2.0
 *
 * Lookups in a loaded ring. Loading computes, once, what the handoff walk needs: the number of each assigned
 * device's region, (region, zone) and (region, zone, ip). The files that follow a path are in ring_holder.c.
 */
#include "ring/ring.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/digest.h"
#include "ring/hash_path.h"
#include "ring/ring_file.h"

#define NOT_ASSIGNED UINT32_MAX

struct ring {
    atomic_uint refs;
    struct ring_data data;
    char *path;
    uint64_t parts;
    /* Among the devices that occur in the table: */
    uint32_t assigned, regions, zones, ips;
};

/* --- numbering of failure domains --------------------------------------------------------------------- */

static int compare_domains(const void *left, const void *right)
{
    const struct ring_device *a = *(struct ring_device *const *)left;
    const struct ring_device *b = *(struct ring_device *const *)right;
    if (a->region != b->region)
        return a->region < b->region ? -1 : 1;
    if (a->zone != b->zone)
        return a->zone < b->zone ? -1 : 1;
    return strcmp(a->ip, b->ip);
}

/* Devices sorted by domain: a number goes up where its part of the key changes. */
static void number_domains(struct ring *ring, struct ring_device **sorted, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct ring_device *d = sorted[i];
        const struct ring_device *before = i > 0 ? sorted[i - 1] : NULL;
        bool new_region = !before || before->region != d->region;
        bool new_zone = new_region || before->zone != d->zone;
        bool new_ip = new_zone || strcmp(before->ip, d->ip) != 0;
        ring->regions += new_region;
        ring->zones += new_zone;
        ring->ips += new_ip;
        d->region_index = ring->regions - 1;
        d->zone_index = ring->zones - 1;
        d->ip_index = ring->ips - 1;
    }
    ring->assigned = n;
}

static void find_domains(struct ring *ring)
{
    struct ring_data *data = &ring->data;
    struct ring_device **sorted = xcalloc(data->dev_count + (size_t)1, sizeof(struct ring_device *));
    uint32_t n = 0;
    for (uint32_t i = 0; i < data->dev_count; i++)
        data->devs[i].region_index = data->devs[i].zone_index = data->devs[i].ip_index = NOT_ASSIGNED;
    for (uint64_t i = 0; i < data->entries; i++) {
        struct ring_device *d = &data->devs[data->table[i]];
        if (d->region_index == NOT_ASSIGNED) {
            d->region_index = 0;
            sorted[n++] = d;
        }
    }
    qsort(sorted, n, sizeof(struct ring_device *), compare_domains);
    number_domains(ring, sorted, n);
    free(sorted);
}

/* --- loading ------------------------------------------------------------------------------------------- */

/* Takes over the data. */
static struct ring *ring_new(const struct ring_data *data, const char *path)
{
    struct ring *ring = xcalloc(1, sizeof(*ring));
    atomic_init(&ring->refs, 1);
    ring->data = *data;
    ring->path = xstrdup(path);
    ring->parts = (uint64_t)1 << data->part_power;
    find_domains(ring);
    return ring;
}

int ring_load(const char *path, struct ring **ret, struct buf *error)
{
    struct ring_data data;
    int err = ring_file_read(path, &data, error);
    if (err == 0)
        *ret = ring_new(&data, path);
    return err;
}

int ring_parse(struct str bytes, const char *name, struct ring **ret, struct buf *error)
{
    struct ring_data data;
    int err = ring_file_parse(bytes, name, &data, error);
    if (err == 0)
        *ret = ring_new(&data, name);
    return err;
}

const struct ring *ring_ref(const struct ring *ring)
{
    atomic_fetch_add_explicit(&((struct ring *)ring)->refs, 1, memory_order_relaxed);
    return ring;
}

void ring_unref(const struct ring *constant)
{
    struct ring *ring = (struct ring *)constant;
    if (!ring || atomic_fetch_sub_explicit(&ring->refs, 1, memory_order_acq_rel) != 1)
        return;
    ring_data_release(&ring->data);
    free(ring->path);
    free(ring);
}

/* --- facts --------------------------------------------------------------------------------------------- */

uint32_t ring_part_power(const struct ring *ring)
{
    return ring->data.part_power;
}

uint64_t ring_part_count(const struct ring *ring)
{
    return ring->parts;
}

int ring_next_part_power(const struct ring *ring)
{
    return ring->data.next_part_power;
}

int64_t ring_version(const struct ring *ring)
{
    return ring->data.version;
}

size_t ring_replica_count(const struct ring *ring)
{
    return ring->data.rows;
}

double ring_replicas(const struct ring *ring)
{
    return (double)ring->data.entries / (double)ring->parts;
}

const struct ring_device *ring_device(const struct ring *ring, uint32_t id)
{
    if (id >= ring->data.dev_count || !ring->data.devs[id].device)
        return NULL;
    return &ring->data.devs[id];
}

uint32_t ring_device_limit(const struct ring *ring)
{
    return ring->data.dev_count;
}

const struct ring_device *ring_assigned(const struct ring *ring, size_t row, uint32_t part)
{
    if (part >= ring_data_row_length(&ring->data, row))
        return NULL;
    return &ring->data.devs[ring->data.table[row * ring->parts + part]];
}

const char *ring_path(const struct ring *ring)
{
    return ring->path;
}

const char *ring_md5(const struct ring *ring)
{
    return ring->data.md5;
}

/* --- primaries ----------------------------------------------------------------------------------------- */

uint32_t ring_part(const struct ring *ring, const uint8_t digest[16])
{
    return hash_path_part(digest, ring->data.part_power);
}

static bool contains(const struct ring_device **list, size_t n, const struct ring_device *d)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == d)
            return true;
    return false;
}

size_t ring_primaries(const struct ring *ring, uint32_t part, const struct ring_device **out, size_t max)
{
    size_t n = 0;
    for (size_t row = 0; row < ring->data.rows && n < max; row++) {
        const struct ring_device *d = ring_assigned(ring, row, part);
        if (d && !contains(out, n, d))
            out[n++] = d;
    }
    return n;
}

/* --- handoffs ------------------------------------------------------------------------------------------ */

enum { PASS_REGIONS, PASS_ZONES, PASS_IPS, PASS_DEVICES, PASS_OVER };

static bool see(struct ring_handoffs *it, size_t bit)
{
    uint64_t mask = (uint64_t)1 << (bit % 64);
    bool before = it->seen[bit / 64] & mask;
    it->seen[bit / 64] |= mask;
    return before;
}

static bool seen(const struct ring_handoffs *it, size_t bit)
{
    return it->seen[bit / 64] >> (bit % 64) & 1;
}

/* Notes a device and its domains as met. */
static void see_device(struct ring_handoffs *it, const struct ring_device *d)
{
    it->left[PASS_REGIONS] -= !see(it, it->region_base + d->region_index);
    it->left[PASS_ZONES] -= !see(it, it->zone_base + d->zone_index);
    it->left[PASS_IPS] -= !see(it, it->ip_base + d->ip_index);
    it->left[PASS_DEVICES] -= !see(it, d->id);
}

static bool is_new(const struct ring_handoffs *it, const struct ring_device *d)
{
    switch (it->pass) {
    case PASS_REGIONS:
        return !seen(it, it->region_base + d->region_index);
    case PASS_ZONES:
        return !seen(it, it->zone_base + d->zone_index);
    case PASS_IPS:
        return !seen(it, it->ip_base + d->ip_index);
    default:
        return !seen(it, d->id);
    }
}

static void restart(struct ring_handoffs *it)
{
    it->part = it->start;
    it->row = 0;
    it->wrapped = false;
}

/* The walk starts where the MD5 of the partition's decimal number points: without the cluster's prefix and suffix. */
static uint64_t first_part(const struct ring *ring, uint32_t part)
{
    char text[16];
    uint8_t digest[16];
    int n = snprintf(text, sizeof(text), "%u", part);
    md5_of(str_of(text, (size_t)n), digest);
    return ring_part(ring, digest);
}

void ring_handoffs_init(struct ring_handoffs *it, const struct ring *ring, uint32_t part, struct arena *arena)
{
    memset(it, 0, sizeof(*it));
    it->ring = ring;
    it->region_base = ring->data.dev_count;
    it->zone_base = it->region_base + ring->regions;
    it->ip_base = it->zone_base + ring->zones;
    size_t words = (it->ip_base + ring->ips + 63) / 64;
    it->seen =
        words <= RING_HANDOFFS_INLINE ? it->inline_bits : arena_zalloc(arena, words * sizeof(uint64_t));
    it->left[PASS_REGIONS] = ring->regions;
    it->left[PASS_ZONES] = ring->zones;
    it->left[PASS_IPS] = ring->ips;
    it->left[PASS_DEVICES] = ring->assigned;
    for (size_t row = 0; row < ring->data.rows; row++) {
        const struct ring_device *d = ring_assigned(ring, row, part);
        if (d)
            see_device(it, d);
    }
    it->start = first_part(ring, part);
    it->step = ring->parts / 65536 > 0 ? ring->parts / 65536 : 1;
    restart(it);
}

/* On to the next partition of the walk; false at its end. The second leg begins at step - (parts - start) % step:
 * where step is 1, that is partition 1, so that partition 0 is visited only if the walk starts there. All nodes of a
 * cluster do it so: it is part of the order. */
static bool next_part(struct ring_handoffs *it)
{
    uint64_t parts = it->ring->parts;
    it->row = 0;
    it->part += it->step;
    if (!it->wrapped && it->part >= parts) {
        it->wrapped = true;
        it->part = it->step - (parts - it->start) % it->step;
    }
    return !it->wrapped || it->part < it->start;
}

/* The next device of the present pass that is new in its domain, or NULL: the pass is over. */
static const struct ring_device *walk(struct ring_handoffs *it)
{
    do {
        while (it->row < it->ring->data.rows) {
            const struct ring_device *d = ring_assigned(it->ring, it->row++, (uint32_t)it->part);
            if (d && is_new(it, d))
                return d;
        }
    } while (next_part(it));
    return NULL;
}

const struct ring_device *ring_handoffs_next(struct ring_handoffs *it)
{
    while (it->pass < PASS_OVER) {
        const struct ring_device *d = it->left[it->pass] > 0 ? walk(it) : NULL;
        if (d) {
            see_device(it, d);
            it->index++;
            return d;
        }
        it->pass++;
        restart(it);
    }
    return NULL;
}
