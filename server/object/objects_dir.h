/* SPDX-License-Identifier: Apache-2.0
 *
 * objects_dir.h: the folder of one policy's objects on one device, and the paths below it (facts: object 1):
 *
 *     <device>/objects[-N]/<partition>/<last three digits of hash>/<hash>/
 *
 * All functions of this folder's disk modules block: call them in an offload to the device's pool.
 */
#ifndef OBJECT_OBJECTS_DIR_H
#define OBJECT_OBJECTS_DIR_H

#include "common/arena.h"
#include "base/policy.h"

struct objects_dir {
    const char *device_path; /* "/srv/node/sdb1" */
    const char *path;        /* "/srv/node/sdb1/objects-1" */
    int policy_index;
    int frag_count;           /* 0: replication; k + m for erasure coding */
    int64_t reclaim_age_ms;   /* tombstones and strays older than this go */
    int64_t commit_window_ms; /* a fragment without commit younger than this by its mtime stays */
};

#define OBJECTS_DIR_RECLAIM_AGE_MS   ((int64_t)604800 * 1000)
#define OBJECTS_DIR_COMMIT_WINDOW_MS ((int64_t)60 * 1000)

/* With the two ages at their defaults. The paths live in the arena. */
void objects_dir_init(struct objects_dir *d, struct arena *a, const char *device_path,
                      const struct policy *policy);
struct str objects_dir_partition(const struct objects_dir *d, struct arena *a, uint32_t part);
/* hash: 32 hex digits. */
struct str objects_dir_hash(const struct objects_dir *d, struct arena *a, uint32_t part, const char *hash);

/* Makes path, a folder below the device, and what is missing between; never the device itself (-ENODEV). Nothing is synced:
 * *ret_created is the number of levels that are new, for objects_dir_sync(). */
int objects_dir_make(const char *device_path, const char *path, unsigned *ret_created);
/* Makes a new entry of `path` durable, with the `created` levels above it that are new themselves: fsync of path, its
 * parent, ... created + 1 in all. */
int objects_dir_sync(const char *path, unsigned created);

/* True for "0a9": three lower-case hex digits. */
bool objects_dir_is_suffix(struct str name);

#endif
