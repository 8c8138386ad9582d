/* SPDX-License-Identifier: Apache-2.0
 *
 * builder.h: the state from which rings are made: devices, weights, the table, when partitions moved. Kept in a .builder
 * file, a pickle that Python's swift-ring-builder reads and writes as well (upstream's keys; written without memo).
 * Placement itself is in rebalance.h.
 *
 * The version goes up with each change of devices and each rebalance, so that operators can tell rings apart.
 */
#ifndef RING_BUILDER_H
#define RING_BUILDER_H

#include "ring/ring_file.h"

#define BUILDER_FILE_MAX       ((size_t)4 << 30)
#define BUILDER_MAX_PART_POWER 26 /* of what this tool makes or changes: 64 Mi partitions */
#define BUILDER_MAX_DEVICES    65535
#define BUILDER_NONE           UINT32_MAX /* in the table: not assigned; only while a rebalance runs */
#define BUILDER_MAX_BALANCE    999.99     /* of a device without weight that holds partitions */

struct builder_device {
    struct ring_device d; /* strings live as long as the builder */
    int64_t parts;        /* partition replicas it holds */
    int64_t parts_wanted; /* more (fewer if negative) it should hold; as of the last rebalance */
    bool removed;         /* marked: gone with the next rebalance */
};

/* How many partitions have 0, 1, 2 ... replicas in a region, zone, server or device ("dispersion graph"). */
struct builder_tier {
    unsigned depth; /* 1 region, 2 zone, 3 ip, 4 device: which of the next four count */
    int64_t region, zone;
    const char *ip;
    uint32_t id;
    uint64_t *counts; /* count_n of them */
    size_t count_n;
};

struct builder {
    uint32_t part_power;
    int next_part_power; /* -1: no increase in progress */
    double replicas;     /* at least 1 */
    int64_t min_part_hours;
    uint64_t parts;  /* 2^part_power */
    double overload; /* fraction */
    int64_t version;
    bool devs_changed;
    char id[33]; /* 32 hex digits, "" until the first save */

    struct builder_device **devs; /* by id; NULL is a hole */
    uint32_t dev_count;
    size_t dev_cap;

    uint32_t *table; /* row r, partition p at r * parts + p; the last row may be shorter */
    uint64_t entries;
    size_t rows; /* 0: never rebalanced */

    uint8_t *last_part_moves;      /* by partition: hours since it moved, up to 255, as of the epoch */
    int64_t last_part_moves_epoch; /* unix seconds */
    uint64_t last_part_gather_start;

    bool has_dispersion;
    double dispersion; /* percent */
    struct builder_tier *graph;
    size_t graph_n;

    struct arena *arena;
};

/* --- life -------------------------------------------------------------------------------------------------- */

/* An empty builder. -EINVAL with a sentence for values outside of their ranges. */
int builder_new(int64_t part_power, double replicas, int64_t min_part_hours, struct builder **ret,
                struct buf *error);
void builder_free(struct builder *b); /* NULL is fine */

/* 0, or -errno with a sentence that names the file. -ENOENT: no such file; -EBADMSG: not a builder, or damaged. */
int builder_load(const char *path, struct builder **ret, struct buf *error);
int builder_parse(struct str bytes, const char *name, struct builder **ret, struct buf *error);
/* Writes the file, whole and durable or not at all; gives the builder its id if it has none. */
int builder_save(struct builder *b, const char *path, struct buf *error);
int builder_serialize(const struct builder *b, struct buf *ret);

/* The ring of a builder: *ret points into the builder but for devs, which arena holds. Not to be released. */
void builder_to_ring(const struct builder *b, struct arena *arena, struct ring_data *ret);
/* Equal in everything that a ring file holds. */
bool builder_ring_is(const struct builder *b, const struct ring_data *ring);
/* A builder from a ring, without what only the lost builder knew. -EINVAL, -ENOTSUP with a sentence. */
int builder_from_ring(const struct ring_data *ring, int64_t min_part_hours, struct builder **ret,
                      struct buf *error);

/* --- changes (in memory; save writes them) ----------------------------------------------------------------- */

/* Adds a device (strings are copied, d->id is ignored) under the first free id. -EEXIST: the same ip, port and device
 * are there already, *ret_id is its id. -ENOSPC: no more ids. */
int builder_add(struct builder *b, const struct ring_device *d, uint32_t *ret_id);
/* The following three refuse a device marked for removal with -EBUSY. */
int builder_set_weight(struct builder *b, uint32_t id, double weight);
int builder_set_region(struct builder *b, uint32_t id, int64_t region);
int builder_set_zone(struct builder *b, uint32_t id, int64_t zone);
/* Weight 0 and marked; -EBUSY if it was. */
int builder_remove(struct builder *b, uint32_t id);
void builder_set_replicas(struct builder *b, double replicas);
/* As if every partition had rested for 255 hours. */
void builder_pretend_min_part_hours_passed(struct builder *b);

/* --- facts ------------------------------------------------------------------------------------------------- */

struct builder_device *builder_device(const struct builder *b, uint32_t id); /* NULL: none */
/* Entries of one row of the table. */
uint64_t builder_row_length(const struct builder *b, size_t row);
/* Seconds until a rebalance may move partitions again. */
int64_t builder_seconds_left(const struct builder *b);
/* Sum of all weights; 0: no device that could take partitions. */
double builder_total_weight(const struct builder *b);
/* How far (percent) a device is over (under) its share by weight; 0 if there is no weight at all. */
double builder_device_balance(const struct builder *b, const struct builder_device *dev);
/* The worst of all devices, without sign. */
double builder_balance(const struct builder *b);
/* Is the table sound? -EINVAL with a sentence. */
int builder_validate(const struct builder *b, struct buf *error);

#endif
