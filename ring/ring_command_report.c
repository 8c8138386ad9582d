/* SPDX-License-Identifier: Apache-2.0
 *
 * martlet-ring's commands that show rings: list, version, nodes.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/json.h"
#include "ring/hash_path.h"
#include "ring/ring_commands.h"

/* --- list -------------------------------------------------------------------------------------------------- */

static int compare_for_list(const void *left, const void *right)
{
    const struct ring_device *a = &(*(struct builder_device *const *)left)->d;
    const struct ring_device *b = &(*(struct builder_device *const *)right)->d;
    if (a->region != b->region)
        return a->region < b->region ? -1 : 1;
    if (a->zone != b->zone)
        return a->zone < b->zone ? -1 : 1;
    int by_ip = strcmp(a->ip, b->ip);
    return by_ip != 0 ? by_ip : strcmp(a->device, b->device);
}

static size_t sorted_devices(const struct builder *b, struct builder_device **ret)
{
    size_t n = 0;
    for (uint32_t i = 0; i < b->dev_count; i++)
        if (b->devs[i])
            ret[n++] = b->devs[i];
    qsort(ret, n, sizeof(*ret), compare_for_list);
    return n;
}

static void print_summary(struct ring_cli *cli, struct builder_device **devs, size_t n)
{
    const struct builder *b = cli->builder;
    size_t regions = 0, zones = 0;
    for (size_t i = 0; i < n; i++) {
        bool region = i == 0 || devs[i]->d.region != devs[i - 1]->d.region;
        regions += region;
        zones += region || devs[i]->d.zone != devs[i - 1]->d.zone;
    }
    fprintf(cli->out, "%s, build version %lld, id %s\n", cli->builder_path, (long long)b->version,
            b->id[0] ? b->id : "(not assigned)");
    fprintf(cli->out, "%llu partitions, %.6f replicas, %zu regions, %zu zones, %zu devices, %.02f balance",
            (unsigned long long)b->parts, b->replicas, regions, zones, n, builder_balance(b));
    if (b->has_dispersion)
        fprintf(cli->out, ", %.02f dispersion", b->dispersion);
    struct buf left;
    buf_init(&left, 256);
    ring_cli_duration(&left, builder_seconds_left(b));
    fprintf(cli->out,
            "\nThe minimum number of hours before a partition can be reassigned is %lld (%s remaining)\n",
            (long long)b->min_part_hours, left.p);
    fprintf(cli->out, "The overload factor is %0.2f%% (%.6f)\n", b->overload * 100, b->overload);
    buf_release(&left);
}

static void print_ring_state(struct ring_cli *cli)
{
    struct ring_data ring;
    int err = ring_file_read(cli->ring_path, &ring, &cli->error);
    if (err == -ENOENT) {
        fprintf(cli->out, "Ring file %s not found, probably it hasn't been written yet\n", cli->ring_path);
    } else if (err < 0) {
        fprintf(cli->out, "Ring file %s is invalid: %s\n", cli->ring_path,
                cli->error.n > 0 ? cli->error.p : "");
    } else {
        fprintf(cli->out, "Ring file %s is %s\n", cli->ring_path,
                builder_ring_is(cli->builder, &ring) ? "up-to-date" : "obsolete");
        ring_data_release(&ring);
    }
}

struct widths {
    int ip, port, replication_ip, replication_port, weight;
};

static int wider(int width, size_t n)
{
    return (int)n > width ? (int)n : width;
}

static struct widths measure(struct builder_device **devs, size_t n)
{
    struct widths w = {10, 4, 14, 4, 6};
    int brackets = 0, replication_brackets = 0;
    for (size_t i = 0; i < n; i++) {
        const struct ring_device *d = &devs[i]->d;
        w.ip = wider(w.ip, strlen(d->ip));
        w.replication_ip = wider(w.replication_ip, strlen(d->replication_ip));
        w.port = wider(w.port, (size_t)snprintf(NULL, 0, "%u", d->port));
        w.replication_port = wider(w.replication_port, (size_t)snprintf(NULL, 0, "%u", d->replication_port));
        w.weight = wider(w.weight, (size_t)snprintf(NULL, 0, "%6.02f", d->weight));
        brackets = strchr(d->ip, ':') ? 2 : brackets;
        replication_brackets = strchr(d->replication_ip, ':') ? 2 : replication_brackets;
    }
    w.ip += brackets;
    w.replication_ip += replication_brackets;
    return w;
}

static const char *bracketed(struct arena *a, const char *ip)
{
    return strchr(ip, ':') ? arena_printf(a, "[%s]", ip).p : ip;
}

static void print_table(struct ring_cli *cli, struct builder_device **devs, size_t n)
{
    struct widths w = measure(devs, n);
    fprintf(cli->out, "Devices:%5s %6s %4s %*s:%-*s %*s:%-*s %5s %*s %10s %7s %5s %s\n", "id", "region",
            "zone", w.ip, "ip address", w.port, "port", w.replication_ip, "replication ip",
            w.replication_port, "port", "name", w.weight, "weight", "partitions", "balance", "flags", "meta");
    for (size_t i = 0; i < n; i++) {
        const struct ring_device *d = &devs[i]->d;
        fprintf(cli->out, "%13u %6lld %4lld %*s:%-*u %*s:%-*u %5s %*.02f %10lld %7.02f %5s %s\n", d->id,
                (long long)d->region, (long long)d->zone, w.ip, bracketed(cli->arena, d->ip), w.port, d->port,
                w.replication_ip, bracketed(cli->arena, d->replication_ip), w.replication_port,
                d->replication_port, d->device, w.weight, d->weight, (long long)devs[i]->parts,
                builder_device_balance(cli->builder, devs[i]), devs[i]->removed ? "DEL" : "", d->meta);
    }
}

static void print_increase(struct ring_cli *cli)
{
    const struct builder *b = cli->builder;
    if (b->next_part_power == (int)b->part_power + 1)
        fprintf(cli->out, "\nPreparing increase of partition power (%u -> %d)\n", b->part_power,
                b->next_part_power);
    else if (b->next_part_power == (int)b->part_power)
        fprintf(cli->out, "\nIncreased partition power (%u -> %d)\n", b->part_power, b->next_part_power);
}

int ring_command_list(struct ring_cli *cli, int argc, char **argv)
{
    struct builder_device **devs = xcalloc(cli->builder->dev_count + (size_t)1, sizeof(*devs));
    size_t n = sorted_devices(cli->builder, devs);
    print_summary(cli, devs, n);
    print_ring_state(cli);
    print_table(cli, devs, n);
    print_increase(cli);
    if (builder_total_weight(cli->builder) <= 0)
        fprintf(cli->out, "There are no devices in this ring, or all devices have been deleted\n");
    free(devs);
    return RING_EXIT_OK;
}

/* --- version ----------------------------------------------------------------------------------------------- */

int ring_command_version(struct ring_cli *cli, int argc, char **argv)
{
    struct ring_data ring;
    if (ring_file_read(cli->ring_path, &ring, &cli->error) < 0)
        return ring_cli_fail_error(cli);
    fprintf(cli->out, "%s: Serialization version: %d (%u-byte IDs), build version: ", cli->ring_path,
            ring.format, ring.id_bytes);
    if (ring.version >= 0)
        fprintf(cli->out, "%lld\n", (long long)ring.version);
    else
        fprintf(cli->out, "None\n");
    ring_data_release(&ring);
    return RING_EXIT_OK;
}

/* --- nodes ------------------------------------------------------------------------------------------------- */

struct nodes_options {
    const char *swift_dir;
    bool json, all;
    struct str name[3]; /* account, container, object */
};

/* A name and its place. */
struct place {
    const struct ring *ring;
    uint32_t part;
    char hex[HASH_PATH_HEX_SIZE];
    char folder[64]; /* under a device: accounts, containers, objects, objects-1 ... */
    const struct ring_device **primaries, **handoffs;
    size_t primary_n, handoff_n;
};

static int parse_nodes(int argc, char **argv, struct nodes_options *o)
{
    static const struct option longs[] = {{"swift-dir", required_argument, NULL, 'd'},
                                          {"json", no_argument, NULL, 'J'},
                                          {"all", no_argument, NULL, 'a'},
                                          {0}};
    int c;
    optind = 0;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":d:a", longs, NULL)) != -1) {
        switch (c) {
        case 'd':
            o->swift_dir = optarg;
            break;
        case 'J':
            o->json = true;
            break;
        case 'a':
            o->all = true;
            break;
        default:
            return -EINVAL;
        }
    }
    if (optind >= argc || argc - optind > 3)
        return -EINVAL;
    for (int i = optind; i < argc; i++) {
        o->name[i - optind] = str_from(argv[i]);
        if (argv[i][0] == '\0')
            return -EINVAL;
    }
    return 0;
}

/* By the ring's file name, else by what kind of name is asked for. */
static void choose_folder(const char *ring_path, const struct nodes_options *o, struct place *p)
{
    const char *slash = strrchr(ring_path, '/');
    struct str name = str_from(slash ? slash + 1 : ring_path);
    const char *kind = o->name[2].n > 0 ? "objects" : o->name[1].n > 0 ? "containers" : "accounts";
    if (str_ends(name, STR(".ring.gz")))
        name.n -= 8;
    if (str_starts(name, STR("object-")))
        snprintf(p->folder, sizeof(p->folder), "objects-%.*s", (int)name.n - 7, name.p + 7);
    else
        snprintf(p->folder, sizeof(p->folder), "%s", kind);
}

static void find_place(const struct hash_path_conf *conf, const struct nodes_options *o, struct arena *arena,
                       struct place *p)
{
    uint8_t digest[HASH_PATH_BYTES];
    uint32_t limit = ring_device_limit(p->ring);
    struct ring_handoffs it;
    const struct ring_device *d;
    hash_path(conf, o->name[0], o->name[1], o->name[2], digest);
    str_hex(digest, sizeof(digest), p->hex);
    p->part = ring_part(p->ring, digest);
    p->primaries = arena_alloc(arena, (limit + (size_t)1) * sizeof(*p->primaries));
    p->handoffs = arena_alloc(arena, (limit + (size_t)1) * sizeof(*p->handoffs));
    p->primary_n = ring_primaries(p->ring, p->part, p->primaries, limit);
    ring_handoffs_init(&it, p->ring, p->part, arena);
    while ((o->all || p->handoff_n < p->primary_n) && (d = ring_handoffs_next(&it)))
        p->handoffs[p->handoff_n++] = d;
}

static const char *folder_of(const struct place *p, struct arena *a, const struct ring_device *d)
{
    return arena_printf(a, "%s/%s/%u/%s/%s", d->device, p->folder, p->part, p->hex + 29, p->hex).p;
}

static void print_nodes(struct ring_cli *cli, const struct nodes_options *o, const struct place *p)
{
    fprintf(cli->out, "\nAccount  \t%.*s\nContainer\t%.*s\nObject   \t%.*s\n\n\n", STR_ARG(o->name[0]),
            STR_ARG(o->name[1]), STR_ARG(o->name[2]));
    fprintf(cli->out, "Partition\t%u\nHash     \t%s\n\n", p->part, p->hex);
    for (size_t i = 0; i < p->primary_n + p->handoff_n; i++) {
        bool handoff = i >= p->primary_n;
        const struct ring_device *d = handoff ? p->handoffs[i - p->primary_n] : p->primaries[i];
        fprintf(cli->out, "Server:Port Device\t%s:%u %s%s\n", bracketed(cli->arena, d->ip), d->port,
                d->device, handoff ? "\t [Handoff]" : "");
    }
    fprintf(cli->out, "\n\nFolders under `devices` (such as /srv/node):\n");
    for (size_t i = 0; i < p->primary_n + p->handoff_n; i++) {
        bool handoff = i >= p->primary_n;
        const struct ring_device *d = handoff ? p->handoffs[i - p->primary_n] : p->primaries[i];
        fprintf(cli->out, "%s %s%s\n", bracketed(cli->arena, d->ip), folder_of(p, cli->arena, d),
                handoff ? " # [Handoff]" : "");
    }
}

static void put_member(struct buf *b, const char *key, struct str value)
{
    buf_printf(b, "\"%s\": ", key);
    json_put_string(b, value);
    buf_puts(b, ", ");
}

static void put_nodes(struct buf *b, struct arena *a, const struct place *p, const char *index, bool handoffs)
{
    size_t n = handoffs ? p->handoff_n : p->primary_n;
    for (size_t i = 0; i < n; i++) {
        const struct ring_device *d = handoffs ? p->handoffs[i] : p->primaries[i];
        buf_printf(b, "%s{\"%s\": %zu, \"id\": %u, \"region\": %lld, \"zone\": %lld, ", i ? ", " : "", index,
                   i, d->id, (long long)d->region, (long long)d->zone);
        put_member(b, "ip", str_from(d->ip));
        put_member(b, "replication_ip", str_from(d->replication_ip));
        put_member(b, "device", str_from(d->device));
        put_member(b, "meta", str_from(d->meta));
        put_member(b, "folder", str_from(folder_of(p, a, d)));
        buf_printf(b, "\"port\": %u, \"replication_port\": %u, \"weight\": ", d->port, d->replication_port);
        ring_python_float(b, d->weight);
        buf_puts(b, "}");
    }
}

static void print_nodes_json(struct ring_cli *cli, const struct nodes_options *o, const struct place *p)
{
    static const char *const keys[] = {"account", "container", "object"};
    struct buf b;
    buf_init(&b, (size_t)256 << 20);
    buf_puts(&b, "{");
    for (size_t i = 0; i < 3; i++)
        if (o->name[i].n > 0)
            put_member(&b, keys[i], o->name[i]);
    put_member(&b, "hash", str_from(p->hex));
    buf_printf(&b, "\"partition\": %u, \"primaries\": [", p->part);
    put_nodes(&b, cli->arena, p, "index", false);
    buf_puts(&b, "], \"handoffs\": [");
    put_nodes(&b, cli->arena, p, "handoff_index", true);
    buf_puts(&b, "]}\n");
    fwrite(b.p, 1, b.n, cli->out);
    buf_release(&b);
}

int ring_command_nodes(struct ring_cli *cli, int argc, char **argv)
{
    struct nodes_options o = {.swift_dir = "/etc/swift"};
    struct hash_path_conf conf;
    struct ring *ring;
    struct place p = {0};
    if (parse_nodes(argc + 1, argv - 1, &o) < 0)
        return ring_cli_usage(cli, "nodes");
    const char *conf_path = arena_printf(cli->arena, "%s/swift.conf", o.swift_dir).p;
    if (hash_path_load(conf_path, &conf, &cli->error) < 0)
        return ring_cli_fail(
            cli, "cannot learn how names are hashed (--swift-dir names the folder of swift.conf)");
    if (ring_load(cli->ring_path, &ring, &cli->error) < 0) {
        hash_path_release(&conf);
        return ring_cli_fail_error(cli);
    }
    p.ring = ring;
    choose_folder(cli->ring_path, &o, &p);
    find_place(&conf, &o, cli->arena, &p);
    if (o.json)
        print_nodes_json(cli, &o, &p);
    else
        print_nodes(cli, &o, &p);
    ring_unref(ring);
    hash_path_release(&conf);
    return RING_EXIT_OK;
}
