/* SPDX-License-Identifier: Apache-2.0
 *
 * rebalance.h: gives each replica of each partition a device.
 *
 * What holds afterwards: no device has two replicas of a partition; replicas of a partition are in as many regions, zones
 * and servers as the plan (rebalance_plan.h) allows; devices hold partitions by weight; of a partition at most one replica
 * moved, and none that moved within min_part_hours, except away from removed devices and where two replicas shared a
 * device; nothing moved that did not have to. The same builder and the same seed give the same ring, on any machine.
 *
 * In this order: rows are cut or extended to the number of replicas; removed devices lose everything and disappear;
 * partitions with too many replicas in one place give one up; what has no device gets one; then partitions move from
 * devices with too many to devices with too few: directly, or, where dispersion forbids that, in chains over a third.
 */
#ifndef RING_REBALANCE_H
#define RING_REBALANCE_H

#include "ring/builder.h"

struct rebalance_result {
    uint64_t changed;  /* partition replicas on another device than before, new ones included */
    uint32_t removed;  /* devices that disappeared */
    double balance;    /* builder_balance() afterwards */
    double dispersion; /* percent of replicas that share a failure domain needlessly */
};

/* seed: any text; STR_NONE: another result each time. 0, or -EINVAL with a sentence and an unchanged builder: there are
 * fewer devices with weight than replicas, or none; or ids in use exceed what a ring can hold. */
int rebalance(struct builder *b, struct str seed, struct rebalance_result *ret, struct buf *error);

/* Measures dispersion: fills b->graph and b->dispersion and raises the version. */
void rebalance_measure(struct builder *b);

#endif
