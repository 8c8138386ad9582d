/* SPDX-License-Identifier: Apache-2.0
 *
 * node_iter.h: in which order the devices of a partition are tried: the primaries shuffled, then handoffs, without those
 * that failed too often lately, request_node_count of them at most. A device that turns out to be error limited while it
 * is used does not count.
 *
 * Where error limits leave fewer primaries than a quorum, the limited ones come last of all: nodes that have just come
 * back are asked rather than the request refused.
 *
 * Several tasks may take from one iterator: it has its own mutex.
 */
#ifndef PROXY_NODE_ITER_H
#define PROXY_NODE_ITER_H

#include "base/error_limiter.h"
#include "ring/ring.h"
#include "rt/rt.h"

/* request_node_count: a fixed number, or a multiple of the replicas. */
struct node_count {
    int64_t number;
    bool times_replicas;
};
/* "2 * replicas" or "6". 0 or -EINVAL. */
int node_count_parse(struct str text, struct node_count *ret);

struct node {
    const struct ring_device *device;
    bool handoff;
    size_t index; /* of a primary: its index in the ring; of a handoff: how many came before it */
};

struct node_iter {
    struct rt_mutex lock;
    struct error_limiter *limiter;
    const struct ring *ring;
    uint32_t part;
    struct node *primaries;
    size_t n_primaries, next_primary;
    size_t n_limited, next_limited; /* primaries[0 .. n_limited): passed over as error limited */
    size_t primaries_given;
    int64_t left;              /* how many may be tried */
    int64_t expected_handoffs; /* of them, while no primary is skipped */
    struct ring_handoffs handoffs;
    size_t n_handoffs;
    const struct ring_device **given; /* what is being tried: not counted yet */
    size_t n_given, given_cap;
};

/* ring must stay referenced; the arena outlives the iterator. shuffle = false keeps the ring's order (tests). */
void node_iter_init(struct node_iter *it, struct arena *arena, struct error_limiter *limiter,
                    const struct ring *ring, uint32_t part, struct node_count count, bool shuffle);
void node_iter_release(struct node_iter *it);
/* False: there are no more. */
bool node_iter_next(struct node_iter *it, struct node *ret);

#endif
