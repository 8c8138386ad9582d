/* SPDX-License-Identifier: Apache-2.0
 *
 * suffix_hashes.h: what two nodes compare to find out whether they hold the same objects of a partition: a digest of the
 * state of each suffix folder, kept in hashes.pkl, with the suffixes that changed since in hashes.invalid (facts: object
 * 11, 12). Blocks.
 *
 *   - whoever changes a suffix appends it to hashes.invalid BEFORE the change becomes visible, under flock(.lock)
 *   - consolidation, under the same lock, marks those in hashes.pkl as unknown and empties hashes.invalid
 *   - hashing runs without the lock; its result is written only if hashes.pkl is still, to the byte, what it started from
 */
#ifndef OBJECT_SUFFIX_HASHES_H
#define OBJECT_SUFFIX_HASHES_H

#include "common/buf.h"
#include "object/objects_dir.h"

#define SUFFIX_HASHES_FILE            "hashes.pkl"
#define SUFFIX_HASHES_INVALID         "hashes.invalid"
#define SUFFIX_HASHES_LOCK            ".lock"
#define SUFFIX_HASHES_LOCK_TIMEOUT_MS 10000
#define SUFFIX_HASHES_MAX_BYTES       ((size_t)64 << 20) /* of hashes.pkl and of hashes.invalid */

struct frag_hash {
    int frag_index; /* -1: metadata, tombstones and durable marks, None in the pickle */
    char hex[33];
};

struct suffix_hash {
    char suffix[4];
    bool known;              /* false: None, to be computed */
    char hex[33];            /* replication */
    struct frag_hash *frags; /* erasure coding: NULL for replication */
    size_t n_frags;
};

struct suffix_hashes {
    bool valid;            /* false: nothing is known of suffixes that are not listed */
    double updated;        /* -1: not said */
    struct suffix_hash *v; /* by rising suffix; in the arena */
    size_t n, cap;
    struct arena *arena;
};

void suffix_hashes_init(struct suffix_hashes *h, struct arena *a); /* empty and not valid */
/* The entry, made if missing. suffix: 3 bytes. */
struct suffix_hash *suffix_hashes_at(struct suffix_hashes *h, struct str suffix);

/* Content of hashes.pkl. What cannot be read leaves an empty, invalid table: 0, or -EINVAL in that case. */
int suffix_hashes_parse(struct arena *a, struct str pickle, struct suffix_hashes *ret);
void suffix_hashes_encode(const struct suffix_hashes *h, struct buf *out);
/* What REPLICATE answers: the same without valid and updated. */
void suffix_hashes_answer(const struct suffix_hashes *h, struct buf *out);

/* Appends the suffix to hashes.invalid; makes the partition folder if it is missing. 0 or -errno; -ETIMEDOUT: somebody
 * held the lock too long. */
int suffix_hashes_invalidate(const struct objects_dir *d, uint32_t part, struct str suffix);
/* Merges hashes.invalid into hashes.pkl and returns the result. */
int suffix_hashes_consolidate(const struct objects_dir *d, uint32_t part, struct arena *a,
                              struct suffix_hashes *ret);
/* Everything up to date: consolidates, looks for new suffixes if told (or if nothing valid is there), cleans up and
 * hashes what is unknown or listed in recalculate, and writes hashes.pkl. A suffix that fails stays unknown. *ret_hashed
 * (may be NULL): suffixes computed. 0, or -errno; -ENOENT: no such partition. */
int suffix_hashes_get(const struct objects_dir *d, uint32_t part, const struct str *recalculate,
                      size_t n_recalculate, bool list, struct arena *a, struct suffix_hashes *ret,
                      size_t *ret_hashed);

/* One suffix folder: removes obsolete files, quarantines what is no folder, and fills hash. -ENOENT: the folder is gone
 * (or was empty and has been removed). */
int suffix_hashes_compute(const struct objects_dir *d, uint32_t part, struct suffix_hash *hash,
                          struct arena *a);

#endif
