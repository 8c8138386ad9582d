/* SPDX-License-Identifier: Apache-2.0
 *
 * The .builder file (builder.h): one pickled dict with upstream's keys.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/pickle.h"
#include "ring/builder.h"

/* --- reading ----------------------------------------------------------------------------------------------- */

struct loader {
    const char *name;
    struct buf *error;
    struct builder *b;
};

static int fail(struct loader *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int fail(struct loader *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_printf(l->error, "Ring Builder file is invalid: %s: ", l->name);
    buf_vprintf(l->error, format, args);
    va_end(args);
    return -EBADMSG;
}

static const struct pickle_value *get(const struct pickle_value *dict, const char *key)
{
    const struct pickle_value *v = pickle_get(dict, str_from(key));
    return v && v->type != PICKLE_NONE ? v : NULL;
}

/* Python does not care whether a number is an int, a float or a bool. */
static bool to_double(const struct pickle_value *v, double *ret)
{
    if (!v)
        return false;
    if (v->type == PICKLE_INT)
        *ret = (double)v->integer;
    else if (v->type == PICKLE_FLOAT && isfinite(v->real))
        *ret = v->real;
    else if (v->type == PICKLE_BOOL)
        *ret = v->boolean;
    else
        return false;
    return true;
}

static bool to_int(const struct pickle_value *v, int64_t min, int64_t max, int64_t *ret)
{
    double d;
    if (v && v->type == PICKLE_INT)
        *ret = v->integer;
    else if (to_double(v, &d) && d == floor(d) && fabs(d) < 9e15)
        *ret = (int64_t)d;
    else
        return false;
    return *ret >= min && *ret <= max;
}

static const char *to_text(struct arena *a, const struct pickle_value *v)
{
    if (!v || (v->type != PICKLE_TEXT && v->type != PICKLE_BYTES))
        return NULL;
    if (v->text.n > 0 && memchr(v->text.p, '\0', v->text.n))
        return NULL;
    return v->text.n > 0 ? arena_str(a, v->text).p : "";
}

/* As upstream: what old builders lack has a default. */
static const char *read_device(struct arena *a, const struct pickle_value *dict, uint32_t id,
                               struct builder_device *dev)
{
    int64_t number, port;
    double wanted;
    struct ring_device *d = &dev->d;
    if (!to_int(get(dict, "id"), id, id, &number))
        return "id";
    d->id = id;
    d->region = 1;
    if (get(dict, "region") && !to_int(get(dict, "region"), INT64_MIN, INT64_MAX, &d->region))
        return "region";
    if (!to_int(get(dict, "zone"), INT64_MIN, INT64_MAX, &d->zone))
        return "zone";
    if (!(d->ip = to_text(a, get(dict, "ip"))))
        return "ip";
    if (!to_int(get(dict, "port"), 0, 65535, &port))
        return "port";
    d->port = d->replication_port = (uint16_t)port;
    d->replication_ip = get(dict, "replication_ip") ? to_text(a, get(dict, "replication_ip")) : d->ip;
    if (!d->replication_ip)
        return "replication_ip";
    if (get(dict, "replication_port")) {
        if (!to_int(get(dict, "replication_port"), 0, 65535, &port))
            return "replication_port";
        d->replication_port = (uint16_t)port;
    }
    if (!(d->device = to_text(a, get(dict, "device"))))
        return "device";
    d->meta = get(dict, "meta") ? to_text(a, get(dict, "meta")) : "";
    if (!d->meta)
        return "meta";
    if (!to_double(get(dict, "weight"), &d->weight) || d->weight < 0)
        return "weight";
    if (!to_int(get(dict, "parts"), 0, (int64_t)1 << 48, &dev->parts))
        return "parts";
    dev->parts_wanted = 0;
    if (to_double(get(dict, "parts_wanted"), &wanted) && fabs(wanted) < 1e15)
        dev->parts_wanted = (int64_t)wanted;
    return NULL;
}

static int read_devices(struct loader *l, const struct pickle_value *list)
{
    struct builder *b = l->b;
    if (!list || list->type != PICKLE_LIST)
        return fail(l, "the list of devices is missing");
    if (list->list.n > BUILDER_MAX_DEVICES)
        return fail(l, "more than %d devices", BUILDER_MAX_DEVICES);
    b->dev_count = (uint32_t)list->list.n;
    b->dev_cap = list->list.n + 1;
    b->devs = xcalloc(b->dev_cap, sizeof(struct builder_device *));
    for (uint32_t i = 0; i < b->dev_count; i++) {
        const struct pickle_value *item = list->list.items[i];
        if (item->type == PICKLE_NONE)
            continue;
        if (item->type != PICKLE_DICT)
            return fail(l, "device %u is neither a dict nor None", i);
        b->devs[i] = arena_zalloc(b->arena, sizeof(struct builder_device));
        const char *bad = read_device(b->arena, item, i, b->devs[i]);
        if (bad)
            return fail(l, "device %u has no valid '%s'", i, bad);
    }
    return 0;
}

static int read_removed(struct loader *l, const struct pickle_value *list)
{
    if (!list)
        return 0;
    if (list->type != PICKLE_LIST)
        return fail(l, "'_remove_devs' is not a list");
    for (size_t i = 0; i < list->list.n; i++) {
        int64_t id;
        const struct pickle_value *item = list->list.items[i];
        if (item->type != PICKLE_DICT || !to_int(get(item, "id"), 0, BUILDER_MAX_DEVICES, &id) ||
            !builder_device(l->b, (uint32_t)id))
            return fail(l, "'_remove_devs' names a device that does not exist");
        l->b->devs[id]->removed = true;
    }
    return 0;
}

/* Items of an array or a list of ints. */
static bool item_at(const struct pickle_value *v, size_t i, int64_t *ret)
{
    if (v->type == PICKLE_ARRAY) {
        *ret = v->array.ints[i];
        return true;
    }
    return to_int(v->list.items[i], INT64_MIN, INT64_MAX, ret);
}

static bool items_of(const struct pickle_value *v, size_t *ret_n)
{
    if (v->type != PICKLE_ARRAY && v->type != PICKLE_LIST)
        return false;
    *ret_n = v->type == PICKLE_ARRAY ? v->array.n : v->list.n;
    return true;
}

static int read_row(struct loader *l, const struct pickle_value *v, size_t row, size_t n)
{
    struct builder *b = l->b;
    for (size_t i = 0; i < n; i++) {
        int64_t id;
        if (!item_at(v, i, &id) || id < 0 || id > UINT32_MAX || !builder_device(b, (uint32_t)id))
            return fail(l, "partition %zu, row %zu: there is no such device", i, row);
        b->table[row * b->parts + i] = (uint32_t)id;
    }
    return 0;
}

/* A row of no entries at all, which upstream makes of a fraction too small for one partition, is dropped. */
static int read_table(struct loader *l, const struct pickle_value *list)
{
    struct builder *b = l->b;
    size_t n;
    if (!list)
        return 0;
    if (list->type != PICKLE_LIST || list->list.n > BUILDER_MAX_DEVICES)
        return fail(l, "'_replica2part2dev' is not a list of rows");
    size_t rows = list->list.n;
    if (rows > 0 && items_of(list->list.items[rows - 1], &n) && n == 0)
        rows--;
    for (size_t row = 0; row < rows; row++) {
        if (!items_of(list->list.items[row], &n) || n > b->parts || n == 0 ||
            (n < b->parts && row + 1 < rows) || (n < b->parts && row == 0))
            return fail(l, "row %zu of the table has a wrong length", row);
        b->entries += n;
    }
    b->rows = rows;
    b->table = xcalloc(b->entries + 1, sizeof(*b->table));
    int err = 0;
    for (size_t row = 0; row < rows && err == 0; row++)
        err = read_row(l, list->list.items[row], row, builder_row_length(b, row));
    return err;
}

static int read_moves(struct loader *l, const struct pickle_value *v)
{
    struct builder *b = l->b;
    size_t n;
    b->last_part_moves = xcalloc(b->parts, 1);
    if (!v)
        return 0;
    if (!items_of(v, &n) || n != b->parts)
        return fail(l, "'_last_part_moves' does not have one entry a partition");
    for (size_t i = 0; i < n; i++) {
        int64_t hours;
        if (!item_at(v, i, &hours) || hours < 0)
            return fail(l, "'_last_part_moves' of partition %zu is not a number of hours", i);
        b->last_part_moves[i] = hours < 255 ? (uint8_t)hours : 255;
    }
    return 0;
}

static bool read_tier(struct arena *a, const struct pickle_pair *pair, struct builder_tier *tier)
{
    const struct pickle_value *key = pair->key, *counts = pair->value;
    int64_t id = 0;
    if (key->type != PICKLE_TUPLE || key->list.n < 1 || key->list.n > 4 || !items_of(counts, &tier->count_n))
        return false;
    tier->depth = (unsigned)key->list.n;
    if (!to_int(key->list.items[0], INT64_MIN, INT64_MAX, &tier->region) ||
        (tier->depth > 1 && !to_int(key->list.items[1], INT64_MIN, INT64_MAX, &tier->zone)) ||
        (tier->depth > 2 && !(tier->ip = to_text(a, key->list.items[2]))) ||
        (tier->depth > 3 && !to_int(key->list.items[3], 0, BUILDER_MAX_DEVICES, &id)))
        return false;
    tier->id = (uint32_t)id;
    tier->counts = arena_zalloc(a, (tier->count_n + 1) * sizeof(*tier->counts));
    for (size_t i = 0; i < tier->count_n; i++) {
        int64_t n;
        if (!item_at(counts, i, &n) || n < 0)
            return false;
        tier->counts[i] = (uint64_t)n;
    }
    return true;
}

/* The graph can be made again from the table, so that a strange one is just forgotten. */
static void read_graph(struct builder *b, const struct pickle_value *dict)
{
    if (!dict || dict->type != PICKLE_DICT)
        return;
    b->graph = arena_zalloc(b->arena, (dict->dict.n + 1) * sizeof(*b->graph));
    b->graph_n = dict->dict.n;
    for (size_t i = 0; i < dict->dict.n; i++)
        if (!read_tier(b->arena, &dict->dict.pairs[i], &b->graph[i]))
            b->graph_n = 0;
}

static int read_numbers(struct loader *l, const struct pickle_value *dict)
{
    struct builder *b = l->b;
    int64_t power, next = 0, parts, start = 0;
    if (!to_int(get(dict, "part_power"), 0, BUILDER_MAX_PART_POWER, &power))
        return fail(l, "'part_power' is not a whole number up to %d", BUILDER_MAX_PART_POWER);
    b->part_power = (uint32_t)power;
    b->parts = (uint64_t)1 << power;
    if (!to_int(get(dict, "parts"), (int64_t)b->parts, (int64_t)b->parts, &parts))
        return fail(l, "'parts' is not 2^part_power");
    b->next_part_power = -1;
    if (get(dict, "next_part_power") && !to_int(get(dict, "next_part_power"), 0, 33, &next))
        return fail(l, "'next_part_power' is not a whole number");
    if (next > 0)
        b->next_part_power = (int)next;
    if (!to_double(get(dict, "replicas"), &b->replicas) || b->replicas < 1 ||
        b->replicas > BUILDER_MAX_DEVICES)
        return fail(l, "'replicas' is not a number of at least 1");
    if (!to_int(get(dict, "min_part_hours"), 0, INT64_MAX, &b->min_part_hours))
        return fail(l, "'min_part_hours' is not a number of hours");
    if (!to_int(get(dict, "version"), 0, INT64_MAX - (1 << 30), &b->version))
        return fail(l, "'version' is not a whole number");
    if (get(dict, "overload") && (!to_double(get(dict, "overload"), &b->overload) || b->overload < 0))
        return fail(l, "'overload' is not a number");
    if (get(dict, "_last_part_moves_epoch") &&
        !to_int(get(dict, "_last_part_moves_epoch"), INT32_MIN, (int64_t)1 << 40, &b->last_part_moves_epoch))
        return fail(l, "'_last_part_moves_epoch' is not a time");
    if (get(dict, "_last_part_gather_start") &&
        !to_int(get(dict, "_last_part_gather_start"), 0, INT64_MAX, &start))
        return fail(l, "'_last_part_gather_start' is not a partition");
    b->last_part_gather_start = (uint64_t)start & (b->parts - 1);
    return 0;
}

static int read_all(struct loader *l, const struct pickle_value *dict)
{
    struct builder *b = l->b;
    double changed = 0;
    int err = read_numbers(l, dict);
    if (err == 0)
        err = read_devices(l, get(dict, "devs"));
    if (err == 0)
        err = read_removed(l, get(dict, "_remove_devs"));
    if (err == 0)
        err = read_table(l, get(dict, "_replica2part2dev"));
    if (err == 0)
        err = read_moves(l, get(dict, "_last_part_moves"));
    if (err < 0)
        return err;
    if (!isfinite(builder_total_weight(b)))
        return fail(l, "the weights are too large");
    to_double(get(dict, "devs_changed"), &changed);
    b->devs_changed = changed != 0;
    b->has_dispersion = to_double(get(dict, "dispersion"), &b->dispersion);
    read_graph(b, get(dict, "_dispersion_graph"));
    const char *id = to_text(b->arena, get(dict, "id"));
    if (id && strlen(id) < sizeof(b->id))
        snprintf(b->id, sizeof(b->id), "%s", id);
    return 0;
}

int builder_parse(struct str bytes, const char *name, struct builder **ret, struct buf *error)
{
    struct loader l = {.name = name, .error = error, .b = xcalloc(1, sizeof(struct builder))};
    struct arena *arena = arena_new();
    struct pickle_value *dict;
    l.b->arena = arena_new();
    int err = pickle_parse(arena, bytes.p, bytes.n, &dict, NULL);
    if (err == -EPERM)
        err = fail(&l, "it holds Python objects (a very old or a composite builder)");
    else if (err < 0)
        err = fail(&l, "not a pickle, or damaged");
    else if (dict->type != PICKLE_DICT)
        err = fail(&l, "it does not hold a dict");
    else
        err = read_all(&l, dict);
    arena_free(arena);
    if (err < 0)
        builder_free(l.b);
    else
        *ret = l.b;
    return err;
}

int builder_load(const char *path, struct builder **ret, struct buf *error)
{
    struct buf bytes;
    char text[128];
    buf_init(&bytes, BUILDER_FILE_MAX);
    int err = file_read(path, &bytes);
    if (err == 0)
        err = builder_parse(buf_view(&bytes), path, ret, error);
    else if (err == -ENOENT)
        buf_printf(error, "Ring Builder file does not exist: %s", path);
    else if (err == -EACCES || err == -EPERM)
        buf_printf(error, "Ring Builder file cannot be accessed: %s", path);
    else
        buf_printf(error, "Problem occurred while reading builder file: %s. %s", path,
                   strerror_r(-err, text, sizeof(text)));
    buf_release(&bytes);
    return err;
}

/* --- writing ----------------------------------------------------------------------------------------------- */

static void put_key(struct buf *out, const char *key)
{
    pickle_text(out, str_from(key));
}

static void put_int(struct buf *out, const char *key, int64_t v)
{
    put_key(out, key);
    pickle_int(out, v);
}

static void put_text(struct buf *out, const char *key, const char *v)
{
    put_key(out, key);
    pickle_text(out, str_from(v));
}

static void put_device(struct buf *out, const struct builder_device *dev)
{
    const struct ring_device *d = &dev->d;
    pickle_dict_begin(out);
    put_int(out, "id", d->id);
    put_int(out, "region", d->region);
    put_int(out, "zone", d->zone);
    put_text(out, "ip", d->ip);
    put_int(out, "port", d->port);
    put_text(out, "replication_ip", d->replication_ip);
    put_int(out, "replication_port", d->replication_port);
    put_text(out, "device", d->device);
    put_text(out, "meta", d->meta);
    put_key(out, "weight");
    pickle_float(out, d->weight);
    put_int(out, "parts", dev->parts);
    put_int(out, "parts_wanted", dev->parts_wanted);
    pickle_dict_end(out);
}

static void put_devices(struct buf *out, const struct builder *b, bool removed_only)
{
    pickle_list_begin(out);
    for (uint32_t i = 0; i < b->dev_count; i++) {
        if (b->devs[i] && (b->devs[i]->removed || !removed_only))
            put_device(out, b->devs[i]);
        else if (!removed_only)
            pickle_none(out);
    }
    pickle_list_end(out);
}

static int64_t table_item(size_t i, void *arg)
{
    return ((const uint32_t *)arg)[i];
}

static int64_t moves_item(size_t i, void *arg)
{
    return ((const uint8_t *)arg)[i];
}

static void put_table(struct buf *out, const struct builder *b)
{
    if (b->rows == 0) {
        pickle_none(out);
        return;
    }
    pickle_list_begin(out);
    for (size_t row = 0; row < b->rows; row++)
        pickle_array(out, 'H', builder_row_length(b, row), table_item, b->table + row * b->parts);
    pickle_list_end(out);
}

static void put_graph(struct buf *out, const struct builder *b)
{
    pickle_dict_begin(out);
    for (size_t i = 0; i < b->graph_n; i++) {
        const struct builder_tier *tier = &b->graph[i];
        pickle_tuple_begin(out);
        pickle_int(out, tier->region);
        if (tier->depth > 1)
            pickle_int(out, tier->zone);
        if (tier->depth > 2)
            pickle_text(out, str_from(tier->ip));
        if (tier->depth > 3)
            pickle_int(out, tier->id);
        pickle_tuple_end(out);
        pickle_list_begin(out);
        for (size_t k = 0; k < tier->count_n; k++)
            pickle_int(out, (int64_t)tier->counts[k]);
        pickle_list_end(out);
    }
    pickle_dict_end(out);
}

int builder_serialize(const struct builder *b, struct buf *out)
{
    pickle_begin(out);
    pickle_dict_begin(out);
    put_int(out, "part_power", b->part_power);
    put_key(out, "next_part_power");
    if (b->next_part_power >= 0)
        pickle_int(out, b->next_part_power);
    else
        pickle_none(out);
    put_key(out, "replicas");
    pickle_float(out, b->replicas);
    put_int(out, "min_part_hours", b->min_part_hours);
    put_int(out, "parts", (int64_t)b->parts);
    put_key(out, "devs");
    put_devices(out, b, false);
    put_key(out, "devs_changed");
    pickle_bool(out, b->devs_changed);
    put_int(out, "version", b->version);
    put_key(out, "overload");
    pickle_float(out, b->overload);
    put_key(out, "_replica2part2dev");
    put_table(out, b);
    put_int(out, "_last_part_moves_epoch", b->last_part_moves_epoch);
    put_key(out, "_last_part_moves");
    pickle_array(out, 'B', b->parts, moves_item, b->last_part_moves);
    put_int(out, "_last_part_gather_start", (int64_t)b->last_part_gather_start);
    put_key(out, "_dispersion_graph");
    put_graph(out, b);
    put_key(out, "dispersion");
    if (b->has_dispersion)
        pickle_float(out, b->dispersion);
    else
        pickle_none(out);
    put_key(out, "_remove_devs");
    put_devices(out, b, true);
    put_key(out, "id");
    if (b->id[0])
        pickle_text(out, str_from(b->id));
    else
        pickle_none(out);
    pickle_dict_end(out);
    pickle_end(out);
    return buf_error(out);
}

static void make_id(char id[33])
{
    char uuid[37];
    size_t n = 0;
    random_uuid(uuid);
    for (size_t i = 0; i < 36; i++)
        if (uuid[i] != '-')
            id[n++] = uuid[i];
    id[n] = '\0';
}

int builder_save(struct builder *b, const char *path, struct buf *error)
{
    struct buf bytes;
    char text[128];
    if (!b->id[0])
        make_id(b->id);
    buf_init(&bytes, BUILDER_FILE_MAX);
    int err = builder_serialize(b, &bytes);
    if (err == 0)
        err = file_replace(path, bytes.p, bytes.n, 0644);
    buf_release(&bytes);
    if (err < 0)
        buf_printf(error, "%s: cannot write the builder (%s): the file is as it was", path,
                   strerror_r(-err, text, sizeof(text)));
    return err;
}
