/* SPDX-License-Identifier: Apache-2.0
 *
 * db_driver: the account and container brokers as a filter, for tests in Python.
 *
 *     db_driver DEVICE_FOLDER PARTITION HASH ACCOUNT [CONTAINER]
 *
 * Reads one JSON object a line: {"op": "create" | "put" | "merge" | "info" | "list" | "metadata" | "delete" | "policy" |
 * "put_timestamp", ...} and answers each with one line of JSON: {"err": 0} or what was asked for.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "account/account_broker.h"
#include "container/container_broker.h"
#include "container/container_update.h"

struct driver {
    struct db_broker b;
    bool is_account;
    struct arena *arena;
    const json_t *command;
};

static struct str text(const struct driver *d, const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return json_is_string(v) ? arena_str(d->arena, str_of(json_string_value(v), json_string_length(v)))
                             : STR_NONE;
}

static int64_t number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static struct account_row account_row(const struct driver *d, const json_t *o)
{
    return (struct account_row){.name = text(d, o, "name"),
                                .put_timestamp = text(d, o, "put_timestamp"),
                                .delete_timestamp = text(d, o, "delete_timestamp"),
                                .object_count = number(o, "object_count"),
                                .bytes_used = number(o, "bytes_used"),
                                .deleted = number(o, "deleted") != 0,
                                .policy = number(o, "storage_policy_index"),
                                .rowid = number(o, "ROWID")};
}

static int rows(struct driver *d, bool merge)
{
    const json_t *list = json_object_get(d->command, "rows");
    struct str source = text(d, d->command, "source");
    size_t n = json_array_size(list);
    int err = 0;

    if (d->is_account) {
        struct account_row *v = arena_alloc(d->arena, (n + 1) * sizeof(*v));
        for (size_t i = 0; i < n; i++)
            v[i] = account_row(d, json_array_get(list, i));
        if (merge)
            return account_merge_rows(&d->b, v, n, source);
        for (size_t i = 0; i < n && !err; i++)
            err = account_put_row(&d->b, &v[i]);
        return err;
    }
    struct object_row *v;
    struct buf error;
    char *json = json_dumps(list, 0);
    buf_init(&error, 1024);
    err = container_update_parse(d->arena, str_from(json), &v, &n, &error);
    buf_release(&error);
    free(json);
    if (!err && merge)
        return container_merge_rows(&d->b, v, n, source);
    for (size_t i = 0; i < n && !err; i++)
        err = container_put_row(&d->b, &v[i]);
    return err;
}

static json_t *json_str(struct str s)
{
    return s.p ? json_stringn(s.p, s.n) : json_null();
}

static int info(struct driver *d, json_t *out)
{
    if (d->is_account) {
        struct account_info i;
        int err = account_info_read(&d->b, &i);
        if (err)
            return err;
        json_object_set_new(out, "hash", json_str(i.hash));
        json_object_set_new(out, "put_timestamp", json_str(i.put_timestamp));
        json_object_set_new(out, "delete_timestamp", json_str(i.delete_timestamp));
        json_object_set_new(out, "status_changed_at", json_str(i.status_changed_at));
        json_object_set_new(out, "container_count", json_integer(i.container_count));
        json_object_set_new(out, "object_count", json_integer(i.object_count));
        json_object_set_new(out, "bytes_used", json_integer(i.bytes_used));
        json_object_set_new(out, "is_deleted", json_boolean(i.deleted));
        return 0;
    }
    struct container_info i;
    int err = container_info_read(&d->b, &i);
    if (err)
        return err;
    json_object_set_new(out, "hash", json_str(i.hash));
    json_object_set_new(out, "put_timestamp", json_str(i.put_timestamp));
    json_object_set_new(out, "delete_timestamp", json_str(i.delete_timestamp));
    json_object_set_new(out, "status_changed_at", json_str(i.status_changed_at));
    json_object_set_new(out, "object_count", json_integer(i.object_count));
    json_object_set_new(out, "bytes_used", json_integer(i.bytes_used));
    json_object_set_new(out, "storage_policy_index", json_integer(i.policy));
    json_object_set_new(out, "db_state", json_string(container_state_name(i.state)));
    json_object_set_new(out, "is_deleted", json_boolean(i.deleted));
    return 0;
}

static int list(struct driver *d, json_t *out)
{
    struct db_listing q = {.limit = number(d->command, "limit"),
                           .marker = text(d, d->command, "marker"),
                           .end_marker = text(d, d->command, "end_marker"),
                           .prefix = text(d, d->command, "prefix"),
                           .delimiter = text(d, d->command, "delimiter"),
                           .path = text(d, d->command, "path"),
                           .reverse = json_is_true(json_object_get(d->command, "reverse")),
                           .allow_reserved = json_is_true(json_object_get(d->command, "allow_reserved"))};
    struct db_listing_writer w;
    struct buf listing;

    buf_init(&listing, DB_LISTING_MAX_BYTES);
    db_listing_begin(&w, LISTING_JSON, d->is_account ? "account" : "container", STR("x"), &listing);
    int err = d->is_account ? account_list(&d->b, &q, &w)
                            : container_list(&d->b, number(d->command, "policy"), &q, &w);
    db_listing_end(&w);
    if (!err)
        json_object_set_new(out, "listing", json_loadb(listing.p, listing.n, JSON_ALLOW_NUL, NULL));
    buf_release(&listing);
    return err;
}

static int metadata(struct driver *d)
{
    struct db_metadata m;
    const char *key;
    const json_t *pair;

    db_metadata_init(&m, d->arena);
    json_object_foreach((json_t *)json_object_get(d->command, "metadata"), key, pair)
        db_metadata_set(&m, arena_str(d->arena, str_from(key)),
                        arena_str(d->arena, str_from(json_string_value(json_array_get(pair, 0)))),
                        arena_str(d->arena, str_from(json_string_value(json_array_get(pair, 1)))));
    return db_metadata_update(&d->b, &m, NULL, NULL);
}

static int run(struct driver *d, json_t *out)
{
    struct str op = text(d, d->command, "op"), timestamp = text(d, d->command, "timestamp");

    if (str_eq(op, STR("create")))
        return db_broker_create(&d->b, timestamp, number(d->command, "policy"));
    if (str_eq(op, STR("put")) || str_eq(op, STR("merge")))
        return rows(d, str_eq(op, STR("merge")));
    if (str_eq(op, STR("info")))
        return info(d, out);
    if (str_eq(op, STR("list")))
        return list(d, out);
    if (str_eq(op, STR("metadata")))
        return metadata(d);
    if (str_eq(op, STR("delete")))
        return db_delete(&d->b, timestamp);
    if (str_eq(op, STR("put_timestamp")))
        return db_update_put_timestamp(&d->b, timestamp);
    if (str_eq(op, STR("policy")))
        return container_set_policy(&d->b, number(d->command, "policy"), timestamp);
    return -ENOSYS;
}

static void handle(struct db_cache *cache, char **argv, const json_t *command)
{
    struct driver d = {.is_account = !argv[5], .arena = arena_new(), .command = command};
    json_t *out = json_object();

    db_broker_init(&d.b, cache, d.is_account ? &account_broker_kind : &container_broker_kind, d.arena,
                   argv[1], str_from(argv[2]), argv[3], str_from(argv[4]), str_from(argv[5]));
    int err = run(&d, out);
    json_object_set_new(out, "err", json_integer(err));
    if (err)
        json_object_set_new(out, "why", json_string(db_broker_error(&d.b)));
    json_dumpf(out, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(out);
    db_broker_release(&d.b);
    arena_free(d.arena);
}

int main(int argc, char **argv)
{
    char *line = NULL;
    size_t cap = 0;

    if (argc < 5 || argc > 6) {
        fputs("usage: db_driver DEVICE_FOLDER PARTITION HASH ACCOUNT [CONTAINER]\n", stderr);
        return 2;
    }
    struct db_cache *cache = db_cache_new(8);
    while (getline(&line, &cap, stdin) > 0) {
        json_t *command = json_loads(line, JSON_ALLOW_NUL, NULL);
        handle(cache, argv, command);
        json_decref(command);
    }
    free(line);
    db_cache_free(cache);
    return 0;
}
