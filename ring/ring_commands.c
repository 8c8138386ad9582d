/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of commands, and those that treat the builder as a whole.
 */
#include "ring/ring_commands.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "common/file.h"
#include "ring/rebalance.h"

enum { NEEDS_BUILDER, MAKES_BUILDER, READS_RING };

static const struct command {
    const char *name;
    ring_command_fn *run;
    int needs;
    int min_args;
    const char *args, *about;
} commands[] = {
    {"create", ring_command_create, MAKES_BUILDER, 3, "PART_POWER REPLICAS MIN_PART_HOURS",
     "make a builder for 2^PART_POWER partitions"},
    {"add", ring_command_add, NEEDS_BUILDER, 2,
     "[rREGION]zZONE-IP:PORT[RIP:PORT]/DEVICE[_META] WEIGHT ... | -r REGION -z ZONE -i IP -p PORT "
     "[-j R_IP] [-q R_PORT] -d DEVICE -w WEIGHT [-m META]",
     "add devices; they get partitions with the next rebalance"},
    {"remove", ring_command_remove, NEEDS_BUILDER, 1, "SEARCH ... [--yes]",
     "mark failed devices; the next rebalance takes everything from them"},
    {"set_weight", ring_command_set_weight, NEEDS_BUILDER, 2, "SEARCH WEIGHT ... [--yes]",
     "change weights; 0 empties a device"},
    {"set_region", ring_command_set_region, NEEDS_BUILDER, 2, "SEARCH REGION ... [--yes]", "change regions"},
    {"set_zone", ring_command_set_zone, NEEDS_BUILDER, 2, "SEARCH ZONE ... [--yes]", "change zones"},
    {"set_info", ring_command_set_info, NEEDS_BUILDER, 2,
     "SEARCH [IP][:PORT][R[IP][:PORT]][/DEVICE][_META] ... [--yes]",
     "change addresses, names or notes; then write_ring"},
    {"rebalance", ring_command_rebalance, NEEDS_BUILDER, 0, "[--seed SEED] [--force] [--debug] [SEED]",
     "give partitions to devices; write the ring and the builder"},
    {"list", ring_command_list, NEEDS_BUILDER, 0, "", "the ring and its devices (also without a command)"},
    {"search", ring_command_search, NEEDS_BUILDER, 1, "SEARCH", "the devices that match"},
    {"list_parts", ring_command_list_parts, NEEDS_BUILDER, 1, "SEARCH ...",
     "the partitions on the devices that match"},
    {"nodes", ring_command_nodes, READS_RING, 1,
     "ACCOUNT [CONTAINER [OBJECT]] [--swift-dir DIR] [--all] [--json]",
     "where a name lives: partition, primary devices, handoffs"},
    {"write_ring", ring_command_write_ring, NEEDS_BUILDER, 0, "", "write the ring file again"},
    {"write_builder", ring_command_write_builder, MAKES_BUILDER, 0, "[MIN_PART_HOURS]",
     "make a builder out of a ring whose builder is lost"},
    {"validate", ring_command_validate, NEEDS_BUILDER, 0, "", "check the table of the builder"},
    {"pretend_min_part_hours_passed", ring_command_pretend, NEEDS_BUILDER, 0, "",
     "let the next rebalance move any partition; dangerous while data is still moving"},
    {"set_min_part_hours", ring_command_set_min_part_hours, NEEDS_BUILDER, 1, "HOURS",
     "how long a partition rests after a move"},
    {"set_replicas", ring_command_set_replicas, NEEDS_BUILDER, 1, "REPLICAS",
     "change the number of replicas, such as 2.5"},
    {"set_overload", ring_command_set_overload, NEEDS_BUILDER, 1, "OVERLOAD[%]",
     "how much more than its weight a device may take for the sake of dispersion"},
    {"version", ring_command_version, READS_RING, 0, "", "format and build version of the ring file"},
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

/* --- shared helpers ---------------------------------------------------------------------------------------- */

int ring_cli_fail(struct ring_cli *cli, const char *format, ...)
{
    va_list args;
    fprintf(cli->err, "%s: ", cli->program);
    va_start(args, format);
    vfprintf(cli->err, format, args);
    va_end(args);
    if (cli->error.n > 0)
        fprintf(cli->err, ": %s", cli->error.p);
    fputc('\n', cli->err);
    return RING_EXIT_ERROR;
}

int ring_cli_fail_error(struct ring_cli *cli)
{
    fprintf(cli->err, "%s: %s\n", cli->program, cli->error.n > 0 ? cli->error.p : "unknown error");
    return RING_EXIT_ERROR;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

int ring_cli_usage(struct ring_cli *cli, const char *name)
{
    const struct command *c = find_command(name);
    fprintf(cli->err, "usage: %s FILE %s %s\n    %s\n", cli->program, c->name, c->args, c->about);
    return RING_EXIT_ERROR;
}

int ring_cli_save(struct ring_cli *cli)
{
    buf_reset(&cli->error);
    return builder_save(cli->builder, cli->builder_path, &cli->error) < 0 ? ring_cli_fail_error(cli)
                                                                          : RING_EXIT_OK;
}

int ring_cli_int(struct ring_cli *cli, const char *text, const char *what, int64_t min, int64_t max,
                 int64_t *ret)
{
    if (str_to_i64(str_from(text), ret) == 0 && *ret >= min && *ret <= max)
        return 0;
    buf_reset(&cli->error);
    buf_printf(&cli->error, "%s '%s' is not a whole number between %lld and %lld", what, text, (long long)min,
               (long long)max);
    return -EINVAL;
}

int ring_cli_double(struct ring_cli *cli, const char *text, const char *what, double *ret)
{
    if (str_to_double(str_from(text), ret) == 0 && *ret >= 0 && *ret <= 1e15)
        return 0;
    buf_reset(&cli->error);
    buf_printf(&cli->error, "%s '%s' is not a number of at least 0", what, text);
    return -EINVAL;
}

void ring_cli_duration(struct buf *b, int64_t seconds)
{
    int64_t days = seconds / 86400;
    if (days > 0)
        buf_printf(b, "%lld day%s, ", (long long)days, days == 1 ? "" : "s");
    buf_printf(b, "%d:%02d:%02d", (int)(seconds / 3600 % 24), (int)(seconds / 60 % 60), (int)(seconds % 60));
}

/* --- files ------------------------------------------------------------------------------------------------- */

/* <folder of path>/backups/<seconds>.<name>; makes the folder. */
static char *backup_path(struct ring_cli *cli, const char *path, int64_t now)
{
    const char *slash = strrchr(path, '/');
    int n = slash ? (int)(slash - path) + 1 : 0;
    char text[128];
    char *folder = xasprintf("%.*sbackups", n, path);
    int err = file_make_dirs(folder, 0755, true);
    char *backup = NULL;
    if (err == 0)
        backup = xasprintf("%s/%lld.%s", folder, (long long)now, path + n);
    else
        buf_printf(&cli->error, "%s: cannot make the folder for backups: %s", folder,
                   strerror_r(-err, text, sizeof(text)));
    free(folder);
    return backup;
}

static int backup_builder(struct ring_cli *cli, int64_t now)
{
    char *path = backup_path(cli, cli->builder_path, now);
    int err = path ? builder_save(cli->builder, path, &cli->error) : -EIO;
    free(path);
    return err;
}

/* The ring and a copy among the backups. */
static int write_rings(struct ring_cli *cli, int64_t now)
{
    struct ring_data data;
    char *path = backup_path(cli, cli->ring_path, now);
    builder_to_ring(cli->builder, cli->arena, &data);
    int err = path ? ring_file_write(path, &data, &cli->error) : -EIO;
    if (err == 0)
        err = ring_file_write(cli->ring_path, &data, &cli->error);
    free(path);
    return err;
}

static int64_t now_seconds(void)
{
    return clock_real_ns() / 1000000000;
}

/* --- commands ---------------------------------------------------------------------------------------------- */

int ring_command_create(struct ring_cli *cli, int argc, char **argv)
{
    int64_t power, hours;
    double replicas;
    if (ring_cli_int(cli, argv[0], "part_power", INT64_MIN, INT64_MAX, &power) < 0 ||
        ring_cli_double(cli, argv[1], "replicas", &replicas) < 0 ||
        ring_cli_int(cli, argv[2], "min_part_hours", INT64_MIN, INT64_MAX, &hours) < 0 ||
        builder_new(power, replicas, hours, &cli->builder, &cli->error) < 0 ||
        backup_builder(cli, now_seconds()) < 0)
        return ring_cli_fail_error(cli);
    return ring_cli_save(cli);
}

struct rebalance_options {
    bool force;
    const char *seed;
    const char *format;
};

static int parse_rebalance(struct ring_cli *cli, int argc, char **argv, struct rebalance_options *o)
{
    static const struct option longs[] = {{"force", no_argument, NULL, 'f'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"debug", no_argument, NULL, 'd'},
                                          {"format-version", required_argument, NULL, 'F'},
                                          {0}};
    int c;
    optind = 0;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":fs:d", longs, NULL)) != -1) {
        switch (c) {
        case 'f':
            o->force = true;
            break;
        case 's':
            o->seed = optarg;
            break;
        case 'd':
            break;
        case 'F':
            o->format = optarg;
            break;
        default:
            return -EINVAL;
        }
    }
    if (!o->seed && optind < argc)
        o->seed = argv[optind];
    return 0;
}

/* Options of write_ring and rebalance that name the file's format: version 1 is what there is. */
static bool is_format_1(struct ring_cli *cli, const char *format)
{
    if (!format || strcmp(format, "1") == 0)
        return true;
    ring_cli_fail(cli, "ring format version %s cannot be written: use 1, which all releases of Swift read",
                  format);
    return false;
}

static int nothing_to_do(struct ring_cli *cli, int64_t seconds_left)
{
    struct buf text;
    buf_init(&text, 256);
    ring_cli_duration(&text, seconds_left);
    fprintf(cli->out, "No partitions could be reassigned.\n");
    if (seconds_left > 0)
        fprintf(cli->out,
                "The time between rebalances must be at least min_part_hours: %lld hours (%s remaining)\n",
                (long long)cli->builder->min_part_hours, text.p);
    else
        fprintf(cli->out, "There is no need to do so at this time\n");
    buf_release(&text);
    return RING_EXIT_WARNING;
}

static int tell_rebalance(struct ring_cli *cli, const struct rebalance_result *r)
{
    const struct builder *b = cli->builder;
    fprintf(cli->out,
            "Reassigned %llu (%.02f%%) partitions. Balance is now %.02f.  Dispersion is now %.02f\n",
            (unsigned long long)r->changed, 100.0 * (double)r->changed / (double)b->parts, r->balance,
            r->dispersion);
    if (r->dispersion > 0) {
        fprintf(cli->out,
                "NOTE: %.06f%% of the replicas share a failure domain although there are enough domains:\n"
                "      change weights or raise the overload factor (set_overload) to part them.\n",
                r->dispersion);
        return RING_EXIT_WARNING;
    }
    if (r->balance > 5 && r->balance / 100.0 > b->overload) {
        fprintf(cli->out,
                "NOTE: a device is %.02f%% off its share: distribute this ring, wait at least %lld hours and "
                "rebalance again.\n",
                r->balance, (long long)b->min_part_hours);
        return RING_EXIT_WARNING;
    }
    return RING_EXIT_OK;
}

/* The builder goes first: a builder whose ring was not written can write it later (write_ring), while a ring without
 * its builder would be contradicted by the next rebalance. */
static int save_rebalance(struct ring_cli *cli)
{
    int64_t now = now_seconds();
    if (backup_builder(cli, now) < 0)
        return ring_cli_fail_error(cli);
    if (ring_cli_save(cli) != RING_EXIT_OK)
        return RING_EXIT_ERROR;
    if (write_rings(cli, now) < 0)
        return ring_cli_fail(cli, "the builder was saved, the ring was not: run '%s %s write_ring'",
                             cli->program, cli->builder_path);
    return RING_EXIT_OK;
}

int ring_command_rebalance(struct ring_cli *cli, int argc, char **argv)
{
    struct builder *b = cli->builder;
    struct rebalance_options o = {0};
    struct rebalance_result r;
    /* getopt wants a program's name in front: the command's is there. */
    if (parse_rebalance(cli, argc + 1, argv - 1, &o) < 0)
        return ring_cli_usage(cli, "rebalance");
    if (!is_format_1(cli, o.format))
        return RING_EXIT_ERROR;
    if (b->next_part_power >= 0)
        return ring_cli_fail(
            cli, "Partition power increase in progress. You need to finish it before rebalancing.");
    bool had_dispersion = b->has_dispersion, devs_changed = b->devs_changed;
    double balance = builder_balance(b), dispersion = b->dispersion;
    int64_t seconds_left = builder_seconds_left(b);
    if (rebalance(b, str_from(o.seed), &r, &cli->error) < 0 || builder_validate(b, &cli->error) < 0)
        return ring_cli_fail(cli, "the ring cannot be rebalanced (are there enough devices with a weight?)");
    if (r.changed == 0 && r.removed == 0 && !o.force)
        return nothing_to_do(cli, seconds_left);
    bool better = fabs(balance - r.balance) >= 1 ||
                  (balance >= BUILDER_MAX_BALANCE && r.balance >= BUILDER_MAX_BALANCE) || !had_dispersion ||
                  fabs(dispersion - r.dispersion) >= 1;
    if (!o.force && !devs_changed && !better) {
        fprintf(cli->out, "Cowardly refusing to save rebalance as it did not change at least 1%%.\n");
        return RING_EXIT_WARNING;
    }
    int status = save_rebalance(cli);
    return status != RING_EXIT_OK ? status : tell_rebalance(cli, &r);
}

int ring_command_write_ring(struct ring_cli *cli, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        const char *value = strchr(argv[i], '=');
        if (strncmp(argv[i], "--format-version", 16) == 0 &&
            !is_format_1(cli, value ? value + 1 : argv[argc - 1]))
            return RING_EXIT_ERROR;
    }
    if (cli->builder->dev_count == 0)
        return ring_cli_fail(cli, "Unable to write empty ring.");
    if (cli->builder->rows == 0)
        fprintf(cli->out,
                "Warning: Writing a ring with no partition assignments but with devices; did you forget to "
                "run \"rebalance\"?\n");
    return write_rings(cli, now_seconds()) < 0 ? ring_cli_fail_error(cli) : RING_EXIT_OK;
}

int ring_command_write_builder(struct ring_cli *cli, int argc, char **argv)
{
    int64_t hours = 24;
    struct ring_data ring;
    if (access(cli->builder_path, F_OK) == 0)
        return ring_cli_fail(cli, "Cowardly refusing to overwrite existing Ring Builder file: %s",
                             cli->builder_path);
    if (argc > 0 && ring_cli_int(cli, argv[0], "min_part_hours", 0, INT32_MAX, &hours) < 0)
        return ring_cli_fail_error(cli);
    if (argc == 0)
        fprintf(cli->err, "WARNING: default min_part_hours may not match the value in the lost builder.\n");
    if (ring_file_read(cli->ring_path, &ring, &cli->error) < 0)
        return ring_cli_fail_error(cli);
    int err = builder_from_ring(&ring, hours, &cli->builder, &cli->error);
    ring_data_release(&ring);
    return err < 0 ? ring_cli_fail(cli, "%s", cli->ring_path) : ring_cli_save(cli);
}

int ring_command_validate(struct ring_cli *cli, int argc, char **argv)
{
    return builder_validate(cli->builder, &cli->error) < 0 ? ring_cli_fail(cli, "%s", cli->builder_path)
                                                           : RING_EXIT_OK;
}

int ring_command_pretend(struct ring_cli *cli, int argc, char **argv)
{
    builder_pretend_min_part_hours_passed(cli->builder);
    return ring_cli_save(cli);
}

int ring_command_set_min_part_hours(struct ring_cli *cli, int argc, char **argv)
{
    if (ring_cli_int(cli, argv[0], "min_part_hours", 0, INT32_MAX, &cli->builder->min_part_hours) < 0)
        return ring_cli_fail_error(cli);
    int status = ring_cli_save(cli);
    if (status == RING_EXIT_OK)
        fprintf(cli->out,
                "The minimum number of hours before a partition can be reassigned is now set to %s\n",
                argv[0]);
    return status;
}

int ring_command_set_replicas(struct ring_cli *cli, int argc, char **argv)
{
    double replicas;
    if (ring_cli_double(cli, argv[0], "replicas", &replicas) < 0)
        return ring_cli_fail_error(cli);
    if (replicas < 1 || replicas > BUILDER_MAX_DEVICES)
        return ring_cli_fail(cli, "Replica count must be at least 1.");
    builder_set_replicas(cli->builder, replicas);
    int status = ring_cli_save(cli);
    if (status == RING_EXIT_OK)
        fprintf(cli->out,
                "The replica count is now %.6f.\nThe change will take effect after the next rebalance.\n",
                replicas);
    return status;
}

int ring_command_set_overload(struct ring_cli *cli, int argc, char **argv)
{
    struct str text = str_from(argv[0]);
    bool percent = str_ends(text, STR("%"));
    double overload;
    if (str_to_double(str_slice(text, 0, text.n - percent), &overload) < 0 || overload < 0)
        return ring_cli_fail(cli, "overload '%s' is not a number of at least 0", argv[0]);
    cli->builder->overload = percent ? overload * 0.01 : overload;
    int status = ring_cli_save(cli);
    if (status != RING_EXIT_OK)
        return status;
    if (!percent && overload > 1) {
        fprintf(cli->out, "!?! Warning overload is greater than 100%% !?!\n");
        status = RING_EXIT_WARNING;
    }
    fprintf(
        cli->out,
        "The overload factor is now %0.2f%% (%.6f)\nThe change will take effect after the next rebalance.\n",
        cli->builder->overload * 100, cli->builder->overload);
    return status;
}

/* --- the program ------------------------------------------------------------------------------------------- */

static void print_help(FILE *out, const char *program)
{
    fprintf(out,
            "usage: %s FILE [COMMAND] [ARGUMENTS]\n\n"
            "FILE is X.builder or X.ring.gz, such as object.builder; the other name follows from it.\n"
            "Without a command: list.\n\n",
            program);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %s %s\n      %s\n", commands[i].name, commands[i].args, commands[i].about);
    fprintf(
        out,
        "\nSEARCH is d<id>r<region>z<zone>-<ip>:<port>R<r_ip>:<r_port>/<device>_<meta>, each part optional, "
        "or "
        "the options\n-u ID -r REGION -z ZONE -i IP -p PORT -j R_IP -q R_PORT -d DEVICE -w WEIGHT -m META.\n"
        "Exit status: 0 done, 1 done with a warning or nothing to do, 2 error.\n");
}

static void derive_paths(struct ring_cli *cli, const char *file)
{
    struct str name = str_from(file);
    if (str_ends(name, STR(".ring.gz"))) {
        cli->ring_path = xstrdup(file);
        cli->builder_path = xasprintf("%.*s.builder", (int)name.n - 8, file);
        return;
    }
    size_t stem = str_ends(name, STR(".builder")) ? name.n - 8 : name.n;
    cli->builder_path = xstrdup(file);
    cli->ring_path = xasprintf("%.*s.ring.gz", (int)stem, file);
}

static int run(struct ring_cli *cli, const struct command *c, int argc, char **argv)
{
    if (argc < c->min_args)
        return ring_cli_usage(cli, c->name);
    if (c->needs == NEEDS_BUILDER && builder_load(cli->builder_path, &cli->builder, &cli->error) < 0)
        return ring_cli_fail_error(cli);
    buf_reset(&cli->error);
    return c->run(cli, argc, argv);
}

/* Started as martlet-ring-safe, the program works under a lock on the folder, as upstream's swift-ring-builder-safe. */
static int run_locked(struct ring_cli *cli, const struct command *c, int argc, char **argv)
{
    if (!str_ends(str_from(cli->program), STR("-safe")))
        return run(cli, c, argc, argv);
    const char *slash = strrchr(cli->builder_path, '/');
    char *lock = xasprintf("%.*s.lock", slash ? (int)(slash - cli->builder_path) + 1 : 0, cli->builder_path);
    int fd = file_lock(lock, 15000);
    int status;
    if (fd < 0) {
        status = ring_cli_fail(cli, "Ring/builder dir currently locked.");
    } else {
        status = run(cli, c, argc, argv);
        close(fd);
    }
    free(lock);
    return status;
}

static void cli_release(struct ring_cli *cli)
{
    builder_free(cli->builder);
    arena_free(cli->arena);
    buf_release(&cli->error);
    free(cli->builder_path);
    free(cli->ring_path);
}

int ring_commands_main(int argc, char **argv, FILE *in, FILE *out, FILE *err)
{
    const char *slash = strrchr(argv[0], '/');
    struct ring_cli cli = {.program = slash ? slash + 1 : argv[0], .in = in, .out = out, .err = err};
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(out, cli.program);
        return RING_EXIT_OK;
    }
    const struct command *c = find_command(argc > 2 ? argv[2] : "list");
    if (!c) {
        fprintf(err, "%s: Unknown command: %s (%s --help lists them)\n", cli.program, argv[2], cli.program);
        return RING_EXIT_ERROR;
    }
    buf_init(&cli.error, 64 * 1024);
    cli.arena = arena_new();
    derive_paths(&cli, argv[1]);
    if (c->needs != READS_RING && strcmp(cli.builder_path, argv[1]) != 0)
        fprintf(out, "Note: using %s instead of %s as builder file\n", cli.builder_path, argv[1]);
    int status = run_locked(&cli, c, argc > 2 ? argc - 3 : 0, argc > 2 ? argv + 3 : argv + 2);
    if (fflush(out) != 0 && status == RING_EXIT_OK)
        status = ring_cli_fail(&cli, "cannot write the output");
    cli_release(&cli);
    return status;
}
