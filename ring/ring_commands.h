/* SPDX-License-Identifier: Apache-2.0
 *
 * ring_commands.h: the subcommands of martlet-ring. They take the arguments of upstream's swift-ring-builder and print
 * the same main lines; exit status 0 done, 1 done with a warning (or nothing to do), 2 error.
 *
 * What a command reports goes to stdout, what went wrong to stderr. A command that fails leaves all files as they were.
 */
#ifndef RING_RING_COMMANDS_H
#define RING_RING_COMMANDS_H

#include <stdio.h>

#include "ring/builder.h"
#include "ring/device_search.h"

enum { RING_EXIT_OK, RING_EXIT_WARNING, RING_EXIT_ERROR };

/* One call of the program. */
struct ring_cli {
    const char *program;
    char *builder_path, *ring_path; /* X.builder and X.ring.gz */
    struct builder *builder;        /* NULL for commands that do not need one */
    struct arena *arena;
    struct buf error; /* a sentence for ring_cli_fail() */
    FILE *in, *out, *err;
};

/* The program: its exit status. */
int ring_commands_main(int argc, char **argv, FILE *in, FILE *out, FILE *err);

/* --- shared by the files of commands ---------------------------------------------------------------------- */

/* A command gets the arguments behind its name. */
typedef int ring_command_fn(struct ring_cli *cli, int argc, char **argv);

ring_command_fn ring_command_create, ring_command_rebalance, ring_command_write_ring,
    ring_command_write_builder, ring_command_validate, ring_command_pretend, ring_command_set_min_part_hours,
    ring_command_set_replicas, ring_command_set_overload;
ring_command_fn ring_command_add, ring_command_remove, ring_command_set_weight, ring_command_set_region,
    ring_command_set_zone, ring_command_set_info, ring_command_search, ring_command_list_parts;
ring_command_fn ring_command_list, ring_command_version, ring_command_nodes;

/* Prints "martlet-ring: " and the sentence (and what stands in cli->error) to stderr; returns RING_EXIT_ERROR. */
int ring_cli_fail(struct ring_cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints cli->error alone, likewise. */
int ring_cli_fail_error(struct ring_cli *cli);
/* How the command is to be called, to stderr; returns RING_EXIT_ERROR. */
int ring_cli_usage(struct ring_cli *cli, const char *command);
/* Saves the builder: RING_EXIT_OK or an error that was printed. */
int ring_cli_save(struct ring_cli *cli);
/* Numbers in arguments; -EINVAL with a sentence in cli->error. */
int ring_cli_int(struct ring_cli *cli, const char *text, const char *what, int64_t min, int64_t max,
                 int64_t *ret);
int ring_cli_double(struct ring_cli *cli, const char *text, const char *what, double *ret);
/* Seconds as "1 day, 2:03:04". */
void ring_cli_duration(struct buf *b, int64_t seconds);

#endif
