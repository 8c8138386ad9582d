/* SPDX-License-Identifier: Apache-2.0
 *
 * martlet-ring's commands about single devices: add, remove, set_*, search, list_parts.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "ring/ring_commands.h"

/* --- options ----------------------------------------------------------------------------------------------- */

/* What the options of a command said, and what else stood there. */
struct device_options {
    struct device_spec spec, change;
    bool yes;
    char **args; /* the rest; into argv */
    int arg_count;
};

static const struct option long_options[] = {
    {"id", required_argument, NULL, 'u'},
    {"region", required_argument, NULL, 'r'},
    {"zone", required_argument, NULL, 'z'},
    {"ip", required_argument, NULL, 'i'},
    {"port", required_argument, NULL, 'p'},
    {"replication-ip", required_argument, NULL, 'j'},
    {"replication-port", required_argument, NULL, 'q'},
    {"device", required_argument, NULL, 'd'},
    {"weight", required_argument, NULL, 'w'},
    {"meta", required_argument, NULL, 'm'},
    {"change-ip", required_argument, NULL, 'I'},
    {"change-port", required_argument, NULL, 'P'},
    {"change-replication-ip", required_argument, NULL, 'J'},
    {"change-replication-port", required_argument, NULL, 'Q'},
    {"change-device", required_argument, NULL, 'D'},
    {"change-meta", required_argument, NULL, 'M'},
    {"yes", no_argument, NULL, 'y'},
    {0},
};

static int take_number(struct ring_cli *cli, const char *what, int64_t max, struct device_spec *s,
                       unsigned field, int64_t *into)
{
    s->set |= field;
    return ring_cli_int(cli, optarg, what, 0, max, into);
}

static int take_address(struct ring_cli *cli, struct device_spec *s, unsigned field, const char **into)
{
    s->set |= field;
    return device_search_address(str_from(optarg), true, cli->arena, into, &cli->error);
}

static int take_text(struct device_spec *s, unsigned field, const char **into)
{
    s->set |= field;
    *into = optarg;
    return 0;
}

static int take_option(struct ring_cli *cli, struct device_options *o, int c)
{
    struct device_spec *s = &o->spec, *ch = &o->change;
    switch (c) {
    case 'u':
        return take_number(cli, "--id", UINT32_MAX, s, DEVICE_ID, &s->id);
    case 'r':
        return take_number(cli, "--region", INT64_MAX, s, DEVICE_REGION, &s->region);
    case 'z':
        return take_number(cli, "--zone", INT64_MAX, s, DEVICE_ZONE, &s->zone);
    case 'i':
        return take_address(cli, s, DEVICE_IP, &s->ip);
    case 'p':
        return take_number(cli, "--port", 65535, s, DEVICE_PORT, &s->port);
    case 'j':
        return take_address(cli, s, DEVICE_REPLICATION_IP, &s->replication_ip);
    case 'q':
        return take_number(cli, "--replication-port", 65535, s, DEVICE_REPLICATION_PORT,
                           &s->replication_port);
    case 'd':
        return take_text(s, DEVICE_NAME, &s->device);
    case 'w':
        s->set |= DEVICE_WEIGHT;
        return ring_cli_double(cli, optarg, "--weight", &s->weight);
    case 'm':
        return take_text(s, DEVICE_META, &s->meta);
    case 'I':
        return take_address(cli, ch, DEVICE_IP, &ch->ip);
    case 'P':
        return take_number(cli, "--change-port", 65535, ch, DEVICE_PORT, &ch->port);
    case 'J':
        return take_address(cli, ch, DEVICE_REPLICATION_IP, &ch->replication_ip);
    case 'Q':
        return take_number(cli, "--change-replication-port", 65535, ch, DEVICE_REPLICATION_PORT,
                           &ch->replication_port);
    case 'D':
        return take_text(ch, DEVICE_NAME, &ch->device);
    case 'M':
        return take_text(ch, DEVICE_META, &ch->meta);
    case 'y':
        o->yes = true;
        return 0;
    default:
        buf_printf(&cli->error, "unknown option, or one that lacks its value");
        return -EINVAL;
    }
}

/* argv[-1] is the command's name, which getopt takes for the program's. */
static int parse_options(struct ring_cli *cli, int argc, char **argv, struct device_options *o)
{
    int c, err = 0;
    *o = (struct device_options){.yes = false};
    optind = 0;
    opterr = 0;
    while (err == 0 && (c = getopt_long(argc + 1, argv - 1, ":u:r:z:i:p:j:q:d:w:m:I:P:J:Q:D:M:y",
                                        long_options, NULL)) != -1)
        err = take_option(cli, o, c);
    o->args = argv - 1 + optind;
    o->arg_count = argc + 1 - optind;
    return err;
}

/* --- matching ---------------------------------------------------------------------------------------------- */

struct matches {
    struct builder_device **devs;
    size_t n, cap;
};

static void add_matches(const struct builder *b, const struct device_spec *spec, struct matches *m)
{
    for (uint32_t i = 0; i < b->dev_count; i++) {
        if (!b->devs[i] || !device_search_matches(spec, &b->devs[i]->d))
            continue;
        m->devs = xgrow(m->devs, &m->cap, m->n + 1, sizeof(struct builder_device *));
        m->devs[m->n++] = b->devs[i];
    }
}

/* The devices of the search values in `args`, or, if there are none, of the options. */
static int find_matches(struct ring_cli *cli, const struct device_options *o, char **args, int n,
                        struct matches *m)
{
    for (int i = 0; i < n; i++) {
        struct device_spec spec;
        int err = device_search_parse(args[i], cli->arena, &spec, &cli->error);
        if (err < 0)
            return err;
        add_matches(cli->builder, &spec, m);
    }
    if (n == 0)
        add_matches(cli->builder, &o->spec, m);
    return 0;
}

static void print_device(struct ring_cli *cli, const char *before, const struct ring_device *d,
                         const char *after)
{
    struct buf b;
    buf_init(&b, 64 * 1024);
    device_search_format(&b, d);
    fprintf(cli->out, "%s%s%s", before, b.p, after);
    buf_release(&b);
}

/* Asks where several devices match. */
static bool confirm(struct ring_cli *cli, const struct matches *m, const struct device_options *o,
                    const char *what)
{
    char answer[16] = "";
    if (m->n == 0) {
        ring_cli_fail(cli, "Search value matched 0 devices. The on-disk ring builder is unchanged.");
        return false;
    }
    if (m->n == 1)
        return true;
    fprintf(cli->out, "Matched more than one device:\n");
    for (size_t i = 0; i < m->n; i++)
        print_device(cli, "    ", &m->devs[i]->d, "\n");
    if (o->yes)
        return true;
    fprintf(cli->out, "Are you sure you want to %s these %zu devices? (y/N) ", what, m->n);
    fflush(cli->out);
    if (fgets(answer, sizeof(answer), cli->in) && strcmp(answer, "y\n") == 0)
        return true;
    fprintf(cli->out, "Aborting: the on-disk ring builder is unchanged.\n");
    return false;
}

/* --- add --------------------------------------------------------------------------------------------------- */

static int add_one(struct ring_cli *cli, const struct device_spec *s)
{
    struct ring_device d = {.region = s->region,
                            .zone = s->zone,
                            .ip = s->ip,
                            .port = (uint16_t)s->port,
                            .replication_ip = s->replication_ip,
                            .replication_port = (uint16_t)s->replication_port,
                            .device = s->device,
                            .meta = s->meta ? s->meta : "",
                            .weight = s->weight};
    if (!d.replication_ip)
        d.replication_ip = d.ip;
    if (d.replication_port == 0)
        d.replication_port = d.port;
    int err = builder_add(cli->builder, &d, &d.id);
    if (err == -EEXIST)
        return ring_cli_fail(cli, "Device %u already uses %s:%u/%s. The on-disk ring builder is unchanged.",
                             d.id, d.ip, d.port, d.device);
    if (err < 0)
        return ring_cli_fail(cli, "a ring has at most %d devices. The on-disk ring builder is unchanged.",
                             BUILDER_MAX_DEVICES);
    struct buf weight;
    buf_init(&weight, 64);
    ring_python_float(&weight, d.weight);
    print_device(cli, "Device ", &d, " with ");
    fprintf(cli->out, "%s weight got id %u\n", weight.p, d.id);
    buf_release(&weight);
    return RING_EXIT_OK;
}

static int add_by_options(struct ring_cli *cli, struct device_spec *s)
{
    static const struct {
        unsigned field;
        const char *name;
    } required[] = {{DEVICE_REGION, "-r/--region"}, {DEVICE_ZONE, "-z/--zone"},
                    {DEVICE_IP, "-i/--ip"},         {DEVICE_PORT, "-p/--port"},
                    {DEVICE_NAME, "-d/--device"},   {DEVICE_WEIGHT, "-w/--weight"}};
    for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++)
        if (!(s->set & required[i].field))
            return ring_cli_fail(cli,
                                 "Required argument %s not specified. The on-disk ring builder is unchanged.",
                                 required[i].name);
    if (s->port == 0)
        return ring_cli_fail(cli, "port 0 is not one to connect to");
    if (!device_search_name_ok(s->device))
        return ring_cli_fail(cli, "Invalid device name: '%s'", s->device);
    return add_one(cli, s);
}

static int add_by_values(struct ring_cli *cli, char **args, int n)
{
    for (int i = 0; i < n; i += 2) {
        struct device_spec s;
        if (device_search_parse_add(args[i], cli->arena, &s, &cli->error) < 0 ||
            ring_cli_double(cli, args[i + 1], "weight", &s.weight) < 0)
            return ring_cli_fail_error(cli);
        if (!(s.set & DEVICE_REGION)) {
            fprintf(cli->err, "WARNING: No region specified for %s. Defaulting to region 1.\n", args[i]);
            s.region = 1;
        }
        if (add_one(cli, &s) != RING_EXIT_OK)
            return RING_EXIT_ERROR;
    }
    return RING_EXIT_OK;
}

static bool is_increasing(struct ring_cli *cli, const char *what)
{
    if (cli->builder->next_part_power < 0)
        return false;
    ring_cli_fail(cli, "Partition power increase in progress. You need to finish it before %s devices.",
                  what);
    return true;
}

int ring_command_add(struct ring_cli *cli, int argc, char **argv)
{
    struct device_options o;
    if (is_increasing(cli, "adding"))
        return RING_EXIT_ERROR;
    if (parse_options(cli, argc, argv, &o) < 0)
        return ring_cli_fail_error(cli);
    if (o.arg_count % 2 != 0 || (o.arg_count > 0) == (o.spec.set != 0))
        return ring_cli_usage(cli, "add");
    int status = o.spec.set ? add_by_options(cli, &o.spec) : add_by_values(cli, o.args, o.arg_count);
    return status == RING_EXIT_OK ? ring_cli_save(cli) : status;
}

/* --- remove ------------------------------------------------------------------------------------------------ */

static int remove_matches(struct ring_cli *cli, const struct matches *m)
{
    for (size_t i = 0; i < m->n; i++) {
        /* A device that several search values match is in the list more than once. */
        bool again = false;
        for (size_t k = 0; k < i; k++)
            again = again || m->devs[k] == m->devs[i];
        if (again)
            continue;
        if (builder_remove(cli->builder, m->devs[i]->d.id) < 0)
            return ring_cli_fail(cli, "device %u is marked for removal already: rebalance removes it",
                                 m->devs[i]->d.id);
        print_device(cli, "", &m->devs[i]->d, " marked for removal and will be removed next rebalance.\n");
    }
    return ring_cli_save(cli);
}

int ring_command_remove(struct ring_cli *cli, int argc, char **argv)
{
    struct device_options o;
    struct matches m = {0};
    int status = RING_EXIT_ERROR;
    if (is_increasing(cli, "removing"))
        return RING_EXIT_ERROR;
    if (parse_options(cli, argc, argv, &o) < 0)
        return ring_cli_fail_error(cli);
    if ((o.arg_count > 0) == (o.spec.set != 0))
        return ring_cli_usage(cli, "remove");
    if (find_matches(cli, &o, o.args, o.arg_count, &m) < 0)
        ring_cli_fail_error(cli);
    else if (confirm(cli, &m, &o, "remove"))
        status = remove_matches(cli, &m);
    free(m.devs);
    return status;
}

/* --- set_weight, set_region, set_zone ---------------------------------------------------------------------- */

enum setting { SET_WEIGHT, SET_REGION, SET_ZONE };

static const char *const setting_names[] = {"weight", "region", "zone"};

/* Changes the devices that match and says so. */
static int set_matches(struct ring_cli *cli, const struct matches *m, enum setting what, double weight,
                       int64_t number)
{
    for (size_t i = 0; i < m->n; i++) {
        uint32_t id = m->devs[i]->d.id;
        int err = what == SET_WEIGHT   ? builder_set_weight(cli->builder, id, weight)
                  : what == SET_REGION ? builder_set_region(cli->builder, id, number)
                                       : builder_set_zone(cli->builder, id, number);
        if (err < 0)
            return ring_cli_fail(cli, "Can not set %s of dev_id %u because it is marked for removal",
                                 setting_names[what], id);
        struct buf value;
        buf_init(&value, 64);
        if (what == SET_WEIGHT)
            ring_python_float(&value, weight);
        else
            buf_printf(&value, "%lld", (long long)number);
        print_device(cli, "", &m->devs[i]->d, " ");
        fprintf(cli->out, "%s set to %s\n", setting_names[what], value.p);
        buf_release(&value);
    }
    return RING_EXIT_OK;
}

static int set_one(struct ring_cli *cli, const struct device_options *o, char *search, const char *value,
                   enum setting what)
{
    static const char *const questions[] = {"update the weight for", "update the region for",
                                            "update the zone for"};
    struct matches m = {0};
    double weight = 0;
    int64_t number = 0;
    int status = RING_EXIT_ERROR;
    int err = what == SET_WEIGHT ? ring_cli_double(cli, value, "weight", &weight)
                                 : ring_cli_int(cli, value, setting_names[what], 0, INT64_MAX, &number);
    if (err == 0)
        err = find_matches(cli, o, &search, search ? 1 : 0, &m);
    if (err < 0)
        ring_cli_fail_error(cli);
    else if (confirm(cli, &m, o, questions[what]))
        status = set_matches(cli, &m, what, weight, number);
    free(m.devs);
    return status;
}

static int command_set(struct ring_cli *cli, int argc, char **argv, const char *command, enum setting what)
{
    struct device_options o;
    int status = RING_EXIT_OK;
    if (parse_options(cli, argc, argv, &o) < 0)
        return ring_cli_fail_error(cli);
    if (o.spec.set ? o.arg_count != 1 : (o.arg_count == 0 || o.arg_count % 2 != 0))
        return ring_cli_usage(cli, command);
    if (o.spec.set)
        status = set_one(cli, &o, NULL, o.args[0], what);
    for (int i = 0; !o.spec.set && i < o.arg_count && status == RING_EXIT_OK; i += 2)
        status = set_one(cli, &o, o.args[i], o.args[i + 1], what);
    return status == RING_EXIT_OK ? ring_cli_save(cli) : status;
}

int ring_command_set_weight(struct ring_cli *cli, int argc, char **argv)
{
    return command_set(cli, argc, argv, "set_weight", SET_WEIGHT);
}

int ring_command_set_region(struct ring_cli *cli, int argc, char **argv)
{
    return command_set(cli, argc, argv, "set_region", SET_REGION);
}

int ring_command_set_zone(struct ring_cli *cli, int argc, char **argv)
{
    return command_set(cli, argc, argv, "set_zone", SET_ZONE);
}

/* --- set_info ---------------------------------------------------------------------------------------------- */

static struct ring_device changed(const struct ring_device *d, const struct device_spec *c)
{
    struct ring_device r = *d;
    if (c->set & DEVICE_IP)
        r.ip = c->ip;
    if (c->set & DEVICE_PORT)
        r.port = (uint16_t)c->port;
    if (c->set & DEVICE_REPLICATION_IP)
        r.replication_ip = c->replication_ip;
    if (c->set & DEVICE_REPLICATION_PORT)
        r.replication_port = (uint16_t)c->replication_port;
    if (c->set & DEVICE_NAME)
        r.device = c->device;
    if (c->set & DEVICE_META)
        r.meta = c->meta;
    return r;
}

/* Strings of the change live in the call's arena or in argv, longer than the builder is used. */
static int change_one(struct ring_cli *cli, struct builder_device *dev, const struct device_spec *change)
{
    struct ring_device now = changed(&dev->d, change);
    for (uint32_t i = 0; i < cli->builder->dev_count; i++) {
        const struct builder_device *other = cli->builder->devs[i];
        if (other && other != dev && strcmp(other->d.ip, now.ip) == 0 && other->d.port == now.port &&
            strcmp(other->d.device, now.device) == 0)
            return ring_cli_fail(cli,
                                 "Device %u already uses %s:%u/%s. The on-disk ring builder is unchanged.", i,
                                 now.ip, now.port, now.device);
    }
    print_device(cli, "Device ", &dev->d, " is now ");
    print_device(cli, "", &now, "\n");
    dev->d = now;
    return RING_EXIT_OK;
}

static int change_matches(struct ring_cli *cli, const struct device_options *o, char *search,
                          const struct device_spec *change)
{
    struct matches m = {0};
    int status = RING_EXIT_ERROR;
    if (find_matches(cli, o, &search, search ? 1 : 0, &m) < 0)
        ring_cli_fail_error(cli);
    else if (confirm(cli, &m, o, "update the info for"))
        status = RING_EXIT_OK;
    for (size_t i = 0; i < m.n && status == RING_EXIT_OK; i++)
        status = change_one(cli, m.devs[i], change);
    free(m.devs);
    return status;
}

int ring_command_set_info(struct ring_cli *cli, int argc, char **argv)
{
    struct device_options o;
    int status = RING_EXIT_OK;
    if (parse_options(cli, argc, argv, &o) < 0)
        return ring_cli_fail_error(cli);
    bool by_options = o.spec.set != 0 && o.change.set != 0 && o.arg_count == 0;
    if (!by_options && (o.spec.set != 0 || o.change.set != 0 || o.arg_count == 0 || o.arg_count % 2 != 0))
        return ring_cli_usage(cli, "set_info");
    if ((o.change.set & DEVICE_NAME) && !device_search_name_ok(o.change.device))
        return ring_cli_fail(cli, "Invalid device name: '%s'", o.change.device);
    if (by_options)
        status = change_matches(cli, &o, NULL, &o.change);
    for (int i = 0; i < o.arg_count && status == RING_EXIT_OK; i += 2) {
        struct device_spec change;
        if (device_search_parse_change(o.args[i + 1], cli->arena, &change, &cli->error) < 0)
            return ring_cli_fail_error(cli);
        status = change_matches(cli, &o, o.args[i], &change);
    }
    return status == RING_EXIT_OK ? ring_cli_save(cli) : status;
}

/* --- search, list_parts ------------------------------------------------------------------------------------ */

static void print_search_row(struct ring_cli *cli, const struct builder_device *dev)
{
    const struct ring_device *d = &dev->d;
    fprintf(cli->out, "         %5u %7lld %5lld %15s %5u %15s %17u %9s %6.02f %10lld %7.02f %s\n", d->id,
            (long long)d->region, (long long)d->zone, d->ip, d->port, d->replication_ip, d->replication_port,
            d->device, d->weight, (long long)dev->parts, builder_device_balance(cli->builder, dev), d->meta);
}

static int no_match(struct ring_cli *cli)
{
    fprintf(cli->out, "No matching devices found\n");
    return RING_EXIT_ERROR;
}

int ring_command_search(struct ring_cli *cli, int argc, char **argv)
{
    struct device_options o;
    struct matches m = {0};
    int status = RING_EXIT_OK;
    if (parse_options(cli, argc, argv, &o) < 0)
        return ring_cli_fail_error(cli);
    if (o.arg_count > 1 || (o.arg_count > 0) == (o.spec.set != 0))
        return ring_cli_usage(cli, "search");
    if (find_matches(cli, &o, o.args, o.arg_count, &m) < 0)
        status = ring_cli_fail_error(cli);
    else if (m.n == 0)
        status = no_match(cli);
    else
        fprintf(cli->out,
                "Devices:    id  region  zone      ip address  port  replication ip  replication port      "
                "name weight partitions balance meta\n");
    for (size_t i = 0; i < m.n && status == RING_EXIT_OK; i++)
        print_search_row(cli, m.devs[i]);
    free(m.devs);
    return status;
}

struct part_count {
    uint64_t part;
    uint32_t count;
    size_t row; /* first that has it on one of the devices */
};

/* Most matches first; then in the order in which the table, row by row, shows them. */
static int compare_counts(const void *left, const void *right)
{
    const struct part_count *a = left, *b = right;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    if (a->row != b->row)
        return a->row < b->row ? -1 : 1;
    return a->part < b->part ? -1 : a->part > b->part;
}

static struct part_count *count_parts(const struct builder *b, const struct matches *m)
{
    struct part_count *counts = xcalloc(b->parts, sizeof(*counts));
    bool *wanted = xcalloc(b->dev_count + (size_t)1, sizeof(*wanted));
    for (size_t i = 0; i < m->n; i++)
        wanted[m->devs[i]->d.id] = true;
    for (uint64_t slot = 0; slot < b->entries; slot++) {
        struct part_count *c = &counts[slot & (b->parts - 1)];
        if (!wanted[b->table[slot]])
            continue;
        if (c->count++ == 0)
            c->row = slot >> b->part_power;
    }
    for (uint64_t p = 0; p < b->parts; p++)
        counts[p].part = p;
    qsort(counts, b->parts, sizeof(*counts), compare_counts);
    free(wanted);
    return counts;
}

static int print_parts(struct ring_cli *cli, const struct matches *m)
{
    struct part_count *counts = count_parts(cli->builder, m);
    int status = RING_EXIT_OK;
    if (counts[0].count == 0)
        status = no_match(cli);
    else
        fprintf(cli->out, "Partition   Matches\n");
    for (uint64_t i = 0; i < cli->builder->parts && counts[i].count > 0; i++)
        fprintf(cli->out, "%9llu   %7u\n", (unsigned long long)counts[i].part, counts[i].count);
    free(counts);
    return status;
}

int ring_command_list_parts(struct ring_cli *cli, int argc, char **argv)
{
    struct device_options o;
    struct matches m = {0};
    int status;
    if (cli->builder->rows == 0)
        return ring_cli_fail(cli,
                             "Specified builder file \"%s\" is not rebalanced yet. Please rebalance first.",
                             cli->builder_path);
    if (parse_options(cli, argc, argv, &o) < 0)
        return ring_cli_fail_error(cli);
    if ((o.arg_count > 0) == (o.spec.set != 0))
        return ring_cli_usage(cli, "list_parts");
    if (find_matches(cli, &o, o.args, o.arg_count, &m) < 0)
        status = ring_cli_fail_error(cli);
    else
        status = m.n == 0 ? no_match(cli) : print_parts(cli, &m);
    free(m.devs);
    return status;
}
