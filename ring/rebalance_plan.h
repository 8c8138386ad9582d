/* SPDX-License-Identifier: Apache-2.0
 *
 * rebalance_plan.h: how many replicas of a partition each region, zone, server and device should hold, in real numbers
 * ("replicanths": 0.75 means three out of four partitions), and what follows from that in partitions.
 *
 *   weighted  the share by weight alone, no device more than 1
 *   wanted    as evenly spread over failure domains as their devices allow, then by weight
 *   target    between the two: as far from weighted towards wanted as the overload factor allows
 *
 * The tiers form a tree with the whole cluster as its root: depth 1 regions, 2 zones, 3 servers (ip), 4 devices.
 */
#ifndef RING_REBALANCE_PLAN_H
#define RING_REBALANCE_PLAN_H

#include "ring/builder.h"

#define PLAN_DEPTH 4 /* of devices */
#define PLAN_NONE  UINT32_MAX

struct plan_tier {
    unsigned depth;
    uint32_t parent;                   /* PLAN_NONE for the root */
    uint32_t first_child, child_count; /* children stand side by side, sorted */
    const struct builder_device *dev;  /* the device, or one of those inside */
    uint32_t devices;                  /* inside, with a weight; 0: nothing may be placed here */
    double weighted, wanted, target;
    uint32_t min, max; /* replicas of one partition: target rounded down and up */
    uint32_t most;     /* above this a partition counts as badly dispersed */
    double even;       /* share of an even spread, without regard to weights */
    uint64_t parts;    /* partition replicas, of all partitions */
};

struct plan {
    struct plan_tier *tiers; /* tiers[0] is the root; parents come before their children */
    uint32_t count;
    uint32_t *leaf;           /* by device id; PLAN_NONE for holes */
    double required_overload; /* at which target reaches wanted */
};

/* 0, or -EINVAL with a sentence: no device with weight, or fewer than replicas. */
int plan_make(const struct builder *b, struct plan *ret, struct buf *error);
/* The tree with `most` only, for measuring dispersion: works for any builder. */
void plan_make_tree(const struct builder *b, struct plan *ret);
void plan_release(struct plan *plan);

/* The overload factor at which the ring would be as dispersed as it can be; 0 where no plan can be made. */
double plan_required_overload(const struct builder *b);

#endif
