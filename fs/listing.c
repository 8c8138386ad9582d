/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/listing.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <time.h>

#include "common/alloc.h"

void listing_init(struct listing *l)
{
    *l = (struct listing){.arena = arena_new()};
}

void listing_release(struct listing *l)
{
    arena_free(l->arena);
    free(l->v);
    *l = (struct listing){0};
}

bool listing_type_is(struct str content_type, struct str type)
{
    struct str head, tail;

    str_cut(content_type, ';', &head, &tail);
    return str_ieq(str_trim(head), type);
}

static int two_digits(const char *p)
{
    return p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9' ? -1 : (p[0] - '0') * 10 + p[1] - '0';
}

int64_t listing_parse_time(struct str s)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:dd";
    struct tm tm = {0};
    int64_t us = 0;

    if (s.n < sizeof shape - 1)
        return 0;
    for (size_t i = 0; i < sizeof shape - 1; i++)
        if (shape[i] == 'd' ? s.p[i] < '0' || s.p[i] > '9' : s.p[i] != shape[i])
            return 0;
    tm.tm_year = two_digits(s.p) * 100 + two_digits(s.p + 2) - 1900;
    tm.tm_mon = two_digits(s.p + 5) - 1;
    tm.tm_mday = two_digits(s.p + 8);
    tm.tm_hour = two_digits(s.p + 11);
    tm.tm_min = two_digits(s.p + 14);
    tm.tm_sec = two_digits(s.p + 17);
    if (s.n > 19 && s.p[19] == '.')
        for (size_t i = 20, scale = 100000; i < s.n && i < 26 && s.p[i] >= '0' && s.p[i] <= '9';
             i++, scale /= 10)
            us += (int64_t)(s.p[i] - '0') * (int64_t)scale;
    return (int64_t)timegm(&tm) * 1000000 + us;
}

static struct str json_str(const json_t *item, const char *key)
{
    const json_t *v = json_object_get(item, key);

    return json_is_string(v) ? str_of(json_string_value(v), json_string_length(v)) : STR_NONE;
}

/* Etags of segmented objects come with quotes around them. */
static void copy_hash(struct listing_entry *e, struct str hash)
{
    if (hash.n >= 2 && hash.p[0] == '"' && hash.p[hash.n - 1] == '"')
        hash = str_slice(hash, 1, hash.n - 1);
    if (hash.n < sizeof e->hash)
        memcpy(e->hash, hash.n ? hash.p : "", hash.n);
}

static void fill(struct listing_entry *e, const json_t *item)
{
    struct str type = json_str(item, "content_type"), slo = json_str(item, "slo_etag");
    const json_t *bytes = json_object_get(item, "bytes");

    e->directory = listing_type_is(type, STR(LISTING_TYPE_DIRECTORY));
    e->symlink = listing_type_is(type, STR(LISTING_TYPE_SYMLINK));
    e->large = slo.n > 0;
    copy_hash(e, slo.n ? slo : json_str(item, "hash"));
    if (json_is_integer(bytes) && json_integer_value(bytes) > 0)
        e->bytes = (uint64_t)json_integer_value(bytes);
    e->changed_us = listing_parse_time(json_str(item, "last_modified"));
}

ssize_t listing_parse(struct listing *l, struct str json)
{
    json_error_t error;
    json_t *items = json_loadb(json.p ? json.p : "", json.n, JSON_ALLOW_NUL, &error), *item;
    size_t i, n;

    if (!json_is_array(items)) {
        json_decref(items);
        return -EBADMSG;
    }
    n = json_array_size(items);
    json_array_foreach(items, i, item)
    {
        struct str subdir = json_str(item, "subdir"), name = subdir.p ? subdir : json_str(item, "name");
        struct listing_entry *e;

        if (!name.p || name.n == 0)
            continue;
        l->v = xgrow(l->v, &l->cap, l->n + 1, sizeof *l->v);
        e = &l->v[l->n++];
        *e = (struct listing_entry){.name = arena_str(l->arena, name), .subdir = subdir.p != NULL};
        if (!e->subdir)
            fill(e, item);
        l->last = e->name;
    }
    json_decref(items);
    return (ssize_t)n;
}
