/* SPDX-License-Identifier: Apache-2.0
 *
 * hash_path.h: where a name lives. The digest of a path is
 *
 *     MD5(prefix "/" account ["/" container ["/" object]] suffix)
 *
 * with the cluster's secret prefix and suffix from swift.conf, section [swift-hash]. They must be the same bytes on
 * every node for as long as the cluster lives: any difference puts data where nobody looks for it. The first four
 * bytes of the digest choose the partition, the last three hex digits the suffix folder of an object.
 */
#ifndef RING_HASH_PATH_H
#define RING_HASH_PATH_H

#include "common/buf.h"

#define HASH_PATH_BYTES    16
#define HASH_PATH_HEX_SIZE 33 /* 32 hex digits and the NUL */
#define HASH_PATH_CONF     "/etc/swift/swift.conf"

/* Raw bytes, owned; never both empty once loaded. Read-only after loading: any number of threads may use it. */
struct hash_path_conf {
    struct str prefix;
    struct str suffix;
};

/* Reads swift_hash_path_prefix and swift_hash_path_suffix from the [swift-hash] section of a swift.conf.
 * 0; -ENOENT or another -errno where the file cannot be read, -EINVAL where it is malformed or both values are missing
 * or empty: then with a sentence in `error` (may be NULL) that says what to do, and *ret as it was. */
int hash_path_load(const char *swift_conf_path, struct hash_path_conf *ret, struct buf *error);
/* The same from values in memory, which are copied. -EINVAL if both are empty. */
int hash_path_set(struct str prefix, struct str suffix, struct hash_path_conf *ret);
/* Frees what load or set made. A zeroed struct is fine. */
void hash_path_release(struct hash_path_conf *conf);

/* The digest of an account, a container or an object. Names are plain (not quoted) UTF-8 bytes, the object may hold
 * any "/". STR_NONE or "" for the parts that are absent; an object without a container is a bug (assert). */
void hash_path(const struct hash_path_conf *conf, struct str account, struct str container, struct str object,
               uint8_t out[HASH_PATH_BYTES]);
/* The same as 32 lower-case hex digits; returns out. */
const char *hash_path_hex(const struct hash_path_conf *conf, struct str account, struct str container,
                          struct str object, char out[HASH_PATH_HEX_SIZE]);

/* The partition of a digest, for rings of 2^part_power partitions (0 .. 32). */
static inline uint32_t hash_path_part(const uint8_t digest[HASH_PATH_BYTES], unsigned part_power)
{
    uint64_t top =
        (uint64_t)digest[0] << 24 | (uint64_t)digest[1] << 16 | (uint64_t)digest[2] << 8 | digest[3];
    return (uint32_t)(top >> (32 - part_power)); /* 64 bits wide: part_power 0 shifts by 32 */
}

#endif
