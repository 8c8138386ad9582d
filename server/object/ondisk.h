/* SPDX-License-Identifier: Apache-2.0
 *
 * ondisk.h: the names of the files in an object's hash folder, and which of them count. Pure: names in, a choice out.
 * Reading, cleaning up and hashing a suffix all decide by this one function: two nodes that decided differently would
 * replicate for ever. Source: swift.obj.diskfile get_ondisk_files (facts: object 3, 4).
 *
 *   <internal>.data          a replicated object
 *   <internal>#<i>.data      fragment archive i of an erasure-coded object, #<i>#d.data once it is durable
 *   <internal>.ts            a tombstone
 *   <short>[+-<hex>].meta    metadata of a POST; the part after the sign tells the time of its Content-Type
 *   <internal>.durable       how durability was marked before #d: read, never written
 */
#ifndef OBJECT_ONDISK_H
#define OBJECT_ONDISK_H

#include "common/arena.h"
#include "common/timestamp.h"

enum ondisk_kind {
    ONDISK_OTHER, /* has a time in its name but none of our extensions; gets old like the rest */
    ONDISK_DATA,
    ONDISK_META,
    ONDISK_TS,
    ONDISK_DURABLE,
};

enum ondisk_fate {
    ONDISK_NEEDED,
    ONDISK_OBSOLETE,   /* superseded: may be removed at once */
    ONDISK_STRAY,      /* of no use alone: may be removed when older than reclaim_age */
    ONDISK_HIDDEN,     /* of no use for this choice, but another one may need it */
    ONDISK_UNEXPECTED, /* not understood: never touched */
};

struct ondisk_file {
    struct str name; /* as given: not copied */
    struct str ext;  /* from the last dot, ".data"; empty if none */
    enum ondisk_kind kind;
    enum ondisk_fate fate;
    struct timestamp time;
    bool has_ctype;         /* .meta whose name has a time for its Content-Type */
    struct timestamp ctype; /* that time */
    int frag_index;         /* -1: none */
    bool durable;           /* for a fragment: marked so, or of the set that a .durable file marks */
};

#define ONDISK_NAME_SIZE 96 /* fits every name that ondisk_name_* makes */

/* Reads a name. frag_count: 0 for a replication policy, k + m for erasure coding. 0, or -EINVAL and fate UNEXPECTED. */
int ondisk_parse(struct str name, int frag_count, struct ondisk_file *ret);

/* Names to write. All return out. */
const char *ondisk_name(struct timestamp time, const char *ext, char out[ONDISK_NAME_SIZE]);
const char *ondisk_name_meta(struct timestamp time, const struct timestamp *ctype,
                             char out[ONDISK_NAME_SIZE]);
const char *ondisk_name_frag(struct timestamp time, int frag_index, bool durable, char out[ONDISK_NAME_SIZE]);

/* ".<name>.XXXXXX", what rsync calls a file that it has not finished. */
bool ondisk_is_rsync_temp(struct str name);

/* Which fragments a reader wants (X-Backend-Fragment-Preferences), in falling order of preference. */
struct ondisk_preference {
    struct timestamp time;
    const int *exclude;
    size_t n_exclude;
};

struct ondisk_rules {
    int frag_count; /* 0: replication, and the rest is not looked at */
    int frag_index; /* this fragment only; -1: any */
    bool has_preferences;
    const struct ondisk_preference *preferences;
    size_t n_preferences;
};
#define ONDISK_REPLICATION ((struct ondisk_rules){.frag_index = -1})

struct ondisk_frag_set {
    struct ondisk_file **files; /* by rising fragment index, all of one time */
    size_t n;
};

struct ondisk_choice {
    struct ondisk_file *data, *meta, *ts; /* NULL: none. ts only where there is no data */
    struct ondisk_file *ctype;            /* the .meta that has the newest Content-Type, if newer than data */
    struct ondisk_frag_set *sets;         /* erasure coding: newest first, down to the durable set */
    size_t n_sets;
    struct ondisk_frag_set *durable_set, *chosen_set; /* NULL: none */
};

/* Sorts files (newest first) and sets each fate. Files that ondisk_parse() refused must have fate UNEXPECTED. The choice
 * points into files and the arena. */
void ondisk_choose(struct arena *a, struct ondisk_file *files, size_t n, const struct ondisk_rules *rules,
                   struct ondisk_choice *ret);

#endif
