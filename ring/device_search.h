/* SPDX-License-Identifier: Apache-2.0
 *
 * device_search.h: devices as operators write them.
 *
 *   add value      [r<region>]z<zone>-<ip>:<port>[R<ip>:<port>]/<device>[_<meta>]
 *   search value   d<id>r<region>z<zone>-<ip>:<port>R<ip>:<port>/<device>_<meta>     every part optional, at least one
 *   change value   <ip>:<port>R<ip>:<port>/<device>_<meta>                           likewise
 *
 * The second address is that for replication. IPv6 addresses may stand in brackets and are stored as inet_ntop() writes
 * them; in values only literal addresses are allowed, in options also host names.
 */
#ifndef RING_DEVICE_SEARCH_H
#define RING_DEVICE_SEARCH_H

#include "ring/ring.h"

enum device_field {
    DEVICE_ID = 1,
    DEVICE_REGION = 2,
    DEVICE_ZONE = 4,
    DEVICE_IP = 8,
    DEVICE_PORT = 16,
    DEVICE_REPLICATION_IP = 32,
    DEVICE_REPLICATION_PORT = 64,
    DEVICE_NAME = 128,
    DEVICE_META = 256,
    DEVICE_WEIGHT = 512,
};

/* Some fields of a device; strings live as long as the arena they were read with. */
struct device_spec {
    unsigned set; /* which, or-ed */
    int64_t id, region, zone, port, replication_port;
    const char *ip, *replication_ip, *device, *meta;
    double weight;
};

/* All: 0, or -EINVAL with a sentence. */
int device_search_parse(const char *text, struct arena *arena, struct device_spec *ret, struct buf *error);
int device_search_parse_add(const char *text, struct arena *arena, struct device_spec *ret,
                            struct buf *error);
int device_search_parse_change(const char *text, struct arena *arena, struct device_spec *ret,
                               struct buf *error);

/* An address in the form it is stored in; -EINVAL if it is none. */
int device_search_address(struct str text, bool allow_host, struct arena *arena, const char **ret,
                          struct buf *error);
/* May a device be called so? Not empty, no blank at its ends, no slash, not "." or "..". */
bool device_search_name_ok(const char *name);

/* Does the device have all that is set? Of the meta, a part is enough. */
bool device_search_matches(const struct device_spec *spec, const struct ring_device *d);

/* Appends d0r1z1-10.0.0.1:6200R10.0.0.1:6200/sda_"meta". */
void device_search_format(struct buf *b, const struct ring_device *d);

#endif
