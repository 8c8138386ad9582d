/* SPDX-License-Identifier: Apache-2.0 */
#include "container/container_updater.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/backend.h"
#include "common/alloc.h"
#include "common/clock.h"
#include "common/hash.h"
#include "common/log.h"
#include "container/account_update.h"

#define MAX_REPLICAS 32

struct updater_options {
    struct backend_options backend; /* devices, mount_check and the timeouts are used */
    int64_t interval_ms, per_second, suppression_ms;
};

struct updater {
    const struct server_context *context;
    struct updater_options options;
    struct devices *devices;
    struct db_cache *cache;
    struct http_client *client;
    struct hash *suppressed; /* account -> int64_t *, until when (monotonic ms) it is left alone */
    uint64_t successes, failures, unchanged;
    bool cancelled;
};

/* --- folders --------------------------------------------------------------------------------------------------------------- */

struct names {
    const char *path; /* of the folder to read */
    char **v;
    size_t n, cap;
};

static void read_names(void *arg)
{
    struct names *names = arg;
    DIR *dir = opendir(names->path);
    const struct dirent *d;

    while (dir && (d = readdir(dir))) {
        if (d->d_name[0] == '.')
            continue;
        names->v = xgrow(names->v, &names->cap, names->n + 1, sizeof(*names->v));
        names->v[names->n++] = xstrdup(d->d_name);
    }
    if (dir)
        closedir(dir);
}

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->v[i]);
    free(names->v);
}

/* --- one container ------------------------------------------------------------------------------------------------------------ */

struct report {
    struct updater *u;
    const struct device *dev;
    const char *file;
    struct arena *arena;
    struct container_info info;
    bool wanted; /* the account has not confirmed this */
    const char *quarantine;
    int err;
};

static bool differs(const struct container_info *i)
{
    return str_cmp(i->put_timestamp, i->reported_put_timestamp) > 0 ||
           str_cmp(i->delete_timestamp, i->reported_delete_timestamp) > 0 ||
           i->object_count != i->reported_object_count || i->bytes_used != i->reported_bytes_used;
}

static void read_container(void *arg)
{
    struct report *r = arg;
    struct timestamp put = TIMESTAMP_ZERO;
    struct db_broker b;
    bool root = true;

    r->err = db_broker_init_file(&b, r->u->cache, &container_broker_kind, r->arena, r->file);
    if (r->err)
        return;
    r->err = container_info_read(&b, &r->info);
    if (!r->err)
        r->err = container_is_root(&b, &root);
    db_broker_release(&b);
    /* The numbers of a shard go to its root, whose own updater reports them. */
    if (!root)
        r->info.object_count = r->info.bytes_used = 0;
    timestamp_parse(r->info.put_timestamp, &put);
    /* One that was made on demand and never put knows nothing worth telling. */
    r->wanted = !r->err && timestamp_cmp(put, TIMESTAMP_ZERO) > 0 && differs(&r->info);
}

static void write_container(void *arg)
{
    struct report *r = arg;
    struct db_broker b;

    r->err = db_broker_init_file(&b, r->u->cache, &container_broker_kind, r->arena, r->file);
    if (r->err)
        return;
    r->err = r->quarantine ? db_broker_quarantine(&b, r->quarantine) : container_set_reported(&b, &r->info);
    db_broker_release(&b);
}

struct send {
    struct report *r;
    const struct ring_device *node;
    uint32_t part;
    int status;
};

static void send_to_node(void *arg)
{
    struct send *s = arg;
    struct updater *u = s->r->u;
    struct account_update_timeouts timeouts = {u->options.backend.conn_timeout_ms,
                                               u->options.backend.node_timeout_ms};
    struct arena *a = arena_new(); /* its own: the others send at the same time */
    struct header_table more;

    header_init(&more, a);
    header_add(&more, STR("X-Account-Override-Deleted"), STR("yes"));
    header_addf(&more, STR("User-Agent"), "container-updater %d", (int)getpid());
    s->status = account_update_send(u->client, &timeouts, a, str_from(s->node->replication_ip),
                                    s->node->replication_port, str_from(s->node->device),
                                    arena_printf(a, "%u", s->part), &s->r->info, &more);
    if (s->status < 0)
        log_error("Account update failed with %s:%u/%s (will retry later): errno %d", s->node->replication_ip,
                  s->node->replication_port, s->node->device, -s->status);
    arena_free(a);
}

static void suppress(struct updater *u, struct str account)
{
    int64_t *until = xmalloc(sizeof(*until));

    *until = clock_monotonic_ms() + u->options.suppression_ms;
    hash_put(u->suppressed, account, until);
}

static bool is_suppressed(struct updater *u, struct str account)
{
    const int64_t *until = hash_get(u->suppressed, account);

    if (until && *until > clock_monotonic_ms())
        return true;
    if (until)
        free(hash_take(u->suppressed, account));
    return false;
}

/* [waits] To all of the account's nodes at once; then what they said is written down. */
static void report_container(struct report *r)
{
    struct updater *u = r->u;
    const struct ring *ring = rings_account(u->context->rings);
    const struct ring_device *nodes[MAX_REPLICAS];
    struct send sends[MAX_REPLICAS];
    struct rt_task *tasks[MAX_REPLICAS];
    uint8_t digest[HASH_PATH_BYTES];
    size_t good = 0, missing = 0;

    hash_path(&u->context->swift->hash, r->info.account, STR_NONE, STR_NONE, digest);
    uint32_t part = ring_part(ring, digest);
    size_t n = ring_primaries(ring, part, nodes, MAX_REPLICAS);
    for (size_t i = 0; i < n; i++) {
        sends[i] = (struct send){r, nodes[i], part, 0};
        tasks[i] = rt_spawn(send_to_node, &sends[i]);
    }
    for (size_t i = 0; i < n; i++) {
        rt_join(tasks[i]);
        good += sends[i].status >= 200 && sends[i].status <= 299;
        missing += sends[i].status == 404;
    }
    ring_unref(ring);
    if (n && good >= n / 2 + 1) {
        u->successes++;
        rt_offload(r->dev->pool, write_container, r);
    } else if (n && missing == n) {
        u->failures++;
        r->quarantine = "no account replicas exist";
        rt_offload(r->dev->pool, write_container, r);
    } else {
        u->failures++;
        suppress(u, r->info.account);
    }
}

static void process_container(struct updater *u, const struct device *dev, const char *file)
{
    struct report r = {.u = u, .dev = dev, .file = file, .arena = arena_new()};

    if (rt_offload(dev->pool, read_container, &r) < 0)
        r.err = -EAGAIN;
    if (r.wanted && !is_suppressed(u, r.info.account))
        report_container(&r);
    else if (!r.err)
        u->unchanged++;
    if (r.err && r.err != -ENOENT)
        log_error("%s: cannot be reported: errno %d", file, -r.err);
    arena_free(r.arena);
}

/* --- the walk ---------------------------------------------------------------------------------------------------------------------- */

/* Calls down for each name in the folder. depth 0: partitions, 1: suffixes, 2: hashes. */
static void walk(struct updater *u, const struct device *dev, const char *path, int depth)
{
    struct names names = {.path = path};

    rt_offload(dev->pool, read_names, &names);
    for (size_t i = 0; i < names.n && !u->cancelled; i++) {
        char *below = depth < 2 ? xasprintf("%s/%s", path, names.v[i])
                                : xasprintf("%s/%s/%s.db", path, names.v[i], names.v[i]);
        if (depth < 2) {
            walk(u, dev, below, depth + 1);
        } else {
            process_container(u, dev, below);
            u->cancelled = rt_sleep(u->options.per_second > 0 ? 1000 / u->options.per_second : 0) < 0;
        }
        free(below);
    }
    names_free(&names);
}

static void pass(struct updater *u)
{
    struct names names = {.path = u->options.backend.devices};
    int64_t start = clock_monotonic_ms();

    u->successes = u->failures = u->unchanged = 0;
    rt_offload(NULL, read_names, &names);
    for (size_t i = 0; i < names.n && !u->cancelled; i++) {
        const struct device *dev = devices_find(u->devices, str_from(names.v[i]));
        if (!dev) {
            log_warning("%s/%s is not mounted", u->options.backend.devices, names.v[i]);
            continue;
        }
        char *path = xasprintf("%s/containers", dev->path);
        walk(u, dev, path, 0);
        free(path);
    }
    names_free(&names);
    log_info("Container update sweep completed: %.2fs, %llu successes, %llu failures, %llu with no changes",
             (double)(clock_monotonic_ms() - start) / 1000, (unsigned long long)u->successes,
             (unsigned long long)u->failures, (unsigned long long)u->unchanged);
}

static int read_options(const struct server_context *context, struct updater_options *ret)
{
    static const struct conf_option table[] = {
        {"interval", CONF_SECONDS, offsetof(struct updater_options, interval_ms), "300", 0, 0, NULL},
        {"containers_per_second", CONF_INT, offsetof(struct updater_options, per_second), "50", 0, 0, NULL},
        {"account_suppression_time", CONF_SECONDS, offsetof(struct updater_options, suppression_ms), "60", 0,
         0, NULL},
        BACKEND_OPTIONS,
        {0},
    };
    struct buf error;

    buf_init(&error, 1024);
    int err = conf_read(context->conf, context->section, table, ret, &error);
    if (err)
        log_error("%.*s", STR_ARG(buf_view(&error)));
    buf_release(&error);
    return err;
}

int container_updater_run(const struct server_context *context, bool once)
{
    struct updater u = {.context = context};

    int err = read_options(context, &u.options);
    if (err)
        return err;
    u.devices = devices_new(&u.options.backend, "container-updater");
    u.cache = db_cache_new(4);
    u.client = http_client_new(4, 20000);
    u.suppressed = hash_new(free);
    if (once)
        pass(&u);
    else
        u.cancelled = rt_sleep(random_below((uint32_t)u.options.interval_ms + 1)) < 0;
    while (!once && !u.cancelled) {
        int64_t next = clock_monotonic_ms() + u.options.interval_ms;
        pass(&u);
        if (!u.cancelled)
            u.cancelled = rt_sleep_until(next) < 0;
    }
    hash_free(u.suppressed);
    http_client_free(u.client);
    devices_free(u.devices);
    db_cache_free(u.cache);
    return 0;
}
