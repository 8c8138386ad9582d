/* SPDX-License-Identifier: Apache-2.0 */
#include "ring/rebalance_plan.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "common/alloc.h"

/* Sums of real numbers are equal up to this. */
#define EPSILON 1e-10
/* Sharing out converges in a few rounds; what has not then never will. */
#define ROUNDS_MAX 10000

/* --- the tree ---------------------------------------------------------------------------------------------- */

static int compare_up_to(const struct ring_device *a, const struct ring_device *b, unsigned depth)
{
    if (a->region != b->region)
        return a->region < b->region ? -1 : 1;
    if (depth > 1 && a->zone != b->zone)
        return a->zone < b->zone ? -1 : 1;
    int by_ip = depth > 2 ? strcmp(a->ip, b->ip) : 0;
    if (by_ip != 0)
        return by_ip;
    if (depth > 3 && a->id != b->id)
        return a->id < b->id ? -1 : 1;
    return 0;
}

static int compare_devices(const void *left, const void *right)
{
    const struct builder_device *a = *(struct builder_device *const *)left;
    const struct builder_device *b = *(struct builder_device *const *)right;
    return compare_up_to(&a->d, &b->d, PLAN_DEPTH);
}

static uint32_t sorted_devices(const struct builder *b, const struct builder_device **ret)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->dev_count; i++)
        if (b->devs[i])
            ret[n++] = b->devs[i];
    qsort(ret, n, sizeof(*ret), compare_devices);
    return n;
}

static void add_tier(struct plan *plan, unsigned depth, uint32_t parent, const struct builder_device *dev)
{
    uint32_t index = plan->count++;
    struct plan_tier *t = &plan->tiers[index];
    *t = (struct plan_tier){.depth = depth, .parent = parent, .dev = dev};
    if (parent == PLAN_NONE)
        return;
    struct plan_tier *p = &plan->tiers[parent];
    if (p->child_count++ == 0)
        p->first_child = index;
}

/* Level by level, so that children stand side by side; above[i] is the tier of sorted[i] one level up. */
static void build_tree(const struct builder *b, struct plan *plan)
{
    const struct builder_device **sorted = xcalloc(b->dev_count + (size_t)1, sizeof(*sorted));
    uint32_t *above = xcalloc(b->dev_count + (size_t)1, sizeof(*above));
    uint32_t n = sorted_devices(b, sorted);
    plan->tiers = xcalloc((size_t)n * PLAN_DEPTH + 1, sizeof(*plan->tiers));
    plan->leaf = xmalloc((b->dev_count + (size_t)1) * sizeof(*plan->leaf));
    memset(plan->leaf, 0xff, (b->dev_count + (size_t)1) * sizeof(*plan->leaf));
    add_tier(plan, 0, PLAN_NONE, NULL);
    for (unsigned depth = 1; depth <= PLAN_DEPTH; depth++) {
        for (uint32_t i = 0; i < n; i++) {
            if (i == 0 || compare_up_to(&sorted[i - 1]->d, &sorted[i]->d, depth) != 0)
                add_tier(plan, depth, above[i], sorted[i]);
            above[i] = plan->count - 1;
        }
    }
    for (uint32_t i = 0; i < n; i++)
        plan->leaf[sorted[i]->d.id] = above[i];
    free(sorted);
    free(above);
}

static void count_devices(const struct builder *b, struct plan *plan)
{
    for (uint32_t i = 0; i < b->dev_count; i++)
        if (b->devs[i] && b->devs[i]->d.weight > 0)
            for (uint32_t t = plan->leaf[i]; t != PLAN_NONE; t = plan->tiers[t].parent)
                plan->tiers[t].devices++;
}

static uint32_t active_children(const struct plan *plan, const struct plan_tier *t)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->child_count; i++)
        n += plan->tiers[t->first_child + i].devices > 0;
    return n;
}

/* Even shares from the root down, in real numbers and rounded up at each level; a device takes at most 1. */
static void spread_evenly(const struct builder *b, struct plan *plan)
{
    plan->tiers[0].even = b->replicas;
    plan->tiers[0].most = (uint32_t)ceil(b->replicas);
    for (uint32_t i = 1; i < plan->count; i++) {
        struct plan_tier *t = &plan->tiers[i], *parent = &plan->tiers[t->parent];
        if (t->devices == 0)
            continue;
        uint32_t siblings = active_children(plan, parent);
        double most = t->parent == 0 ? b->replicas : parent->most;
        t->even = parent->even / siblings;
        t->most = (uint32_t)ceil(most / siblings);
        if (t->depth == PLAN_DEPTH) {
            t->even = fmin(t->even, 1);
            t->most = t->most > 1 ? 1 : t->most;
        }
    }
}

void plan_make_tree(const struct builder *b, struct plan *ret)
{
    *ret = (struct plan){0};
    build_tree(b, ret);
    count_devices(b, ret);
    spread_evenly(b, ret);
}

void plan_release(struct plan *plan)
{
    free(plan->tiers);
    free(plan->leaf);
    *plan = (struct plan){0};
}

/* --- weighted ---------------------------------------------------------------------------------------------- */

static bool is_leaf(const struct plan_tier *t)
{
    return t->depth == PLAN_DEPTH && t->devices > 0;
}

/* What devices with more weight than one replica of everything cannot take goes to those with room, in proportion to
 * what they have. */
static void fill_devices(const struct builder *b, struct plan *plan)
{
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        double left = b->replicas, room = 0;
        for (uint32_t i = 1; i < plan->count; i++) {
            const struct plan_tier *t = &plan->tiers[i];
            if (is_leaf(t)) {
                left -= t->weighted;
                room += t->weighted < 1 ? t->weighted : 0;
            }
        }
        if (left < EPSILON || room <= 0)
            return;
        for (uint32_t i = 1; i < plan->count; i++) {
            struct plan_tier *t = &plan->tiers[i];
            if (is_leaf(t) && t->weighted < 1)
                t->weighted = fmin(1, t->weighted * (left / room + 1));
        }
    }
}

static void weigh(const struct builder *b, struct plan *plan)
{
    double total = builder_total_weight(b);
    for (uint32_t i = 1; i < plan->count; i++) {
        struct plan_tier *t = &plan->tiers[i];
        if (is_leaf(t))
            t->weighted = fmin(1, t->dev->d.weight / total * b->replicas);
    }
    fill_devices(b, plan);
    for (uint32_t i = plan->count - 1; i > 0; i--)
        plan->tiers[plan->tiers[i].parent].weighted += plan->tiers[i].weighted;
}

/* --- wanted ------------------------------------------------------------------------------------------------ */

enum { TAKES_MORE, GIVES, TAKES_ANY };

/* May a child's part change in this direction? */
static bool can_change(const struct plan_tier *c, int direction)
{
    if (c->devices == 0)
        return false;
    if (direction == GIVES)
        return c->wanted > floor(c->even);
    return c->wanted < c->devices && (direction == TAKES_ANY || c->wanted < ceil(c->even));
}

static double change_one(struct plan_tier *c, double by, bool device_limited)
{
    double before = c->wanted, now = before + by;
    if (now < floor(c->even))
        now = floor(c->even);
    else if (now > ceil(c->even) && !device_limited)
        now = ceil(c->even);
    c->wanted = fmin(now, c->devices);
    return c->wanted - before;
}

static double weight_of(const struct plan *plan, const struct plan_tier *t, int direction)
{
    double sum = 0;
    for (uint32_t i = 0; i < t->child_count; i++) {
        const struct plan_tier *c = &plan->tiers[t->first_child + i];
        sum += can_change(c, direction) ? c->weighted : 0;
    }
    return sum;
}

/* Shares a tier's replicas out to its children: by weight, but between the even share rounded down and up, and no more
 * than a child has devices. Where nobody can take more within those bounds, the upper one is dropped. */
static void want_children(struct plan *plan, const struct plan_tier *t)
{
    double left = t->wanted;
    int direction = TAKES_ANY; /* the first round shares among all */
    bool device_limited = false;
    for (unsigned round = 0; round < ROUNDS_MAX && fabs(left) > EPSILON; round++) {
        double weights = weight_of(plan, t, direction), placed = 0;
        for (uint32_t i = 0; weights > 0 && i < t->child_count; i++) {
            struct plan_tier *c = &plan->tiers[t->first_child + i];
            if (can_change(c, direction))
                placed += change_one(c, left * (c->weighted / weights), device_limited);
        }
        left -= placed;
        if (left < 0) {
            direction = GIVES;
        } else {
            direction = device_limited ? TAKES_ANY : TAKES_MORE;
            if (weight_of(plan, t, direction) <= 0) {
                device_limited = true;
                direction = TAKES_ANY;
            }
        }
    }
}

static void want(const struct builder *b, struct plan *plan)
{
    plan->tiers[0].wanted = b->replicas;
    for (uint32_t i = 0; i < plan->count; i++)
        if (plan->tiers[i].devices > 0 && plan->tiers[i].child_count > 0)
            want_children(plan, &plan->tiers[i]);
}

/* --- target ------------------------------------------------------------------------------------------------ */

static void find_required_overload(struct plan *plan)
{
    for (uint32_t i = 1; i < plan->count; i++) {
        const struct plan_tier *t = &plan->tiers[i];
        if (is_leaf(t) && t->weighted > 0)
            plan->required_overload = fmax(plan->required_overload, (t->wanted - t->weighted) / t->weighted);
    }
}

static void aim(const struct builder *b, struct plan *plan)
{
    double required = plan->required_overload;
    double way = required > 0 ? fmin(b->overload, required) / required : 1;
    for (uint32_t i = 0; i < plan->count; i++) {
        struct plan_tier *t = &plan->tiers[i];
        t->target = t->weighted + (t->wanted - t->weighted) * way;
        t->min = (uint32_t)floor(t->target + EPSILON);
        t->max = (uint32_t)fmax(ceil(t->target - EPSILON), 0);
    }
}

static struct plan_tier *lowest_target(struct plan *plan, const struct plan_tier *t, double above,
                                       uint32_t after)
{
    struct plan_tier *best = NULL;
    for (uint32_t i = 0; i < t->child_count; i++) {
        struct plan_tier *c = &plan->tiers[t->first_child + i];
        bool later = c->target > above || (c->target == above && i > after);
        if (c->devices > 0 && later && (!best || c->target < best->target))
            best = c;
    }
    return best;
}

/* Whole partitions: each child its target rounded down, the rest one by one from the smallest target upwards. */
static void deal_children(const struct builder *b, struct plan *plan, const struct plan_tier *t)
{
    uint64_t left = t->parts;
    for (uint32_t i = 0; i < t->child_count; i++) {
        struct plan_tier *c = &plan->tiers[t->first_child + i];
        uint64_t share = c->devices > 0 ? (uint64_t)floor(c->target * (double)b->parts + 1e-7) : 0;
        c->parts = share < left ? share : left;
        left -= c->parts;
    }
    while (left > 0) {
        struct plan_tier *c = lowest_target(plan, t, -1, 0);
        for (; c && left > 0; left--) {
            c->parts++;
            c = lowest_target(plan, t, c->target, (uint32_t)(c - plan->tiers) - t->first_child);
        }
    }
}

static void deal(const struct builder *b, struct plan *plan)
{
    plan->tiers[0].parts = (uint64_t)(b->replicas * (double)b->parts);
    for (uint32_t i = 0; i < plan->count; i++)
        if (plan->tiers[i].devices > 0 && plan->tiers[i].child_count > 0)
            deal_children(b, plan, &plan->tiers[i]);
}

int plan_make(const struct builder *b, struct plan *ret, struct buf *error)
{
    double total = builder_total_weight(b);
    if (!(total > 0) || !isfinite(total)) {
        buf_puts(error, "There are no devices in this ring, or all devices have been deleted");
        return -EINVAL;
    }
    plan_make_tree(b, ret);
    if (ret->tiers[0].devices < b->replicas) {
        buf_printf(error, "Replica count of %g requires more than %u devices", b->replicas,
                   ret->tiers[0].devices);
        plan_release(ret);
        return -EINVAL;
    }
    weigh(b, ret);
    want(b, ret);
    find_required_overload(ret);
    aim(b, ret);
    deal(b, ret);
    return 0;
}

double plan_required_overload(const struct builder *b)
{
    struct plan plan;
    struct buf unused;
    double required = 0;
    buf_init(&unused, 4096);
    if (plan_make(b, &plan, &unused) == 0) {
        required = plan.required_overload;
        plan_release(&plan);
    }
    buf_release(&unused);
    return required;
}
