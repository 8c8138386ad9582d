/* SPDX-License-Identifier: Apache-2.0
 *
 * ring.h: which devices hold a partition. What servers and daemons use.
 *
 * struct ring is one loaded *.ring.gz, immutable and counted: any number of threads may look things up in it at once,
 * without locks and without allocation. Devices and their strings live as long as the ring, so hold a reference while
 * you use them.
 *
 * struct ring_holder is a path whose file may be replaced while the process runs. A request takes the ring once, at
 * its start, and works with that one until it is done:
 *
 *     const struct ring *ring = ring_holder_get(holder);
 *     uint8_t digest[16];
 *     hash_path(conf, account, container, object, digest);
 *     uint32_t part = ring_part(ring, digest);
 *     const struct ring_device *nodes[8];
 *     size_t n = ring_primaries(ring, part, nodes, 8);
 *     ...
 *     struct ring_handoffs more;
 *     ring_handoffs_init(&more, ring, part, arena);
 *     while ((node = ring_handoffs_next(&more)))
 *         ...
 *     ring_unref(ring);
 *
 * File names, under swift_dir: account.ring.gz, container.ring.gz, object.ring.gz (policy 0), object-<N>.ring.gz.
 */
#ifndef RING_RING_H
#define RING_RING_H

#include "common/arena.h"
#include "common/buf.h"

struct ring_device {
    uint32_t id;    /* index in the ring's list of devices */
    int64_t region; /* failure domains: a region has zones, */
    int64_t zone;   /* a zone (within its region) has servers */
    const char *ip; /* as in the ring: v4, v6 (shortest form, lower case, no brackets), or a host name */
    uint16_t port;  /* of the account, container or object server for clients' requests */
    const char *replication_ip; /* for daemons; the same as ip and port where the ring has none */
    uint16_t replication_port;
    const char *device; /* folder under `devices` */
    const char *meta;   /* the operator's note, "" if none */
    double weight;
    /* Numbers of the distinct region, (region, zone), (region, zone, ip) among the devices that hold partitions;
     * UINT32_MAX for a device without any. For ring.c. */
    uint32_t region_index, zone_index, ip_index;
};

struct ring;

/* --- loading ------------------------------------------------------------------------------------------------ */

/* Reads and checks a whole ring file. 0 with one reference in *ret, or -errno with a sentence in `error` (may be NULL)
 * that names the file and what is wrong: -ENOENT and the like from the system, -EBADMSG for damage (gzip checksum or
 * length, ids, row lengths), -EINVAL for JSON that is not a ring, -ENOTSUP for a format this cannot read. */
int ring_load(const char *path, struct ring **ret, struct buf *error);
/* The same from a file's bytes; `name` is ring_path() and stands in sentences. */
int ring_parse(struct str bytes, const char *name, struct ring **ret, struct buf *error);
const struct ring *ring_ref(const struct ring *ring);
void ring_unref(const struct ring *ring); /* NULL is fine */

/* --- facts about a ring ------------------------------------------------------------------------------------- */

uint32_t ring_part_power(const struct ring *ring);
uint64_t ring_part_count(const struct ring *ring); /* 2^part_power */
/* The power that an increase in progress leads to, or -1: absent. (Equal to part_power after the step.) */
int ring_next_part_power(const struct ring *ring);
/* Version of the builder that wrote the ring, or -1: unknown (such as composite rings). */
int64_t ring_version(const struct ring *ring);
/* Rows of the table: the most replicas that any partition has. 2.5 replicas are 3 rows; 0: no assignments yet. */
size_t ring_replica_count(const struct ring *ring);
/* Replicas as a number: rows - 1 + length of last row / partitions. */
double ring_replicas(const struct ring *ring);
/* Device by id, or NULL: a hole or past the end. */
const struct ring_device *ring_device(const struct ring *ring, uint32_t id);
/* One past the highest id: for (id = 0; id < ring_device_limit(ring); id++) if ((d = ring_device(ring, id))) ... */
uint32_t ring_device_limit(const struct ring *ring);
/* Device in a row of the table, or NULL where the row is too short (facts: the last row may be) or missing. Rows are
 * not node indexes: use ring_primaries() for those. */
const struct ring_device *ring_assigned(const struct ring *ring, size_t row, uint32_t part);
/* The path it was loaded from. */
const char *ring_path(const struct ring *ring);
/* MD5 of the file's bytes, lower-case hex (recon's ringmd5). */
const char *ring_md5(const struct ring *ring);

/* --- lookups ------------------------------------------------------------------------------------------------ */

/* The partition of a hash_path() digest. */
uint32_t ring_part(const struct ring *ring, const uint8_t digest[16]);

/* The partition's devices in order, each once: out[i] is the node with index i (for EC: fragment i modulo the number
 * of fragments). Returns how many were stored, at most max and at most ring_replica_count(). 0 for a partition past
 * the end. */
size_t ring_primaries(const struct ring *ring, uint32_t part, const struct ring_device **out, size_t max);

/* Where else to look, in the order of every other node of the cluster: first devices in new regions, then in new
 * zones, on new servers, then all others; never a primary, none twice. Lazy: each step walks only as far as the next
 * device. The struct needs no release; the ring must stay referenced while it is used. */
#define RING_HANDOFFS_INLINE 64
struct ring_handoffs {
    const struct ring *ring;
    uint64_t *seen; /* bits: devices, regions, zones, servers met so far; inline_bits or from the arena */
    size_t region_base, zone_base, ip_base; /* where each group starts in `seen` */
    uint32_t left[4];                       /* regions, zones, servers, devices not met yet */
    uint64_t start, step, part;             /* position of the walk */
    size_t row;
    unsigned pass;  /* 0 regions, 1 zones, 2 servers, 3 devices, 4 over */
    bool wrapped;   /* in the second leg, below `start` */
    uint32_t index; /* devices returned so far: before a call, the handoff index of what it returns */
    uint64_t inline_bits[RING_HANDOFFS_INLINE];
};
/* The arena is used only for rings with more than about 4000 devices and failure domains together. */
void ring_handoffs_init(struct ring_handoffs *it, const struct ring *ring, uint32_t part,
                        struct arena *arena);
const struct ring_device *ring_handoffs_next(struct ring_handoffs *it); /* NULL at the end */

/* --- a ring that follows its file --------------------------------------------------------------------------- */

struct ring_holder;

#define RING_RELOAD_MS 15000

/* Something else to ask of a ring before it is used, such as the number of replicas of an erasure coding policy. 0, or
 * a negative errno with a sentence in `error`. Runs at open and at each reload, maybe in different threads. */
typedef int ring_check_fn(const struct ring *ring, void *arg, struct buf *error);

/* Loads the ring; as ring_load() on failure. */
int ring_holder_open(const char *path, struct ring_holder **ret, struct buf *error);
/* The same with a check (may be NULL) and another reload time (0: RING_RELOAD_MS). */
int ring_holder_open_checked(const char *path, ring_check_fn *check, void *arg, int64_t reload_ms,
                             struct ring_holder **ret, struct buf *error);
void ring_holder_free(struct ring_holder *holder); /* rings handed out stay valid */

/* A reference to the current ring, for the caller to ring_unref(); never NULL. Looks at the file's mtime (inequality, not
 * "newer") when the last look is RING_RELOAD_MS ago, and then loads a changed file: that is a stat every 15 s and, when
 * an operator has distributed a new ring, the time of reading it. One thread does that while the others go on with the
 * old ring. A file that is missing, bad or refused leaves the old ring in use, to be tried again when it changes;
 * ring_holder_take_error() says why. */
const struct ring *ring_holder_get(struct ring_holder *holder);
/* The same without ever touching the file: for code that must not wait on a disk and where something else, such as a
 * timer with an offload, calls ring_holder_get(). */
const struct ring *ring_holder_peek(struct ring_holder *holder);
/* True if the next ring_holder_get() would look at the file. */
bool ring_holder_due(struct ring_holder *holder);
/* Takes the sentence of the last failed reload, once: false if there is none. For whoever logs. */
bool ring_holder_take_error(struct ring_holder *holder, struct buf *error);

#endif
