/* SPDX-License-Identifier: Apache-2.0 */
#include "db/db_metadata.h"

#include <errno.h>
#include <jansson.h>

#include "common/json.h"
#include "common/timestamp.h"
#include "common/utf8.h"

void db_metadata_init(struct db_metadata *m, struct arena *a)
{
    *m = (struct db_metadata){.arena = a};
}

static void append(struct db_metadata *m, struct str key, struct str value, struct str timestamp)
{
    if (m->n == m->cap) {
        size_t cap = m->cap ? 2 * m->cap : 16;
        struct db_metadata_item *v = arena_alloc(m->arena, cap * sizeof(*v));
        if (m->n)
            memcpy(v, m->v, m->n * sizeof(*v));
        m->v = v;
        m->cap = cap;
    }
    m->v[m->n++] = (struct db_metadata_item){key, value, timestamp};
}

static struct str json_text(struct arena *a, const json_t *j)
{
    return arena_str(a, str_of(json_string_value(j), json_string_length(j)));
}

int db_metadata_parse(struct arena *a, struct str json, struct db_metadata *ret)
{
    struct db_metadata m;
    const char *key;
    json_t *pair;

    db_metadata_init(&m, a);
    if (json.n == 0) {
        *ret = m;
        return 0;
    }
    json_t *root = json_loadb(json.p, json.n, JSON_ALLOW_NUL, NULL);
    if (!json_is_object(root))
        goto bad;
    json_object_foreach(root, key, pair)
    {
        const json_t *value = json_array_get(pair, 0), *timestamp = json_array_get(pair, 1);
        if (json_array_size(pair) != 2 || !json_is_string(value) || !json_is_string(timestamp))
            goto bad;
        append(&m, arena_str(a, str_from(key)), json_text(a, value), json_text(a, timestamp));
    }
    json_decref(root);
    *ret = m;
    return 0;

bad:
    json_decref(root);
    return -EINVAL;
}

void db_metadata_write(const struct db_metadata *m, struct buf *out)
{
    buf_putc(out, '{');
    for (size_t i = 0; i < m->n; i++) {
        if (i)
            buf_puts(out, ", ");
        json_put_string(out, m->v[i].key);
        buf_puts(out, ": [");
        json_put_string(out, m->v[i].value);
        buf_puts(out, ", ");
        json_put_string(out, m->v[i].timestamp);
        buf_putc(out, ']');
    }
    buf_putc(out, '}');
}

static struct db_metadata_item *find(const struct db_metadata *m, struct str key)
{
    for (size_t i = 0; i < m->n; i++)
        if (str_eq(m->v[i].key, key))
            return &m->v[i];
    return NULL;
}

const struct db_metadata_item *db_metadata_find(const struct db_metadata *m, struct str key)
{
    return find(m, key);
}

void db_metadata_set(struct db_metadata *m, struct str key, struct str value, struct str timestamp)
{
    struct db_metadata_item *item = find(m, key);

    if (item)
        *item = (struct db_metadata_item){item->key, value, timestamp};
    else
        append(m, key, value, timestamp);
}

bool db_metadata_merge(struct db_metadata *m, const struct db_metadata *updates)
{
    bool changed = false;

    for (size_t i = 0; i < updates->n; i++) {
        const struct db_metadata_item *u = &updates->v[i], *old = find(m, u->key);
        if (old && str_cmp(u->timestamp, old->timestamp) <= 0)
            continue;
        db_metadata_set(m, u->key, u->value, u->timestamp);
        changed = true;
    }
    return changed;
}

bool db_metadata_reclaim(struct db_metadata *m, struct str age)
{
    struct timestamp limit, t;
    size_t kept = 0, before = m->n;

    if (timestamp_parse(age, &limit) < 0)
        return false;
    for (size_t i = 0; i < m->n; i++) {
        bool old = m->v[i].value.n == 0 && timestamp_parse(m->v[i].timestamp, &t) == 0 &&
                   timestamp_cmp(t, limit) < 0;
        if (!old)
            m->v[kept++] = m->v[i];
    }
    m->n = kept;
    return kept != before;
}

/* Length of the name behind the prefix of user metadata, or -1. */
static ssize_t user_name_length(struct str key)
{
    static const struct str prefixes[] = {STR_INIT("X-Account-Meta-"), STR_INIT("X-Container-Meta-")};

    for (size_t i = 0; i < 2; i++)
        if (str_istarts(key, prefixes[i]))
            return (ssize_t)(key.n - prefixes[i].n);
    return -1;
}

int db_metadata_validate(const struct db_metadata *m, const struct constraints *limits, struct buf *error)
{
    int64_t count = 0, size = 0;

    for (size_t i = 0; i < m->n; i++) {
        const struct db_metadata_item *item = &m->v[i];
        if ((item->key.n && !utf8_check(item->key)) || (item->value.n && !utf8_check(item->value))) {
            buf_puts(error, "Metadata must be valid UTF-8");
            return -EINVAL;
        }
        ssize_t name = user_name_length(item->key);
        if (name < 0 || item->value.n == 0)
            continue;
        count++;
        size += (int64_t)name + (int64_t)item->value.n;
    }
    if (count > limits->max_meta_count) {
        buf_printf(error, "Too many metadata items; max %lld", (long long)limits->max_meta_count);
        return -EINVAL;
    }
    if (size > limits->max_meta_overall_size) {
        buf_printf(error, "Total metadata too large; max %lld", (long long)limits->max_meta_overall_size);
        return -EINVAL;
    }
    return 0;
}
