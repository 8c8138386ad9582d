/* SPDX-License-Identifier: Apache-2.0
 *
 * policy.h: storage policies: [storage-policy:N] of swift.conf (facts: ring 16).
 */
#ifndef BASE_POLICY_H
#define BASE_POLICY_H

#include "common/conf.h"

enum policy_type { POLICY_REPLICATION, POLICY_ERASURE_CODING };

struct policy {
    int index;
    const char *name;     /* as written; compares without case */
    const char **aliases; /* NULL-terminated, may be empty */
    enum policy_type type;
    bool is_default, deprecated;
    const char *ec_type; /* erasure coding only, as all below */
    int ec_data, ec_parity;
    int64_t ec_segment_size;
    int ec_duplication;
};

struct policies {
    struct policy *v; /* by rising index */
    size_t n;
    const struct policy *fallback; /* the default policy */
};

/* Reads the sections; none at all gives the one policy "Policy-0". 0, or -EINVAL with a sentence. */
int policies_read(struct conf *conf, struct policies *ret, struct buf *error);
void policies_release(struct policies *p);
/* By the X-Backend-Storage-Policy-Index field: absent or empty means 0; NULL if unknown or no number. */
const struct policy *policy_by_header(const struct policies *p, struct str value);
const struct policy *policy_by_index(const struct policies *p, int index);
const struct policy *policy_by_name(const struct policies *p, struct str name); /* or alias, any case */
/* "objects" or "objects-1", "async_pending-1", "tmp-1": base and "-N" unless N is 0. Returns out. */
#define POLICY_DIR_SIZE 48
const char *policy_dir(const char *base, int index, char out[POLICY_DIR_SIZE]);

/* (n + 1) / 2: replicas that must agree. */
static inline size_t quorum_size(size_t n)
{
    return (n + 1) / 2;
}

#endif
