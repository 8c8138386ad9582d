/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of work is in rebalance.h. State while it runs:
 *
 *   need[t]   sum of parts_wanted over the devices of tier t: negative means too many
 *   room[t]   the same over devices that want more only: what may still be placed there
 *   held[t]   replicas of the one partition under hand; all zero between partitions (hold, release)
 *   moved[p]  partition p changed in this run, so that its other replicas stay where they are
 *
 * parts and parts_wanted of a device, need and room change together, in shift() only.
 */
#include "ring/rebalance.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "common/digest.h"
#include "ring/rebalance_plan.h"

/* Among the children that are about as far from their share as the neediest, chance decides: that mixes which devices
 * share partitions, so that the loss of one is made good by many. */
#define NEEDY 0.75
/* Chains of moves are looked for until so many replicas were looked at. */
#define CHAIN_BUDGET 30000000
#define CHAIN_DEPTH  2

struct work {
    struct builder *b;
    struct plan plan;
    int64_t *need, *room;
    uint32_t *held;
    uint8_t *moved;
    bool fresh; /* nothing was ever placed, so everything may be changed at will */
    uint64_t random[2];
    /* For chains: slots (row * parts + part) by device, and what was tried in vain. */
    uint64_t *slots, *slots_from;
    uint8_t *dead[CHAIN_DEPTH + 1];
    int64_t budget;
};

/* --- chance ------------------------------------------------------------------------------------------------ */

static void seed_random(struct work *w, struct str seed)
{
    uint8_t digest[16];
    if (seed.p)
        md5_of(seed, digest);
    else
        random_bytes(digest, sizeof(digest));
    for (unsigned i = 0; i < 16; i++)
        w->random[i / 8] = w->random[i / 8] << 8 | digest[i];
    w->random[0] |= 1; /* never all zero */
}

/* xorshift128+ */
static uint64_t next_random(struct work *w)
{
    uint64_t x = w->random[0], y = w->random[1];
    w->random[0] = y;
    x ^= x << 23;
    w->random[1] = x ^ y ^ (x >> 17) ^ (y >> 26);
    return w->random[1] + y;
}

static uint64_t below(struct work *w, uint64_t limit)
{
    return next_random(w) % limit; /* limits are far below 2^64: the bias does not matter */
}

/* --- bookkeeping ------------------------------------------------------------------------------------------- */

static struct plan_tier *tier(const struct work *w, uint32_t t)
{
    return &w->plan.tiers[t];
}

static struct builder_device *device_of(const struct work *w, uint32_t leaf)
{
    return w->b->devs[w->plan.tiers[leaf].dev->d.id];
}

static int64_t positive(int64_t v)
{
    return v > 0 ? v : 0;
}

/* A device gains (+1) or loses (-1) a replica. */
static void shift(struct work *w, uint32_t leaf, int by)
{
    struct builder_device *dev = device_of(w, leaf);
    int64_t room = positive(dev->parts_wanted - by) - positive(dev->parts_wanted);
    dev->parts += by;
    dev->parts_wanted -= by;
    for (uint32_t t = leaf; t != PLAN_NONE; t = tier(w, t)->parent) {
        w->need[t] -= by;
        w->room[t] += room;
    }
}

static uint32_t leaf_at(const struct work *w, uint64_t slot)
{
    uint32_t id = w->b->table[slot];
    return id == BUILDER_NONE ? PLAN_NONE : w->plan.leaf[id];
}

static void hold_one(struct work *w, uint32_t leaf, int by)
{
    for (uint32_t t = leaf; t != PLAN_NONE; t = tier(w, t)->parent)
        w->held[t] += (uint32_t)by;
}

static bool has_slot(const struct work *w, size_t row, uint64_t part)
{
    return part < builder_row_length(w->b, row);
}

/* Counts the replicas of a partition into held[] (by = 1), or takes them out again (by = -1). */
static void hold(struct work *w, uint64_t part, int by)
{
    for (size_t row = 0; row < w->b->rows; row++)
        if (has_slot(w, row, part) && leaf_at(w, row * w->b->parts + part) != PLAN_NONE)
            hold_one(w, leaf_at(w, row * w->b->parts + part), by);
}

static void take(struct work *w, uint64_t slot)
{
    shift(w, leaf_at(w, slot), -1);
    w->b->table[slot] = BUILDER_NONE;
}

static void give(struct work *w, uint64_t slot, uint32_t leaf)
{
    shift(w, leaf, 1);
    w->b->table[slot] = tier(w, leaf)->dev->d.id;
}

static void mark_moved(struct work *w, uint64_t part)
{
    w->b->last_part_moves[part] = 0;
    w->moved[part] = !w->fresh;
}

static bool may_move(const struct work *w, uint64_t part)
{
    return w->fresh || (!w->moved[part] && w->b->last_part_moves[part] >= w->b->min_part_hours);
}

/* A device has more than it wants and something to give. */
static bool is_overweight(const struct work *w, uint32_t leaf)
{
    const struct builder_device *dev = device_of(w, leaf);
    return dev->parts_wanted < 0 && dev->parts > 0;
}

/* --- choice of a device ------------------------------------------------------------------------------------ */

/* How a device is looked for. */
struct search {
    uint32_t exclude; /* a leaf that will not do */
    bool wanting;     /* only devices that want more */
    bool mind_min;    /* replicas that a tier still lacks of its minimum come first */
};

/* The replicas a child still lacks of its minimum. */
static uint32_t lacking(const struct work *w, const struct search *s, uint32_t t)
{
    uint32_t min = tier(w, t)->min;
    return s->mind_min && tier(w, t)->devices > 0 && min > w->held[t] ? min - w->held[t] : 0;
}

static bool is_candidate(const struct work *w, const struct search *s, uint32_t t, bool only_lacking)
{
    const struct plan_tier *p = tier(w, t);
    if (p->devices == 0 || t == s->exclude || w->held[t] >= p->max)
        return false;
    return (!s->wanting || w->room[t] > 0) && (!only_lacking || lacking(w, s, t) > 0);
}

/* How needy a tier is in proportion to its size. Below zero: it is the one with least too much that is best. */
static double neediness(const struct work *w, uint32_t t)
{
    int64_t need = w->room[t] > 0 ? w->room[t] : w->need[t] < 0 ? w->need[t] : 0;
    double size = (double)tier(w, t)->parts;
    return (double)need / (size > 0 ? size : 1);
}

/* One of the neediest children, by chance in proportion to what they need. PLAN_NONE: there is no candidate. */
static uint32_t pick_child(struct work *w, const struct search *s, const struct plan_tier *p,
                           bool only_lacking)
{
    double best = 0, total = 0;
    uint32_t end = p->first_child + p->child_count, chosen = PLAN_NONE;
    for (uint32_t t = p->first_child; t < end; t++) {
        if (is_candidate(w, s, t, only_lacking) && (chosen == PLAN_NONE || neediness(w, t) > best)) {
            best = neediness(w, t);
            chosen = t;
        }
    }
    double low = best > 0 ? best * NEEDY : best;
    for (uint32_t t = p->first_child; t < end; t++) {
        if (!is_candidate(w, s, t, only_lacking) || neediness(w, t) < low)
            continue;
        double weight = w->room[t] > 0 ? (double)w->room[t] : 1;
        total += weight;
        if ((double)below(w, (uint64_t)1 << 53) * 0x1p-53 * total < weight)
            chosen = t;
    }
    return chosen;
}

/* A device below tier t, or PLAN_NONE. `pending`: replicas of this partition yet to be placed below t; where they are
 * all needed for minimums, only tiers that lack some are considered. */
static uint32_t find_device(struct work *w, const struct search *s, uint32_t t, uint32_t pending)
{
    const struct plan_tier *p = tier(w, t);
    uint64_t lack = 0;
    if (p->depth == PLAN_DEPTH)
        return t;
    for (uint32_t i = 0; i < p->child_count; i++)
        lack += lacking(w, s, p->first_child + i);
    bool only_lacking = lack > 0 && pending <= lack;
    uint32_t first = pick_child(w, s, p, only_lacking);
    if (first == PLAN_NONE)
        return PLAN_NONE;
    uint32_t leaf = find_device(w, s, first, lacking(w, s, first) > 0 ? lacking(w, s, first) : 1);
    /* Seldom: it has room, but not where this partition may go. */
    for (uint32_t i = 0; i < p->child_count && leaf == PLAN_NONE; i++) {
        uint32_t child = p->first_child + i;
        if (child != first && is_candidate(w, s, child, only_lacking))
            leaf = find_device(w, s, child, lacking(w, s, child) > 0 ? lacking(w, s, child) : 1);
    }
    return leaf;
}

/* Any device with a weight and without a replica of the partition: there is one, because there are at least as many
 * devices as replicas. */
static uint32_t find_refuge(const struct work *w)
{
    uint32_t best = PLAN_NONE;
    for (uint32_t t = 1; t < w->plan.count; t++)
        if (tier(w, t)->depth == PLAN_DEPTH && tier(w, t)->devices > 0 && w->held[t] == 0 &&
            (best == PLAN_NONE || w->need[t] > w->need[best]))
            best = t;
    assert(best != PLAN_NONE);
    return best;
}

/* A home for a replica that has none: by the first of these rules that finds one. */
static uint32_t find_home(struct work *w, uint32_t pending)
{
    static const struct search rules[] = {
        {PLAN_NONE, true, true},
        {PLAN_NONE, true, false},
        {PLAN_NONE, false, true},
        {PLAN_NONE, false, false},
    };
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        uint32_t leaf = find_device(w, &rules[i], 0, pending);
        if (leaf != PLAN_NONE)
            return leaf;
    }
    return find_refuge(w);
}

/* --- what has to move -------------------------------------------------------------------------------------- */

/* Ages each partition by the whole hours since the epoch. */
static void age_partitions(struct builder *b)
{
    int64_t now = clock_real_ns() / 1000000000;
    int64_t hours = (now - b->last_part_moves_epoch) / 3600;
    if (hours <= 0)
        return;
    for (uint64_t p = 0; p < b->parts; p++) {
        int64_t age = b->last_part_moves[p] + (hours < 255 ? hours : 255);
        b->last_part_moves[p] = age < 255 ? (uint8_t)age : 255;
    }
    b->last_part_moves_epoch = now;
}

/* The table with as many slots as there are replicas; new ones are without a device. */
static void resize_table(struct builder *b)
{
    uint64_t entries = (uint64_t)(b->replicas * (double)b->parts);
    for (uint64_t slot = entries; slot < b->entries; slot++)
        b->devs[b->table[slot]]->parts--;
    b->table = xrealloc(b->table, (entries + 1) * sizeof(*b->table));
    for (uint64_t slot = b->entries; slot < entries; slot++)
        b->table[slot] = BUILDER_NONE;
    b->entries = entries;
    b->rows = (entries + b->parts - 1) / b->parts;
}

/* Removed devices give up everything; the first thing, because the plan is made for those that stay. */
static uint32_t drop_removed(struct builder *b)
{
    uint32_t removed = 0;
    for (uint64_t slot = 0; slot < b->entries; slot++)
        if (b->table[slot] != BUILDER_NONE && b->devs[b->table[slot]]->removed)
            b->table[slot] = BUILDER_NONE;
    for (uint32_t i = 0; i < b->dev_count; i++) {
        if (b->devs[i] && b->devs[i]->removed) {
            b->devs[i] = NULL;
            removed++;
        }
    }
    return removed;
}

static bool is_crowded(const struct work *w, uint32_t leaf)
{
    for (uint32_t t = leaf; t != PLAN_NONE; t = tier(w, t)->parent)
        if (w->held[t] > tier(w, t)->max)
            return true;
    return false;
}

/* The slot of a partition that is in a crowded tier and on the device with most too much; UINT64_MAX: none. */
static uint64_t most_crowded(const struct work *w, uint64_t part, bool same_device_only)
{
    uint64_t worst = UINT64_MAX;
    for (size_t row = 0; row < w->b->rows && has_slot(w, row, part); row++) {
        uint64_t slot = row * w->b->parts + part;
        uint32_t leaf = leaf_at(w, slot);
        if (leaf == PLAN_NONE || (same_device_only ? w->held[leaf] <= 1 : !is_crowded(w, leaf)))
            continue;
        if (worst == UINT64_MAX ||
            device_of(w, leaf)->parts_wanted < device_of(w, leaf_at(w, worst))->parts_wanted)
            worst = slot;
    }
    return worst;
}

/* Two replicas on one device protect nobody: those part at once, however often. For other crowding a partition gives
 * up one replica, if it may move. */
static void scatter(struct work *w, uint64_t part)
{
    uint64_t slot;
    hold(w, part, 1);
    bool allowed = may_move(w, part);
    while ((slot = most_crowded(w, part, true)) != UINT64_MAX ||
           (allowed && (slot = most_crowded(w, part, false)) != UINT64_MAX)) {
        hold_one(w, leaf_at(w, slot), -1);
        take(w, slot);
        mark_moved(w, part);
        allowed = false;
    }
    hold(w, part, -1);
}

/* --- placing ----------------------------------------------------------------------------------------------- */

static uint32_t homeless(const struct work *w, uint64_t part)
{
    uint32_t n = 0;
    for (size_t row = 0; row < w->b->rows; row++)
        n += has_slot(w, row, part) && w->b->table[row * w->b->parts + part] == BUILDER_NONE;
    return n;
}

static void place_part(struct work *w, uint64_t part)
{
    uint32_t pending = homeless(w, part);
    hold(w, part, 1);
    for (size_t row = 0; row < w->b->rows && pending > 0; row++) {
        uint64_t slot = row * w->b->parts + part;
        if (!has_slot(w, row, part) || w->b->table[slot] != BUILDER_NONE)
            continue;
        uint32_t leaf = find_home(w, pending--);
        give(w, slot, leaf);
        hold_one(w, leaf, 1);
    }
    hold(w, part, -1);
    mark_moved(w, part);
}

/* In an order of chance, so that no device gets a run of partitions. */
static void place_all(struct work *w)
{
    uint64_t n = 0;
    uint32_t *order = xmalloc((w->b->parts + 1) * sizeof(*order));
    for (uint64_t p = 0; p < w->b->parts; p++)
        if (homeless(w, p) > 0)
            order[n++] = (uint32_t)p;
    for (uint64_t i = n; i > 1; i--) {
        uint64_t k = below(w, i);
        uint32_t swap = order[i - 1];
        order[i - 1] = order[k];
        order[k] = swap;
    }
    for (uint64_t i = 0; i < n; i++)
        place_part(w, order[i]);
    free(order);
}

/* --- balance: direct moves --------------------------------------------------------------------------------- */

/* With the replica on `leaf` already out of held[]: the tier inside which it has to stay, because the tier needs it for
 * its minimum. The leaf itself: it cannot move. */
static uint32_t confines(const struct work *w, uint32_t leaf)
{
    uint32_t t = leaf;
    while (tier(w, t)->parent != PLAN_NONE && w->held[t] >= tier(w, t)->min)
        t = tier(w, t)->parent;
    return t;
}

/* Moves the replica in this slot to a device that wants more, if one may have it. held[] is that of the partition. */
static bool move_directly(struct work *w, uint64_t slot, uint64_t part)
{
    uint32_t leaf = leaf_at(w, slot);
    struct search s = {leaf, true, true};
    hold_one(w, leaf, -1);
    uint32_t top = confines(w, leaf);
    uint32_t pending = lacking(w, &s, top);
    uint32_t to = top == leaf ? PLAN_NONE : find_device(w, &s, top, pending > 0 ? pending : 1);
    if (to != PLAN_NONE) {
        take(w, slot);
        give(w, slot, to);
        mark_moved(w, part);
    }
    hold_one(w, to != PLAN_NONE ? to : leaf, 1);
    return to != PLAN_NONE;
}

/* Tries the partition's replicas on overweight devices, the worst first; at most one moves. */
static void relieve_part(struct work *w, uint64_t part)
{
    int64_t worst_before = INT64_MIN;
    size_t row_before = 0;
    bool held = false;
    for (size_t tries = 0; tries < w->b->rows; tries++) {
        uint64_t slot = UINT64_MAX;
        int64_t worst = 0;
        size_t worst_row = 0;
        for (size_t row = 0; row < w->b->rows && has_slot(w, row, part); row++) {
            uint32_t leaf = leaf_at(w, row * w->b->parts + part);
            int64_t wanted = device_of(w, leaf)->parts_wanted;
            bool later = wanted > worst_before || (wanted == worst_before && row > row_before);
            if (is_overweight(w, leaf) && later && (slot == UINT64_MAX || wanted < worst)) {
                worst = wanted;
                worst_row = row;
                slot = row * w->b->parts + part;
            }
        }
        if (slot == UINT64_MAX)
            break;
        if (!held)
            hold(w, part, 1);
        held = true;
        if (move_directly(w, slot, part))
            break;
        worst_before = worst;
        row_before = worst_row;
    }
    if (held)
        hold(w, part, -1);
}

/* Around the ring once, from another start than last time. */
static void relieve_directly(struct work *w)
{
    struct builder *b = w->b;
    b->last_part_gather_start =
        (b->last_part_gather_start + b->parts / 4 + below(w, b->parts / 2 + 1)) & (b->parts - 1);
    for (uint64_t i = 0; i < b->parts && w->room[0] > 0; i++) {
        uint64_t part = (b->last_part_gather_start + i) & (b->parts - 1);
        if (may_move(w, part))
            relieve_part(w, part);
    }
}

/* --- balance: chains --------------------------------------------------------------------------------------- */

/* Slots by device, as of now: an entry counts only while the table still says so. */
static void index_slots(struct work *w)
{
    struct builder *b = w->b;
    w->slots = xmalloc((b->entries + 1) * sizeof(*w->slots));
    w->slots_from = xcalloc(b->dev_count + (size_t)2, sizeof(*w->slots_from));
    for (uint64_t slot = 0; slot < b->entries; slot++)
        w->slots_from[b->table[slot] + 2]++;
    for (uint32_t i = 2; i < b->dev_count + 2; i++)
        w->slots_from[i] += w->slots_from[i - 1];
    for (uint64_t slot = 0; slot < b->entries; slot++)
        w->slots[w->slots_from[b->table[slot] + 1]++] = slot;
}

static bool shed(struct work *w, uint32_t leaf, unsigned depth);

/* Devices below t that may have the replica although they do not want one, and that were not given up on: each is asked
 * to shed another partition in exchange. */
static uint32_t find_exchange(struct work *w, uint32_t t, uint32_t from, unsigned depth)
{
    static const struct search any = {PLAN_NONE, false, false};
    const struct plan_tier *p = tier(w, t);
    if (p->depth == PLAN_DEPTH)
        w->budget--;
    if (p->depth == PLAN_DEPTH)
        return t == from || w->dead[depth][p->dev->d.id] ? PLAN_NONE : t;
    for (uint32_t i = 0; i < p->child_count; i++) {
        uint32_t child = p->first_child + i;
        uint32_t found =
            is_candidate(w, &any, child, false) ? find_exchange(w, child, from, depth) : PLAN_NONE;
        if (found != PLAN_NONE)
            return found;
    }
    return PLAN_NONE;
}

/* Moves the replica in this slot to a device that in turn gives one away. */
static bool move_by_exchange(struct work *w, uint64_t slot, uint64_t part, unsigned depth)
{
    uint32_t leaf = leaf_at(w, slot), via;
    bool done = false;
    uint8_t moved = w->moved[part];
    do {
        hold(w, part, 1);
        hold_one(w, leaf, -1);
        uint32_t top = confines(w, leaf);
        via = top == leaf ? PLAN_NONE : find_exchange(w, top, leaf, depth - 1);
        hold_one(w, leaf, 1);
        hold(w, part, -1);
        if (via == PLAN_NONE)
            break;
        w->moved[part] = 2; /* not to be touched further down the chain */
        done = shed(w, via, depth - 1);
        w->moved[part] = moved;
        if (!done)
            w->dead[depth - 1][tier(w, via)->dev->d.id] = 1;
    } while (!done && w->budget > 0);
    if (done) {
        take(w, slot);
        give(w, slot, via);
        mark_moved(w, part);
    }
    return done;
}

/* Rids a device of one replica: directly, or by a chain of at most depth more devices. */
static bool shed(struct work *w, uint32_t leaf, unsigned depth)
{
    uint32_t id = tier(w, leaf)->dev->d.id;
    for (uint64_t i = w->slots_from[id]; i < w->slots_from[id + 1] && w->budget > 0; i++) {
        uint64_t slot = w->slots[i], part = slot & (w->b->parts - 1);
        w->budget--;
        if (w->b->table[slot] != id || w->moved[part] == 2 || !may_move(w, part))
            continue;
        hold(w, part, 1);
        bool done = move_directly(w, slot, part);
        hold(w, part, -1);
        if (done || (depth > 0 && move_by_exchange(w, slot, part, depth)))
            return true;
    }
    return false;
}

static void relieve_by_chains(struct work *w)
{
    w->budget = CHAIN_BUDGET;
    index_slots(w);
    for (unsigned depth = 0; depth <= CHAIN_DEPTH; depth++)
        w->dead[depth] = xcalloc(w->b->dev_count + (size_t)1, 1);
    for (unsigned depth = 0; depth <= CHAIN_DEPTH; depth++)
        for (uint32_t t = 1; t < w->plan.count; t++)
            while (tier(w, t)->depth == PLAN_DEPTH && is_overweight(w, t) && w->room[0] > 0 &&
                   w->budget > 0 && shed(w, t, depth))
                ;
    for (unsigned depth = 0; depth <= CHAIN_DEPTH; depth++)
        free(w->dead[depth]);
    free(w->slots);
    free(w->slots_from);
}

/* --- dispersion -------------------------------------------------------------------------------------------- */

static void count_part(const struct builder *b, const struct plan *plan, uint64_t part, uint32_t *held)
{
    for (size_t row = 0; row < b->rows; row++) {
        if (part >= builder_row_length(b, row))
            continue;
        for (uint32_t t = plan->leaf[b->table[row * b->parts + part]]; t != PLAN_NONE;
             t = plan->tiers[t].parent)
            held[t]++;
    }
}

/* Enters one partition into the graph; returns its replicas in excess, at the depth where that is worst. Leaves held[]
 * zero. */
static uint64_t graph_part(struct builder *b, const struct plan *plan, uint64_t part, uint32_t *held)
{
    uint64_t excess[PLAN_DEPTH + 1] = {0}, worst = 0;
    for (size_t row = 0; row < b->rows; row++) {
        if (part >= builder_row_length(b, row))
            continue;
        for (uint32_t t = plan->leaf[b->table[row * b->parts + part]]; t != 0 && held[t] > 0;
             t = plan->tiers[t].parent) {
            const struct plan_tier *p = &plan->tiers[t];
            b->graph[t - 1].counts[0]--;
            b->graph[t - 1].counts[held[t]]++;
            if (p->devices == 0 || held[t] > p->most)
                excess[p->depth] += held[t] - (p->devices == 0 ? 0 : p->most);
            held[t] = 0;
        }
    }
    held[0] = 0;
    for (unsigned depth = 1; depth <= PLAN_DEPTH; depth++)
        worst = excess[depth] > worst ? excess[depth] : worst;
    return worst;
}

static void name_graph(struct builder *b, const struct plan *plan)
{
    b->graph_n = plan->count - 1;
    b->graph = arena_zalloc(b->arena, (b->graph_n + 1) * sizeof(*b->graph));
    for (uint32_t t = 1; t < plan->count; t++) {
        const struct ring_device *d = &plan->tiers[t].dev->d;
        b->graph[t - 1] =
            (struct builder_tier){plan->tiers[t].depth, d->region, d->zone, d->ip, d->id, NULL, 0};
        b->graph[t - 1].count_n = b->rows + 1;
        b->graph[t - 1].counts = arena_zalloc(b->arena, (b->rows + 1) * sizeof(uint64_t));
        b->graph[t - 1].counts[0] = b->parts;
    }
}

/* Tiers without any replica do not appear in upstream's graph. */
static void trim_graph(struct builder *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->graph_n; i++)
        if (b->graph[i].counts[0] < b->parts)
            b->graph[n++] = b->graph[i];
    b->graph_n = n;
}

void rebalance_measure(struct builder *b)
{
    struct plan plan;
    uint64_t at_risk = 0;
    plan_make_tree(b, &plan);
    uint32_t *held = xcalloc(plan.count, sizeof(*held));
    name_graph(b, &plan);
    for (uint64_t part = 0; part < b->parts; part++) {
        count_part(b, &plan, part, held);
        at_risk += graph_part(b, &plan, part, held);
    }
    trim_graph(b);
    b->dispersion = 100.0 * (double)at_risk / ((double)b->parts * b->replicas);
    b->has_dispersion = true;
    b->version++;
    free(held);
    plan_release(&plan);
}

/* --- all --------------------------------------------------------------------------------------------------- */

/* What each device should gain or lose. Without weight it should lose everything, before all others. */
static void set_wanted(struct work *w)
{
    struct builder *b = w->b;
    w->need = xcalloc(w->plan.count, sizeof(*w->need));
    w->room = xcalloc(w->plan.count, sizeof(*w->room));
    w->held = xcalloc(w->plan.count, sizeof(*w->held));
    w->moved = xcalloc(b->parts, 1);
    for (uint32_t i = 0; i < b->dev_count; i++) {
        struct builder_device *dev = b->devs[i];
        uint32_t leaf = w->plan.leaf[i];
        if (!dev)
            continue;
        dev->parts_wanted = (int64_t)tier(w, leaf)->parts - dev->parts;
        if (tier(w, leaf)->devices == 0)
            dev->parts_wanted = -(int64_t)((double)b->parts * b->replicas);
        for (uint32_t t = leaf; t != PLAN_NONE; t = tier(w, t)->parent) {
            w->need[t] += dev->parts_wanted;
            w->room[t] += positive(dev->parts_wanted);
        }
    }
}

static void arrange(struct work *w)
{
    for (uint64_t part = 0; part < w->b->parts; part++)
        scatter(w, part);
    place_all(w);
    relieve_directly(w);
    if (w->room[0] > 0)
        relieve_by_chains(w);
}

static void work_release(struct work *w)
{
    plan_release(&w->plan);
    free(w->need);
    free(w->room);
    free(w->held);
    free(w->moved);
}

static uint64_t count_changes(const struct builder *b, const uint32_t *old, uint64_t old_entries)
{
    uint64_t changed = 0;
    for (uint64_t slot = 0; slot < b->entries; slot++)
        changed += slot >= old_entries || old[slot] != b->table[slot];
    return changed;
}

/* The device counts may come from a damaged file: what the table says holds. */
static void recount(struct builder *b)
{
    for (uint32_t i = 0; i < b->dev_count; i++)
        if (b->devs[i])
            b->devs[i]->parts = 0;
    for (uint64_t slot = 0; slot < b->entries; slot++)
        if (b->table[slot] != BUILDER_NONE)
            b->devs[b->table[slot]]->parts++;
}

int rebalance(struct builder *b, struct str seed, struct rebalance_result *ret, struct buf *error)
{
    struct work w = {.b = b, .fresh = b->rows == 0};
    int err = plan_make(b, &w.plan, error);
    if (err < 0)
        return err;
    plan_release(&w.plan);
    uint64_t old_entries = b->entries;
    uint32_t *old = xmalloc((old_entries + 1) * sizeof(*old));
    if (old_entries > 0)
        memcpy(old, b->table, old_entries * sizeof(*old));
    seed_random(&w, seed);
    age_partitions(b);
    recount(b);
    resize_table(b);
    uint32_t removed = drop_removed(b);
    err = plan_make(b, &w.plan, error); /* for the devices that stay; none with weight has gone */
    if (err == 0) {
        set_wanted(&w);
        arrange(&w);
        work_release(&w);
        b->devs_changed = false;
        rebalance_measure(b);
        *ret = (struct rebalance_result){count_changes(b, old, old_entries), removed, builder_balance(b),
                                         b->dispersion};
    }
    free(old);
    return err;
}
