/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/node_iter.h"

#include <errno.h>

#include "base/policy.h"
#include "common/clock.h"

int node_count_parse(struct str text, struct node_count *ret)
{
    struct str number, word;
    bool times = str_cut(str_trim(text), '*', &number, &word);
    uint64_t n;
    if (str_to_u64(str_trim(number), &n) || n < 1 || n > 100000)
        return -EINVAL;
    if (times && !str_ieq(str_trim(word), STR("replicas")))
        return -EINVAL;
    *ret = (struct node_count){(int64_t)n, times};
    return 0;
}

/* One random number decides the order of as many nodes as fit into 32 bits: 12. */
static void shuffle_nodes(struct node *v, size_t n)
{
    uint32_t orders = 1, choice = 0;
    for (size_t i = n; i > 1; i--) {
        if (orders == 1) {
            for (uint32_t k = (uint32_t)i; k > 1 && orders <= UINT32_MAX / k; k--)
                orders *= k;
            choice = random_below(orders);
        }
        size_t k = choice % i;
        choice /= (uint32_t)i;
        orders /= (uint32_t)i;
        struct node keep = v[i - 1];
        v[i - 1] = v[k];
        v[k] = keep;
    }
}

void node_iter_init(struct node_iter *it, struct arena *arena, struct error_limiter *limiter,
                    const struct ring *ring, uint32_t part, struct node_count count, bool shuffle)
{
    size_t max = ring_replica_count(ring);
    const struct ring_device **devices = arena_alloc(arena, max * sizeof(struct ring_device *));
    it->limiter = limiter;
    it->ring = ring;
    it->part = part;
    it->primaries = arena_alloc(arena, max * sizeof(*it->primaries));
    it->n_primaries = ring_primaries(ring, part, devices, max);
    it->next_primary = it->n_handoffs = it->n_given = 0;
    it->n_limited = it->next_limited = it->primaries_given = 0;
    for (size_t i = 0; i < it->n_primaries; i++)
        it->primaries[i] = (struct node){devices[i], false, i};
    if (shuffle)
        shuffle_nodes(it->primaries, it->n_primaries);
    it->left = count.times_replicas ? count.number * (int64_t)it->n_primaries : count.number;
    it->expected_handoffs = it->left - (int64_t)it->n_primaries;
    it->given_cap = (size_t)it->left + 1;
    it->given = arena_alloc(arena, it->given_cap * sizeof(struct ring_device *));
    ring_handoffs_init(&it->handoffs, ring, part, arena);
    rt_mutex_init(&it->lock);
}

void node_iter_release(struct node_iter *it)
{
    rt_mutex_destroy(&it->lock);
}

/* How many of those given are not error limited now: these use up `left`. */
static int64_t used(struct node_iter *it)
{
    int64_t n = 0;
    for (size_t i = 0; i < it->n_given; i++)
        if (!error_limiter_is_limited(it->limiter, it->given[i]))
            n++;
    return n;
}

static bool take(struct node_iter *it, struct node node, struct node *ret)
{
    if (error_limiter_is_limited(it->limiter, node.device))
        return false;
    if (it->n_given == it->given_cap) /* limited ones made room for more than `left`: forget one of them */
        for (size_t i = 0; i < it->n_given; i++)
            if (error_limiter_is_limited(it->limiter, it->given[i])) {
                it->given[i] = it->given[--it->n_given];
                break;
            }
    it->given[it->n_given++] = node.device;
    *ret = node;
    return true;
}

static bool next_primary(struct node_iter *it, struct node *ret)
{
    while (it->next_primary < it->n_primaries) {
        struct node node = it->primaries[it->next_primary++];
        if (take(it, node, ret)) {
            it->primaries_given++;
            return true;
        }
        it->primaries[it->n_limited++] = node; /* n_limited < next_primary: this slot has been read */
    }
    return false;
}

static bool next_handoff(struct node_iter *it, struct node *ret)
{
    const struct ring_device *d;
    while ((d = ring_handoffs_next(&it->handoffs)))
        if (take(it, (struct node){d, true, it->n_handoffs++}, ret))
            return true;
    return false;
}

static bool next_limited(struct node_iter *it, struct node *ret)
{
    if (it->next_limited == it->n_limited || it->primaries_given >= quorum_size(it->n_primaries))
        return false;
    *ret = it->primaries[it->next_limited++];
    it->primaries_given++;
    return true;
}

static bool next_node(struct node_iter *it, struct node *ret)
{
    if (used(it) < it->left && (next_primary(it, ret) || next_handoff(it, ret)))
        return true;
    return next_limited(it, ret);
}

bool node_iter_next(struct node_iter *it, struct node *ret)
{
    rt_lock(&it->lock);
    bool found = next_node(it, ret);
    rt_unlock(&it->lock);
    return found;
}
