/* SPDX-License-Identifier: Apache-2.0 */
#include "container/shard_listing.h"

#include <errno.h>

#define BIT(state) (1u << (state) / 10)

static const struct {
    struct str name;
    uint32_t states;
} words[] = {
    {STR_INIT("listing"), BIT(30) | BIT(40) | BIT(50) | BIT(60)},
    {STR_INIT("updating"), BIT(20) | BIT(30) | BIT(40) | BIT(60)},
    {STR_INIT("auditing"), BIT(20) | BIT(30) | BIT(40) | BIT(50) | BIT(60) | BIT(70) | BIT(80)},
    {STR_INIT("found"), BIT(10)},
    {STR_INIT("created"), BIT(20)},
    {STR_INIT("cleaved"), BIT(30)},
    {STR_INIT("active"), BIT(40)},
    {STR_INIT("shrinking"), BIT(50)},
    {STR_INIT("sharding"), BIT(60)},
    {STR_INIT("sharded"), BIT(70)},
    {STR_INIT("shrunk"), BIT(80)},
};

static uint32_t state_bits(struct str word)
{
    uint64_t number;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (i < 3 ? str_eq(word, words[i].name) : str_ieq(word, words[i].name))
            return words[i].states;
    if (str_to_u64(word, &number) == 0 && number >= 10 && number <= 80 && number % 10 == 0)
        return BIT(number);
    return 0;
}

bool shard_query_states(struct shard_query *q, struct str text)
{
    struct str item;

    while (str_next(&text, ',', &item)) {
        item = str_trim(item);
        uint32_t bits = item.n ? state_bits(item) : 0;
        if (item.n && !bits)
            return false;
        q->states |= bits;
        q->fill_gaps |= str_eq(item, STR("listing")) || str_eq(item, STR("updating"));
        q->include_own |= str_eq(item, STR("auditing"));
    }
    return true;
}

/* An empty upper bound is above all. */
static bool is_below_upper(struct str name, struct str upper)
{
    return upper.n == 0 || str_cmp(name, upper) < 0;
}

static bool has_state(const struct shard_range *r, uint32_t states)
{
    return states == 0 || (r->state >= 10 && r->state <= 80 && states & BIT(r->state));
}

static bool is_wanted(const struct shard_range *r, const struct shard_query *q, struct str own,
                      struct str low, struct str high)
{
    if ((r->deleted && !q->include_deleted) || !has_state(r, q->states) ||
        (!q->include_own && str_eq(r->name, own)))
        return false;
    if (q->includes.p)
        return str_cmp(r->lower, q->includes) < 0 && (r->upper.n == 0 || str_cmp(r->upper, q->includes) >= 0);
    return (!high.n || str_cmp(high, r->lower) > 0) && (!low.n || is_below_upper(low, r->upper));
}

/* The container's own range as stored, or the default: everything, active. Its counts are those of now. */
static struct shard_range own_range(struct db_broker *b, const struct container_info *info, struct str own,
                                    const struct shard_range *all, size_t n)
{
    char text[TIMESTAMP_NORMAL_SIZE];
    struct str now = arena_str(b->arena, str_from(timestamp_normal(timestamp_now(), text)));
    struct shard_range r = {.name = own,
                            .timestamp = now,
                            .lower = STR(""),
                            .upper = STR(""),
                            .state = 40,
                            .state_timestamp = now,
                            .tombstones = -1};

    for (size_t i = 0; i < n; i++)
        if (str_eq(all[i].name, own))
            r = all[i];
    if (r.object_count != info->object_count || r.bytes_used != info->bytes_used)
        r.reported = false;
    r.object_count = info->object_count;
    r.bytes_used = info->bytes_used;
    r.meta_timestamp = now;
    return r;
}

/* Where the ranges found end before the container's own end, the container stands for the rest: callers come back to it. */
static void fill(struct shard_range own, struct str low, struct str high, struct shard_range *v, size_t *n)
{
    struct str last = *n ? v[*n - 1].upper : str_cmp(low, own.lower) > 0 ? low : own.lower;
    struct str required = high.n && is_below_upper(high, own.upper) ? high : own.upper;

    if (*n && last.n == 0)
        return; /* they reach the end of all names */
    if (!is_below_upper(last, required))
        return;
    own.lower = last;
    own.upper = required;
    v[(*n)++] = own;
}

static void turn_round(struct shard_range *v, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        struct shard_range r = v[i];
        v[i] = v[n - 1 - i];
        v[n - 1 - i] = r;
    }
}

int shard_listing(struct db_broker *b, const struct container_info *info, const struct shard_query *q,
                  struct shard_range **ret, size_t *ret_n)
{
    struct str low = q->reverse ? q->end_marker : q->marker, high = q->reverse ? q->marker : q->end_marker;
    struct str own = arena_join(b->arena, info->account, STR("/"), info->container, STR_END);
    struct shard_range *all;
    size_t n_all, n = 0;

    int err = shard_range_read_all(b, &all, &n_all);
    if (err)
        return err;
    struct shard_range *v = arena_alloc(b->arena, (n_all + 1) * sizeof(*v));
    *ret = v;
    *ret_n = 0;
    if (low.n && high.n && str_cmp(low, high) >= 0)
        return 0;
    for (size_t i = 0; i < n_all && !(q->includes.n && n); i++)
        if (is_wanted(&all[i], q, own, low, high))
            v[n++] = all[i];
    if (q->fill_gaps && !q->includes.n)
        fill(own_range(b, info, own, all, n_all), low, high, v, &n);
    if (q->reverse)
        turn_round(v, n);
    *ret_n = n;
    return 0;
}
